//! Versions are unique, grow with real time, belong to their values, and no read goes back.
//!
//! Near-linear in the length of the history, so that it comes before the search for an order and judges histories
//! that are too long for it. The rules are in `findings`.

use super::findings::Findings;
use super::report::{CheckReport, CounterExample, Verdict};
use super::timeline::Timeline;
use super::{Checker, CheckerName};
use crate::history::History;

/// See the module.
#[derive(Debug)]
pub struct VersionOrder;

impl Checker for VersionOrder {
    fn check(&self, history: &History) -> CheckReport {
        check(history)
    }
}

/// Checks the whole history.
pub fn check(history: &History) -> CheckReport {
    let findings = Findings::of(&Timeline::new(history));
    let mut counter_examples: Vec<CounterExample> = findings.by_operation.into_values().collect();
    counter_examples.sort_by_key(|example| example.at_ns);
    let judged = format!("{} versions in {} operations", findings.versions, history.operations.len());
    let (verdict, summary) = match counter_examples.len() {
        0 => (Verdict::Valid, format!("{judged}: unique, growing, and never behind what was known")),
        count => {
            (Verdict::Violated, format!("{count} replies contradict the order of versions, of {judged}"))
        }
    };
    CheckReport::new(CheckerName::VersionOrder, verdict, summary, counter_examples)
}
