//! Each key behaves as if its operations took effect one at a time, each between its invocation and its completion.
//!
//! Owns how a history becomes one search problem a key, and how a failed search becomes an explanation. The search
//! is bounded by steps; a key on which they run out is undecided, which is no pass.
//!
//! - A GET without a reply is left out: it changes nothing and shows nothing.
//! - A write without a reply took effect once or never, and, if the broker restarted meanwhile, at most once in each
//!   of its lives: the client may have sent it again.
//! - A write with a reply that was under way across a restart may have been executed in the life before as well.
//! - Of a write that was sent again the reply belongs to the last sending; each one before took effect once or never.
//! - A restart empties every key when the broker stops, and nothing is executed before it starts.
//! - A failed operation was not executed; one that failed across a restart may have been, in the life before.
//! - A write whose reply was left out of the history took effect in its time or never, whatever its condition.

use std::collections::BTreeMap;

use super::findings::Findings;
use super::register::{Action, Answer, NEVER, State, ValueId, VersionId};
use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::search::{BLAMED_STATES, Blame, Found, Optional, Problem, Required, search};
use super::timeline::Timeline;
use super::words;
use super::{Checker, CheckerName};
use crate::history::{Call, Condition, History, Operation, Outcome, Reply, UnknownReason, Version};

/// Steps for a whole history where the caller names no other limit. A valid history takes some ten steps an operation;
/// one that is not, with ten clients on one key, some thousands. This many take a few seconds and some 300 MB at worst.
pub const DEFAULT_STEPS: u64 = 10_000_000;

/// What the timeline's operations of a key are not.
const OF_NO_KEY: &str = "KEYNOTIFY neither reads nor writes a key";

/// Operations shown around a violation.
const SHOWN_OPERATIONS: usize = 8;

/// See the module.
#[derive(Debug)]
pub struct Linearizability;

impl Checker for Linearizability {
    fn check(&self, history: &History) -> CheckReport {
        check(history, DEFAULT_STEPS)
    }
}

/// Checks every key, with at most `steps` steps for all of them.
pub fn check(history: &History, mut steps: u64) -> CheckReport {
    let timeline = Timeline::new(history);
    let mut findings = None;
    let mut counter_examples = Vec::new();
    let mut undecided = Vec::new();
    let available = steps;
    let keys = timeline.keys();
    for (index, (name, operations)) in keys.iter().enumerate() {
        let key = Key::new(&timeline, operations);
        // An even share of what is left, so that one hard key leaves steps for the others.
        let mut share = steps / (keys.len() - index) as u64;
        steps -= share;
        match search(&key.problem(NEVER), &mut share) {
            Found::Explained => {}
            Found::OutOfSteps => undecided.push(name.escape_ascii().to_string()),
            Found::Unexplained(blame) => {
                let findings = findings.get_or_insert_with(|| Findings::of(&timeline));
                let (prefix_ns, blame) = key.shortest_unexplained(blame, &mut share);
                counter_examples.push(key.explain(prefix_ns, &blame, findings));
            }
        }
        steps += share;
    }
    counter_examples.sort_by_key(|example| example.at_ns);
    let judged = format!(
        "{} keys and {} operations in {} steps",
        keys.len(),
        history.operations.len(),
        available - steps
    );
    let (verdict, summary) = if !counter_examples.is_empty() {
        let summary = format!(
            "no order of the operations explains the replies on {} of {judged}",
            counter_examples.len()
        );
        (Verdict::Violated, summary)
    } else if undecided.is_empty() {
        (Verdict::Valid, format!("an order explains every reply: {judged}"))
    } else {
        let why = format!("the limit of {available} steps was reached on {}", undecided.join(", "));
        (Verdict::Undecided { why: why.clone() }, why)
    };
    CheckReport::new(CheckerName::Linearizability, verdict, summary, counter_examples)
}

/// One key's operations, with values and versions numbered.
struct Key<'t, 'h> {
    timeline: &'t Timeline<'h>,
    operations: &'t [&'h Operation],
    values: Vec<&'h [u8]>,
    value_ids: BTreeMap<&'h [u8], ValueId>,
    versions: Vec<&'h Version>,
    version_ids: BTreeMap<&'h Version, VersionId>,
}

