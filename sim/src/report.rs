//! From a run's records to its report.

mod excerpt;
mod mqtt;

use std::ffi::OsStr;
use std::path::Path;
use std::time::Duration;

use mayfly_reports::{
    Build, Checker, CheckerVerdict, CounterExample, CounterExampleRow, FORMAT_VERSION, Fault, Host, Mark,
    Operation, Outcome, Role, RunReport, Sample, Scenario as ScenarioReport, SessionChange, SessionEvent,
    TraceHash, summary, throughput,
};

use crate::check::{self, CheckReport};
use crate::fault::{FLOORS, FaultKind};
use crate::history::mqtt::EventId;
use crate::history::{self, BrokerChange, Call, Condition, History, Reply, UnknownReason};
use crate::judge::{self, Judgement};
use crate::nemesis::FaultRecord;
use crate::recorder::Records;
use crate::sabotage::Lies;
use crate::scenario::{FOLDERS, Scenario};
use crate::world::{BROKER, nanos};

/// A run that took place.
#[derive(Debug)]
pub struct Finished<'a> {
    /// What was run.
    pub scenario: &'a Scenario,
    /// The path of the scenario's file, as it was given.
    pub file: &'a str,
    /// The seed.
    pub seed: u64,
    /// What it left behind.
    pub records: Records,
    /// What became of the faults.
    pub faults: Vec<FaultRecord>,
    /// What a lying broker told.
    pub lies: Option<Lies>,
    /// How long it was in simulated time.
    pub simulated: Duration,
}

impl Finished<'_> {
    /// Makes the report of a run that was judged. How long the machine took it leaves at 0.
    pub fn report(&self, judgement: &Judgement) -> RunReport {
        let Self { scenario, records, .. } = self;
        let history = &records.history;
        let checks = &judgement.checks;
        let operations = history.operations.iter().map(|operation| operation_row(history, operation));
        let operations: Vec<_> = operations.chain(mqtt::rows(history)).collect();
        let summary = summary::by_kind(&operations);
        let throughput = throughput::throughput(&operations, nanos(self.simulated));
        let begun = Begun::of(&operations);
        let shown = checks.iter().flat_map(|check| &check.counter_examples);
        let needed = shown.flat_map(|example| &example.operations).map(|id| id.0).collect();
        let (operations, operations_left_out) = excerpt::of(operations, &needed);
        let faults = scenario.faults.iter().zip(&self.faults).zip(judgement.faults.iter().cloned());
        RunReport {
            format_version: FORMAT_VERSION,
            scenario: ScenarioReport {
                name: scenario.name.clone(),
                description: scenario.description.clone(),
                file: self.file.to_owned(),
                intent: intent(self.file),
            },
            scenario_text: scenario.text.clone(),
            seed: self.seed,
            repeat_command: repeat_command(&scenario.name, self.file, self.seed),
            build: build(),
            simulated_duration_ns: nanos(self.simulated),
            wall_duration_ms: 0,
            trace_hash: TraceHash::Hex(records.trace.hash().to_string()),
            verdict: judgement.verdict.clone(),
            hosts: hosts(history),
            faults: faults
                .map(|((fault, record), judged)| fault_row(history, fault, record, judged))
                .collect(),
            session_events: session_events(records),
            key_count: history
                .key_counts
                .iter()
                .map(|count| Sample { at_ns: count.at_ns, value: count.keys })
                .collect(),
            session_count: samples(&records.session_counts),
            memory: samples(&records.memory),
            throughput,
            marks: marks(history),
            lies: self.lies.map(|Lies { occasions, told }| mayfly_reports::Lies { occasions, told }),
            summary,
            operations,
            operations_left_out,
            checkers: checks.iter().map(|check| checker_row(history, check, &begun)).collect(),
            expectations: judgement.expectations.clone(),
            explanation: None,
        }
    }
}

