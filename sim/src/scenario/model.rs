//! The scenario language, key by key.
//!
//! A duration is a string with a unit: `"250ms"`, `"1.5s"`, `"10s"`, `"1m"`, `"1h"`. All of them are simulated time,
//! except those of `[bench]`. Names of clients are group names, which stand for every client of the group, or
//! the name of a single client. A key that this module does not know is an error.
//!
//! What `kind` tells apart is registered elsewhere, each with its own keys: [`WorkloadKind`] and [`FaultKind`]. These enums
//! look externally tagged to serde: the reader moves the `kind` outward, see `parse`.

use std::time::Duration;

use mayfly_core::Limits;
use mayfly_settings::{Based, duration};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::floor::Floor;
use crate::check::{Anomaly, CheckerName};
use crate::fault::{FaultKind, Faults};
use crate::history::events::Events;
use crate::history::{Operations, Sizes};
use crate::sabotage::Sabotage;
use crate::workload::WorkloadKind;

/// A scenario file.
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without `.toml`. Not a key of the file.
    #[serde(skip)]
    pub name: String,
    /// The file's text with what it takes over from its base, so that it stands alone. Not a key of the file.
    #[serde(skip)]
    pub text: String,
    /// What the scenario shows, in a sentence or two. Required.
    #[schemars(regex(pattern = r"\S"))]
    pub description: String,
    /// Another scenario's file that this one builds on: a path relative to this file, such as `"../fast/lock.toml"`. Each key that
    /// this file leaves out at its top level (`run`, `network`, `broker`, `clients`, `faults`, `expect`, …) is the base's. What this
    /// file has stands in its place as a whole: its `[broker]` alone counts, and its `[[faults]]` are all there are. The base has no
    /// base itself. Default none.
    #[serde(default)]
    #[schemars(with = "String")]
    pub base: Based,
    /// Seed and durations. Required.
    pub run: Run,
    /// The network between the hosts.
    #[serde(default)]
    pub network: Network,
    /// The broker under test.
    #[serde(default)]
    pub broker: Broker,
    /// Groups of alike clients; at least one. Required.
    #[schemars(length(min = 1))]
    pub clients: Vec<ClientGroup>,
    /// What goes wrong, and when.
    #[serde(default)]
    pub faults: Vec<FaultKind>,
    /// What the run must show to pass.
    #[serde(default)]
    pub expect: Expect,
    /// How the benchmark drives the same clients in wall time. Only for scenarios without faults.
    #[serde(default)]
    pub bench: Option<Bench>,
}

/// `[run]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The seed where the command line names none. Default 1.
    #[serde(default = "Run::default_seed")]
    pub seed: u64,
    /// How long the workloads invoke operations. Required, above 0 and at most 24 h.
    #[serde(with = "duration::Text")]
    pub duration: Duration,
    /// How long the run goes on after that, so that operations in flight can end. Default `"5s"`, at most 10 min.
    #[serde(default = "Run::default_drain", with = "duration::Text")]
    pub drain: Duration,
    /// The simulator's step, a whole number of milliseconds from 1 to 100. Default `"1ms"`.
    #[serde(default = "Run::default_tick", with = "duration::Text")]
    pub tick: Duration,
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// One-way latency of each segment, whole milliseconds. Default `{ min = "1ms", max = "5ms" }`.
    pub latency: DurationRange,
}

/// `[broker]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// The engine's bounds, key by key as in `engine/core/src/limits.rs`. Default the engine's own.
    #[serde(default)]
    pub limits: Limits,
    /// A way in which a wrapper around the engine lies. Only for scenarios that expect a violation. Default none.
    #[serde(default)]
    pub sabotage: Option<Sabotage>,
    /// How rarely it lies: on one of so many occasions, on average, at least 1. Only with `sabotage`. Default the lie's own.
    #[serde(default)]
    pub lies_one_in: Option<u32>,
    /// How far the broker's wall clock is ahead of the simulated one, or behind with a leading `-`.
    /// Whole milliseconds. Default `"0ms"`.
    #[serde(default, rename = "clock_offset", with = "duration::SignedMsText")]
    pub clock_offset_ms: i64,
    /// How much the broker's wall clock gains, in parts per million, from -500000 (half as fast) to 500000. Default 0.
    #[serde(default)]
    #[schemars(range(min = -500_000, max = 500_000))]
    pub clock_drift_ppm: i32,
}

