//! A restarted broker knows nothing of the time before: no value, no session, no key.
//!
//! A request that was under way when the broker stopped may be sent again after the start, which the history records.
//! It is then executed in the empty store as a new write, so its *value* may be seen on both sides. Its *version* may not: the new write has
//! a new one. A survivor is contents with the version they had before.

use std::collections::BTreeSet;

use super::findings::Findings;
use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::session::first_connects_after;
use super::timeline::{RestartSpan, Timeline};
use super::words;
use super::{Checker, CheckerName};
use crate::history::{Call, History, Operation, Outcome, Reply};
use crate::scenario::Scenario;

/// See the module.
#[derive(Debug)]
pub struct LossOnRestart;

impl Checker for LossOnRestart {
    fn check(&self, history: &History) -> CheckReport {
        check(history)
    }

    fn missing_in(&self, scenario: &Scenario) -> Option<String> {
        let missing = "`loss-on-restart` needs a restart to judge; add a fault with `kind = \"restart\"`";
        (!scenario.restarts()).then(|| missing.to_owned())
    }
}

/// Checks every restart of the history. Undecided unless each had something to lose and somebody looked after it.
pub fn check(history: &History) -> CheckReport {
    let timeline = Timeline::new(history);
    let findings = Findings::of(&timeline);
    let mut counter_examples: Vec<CounterExample> = findings
        .by_operation
        .into_values()
        .filter(|example| example.anomaly == Anomaly::ResurrectedValue)
        .collect();
    let mut notes = Vec::new();
    let mut vacuous = Vec::new();
    for (epoch, restart) in timeline.restarts.iter().enumerate() {
        let evidence = Evidence::of(&timeline, epoch as u32, *restart);
        if let Some(why) = evidence.missing() {
            vacuous.push(format!("of the restart at {}: {why}", words::seconds(restart.stopped_ns)));
        }
        notes.push(evidence.in_words(history, *restart));
        counter_examples.extend(survived_sessions(history, *restart));
        counter_examples.extend(survived_keys(history, *restart));
        notes.extend(sent_again(&timeline, epoch as u32));
    }
    counter_examples.sort_by_key(|example| example.at_ns);
    let restarts = timeline.restarts.len();
    let (verdict, summary) = if !counter_examples.is_empty() {
        let count = counter_examples.len();
        (Verdict::Violated, format!("{count} things from before a restart were seen after it"))
    } else if restarts == 0 {
        let why = "the broker was never restarted".to_owned();
        (Verdict::Undecided { why: why.clone() }, why)
    } else if !vacuous.is_empty() {
        let why = format!("too little evidence {}", vacuous.join("; "));
        (Verdict::Undecided { why: why.clone() }, why)
    } else {
        (
            Verdict::Valid,
            match restarts {
                1 => "nothing from before was seen after the restart".to_owned(),
                _ => format!("nothing from before was seen after {restarts} restarts"),
            },
        )
    };
    let mut report = CheckReport::new(CheckerName::LossOnRestart, verdict, summary, counter_examples);
    report.notes = notes;
    report
}

/// What the history holds that a restart could be judged by.
struct Evidence {
    acknowledged_before: usize,
    reads_after: usize,
    sessions_absent: usize,
    /// The last sample before the stop and the first after the start.
    keys: Option<(u64, u64)>,
}

impl Evidence {
    fn of(timeline: &Timeline<'_>, epoch: u32, restart: RestartSpan) -> Self {
        let history = timeline.history;
        let mut evidence = Self { acknowledged_before: 0, reads_after: 0, sessions_absent: 0, keys: None };
        for operation in &history.operations {
            let Some((reply, completed_ns)) = operation.reply() else { continue };
            let stored = matches!(reply, Reply::Stored { .. });
            if stored && completed_ns <= restart.stopped_ns && timeline.epochs(operation).latest == epoch {
                evidence.acknowledged_before += 1;
            }
            if matches!(operation.call, Call::Get { .. })
                && timeline.epochs(operation).certain() == Some(epoch + 1)
            {
                evidence.reads_after += 1;
            }
        }
        let connects = first_connects_after(history, restart);
        evidence.sessions_absent = connects.iter().filter(|(_, _, present)| !present).count();
        let before = history.key_counts.iter().rfind(|sample| sample.at_ns < restart.stopped_ns);
        let after = history.key_counts.iter().find(|sample| sample.at_ns >= restart.started_ns);
        evidence.keys = before.zip(after).map(|(before, after)| (before.keys, after.keys));
        evidence
    }

