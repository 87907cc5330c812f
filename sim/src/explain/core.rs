//! The least part of a violated history that can't be explained.
//!
//! Delta debugging over the evidence: what is forgotten of the history stays forgotten as long as the checker still finds the
//! same violation. What is left is minimal by itself: with any one item of it forgotten as well nothing is violated. Beside it
//! stands what the violation rests on by having been asked at all, at its time: the write whose value came back too early, the
//! subscription that a message was owed to.
//!
//! Bounded by looks at events, so that the answer does not depend on the machine.

use std::collections::BTreeSet;

use super::related::{asked, related};
use super::weaken::{Item, Weakening};
use crate::check::{Anomaly, CheckerName, CounterExample, check};
use crate::history::{History, OperationId};

/// Looks at one operation or event of the history that a search takes at most. A minute, at worst.
pub const MAX_LOOKS: u64 = 100_000_000;

/// Items beside the evidence of which it is asked whether the violation rests on them.
const MAX_ASIDE: usize = 200;

/// A violation to be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// Who found it.
    pub checker: CheckerName,
    /// What it is.
    pub anomaly: Anomaly,
    culprit: Culprit,
}

/// What tells a violation from others of its kind, whatever else is forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Culprit {
    /// What shows it, by the checker's own account: the last that it names.
    Shown(OperationId),
    /// The time at which it became visible, where the checker names much around it.
    At(u64),
    /// The time and the words for who or what it is about, where the checker names nothing.
    Subject(u64, String),
}

/// A part of a history that can't be explained.
#[derive(Clone, Debug)]
pub struct Core {
    /// The history with all else forgotten.
    pub history: History,
    /// What can't be explained together, in order of time: with any one of it forgotten, the rest can.
    pub items: Vec<Item>,
    /// Whether that was made sure of for each. Otherwise the limit of steps was reached, and there may be more than is needed.
    pub is_minimal: bool,
    /// How often the checker was asked.
    pub asked: u64,
}

impl Target {
    /// A counter-example of a checker.
    pub fn new(checker: CheckerName, example: &CounterExample) -> Self {
        let culprit = match example.operations.last() {
            _ if checker == CheckerName::Linearizability => Culprit::At(example.at_ns),
            Some(last) => Culprit::Shown(*last),
            None => Culprit::Subject(example.at_ns, subject(example).to_owned()),
        };
        Self { checker, anomaly: example.anomaly, culprit }
    }

    /// Whether the checker finds it in a history.
    pub fn is_in(&self, history: &History) -> bool {
        let is_it = |example: &CounterExample| {
            is_same(example.anomaly, self.anomaly)
                && match &self.culprit {
                    Culprit::Shown(last) => example.operations.last() == Some(last),
                    Culprit::At(at_ns) => example.at_ns == *at_ns,
                    Culprit::Subject(at_ns, words) => example.at_ns == *at_ns && subject(example) == words,
                }
        };
        check(self.checker, history).counter_examples.iter().any(is_it)
    }
}

impl Core {
    /// The least part of `history` in which the violation that `example` shows is found.
    pub fn find(history: &History, checker: CheckerName, example: &CounterExample) -> Self {
        Search::new(history, Target::new(checker, example)).run(example)
    }
}

/// What a headline is about: its first clause.
fn subject(example: &CounterExample) -> &str {
    example.headline.split(", ").next().unwrap_or_default()
}

/// Whether two anomalies are one. Whether a reply was stale or the write before it lost shows only in what others saw.
fn is_same(one: Anomaly, other: Anomaly) -> bool {
    let is_behind = |anomaly| matches!(anomaly, Anomaly::StaleRead | Anomaly::LostWrite);
    one == other || is_behind(one) && is_behind(other)
}

struct Search<'h> {
    history: &'h History,
    target: Target,
    looks: u64,
    asked: u64,
}

impl<'h> Search<'h> {
    fn new(history: &'h History, target: Target) -> Self {
        Self { history, target, looks: MAX_LOOKS, asked: 0 }
    }

    fn run(mut self, example: &CounterExample) -> Core {
        let all = Item::all(self.history);
        let (mut kept, base) = self.enough(&all, example);
        let is_minimal = self.reduce(&base, &mut kept);
        let kept: BTreeSet<Item> = kept.into_iter().collect();
        let history = forget_but(self.history, &all, &kept);
        let mut items = kept.clone();
        let mut aside = asked(self.history, &kept, self.target.checker, example);
        let mut seen = kept;
        aside.retain(|item| seen.insert(*item));
        for item in aside.into_iter().take(MAX_ASIDE) {
            let without = Weakening::default().forget_wholly([item]).of(&history);
            if !self.is_in(&without) {
                items.insert(item);
            }
        }
        let mut items: Vec<Item> = items.into_iter().collect();
        items.sort_by_key(|item| (item.from_ns(self.history), item.known_ns(self.history), *item));
        let is_minimal = is_minimal && self.looks > 0;
        Core { history, items, is_minimal, asked: self.asked }
    }

    /// Evidence that suffices for the violation, from the little that the checker names to all there is, and the history with
    /// nothing else.
    fn enough(&mut self, all: &[Item], example: &CounterExample) -> (Vec<Item>, History) {
        let mut kept: BTreeSet<Item> = example.operations.iter().map(|id| Item::Shown(*id)).collect();
        for _ in 0..3 {
            let weak = forget_but(self.history, all, &kept);
            if self.is_in(&weak) {
                return (all.iter().copied().filter(|item| kept.contains(item)).collect(), weak);
            }
            kept.extend(related(self.history, &kept, example));
        }
        (all.to_vec(), self.history.clone())
    }

    /// Forgets of `kept` what the violation does not need. Whether the end was reached.
    fn reduce(&mut self, base: &History, kept: &mut Vec<Item>) -> bool {
        let mut forgotten: Vec<Item> = Vec::new();
        let mut size = kept.len().div_ceil(2).max(1);
        loop {
            let mut has_shrunk = false;
            // The latest first: what came after the violation goes at once.
            let mut end = kept.len();
            while end > 0 {
                if self.looks == 0 {
                    return false;
                }
                let start = end.saturating_sub(size);
                let chunk: Vec<Item> = kept[start..end].to_vec();
                let weak =
                    Weakening::default().forget_answers(forgotten.iter().chain(&chunk).copied()).of(base);
                if self.is_in(&weak) {
                    kept.drain(start..end);
                    forgotten.extend(chunk);
                    has_shrunk = true;
                }
                end = start;
            }
            match (size, has_shrunk) {
                (1, false) => return true,
                (1, true) => {}
                _ => size = size.div_ceil(2),
            }
        }
    }

    fn is_in(&mut self, history: &History) -> bool {
        let looks = history.operations.len() + history.mqtt.len() + history.sessions.len();
        self.looks = self.looks.saturating_sub(looks as u64);
        self.asked += 1;
        self.target.is_in(history)
    }
}

/// The history with the answers of all but `kept` forgotten.
fn forget_but(history: &History, all: &[Item], kept: &BTreeSet<Item>) -> History {
    let others = all.iter().copied().filter(|item| !kept.contains(item));
    Weakening::default().forget_answers(others).of(history)
}
