//! The search for an order that explains one key's replies, after Wing and Gong, with Lowe's memoised
//! configurations.
//!
//! A *required* operation has a reply and takes effect exactly once between its invocation and its completion. An
//! *optional* one has none, and takes effect at most once, at any time after its invocation. A configuration is the
//! set of operations that have taken effect and the state they left; each is expanded once.
//!
//! Three reductions keep the search small, and lose no explanation:
//!
//! 1. A required operation that may come next, whose reply fits, and that by its reply changes nothing (a GET, a
//!    refusal, a deletion of nothing) comes next, and nothing else is tried. In any explanation it can be moved to the
//!    front: the others see the same states.
//! 2. Optional operations are tried only directly before a required one whose reply does not fit otherwise. Take an
//!    explanation with the fewest optional operations, and of those one in which they come latest. Let a run of them
//!    be followed by a required operation X that fits the state before the run as well. If X leaves a state that does
//!    not depend on the one before (SET, deletion, restart, any reply that shows the key absent), the run can be left
//!    out. If it leaves the state as it is, the run can come after X. Either contradicts the choice. Optional
//!    operations have no completion that could forbid to move them back, and a restart always fits.
//! 3. In such a run only the first may be unconditional: what comes before an unconditional write could be left out.
//!
//! An operation may come next if no other that is still to come was completed before its invocation. Events at the
//! same time have no order.

use std::collections::BTreeSet;

use super::register::{Action, Answer, NEVER, State};
use crate::history::Condition;

/// One key's operations.
#[derive(Clone, Debug, Default)]
pub(super) struct Problem {
    /// In the order of their invocation.
    pub(super) required: Vec<Required>,
    pub(super) optional: Vec<Optional>,
}

/// An operation that took effect once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Required {
    pub(super) action: Action,
    pub(super) answer: Answer,
    pub(super) invoked_ns: u64,
    pub(super) completed_ns: u64,
    /// The last life of the broker that can have executed it.
    pub(super) last_epoch: u32,
}

/// An operation that took effect once or never.
#[derive(Clone, Copy, Debug)]
pub(super) struct Optional {
    pub(super) action: Action,
    pub(super) invoked_ns: u64,
    /// The only life of the broker in which this execution can be.
    pub(super) epoch: u32,
}

/// What the search found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// An order that explains every reply.
    Explained,
    /// There is none.
    Unexplained(Blame),
    /// The limit of steps was reached first.
    OutOfSteps,
}

/// Where the search got stuck.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Blame {
    /// No order gets past this completion time.
    pub(super) completed_ns: u64,
    /// The states that the operation of that completion met whenever it was tried, at most [`BLAMED_STATES`].
    pub(super) states: Vec<State>,
}

/// States kept to explain a failure.
pub(super) const BLAMED_STATES: usize = 8;

/// Searches, taking the steps from `steps`: one for each time an operation is tried on a state.
pub(super) fn search(problem: &Problem, steps: &mut u64) -> Found {
    let mut search = Search { problem, steps, seen: BTreeSet::new(), open: Vec::new(), blame: None };
    search.visit(Configuration::default());
    while let Some(configuration) = search.open.pop() {
        if configuration.first as usize == problem.required.len() {
            return Found::Explained;
        }
        if search.expand(&configuration).is_none() {
            return Found::OutOfSteps;
        }
    }
    let blame = search.blame.unwrap_or(Blame { completed_ns: 0, states: Vec::new() });
    Found::Unexplained(blame)
}

#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Configuration {
    /// All required operations before this one have taken effect, and it has not.
    first: u32,
    state: State,
    /// The required operations after `first` that have, ascending.
    ahead: Vec<u32>,
    /// The optional operations that have, ascending.
    used: Vec<u32>,
}

struct Search<'p, 's> {
    problem: &'p Problem,
    steps: &'s mut u64,
    seen: BTreeSet<Configuration>,
    open: Vec<Configuration>,
    blame: Option<Blame>,
}

/// The limit of steps was reached.
type Limited<T> = Option<T>;

impl Search<'_, '_> {
    fn visit(&mut self, configuration: Configuration) {
        if self.seen.insert(configuration.clone()) {
            self.open.push(configuration);
        }
    }

    fn step(&mut self) -> Limited<()> {
        *self.steps = self.steps.checked_sub(1)?;
        Some(())
    }

    fn expand(&mut self, configuration: &Configuration) -> Limited<()> {
        let (candidates, bound_ns) = self.candidates(configuration);
        let mut fitting = Vec::new();
        let mut unfitting = Vec::new();
        for index in candidates {
            self.step()?;
            let next = self.answered(configuration.state, index);
            if next[0] == Some(configuration.state)
                && self.problem.required[index as usize].answer.changes_nothing()
            {
                self.visit(configuration.after(index, configuration.state, &[]));
                return Some(());
            }
            if next == [None, None] {
                unfitting.push(index);
            }
            fitting.extend(next.into_iter().flatten().map(|state| (index, state)));
        }
        // What is pushed last is tried first, and versions nearly always tell the right order: so optional operations
        // go below, and the lowest version on top.
        for index in unfitting {
            let fits = self.with_optional(configuration, index, bound_ns)?;
            if !fits {
                self.blame(configuration.state, index, bound_ns);
            }
        }
        let required = &self.problem.required;
        fitting.sort_by_key(|&(index, _)| {
            let operation = &required[index as usize];
            (operation.answer.version(), operation.completed_ns, index)
        });
        for (index, state) in fitting.into_iter().rev() {
            self.visit(configuration.after(index, state, &[]));
        }
        Some(())
    }

