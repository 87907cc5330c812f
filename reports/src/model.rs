//! The report of a simulated run, as data.
//!
//! Owns the shape of `report.json`. Whoever ran the scenario fills it; the renderings in this crate only read
//! it. It never judges: verdicts, counts and explanations arrive finished, except the per-kind
//! [`summary`](crate::summary), which follows from the operations.
//!
//! Every simulated instant and duration is a `u64` of nanoseconds in a field named `*_ns`; instants count
//! from the start of the run. Wall time appears once, as [`RunReport::wall_duration_ms`], and is never
//! compared with simulated time.
//!
//! Text that came from the network (keys, values) is lossy UTF-8 and may hold anything, markup included.

use serde::{Deserialize, Serialize};

use crate::explanation::Explanation;
use crate::latency::{Latency, Percentile};

/// The version of the JSON form that this crate writes and the only one that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// One simulated run of one scenario with one seed.
///
/// A scenario that could not be read and a simulator that crashed leave no report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunReport {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// What was run.
    pub scenario: Scenario,
    /// The scenario's file with what it takes over from its base, as TOML that stands alone: the report needs no other file.
    #[serde(default)]
    pub scenario_text: String,
    /// The seed that every choice of the run followed from.
    pub seed: u64,
    /// The exact command line that repeats this run.
    pub repeat_command: String,
    /// What was built to run it.
    pub build: Build,
    /// How much time passed inside the simulation.
    pub simulated_duration_ns: u64,
    /// How long the machine took, in milliseconds of wall time. Differs from one repetition to the next.
    pub wall_duration_ms: u64,
    /// The proof that a repetition did the same.
    pub trace_hash: TraceHash,
    /// What came of it.
    pub verdict: Verdict,
    /// Brokers and clients, in the order in which their lanes are drawn.
    pub hosts: Vec<Host>,
    /// The operations of the workload, by invocation.
    pub operations: Vec<Operation>,
    /// How many more there were, of a run too long to show each; 0 where `operations` is complete.
    #[serde(default)]
    pub operations_left_out: u64,
    /// Every fault of the scenario, those that never fired included, by planned time.
    pub faults: Vec<Fault>,
    /// What happened to the clients' sessions, by time.
    pub session_events: Vec<SessionEvent>,
    /// How many keys the store held.
    pub key_count: Vec<Sample>,
    /// How many sessions the broker held.
    pub session_count: Vec<Sample>,
    /// How many bytes the broker held, by its own account.
    #[serde(default)]
    pub memory: Vec<Sample>,
    /// How many operations ended, interval by interval; those that `operations` leaves out too.
    #[serde(default)]
    pub throughput: Throughput,
    /// Instants worth a line through every plot, such as a restart of the broker.
    pub marks: Vec<Mark>,
    /// What a lying broker told; `None` of an honest one.
    #[serde(default)]
    pub lies: Option<Lies>,
    /// Outcomes and latency by kind of operation; see [`crate::summary::by_kind`].
    pub summary: Vec<KindSummary>,
    /// What was checked about the history, and what came of it.
    pub checkers: Vec<Checker>,
    /// What the scenario demanded of the run as a whole. Demands on one fault are in [`Fault::expectations`].
    pub expectations: Vec<Expectation>,
    /// Why the run is violated, where it failed for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub explanation: Option<Explanation>,
}

/// What a broker told that was made to lie.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lies {
    /// How often it could have lied: the requests, messages, connects or whatever its lie is about.
    pub occasions: u64,
    /// How often it did.
    pub told: u64,
}

/// The scenario that was run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scenario {
    /// Its name, such as `partition`. Also names the report's directory.
    pub name: String,
    /// Its own words on what it is about.
    pub description: String,
    /// The path of its file, as it was given.
    pub file: String,
    /// What it is for, such as `fast` or `negative`.
    pub intent: String,
}

