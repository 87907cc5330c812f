//! A scenario in the form in which parts can be left out, and its text.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use mayfly_settings::duration::written;
use toml::{Table, Value};

use crate::check::{Anomaly, CheckerName};
use crate::scenario::Scenario;

/// Which part of a plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Part {
    Client(usize),
    Fault(usize),
    /// A client's step.
    Step(usize, usize),
}

/// How large a scenario is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Clients.
    pub clients: usize,
    /// Faults.
    pub faults: usize,
    /// Operations: steps of scripts.
    pub operations: usize,
}

/// See the module.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Plan {
    pub(super) seed: u64,
    pub(super) duration_ms: u64,
    pub(super) drain_ms: u64,
    pub(super) tick: Option<Value>,
    /// `latency`; the language's default without.
    pub(super) latency: Option<Value>,
    pub(super) broker: Table,
    pub(super) clients: Vec<Client>,
    pub(super) faults: Vec<Table>,
    pub(super) violation: (CheckerName, Anomaly),
    /// Whether `protocol` was asked, so that what breaks the protocol is no failure by itself.
    pub(super) asks_protocol: bool,
    pub(super) description: String,
}

/// A client by itself, in no group.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Client {
    pub(super) name: String,
    /// The keys of its group but for its name, count and workload.
    pub(super) settings: Table,
    pub(super) does: Does,
}

/// What a client does.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Does {
    /// A script: its keys but for the steps, and these.
    Script(Table, Vec<Step>),
    /// The workload that it had.
    Generator(Table),
}

/// A step of a script.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Step {
    pub(super) at_ms: u64,
    /// All but `at`.
    pub(super) keys: Table,
}

impl Plan {
    /// The scenario as it is, without its demands, each client by itself.
    pub(super) fn generated(
        scenario: &Scenario,
        seed: u64,
        violation: (CheckerName, Anomaly),
    ) -> Result<Self, String> {
        let mut file: Table =
            scenario.text.parse().map_err(|error: toml::de::Error| error.message().to_owned())?;
        let mut table = |name: &str| match file.remove(name) {
            Some(Value::Table(table)) => table,
            _ => Table::new(),
        };
        let (mut run, mut network, broker) = (table("run"), table("network"), table("broker"));
        let groups = tables(file.remove("clients"));
        let mut clients = Vec::new();
        for (group, mut settings) in scenario.clients.iter().zip(groups) {
            settings.remove("name");
            settings.remove("count");
            let Some(Value::Table(workload)) = settings.remove("workload") else {
                return Err(format!("the workload of `{}` is no table", group.name));
            };
            clients.extend(group.members().map(|name| Client {
                name,
                settings: settings.clone(),
                does: Does::Generator(workload.clone()),
            }));
        }
        let faults = tables(file.remove("faults"));
        Ok(Self {
            seed,
            duration_ms: ms(scenario.run.duration),
            drain_ms: ms(scenario.run.drain),
            tick: run.remove("tick"),
            latency: network.remove("latency"),
            broker,
            faults: faults.into_iter().flat_map(|fault| by_client(scenario, fault)).collect(),
            clients,
            violation,
            asks_protocol: scenario.expect.checkers.contains(&CheckerName::Protocol),
            description: scenario.description.clone(),
        })
    }

    /// Whether every client is a script.
    pub(super) fn is_script(&self) -> bool {
        self.clients.iter().all(|client| matches!(client.does, Does::Script(..)))
    }

    pub(super) fn counts(&self) -> Counts {
        Counts {
            clients: self.clients.len(),
            faults: self.faults.len(),
            operations: self.clients.iter().map(|client| client.steps().len()).sum(),
        }
    }

    /// Everything that can be left out.
    pub(super) fn parts(&self) -> Vec<Part> {
        let clients = (0..self.clients.len()).map(Part::Client);
        let faults = (0..self.faults.len()).map(Part::Fault);
        clients.chain(faults).chain(self.steps()).collect()
    }

    /// Every step.
    pub(super) fn steps(&self) -> Vec<Part> {
        let of_client = |(index, client): (usize, &Client)| {
            (0..client.steps().len()).map(move |step| Part::Step(index, step)).collect::<Vec<_>>()
        };
        self.clients.iter().enumerate().flat_map(of_client).collect()
    }

    /// The plan without these parts, and without what makes no sense without them: faults of clients that are gone, and steps under
    /// the fencing token of a step that is.
    pub(super) fn without(&self, parts: &BTreeSet<Part>) -> Self {
        let mut plan = self.clone();
        let mut index = 0;
        plan.faults.retain(|_| {
            index += 1;
            !parts.contains(&Part::Fault(index - 1))
        });
        for (client, left) in plan.clients.iter_mut().enumerate() {
            if let Does::Script(_, steps) = &mut left.does {
                let mut step = 0;
                steps.retain(|_| {
                    step += 1;
                    !parts.contains(&Part::Step(client, step - 1))
                });
            }
        }
        let is_gone = |index: usize| parts.contains(&Part::Client(index));
        let gone: Vec<String> = (0..self.clients.len())
            .filter(|index| is_gone(*index))
            .map(|index| self.clients[index].name.clone())
            .collect();
        plan.clients.retain(|client| !gone.contains(&client.name));
        plan.faults.retain_mut(|fault| !is_pointless(fault, &gone));
        plan.without_unknown_tokens();
        plan
    }

