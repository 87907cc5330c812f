//! Outcomes and latency by kind of operation, derived from the operations.
//!
//! Pure: the same operations give the same summary, so that the simulator and whoever reads a stored report
//! agree.

use std::collections::BTreeMap;

use crate::latency::LatencyRecorder;
use crate::model::{KindSummary, Operation, Outcome};

/// Summarizes `operations` by kind, in the kinds' alphabetical order.
///
/// Latency counts what was answered only: the duration of a time-out says how patient the client was, nothing
/// of the service. What happens at one moment, such as a message that arrives, has none.
pub fn by_kind(operations: &[Operation]) -> Vec<KindSummary> {
    let mut kinds = BTreeMap::<&str, Tally>::new();
    for operation in operations {
        let tally = kinds.entry(&operation.kind).or_default();
        match operation.outcome {
            Outcome::Ok { .. } => {
                tally.ok += 1;
                let completed_ns = operation.completed_ns.filter(|end| *end > operation.invoked_ns);
                if let Some(completed_ns) = completed_ns {
                    tally.latency.record(completed_ns - operation.invoked_ns);
                }
            }
            Outcome::Failed { .. } => tally.failed += 1,
            Outcome::Unknown { .. } => tally.unknown += 1,
        }
    }
    kinds
        .into_iter()
        .map(|(kind, tally)| KindSummary {
            kind: kind.to_owned(),
            ok: tally.ok,
            failed: tally.failed,
            unknown: tally.unknown,
            simulated_latency: tally.latency.latency(),
            percentiles: tally.latency.percentiles(),
        })
        .collect()
}

#[derive(Default)]
struct Tally {
    ok: u64,
    failed: u64,
    unknown: u64,
    latency: LatencyRecorder,
}

/// Why operations were not answered.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Reason<'a> {
    /// `failed` or `unknown`.
    pub(crate) outcome: &'static str,
    /// The reason, as the client put it.
    pub(crate) words: &'a str,
    /// How many operations it was the reason of.
    pub(crate) operations: u64,
}

/// The distinct reasons of operations that failed or are unknown, the most frequent first.
pub(crate) fn reasons(operations: &[Operation]) -> Vec<Reason<'_>> {
    let mut counts = BTreeMap::<(&'static str, &str), u64>::new();
    for operation in operations {
        let reason = match &operation.outcome {
            Outcome::Ok { .. } => continue,
            Outcome::Failed { error } => ("failed", error.as_str()),
            Outcome::Unknown { reason } => ("unknown", reason.as_str()),
        };
        *counts.entry(reason).or_default() += 1;
    }
    let mut reasons = counts
        .into_iter()
        .map(|((outcome, words), operations)| Reason { outcome, words, operations })
        .collect::<Vec<_>>();
    reasons.sort_by_key(|reason| std::cmp::Reverse(reason.operations));
    reasons
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn operation(kind: &str, completed_ns: Option<u64>, outcome: Outcome) -> Operation {
        Operation {
            id: 0,
            client: "client-1".to_owned(),
            kind: kind.to_owned(),
            key: "k".to_owned(),
            argument: None,
            condition: None,
            invoked_ns: 1_000,
            completed_ns,
            outcome,
        }
    }

    fn answered() -> Outcome {
        Outcome::Ok { reply: "OK".to_owned(), version: None }
    }

    #[test]
    fn counts_by_kind_and_outcome_and_times_only_answers() {
        let timed_out = Outcome::Unknown { reason: "timed out".to_owned() };
        let refused = Outcome::Failed { error: "not connected".to_owned() };
        let summary = by_kind(&[
            operation("SET", Some(1_500), answered()),
            operation("GET", Some(1_700), answered()),
            operation("SET", Some(9_000_000), timed_out.clone()),
            operation("SET", None, timed_out),
            operation("SET", Some(1_001), refused),
            operation("DELIVERY", Some(1_000), answered()),
        ]);
        assert_eq!(
            summary.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(),
            ["DELIVERY", "GET", "SET"]
        );
        assert_eq!(
            (summary[0].ok, summary[0].simulated_latency.is_none()),
            (1, true),
            "it happens at one moment"
        );
        let set = &summary[2];
        assert_eq!((set.ok, set.failed, set.unknown), (1, 1, 2));
        let latency = set.simulated_latency.unwrap();
        assert_eq!((latency.count, latency.min_ns, latency.max_ns), (1, 500, 500));
    }

    #[test]
    fn reasons_are_counted_by_outcome_and_the_most_frequent_leads() {
        let unknown = |reason: &str| operation("SET", None, Outcome::Unknown { reason: reason.to_owned() });
        let failed = |error: &str| operation("GET", None, Outcome::Failed { error: error.to_owned() });
        let operations = [
            failed("a"),
            unknown("time-out"),
            operation("GET", Some(2_000), answered()),
            unknown("a"),
            unknown("time-out"),
        ];
        let found = reasons(&operations);
        let found = found.iter().map(|reason| (reason.outcome, reason.words, reason.operations));
        assert_eq!(
            found.collect::<Vec<_>>(),
            [("unknown", "time-out", 2), ("failed", "a", 1), ("unknown", "a", 1)]
        );
    }

    #[test]
    fn a_kind_without_answers_has_no_latency() {
        let summary = by_kind(&[operation("DEL", None, Outcome::Unknown { reason: String::new() })]);
        assert_eq!(summary[0].simulated_latency, None);
    }
}
