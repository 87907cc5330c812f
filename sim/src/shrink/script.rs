//! A run's history as scripts: what each client asked and did, at its time.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::Subject;
use super::plan::{Does, Plan, Step, ms_of, shown};
use crate::check::{Anomaly, CheckerName};
use crate::history::byte_strings::digits;
use crate::history::lock::{Hold, HoldEnd};
use crate::history::mqtt::{Connect, Ended, What};
use crate::history::{Call, ClientIndex, Condition, History, Operation, Reply, Version};

/// Keys of the messages workload that a script has too.
const KEPT: [&str; 4] = ["client_id", "clean_start", "will", "receive_maximum"];

/// The subject with its clients as scripts, as far as they can be.
pub(super) fn plan(subject: &Subject<'_>, violation: (CheckerName, Anomaly)) -> Result<Plan, String> {
    let mut plan = Plan::generated(subject.scenario, subject.seed, violation)?;
    let history = subject.history;
    let names = names(history);
    for (index, client) in plan.clients.iter_mut().enumerate() {
        let Does::Generator(workload) = &client.does else { continue };
        let whose = ClientIndex(index);
        let kind = workload.get("kind").and_then(Value::as_str).unwrap_or_default().to_owned();
        let kept = |keys: &[&str]| -> Table {
            let keys = keys.iter().filter_map(|key| workload.get_key_value(*key));
            keys.map(|(key, value)| (key.clone(), value.clone())).collect()
        };
        let (keys, mut steps) = match kind.as_str() {
            "register" | "store" | "watch" | "churn" => (kept(&["dup"]), store(history, whose, &names)),
            "lock" => {
                let mut steps = store(history, whose, &names);
                steps.extend(locks(history, whose, &names));
                (Table::new(), steps)
            }
            "messages" => (kept(&KEPT), messages(history, whose)),
            "script" => {
                let mut keys = kept(&KEPT);
                keys.extend(kept(&["dup"]));
                (keys, own(workload))
            }
            _ => continue,
        };
        if kind != "script" {
            steps.extend(leavings(history, whose, kind == "messages"));
        }
        steps.retain(|step| step.at_ms < plan.duration_ms);
        steps.sort_by_key(|step| step.at_ms);
        client.does = Does::Script(keys, steps);
    }
    Ok(plan)
}

/// The steps that a script has already.
fn own(workload: &Table) -> Vec<Step> {
    let steps = workload.get("steps").and_then(Value::as_array).into_iter().flatten();
    let step = |step: &Value| {
        let mut keys = step.as_table()?.clone();
        let at_ms = ms_of(&keys, "at")?;
        keys.remove("at");
        Some(Step { at_ms, keys })
    };
    steps.filter_map(step).collect()
}

/// Names for the versions that somebody used as a fencing token.
fn names(history: &History) -> BTreeMap<&Version, String> {
    let tokens = history.operations.iter().filter_map(|operation| operation.fencing_token.as_ref());
    let tokens: std::collections::BTreeSet<&Version> = tokens.collect();
    tokens.into_iter().enumerate().map(|(number, token)| (token, format!("token-{}", number + 1))).collect()
}

fn store(history: &History, whose: ClientIndex, names: &BTreeMap<&Version, String>) -> Vec<Step> {
    let of_client = history.operations.iter().filter(|operation| operation.client == whose);
    of_client.map(|operation| asked(history, operation, names)).collect()
}