    /// What does not begin before this time is left out, and the run ends then.
    pub(super) fn until(&self, end_ms: u64) -> Self {
        let mut plan = self.clone();
        plan.duration_ms = plan.duration_ms.min(end_ms);
        for client in &mut plan.clients {
            if let Does::Script(_, steps) = &mut client.does {
                steps.retain(|step| step.at_ms < end_ms);
            }
        }
        // One that is over too late cannot be part of so short a run.
        plan.faults.retain(|fault| span_ms(fault).is_some_and(|(_, end)| end < end_ms));
        plan.without_unknown_tokens();
        plan
    }

    fn without_unknown_tokens(&mut self) {
        loop {
            let all = self.clients.iter().flat_map(Client::steps);
            let names: BTreeSet<String> = all.filter_map(|step| text_of(&step.keys, "name")).collect();
            let before = self.counts();
            for client in &mut self.clients {
                if let Does::Script(_, steps) = &mut client.does {
                    steps.retain(|step| {
                        text_of(&step.keys, "token").is_none_or(|token| names.contains(&token))
                    });
                }
            }
            if self.counts() == before {
                return;
            }
        }
    }

    /// The scenario file.
    pub(super) fn text(&self, comment: &str) -> String {
        let mut text = format!("{comment}description = {}\n\n[run]\n", quoted(&self.description));
        let mut line = |line: String| {
            text.push_str(&line);
            text.push('\n');
        };
        line(format!("seed = {}", self.seed));
        line(format!("duration = {}", duration(self.duration_ms)));
        line(format!("drain = {}", duration(self.drain_ms)));
        if let Some(tick) = &self.tick {
            line(format!("tick = {}", inline(tick)));
        }
        if let Some(latency) = &self.latency {
            line(format!("\n[network]\nlatency = {}", inline(latency)));
        }
        if !self.broker.is_empty() {
            line("\n[broker]".to_owned());
            self.broker.iter().for_each(|(key, value)| line(format!("{key} = {}", inline(value))));
        }
        for client in &self.clients {
            line(format!("\n[[clients]]\nname = {}", quoted(&client.name)));
            client.settings.iter().for_each(|(key, value)| line(format!("{key} = {}", inline(value))));
            line("\n[clients.workload]".to_owned());
            match &client.does {
                Does::Generator(workload) => {
                    line(format!("kind = {}", workload.get("kind").map(inline).unwrap_or_default()));
                    let others = workload.iter().filter(|(key, _)| *key != "kind");
                    others.for_each(|(key, value)| line(format!("{key} = {}", inline(value))));
                }
                Does::Script(keys, steps) => {
                    line("kind = \"script\"".to_owned());
                    let asks_store = client.asks_store();
                    let fits = |key: &str| (key == "dup") == asks_store;
                    let keys = keys.iter().filter(|(key, _)| fits(key));
                    keys.for_each(|(key, value)| line(format!("{key} = {}", inline(value))));
                    if steps.is_empty() {
                        line("steps = []".to_owned());
                        continue;
                    }
                    line("steps = [".to_owned());
                    for step in steps {
                        line(format!("    {},", step.text()));
                    }
                    line("]".to_owned());
                }
            }
        }
        for fault in &self.faults {
            line("\n[[faults]]".to_owned());
            let first = ["kind", "at"];
            let of_first = first.iter().filter_map(|key| fault.get_key_value(*key));
            let others = fault.iter().filter(|(key, _)| !first.contains(&key.as_str()));
            of_first.chain(others).for_each(|(key, value)| line(format!("{key} = {}", inline(value))));
        }
        let (checker, anomaly) = self.violation;
        let protocol = self.asks_protocol && checker != CheckerName::Protocol;
        let asked = if protocol { format!("\"{checker}\", \"protocol\"") } else { format!("\"{checker}\"") };
        line("\n[expect]".to_owned());
        if self.lies() {
            line("verdict = \"violation\"".to_owned());
        }
        line(format!("checkers = [{asked}]"));
        if self.lies() {
            line(format!("caught_by = [{{ checker = \"{checker}\", anomaly = \"{anomaly}\" }}]"));
        }
        text
    }

    fn lies(&self) -> bool {
        self.broker.contains_key("sabotage")
    }
}

impl Client {
    pub(super) fn steps(&self) -> &[Step] {
        match &self.does {
            Does::Script(_, steps) => steps,
            Does::Generator(_) => &[],
        }
    }