/// The build that ran the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Build {
    /// The version of the package.
    pub package_version: String,
    /// The commit, where it was known at build time.
    pub git_commit: Option<String>,
    /// The compiler, as `rustc --version` names it.
    pub rustc_version: String,
    /// The profile, such as `release`.
    pub profile: String,
}

/// A hash over every byte and event of the run with its simulated time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TraceHash {
    /// The hash, in hexadecimal digits.
    Hex(String),
    /// This run is not required to repeat bit for bit, for this reason.
    Exempt {
        /// Why not.
        reason: String,
    },
}

/// What came of the run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// The one word.
    pub conclusion: Conclusion,
    /// The one sentence.
    pub headline: String,
}

/// The three ways in which a run that took place can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Conclusion {
    /// Every checker and every expectation held.
    Passed,
    /// A checker found a counter-example.
    ConsistencyViolated,
    /// The scenario demanded something that did not happen.
    ExpectationFailed,
}

/// A host of the simulated world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name, which operations, session events and marks refer to.
    pub name: String,
    /// What it is.
    pub role: Role,
}

/// What a host is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// It serves.
    Broker,
    /// It invokes operations; it has a lane in the timeline.
    Client,
}

/// One operation of a client, from its invocation to what the client learned of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// Unique within the run.
    pub id: u64,
    /// The name of the [`Host`] that invoked it.
    pub client: String,
    /// The service's word: `GET`, `SET`, `DEL`, `VDEL`.
    pub kind: String,
    /// The key.
    pub key: String,
    /// The value, of an operation that carries one.
    pub argument: Option<String>,
    /// The condition or option, such as `NX` or `PX 500`.
    pub condition: Option<String>,
    /// When the client invoked it.
    pub invoked_ns: u64,
    /// When the client learned the outcome or gave up; absent where the run ended first.
    pub completed_ns: Option<u64>,
    /// What the client learned.
    pub outcome: Outcome,
}

/// What a client learned of an operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum Outcome {
    /// The service answered.
    Ok {
        /// The answer, as text.
        reply: String,
        /// The key's version, where the answer carried one.
        version: Option<String>,
    },
    /// It was certainly not executed.
    Failed {
        /// What the client was told.
        error: String,
    },
    /// It may have been executed, now or later.
    Unknown {
        /// What kept the client from knowing, such as a time-out.
        reason: String,
    },
}

/// A fault of the scenario.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// The scenario's word, such as `partition`.
    pub kind: String,
    /// What it was aimed at, such as `client-1 | broker`.
    pub target: String,
    /// When the scenario wanted it.
    pub planned_ns: u64,
    /// When it was injected; absent where it never was.
    pub fired_ns: Option<u64>,
    /// When it was taken back; equal to `fired_ns` for a fault without duration, absent where the run ended
    /// first.
    pub healed_ns: Option<u64>,
    /// What was done to the world, in words.
    pub effect: String,
    /// Who noticed.
    pub observed_by: Vec<Observation>,
    /// Whether it was worth anything.
    pub verdict: FaultVerdict,
    /// What the scenario demanded of this fault.
    pub expectations: Vec<Expectation>,
}

impl Fault {
    /// The clients that noticed it, each once, in the order in which they did.
    pub fn observers(&self) -> Vec<&str> {
        let mut observers = Vec::new();
        for observation in &self.observed_by {
            if !observers.contains(&observation.client.as_str()) {
                observers.push(&observation.client);
            }
        }
        observers
    }
}

/// A client that noticed a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// The name of its [`Host`].
    pub client: String,
    /// When it noticed.
    pub at_ns: u64,
    /// What it noticed, in words.
    pub what: String,
}

/// Whether a fault did anything that a client could see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultVerdict {
    /// It fired and a client observed it.
    Bit,
    /// It was never injected.
    NeverFired,
    /// It was injected and no client noticed.
    NeverObserved,
}

