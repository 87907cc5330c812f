//! What the clients sent to the state store and got from it, packet by packet: what the calls and outcomes of operations leave
//! out. Recorded by the workloads that build their requests themselves.

use super::{ClientIndex, History, Outcome, Reply, Version};

/// The packets of one operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The `__ts` that it carries.
    pub timestamp: Version,
    /// When it was sent; after the first time on a resumed session, with the same packet identifier.
    pub sent: Vec<Sent>,
    /// The responses that came, each with its time.
    pub responses: Vec<(u64, Response)>,
}

/// A request was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sent {
    /// When.
    pub at_ns: u64,
    /// The DUP flag.
    pub dup: bool,
}

/// What a response says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Response {
    /// The command was executed, or refused by its condition.
    Reply(Reply),
    /// `-ERR`, with its text.
    Error(String),
}

/// A registration for the notifications of a key, which belongs to a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// Whose.
    pub client: ClientIndex,
    /// Which of the client's connections, counted from 0.
    pub connection: u32,
    /// The key.
    pub key: Vec<u8>,
    /// When the answer came that it is registered.
    pub from_ns: u64,
    /// When the client saw its connection end; `u64::MAX` if it did not.
    pub until_ns: u64,
}

/// A notification arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Whose.
    pub client: ClientIndex,
    /// On which of the client's connections, counted from 0.
    pub connection: u32,
    /// When.
    pub at_ns: u64,
    /// The key.
    pub key: Vec<u8>,
    /// The value that it was set to; `None` where it was deleted, or expired.
    pub value: Option<Vec<u8>>,
    /// The change's version.
    pub version: Version,
    /// The DUP flag: it may have come before.
    pub dup: bool,
}

impl Request {
    /// Whether it was sent again.
    pub fn was_replayed(&self) -> bool {
        self.sent.len() > 1
    }
}

impl History {
    /// The notifications that came for the first time.
    pub fn fresh_notifications(&self) -> impl Iterator<Item = &Notification> {
        self.notifications.iter().filter(|notification| !notification.dup)
    }

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
        let gone = self.fresh_notifications().filter(|notification| notification.value.is_none());
        let expired: std::collections::BTreeSet<&Version> = gone
            .map(|notification| &notification.version)
            .filter(|version| !deleted.contains(version))
            .collect();
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
