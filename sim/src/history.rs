//! What the clients of a run asked, when, and what they were told: the only evidence the checkers see.
//!
//! Owns the record: operations with their invocation and outcome, the broker's starts and stops, sessions found
//! or missing on a connect, and the number of stored keys over time. Never judges any of it, and shares no type
//! with the engine, so that a mistake there cannot hide itself here.
//!
//! As JSON it is what serde makes of the types. A byte string that is UTF-8 is a string there, any other `{ "hex": "00ff" }`; a
//! version is its text.
//!
//! Every time is simulated, in nanoseconds since the run began. Two events with the same time have no order.

pub mod breach;
pub(crate) mod byte_strings;
pub mod clocks;
pub mod events;
pub mod lock;
pub mod mqtt;
mod operation;
mod renewal;
pub mod scan;
mod sound;
pub mod store;
pub mod watch;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::scenario::Vocabulary;
use breach::Breach;
use clocks::Clocks;
use mqtt::MqttEvent;
pub use operation::{
    Call, Condition, Operation, OperationId, Operations, Outcome, Reply, UnknownReason, Version,
};
use store::Request;

/// Everything that one run recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// The clients, in the order in which [`ClientIndex`] counts them.
    pub clients: Vec<ClientRecord>,
    /// The operations in the order of their invocation; an [`OperationId`] is the index here.
    pub operations: Vec<Operation>,
    /// The broker's starts and stops in order of time; the first is a start.
    pub broker: Vec<BrokerEvent>,
    /// Attempts to connect, connects and losses as the clients saw them, in order of time for each client.
    pub sessions: Vec<SessionEvent>,
    /// How many keys the store held, sampled over the run, in order of time.
    pub key_counts: Vec<KeyCount>,
    /// The packets of the operations whose client records them.
    pub requests: BTreeMap<OperationId, Request>,
    /// What came that the store's protocol does not allow, in order of time.
    pub breaches: Vec<Breach>,
    /// When the run ended; 0 where it is not known.
    pub ended_ns: u64,
    /// What the clients did and saw in MQTT beside the state store, in the order in which it began.
    pub mqtt: Vec<MqttEvent>,
    /// When the network held back everything between a client and the broker, in order of time.
    pub cut_offs: Vec<CutOff>,
    /// How many messages the broker had dropped from full queues, over time and in all lives of its process.
    pub drops: Vec<(u64, u64)>,
    /// The most that the broker was seen to hold at a time.
    pub peaks: Peaks,
    /// The quotas of the store from each of these times on, in order of time.
    pub quotas: Vec<Quota>,
    /// What the world is like.
    pub world: WorldRecord,
    /// What the hosts' wall clocks showed.
    pub clocks: Clocks,
}

/// What the store may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// From when on.
    pub at_ns: u64,
    /// Keys.
    pub max_keys: u64,
    /// What all keys may occupy, in bytes.
    pub max_bytes: u64,
}

/// The greatest sizes of the broker, sampled over the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peaks {
    /// Open connections.
    pub connections: u64,
    /// Messages in memory: in flight, queued, wills.
    pub messages: u64,
}

/// What a checker must know of the world to say what is late.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorldRecord {
    /// The shortest one-way latency of a segment in nanoseconds.
    pub latency_min_ns: u64,
    /// The longest.
    pub latency_max_ns: u64,
    /// The simulator's step: whatever happens may show this much later.
    pub tick_ns: u64,
    /// The most messages that the broker lets wait for one session.
    pub max_queued_messages: u64,
    /// Whether a full queue drops the oldest message for the newest, instead of refusing that.
    pub drops_oldest: bool,
}

/// A time in which nothing passed between a client and the broker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CutOff {
    /// Whose.
    pub client: ClientIndex,
    /// From when.
    pub from_ns: u64,
    /// Until when; `u64::MAX` while it lasts.
    pub until_ns: u64,
}

/// A client of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClientRecord {
    /// The name that the scenario gave it.
    pub name: String,
    /// The Session Expiry Interval that it asked for, in seconds.
    pub session_expiry_s: u32,
    /// The Keep Alive that it asked for, in seconds.
    pub keep_alive_s: u32,
    /// How long it is ready to wait for an answer.
    pub operation_timeout_ns: u64,
    /// It breaks the rules on purpose; what happens to it is no evidence against the broker.
    pub is_hostile: bool,
}

/// Which client: an index into [`History::clients`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ClientIndex(pub usize);

/// The broker's process came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BrokerEvent {
    /// When.
    pub at_ns: u64,
    /// What happened.
    pub change: BrokerChange,
}

