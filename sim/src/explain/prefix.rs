//! The longest part of a history, from its beginning, that the checker still takes for explained.
//!
//! What was known later is forgotten, not cut off: a message that arrived later perhaps arrived, and a request that was under way
//! may have been executed. So nothing is missed merely because the part ends.

use std::collections::BTreeSet;

use super::weaken::{Item, Weakening};
use crate::check::{CheckerName, Verdict, check};
use crate::history::History;

/// Where explanations end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prefix {
    /// Everything that was known before this time can be explained.
    pub before_ns: u64,
    /// What was known then, and leaves no explanation; empty where what the clients asked for says so alone.
    pub first: Vec<Item>,
    /// How much was known before.
    pub explained: usize,
}

impl Prefix {
    /// The longest of a history that a checker takes for violated. `at_ns` is when it says that a violation became visible.
    pub fn find(history: &History, checker: CheckerName, at_ns: u64) -> Self {
        let all = Item::all(history);
        let times: BTreeSet<u64> = all.iter().map(|item| item.known_ns(history)).collect();
        let times: Vec<u64> = times.into_iter().collect();
        let is_violated = |known: &[u64]| {
            let until_ns = known.last().copied();
            let later = all.iter().copied().filter(|item| Some(item.known_ns(history)) > until_ns);
            let weak = Weakening::default().forget_answers(later).of(history);
            check(checker, &weak).verdict == Verdict::Violated
        };
        let known_before =
            |before_ns: u64| all.iter().filter(|item| item.known_ns(history) < before_ns).count();
        if is_violated(&[]) {
            return Self { before_ns: at_ns, first: Vec::new(), explained: known_before(at_ns) };
        }
        // Of so many times: fine, violated.
        let (mut fine, mut violated) = (0, times.len());
        while violated - fine > 1 {
            let middle = fine.midpoint(violated);
            if is_violated(&times[..middle]) {
                violated = middle;
            } else {
                fine = middle;
            }
        }
        let before_ns = times.get(fine).copied().unwrap_or(at_ns);
        let first = all.iter().copied().filter(|item| item.known_ns(history) == before_ns).collect();
        Self { before_ns, first, explained: known_before(before_ns) }
    }
}
