//! The checkers: each reads a [`History`] and says whether the store kept one promise.
//!
//! They share no code with the engine, take no time from a clock and are bounded by steps, so that the same
//! history always gets the same verdict on every machine. A verdict of undecided is no pass.
//!
//! A new checker is a module that implements [`Checker`], a line in [`CheckerName`]'s table and one in
//! [`CheckerName::checker`]; the words for what it finds go into [`Anomaly`]'s table.

mod findings;
pub mod linearizability;
pub mod loss_on_restart;
mod register;
mod report;
mod search;
pub mod session;
mod sightings;
mod timeline;
pub mod version_order;
mod words;

#[cfg(test)]
mod tests;

pub use report::{Anomaly, CheckReport, CounterExample, MAX_COUNTER_EXAMPLES, Verdict};

pub(crate) use words::quoted as shown_value;

use crate::history::History;
use crate::plug_in::names;
use crate::scenario::Scenario;

names! {
    /// A checker, by the name that a scenario gives it. Cheapest first.
    CheckerName {
        /// Versions are unique, grow with real time, belong to their values, and no read goes back.
        VersionOrder = "version-order",
        /// A restarted broker knows nothing of the time before: no value, no session, no key.
        LossOnRestart = "loss-on-restart",
        /// A session outlives its connection, and only a restart of the broker ends it early.
        Session = "session",
        /// Each key behaves as if its operations happened one at a time, each between its call and its return.
        Linearizability = "linearizability",
    }
}

impl CheckerName {
    /// The checker.
    pub fn checker(self) -> &'static dyn Checker {
        match self {
            Self::VersionOrder => &version_order::VersionOrder,
            Self::LossOnRestart => &loss_on_restart::LossOnRestart,
            Self::Session => &session::Session,
            Self::Linearizability => &linearizability::Linearizability,
        }
    }
}

/// Judges one promise.
pub trait Checker: Sync {
    /// Judges a history, with the default limits.
    fn check(&self, history: &History) -> CheckReport;

    /// What a scenario lacks for the checker to have something to judge, as advice to its author.
    fn missing_in(&self, _scenario: &Scenario) -> Option<String> {
        None
    }
}

/// Runs one checker.
pub fn check(checker: CheckerName, history: &History) -> CheckReport {
    checker.checker().check(history)
}
