//! The scenario language, key by key.
//!
//! A duration is a string with a unit: `"250ms"`, `"1.5s"`, `"10s"`, `"1m"`, `"1h"`. All of them are simulated time,
//! except those of `[bench]`. Names of clients are group names, which stand for every client of the group, or
//! the name of a single client. A key that this module does not know is an error.
//!
//! The enums that `kind` tells apart look externally tagged to serde: the reader moves the `kind` outward, see `parse`.

use std::time::Duration;

use mayfly_settings::duration;
use serde::Deserialize;

use crate::check::{Anomaly, CheckerName};

/// A scenario file.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// The file's name without `.toml`. Not a key of the file.
    #[serde(skip)]
    pub name: String,
    /// What the scenario shows, in a sentence or two. Required.
    pub description: String,
    /// Seed and durations. Required.
    pub run: Run,
    /// The network between the hosts.
    #[serde(default)]
    pub network: Network,
    /// The broker under test.
    #[serde(default)]
    pub broker: Broker,
    /// Groups of alike clients; at least one.
    pub clients: Vec<ClientGroup>,
    /// What goes wrong, and when.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// What the run must show to pass.
    #[serde(default)]
    pub expect: Expect,
    /// How the benchmark drives the same clients in wall time. Only for scenarios without faults.
    #[serde(default)]
    pub bench: Option<Bench>,
}

/// `[run]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Run {
    /// The seed where the command line names none. Default 1.
    #[serde(default = "Run::default_seed")]
    pub seed: u64,
    /// How long the workloads invoke operations. Required, above 0 and at most 24 h.
    #[serde(deserialize_with = "duration::deserialize")]
    pub duration: Duration,
    /// How long the run goes on after that, so that operations in flight can end. Default `"5s"`, at most 10 min.
    #[serde(default = "Run::default_drain", deserialize_with = "duration::deserialize")]
    pub drain: Duration,
    /// The simulator's step, a whole number of milliseconds from 1 to 100. Default `"1ms"`.
    #[serde(default = "Run::default_tick", deserialize_with = "duration::deserialize")]
    pub tick: Duration,
}

/// `[network]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Network {
    /// One-way latency of each segment, whole milliseconds. Default `{ min = "1ms", max = "5ms" }`.
    pub latency: DurationRange,
}

/// `[broker]`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broker {
    /// A way in which a wrapper around the engine lies. Only for scenarios that expect a violation. Default none.
    #[serde(default)]
    pub sabotage: Option<Sabotage>,
}

/// How a lying broker lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Sabotage {
    /// Answers some GETs with the value that the key had before.
    StaleGet,
    /// Acknowledges some SETs without storing anything.
    DropAcknowledgedSet,
    /// Still has its contents after a restart.
    KeepContents,
}

/// `[[clients]]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientGroup {
    /// The client's name and MQTT client id: 1 to 64 of `a-z`, `0-9`, `-`, beginning with a letter; not `broker`.
    pub name: String,
    /// How many clients, 1 to 1000. With more than one they are `name-1`, `name-2`, … Default 1.
    #[serde(default = "ClientGroup::default_count")]
    pub count: u32,
    /// MQTT Keep Alive, whole seconds, 0 (none) to 65535 s. Default `"5s"`.
    #[serde(default = "ClientGroup::default_keep_alive", deserialize_with = "duration::deserialize")]
    pub keep_alive: Duration,
    /// MQTT Session Expiry Interval, whole seconds, 0 (ends with the connection) to 4294967294 s. Default `"1h"`.
    #[serde(default = "ClientGroup::default_session_expiry", deserialize_with = "duration::deserialize")]
    pub session_expiry: Duration,
    /// How long an operation waits for its reply before its outcome is unknown; above 0. Default `"2s"`.
    #[serde(default = "ClientGroup::default_operation_timeout", deserialize_with = "duration::deserialize")]
    pub operation_timeout: Duration,
    /// How long after a lost connection the client tries again. Default `"100ms"`, above 0.
    #[serde(default = "ClientGroup::default_reconnect_delay", deserialize_with = "duration::deserialize")]
    pub reconnect_delay: Duration,
    /// How far the client's wall clock is ahead of the simulated one, or behind with a leading `-`.
    /// Whole milliseconds. Default `"0ms"`.
    #[serde(default, rename = "clock_offset", deserialize_with = "duration::deserialize_signed_ms")]
    pub clock_offset_ms: i64,
    /// What the clients do. Required.
    pub workload: Workload,
}