    fn missing(&self) -> Option<&'static str> {
        if self.acknowledged_before == 0 {
            Some("no write was acknowledged before it, so there was nothing to lose")
        } else if self.reads_after == 0 {
            Some("no GET was answered after it, so nobody looked")
        } else {
            None
        }
    }

    fn in_words(&self, history: &History, restart: RestartSpan) -> String {
        let keys = match self.keys {
            Some((before, after)) => format!("; the store held {before} keys before it and {after} after"),
            None => String::new(),
        };
        format!(
            "Restart at {}: {} SETs acknowledged before it, {} GETs answered after it, \
             {} of {} clients found their session absent{keys}.",
            words::seconds(restart.stopped_ns),
            self.acknowledged_before,
            self.reads_after,
            self.sessions_absent,
            history.clients.len(),
        )
    }
}

fn survived_sessions(history: &History, restart: RestartSpan) -> Vec<CounterExample> {
    first_connects_after(history, restart)
        .into_iter()
        .filter(|(_, _, present)| *present)
        .map(|(client, at_ns, _)| CounterExample {
            anomaly: Anomaly::SessionSurvived,
            headline: format!(
                "{} found its session at {}, although the broker restarted at {}",
                history.client_name(client),
                words::seconds(at_ns),
                words::seconds(restart.stopped_ns)
            ),
            explanation: vec!["A session lives in the broker's memory, which a restart empties.".to_owned()],
            operations: Vec::new(),
            at_ns,
        })
        .collect()
}

/// The first sample after the start must not count more keys than could have been written since.
fn survived_keys(history: &History, restart: RestartSpan) -> Option<CounterExample> {
    let sample = history.key_counts.iter().find(|sample| sample.at_ns >= restart.started_ns)?;
    let writable: BTreeSet<&[u8]> = history
        .operations
        .iter()
        .filter(|operation| {
            matches!(operation.call, Call::Set { .. }) && operation.invoked_ns <= sample.at_ns
        })
        .filter(|operation| match &operation.outcome {
            Outcome::Failed { .. } => operation.was_sent_again(),
            Outcome::Ok { .. } | Outcome::Unknown { .. } => operation.until_ns() >= restart.started_ns,
        })
        .map(|operation| operation.call.key())
        .collect();
    (sample.keys > writable.len() as u64).then(|| CounterExample {
        anomaly: Anomaly::KeysSurvived,
        headline: format!(
            "the store held {} keys at {}, although it started empty at {} and at most {} could have been written since",
            sample.keys,
            words::seconds(sample.at_ns),
            words::seconds(restart.started_ns),
            writable.len()
        ),
        explanation: vec![format!("The broker stopped at {}.", words::seconds(restart.stopped_ns))],
        operations: Vec::new(),
        at_ns: sample.at_ns,
    })
}

/// Writes that were sent again to the new store and stored there: worth a note, and no survivors.
fn sent_again(timeline: &Timeline<'_>, epoch: u32) -> Option<String> {
    let began_before = |write: &&Operation| {
        timeline.superseded(write).any(|(_, epochs)| epochs.earliest <= epoch)
            && matches!(write.reply(), Some((Reply::Stored { .. }, _)))
            && timeline.epochs(write).certain() == Some(epoch + 1)
    };
    let again = timeline.history.operations.iter().filter(began_before);
    let ids: Vec<String> = again.map(|write| write.id.to_string()).collect();
    (!ids.is_empty()).then(|| {
        format!(
            "Under way when the broker stopped, sent again after the start and stored with a new version: {}. \
             They are new writes, not survivors.",
            ids.join(", ")
        )
    })
}
