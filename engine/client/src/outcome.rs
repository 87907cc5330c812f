//! What the store answered, one type a command.

use bytes::Bytes;

use crate::version::Version;

/// A key's value and the version of the write that made it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// May be empty.
    pub value: Bytes,
    /// The version of the SET that wrote the value.
    pub version: Version,
}

/// The answer to a SET.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SetOutcome {
    /// The value was written and has this version.
    Stored(Version),
    /// The [`Condition`](crate::Condition) did not hold; the key keeps its value, whose version this is.
    Refused(Version),
}

/// The answer to a DEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DelOutcome {
    /// The key was there and is deleted; the deletion has this version.
    Deleted(Version),
    /// There was no such key.
    Absent,
}

/// The answer to a VDEL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VdelOutcome {
    /// The key had the given value and is deleted; the deletion has this version.
    Deleted(Version),
    /// The key has another value and keeps it.
    Different,
    /// There was no such key.
    Absent,
}
