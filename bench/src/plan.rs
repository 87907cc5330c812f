//! What is measured, and for how long: a scenario that the benchmark can drive.

use std::time::Duration;

use mayfly_core::Monotonic;
use mayfly_sim::scenario::Scenario;
use mayfly_sim::scenario::model::Client;
use mayfly_sim::workload::WorkloadKind;

use crate::client::Settings;

/// Why a scenario cannot be measured.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// It does not say how long.
    #[error(
        "the scenario `{0}` has no [bench] table, so it is not made to be measured; choose one of scenarios/bench"
    )]
    NoBench(String),
    /// A client rests between operations, so that the measured rate would be its own.
    #[error(
        "the client `{0}` pauses between operations; a benchmark needs `pause = {{ min = \"0ms\", max = \"0ms\" }}`"
    )]
    Pause(String),
    /// A client does something that the benchmark cannot drive.
    #[error("the client `{0}` has another workload than `register`, the only one that is measured")]
    Workload(String),
    /// It has faults or a lying broker; the reader of scenarios refuses these together with [bench].
    #[error(
        "the scenario `{0}` has faults or a lying broker, which wall time cannot have; choose one of scenarios/bench"
    )]
    Faults(String),
}

/// A scenario and how to measure it.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan<'s> {
    /// What the clients do.
    pub scenario: &'s Scenario,
    /// The seed of their choices.
    pub seed: u64,
    /// How long they are driven before measuring.
    pub warm_up: Duration,
    /// How long they are measured.
    pub measure: Duration,
}

/// The measured part of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Where it begins.
    pub from: Monotonic,
    /// Where it ends; not a part of it.
    pub until: Monotonic,
}

impl<'s> Plan<'s> {
    /// Measures a scenario as its `[bench]` says.
    pub fn new(scenario: &'s Scenario) -> Result<Self, PlanError> {
        if !scenario.faults.is_empty() || scenario.broker.sabotage.is_some() {
            return Err(PlanError::Faults(scenario.name.clone()));
        }
        let Some(bench) = &scenario.bench else { return Err(PlanError::NoBench(scenario.name.clone())) };
        for group in &scenario.clients {
            let WorkloadKind::Register(workload) = &group.workload else {
                return Err(PlanError::Workload(group.name.clone()));
            };
            if workload.pause.max > Duration::ZERO {
                return Err(PlanError::Pause(group.name.clone()));
            }
        }
        Ok(Self { scenario, seed: scenario.run.seed, warm_up: bench.warm_up, measure: bench.measure })
    }

    /// The measured part of a run that starts at `start`.
    pub fn window(&self, start: Monotonic) -> Window {
        let from = start.after(self.warm_up);
        Window { from, until: from.after(self.measure) }
    }

    /// How long the most patient client waits for an answer.
    pub fn patience(&self) -> Duration {
        self.scenario.clients.iter().map(|group| group.operation_timeout).max().unwrap_or_default()
    }

    /// How many clients there are, and how many requests they have open, in words.
    pub fn load(&self) -> String {
        let clients = self.scenario.clients();
        let in_flight: Vec<_> = clients
            .iter()
            .filter_map(|client| match &client.group.workload {
                WorkloadKind::Register(workload) => Some(workload.in_flight),
                _ => None,
            })
            .collect();
        let noun = if clients.len() == 1 { "client" } else { "clients" };
        let requests = match (in_flight.iter().min(), in_flight.iter().max()) {
            (Some(1), Some(1)) => "1 request open each".to_owned(),
            (Some(least), Some(most)) if least == most => format!("{least} requests open each"),
            (least, most) => format!("{} to {} requests open each", least.unwrap_or(&0), most.unwrap_or(&0)),
        };
        format!("{} {noun}, {requests}", clients.len())
    }
}

impl Window {
    /// Whether an instant lies in it.
    pub fn contains(&self, at: Monotonic) -> bool {
        (self.from..self.until).contains(&at)
    }

    /// How long it is.
    pub fn duration(&self) -> Duration {
        self.until.since(self.from)
    }
}

/// A scenario's client as a client at the level of packets.
pub fn settings(client: &Client<'_>) -> Settings {
    let whole_seconds = |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
    let timeout = client.group.operation_timeout + Duration::from_nanos(999_999_999);
    Settings {
        keep_alive_s: u16::try_from(client.group.keep_alive.as_secs()).unwrap_or(u16::MAX),
        session_expiry_s: whole_seconds(client.group.session_expiry),
        request_expiry_s: whole_seconds(timeout),
        clock_offset_ms: client.group.clock_offset_ms,
        ..Settings::named(&client.name)
    }
    .asking()
}
