//! Why a history is violated: the least part of it that nothing explains, and the longest that something still does.
//!
//! Owns the search for them and their words. Knows no rule of any checker: it asks them about histories of which a part is
//! forgotten ([`weaken`]).

mod core;
mod prefix;
mod related;
mod state;
pub mod weaken;
mod words;

pub use core::{Core, MAX_LOOKS, Target};
pub use prefix::Prefix;
pub use words::explain;

use mayfly_reports::{Explanation, RunReport};

use crate::check::{CheckerName, CounterExample, Verdict, check};
use crate::history::History;

/// The counter-examples of these checkers that are worth an explanation: the first of each anomaly.
pub fn worth_explaining(history: &History, checkers: &[CheckerName]) -> Vec<(CheckerName, CounterExample)> {
    let mut worth: Vec<(CheckerName, CounterExample)> = Vec::new();
    for checker in checkers {
        let report = check(*checker, history);
        if report.verdict != Verdict::Violated {
            continue;
        }
        for example in report.counter_examples {
            let is_known = |(other, known): &(CheckerName, CounterExample)| {
                other == checker && known.anomaly == example.anomaly
            };
            if !worth.iter().any(is_known) {
                worth.push((*checker, example));
            }
        }
    }
    worth
}

/// Explains the first violation of a run that failed for it; `None` of any other.
pub fn of_failure(history: &History, report: &RunReport, checkers: &[CheckerName]) -> Option<Explanation> {
    if report.verdict.conclusion != mayfly_reports::Conclusion::ConsistencyViolated {
        return None;
    }
    let (checker, example) = worth_explaining(history, checkers).into_iter().next()?;
    Some(explain(history, &report.faults, checker, &example))
}
