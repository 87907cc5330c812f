//! Which candidates are tried: what is left out, in which order.

use std::collections::BTreeSet;

use super::oracle::{Failing, Oracle};
use super::plan::{Does, Part, Plan, text_of};

/// How long after the violation became visible a run may have to go on, for its checker to be sure; tried one after the other.
const TAILS_MS: [u64; 4] = [100, 1000, 3000, 8000];

/// Rounds of all that is tried; the last change mostly comes in the first or second.
const ROUNDS: usize = 6;

/// A plan that fails and gets smaller.
pub(super) struct Reduction<'o, 'a> {
    pub(super) oracle: &'o Oracle<'a>,
    pub(super) best: Failing,
    is_minimal: bool,
}

impl<'o, 'a> Reduction<'o, 'a> {
    pub(super) fn new(oracle: &'o Oracle<'a>, best: Failing) -> Self {
        Self { oracle, best, is_minimal: false }
    }

    pub(super) fn plan(&self) -> &Plan {
        &self.best.plan
    }

    /// Whether it was made sure that no part can be left out.
    pub(super) fn is_minimal(&self) -> bool {
        self.is_minimal
    }

    /// Leaves out, and makes simple, whatever can be.
    pub(super) fn run(&mut self) {
        self.cut_short();
        self.focus();
        for round in 0..ROUNDS {
            let before = self.best.plan.clone();
            self.leave_out();
            self.cut_short();
            self.simplify(round == 0);
            if self.best.plan == before || self.oracle.is_spent() {
                break;
            }
        }
        self.make_sure();
    }

    /// Tries these one after the other, with their own seeds or several; takes the first that fails.
    pub(super) fn attempt(&mut self, candidates: Vec<Plan>, seeds: u64) -> bool {
        let current = &self.best.plan;
        let others: Vec<Plan> = candidates.into_iter().filter(|candidate| candidate != current).collect();
        match self.oracle.first(&others, seeds) {
            Some(failing) => {
                self.best = failing;
                true
            }
            None => false,
        }
    }

    /// What comes after the violation is of no account.
    fn cut_short(&mut self) {
        let (at_ms, plan) = (self.best.at_ms, &self.best.plan);
        let cut = |tail_ms: u64, drain_ms: u64| {
            let mut cut = plan.until(at_ms + tail_ms);
            cut.drain_ms = cut.drain_ms.min(drain_ms);
            cut
        };
        let is_shorter = |cut: &Plan| (cut.duration_ms, cut.drain_ms) < (plan.duration_ms, plan.drain_ms);
        let whole = TAILS_MS.map(|tail_ms| cut(tail_ms, 1000));
        let candidates = whole.into_iter().filter(is_shorter).collect();
        self.attempt(candidates, 1);
    }

    /// Only the clients and the keys that the violation is about, as a guess that saves many others.
    fn focus(&mut self) {
        let plan = &self.best.plan;
        let others =
            (0..plan.clients.len()).filter(|index| !self.best.clients.contains(&plan.clients[*index].name));
        let others: BTreeSet<Part> = others.map(Part::Client).collect();
        let is_other = |part: &Part| match part {
            Part::Step(client, step) => {
                let keys = &plan.clients[*client].steps()[*step].keys;
                let about = ["key", "payload"].into_iter().find_map(|key| text_of(keys, key));
                about.is_some_and(|about| !self.best.words.contains(&about))
            }
            _ => false,
        };
        let elsewhere: BTreeSet<Part> = plan.steps().into_iter().filter(is_other).collect();
        let faults: BTreeSet<Part> = (0..plan.faults.len()).map(Part::Fault).collect();
        let all = |sets: &[&BTreeSet<Part>]| {
            plan.without(&sets.iter().flat_map(|set| set.iter().copied()).collect())
        };
        let candidates = vec![
            all(&[&others, &elsewhere, &faults]),
            all(&[&others, &elsewhere]),
            all(&[&others, &faults]),
            all(&[&elsewhere, &faults]),
            all(&[&others]),
            all(&[&elsewhere]),
            all(&[&faults]),
        ];
        if !self.best.clients.is_empty() || !self.best.words.is_empty() {
            self.attempt(candidates, 1);
        }
    }

    /// Leaves out clients, faults and steps, until none can be.
    fn leave_out(&mut self) {
        self.leave_out_of(|plan| (0..plan.clients.len()).map(Part::Client).collect());
        self.leave_out_of(|plan| (0..plan.faults.len()).map(Part::Fault).collect());
        self.leave_out_of(Plan::steps);
        self.leave_out_of(|plan| (0..plan.clients.len()).map(Part::Client).collect());
    }

    /// Delta debugging: ever smaller pieces of the parts are left out, at last each by itself.
    fn leave_out_of(&mut self, parts: impl Fn(&Plan) -> Vec<Part>) {
        let mut size = parts(&self.best.plan).len().div_ceil(2);
        let mut from = 0;
        while size > 0 && !self.oracle.is_spent() {
            let all = parts(&self.best.plan);
            if all.is_empty() {
                return;
            }
            let pieces: Vec<BTreeSet<Part>> =
                all.chunks(size).map(|piece| piece.iter().copied().collect()).collect();
            // On from where the last one was, since those before it stayed.
            let start = from.min(pieces.len() - 1);
            let order: Vec<usize> = (start..pieces.len()).chain(0..start).collect();
            let candidates: Vec<Plan> =
                order.iter().map(|piece| self.best.plan.without(&pieces[*piece])).collect();
            match self.oracle.first_of(&candidates, 1) {
                Some((place, failing)) => {
                    from = order[place];
                    self.best = failing;
                    size = size.min(parts(&self.best.plan).len());
                }
                None if size == 1 => return,
                None => {
                    size = size.div_ceil(2).min(size - 1);
                    from = 0;
                }
            }
        }
    }

    /// Tries to leave out each part once more. What still can be is left out.
    fn make_sure(&mut self) {
        while !self.oracle.is_spent() {
            let parts = self.best.plan.parts();
            let candidates = parts.into_iter().map(|part| self.best.plan.without(&[part].into())).collect();
            if !self.attempt(candidates, 1) {
                self.is_minimal = !self.oracle.is_spent();
                return;
            }
        }
    }

    /// Changes every script's steps.
    pub(super) fn with_steps(plan: &Plan, mut change: impl FnMut(&mut super::plan::Step)) -> Plan {
        let mut plan = plan.clone();
        for client in &mut plan.clients {
            if let Does::Script(_, steps) = &mut client.does {
                steps.iter_mut().for_each(&mut change);
            }
        }
        plan
    }
}
