//! What a checker says: its verdict, and for a violation what happened, in words.

use std::fmt;

use serde::Deserialize;

use crate::history::OperationId;

/// A checker, by the name that a scenario gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CheckerName {
    /// Versions are unique, grow with real time, belong to their values, and no read goes back.
    VersionOrder,
    /// Each key behaves as if its operations happened one at a time, each between its call and its return.
    Linearizability,
    /// A restarted broker knows nothing of the time before: no value, no session, no key.
    LossOnRestart,
    /// A session outlives its connection, and only a restart of the broker ends it early.
    Session,
}

/// What a store did wrong, in the words of the field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Anomaly {
    /// A reply showed a state older than one that was acknowledged or shown before the request was made.
    StaleRead,
    /// A write was acknowledged and is in no later reply; the state before it is.
    LostWrite,
    /// A reply showed a value that nobody had written by then.
    PhantomValue,
    /// A write got a version that is not above one that was given before the request was made.
    VersionRegression,
    /// Two writes got the same version.
    DuplicateVersion,
    /// A value was shown with a version that belongs to another value.
    VersionMismatch,
    /// A reply showed contents from before a restart of the broker.
    ResurrectedValue,
    /// The outcome of a conditional write or a deletion contradicts the key's state.
    ImpossibleReply,
    /// No order of the operations explains the replies.
    NotLinearizable,
    /// After a restart the broker held keys that nobody could have written since.
    KeysSurvived,
    /// After a restart the broker still had a session.
    SessionSurvived,
    /// The broker lost a session that had not expired, without a restart.
    SessionLost,
}

/// A checker's finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckReport {
    /// Which checker.
    pub checker: CheckerName,
    /// What it found.
    pub verdict: Verdict,
    /// One sentence: what was looked at and what was found.
    pub summary: String,
    /// Things worth knowing that are no violation, such as a request that was sent again and executed twice.
    pub notes: Vec<String>,
    /// The first violations, at most [`MAX_COUNTER_EXAMPLES`]; empty unless the verdict is a violation.
    pub counter_examples: Vec<CounterExample>,
}

/// Counter-examples kept in a report; the summary counts all of them.
pub const MAX_COUNTER_EXAMPLES: usize = 10;

/// Whether the history keeps the promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Valid,
    /// It does not, and the counter-examples show it.
    Violated,
    /// The checker cannot tell. This is not a pass.
    Undecided {
        /// What stood in the way: too little evidence, or the limit of steps.
        why: String,
    },
}

/// One violation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CounterExample {
    /// What the store did.
    pub anomaly: Anomaly,
    /// The violation in one sentence.
    pub headline: String,
    /// The reasoning, a paragraph each.
    pub explanation: Vec<String>,
    /// The operations that show it, in the order of their invocation; may be empty for sessions and key counts.
    pub operations: Vec<OperationId>,
    /// When it became visible, in simulated nanoseconds.
    pub at_ns: u64,
}

impl CheckReport {
    /// A report without notes that keeps the first counter-examples.
    pub(super) fn new(
        checker: CheckerName,
        verdict: Verdict,
        summary: String,
        mut counter_examples: Vec<CounterExample>,
    ) -> Self {
        counter_examples.truncate(MAX_COUNTER_EXAMPLES);
        Self { checker, verdict, summary, notes: Vec::new(), counter_examples }
    }
}

impl CheckerName {
    /// Every checker, cheapest first.
    pub const ALL: [Self; 4] =
        [Self::VersionOrder, Self::LossOnRestart, Self::Session, Self::Linearizability];

    /// The name as scenarios and reports write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VersionOrder => "version-order",
            Self::Linearizability => "linearizability",
            Self::LossOnRestart => "loss-on-restart",
            Self::Session => "session",
        }
    }
}

impl Anomaly {
    /// The name as scenarios write it, such as `stale-read`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StaleRead => "stale-read",
            Self::LostWrite => "lost-write",
            Self::PhantomValue => "phantom-value",
            Self::VersionRegression => "version-regression",
            Self::DuplicateVersion => "duplicate-version",
            Self::VersionMismatch => "version-mismatch",
            Self::ResurrectedValue => "resurrected-value",
            Self::ImpossibleReply => "impossible-reply",
            Self::NotLinearizable => "not-linearizable",
            Self::KeysSurvived => "keys-survived",
            Self::SessionSurvived => "session-survived",
            Self::SessionLost => "session-lost",
        }
    }
}

impl fmt::Display for CheckerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
