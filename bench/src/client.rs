//! An MQTT 5 client at the level of packets, without I/O: bytes in, events and bytes out.
//!
//! It connects, makes one subscription, publishes, asks the state store, and acknowledges what it receives. It never
//! reconnects and never repeats: what goes wrong ends the benchmark.
//!
//! Drive it as: write [`outgoing`](Client::outgoing) and say so with [`written`](Client::written), then hand what
//! arrives to [`receive`](Client::receive), which may add to `outgoing`. It is ready for use at [`Event::Ready`].

use std::collections::VecDeque;

use mayfly_core::{REQUEST_TOPIC, WallClock};
use mayfly_sim::history::{Call, Condition};
use mayfly_wire::{
    AckProperties, Connect, ConnectProperties, DecodeError, EncodeError, Hlc, Packet, PacketId,
    ProtocolVersion, PubAck, PubRel, Publish, PublishProperties, QoS, ReasonCode, RetainHandling, Subscribe,
    SubscribeFilters, SubscribeProperties, Subscription, SubscriptionOptions, TopicError, TopicFilter,
    TopicName, UserProperties, resp3, split_frame,
};

use crate::answer::Response;

/// The longest packet that is taken, in bytes; no benchmark comes near it.
const MAX_PACKET_SIZE: u32 = 1024 * 1024;

/// Longer than any pause of a benchmark. Not 0, which would be none: rumqttd refuses that.
const DEFAULT_KEEP_ALIVE_S: u16 = 600;

/// Who a client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Its client identifier.
    pub name: String,
    /// Keep Alive in seconds; 0 is none.
    pub keep_alive_s: u16,
    /// Its user name and password.
    pub credentials: Option<(String, String)>,
    /// Session Expiry Interval in seconds.
    pub session_expiry_s: u32,
    /// Message Expiry Interval of its requests in seconds.
    pub request_expiry_s: u32,
    /// How far its wall clock is ahead, in milliseconds.
    pub clock_offset_ms: i64,
    /// What it subscribes to before it is ready. One that asks the store needs its
    /// [`response_topic`](Self::response_topic).
    pub subscription: Option<(String, QoS)>,
}

/// What arrived.
#[derive(Debug, PartialEq)]
pub struct Arrival<'a> {
    /// So many bytes of the buffer are done with.
    pub len: usize,
    /// What they tell; `None` for a step on the way to [`Event::Ready`].
    pub event: Option<Event<'a>>,
}