/// Something that happened to a client's connection or session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionEvent {
    /// The name of the client's [`Host`].
    pub client: String,
    /// When the client learned it.
    pub at_ns: u64,
    /// What happened.
    pub change: SessionChange,
}

/// A change of a client's connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum SessionChange {
    /// A CONNACK arrived that accepted the connection.
    Connected {
        /// Its Session Present flag.
        session_present: bool,
    },
    /// The connection ended without the client wanting it.
    ConnectionLost {
        /// What the client saw.
        reason: String,
    },
}

/// One value of a quantity that holds until the next sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Since when.
    pub at_ns: u64,
    /// The value.
    pub value: u64,
}

/// How many operations ended in each interval of the run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Throughput {
    /// The length of an interval; 0 where nothing was counted.
    pub interval_ns: u64,
    /// How many were answered, from the first interval on. It ends with the last interval in which any operation ended.
    pub ok: Vec<u64>,
    /// How many were certainly not executed; as many intervals.
    pub failed: Vec<u64>,
    /// Of how many the client learned that it would not know; as many intervals.
    pub unknown: Vec<u64>,
}

/// An instant worth a line through every plot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// When.
    pub at_ns: u64,
    /// The name of the [`Host`] that it concerns.
    pub host: String,
    /// What happened, in a few words, such as `restarted, memory empty`.
    pub what: String,
}

/// Outcomes and latency of one kind of operation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindSummary {
    /// The kind, as in [`Operation::kind`].
    pub kind: String,
    /// How many were answered.
    pub ok: u64,
    /// How many were certainly not executed.
    pub failed: u64,
    /// How many may or may not have been executed.
    pub unknown: u64,
    /// From invocation to answer in simulated time, of those answered. None were: absent.
    pub simulated_latency: Option<Latency>,
    /// The distribution of these latencies, from the shortest to the longest; empty where there are none.
    #[serde(default)]
    pub percentiles: Vec<Percentile>,
}

/// A checker and what it concluded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checker {
    /// Its name, such as `linearizability`.
    pub name: String,
    /// What it concluded.
    pub verdict: CheckerVerdict,
    /// What it looked at, with counts, in words.
    pub checked: String,
    /// What it found wrong; empty unless violated.
    pub counter_examples: Vec<CounterExample>,
}

/// What a checker concluded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "is", rename_all = "snake_case")]
pub enum CheckerVerdict {
    /// The history is allowed.
    Valid,
    /// The history is not allowed, and a counter-example shows why.
    Violated,
    /// The checker reached its bound first.
    Undecided {
        /// Which bound.
        why: String,
    },
}

/// A part of the history that no correct service can have produced.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterExample {
    /// The name of what the service did, such as `stale-read`.
    #[serde(default)]
    pub anomaly: String,
    /// When it became visible.
    #[serde(default)]
    pub at_ns: u64,
    /// How many operations had begun by then, of those that [`RunReport::summary`] counts.
    #[serde(default)]
    pub operations_before: u64,
    /// What the service did, in one line.
    pub title: String,
    /// Why that cannot be, for a person, one paragraph each.
    pub explanation: Vec<String>,
    /// The operations that it takes, by [`Operation::id`]; they are highlighted in the timeline.
    pub operation_ids: Vec<u64>,
    /// The same as a table, by time.
    pub rows: Vec<CounterExampleRow>,
}

/// One line of a counter-example.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CounterExampleRow {
    /// The operation that it tells of, where it is one.
    pub operation_id: Option<u64>,
    /// Who.
    pub who: String,
    /// Did what.
    pub what: String,
    /// From when.
    pub from_ns: u64,
    /// Until when; absent for an instant or for what never ended.
    pub until_ns: Option<u64>,
    /// And saw what.
    pub saw: String,
}

/// Something that the scenario demanded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// What is counted or observed.
    pub description: String,
    /// What was demanded of it, such as `at least 20`.
    pub needed: String,
    /// What it was.
    pub measured: String,
    /// Whether that is enough.
    pub met: bool,
}