impl<'t, 'h> Key<'t, 'h> {
    fn new(timeline: &'t Timeline<'h>, operations: &'t [&'h Operation]) -> Self {
        let mut value_ids: BTreeMap<&[u8], ValueId> = BTreeMap::new();
        let mut version_ids: BTreeMap<&Version, VersionId> = BTreeMap::new();
        for operation in operations {
            let is_forgotten = matches!(
                operation.outcome,
                Outcome::Unknown { reason: UnknownReason::Forgotten, at_ns } if at_ns < NEVER
            );
            if let (Call::Set { value, .. } | Call::Vdel { value, .. }, false) =
                (&operation.call, is_forgotten)
            {
                value_ids.insert(value, ValueId(0));
            }
            if let Some((reply, _)) = operation.reply() {
                if let Reply::Value { value, .. } = reply {
                    value_ids.insert(value, ValueId(0));
                }
                version_ids.extend(reply.version().map(|version| (version, VersionId(0))));
            }
        }
        for (number, id) in value_ids.values_mut().enumerate() {
            *id = ValueId(number as u32);
        }
        for (number, id) in version_ids.values_mut().enumerate() {
            *id = VersionId(number as u32);
        }
        let values = value_ids.keys().copied().collect();
        let versions = version_ids.keys().copied().collect();
        Self { timeline, operations, values, value_ids, versions, version_ids }
    }

    /// The problem of all replies that arrived by `until_ns`. What was under way then has no reply yet.
    fn problem(&self, until_ns: u64) -> Problem {
        let mut problem = Problem::default();
        for (epoch, restart) in self.timeline.restarts.iter().enumerate() {
            // What was stored is gone at the stop, and nothing is executed until the start.
            let at_ns = restart.stopped_ns;
            if at_ns <= until_ns {
                problem.required.push(Required {
                    action: Action::Restart,
                    answer: Answer::Restarted,
                    invoked_ns: at_ns,
                    completed_ns: at_ns,
                    last_epoch: epoch as u32,
                });
            }
        }
        for operation in self.operations.iter().filter(|operation| operation.invoked_ns <= until_ns) {
            self.add(&mut problem, operation, until_ns);
        }
        problem.required.sort_by_key(|operation| (operation.invoked_ns, operation.completed_ns));
        problem
    }

    fn add(&self, problem: &mut Problem, operation: &Operation, until_ns: u64) {
        let (action, invoked_ns) = (self.action(operation), operation.last_sent_ns());
        let epochs = self.timeline.epochs(operation);
        // The epochs in which it may have been executed without an answer.
        let unanswered = match &operation.outcome {
            Outcome::Ok { reply, completed_ns } if *completed_ns <= until_ns => {
                let (answer, completed_ns) = (self.answer(reply), *completed_ns);
                let last_epoch = epochs.latest;
                problem.required.push(Required { action, answer, invoked_ns, completed_ns, last_epoch });
                epochs.earliest..epochs.latest
            }
            Outcome::Unknown { reason: UnknownReason::Forgotten, at_ns }
                if *at_ns <= until_ns.min(NEVER - 1) =>
            {
                if let Some(action) = unconditional(action) {
                    let (answer, completed_ns, last_epoch) = (Answer::Forgotten, *at_ns, epochs.latest);
                    problem.required.push(Required { action, answer, invoked_ns, completed_ns, last_epoch });
                }
                epochs.earliest..epochs.latest
            }
            Outcome::Failed { .. } => epochs.earliest..epochs.latest,
            Outcome::Ok { .. } | Outcome::Unknown { .. } => epochs.earliest..epochs.latest + 1,
        };
        if action != Action::Get {
            problem.optional.extend(unanswered.map(|epoch| Optional { action, invoked_ns, epoch }));
            for (sent_ns, epochs) in self.timeline.superseded(operation) {
                let executions = epochs.earliest..=epochs.latest;
                let execution = |epoch| Optional { action, invoked_ns: sent_ns, epoch };
                problem.optional.extend(executions.map(execution));
            }
        }
    }

    /// The number of a value. Those that no reply is about are all one.
    fn value(&self, value: &[u8]) -> ValueId {
        self.value_ids.get(value).copied().unwrap_or(ValueId(self.values.len() as u32))
    }

    fn action(&self, operation: &Operation) -> Action {
        match &operation.call {
            Call::Get { .. } => Action::Get,
            Call::Set { value, condition, px_ms, .. } => {
                // Never early: the store cannot have executed it before the invocation.
                let life_ns = px_ms.map(|px_ms| px_ms.saturating_mul(1_000_000));
                let expires_from_ns =
                    life_ns.map_or(NEVER, |life_ns| operation.invoked_ns.saturating_add(life_ns));
                Action::Set { value: self.value(value), condition: *condition, expires_from_ns }
            }
            Call::Del { .. } => Action::Del,
            Call::Vdel { value, .. } => Action::Vdel { value: self.value(value) },
            Call::KeyNotify { .. } => unreachable!("{OF_NO_KEY}"),
        }
    }

    fn answer(&self, reply: &Reply) -> Answer {
        match reply {
            Reply::Value { value, version } => {
                Answer::Value(self.value_ids[value.as_slice()], self.version_ids[version])
            }
            Reply::Missing => Answer::Missing,
            Reply::Stored { version } => Answer::Stored(self.version_ids[version]),
            Reply::Refused { version } => Answer::Refused(self.version_ids[version]),
            Reply::Deleted { version } => Answer::Deleted(self.version_ids[version]),
            Reply::NotFound => Answer::NotFound,
            Reply::ValueDiffers => Answer::ValueDiffers,
            Reply::WatchChanged | Reply::NotWatched => unreachable!("{OF_NO_KEY}"),
        }
    }

    /// The time of the first reply that cannot be explained together with those before it, and how it fails.
    ///
    /// Found by bisection, because a prefix of an explained history is explained. A prefix on which the steps run out
    /// counts as explained: what is found then is not the shortest, but still unexplained.
    fn shortest_unexplained(&self, whole: Blame, steps: &mut u64) -> (u64, Blame) {
        let mut completions: Vec<u64> = self
            .operations
            .iter()
            .filter_map(|operation| operation.reply())
            .map(|(_, at_ns)| at_ns)
            .collect();
        completions.sort_unstable();
        completions.dedup();
        // The search of the whole history got to here, so every shorter prefix is explained.
        let mut low = completions.partition_point(|&completed_ns| completed_ns < whole.completed_ns);
        let mut high = completions.len().saturating_sub(1);
        let mut shortest = (completions.last().copied().unwrap_or(NEVER), whole);
        while low < high {
            let middle = low.midpoint(high);
            match search(&self.problem(completions[middle]), steps) {
                Found::Unexplained(blame) => {
                    shortest = (completions[middle], blame);
                    high = middle;
                }
                Found::Explained | Found::OutOfSteps => low = middle + 1,
            }
        }
        shortest
    }

    fn explain(&self, prefix_ns: u64, blame: &Blame, findings: &Findings) -> CounterExample {
        let completed =
            |operation: &&&Operation| operation.reply().is_some_and(|(_, at_ns)| at_ns == prefix_ns);
        let Some(&culprit) = self.operations.iter().find(completed) else {
            return self.unexplained_without_culprit(prefix_ns);
        };
        let known = findings.by_operation.get(&culprit.id);
        let mut explanation = Vec::new();
        if let Some(known) = known {
            explanation.extend(known.explanation.iter().cloned());
        }
        explanation.push(format!(
            "Every reply on this key up to {} can be explained; this one fits no order of the operations.",
            words::seconds(prefix_ns)
        ));
        if !blame.states.is_empty() {
            let states: Vec<String> = blame.states.iter().map(|state| self.state_in_words(*state)).collect();
            let more = if states.len() < BLAMED_STATES { "" } else { ", or like these" };
            explanation.push(format!(
                "Whenever the store can have executed it, the key was: {}{more}.",
                states.join("; or ")
            ));
        }
        let around = self.around(culprit);
        let (anomaly, headline) = match known {
            Some(known) => (known.anomaly, known.headline.clone()),
            None => self.by_state(culprit),
        };
        let mut operations: Vec<_> = around.iter().map(|operation| operation.id).collect();
        operations.extend(known.iter().flat_map(|known| known.operations.iter().copied()));
        operations.sort_unstable();
        operations.dedup();
        CounterExample { anomaly, headline, explanation, operations, at_ns: prefix_ns }
    }

    /// What the culprit did wrong, as far as its reply says.
    fn by_state(&self, culprit: &Operation) -> (Anomaly, String) {
        let history = self.timeline.history;
        let answer = culprit.reply().map(|(reply, _)| words::reply(reply)).unwrap_or_default();
        let what = words::operation(history, culprit);
        let anomaly = match &culprit.call {
            Call::Get { .. } => Anomaly::NotLinearizable,
            Call::Set { .. } | Call::Del { .. } | Call::Vdel { .. } | Call::KeyNotify { .. } => {
                Anomaly::ImpossibleReply
            }
        };
        (anomaly, format!("{what} {answer}, which no order of the operations explains"))
    }

    fn unexplained_without_culprit(&self, at_ns: u64) -> CounterExample {
        let headline = "no order of the operations explains the replies".to_owned();
        let operations = self.operations.iter().map(|operation| operation.id).collect();
        CounterExample {
            anomaly: Anomaly::NotLinearizable,
            headline,
            explanation: Vec::new(),
            operations,
            at_ns,
        }
    }

    /// The culprit and what happened on the key just before it was completed, by invocation.
    fn around(&self, culprit: &'h Operation) -> Vec<&'h Operation> {
        let until_ns = culprit.reply().map_or(culprit.invoked_ns, |(_, completed_ns)| completed_ns);
        let begun: Vec<&Operation> =
            self.operations.iter().copied().filter(|operation| operation.invoked_ns <= until_ns).collect();
        let mut shown = begun[begun.len().saturating_sub(SHOWN_OPERATIONS)..].to_vec();
        if !shown.iter().any(|operation| operation.id == culprit.id) {
            shown.insert(0, culprit);
        }
        shown
    }

    fn state_in_words(&self, state: State) -> String {
        let Some(content) = state.content else { return "absent".to_owned() };
        let Some(value) = self.values.get(content.value.0 as usize) else {
            return "a value that no reply tells of".to_owned();
        };
        let value = words::quoted(value);
        match content.version {
            Some(version) => format!("{value}, version {}", self.versions[version.0 as usize]),
            None => format!("{value}, stored by a request that got no reply"),
        }
    }
}

/// A write that does at least what this one may do, whatever it finds; `None` for what writes nothing.
fn unconditional(action: Action) -> Option<Action> {
    match action {
        Action::Get | Action::Restart => None,
        Action::Set { value, expires_from_ns, .. } => {
            Some(Action::Set { value, condition: Condition::None, expires_from_ns })
        }
        Action::Del | Action::Vdel { .. } => Some(Action::Del),
    }
}