/// `[[clients]]`
#[derive(Clone, Debug, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClientGroup {
    /// The client's name and MQTT client id: 1 to 64 of `a-z`, `0-9`, `-`, beginning with a letter; not `broker`.
    /// Required.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9-]{0,63}$"))]
    pub name: String,
    /// How many clients, 1 to 1000. With more than one they are `name-1`, `name-2`, … Default 1.
    #[serde(default = "ClientGroup::default_count")]
    #[schemars(range(min = 1, max = 1000))]
    pub count: u32,
    /// MQTT Keep Alive, whole seconds, 0 (none) to 65535 s. Default `"5s"`.
    #[serde(default = "ClientGroup::default_keep_alive", with = "duration::Text")]
    pub keep_alive: Duration,
    /// MQTT Session Expiry Interval, whole seconds, 0 (ends with the connection) to 4294967294 s. Default `"1h"`.
    #[serde(default = "ClientGroup::default_session_expiry", with = "duration::Text")]
    pub session_expiry: Duration,
    /// How long an operation waits for its reply before its outcome is unknown; above 0. Default `"2s"`.
    #[serde(default = "ClientGroup::default_operation_timeout", with = "duration::Text")]
    pub operation_timeout: Duration,
    /// How long after a lost connection the client tries again. Default `"100ms"`, above 0.
    #[serde(default = "ClientGroup::default_reconnect_delay", with = "duration::Text")]
    pub reconnect_delay: Duration,
    /// How far the client's wall clock is ahead of the simulated one, or behind with a leading `-`.
    /// Whole milliseconds. Default `"0ms"`.
    #[serde(default, rename = "clock_offset", with = "duration::SignedMsText")]
    pub clock_offset_ms: i64,
    /// How much the client's wall clock gains, in parts per million, from -500000 (half as fast) to 500000. Default 0.
    #[serde(default)]
    #[schemars(range(min = -500_000, max = 500_000))]
    pub clock_drift_ppm: i32,
    /// What the clients do. Required.
    pub workload: WorkloadKind,
}

/// `{ min = "…", max = "…" }`, both inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DurationRange {
    /// The shortest.
    #[serde(with = "duration::Text")]
    pub min: Duration,
    /// The longest; at least `min`.
    #[serde(with = "duration::Text")]
    pub max: Duration,
}

/// `{ min = …, max = … }` in bytes, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SizeRange {
    /// The smallest.
    pub min: u32,
    /// The largest; at least `min`.
    pub max: u32,
}

/// `[expect]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// What the checkers must say. Default `"pass"`.
    pub verdict: ExpectedVerdict,
    /// The checkers that judge the history. Default `["version-order", "linearizability"]`.
    #[schemars(length(min = 1))]
    pub checkers: Vec<CheckerName>,
    /// For `verdict = "violation"`, and required there: which checker must find what. At least one.
    pub caught_by: Vec<CaughtBy>,
    /// Least numbers of operations that complete with a reply.
    pub operations: Floor<Operations>,
    /// Least numbers of what must have happened in MQTT beside the state store.
    pub events: Floor<Events>,
    /// The most that the broker may hold at a time; a key left out bounds nothing.
    pub most: Floor<Sizes>,
    /// Least numbers of faults that bite. What a scenario is about stands here too, so that the run fails when the
    /// fault itself is missing.
    pub faults: Floor<Faults>,
}

/// What the checkers must say for the scenario to pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedVerdict {
    /// Every checker finds the history valid.
    #[default]
    Pass,
    /// Each checker of `caught_by` finds what it names.
    Violation,
}

/// `{ checker = "…", anomaly = "…" }`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CaughtBy {
    /// The checker; one of `expect.checkers`. Required.
    pub checker: CheckerName,
    /// What it must call the violation. Required.
    pub anomaly: Anomaly,
}

/// `[bench]`: wall time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// Driven before measuring. Default `"1s"`.
    #[serde(default = "Bench::default_warm_up", with = "duration::Text")]
    pub warm_up: Duration,
    /// Measured. Default `"5s"`, above 0.
    #[serde(default = "Bench::default_measure", with = "duration::Text")]
    pub measure: Duration,
}

/// One client of a scenario, with its group's settings.
#[derive(Clone, Debug, PartialEq)]
pub struct Client<'a> {
    /// Its name: the group's, or `name-1`, … in a group of several.
    pub name: String,
    /// The group.
    pub group: &'a ClientGroup,
}

impl Scenario {
    /// Every client, in the order of the file.
    pub fn clients(&self) -> Vec<Client<'_>> {
        self.clients
            .iter()
            .flat_map(|group| group.members().map(move |name| Client { name, group }))
            .collect()
    }

    /// All that decides what a run does, as text: the same however the file was written.
    pub fn identity(&self) -> String {
        format!("{:?}", Self { text: String::new(), ..self.clone() })
    }

    /// Whether the broker's process ends and starts anew in it.
    pub fn restarts(&self) -> bool {
        self.faults.iter().any(|fault| fault.restarts_broker())
    }

    /// The indices into [`clients`](Self::clients) that a group's or a client's name stands for; empty for an
    /// unknown name.
    pub fn resolve(&self, name: &str) -> Vec<usize> {
        let clients = self.clients();
        let named = |client: &Client<'_>| client.name == name || client.group.name == name;
        (0..clients.len()).filter(|&index| named(&clients[index])).collect()
    }
}

impl ClientGroup {
    /// The names of the group's clients.
    pub fn members(&self) -> impl Iterator<Item = String> {
        (1..=self.count)
            .map(|number| if self.count == 1 { self.name.clone() } else { format!("{}-{number}", self.name) })
    }
}
