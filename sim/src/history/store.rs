//! The requests of the clients to the state store and the responses to them, packet by packet: what the calls and outcomes of
//! operations leave out. Recorded by the workloads that build their requests themselves; notifications are in
//! [`watch`](super::watch).

use serde::{Deserialize, Serialize};

use super::{History, Outcome, Reply, Version};

/// The packets of one operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The `__ts` that it carries.
    pub timestamp: Version,
    /// When it was sent; after the first time on a resumed session, with the same packet identifier.
    pub sent: Vec<Sent>,
    /// The responses that came, each with its time.
    pub responses: Vec<(u64, Response)>,
}

/// A request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sent {
    /// When.
    pub at_ns: u64,
    /// The DUP flag.
    pub dup: bool,
}

/// What a response says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Response {
    /// The command was executed, or refused by its condition.
    Reply(Reply),
    /// `-ERR`, with its text.
    Error(String),
}

impl Request {
    /// Whether it was sent again.
    pub fn was_replayed(&self) -> bool {
        self.sent.len() > 1
    }
}

impl History {
    /// How many keys were seen to go that no deletion with a version accounts for.
    pub fn expiries_seen(&self) -> u64 {
        let deleted: std::collections::BTreeSet<&Version> = self
            .operations
            .iter()
            .filter_map(|operation| match operation.reply() {
                Some((Reply::Deleted { version }, _)) => Some(version),
                _ => None,
            })
            .collect();
        let gone = self.fresh_notifications().filter(|told| told.is.value.is_none());
        let expired: std::collections::BTreeSet<&Version> =
            gone.map(|told| &told.is.version).filter(|version| !deleted.contains(version)).collect();
        expired.len() as u64
    }

    /// How many requests were refused with an error of the store that contains `text`.
    pub fn refused_with(&self, text: &str) -> u64 {
        let refused = self.operations.iter().filter(
            |operation| matches!(&operation.outcome, Outcome::Failed { error, .. } if error.contains(text)),
        );
        refused.count() as u64
    }
}
