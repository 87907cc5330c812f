//! What the clients of a run did and saw in MQTT beside the state store: connects, subscriptions, publications, deliveries.
//!
//! Recorded by the simulator's own client, which keeps what others hide: each DUP flag and packet identifier, the
//! deliveries that a receiver drops because it has them already, and what still arrives on a connection that was taken
//! over. Reason codes are the numbers on the wire.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::lock::Hold;
use super::scan::Page;
use super::watch::{Answered, Notified, Watch};
use super::{ClientIndex, History, OperationId};

/// Which event: an index into [`History::mqtt`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EventId(pub usize);

/// Something that a client did, and what came of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MqttEvent {
    /// Who.
    pub client: ClientIndex,
    /// When it began: a connect with the attempt, a packet with its first sending or its arrival.
    pub at_ns: u64,
    /// What.
    pub what: What,
}

/// What a client did or saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum What {
    /// It connected, or tried to.
    Connect(Connect),
    /// It subscribed.
    Subscribe(Subscribe),
    /// It published.
    Publish(Publish),
    /// A message arrived.
    Deliver(Deliver),
    /// It misbehaved on purpose.
    Hostile(Hostile),
    /// It held a lock.
    Hold(Hold),
    /// It registered for notifications of a key, or stopped that.
    Watch(Watch),
    /// A notification arrived.
    Notified(Notified),
    /// The response to an operation of the state store arrived.
    Answered(Answered),
    /// It asked for a page of a scan.
    Page(Page),
    /// It perhaps did or saw this, then or at another time, or never: see [`weaken`](crate::explain::weaken).
    Forgotten(Box<What>),
}

/// A connect, from its attempt to the end of the connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Connect {
    /// The client identifier, which several hosts may share.
    pub client_id: String,
    /// The Clean Start flag.
    pub clean_start: bool,
    /// The Session Expiry Interval in seconds.
    pub session_expiry_s: u32,
    /// The will, if it has one.
    pub will: Option<Will>,
    /// CONNACK, if it came.
    pub answer: Option<ConnAck>,
    /// The end of the connection, if the client saw it.
    pub end: Option<End>,
}

/// The will of a connection. Its payload is the connection's own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Will {
    /// Where it is published.
    pub topic: String,
    /// What is published.
    pub payload: String,
    /// The Will Delay Interval in seconds.
    pub delay_s: u32,
    /// Its QoS.
    pub qos: u8,
}

/// What CONNACK said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnAck {
    /// When it arrived.
    pub at_ns: u64,
    /// The reason code; 0 is success.
    pub reason: u8,
    /// The Session Present flag.
    pub session_present: bool,
}

/// The end of a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When the client ended it or saw it end.
    pub at_ns: u64,
    /// How.
    pub how: Ended,
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// The client sent DISCONNECT with reason 0: the broker discards the will.
    Disconnected,
    /// The client closed it without DISCONNECT.
    Cut,
    /// The broker sent DISCONNECT with this reason code.
    ByBroker(u8),
    /// The stream ended or failed.
    Lost(String),
}

/// A subscription to one filter.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subscribe {
    /// The connect whose connection it was made on.
    pub connection: EventId,
    /// The topic filter, `$share/…` included.
    pub filter: String,
    /// The QoS asked for.
    pub qos: u8,
    /// When SUBACK arrived, and its reason code: the granted QoS, or a refusal from 0x80 on.
    pub answer: Option<(u64, u8)>,
}

/// A message on its way to the broker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// The topic.
    pub topic: String,
    /// The QoS.
    pub qos: u8,
    /// The RETAIN flag.
    pub retain: bool,
    /// The payload, which no other publication has.
    pub payload: String,
    /// When it was sent again, with DUP, after a reconnect.
    pub sent_again_ns: Vec<u64>,
    /// What became of it.
    pub outcome: PublishOutcome,
}

