//! How many operations ended when, derived from the operations.

use crate::model::{Operation, Outcome, Throughput};

/// Intervals that a run is divided into, at most.
const MOST_INTERVALS: u64 = 200;

/// Counts when the operations of a run of this length ended, in intervals of 1, 2 or 5 times a power of ten.
pub fn throughput(operations: &[Operation], simulated_duration_ns: u64) -> Throughput {
    let ended = operations.iter().filter_map(|operation| operation.completed_ns).max().unwrap_or(0);
    let least_ns = (simulated_duration_ns.max(ended) / MOST_INTERVALS).max(1);
    let mut power = 1;
    while power < least_ns / 10 {
        power *= 10;
    }
    let fits = [1, 2, 5, 10, 20, 50, 100].into_iter().map(|factor| factor * power).find(|ns| *ns >= least_ns);
    let interval_ns = fits.unwrap_or(least_ns);
    let none = vec![0; if operations.is_empty() { 0 } else { (ended / interval_ns) as usize + 1 }];
    let mut throughput = Throughput { interval_ns, ok: none.clone(), failed: none.clone(), unknown: none };
    for operation in operations {
        let Some(completed_ns) = operation.completed_ns else { continue };
        let counts = match operation.outcome {
            Outcome::Ok { .. } => &mut throughput.ok,
            Outcome::Failed { .. } => &mut throughput.failed,
            Outcome::Unknown { .. } => &mut throughput.unknown,
        };
        counts[(completed_ns / interval_ns) as usize] += 1;
    }
    throughput
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(completed_ns: Option<u64>, outcome: Outcome) -> Operation {
        Operation {
            id: 0,
            client: "c".to_owned(),
            kind: "GET".to_owned(),
            key: "k".to_owned(),
            argument: None,
            condition: None,
            invoked_ns: 0,
            completed_ns,
            outcome,
        }
    }

    #[test]
    fn an_operation_counts_in_the_interval_in_which_it_ended() {
        let ok = || Outcome::Ok { reply: String::new(), version: None };
        let unknown = Outcome::Unknown { reason: String::new() };
        let operations = [
            ended(Some(0), ok()),
            ended(Some(199_999_999), ok()),
            ended(Some(200_000_000), ok()),
            ended(Some(600_000_000), Outcome::Failed { error: String::new() }),
            ended(Some(600_000_001), unknown.clone()),
            ended(None, unknown),
        ];
        let throughput = throughput(&operations, 30_000_000_000);
        assert_eq!(throughput.interval_ns, 200_000_000);
        assert_eq!(throughput.ok, [2, 1, 0, 0]);
        assert_eq!((throughput.failed, throughput.unknown), (vec![0, 0, 0, 1], vec![0, 0, 0, 1]));
    }

    #[test]
    fn intervals_are_round_and_never_more_than_two_hundred() {
        for (duration_ns, interval_ns) in
            [(0, 1), (200, 1), (201, 1), (60_000_000_000, 500_000_000), (86_400_000_000_000, 500_000_000_000)]
        {
            assert_eq!(throughput(&[], duration_ns).interval_ns, interval_ns, "{duration_ns}");
        }
        assert!(throughput(&[], 5).ok.is_empty());
    }
}
