//! From actions to bytes: encoding, and what the client asked not to be sent.

use std::fmt::Display;
use std::num::NonZeroU16;
use std::rc::Rc;

use mayfly_wire::{
    ConnAck, ConnAckProperties, Delivery, Disconnect, DisconnectProperties, EncodeError, Packet,
    ProtocolVersion, QoS, ReasonCode, SubAck,
};

use super::aliases::TopicAliases;
use super::refusal::{in_3_1_1, in_conn_ack, in_disconnect, may_be_unwanted, without_problem_information};
use super::{Connection, Phase};
use crate::machine::Action;
use crate::time::Monotonic;

impl Connection {
    /// Carries out what the broker wants of this connection.
    pub fn send(&mut self, now: Monotonic, action: &Action<'_>) {
        if self.phase == Phase::Closing {
            return;
        }
        match action {
            Action::Send(Packet::ConnAck(ack)) => self.send_conn_ack(now, ack),
            Action::Send(Packet::SubAck(ack)) if !self.config.tells_denials => {
                let reasons: Vec<_> = ack.reasons.iter().map(|reason| without_denial(*reason)).collect();
                self.send_packet(now, &Packet::SubAck(SubAck { reasons: &reasons, ..*ack }));
            }
            Action::Send(packet) => self.send_packet(now, packet),
            Action::Deliver(delivery) => self.deliver(now, delivery),
            Action::Close(reason) => self.shut_down(now, *reason),
        }
    }

    fn deliver(&mut self, now: Monotonic, delivery: &Delivery<'_>) {
        if delivery.qos == QoS::AtMostOnce && self.outgoing().len() > self.max_outgoing_bytes() {
            self.dropped += 1;
            return;
        }
        let encoded = if self.asked.topic_alias_maximum == 0 {
            delivery.encode(self.version, self.outgoing.buffer(now))
        } else {
            self.deliver_with_alias(now, delivery)
        };
        if encoded.is_err() {
            self.close(now); // The broker's sizes and the codec's disagree; nothing was written.
        }
    }

    /// Sends a message whose topic may go by an alias. An alias that could not be given with this message, since it makes
    /// the packet too large for the client, is given with a later one.
    fn deliver_with_alias(&mut self, now: Monotonic, delivery: &Delivery<'_>) -> Result<(), EncodeError> {
        let (version, topic) = (self.version, delivery.topic);
        let (maximum, limit) = (self.asked.topic_alias_maximum, self.asked.maximum_packet_size);
        let aliases = self
            .aliases
            .get_or_insert_with(|| Box::new(TopicAliases::new(self.config.max_topic_alias_bytes)));
        let buffer = self.outgoing.buffer(now);
        if let Some(alias) = aliases.known(topic) {
            return Delivery { topic: "", topic_alias: Some(alias), ..*delivery }.encode(version, buffer);
        }
        let Some(alias) = aliases.available(topic, maximum) else {
            return delivery.encode(version, buffer);
        };
        let introduction = Delivery { topic_alias: Some(alias), ..*delivery };
        if introduction.encoded_len(version) > limit {
            return delivery.encode(version, buffer);
        }
        introduction.encode(version, buffer)?;
        aliases.established(topic);
        Ok(())
    }

    /// The topic aliases, which few connections have.
    pub(super) fn aliases_mut(&mut self) -> &mut TopicAliases {
        self.aliases.get_or_insert_with(|| Box::new(TopicAliases::new(self.config.max_topic_alias_bytes)))
    }

