//! From a client's bytes to events: every packet is validated in full before anybody hears of it.

use std::fmt::Display;
use std::num::NonZeroU16;
use std::time::Duration;

use mayfly_wire::{
    AckProperties, Connect, DecodeError, Frame, Packet, PacketId, ProtocolVersion, PubAck, PubRec, Publish,
    QoS, ReasonCode, split_frame,
};

use super::aliases::TooManyBytes;
use super::authentication::Evidence;
use super::flow::{Exceeded, Inbound};
use super::refusal::{CONNECT_HEADER, LONGEST_LEVEL_END, answerable};
use super::screening::{self, Fault};
use super::{Asked, Connection, Phase};
use crate::identity::Identity;
use crate::machine::{CloseCause, ConnectionId, Input};
use crate::time::Monotonic;

/// What [`Connection::receive`] found.
#[derive(Debug, PartialEq)]
pub struct Received<'a> {
    /// So many bytes of the buffer are done with. Zero, without an event: more bytes are needed.
    pub consumed: usize,
    /// What they mean to the broker; `None` where they mean nothing to it, as PINGREQ.
    pub event: Option<Event<'a>>,
}

/// What a connection has to tell the broker.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// A valid CONNECT.
    Open {
        /// Who the client was authenticated as.
        identity: Identity<'a>,
        /// The packet.
        connect: Connect<'a>,
    },
    /// The owner has to say who the client is. Nobody else hears of it before.
    Authenticate(Evidence<'a>),
    /// The client authenticated itself again, as the same user.
    Reauthenticated(Identity<'a>),
    /// A valid packet. Topic aliases are resolved.
    Packet(Packet<'a>),
    /// A PUBLISH with this packet identifier was refused, and answered.
    Refused(PacketId),
    /// The client sent what it may not. The connection is closing.
    Closed(CloseCause),
}

impl<'a> Event<'a> {
    /// What the broker has to hear of it; the evidence, where its owner has to say first who the client is. `entropy` draws
    /// the random bits of an [`Input::Opened`].
    pub fn into_input(
        self,
        connection: ConnectionId,
        entropy: impl FnOnce() -> u128,
    ) -> Result<Input<'a>, Evidence<'a>> {
        Ok(match self {
            Self::Open { identity, connect } => {
                Input::Opened { connection, identity, entropy: entropy(), connect }
            }
            Self::Authenticate(evidence) => return Err(evidence),
            Self::Reauthenticated(identity) => Input::Reauthenticated { connection, identity },
            Self::Packet(packet) => Input::Packet { connection, packet },
            Self::Refused(packet_id) => Input::Refused { connection, packet_id },
            Self::Closed(cause) => Input::Closed { connection, cause },
        })
    }
}

impl Connection {
    /// Takes one packet off the front of `buffer`.
    pub fn receive<'a>(&'a mut self, now: Monotonic, buffer: &'a [u8]) -> Received<'a> {
        if self.phase == Phase::Closing {
            return Received { consumed: buffer.len(), event: None };
        }
        let frame = match split_frame(buffer, self.max_packet_size()) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Received { consumed: 0, event: None },
            Err(DecodeError::PacketTooLarge) if self.phase == Phase::Fresh => {
                return self.refuse_too_large(now, buffer);
            }
            Err(error) => return self.reject(now, buffer.len(), error.reason(), &error),
        };
        self.last_received = now;
        let consumed = frame.len;
        let packet = match frame.decode(self.version) {
            Ok(packet) => packet,
            Err(error) if self.phase == Phase::Fresh => return self.refuse(now, &frame, error),
            // A second CONNECT, whatever it says [MQTT-3.1.0-2]; its own errors are none that DISCONNECT knows.
            Err(_) if frame.header == CONNECT_HEADER => {
                return self.reject(now, consumed, ReasonCode::ProtocolError, &"a second CONNECT");
            }
            Err(error) => return self.reject(now, consumed, error.reason(), &error),
        };
        match (self.phase, packet) {
            (Phase::Fresh, Packet::Connect(connect)) => self.connect(now, &buffer[..consumed], &connect),
            // The first packet is CONNECT [MQTT-3.1.0-1]: this is no MQTT client, and gets no answer.
            (Phase::Fresh, _) => {
                self.close(now);
                Received::closed(consumed, ReasonCode::ProtocolError)
            }
            (Phase::Authenticating | Phase::Open, Packet::Auth(auth)) => self.auth(now, consumed, &auth),
            (Phase::Authenticating, Packet::Disconnect(_)) => {
                self.close(now); // It has thought better of it.
                Received { consumed, event: Some(Event::Closed(CloseCause::NetworkLost)) }
            }
            // [MQTT-3.1.2-30]
            (Phase::Authenticating, _) => self.reject(
                now,
                consumed,
                ReasonCode::ProtocolError,
                &"another packet than AUTH before CONNACK",
            ),
            (_, Packet::PingReq) => {
                self.send_packet(now, &Packet::PingResp);
                Received { consumed, event: None }
            }
            (_, Packet::Publish(publish)) => self.publish(now, consumed, publish),
            (_, packet) => match screening::packet(&packet) {
                Err(fault) => self.reject(now, consumed, fault.reason, &fault.why),
                Ok(()) => Received { consumed, event: Some(Event::Packet(packet)) },
            },
        }
    }

    fn connect<'a>(&mut self, now: Monotonic, packet: &'a [u8], connect: &Connect<'a>) -> Received<'a> {
        self.version = connect.version;
        self.asked = Asked::new(&self.config, &connect.properties);
        self.inbound = Inbound::new(&self.config, connect.version);
        let method = connect.properties.authentication_method.filter(|_| !self.must_authenticate);
        let why = "this server knows no Authentication Method here";
        let known = method.map_or(Ok(()), |_| Err(Fault::new(ReasonCode::BadAuthenticationMethod, why)));
        if let Err(fault) = known.and_then(|()| screening::connect(&self.config, connect)) {
            self.send_refusal(now, fault.reason, Some(&fault.why));
            return Received::closed(packet.len(), fault.reason);
        }
        self.keep_alive(connect);
        if self.must_authenticate {
            return self.hold(now, packet, connect);
        }
        self.phase = Phase::Connecting;
        let identity = Identity::default();
        Received { consumed: packet.len(), event: Some(Event::Open { identity, connect: *connect }) }
    }

    /// Settles the Keep Alive, the server's own where the client's is longer than the cap [MQTT-3.1.2-21].
    fn keep_alive(&mut self, connect: &Connect<'_>) {
        let asked_s = connect.keep_alive_s;
        let cap_s = match connect.version {
            ProtocolVersion::V5 => self.config.max_keep_alive_s,
            ProtocolVersion::V3_1_1 => None,
        };
        let is_over = |cap_s: u16| asked_s == 0 || asked_s > cap_s;
        let server_keep_alive_s = cap_s.map(NonZeroU16::get).filter(|cap_s| is_over(*cap_s));
        self.asked.server_keep_alive_s = server_keep_alive_s;
        let keep_alive_s = u64::from(server_keep_alive_s.unwrap_or(asked_s));
        self.patience = (keep_alive_s > 0).then(|| Duration::from_millis(keep_alive_s * 1500));
    }

    fn publish<'a>(&'a mut self, now: Monotonic, consumed: usize, mut publish: Publish<'a>) -> Received<'a> {
        let checked = screening::publish(&publish).and_then(|()| self.count(&publish));
        let checked = checked.and_then(|()| self.learn_alias(&publish)).and_then(|()| {
            let topic = self.topic_of(&publish);
            topic.ok_or(Fault::new(ReasonCode::ProtocolError, "a Topic Alias that was given no topic"))
        });
        let screened = match checked {
            Ok(topic) => screening::message(&self.config, topic, &publish),
            Err(fault) => return self.reject(now, consumed, fault.reason, &fault.why),
        };
        if let Err(fault) = screened {
            return self.refuse_message(now, consumed, &publish, fault);
        }
        let this: &'a Self = self;
        publish.topic = this.topic_of(&publish).expect("a topic was found for it above");
        publish.properties.topic_alias = None;
        Received { consumed, event: Some(Event::Packet(Packet::Publish(publish))) }
    }

    /// Counts a message against the Receive Maximum [MQTT-3.3.4-7, MQTT-3.3.4-9].
    fn count(&mut self, publish: &Publish<'_>) -> Result<(), Fault> {
        if publish.qos == QoS::AtMostOnce {
            return Ok(());
        }
        let why = "more messages are unacknowledged than the server's Receive Maximum";
        let arrived = self.inbound.arrived(self.config.receive_maximum);
        arrived.map_err(|Exceeded| Fault::new(ReasonCode::ReceiveMaximumExceeded, why))
    }

    /// Keeps the topic of an alias that was given one, or another than before [MQTT-3.3.2-9, MQTT-3.3.2-10].
    fn learn_alias(&mut self, publish: &Publish<'_>) -> Result<(), Fault> {
        let Some(alias) = publish.properties.topic_alias else { return Ok(()) };
        if alias.get() > self.config.topic_alias_maximum {
            let why = "a Topic Alias beyond the server's Topic Alias Maximum";
            return Err(Fault::new(ReasonCode::TopicAliasInvalid, why));
        }
        if publish.topic.is_empty() {
            return Ok(());
        }
        let why = "the topics of all Topic Aliases together are too long";
        let learnt = self.aliases_mut().learn(alias, publish.topic);
        learnt.map_err(|TooManyBytes| Fault::new(ReasonCode::QuotaExceeded, why))
    }

    /// The topic that a PUBLISH is for; `None` where its alias has none.
    fn topic_of<'p>(&'p self, publish: &Publish<'p>) -> Option<&'p str> {
        if publish.topic.is_empty() {
            self.aliases.as_ref()?.topic(publish.properties.topic_alias?)
        } else {
            Some(publish.topic)
        }
    }

    /// Answers a message that is not taken: with its acknowledgement where its QoS has one, with DISCONNECT otherwise.
    /// MQTT 3.1.1 knows neither [MQTT 3.1.1, section 3.3.5].
    fn refuse_message<'a>(
        &mut self,
        now: Monotonic,
        consumed: usize,
        publish: &Publish<'_>,
        Fault { reason, why }: Fault,
    ) -> Received<'a> {
        let Some(packet_id) = publish.packet_id.filter(|_| self.version == ProtocolVersion::V5) else {
            return self.reject(now, consumed, reason, &why);
        };
        let reason_string = self.config.reason_strings.then_some(why);
        let properties = AckProperties { reason_string, ..AckProperties::default() };
        let ack = match publish.qos {
            QoS::ExactlyOnce => Packet::PubRec(PubRec { packet_id, reason, properties }),
            QoS::AtLeastOnce | QoS::AtMostOnce => Packet::PubAck(PubAck { packet_id, reason, properties }),
        };
        self.send_packet(now, &ack);
        Received { consumed, event: Some(Event::Refused(packet_id)) }
    }

    /// The longest packet that is taken at present, in bytes.
    fn max_packet_size(&self) -> u32 {
        let most = self.config.max_packet_size;
        match self.phase {
            Phase::Fresh | Phase::Authenticating => most.min(self.config.max_connect_size).get(),
            Phase::Connecting | Phase::Open | Phase::Closing => most.get(),
        }
    }

    /// Answers a CONNECT that is too large as soon as so much of it is there that its protocol level tells how.
    fn refuse_too_large<'a>(&mut self, now: Monotonic, buffer: &[u8]) -> Received<'a> {
        let error = DecodeError::PacketTooLarge;
        if let Ok(Some(frame)) = split_frame(buffer, u32::MAX) {
            return self.refuse(now, &frame, error);
        }
        // Behind the packet type, and the Remaining Length, whose bytes but the last have the highest bit set.
        let body = buffer.iter().skip(1).skip_while(|byte| **byte >= 0x80).skip(1);
        let begin = buffer.len() - body.count();
        let header = buffer.first().copied().unwrap_or_default();
        let frame = Frame { header, body: &buffer[begin..], len: buffer.len() };
        if frame.header == CONNECT_HEADER && frame.body.len() < LONGEST_LEVEL_END {
            return Received { consumed: 0, event: None };
        }
        self.refuse(now, &frame, error)
    }

    /// Answers a CONNECT that can't be decoded, where its protocol level tells how.
    fn refuse<'a>(&mut self, now: Monotonic, frame: &Frame<'_>, error: DecodeError) -> Received<'a> {
        let reason = error.reason();
        if let Some(version) = answerable(frame, reason) {
            self.version = version;
            self.send_refusal(now, reason, Some(&error));
        }
        self.close(now);
        Received::closed(frame.len, reason)
    }

    /// Closes the connection for what the client sent, and tells it [MQTT-4.13.1-1].
    pub(super) fn reject<'a>(
        &mut self,
        now: Monotonic,
        consumed: usize,
        reason: ReasonCode,
        why: &dyn Display,
    ) -> Received<'a> {
        self.tell_and_close(now, reason, Some(why));
        Received::closed(consumed, reason)
    }
}

impl Received<'_> {
    fn closed(consumed: usize, reason: ReasonCode) -> Self {
        Self { consumed, event: Some(Event::Closed(CloseCause::Rejected(reason))) }
    }
}