/// What a client is told.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// The connection was accepted, and the subscription granted.
    Ready,
    /// The oldest PUBLISH that was not acknowledged is; one of QoS 2 to its end.
    Acknowledged,
    /// The store answered.
    Response(Response<'a>),
    /// A message, which is not from the store.
    Message(Publish<'a>),
    /// The broker answered a ping.
    Pong,
}

/// Why a client cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// What arrived is no packet.
    #[error("the broker sent a malformed packet: {0}")]
    Malformed(#[from] DecodeError),
    /// What was to be sent is no packet.
    #[error("a packet cannot be sent: {0}")]
    Unsendable(#[from] EncodeError),
    /// A name that topics are made of cannot stand in one.
    #[error("a topic is not valid: {0}")]
    Topic(#[from] TopicError),
    /// CONNACK, SUBACK or PUBACK with an error.
    #[error("the broker refused {what}: {reason}")]
    Refused {
        /// What was refused.
        what: &'static str,
        /// Why.
        reason: ReasonCode,
    },
    /// DISCONNECT.
    #[error("the broker disconnected the client: {0}")]
    Disconnected(ReasonCode),
    /// A packet that nothing led to.
    #[error("the broker sent {0}, which nothing asked for")]
    Unexpected(String),
}

/// A client of one connection.
#[derive(Debug)]
pub struct Client {
    settings: Settings,
    response_topic: String,
    outgoing: Vec<u8>,
    last_packet_id: u16,
    /// SUBSCRIBE waits for its SUBACK.
    subscribing: Option<PacketId>,
    /// A server acknowledges in the order of arrival [MQTT-4.6.0-2].
    unacknowledged: VecDeque<PacketId>,
    /// Reused by every request.
    payload: Vec<u8>,
    /// Reused by every request: `__ts`.
    timestamp: Vec<u8>,
}

impl Settings {
    /// A client without subscription and lasting session.
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            keep_alive_s: DEFAULT_KEEP_ALIVE_S,
            credentials: None,
            session_expiry_s: 0,
            request_expiry_s: 10,
            clock_offset_ms: 0,
            subscription: None,
        }
    }

    /// The same, subscribed to a filter.
    #[must_use]
    pub fn subscribed(self, filter: &str, qos: QoS) -> Self {
        Self { subscription: Some((filter.to_owned(), qos)), ..self }
    }

    /// The same, subscribed to its response topic.
    #[must_use]
    pub fn asking(self) -> Self {
        let response_topic = self.response_topic();
        self.subscribed(&response_topic, QoS::AtLeastOnce)
    }

    /// Where the store's answers to this client go.
    pub fn response_topic(&self) -> String {
        format!("clients/{}/responses", self.name)
    }
}

impl Client {
    /// A client whose CONNECT is to be written.
    pub fn new(settings: Settings) -> Result<Self, ClientError> {
        let mut client = Self {
            response_topic: settings.response_topic(),
            settings,
            outgoing: Vec::new(),
            last_packet_id: 0,
            subscribing: None,
            unacknowledged: VecDeque::new(),
            payload: Vec::new(),
            timestamp: Vec::new(),
        };
        let credentials = client.settings.credentials.as_ref();
        let connect = Connect {
            version: ProtocolVersion::V5,
            clean_start: true,
            keep_alive_s: client.settings.keep_alive_s,
            client_id: &client.settings.name,
            will: None,
            user_name: credentials.map(|(user_name, _)| user_name.as_str()),
            password: credentials.map(|(_, password)| password.as_bytes()),
            properties: ConnectProperties {
                session_expiry_interval_s: Some(client.settings.session_expiry_s),
                ..ConnectProperties::default()
            },
        };
        Packet::Connect(connect).encode(ProtocolVersion::V5, &mut client.outgoing)?;
        Ok(client)
    }

    /// Bytes to be written.
    pub fn outgoing(&self) -> &[u8] {
        &self.outgoing
    }

    /// Notes that all of [`outgoing`](Self::outgoing) was written.
    pub fn written(&mut self) {
        self.outgoing.clear();
    }

    /// Publishes. A QoS above 0 is answered with [`Event::Acknowledged`].
    pub fn publish(&mut self, topic: &str, qos: QoS, payload: &[u8]) -> Result<(), ClientError> {
        let packet_id = (qos > QoS::AtMostOnce).then(|| self.next_packet_id());
        self.unacknowledged.extend(packet_id);
        let properties = PublishProperties::default();
        let publish = Publish { dup: false, qos, retain: false, topic, packet_id, properties, payload };
        Ok(Packet::Publish(publish).encode(ProtocolVersion::V5, &mut self.outgoing)?)
    }

    /// Asks for [`Event::Pong`].
    pub fn ping(&mut self) -> Result<(), ClientError> {
        Ok(Packet::PingReq.encode(ProtocolVersion::V5, &mut self.outgoing)?)
    }

    /// Asks the store. The response carries `correlation`; one that was used before may be answered from memory.
    pub fn request(&mut self, wall: WallClock, correlation: u128, call: &Call) -> Result<(), ClientError> {
        let packet_id = self.next_packet_id();
        self.unacknowledged.push_back(packet_id);
        self.payload.clear();
        encode_call(call, &mut self.payload);
        let wall_clock_ms = wall.as_millis().saturating_add_signed(self.settings.clock_offset_ms);
        self.timestamp.clear();
        Hlc { wall_clock_ms, counter: 0, node_id: &self.settings.name }.write_to(&mut self.timestamp);
        let timestamp = str::from_utf8(&self.timestamp).expect("digits, colons and a name");
        let user_properties =
            [("__ts", timestamp), ("__srcId", self.settings.name.as_str()), ("__protVer", "1.0")];
        let correlation_data = correlation.to_be_bytes();
        let properties = PublishProperties {
            message_expiry_interval_s: Some(self.settings.request_expiry_s),
            response_topic: Some(TopicName::parse(&self.response_topic)?),
            correlation_data: Some(&correlation_data),
            content_type: Some("application/octet-stream"),
            user_properties: UserProperties::from_pairs(&user_properties),
            ..PublishProperties::default()
        };
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: REQUEST_TOPIC,
            packet_id: Some(packet_id),
            properties,
            payload: &self.payload,
        };
        Ok(Packet::Publish(publish).encode(ProtocolVersion::V5, &mut self.outgoing)?)
    }

    /// Takes one packet off the front of `buffer`, and acknowledges it if it is a message of QoS 1. `None`: more bytes are
    /// needed.
    pub fn receive<'a>(&mut self, buffer: &'a [u8]) -> Result<Option<Arrival<'a>>, ClientError> {
        let Some(frame) = split_frame(buffer, MAX_PACKET_SIZE)? else { return Ok(None) };
        let event = match frame.decode(ProtocolVersion::V5)? {
            Packet::ConnAck(ack) => {
                accepted("the connection", ack.reason)?;
                if self.subscribe()? { None } else { Some(Event::Ready) }
            }
            Packet::SubAck(ack) if Some(ack.packet_id) == self.subscribing => {
                for &reason in ack.reasons {
                    accepted(
                        "the subscription",
                        ReasonCode::from_u8(reason).unwrap_or(ReasonCode::UnspecifiedError),
                    )?;
                }
                self.subscribing = None;
                Some(Event::Ready)
            }
            Packet::PubAck(ack) if Some(&ack.packet_id) == self.unacknowledged.front() => {
                accepted("a PUBLISH", ack.reason)?;
                self.unacknowledged.pop_front();
                Some(Event::Acknowledged)
            }
            Packet::PubRec(ack) => {
                accepted("a PUBLISH", ack.reason)?;
                let properties = AckProperties::default();
                let release = PubRel { packet_id: ack.packet_id, reason: ReasonCode::Success, properties };
                Packet::PubRel(release).encode(ProtocolVersion::V5, &mut self.outgoing)?;
                None
            }
            Packet::PubComp(ack) if Some(&ack.packet_id) == self.unacknowledged.front() => {
                self.unacknowledged.pop_front();
                Some(Event::Acknowledged)
            }
            Packet::PingResp => Some(Event::Pong),
            Packet::Publish(publish) if publish.qos < QoS::ExactlyOnce => {
                if let Some(packet_id) = publish.packet_id {
                    self.acknowledge(packet_id)?;
                }
                Some(if publish.topic == self.response_topic {
                    Event::Response(Response::read(&publish))
                } else {
                    Event::Message(publish)
                })
            }
            Packet::Disconnect(disconnect) => return Err(ClientError::Disconnected(disconnect.reason)),
            other => return Err(ClientError::Unexpected(format!("{other:?}"))),
        };
        Ok(Some(Arrival { len: frame.len, event }))
    }

    /// Sends SUBSCRIBE, unless the client wants no subscription.
    fn subscribe(&mut self) -> Result<bool, ClientError> {
        let Some((filter, qos)) = self.settings.subscription.take() else { return Ok(false) };
        let packet_id = self.next_packet_id();
        let options = SubscriptionOptions {
            qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::DoNotSend,
        };
        let subscriptions = [Subscription { filter: TopicFilter::parse(&filter)?, options }];
        let subscribe = Subscribe {
            packet_id,
            properties: SubscribeProperties::default(),
            filters: SubscribeFilters::from_slice(&subscriptions),
        };
        Packet::Subscribe(subscribe).encode(ProtocolVersion::V5, &mut self.outgoing)?;
        self.subscribing = Some(packet_id);
        Ok(true)
    }

    fn acknowledge(&mut self, packet_id: PacketId) -> Result<(), EncodeError> {
        let ack = PubAck { packet_id, reason: ReasonCode::Success, properties: AckProperties::default() };
        Packet::PubAck(ack).encode(ProtocolVersion::V5, &mut self.outgoing)
    }

    /// The identifiers go round; few are in use at a time.
    fn next_packet_id(&mut self) -> PacketId {
        self.last_packet_id = self.last_packet_id % u16::MAX + 1;
        PacketId::new(self.last_packet_id).expect("one more than a remainder is not zero")
    }
}

