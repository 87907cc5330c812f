//! The locks that clients held, as they saw it.

use serde::{Deserialize, Serialize};

use super::Version;

/// A lock, for as long as its client took it for held. It begins when the client was told that it has the lock.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hold {
    /// The lock's key.
    pub key: String,
    /// For how long the lock is held without being renewed, in nanoseconds.
    pub lease_ns: u64,
    /// When the client asked for it.
    pub asked_ns: u64,
    /// The fencing token.
    pub token: Version,
    /// How often the holder stood still between a look at its lock and the write.
    pub stalls: u32,
    /// When the client gave it back or knew that it was lost, and which of both.
    pub end: Option<(u64, HoldEnd)>,
}

/// How a lock ended for its holder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HoldEnd {
    /// The client gave it back.
    Released,
    /// The client saw that it was lost, and why.
    Lost(String),
    /// The client's process was killed.
    Crashed,
}

impl Hold {
    /// When the client no longer took it for held; `u64::MAX` if it did so to the end.
    pub fn end_ns(&self) -> u64 {
        self.end.as_ref().map_or(u64::MAX, |(at_ns, _)| *at_ns)
    }

    /// Whether it ended without being given back.
    pub fn was_lost(&self) -> bool {
        matches!(self.end, Some((_, HoldEnd::Lost(_) | HoldEnd::Crashed)))
    }
}