    /// The required operations that may come next, and the earliest completion among those still to come.
    fn candidates(&self, configuration: &Configuration) -> (Vec<u32>, u64) {
        let mut ahead = configuration.ahead.iter().copied().peekable();
        let mut bound_ns = u64::MAX;
        let mut candidates = Vec::new();
        for index in configuration.first..self.problem.required.len() as u32 {
            if ahead.next_if_eq(&index).is_some() {
                continue;
            }
            let operation = &self.problem.required[index as usize];
            if operation.invoked_ns > bound_ns {
                break;
            }
            bound_ns = bound_ns.min(operation.completed_ns);
            candidates.push(index);
        }
        (candidates, bound_ns)
    }

    fn answered(&self, state: State, index: u32) -> [Option<State>; 2] {
        let operation = &self.problem.required[index as usize];
        if state.epoch > operation.last_epoch {
            return [None, None];
        }
        state.answered(operation.action, operation.answer, operation.completed_ns)
    }

    /// Tries runs of optional operations before a required one that does not fit by itself. Returns whether any does.
    fn with_optional(&mut self, configuration: &Configuration, index: u32, bound_ns: u64) -> Limited<bool> {
        let answer = self.problem.required[index as usize].answer;
        let mut unused =
            (0..).zip(&self.problem.optional).filter(|(other, _)| !configuration.used.contains(other));
        if !unused.any(|(_, optional)| can_lead_to(optional.action, answer)) {
            return Some(false);
        }
        let mut fits = false;
        let mut runs = vec![(configuration.state, Vec::new())];
        while let Some((state, run)) = runs.pop() {
            for (optional_index, optional) in self.problem.optional.iter().enumerate() {
                let optional_index = optional_index as u32;
                let available = optional.epoch == state.epoch && optional.invoked_ns <= bound_ns;
                let taken = configuration.used.contains(&optional_index) || run.contains(&optional_index);
                if !available || taken || (!run.is_empty() && is_unconditional(optional.action)) {
                    continue;
                }
                self.step()?;
                for changed in state.unanswered(optional.action).into_iter().flatten() {
                    let mut longer: Vec<u32> = run.clone();
                    longer.push(optional_index);
                    let next = self.answered(changed, index);
                    if next == [None, None] {
                        runs.push((changed, longer));
                        continue;
                    }
                    fits = true;
                    for state in next.into_iter().flatten() {
                        self.visit(configuration.after(index, state, &longer));
                    }
                }
            }
        }
        Some(fits)
    }

    /// Notes the state in which the operation that the search cannot get past was tried in vain.
    fn blame(&mut self, state: State, index: u32, bound_ns: u64) {
        if self.problem.required[index as usize].completed_ns != bound_ns {
            return;
        }
        match &mut self.blame {
            Some(blame) if blame.completed_ns > bound_ns => {}
            Some(blame) if blame.completed_ns == bound_ns => {
                if blame.states.len() < BLAMED_STATES && !blame.states.contains(&state) {
                    blame.states.push(state);
                }
            }
            blame => *blame = Some(Blame { completed_ns: bound_ns, states: vec![state] }),
        }
    }
}

impl Configuration {
    /// This configuration after the optional operations and then the required one have taken effect.
    fn after(&self, index: u32, state: State, optional: &[u32]) -> Self {
        let mut next = self.clone();
        next.state = state;
        next.used.extend_from_slice(optional);
        next.used.sort_unstable();
        if index != next.first {
            let place = next.ahead.partition_point(|&other| other < index);
            next.ahead.insert(place, index);
            return next;
        }
        next.first += 1;
        let run =
            next.ahead.iter().zip(next.first..).take_while(|(ahead, expected)| **ahead == *expected).count();
        next.ahead.drain(..run);
        next.first += run as u32;
        next
    }
}

/// Whether a run that ends with this action can make the answer fit.
fn can_lead_to(action: Action, answer: Answer) -> bool {
    match (answer, action) {
        (Answer::Value(shown, _), Action::Set { value, .. }) => shown == value,
        (Answer::Value(..), _) => false,
        (Answer::Missing | Answer::NotFound, Action::Set { expires_from_ns, .. }) => expires_from_ns != NEVER,
        _ => true,
    }
}

fn is_unconditional(action: Action) -> bool {
    match action {
        Action::Set { condition, .. } => condition == Condition::None,
        // A restart is never optional.
        Action::Del | Action::Restart => true,
        Action::Get | Action::Vdel { .. } => false,
    }
}
