//! Whether a candidate still fails in the same way: by running it.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use mayfly_reports::Conclusion;

use super::plan::Plan;
use super::{Manner, Progress};
use crate::check::{Anomaly, CheckerName, CounterExample};
use crate::history::History;
use crate::history::mqtt::What;
use crate::run::{Options, run_with};
use crate::scenario::Scenario;
use crate::workers::each;

/// So many candidates are run together. What is tried follows from this number, and not from how many threads there are.
const BATCH: usize = 4;

/// A plan that fails, and what shows it.
#[derive(Clone, Debug)]
pub(super) struct Failing {
    pub(super) plan: Plan,
    /// When the violation became visible.
    pub(super) at_ms: u64,
    /// The clients of what shows it.
    pub(super) clients: BTreeSet<String>,
    /// The keys, payloads and filters that it is about.
    pub(super) words: BTreeSet<String>,
}

/// Runs candidates.
pub(super) struct Oracle<'a> {
    violation: (CheckerName, Anomaly),
    /// What a run of a candidate must conclude: a lie that was caught is what its scenario expects.
    wanted: Conclusion,
    manner: Manner,
    runs: AtomicU64,
    watch: &'a (dyn Fn(Progress) + Sync),
}

impl<'a> Oracle<'a> {
    pub(super) fn new(
        violation: (CheckerName, Anomaly),
        scenario: &Scenario,
        manner: Manner,
        watch: &'a (dyn Fn(Progress) + Sync),
    ) -> Self {
        let lies = scenario.broker.sabotage.is_some();
        let wanted = if lies { Conclusion::Passed } else { Conclusion::ConsistencyViolated };
        Self { violation, wanted, manner, runs: AtomicU64::new(0), watch }
    }

    /// Runs done so far.
    pub(super) fn runs(&self) -> u64 {
        self.runs.load(Ordering::Relaxed)
    }

    /// Whether no run is left.
    pub(super) fn is_spent(&self) -> bool {
        self.runs() >= self.manner.runs
    }

    /// The first of these that fails: with its own seed, or else with one of the next, so many seeds in all.
    pub(super) fn first(&self, candidates: &[Plan], seeds: u64) -> Option<Failing> {
        self.first_of(candidates, seeds).map(|(_, failing)| failing)
    }

    /// The same, with its place among the candidates.
    pub(super) fn first_of(&self, candidates: &[Plan], seeds: u64) -> Option<(usize, Failing)> {
        let with_seeds = (0..seeds).flat_map(|more| {
            candidates
                .iter()
                .enumerate()
                .map(move |(place, plan)| (place, plan, plan.seed.wrapping_add(more)))
        });
        let jobs: Vec<(usize, &Plan, u64)> = with_seeds.collect();
        for batch in jobs.chunks(BATCH) {
            if self.is_spent() {
                return None;
            }
            let found: Mutex<Vec<(usize, Failing)>> = Mutex::default();
            let jobs = batch.iter().enumerate();
            each(self.manner.threads, jobs, |(number, (_, plan, seed))| {
                if let Some(failing) = self.run(&Plan { seed: *seed, ..(*plan).clone() }) {
                    found.lock().unwrap_or_else(PoisonError::into_inner).push((number, failing));
                }
            });
            self.runs.fetch_add(batch.len() as u64, Ordering::Relaxed);
            let mut found = found.into_inner().unwrap_or_else(PoisonError::into_inner);
            found.sort_by_key(|(number, _)| *number);
            if let Some((number, failing)) = found.into_iter().next() {
                (self.watch)(Progress { runs: self.runs(), counts: failing.plan.counts() });
                return Some((batch[number].0, failing));
            }
        }
        None
    }

    fn run(&self, plan: &Plan) -> Option<Failing> {
        let scenario = Scenario::parse(&plan.text(""), "shrunk.toml").ok()?;
        let ran = run_with(&scenario, "shrunk.toml", plan.seed, Options::default(), |_| ()).ok()?;
        if ran.report.verdict.conclusion != self.wanted {
            return None;
        }
        let (checker, anomaly) = self.violation;
        let check = ran.judgement.checks.iter().find(|check| check.checker == checker)?;
        let example = check.counter_examples.iter().find(|example| example.anomaly == anomaly)?;
        let (clients, words) = shown(&ran.history, example);
        Some(Failing { plan: plan.clone(), at_ms: example.at_ns.div_ceil(1_000_000), clients, words })
    }
}

/// Who and what a counter-example is about.
fn shown(history: &History, example: &CounterExample) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut clients, mut words) = (BTreeSet::new(), BTreeSet::new());
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for id in &example.operations {
        if let Some(event) = history.shown_event(*id) {
            clients.insert(history.client_name(event.client).to_owned());
            words.extend(match &event.what {
                What::Subscribe(subscribe) => Some(subscribe.filter.clone()),
                What::Publish(publish) => Some(publish.payload.clone()),
                What::Deliver(deliver) => Some(deliver.payload.clone()),
                What::Hold(hold) => Some(hold.key.clone()),
                What::Watch(watch) => Some(watch.key.clone()),
                What::Notified(notified) => Some(notified.key.clone()),
                _ => None,
            });
        } else if let Some(operation) = history.operations.get(id.0 as usize) {
            clients.insert(history.client_name(operation.client).to_owned());
            words.insert(text(operation.call.key()));
        }
    }
    (clients, words)
}
