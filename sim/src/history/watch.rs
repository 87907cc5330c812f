//! Registrations for notifications, and what came of them: the order of a client's events is the order in which they arrived.

use super::mqtt::EventId;
use super::{OperationId, Version};

/// A KEYNOTIFY, with or without STOP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The connect whose connection it was first sent on.
    pub connection: EventId,
    /// The key.
    pub key: String,
    /// With STOP.
    pub stop: bool,
    /// It was sent again on a later connection.
    pub sent_again: bool,
    /// The response, if it came.
    pub answer: Option<WatchAnswer>,
}

/// The response to a KEYNOTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WatchAnswer {
    /// When it arrived.
    pub at_ns: u64,
    /// On which connection.
    pub connection: EventId,
    /// What arrived before it is below this.
    pub position: EventId,
    /// STOP: whether the key was registered.
    pub was_registered: bool,
}

/// A notification that arrived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notified {
    /// The connect whose connection it came on.
    pub connection: EventId,
    /// The key that changed.
    pub key: String,
    /// The value that was set; `None` if the key was deleted or expired.
    pub value: Option<Vec<u8>>,
    /// The version of the change.
    pub version: Version,
    /// The DUP flag.
    pub dup: bool,
}

/// The response to an operation of the state store arrived: says where it stands among what else did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The connect whose connection it came on.
    pub connection: EventId,
    /// The operation.
    pub operation: OperationId,
    /// The connect whose connection the request was first sent on.
    pub asked_on: EventId,
    /// What arrived before the request was sent is below this.
    pub asked_at: EventId,
    /// The request was sent again on a later connection.
    pub sent_again: bool,
}