fn accepted(what: &'static str, reason: ReasonCode) -> Result<(), ClientError> {
    if reason.is_error() { Err(ClientError::Refused { what, reason }) } else { Ok(()) }
}

fn encode_call(call: &Call, payload: &mut Vec<u8>) {
    match call {
        Call::Get { key } => resp3::encode_array(&[b"GET", key], payload),
        Call::Del { key } => resp3::encode_array(&[b"DEL", key], payload),
        Call::Vdel { key, value } => resp3::encode_array(&[b"VDEL", key, value], payload),
        Call::KeyNotify { key, stop: false } => resp3::encode_array(&[b"KEYNOTIFY", key], payload),
        Call::KeyNotify { key, stop: true } => resp3::encode_array(&[b"KEYNOTIFY", key, b"STOP"], payload),
        Call::Set { key, value, condition, px_ms } => {
            let mut items: Vec<&[u8]> = vec![b"SET", key, value];
            match condition {
                Condition::None => {}
                Condition::Nx => items.push(b"NX"),
                Condition::Nex => items.push(b"NEX"),
            }
            let milliseconds = px_ms.map(|px_ms| px_ms.to_string());
            if let Some(milliseconds) = &milliseconds {
                items.extend([&b"PX"[..], milliseconds.as_bytes()]);
            }
            resp3::encode_array(&items, payload);
        }
    }
}
