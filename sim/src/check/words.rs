//! Operations, values and times as a person reads them.

use crate::history::watch::Told;
use crate::history::{Call, History, Operation, Outcome, Reply, UnknownReason};

/// Longer values are cut in explanations; the operation's id finds the rest.
const SHOWN_BYTES: usize = 32;

/// Workloads fill values up with so many dots or more, which say nothing.
const LEAST_PADDING: usize = 3;

/// `12.345 s`.
pub(crate) fn seconds(ns: u64) -> String {
    format!("{}.{:03} s", ns / 1_000_000_000, ns / 1_000_000 % 1000)
}

/// A key or value: printable, in quotes, cut if it is long or ends in padding.
pub(crate) fn quoted(bytes: &[u8]) -> String {
    let mut shown = &bytes[..bytes.len().min(SHOWN_BYTES)];
    let padding = shown.iter().rev().take_while(|byte| **byte == b'.').count();
    if padding >= LEAST_PADDING {
        shown = &shown[..shown.len() - padding];
    }
    let rest = if shown.len() < bytes.len() { "…" } else { "" };
    format!("'{}{rest}'", shown.escape_ascii())
}

/// `bob's GET register-2 (#17)`, with the value if it carries one: `alice's SET register-2 'a-4' (#9)`.
pub(super) fn operation(history: &History, operation: &Operation) -> String {
    let client = history.client_name(operation.client);
    let verb = operation.call.verb();
    let key = operation.call.key().escape_ascii();
    let id = operation.id;
    match &operation.call {
        Call::Set { value, .. } | Call::Vdel { value, .. } => {
            format!("{client}'s {verb} {key} {} ({id})", quoted(value))
        }
        Call::Get { .. } | Call::Del { .. } | Call::KeyNotify { .. } => {
            format!("{client}'s {verb} {key} ({id})")
        }
    }
}

/// What the store answered, as the end of a sentence that begins with the operation: `returned 'a-4', version …`.
pub(super) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Value { value, version } => format!("returned {}, version {version}", quoted(value)),
        Reply::Missing => "found no such key".to_owned(),
        Reply::Stored { version } => format!("was acknowledged with version {version}"),
        Reply::Refused { version } => format!("was refused because of a value of version {version}"),
        Reply::Deleted { version } => format!("deleted the key with version {version}"),
        Reply::NotFound => "found no key to delete".to_owned(),
        Reply::ValueDiffers => "was refused because the key has another value".to_owned(),
        Reply::WatchChanged => "was acknowledged".to_owned(),
        Reply::NotWatched => "found no registration".to_owned(),
    }
}

/// What a client was told: `bob was notified at 1.200 s that store-1 was set to 'x', version …`.
pub(super) fn notification(history: &History, told: &Told<'_>) -> String {
    let change = match &told.is.value {
        Some(value) => format!("was set to {}", quoted(value)),
        None => "was deleted".to_owned(),
    };
    format!(
        "{} was notified at {} that {} {change}, version {}",
        history.client_name(told.client),
        seconds(told.at_ns),
        told.is.key,
        told.is.version
    )
}

/// One line of a protocol of the history: when it ran, what it was, what came of it.
pub(super) fn line(history: &History, described: &Operation) -> String {
    let what = operation(history, described);
    let from = seconds(described.invoked_ns);
    match &described.outcome {
        Outcome::Ok { reply: answer, completed_ns } => {
            format!("{from} to {}: {what} {}", seconds(*completed_ns), reply(answer))
        }
        Outcome::Failed { error, completed_ns } => {
            format!("{from} to {}: {what} failed: {error}", seconds(*completed_ns))
        }
        Outcome::Unknown { reason: UnknownReason::Forgotten, .. } => format!("from {from}: {what}"),
        Outcome::Unknown { .. } => format!("from {from}: {what} got no reply"),
    }
}
