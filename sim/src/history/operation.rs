//! One operation on the state store: what a client asked, and what it learnt.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use thiserror::Error;

use super::{ClientIndex, byte_strings};
use crate::scenario::Vocabulary;

/// Which operation: an index into [`History::operations`](super::History::operations).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct OperationId(pub u64);

/// One request to the state store and what became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Its place in the history.
    pub id: OperationId,
    /// Who asked.
    pub client: ClientIndex,
    /// What was asked.
    pub call: Call,
    /// The fencing token that came with it.
    pub fencing_token: Option<Version>,
    /// When the client asked. The store cannot have executed the request earlier.
    pub invoked_ns: u64,
    /// When the client sent the same request again, because the broker had lost the session with the one before: that
    /// one may have been executed, and so may each of these. In order of time; mostly empty.
    pub sent_again_ns: Vec<u64>,
    /// What the client learnt; of a request that was sent again, what it learnt of the last sending.
    pub outcome: Outcome,
}

/// A request to the state store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// `GET key`.
    Get {
        /// The key.
        #[serde(with = "byte_strings::One")]
        key: Vec<u8>,
    },
    /// `SET key value`, perhaps with a condition and an expiry.
    Set {
        /// The key.
        #[serde(with = "byte_strings::One")]
        key: Vec<u8>,
        /// The value to store.
        #[serde(with = "byte_strings::One")]
        value: Vec<u8>,
        /// When the store may set it.
        condition: Condition,
        /// The `PX` option: the value's life in milliseconds.
        px_ms: Option<u64>,
    },
    /// `DEL key`.
    Del {
        /// The key.
        #[serde(with = "byte_strings::One")]
        key: Vec<u8>,
    },
    /// `VDEL key value`: delete the key only if its value is this one.
    Vdel {
        /// The key.
        #[serde(with = "byte_strings::One")]
        key: Vec<u8>,
        /// The value that the key must have.
        #[serde(with = "byte_strings::One")]
        value: Vec<u8>,
    },
    /// `KEYNOTIFY key`, or `KEYNOTIFY key STOP`: it changes no key, but what the connection is told of it.
    KeyNotify {
        /// The key.
        #[serde(with = "byte_strings::One")]
        key: Vec<u8>,
        /// Whether it ends the registration.
        stop: bool,
    },
}

/// The condition of a SET.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Condition {
    /// Unconditional.
    None,
    /// `NX`: only if the key does not exist.
    Nx,
    /// `NEX`: only if the key does not exist or already has this SET's value.
    Nex,
}

/// What became of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The store executed it and the reply arrived. The client will not send the request again.
    Ok {
        /// What the store answered.
        reply: Reply,
        /// When the client had the reply.
        completed_ns: u64,
    },
    /// Certainly not executed: the store refused it with an error, or it never left the client. What was sent before
    /// it was sent again may have been.
    Failed {
        /// The store's error text, or the client's.
        error: String,
        /// When the client knew.
        completed_ns: u64,
    },
    /// The store may have executed it at any time since the invocation, may yet execute it, or never will.
    Unknown {
        /// Why the client does not know.
        reason: UnknownReason,
        /// When the client stopped waiting.
        at_ns: u64,
    },
}

/// Why a client does not know what became of its request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UnknownReason {
    /// No reply within the operation time-out.
    TimedOut,
    /// The connection was lost, or the client's host crashed, before the reply.
    ConnectionLost,
    /// A response arrived that breaks the state store protocol.
    BadResponse,
    /// The run ended before the reply.
    Unfinished,
    /// The reply was left out of the history, to see what can be said without it. Unlike for the other reasons the store
    /// executed the request by the time beside it, or never.
    Forgotten,
}

/// What the store answered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reply {
    /// GET: the key's value and version.
    Value {
        /// The value.
        #[serde(with = "byte_strings::One")]
        value: Vec<u8>,
        /// The key's version.
        version: Version,
    },
    /// GET: the key does not exist.
    Missing,
    /// SET: stored.
    Stored {
        /// The key's new version.
        version: Version,
    },
    /// SET with NX or NEX: not stored, the condition did not hold.
    Refused {
        /// The version of the value that stands in the way.
        version: Version,
    },
    /// DEL, VDEL: deleted.
    Deleted {
        /// The deletion's version.
        version: Version,
    },
    /// DEL, VDEL: the key does not exist.
    NotFound,
    /// VDEL: the key has another value.
    ValueDiffers,
    /// KEYNOTIFY: registered, or no longer.
    WatchChanged,
    /// KEYNOTIFY STOP: there was no registration.
    NotWatched,
}

/// A hybrid logical clock reading, the version of a key. Ordered by wall clock, counter, node id. In JSON its text.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Version {
    /// Milliseconds since the Unix epoch.
    pub wall_clock_ms: u64,
    /// Tells apart readings of the same millisecond.
    pub counter: u32,
    /// The node that gave it.
    pub node_id: String,
}

/// The store's error for a write that would go beyond a quota.
const QUOTA_EXCEEDED: &str = "the quota has been exceeded";