/// `[clients.workload]`, told apart by `kind`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// `kind = "register"`
    Register(RegisterWorkload),
}

/// Reads and writes of a few keys that all clients share, each written value unique.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisterWorkload {
    /// How many keys, 1 to 10000: `register-0`, `register-1`, … shared by all groups. Default 4.
    #[serde(default = "RegisterWorkload::default_keys")]
    pub keys: u32,
    /// Length of the written values in bytes, 1 to 65000. A value is never cut below the text that makes it unique.
    /// Default `{ min = 16, max = 64 }`.
    #[serde(default = "RegisterWorkload::default_value_size")]
    pub value_size: SizeRange,
    /// How often each operation is chosen. Default `{ get = 50, set = 40, del = 5, vdel = 5 }`.
    #[serde(default = "Mix::balanced")]
    pub mix: Mix,
    /// Pause of a client between a reply and its next operation. Default `{ min = "5ms", max = "50ms" }`.
    #[serde(default = "RegisterWorkload::default_pause")]
    pub pause: DurationRange,
    /// Operations that a client has open at once, 1 to 16. Default 1.
    #[serde(default = "RegisterWorkload::default_in_flight")]
    pub in_flight: u32,
    /// Whether a request is sent again, with the same key, value and condition, when the broker turns out to have lost
    /// the session with it. It stays one operation: its outcome is that of the last sending, and its time-out counts
    /// from the first. Default false.
    #[serde(default)]
    pub resend: bool,
}

/// Weights of the operations; a key left out weighs 0, and the sum is above 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// GET.
    pub get: u32,
    /// SET.
    pub set: u32,
    /// SET NX.
    pub set_nx: u32,
    /// SET NEX.
    pub set_nex: u32,
    /// DEL.
    pub del: u32,
    /// VDEL with the value that the client last saw or wrote.
    pub vdel: u32,
}

/// `{ min = "…", max = "…" }`, both inclusive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DurationRange {
    /// The shortest.
    #[serde(deserialize_with = "duration::deserialize")]
    pub min: Duration,
    /// The longest; at least `min`.
    #[serde(deserialize_with = "duration::deserialize")]
    pub max: Duration,
}

/// `{ min = …, max = … }` in bytes, both inclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeRange {
    /// The smallest.
    pub min: u32,
    /// The largest; at least `min`.
    pub max: u32,
}

/// `[[faults]]`, told apart by `kind`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// `kind = "partition"`
    Partition(Partition),
    /// `kind = "restart"`
    Restart(Restart),
    /// `kind = "crash"`
    Crash(Crash),
}

/// Some clients cannot reach the broker for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// When it begins. Required.
    #[serde(deserialize_with = "duration::deserialize")]
    pub at: Duration,
    /// How long it lasts; heals before the run's `duration` ends. Required, above 0.
    #[serde(rename = "for", deserialize_with = "duration::deserialize")]
    pub duration: Duration,
    /// The clients that are cut off; at least one, and not all. Required.
    pub clients: Vec<String>,
    /// What becomes of the connections that cross it. Required.
    pub mode: PartitionMode,
    /// What must be seen of it.
    #[serde(default)]
    pub expect: PartitionExpect,
}

/// What becomes of the connections that cross a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionMode {
    /// A short outage: what was sent is delivered when the partition heals, and the connections live on.
    Delay,
    /// A long outage: when the partition heals, the connections that crossed it are dead on both ends.
    Disconnect,
}

/// `expect` of a partition: least counts; a key left out expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PartitionExpect {
    /// Operations of the clients that are cut off whose time-out falls into the partition.
    pub unknown_outcomes: u32,
    /// Operations that the other clients complete during the partition, on keys that the cut-off clients use.
    pub completed_by_others: u32,
    /// Operations that the cut-off clients invoke and complete after healing, each of them.
    pub completed_after_heal: u32,
}