/// What became of a publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PublishOutcome {
    /// QoS 0: nothing is heard of it.
    Sent,
    /// QoS 1 and 2: no acknowledgement yet.
    Open,
    /// PUBACK, PUBCOMP or a refusing PUBREC came, with this reason code.
    Acknowledged {
        /// When.
        at_ns: u64,
        /// The reason code; from 0x80 on a refusal.
        reason: u8,
    },
    /// The broker lost the session, so the client gave it up: it may have been published.
    Unknown {
        /// When.
        at_ns: u64,
    },
    /// What became of it was left out of the history: the broker accepted it by this time, or never.
    Forgotten {
        /// When the client knew.
        at_ns: u64,
    },
}

/// A message that arrived.
#[expect(
    clippy::struct_excessive_bools,
    reason = "two are flags of the packet, two what the receiver made of it"
)]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Deliver {
    /// The connect whose connection it came on.
    pub connection: EventId,
    /// The topic.
    pub topic: String,
    /// The QoS.
    pub qos: u8,
    /// The DUP flag.
    pub dup: bool,
    /// The RETAIN flag.
    pub retain: bool,
    /// The packet identifier; `None` at QoS 0.
    pub packet_id: Option<u16>,
    /// The payload, as text.
    pub payload: String,
    /// QoS 2: the receiver holds this packet identifier and drops the message.
    pub known: bool,
    /// It came on a connection whose successor had its CONNACK; the client looks at it no more.
    pub late: bool,
}

/// A misdeed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hostile {
    /// Which, in a few words.
    pub deed: Cow<'static, str>,
    /// How the broker ended the connection, and when.
    pub end: Option<(u64, String)>,
}

impl History {
    /// The event with this id. Panics on an id of another history.
    pub fn mqtt_event(&self, id: EventId) -> &MqttEvent {
        &self.mqtt[id.0]
    }

    /// The number under which a report shows an event: they follow the operations of the state store.
    pub fn shown_as(&self, id: EventId) -> OperationId {
        OperationId((self.operations.len() + id.0) as u64)
    }

    /// What the clients perhaps did and saw, with the event of each.
    pub fn forgotten(&self) -> impl Iterator<Item = (EventId, &MqttEvent, &What)> {
        self.mqtt.iter().enumerate().filter_map(|(index, event)| match &event.what {
            What::Forgotten(what) => Some((EventId(index), event, &**what)),
            _ => None,
        })
    }

    /// The event that a report shows under this number, if it is none of the state store's operations.
    pub fn shown_event(&self, id: OperationId) -> Option<&MqttEvent> {
        self.mqtt.get((id.0 as usize).checked_sub(self.operations.len())?)
    }
}

impl MqttEvent {
    /// The event's name in tables, such as `PUBLISH QoS 1`.
    pub fn verb(&self) -> String {
        self.what.verb()
    }
}

impl What {
    fn verb(&self) -> String {
        match self {
            What::Connect(_) => "CONNECT".to_owned(),
            What::Subscribe(_) => "SUBSCRIBE".to_owned(),
            What::Publish(publish) => format!("PUBLISH QoS {}", publish.qos),
            What::Deliver(deliver) => format!("DELIVERY QoS {}", deliver.qos),
            What::Hostile(_) => "HOSTILE".to_owned(),
            What::Hold(_) => "LOCK".to_owned(),
            What::Watch(Watch { stop: false, .. }) => "KEYNOTIFY".to_owned(),
            What::Watch(Watch { stop: true, .. }) => "KEYNOTIFY STOP".to_owned(),
            What::Notified(_) => "NOTIFY".to_owned(),
            What::Answered(_) => "RESPONSE".to_owned(),
            What::Page(_) => "SCAN".to_owned(),
            What::Forgotten(what) => what.verb(),
        }
    }
}

impl Publish {
    /// When it was acknowledged with success, if it was.
    pub fn accepted_ns(&self) -> Option<u64> {
        match self.outcome {
            PublishOutcome::Acknowledged { at_ns, reason } if reason < 0x80 => Some(at_ns),
            _ => None,
        }
    }
}

impl Connect {
    /// When the broker accepted it, if it did.
    pub fn accepted_ns(&self) -> Option<u64> {
        self.answer.filter(|answer| answer.reason == 0).map(|answer| answer.at_ns)
    }
}