fn asked(history: &History, operation: &Operation, names: &BTreeMap<&Version, String>) -> Step {
    let mut keys: Vec<(&'static str, Value)> = vec![("key", bytes(operation.call.key()))];
    let kind = match &operation.call {
        Call::Get { .. } => "get",
        Call::Del { .. } => "del",
        Call::KeyNotify { stop: false, .. } => "keynotify",
        Call::KeyNotify { stop: true, .. } => "stop",
        Call::Vdel { value, .. } => {
            keys.push(("value", bytes(value)));
            "vdel"
        }
        Call::Set { value, condition, px_ms, .. } => {
            keys.push(("value", bytes(value)));
            keys.extend(match condition {
                Condition::None => None,
                Condition::Nx => Some(("if", Value::from("nx"))),
                Condition::Nex => Some(("if", Value::from("nex"))),
            });
            keys.extend(px_ms.map(|px_ms| ("px", Value::from(shown(px_ms)))));
            "set"
        }
    };
    if let (Call::Set { .. }, Some((Reply::Stored { version }, _))) = (&operation.call, operation.reply())
        && let Some(name) = names.get(version)
    {
        keys.push(("name", name.clone().into()));
    }
    if let Some(token) = &operation.fencing_token {
        keys.push(token_of(history, operation, token, names));
    }
    Step::new(operation.invoked_ns / 1_000_000, kind, keys)
}

/// A fencing token by the name of the step that gets it, or as the client's own clock made it.
fn token_of(
    history: &History,
    operation: &Operation,
    token: &Version,
    names: &BTreeMap<&Version, String>,
) -> (&'static str, Value) {
    if token.node_id != history.client_name(operation.client) {
        return ("token", names.get(token).cloned().unwrap_or_default().into());
    }
    let clock = history.clocks.clients[operation.client.0].reading_ms(operation.invoked_ns);
    let ahead = i128::from(token.wall_clock_ms) - i128::from(clock);
    let sign = if ahead < 0 { "-" } else { "" };
    let magnitude = u64::try_from(ahead.unsigned_abs()).unwrap_or(u64::MAX);
    ("token_ahead", format!("{sign}{}", shown(magnitude)).into())
}

/// The locks that a client held.
fn locks(history: &History, whose: ClientIndex, names: &BTreeMap<&Version, String>) -> Vec<Step> {
    let mut steps = Vec::new();
    // The request for it came to the store so long before its client was told.
    let before_ms = 2 * history.world.latency_max_ns / 1_000_000;
    for event in history.mqtt.iter().filter(|event| event.client == whose) {
        let What::Hold(hold) = &event.what else { continue };
        let at_ms = (event.at_ns / 1_000_000).saturating_sub(before_ms).max(hold.asked_ns / 1_000_000);
        let mut keys = vec![
            ("key", Value::from(hold.key.clone())),
            ("lease", lease(hold, at_ms, history.ended_ns).into()),
        ];
        keys.extend(names.get(&hold.token).map(|name| ("name", Value::from(name.clone()))));
        steps.push(Step::new(at_ms, "lock", keys));
        if let Some((end_ns, HoldEnd::Released)) = &hold.end {
            steps.push(Step::new(end_ns / 1_000_000, "unlock", [("key", hold.key.clone().into())]));
        }
    }
    steps
}

/// A lease that lasts for as long as the client held the lock with renewals, which a script has to say itself.
fn lease(hold: &Hold, at_ms: u64, run_ended_ns: u64) -> String {
    let least_ms = hold.lease_ns / 1_000_000;
    let (end_ns, more_ms) = match &hold.end {
        Some((end_ns, HoldEnd::Released)) => (*end_ns, least_ms),
        Some((end_ns, HoldEnd::Lost(_) | HoldEnd::Crashed)) => (*end_ns, 0),
        None => (run_ended_ns, least_ms),
    };
    shown(((end_ns / 1_000_000).saturating_sub(at_ms) + more_ms).max(least_ms))
}

fn messages(history: &History, whose: ClientIndex) -> Vec<Step> {
    let of_client = history.mqtt.iter().filter(|event| event.client == whose);
    let step = |event: &crate::history::mqtt::MqttEvent| {
        let at_ms = event.at_ns / 1_000_000;
        match &event.what {
            What::Subscribe(subscribe) => {
                let keys =
                    [("filter", subscribe.filter.clone().into()), ("qos", i64::from(subscribe.qos).into())];
                Some(Step::new(at_ms, "subscribe", keys))
            }
            What::Publish(publish) => {
                let mut keys = vec![
                    ("topic", publish.topic.clone().into()),
                    ("qos", i64::from(publish.qos).into()),
                    ("payload", publish.payload.clone().into()),
                ];
                keys.extend(publish.retain.then(|| ("retain", true.into())));
                Some(Step::new(at_ms, "publish", keys))
            }
            _ => None,
        }
    };
    of_client.filter_map(step).collect()
}

/// How a client left its connections by itself.
fn leavings(history: &History, whose: ClientIndex, disconnects: bool) -> Vec<Step> {
    let connects: Vec<(u64, &Connect)> = history
        .mqtt
        .iter()
        .filter(|event| event.client == whose)
        .filter_map(|event| match &event.what {
            What::Connect(connect) => Some((event.at_ns, connect)),
            _ => None,
        })
        .collect();
    let mut steps = Vec::new();
    for (index, (_, connect)) in connects.iter().enumerate() {
        let Some(accepted_ns) = connect.accepted_ns() else { continue };
        let next_ns = connects.get(index + 1).map(|(at_ns, _)| *at_ns);
        let end_ns = connect.end.as_ref().map(|end| end.at_ns);
        if let Some(next_ns) = next_ns
            && accepted_ns <= next_ns
            && end_ns.is_none_or(|end_ns| end_ns > next_ns)
        {
            steps.push(Step::new(next_ns / 1_000_000, "takeover", []));
            continue;
        }
        let Some(end) = &connect.end else { continue };
        let kind = match end.how {
            Ended::Cut => "cut",
            Ended::Disconnected if disconnects => "disconnect",
            _ => continue,
        };
        // Whoever never came back stays away for longer than the run.
        let away_ms = next_ns.map_or(3_600_000, |next_ns| next_ns.saturating_sub(end.at_ns) / 1_000_000);
        steps.push(Step::new(end.at_ns / 1_000_000, kind, [("away", shown(away_ms).into())]));
    }
    steps
}

fn bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => Value::Table([("hex".to_owned(), digits(bytes).into())].into_iter().collect()),
    }
}