    fn send_conn_ack(&mut self, now: Monotonic, ack: &ConnAck<'_>) {
        if ack.reason.is_error() {
            self.send_refusal(now, ack.reason, None);
            return;
        }
        let config = Rc::clone(&self.config);
        let mut ack = *ack;
        let told = &mut ack.properties;
        told.maximum_packet_size = Some(config.max_packet_size);
        // What is not said is the standard's default.
        told.receive_maximum = Some(config.receive_maximum).filter(|maximum| *maximum != NonZeroU16::MAX);
        told.topic_alias_maximum = Some(config.topic_alias_maximum).filter(|maximum| *maximum != 0);
        told.server_keep_alive_s = self.asked.server_keep_alive_s;
        if self.asked.response_information {
            told.response_information = config.response_information.as_deref();
        }
        let authentication = self.authentication.take();
        if let Some(authentication) = &authentication {
            (ack.properties.authentication_method, ack.properties.authentication_data) =
                authentication.outcome();
        }
        self.phase = Phase::Open;
        self.send_packet(now, &Packet::ConnAck(ack));
        self.authentication = authentication.and_then(|mut held| held.settle().then_some(held));
    }

    /// CONNACK with an error, and the end of the connection [MQTT-3.2.2-7].
    pub(super) fn send_refusal(&mut self, now: Monotonic, reason: ReasonCode, why: Option<&dyn Display>) {
        let why = self.in_words(why);
        let properties = ConnAckProperties { reason_string: why.as_deref(), ..ConnAckProperties::default() };
        self.send_refusal_with(now, reason, properties);
    }

    /// The same, with whatever else is to be told.
    pub(super) fn send_refusal_with(
        &mut self,
        now: Monotonic,
        reason: ReasonCode,
        properties: ConnAckProperties<'_>,
    ) {
        let (reason, properties) = match self.version {
            ProtocolVersion::V5 => (in_conn_ack(reason), properties),
            ProtocolVersion::V3_1_1 => (in_3_1_1(reason), ConnAckProperties::default()),
        };
        self.send_packet(now, &Packet::ConnAck(ConnAck { session_present: false, reason, properties }));
        self.close(now);
    }

    /// DISCONNECT of MQTT 5; a server of 3.1.1 just closes. A normal end needs no words.
    pub(super) fn send_disconnect(
        &mut self,
        now: Monotonic,
        reason: ReasonCode,
        properties: DisconnectProperties<'_>,
    ) {
        if self.version == ProtocolVersion::V5 && reason != ReasonCode::Success {
            let reason = in_disconnect(reason);
            self.send_packet(now, &Packet::Disconnect(Disconnect { reason, properties }));
        }
    }

    /// A Reason String, where the listener wants them.
    pub(super) fn in_words(&self, why: Option<&dyn Display>) -> Option<String> {
        why.filter(|_| self.config.reason_strings).map(ToString::to_string)
    }

    /// Sends a packet that is no message. One that the client can't be sent ends the connection instead: larger than its
    /// Maximum Packet Size even without Reason String and User Properties [MQTT-3.1.2-24, MQTT-3.2.2-19, MQTT-3.14.2-3],
    /// or a refusal that MQTT 3.1.1 has no return code for.
    pub(super) fn send_packet(&mut self, now: Monotonic, packet: &Packet<'_>) {
        let was_held_back = !self.wants_input();
        self.inbound.sent(packet);
        if was_held_back && self.wants_input() {
            self.last_received = now; // Until now nothing could arrive.
        }
        let is_unwanted = !self.asked.problem_information && may_be_unwanted(packet);
        if !is_unwanted && self.encode(now, packet) {
            return;
        }
        let bare = without_problem_information(packet);
        let is_sent = match &bare {
            Some(bare) => self.encode(now, bare),
            None => is_unwanted && self.encode(now, packet),
        };
        if !is_sent {
            self.close(now);
        }
    }

    /// Writes a packet, unless the client can't be sent it. Says whether it did.
    fn encode(&mut self, now: Monotonic, packet: &Packet<'_>) -> bool {
        let buffer = self.outgoing.buffer(now);
        let start = buffer.len();
        let encoded = packet.encode(self.version, buffer);
        let fits = encoded.is_ok() && buffer.len() - start <= self.asked.maximum_packet_size;
        if !fits {
            buffer.truncate(start);
        }
        fits
    }
}

/// A reason of SUBACK that does not say that rules decided.
fn without_denial(reason: u8) -> u8 {
    if reason == ReasonCode::NotAuthorized as u8 { ReasonCode::UnspecifiedError as u8 } else { reason }
}