fn samples(values: &[(u64, u64)]) -> Vec<Sample> {
    values.iter().map(|&(at_ns, value)| Sample { at_ns, value }).collect()
}

/// The folder that the scenario lies in says what it is for.
fn intent(file: &str) -> String {
    let folder = Path::new(file).parent().and_then(Path::file_name);
    folder.map_or_else(|| "none".to_owned(), |folder| folder.to_string_lossy().into_owned())
}

/// The command that repeats a run from the current directory: by name where the file is in its scenarios folder, else by
/// path.
pub fn repeat_command(name: &str, file: &str, seed: u64) -> String {
    let place: Vec<_> = Path::new(file).iter().filter_map(OsStr::to_str).collect();
    let is_known = matches!(place.as_slice(), ["scenarios", intent, _] if FOLDERS.contains(intent));
    format!("cargo sim {} --seed {seed}", quoted(if is_known { name } else { file }))
}

/// A word as a POSIX shell reads it.
fn quoted(word: &str) -> String {
    let plain = |character: char| character.is_ascii_alphanumeric() || "-_./+,:@%=".contains(character);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// What this binary was built from.
pub fn build() -> Build {
    let known = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    Build {
        package_version: env!("CARGO_PKG_VERSION").to_owned(),
        git_commit: known(env!("MAYFLY_GIT_COMMIT")),
        rustc_version: env!("MAYFLY_RUSTC_VERSION").to_owned(),
        profile: env!("MAYFLY_PROFILE").to_owned(),
    }
}

fn hosts(history: &History) -> Vec<Host> {
    let broker = Host { name: BROKER.to_owned(), role: Role::Broker };
    let clients = history.clients.iter().map(|client| Host { name: client.name.clone(), role: Role::Client });
    std::iter::once(broker).chain(clients).collect()
}

fn marks(history: &History) -> Vec<Mark> {
    let mark = |(index, event): (usize, &history::BrokerEvent)| Mark {
        at_ns: event.at_ns,
        host: BROKER.to_owned(),
        what: match event.change {
            BrokerChange::Stopped => "stopped".to_owned(),
            BrokerChange::Started if index == 0 => "started".to_owned(),
            BrokerChange::Started => "started again".to_owned(),
        },
    };
    // The first start is the beginning of the run: a line there tells nothing.
    history.broker.iter().enumerate().skip(1).map(mark).collect()
}

fn session_events(records: &Records) -> Vec<SessionEvent> {
    let mut reasons = records.loss_reasons.iter();
    let event = |event: &history::SessionEvent| {
        let change = match event.change {
            history::SessionChange::ProcessStarted
            | history::SessionChange::Attempted
            | history::SessionChange::Reached
            | history::SessionChange::Forgotten { .. } => return None,
            history::SessionChange::Connected { session_present, .. } => {
                SessionChange::Connected { session_present }
            }
            // Both lists are in the order of recording, so that each loss meets its own reason.
            history::SessionChange::Lost => SessionChange::ConnectionLost {
                reason: reasons.next().map(|(_, _, reason)| reason.clone()).unwrap_or_default(),
            },
        };
        let client = records.history.client_name(event.client).to_owned();
        Some(SessionEvent { client, at_ns: event.at_ns, change })
    };
    records.history.sessions.iter().filter_map(event).collect()
}

fn fault_row(
    history: &History,
    fault: &FaultKind,
    record: &FaultRecord,
    judged: judge::JudgedFault,
) -> Fault {
    let names: Vec<_> = record.clients.iter().map(|client| history.client_name(*client)).collect();
    let floor = FLOORS.iter().find(|(word, _)| *word == fault.floor());
    let (target, effect) = (fault.target(&names), fault.effect(record));
    Fault {
        kind: floor.map_or(fault.kind(), |(_, words)| words).to_owned(),
        target,
        planned_ns: nanos(fault.at()),
        fired_ns: record.fired_ns,
        healed_ns: record.healed_ns,
        effect,
        observed_by: judged.observed_by,
        verdict: judged.verdict,
        expectations: judged.expectations,
    }
}

fn operation_row(history: &History, operation: &history::Operation) -> Operation {
    let (argument, options) = match &operation.call {
        Call::Get { .. } | Call::Del { .. } | Call::KeyNotify { .. } => (None, Vec::new()),
        Call::Vdel { value, .. } => (Some(lossy(value)), Vec::new()),
        Call::Set { value, condition, px_ms, .. } => {
            let condition = match condition {
                Condition::None => None,
                Condition::Nx => Some("NX".to_owned()),
                Condition::Nex => Some("NEX".to_owned()),
            };
            let px = px_ms.map(|px_ms| format!("PX {px_ms}"));
            (Some(lossy(value)), condition.into_iter().chain(px).collect())
        }
    };
    let token = operation.fencing_token.as_ref().map(|token| format!("token {token}"));
    let options: Vec<_> = options.into_iter().chain(token).collect();
    let (completed_ns, outcome) = match &operation.outcome {
        history::Outcome::Ok { reply, completed_ns } => {
            let version = reply.version().map(ToString::to_string);
            (Some(*completed_ns), Outcome::Ok { reply: reply_text(reply), version })
        }
        history::Outcome::Failed { error, completed_ns } => {
            (Some(*completed_ns), Outcome::Failed { error: error.clone() })
        }
        history::Outcome::Unknown { reason, at_ns } => {
            let completed_ns = (*reason != UnknownReason::Unfinished).then_some(*at_ns);
            (completed_ns, Outcome::Unknown { reason: reason_text(*reason).to_owned() })
        }
    };
    Operation {
        id: operation.id.0,
        client: history.client_name(operation.client).to_owned(),
        kind: operation.call.verb().to_owned(),
        key: lossy(operation.call.key()),
        argument,
        condition: (!options.is_empty()).then(|| options.join(" ")),
        invoked_ns: operation.invoked_ns,
        completed_ns,
        outcome,
    }
}

/// When operations began.
struct Begun(Vec<u64>);

impl Begun {
    fn of(operations: &[Operation]) -> Self {
        let mut times: Vec<_> = operations.iter().map(|operation| operation.invoked_ns).collect();
        times.sort_unstable();
        Self(times)
    }

    /// How many began no later.
    fn by(&self, at_ns: u64) -> u64 {
        self.0.partition_point(|begun_ns| *begun_ns <= at_ns) as u64
    }
}

fn checker_row(history: &History, check: &CheckReport, begun: &Begun) -> Checker {
    let mut checked = check.summary.clone();
    if !check.notes.is_empty() {
        checked = format!("{checked}. {}", check.notes.join(" "));
    }
    Checker {
        name: check.checker.as_str().to_owned(),
        verdict: match &check.verdict {
            check::Verdict::Valid => CheckerVerdict::Valid,
            check::Verdict::Violated => CheckerVerdict::Violated,
            check::Verdict::Undecided { why } => CheckerVerdict::Undecided { why: why.clone() },
        },
        checked,
        counter_examples: check
            .counter_examples
            .iter()
            .map(|example| counter_example(history, example, begun.by(example.at_ns)))
            .collect(),
    }
}

/// An operation of the state store, or an event in MQTT, as a line of a table.
pub(crate) fn evidence_row(history: &History, id: history::OperationId) -> CounterExampleRow {
    if history.shown_event(id).is_some() {
        return mqtt_row(mqtt::row(history, EventId(id.0 as usize - history.operations.len())));
    }
    let described = history.operation(id);
    let operation = operation_row(history, described);
    CounterExampleRow {
        operation_id: Some(operation.id),
        who: operation.client,
        what: match &described.call {
            Call::Get { .. } | Call::Del { .. } | Call::KeyNotify { .. } => {
                format!("{} {}", operation.kind, operation.key)
            }
            Call::Set { value, .. } | Call::Vdel { value, .. } => {
                format!("{} {} {}", operation.kind, operation.key, check::shown_value(value))
            }
        },
        from_ns: operation.invoked_ns,
        until_ns: operation.completed_ns,
        saw: match operation.outcome {
            Outcome::Ok { version: Some(version), .. }
                if let Some((Reply::Value { value, .. }, _)) = described.reply() =>
            {
                format!("{}, version {version}", check::shown_value(value))
            }
            Outcome::Ok { reply, version: Some(version) } => format!("{reply}, version {version}"),
            Outcome::Ok { reply, version: None } => reply,
            Outcome::Failed { error } => format!("not executed: {error}"),
            Outcome::Unknown { reason } => format!("unknown: {reason}"),
        },
    }
}

fn counter_example(
    history: &History,
    example: &check::CounterExample,
    operations_before: u64,
) -> CounterExample {
    CounterExample {
        anomaly: example.anomaly.to_string(),
        at_ns: example.at_ns,
        operations_before,
        title: format!("{}: {}", example.anomaly.as_str(), example.headline),
        explanation: example.explanation.clone(),
        operation_ids: example.operations.iter().map(|id| id.0).collect(),
        rows: example.operations.iter().map(|id| evidence_row(history, *id)).collect(),
    }
}

/// A row of a counter-example that tells of an MQTT event.
fn mqtt_row(event: Operation) -> CounterExampleRow {
    let details = [Some(event.key), event.argument, event.condition];
    let details: Vec<_> = details.into_iter().flatten().collect();
    CounterExampleRow {
        operation_id: Some(event.id),
        who: event.client,
        what: format!("{} {}", event.kind, details.join(" ")),
        from_ns: event.invoked_ns,
        until_ns: event.completed_ns,
        saw: match event.outcome {
            Outcome::Ok { reply, .. } => reply,
            Outcome::Failed { error } => error,
            Outcome::Unknown { reason } => format!("unknown: {reason}"),
        },
    }
}

fn reply_text(reply: &Reply) -> String {
    match reply {
        Reply::Value { value, .. } => lossy(value),
        Reply::Missing | Reply::NotFound => "no such key".to_owned(),
        Reply::Stored { .. } => "stored".to_owned(),
        Reply::Refused { .. } => "refused by its condition".to_owned(),
        Reply::Deleted { .. } => "deleted".to_owned(),
        Reply::ValueDiffers => "the value differs".to_owned(),
        Reply::WatchChanged => "done".to_owned(),
        Reply::NotWatched => "was not registered".to_owned(),
    }
}

fn reason_text(reason: UnknownReason) -> &'static str {
    match reason {
        UnknownReason::TimedOut => "no reply within the operation time-out",
        UnknownReason::ConnectionLost => "the connection was lost before the reply",
        UnknownReason::BadResponse => "the response broke the state store protocol",
        UnknownReason::Unfinished => "the run ended before the reply",
        UnknownReason::Forgotten => "left out",
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_repeated_by_name_only_where_the_name_finds_the_file() {
        let command = |file| repeat_command("partition", file, 7);
        assert_eq!(command("scenarios/fast/partition.toml"), "cargo sim partition --seed 7");
        for elsewhere in
            ["partition.toml", "/x/scenarios/fast/partition.toml", "scenarios/mine/partition.toml"]
        {
            assert_eq!(command(elsewhere), format!("cargo sim {elsewhere} --seed 7"));
        }
    }

    #[test]
    fn a_path_is_one_word_to_a_shell() {
        assert_eq!(repeat_command("x", "my runs/x.toml", 7), "cargo sim 'my runs/x.toml' --seed 7");
        assert_eq!(quoted("it's"), r"'it'\''s'");
    }

    #[test]
    fn the_folder_is_the_intent() {
        assert_eq!(intent("scenarios/fast/partition.toml"), "fast");
        assert_eq!(intent("partition.toml"), "none");
    }
}