    fn asks_store(&self) -> bool {
        const STORE: [&str; 8] = ["get", "set", "del", "vdel", "keynotify", "stop", "lock", "unlock"];
        let kind = |step: &Step| text_of(&step.keys, "kind").unwrap_or_default();
        self.steps().iter().any(|step| STORE.contains(&kind(step).as_str()))
    }
}

impl Step {
    /// A step of a kind, with these keys.
    pub(super) fn new(at_ms: u64, kind: &str, keys: impl IntoIterator<Item = (&'static str, Value)>) -> Self {
        let mut table: Table = keys.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
        table.insert("kind".to_owned(), kind.into());
        Self { at_ms, keys: table }
    }

    fn text(&self) -> String {
        let order = ["kind", "at", "key", "topic", "filter", "value", "qos"];
        let mut parts: BTreeMap<(usize, &str), String> = BTreeMap::new();
        let place = |key: &str| order.iter().position(|known| *known == key).unwrap_or(order.len());
        parts.insert((place("at"), "at"), duration(self.at_ms));
        parts.extend(self.keys.iter().map(|(key, value)| ((place(key), key.as_str()), inline(value))));
        let parts: Vec<_> = parts.into_iter().map(|((_, key), value)| format!("{key} = {value}")).collect();
        format!("{{ {} }}", parts.join(", "))
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let some = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let Self { clients, faults, operations } = *self;
        write!(
            f,
            "{}, {} and {}",
            some(clients, "client"),
            some(faults, "fault"),
            some(operations, "operation")
        )
    }
}

/// The text under a key.
pub(super) fn text_of(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(Value::as_str).map(str::to_owned)
}

/// A duration as files write it.
pub(super) fn shown(ms: u64) -> String {
    written(Duration::from_millis(ms))
}

/// The duration under a key, in ms.
pub(super) fn ms_of(table: &Table, key: &str) -> Option<u64> {
    let text = text_of(table, key)?;
    mayfly_settings::duration::parse(&text).ok().map(ms)
}

/// The key that says how long a fault lasts.
pub(super) fn lasting_key(fault: &Table) -> Option<&'static str> {
    ["for", "down_for"].into_iter().find(|key| fault.contains_key(*key))
}

/// When a fault begins and ends.
pub(super) fn span_ms(fault: &Table) -> Option<(u64, u64)> {
    let at = ms_of(fault, "at")?;
    let again = ms_of(fault, "every").unwrap_or(0);
    let times = fault.get("times").and_then(Value::as_integer).and_then(|times| u64::try_from(times).ok());
    let lasts = lasting_key(fault).and_then(|key| ms_of(fault, key)).unwrap_or(0);
    Some((at, at + lasts.max(again * times.unwrap_or(1).saturating_sub(1)) + 1))
}

pub(super) fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A fault that names each client by itself, and demands nothing. One of a group's crash becomes one of each member.
fn by_client(scenario: &Scenario, mut fault: Table) -> Vec<Table> {
    fault.remove("expect");
    let names = scenario.clients();
    let members = |name: &str| scenario.resolve(name).into_iter().map(|index| names[index].name.clone());
    if let Some(Value::Array(clients)) = fault.get_mut("clients") {
        let named = clients.iter().filter_map(Value::as_str).flat_map(members);
        let named: Vec<Value> = named.map(Value::String).collect();
        *clients = named;
    }
    let Some(target) = text_of(&fault, "target") else { return vec![fault] };
    let targets: Vec<String> = members(&target).collect();
    if targets.len() < 2 {
        return vec![fault];
    }
    let of = |target: String| {
        let mut fault = fault.clone();
        fault.insert("target".to_owned(), target.into());
        fault
    };
    targets.into_iter().map(of).collect()
}

/// Takes clients that are gone out of a fault; whether nothing is left of it.
fn is_pointless(fault: &mut Table, gone: &[String]) -> bool {
    if text_of(fault, "target").is_some_and(|target| gone.contains(&target)) {
        return true;
    }
    let Some(Value::Array(clients)) = fault.get_mut("clients") else { return false };
    clients.retain(|client| client.as_str().is_none_or(|client| !gone.iter().any(|gone| gone == client)));
    clients.is_empty()
}

fn tables(array: Option<Value>) -> Vec<Table> {
    let items = match array {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    };
    let table = |item| match item {
        Value::Table(table) => Some(table),
        _ => None,
    };
    items.into_iter().filter_map(table).collect()
}

fn duration(ms: u64) -> String {
    quoted(&shown(ms))
}

fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// A value on one line.
fn inline(value: &Value) -> String {
    match value {
        Value::Table(table) => {
            let pairs: Vec<_> =
                table.iter().map(|(key, value)| format!("{key} = {}", inline(value))).collect();
            format!("{{ {} }}", pairs.join(", "))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(inline).collect::<Vec<_>>().join(", ")),
        Value::String(text) if text.contains('\n') => format!("{text:?}"),
        value => value.to_string(),
    }
}
