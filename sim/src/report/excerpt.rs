//! Which operations of a long run its report shows one by one: as many as a page can draw, and those that matter.

use std::collections::BTreeSet;

use mayfly_reports::{Operation, Outcome};

/// More are not shown one by one; the counts and percentiles are of all.
const MOST: usize = 100_000;

/// Leaves out operations where there are too many; those of `needed` stay, those without an answer as long as there are fewer
/// than [`MOST`], and the rest evenly over the run. Says how many were left out.
pub(super) fn of(operations: Vec<Operation>, needed: &BTreeSet<u64>) -> (Vec<Operation>, u64) {
    excerpt(operations, needed, MOST)
}

fn excerpt(operations: Vec<Operation>, needed: &BTreeSet<u64>, most: usize) -> (Vec<Operation>, u64) {
    let all = operations.len();
    if all <= most {
        return (operations, 0);
    }
    let is_unanswered = |operation: &Operation| !matches!(operation.outcome, Outcome::Ok { .. });
    let keeps_unanswered = operations.iter().filter(|operation| is_unanswered(operation)).count() <= most;
    let stride = all.div_ceil(most);
    let mut position = 0;
    let mut kept = operations;
    kept.retain(|operation| {
        position += 1;
        (position - 1) % stride == 0
            || keeps_unanswered && is_unanswered(operation)
            || needed.contains(&operation.id)
    });
    let left_out = (all - kept.len()) as u64;
    (kept, left_out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operations(count: u64, unanswered: impl Fn(u64) -> bool) -> Vec<Operation> {
        let operation = |id| Operation {
            id,
            client: "alice".to_owned(),
            kind: "GET".to_owned(),
            key: "k".to_owned(),
            argument: None,
            condition: None,
            invoked_ns: id,
            completed_ns: None,
            outcome: if unanswered(id) {
                Outcome::Unknown { reason: "x".to_owned() }
            } else {
                Outcome::Ok { reply: "x".to_owned(), version: None }
            },
        };
        (0..count).map(operation).collect()
    }

    fn ids(excerpt: &[Operation]) -> Vec<u64> {
        excerpt.iter().map(|operation| operation.id).collect()
    }

    #[test]
    fn a_run_of_usual_length_is_shown_whole() {
        let (kept, left_out) = excerpt(operations(10, |_| false), &BTreeSet::new(), 10);
        assert_eq!((kept.len(), left_out), (10, 0));
    }

    #[test]
    fn of_a_long_run_what_matters_stays() {
        let needed = BTreeSet::from([7, 11]);
        let (kept, left_out) = excerpt(operations(25, |id| id == 3), &needed, 5);
        assert_eq!((ids(&kept), left_out), (vec![0, 3, 5, 7, 10, 11, 15, 20], 17));
    }

    #[test]
    fn a_run_in_which_nothing_was_answered_does_not_grow() {
        let (kept, left_out) = excerpt(operations(25, |_| true), &BTreeSet::new(), 5);
        assert_eq!((ids(&kept), left_out), (vec![0, 5, 10, 15, 20], 20));
    }
}