/// The broker's process is killed and started anew, empty.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// When the process is killed. Required.
    #[serde(deserialize_with = "duration::deserialize")]
    pub at: Duration,
    /// How long until it runs again; above 0. Default `"1s"`.
    #[serde(default = "Restart::default_down_for", deserialize_with = "duration::deserialize")]
    pub down_for: Duration,
    /// What must be seen of it.
    #[serde(default)]
    pub expect: RestartExpect,
}

/// `expect` of a restart: least counts; a key left out expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RestartExpect {
    /// Writes acknowledged before it.
    pub acknowledged_before: u32,
    /// Sessions that clients find absent when they first connect after it.
    pub sessions_absent: u32,
    /// Operations invoked and completed after it.
    pub completed_after: u32,
    /// Requests that were sent again after it and answered; needs a workload with `resend`.
    pub sent_again: u32,
}

/// A process is killed and loses what it had in memory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// `broker`, or a client. Required.
    pub target: String,
    /// When it is killed. Required.
    #[serde(deserialize_with = "duration::deserialize")]
    pub at: Duration,
    /// How long until it runs again, above 0. Required for the broker; a client without it stays away.
    #[serde(default, rename = "for", deserialize_with = "duration::deserialize_some")]
    pub duration: Option<Duration>,
    /// What must be seen of it.
    #[serde(default)]
    pub expect: CrashExpect,
}

/// `expect` of a crash: least counts; a key left out expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct CrashExpect {
    /// Operations of unknown outcome that were in flight when it struck.
    pub unknown_outcomes: u32,
    /// Operations that the target (for the broker: all clients) invokes and completes once it is back.
    pub completed_after: u32,
}

/// `[expect]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    /// What the checkers must say. Default `"pass"`.
    pub verdict: ExpectedVerdict,
    /// The checkers that judge the history. Default `["version-order", "linearizability"]`.
    pub checkers: Vec<CheckerName>,
    /// For `verdict = "violation"`, and required there: which checker must find what. At least one.
    pub caught_by: Vec<CaughtBy>,
    /// Least numbers of operations that complete with a reply.
    pub operations: OperationFloor,
    /// Least numbers of faults that bite. What a scenario is about stands here too, so that the run fails when the
    /// fault itself is missing.
    pub faults: FaultFloor,
}

/// What the checkers must say for the scenario to pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExpectedVerdict {
    /// Every checker finds the history valid.
    #[default]
    Pass,
    /// Each checker of `caught_by` finds what it names.
    Violation,
}

/// `{ checker = "…", anomaly = "…" }`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CaughtBy {
    /// The checker; one of `expect.checkers`.
    pub checker: CheckerName,
    /// What it must call the violation.
    pub anomaly: Anomaly,
}

/// `[expect.operations]`: a key left out expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OperationFloor {
    /// GET.
    pub get: u64,
    /// SET, without condition.
    pub set: u64,
    /// SET NX.
    pub set_nx: u64,
    /// SET NEX.
    pub set_nex: u64,
    /// DEL.
    pub del: u64,
    /// VDEL.
    pub vdel: u64,
}

/// `[expect.faults]`: a key left out expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FaultFloor {
    /// Partitions of mode `delay`.
    pub partition_delay: u32,
    /// Partitions of mode `disconnect`.
    pub partition_disconnect: u32,
    /// Restarts of the broker.
    pub restart: u32,
    /// Crashes.
    pub crash: u32,
}

/// `[bench]`: wall time.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bench {
    /// Driven before measuring. Default `"1s"`.
    #[serde(default = "Bench::default_warm_up", deserialize_with = "duration::deserialize")]
    pub warm_up: Duration,
    /// Measured. Default `"5s"`, above 0.
    #[serde(default = "Bench::default_measure", deserialize_with = "duration::deserialize")]
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

impl Mix {
    /// The default mix: mostly reads and plain writes, some deletions.
    pub fn balanced() -> Self {
        Self { get: 50, set: 40, del: 5, vdel: 5, ..Self::default() }
    }

    /// The sum of the weights.
    pub fn total(self) -> u64 {
        [self.get, self.set, self.set_nx, self.set_nex, self.del, self.vdel].map(u64::from).iter().sum()
    }
}

impl Fault {
    /// When it strikes.
    pub fn at(&self) -> Duration {
        match self {
            Self::Partition(partition) => partition.at,
            Self::Restart(restart) => restart.at,
            Self::Crash(crash) => crash.at,
        }
    }
}