/// What happened to the broker's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BrokerChange {
    /// It listens, with an empty store.
    Started,
    /// It is gone, and with it all that it held in memory.
    Stopped,
}

/// A client's connection came or went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// Whose.
    pub client: ClientIndex,
    /// When the client saw it.
    pub at_ns: u64,
    /// What it saw.
    pub change: SessionChange,
}

/// What a client did and saw of its session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SessionChange {
    /// The client's process started, for the first time or after a crash. It asks for a clean start until its first
    /// CONNACK, and from then on for its session.
    ProcessStarted,
    /// The client began to connect.
    Attempted,
    /// The attempt has a stream to the broker, and CONNECT goes out: the broker may open a session even if no CONNACK
    /// arrives. Without this the broker never heard of the attempt.
    Reached,
    /// CONNACK arrived with success.
    Connected {
        /// When the attempt began: the broker answered no earlier.
        attempted_ns: u64,
        /// The Session Present flag of the CONNACK.
        session_present: bool,
    },
    /// The connection is gone.
    Lost,
    /// What the client saw was left out of the history: see [`weaken`](crate::explain::weaken).
    Forgotten {
        /// Whether it may have connected then.
        is_connect: bool,
    },
}

/// How many keys the store held at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCount {
    /// When.
    pub at_ns: u64,
    /// The number of keys.
    pub keys: u64,
}

impl History {
    /// An empty history of these clients.
    pub fn new(clients: Vec<ClientRecord>) -> Self {
        Self { clients, ..Self::default() }
    }

    /// Records that `client` asks `call` at `now_ns`. Until one of [`complete`](Self::complete),
    /// [`fail`](Self::fail) and [`unknown`](Self::unknown) is called the outcome is unknown.
    pub fn invoke(&mut self, client: ClientIndex, call: Call, now_ns: u64) -> OperationId {
        let id = OperationId(self.operations.len() as u64);
        let outcome = Outcome::Unknown { reason: UnknownReason::Unfinished, at_ns: now_ns };
        self.operations.push(Operation {
            id,
            client,
            call,
            fencing_token: None,
            invoked_ns: now_ns,
            sent_again_ns: Vec::new(),
            outcome,
        });
        id
    }

    /// Records that an operation's request carries this fencing token.
    pub fn fence(&mut self, id: OperationId, token: Version) {
        self.operation_mut(id).fencing_token = Some(token);
    }

    /// Records that the client sends the same request again.
    pub fn send_again(&mut self, id: OperationId, now_ns: u64) {
        self.operation_mut(id).sent_again_ns.push(now_ns);
    }

    /// Records the store's reply.
    pub fn complete(&mut self, id: OperationId, reply: Reply, now_ns: u64) {
        self.operation_mut(id).outcome = Outcome::Ok { reply, completed_ns: now_ns };
    }

    /// Records that the operation was certainly not executed.
    pub fn fail(&mut self, id: OperationId, error: impl Into<String>, now_ns: u64) {
        self.operation_mut(id).outcome = Outcome::Failed { error: error.into(), completed_ns: now_ns };
    }

    /// Records that the client gave up waiting and does not know.
    pub fn unknown(&mut self, id: OperationId, reason: UnknownReason, now_ns: u64) {
        self.operation_mut(id).outcome = Outcome::Unknown { reason, at_ns: now_ns };
    }

    /// The operation with this id. Panics on an id of another history.
    pub fn operation(&self, id: OperationId) -> &Operation {
        &self.operations[id.0 as usize]
    }

    /// The name of a client. Panics on an index of another history.
    pub fn client_name(&self, client: ClientIndex) -> &str {
        &self.clients[client.0].name
    }

    fn operation_mut(&mut self, id: OperationId) -> &mut Operation {
        &mut self.operations[id.0 as usize]
    }
}

/// The keys of `[expect.most]`.
#[derive(Debug)]
pub struct Sizes;

impl Sizes {
    /// The broker's greatest size of this name.
    pub fn peak(word: &str, history: &History) -> u64 {
        match word {
            "connections" => history.peaks.connections,
            "messages" => history.peaks.messages,
            "keys" => history.key_counts.iter().map(|count| count.keys).max().unwrap_or(0),
            _ => 0,
        }
    }
}

impl Vocabulary for Sizes {
    const NAME: &'static str = "SizeCeiling";

    fn words() -> &'static [&'static str] {
        &["connections", "messages", "keys"]
    }

    fn about(word: &str) -> &'static str {
        match word {
            "connections" => "connections",
            "messages" => "messages that wait for clients or are in flight to them",
            "keys" => "keys in the store",
            _ => "",
        }
    }
}
