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
/// of the service.
pub fn by_kind(operations: &[Operation]) -> Vec<KindSummary> {
    let mut kinds = BTreeMap::<&str, Tally>::new();
    for operation in operations {
        let tally = kinds.entry(&operation.kind).or_default();
        match operation.outcome {
            Outcome::Ok { .. } => {
                tally.ok += 1;
                if let Some(completed_ns) = operation.completed_ns {
                    tally.latency.record(completed_ns.saturating_sub(operation.invoked_ns));
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
        ]);
        assert_eq!(summary.iter().map(|row| row.kind.as_str()).collect::<Vec<_>>(), ["GET", "SET"]);
        let set = &summary[1];
        assert_eq!((set.ok, set.failed, set.unknown), (1, 1, 2));
        let latency = set.simulated_latency.unwrap();
        assert_eq!((latency.count, latency.min_ns, latency.max_ns), (1, 500, 500));
    }

    #[test]
    fn a_kind_without_answers_has_no_latency() {
        let summary = by_kind(&[operation("DEL", None, Outcome::Unknown { reason: String::new() })]);
        assert_eq!(summary[0].simulated_latency, None);
    }
}
