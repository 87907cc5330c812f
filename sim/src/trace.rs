//! The trace of a run: a hash over every byte and event, with its simulated time.
//!
//! Two runs did the same exactly when their hashes are equal. Nothing is kept but the hash and the number of events, unless
//! the events themselves are asked for: to be shown, or to find the first in which two runs differ.

use std::fmt;

use xxhash_rust::xxh3::Xxh3;

/// What an event is about. The numbers are part of the hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum EventKind {
    /// Bytes that a host read from a stream.
    Read = 1,
    /// Bytes that a host wrote to a stream.
    Write = 2,
    /// A stream ended, with the reason as text.
    StreamEnd = 3,
    /// A client asked for an operation.
    Invoke = 4,
    /// What became of an operation.
    Outcome = 5,
    /// A client's connection came or went.
    Session = 6,
    /// A fault began or ended.
    Fault = 7,
    /// The broker came, went, or was looked at.
    Broker = 8,
    /// A client sent an operation's request again.
    SentAgain = 9,
    /// A client did or saw something in MQTT beside the state store.
    Mqtt = 10,
    /// A host's wall clock was set.
    Clock = 11,
    /// A notification arrived, or something that should be one.
    Notification = 12,
}

impl EventKind {
    /// The kind as a line of a trace names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::StreamEnd => "stream-end",
            Self::Invoke => "invoke",
            Self::Outcome => "outcome",
            Self::Session => "session",
            Self::Fault => "fault",
            Self::Broker => "broker",
            Self::SentAgain => "sent-again",
            Self::Mqtt => "mqtt",
            Self::Clock => "clock",
            Self::Notification => "notification",
        }
    }
}

/// One event, where they are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in simulated nanoseconds.
    pub at_ns: u64,
    /// What it is about.
    pub kind: EventKind,
    /// On which host; of bytes, at which end of which stream.
    pub host: String,
    /// The bytes, or a text.
    pub content: Vec<u8>,
}

/// One line without its end, that tells any two events apart: the time in seconds, the kind, the host, and the content with
/// whatever is no printable ASCII escaped.
impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, nanos) = (self.at_ns / 1_000_000_000, self.at_ns % 1_000_000_000);
        let (host, kind, content) = (&self.host, self.kind.as_str(), self.content.escape_ascii());
        write!(f, "{seconds}.{nanos:09} {kind:<12} {host}: {content}")
    }
}

/// Collects the events of one run.
#[derive(Clone)]
pub struct Trace {
    hasher: Xxh3,
    events: u64,
    kept: Option<Vec<Event>>,
    most: usize,
}

impl Trace {
    /// An empty trace. The scenario's text is part of it: other scenarios have other hashes.
    pub fn new(scenario: &str, seed: u64) -> Self {
        let mut trace = Self { hasher: Xxh3::new(), events: 0, kept: None, most: 0 };
        trace.part(scenario.as_bytes());
        trace.hasher.update(&seed.to_le_bytes());
        trace
    }

    /// Keeps the first `most` events from now on.
    #[must_use]
    pub fn keeping_events(self, most: usize) -> Self {
        Self { kept: Some(Vec::new()), most, ..self }
    }

    /// Adds an event on `host` at a simulated time.
    pub fn record(&mut self, at_ns: u64, kind: EventKind, host: &str, content: &[u8]) {
        self.events += 1;
        self.hasher.update(&at_ns.to_le_bytes());
        self.hasher.update(&[kind as u8]);
        self.part(host.as_bytes());
        self.part(content);
        if let Some(kept) = &mut self.kept
            && kept.len() < self.most
        {
            kept.push(Event { at_ns, kind, host: host.to_owned(), content: content.to_vec() });
        }
    }

    /// The events, where they were kept.
    pub fn into_events(self) -> Vec<Event> {
        self.kept.unwrap_or_default()
    }

    /// How many events there were.
    pub fn events(&self) -> u64 {
        self.events
    }

    /// The hash so far.
    pub fn hash(&self) -> TraceHash {
        TraceHash(self.hasher.digest128())
    }

    /// Adds a part with its length, so that parts do not run into each other.
    fn part(&mut self, part: &[u8]) {
        self.hasher.update(&(part.len() as u64).to_le_bytes());
        self.hasher.update(part);
    }
}

impl fmt::Debug for Trace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trace")
            .field("hash", &self.hash())
            .field("events", &self.events)
            .finish_non_exhaustive()
    }
}

/// A trace's hash: 128 bits of XXH3, in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceHash(u128);

impl fmt::Display for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash_of(events: &[(u64, &str, &[u8])]) -> TraceHash {
        let mut trace = Trace::new("scenario", 1);
        for (at_ns, host, content) in events {
            trace.record(*at_ns, EventKind::Read, host, content);
        }
        trace.hash()
    }

    #[test]
    fn every_part_of_an_event_counts() {
        let base = hash_of(&[(1, "a", b"x")]);
        assert_eq!(base, hash_of(&[(1, "a", b"x")]));
        assert_ne!(base, hash_of(&[(2, "a", b"x")]));
        assert_ne!(base, hash_of(&[(1, "b", b"x")]));
        assert_ne!(base, hash_of(&[(1, "a", b"y")]));
        assert_ne!(hash_of(&[(1, "ab", b"c")]), hash_of(&[(1, "a", b"bc")]));
        assert_ne!(base, Trace::new("scenario", 2).hash());
    }

    #[test]
    fn kept_events_are_lines_and_change_no_hash() {
        let record = |mut trace: Trace| {
            trace.record(1_002_000_003, EventKind::Write, "alice", b"\x30\x05ab\n");
            trace.record(1_002_000_004, EventKind::Write, "alice", b"beyond");
            trace
        };
        let (plain, kept) =
            (record(Trace::new("scenario", 1)), record(Trace::new("scenario", 1).keeping_events(1)));
        assert_eq!(plain.hash(), kept.hash());
        assert_eq!(plain.into_events(), []);
        let lines: Vec<_> = kept.into_events().iter().map(Event::to_string).collect();
        assert_eq!(lines, [r"1.002000003 write        alice: 0\x05ab\n"]);
    }
}