impl Operation {
    /// Whether the store refused it for a quota.
    pub fn was_refused_for_quota(&self) -> bool {
        matches!(&self.outcome, Outcome::Failed { error, .. } if error.contains(QUOTA_EXCEEDED))
    }

    /// The store executed it no later; `u64::MAX` where it may do so at any time.
    pub fn until_ns(&self) -> u64 {
        match self.outcome {
            Outcome::Ok { completed_ns, .. } | Outcome::Failed { completed_ns, .. } => completed_ns,
            Outcome::Unknown { reason: UnknownReason::Forgotten, at_ns } => at_ns,
            Outcome::Unknown { .. } => u64::MAX,
        }
    }

    /// When the request was last sent: the one that the outcome is about was executed no earlier.
    pub fn last_sent_ns(&self) -> u64 {
        self.sent_again_ns.last().copied().unwrap_or(self.invoked_ns)
    }

    /// Each sending but the last, with the time of the next.
    pub fn superseded(&self) -> impl Iterator<Item = (u64, u64)> {
        let sent = std::iter::once(self.invoked_ns).chain(self.sent_again_ns.iter().copied());
        sent.zip(self.sent_again_ns.iter().copied())
    }

    /// Whether the request was sent more than once.
    pub fn was_sent_again(&self) -> bool {
        !self.sent_again_ns.is_empty()
    }

    /// The reply and the time of its arrival, if there was one.
    pub fn reply(&self) -> Option<(&Reply, u64)> {
        match &self.outcome {
            Outcome::Ok { reply, completed_ns } => Some((reply, *completed_ns)),
            Outcome::Failed { .. } | Outcome::Unknown { .. } => None,
        }
    }
}

impl Call {
    /// The key that it is about.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Get { key }
            | Self::Set { key, .. }
            | Self::Del { key }
            | Self::Vdel { key, .. }
            | Self::KeyNotify { key, .. } => key,
        }
    }

    /// The command as a person says it: `GET`, `SET`, `SET NX`, `SET NEX`, `DEL`, `VDEL`, `KEYNOTIFY`, `KEYNOTIFY STOP`.
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Get { .. } => "GET",
            Self::Set { condition: Condition::None, .. } => "SET",
            Self::Set { condition: Condition::Nx, .. } => "SET NX",
            Self::Set { condition: Condition::Nex, .. } => "SET NEX",
            Self::Del { .. } => "DEL",
            Self::Vdel { .. } => "VDEL",
            Self::KeyNotify { stop: false, .. } => "KEYNOTIFY",
            Self::KeyNotify { stop: true, .. } => "KEYNOTIFY STOP",
        }
    }
}

impl Reply {
    /// The version that it carries.
    pub fn version(&self) -> Option<&Version> {
        match self {
            Self::Value { version, .. }
            | Self::Stored { version }
            | Self::Refused { version }
            | Self::Deleted { version } => Some(version),
            Self::Missing | Self::NotFound | Self::ValueDiffers | Self::WatchChanged | Self::NotWatched => {
                None
            }
        }
    }
}

/// The keys of `[expect.operations]`: the verbs in lower case, with underscores.
#[derive(Debug)]
pub struct Operations;

impl Operations {
    const WORDS: [&'static str; 7] = ["get", "set", "set_nx", "set_nex", "del", "vdel", "keynotify"];
    const VERBS: [&'static str; 7] = ["GET", "SET", "SET NX", "SET NEX", "DEL", "VDEL", "KEYNOTIFY"];

    /// The [`verb`](Call::verb) of a key.
    pub fn verb(word: &str) -> &'static str {
        let place = Self::WORDS.iter().position(|known| *known == word);
        place.map_or("", |place| Self::VERBS[place])
    }
}

impl Vocabulary for Operations {
    const NAME: &'static str = "OperationFloor";

    fn words() -> &'static [&'static str] {
        &Self::WORDS
    }

    fn about(word: &str) -> &'static str {
        Self::verb(word)
    }
}

impl fmt::Display for OperationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

impl fmt::Display for Version {
    /// The text of the protocol: fifteen digits, five digits, node id.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:015}:{:05}:{}", self.wall_clock_ms, self.counter, self.node_id)
    }
}

/// A text that is no version.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{0}` is no version; one is a number of milliseconds, a counter and a node id, such as 001767225600123:00004:StateStore"
)]
pub struct NoVersion(String);

impl FromStr for Version {
    type Err = NoVersion;

    /// Reads the text of the protocol, with any number of digits.
    fn from_str(text: &str) -> Result<Self, NoVersion> {
        let no_version = || NoVersion(text.to_owned());
        let parts: Vec<&str> = text.split(':').collect();
        let [wall_clock_ms, counter, node_id] = parts.as_slice() else { return Err(no_version()) };
        Ok(Self {
            wall_clock_ms: wall_clock_ms.parse().map_err(|_| no_version())?,
            counter: counter.parse().map_err(|_| no_version())?,
            node_id: (*node_id).to_owned(),
        })
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for Version {
    type Error = NoVersion;

    fn try_from(text: String) -> Result<Self, NoVersion> {
        text.parse()
    }
}
