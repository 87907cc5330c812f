//! The checkers: each reads a [`History`] and says whether the store kept one promise.
//!
//! They share no code with the engine, take no time from a clock and are bounded by steps, so that the same
//! history always gets the same verdict on every machine. A verdict of undecided is no pass.
//!
//! A new checker is a variant of [`CheckerName`], a module with a `check` function, and an arm in [`check`].

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

pub use report::{Anomaly, CheckReport, CheckerName, CounterExample, MAX_COUNTER_EXAMPLES, Verdict};

pub(crate) use words::quoted as shown_value;

use crate::history::History;

/// Runs one checker, with its default limits.
pub fn check(checker: CheckerName, history: &History) -> CheckReport {
    match checker {
        CheckerName::VersionOrder => version_order::check(history),
        CheckerName::Linearizability => linearizability::check(history, linearizability::DEFAULT_STEPS),
        CheckerName::LossOnRestart => loss_on_restart::check(history),
        CheckerName::Session => session::check(history),
    }
}
