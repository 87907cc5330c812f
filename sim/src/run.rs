//! One run: a scenario, a seed, a report.

use std::time::{Duration, Instant};

use mayfly_core::QueueOverflow;
use mayfly_reports::RunReport;
use thiserror::Error;

use crate::history::clocks::{Clocks, WallClock};
use crate::history::{ClientRecord, History, WorldRecord};
use crate::judge::Judgement;
use crate::nemesis::{FaultRecord, Nemesis};
use crate::recorder::Recorder;
use crate::report::Finished;
use crate::scenario::Scenario;
use crate::trace::{Event, EventKind, Trace};
use crate::world::{BROKER, World, nanos};

/// The stack of a run's thread in bytes: deep enough for a checker's search.
const STACK_SIZE: usize = 64 * 1024 * 1024;

/// How often, in simulated time, whoever watches is told.
const PROGRESS_INTERVAL: Duration = Duration::from_millis(250);

/// The simulator or the engine failed: no verdict can be trusted, and there is none.
#[derive(Debug, Error)]
#[error("the run with seed {seed} crashed: {why}")]
pub struct Crash {
    /// The run's seed.
    pub seed: u64,
    /// The panic's message, or the error of a host.
    pub why: String,
}

/// How far a run is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Simulated time that has passed.
    pub simulated: Duration,
    /// Simulated time in all.
    pub total: Duration,
    /// Operations that have their outcome.
    pub operations: usize,
}

/// How a run is done, beside its scenario and seed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Keeps every event of the trace, which takes some hundred bytes for each.
    pub keep_events: bool,
    /// Keeps the first so many of them; all where it says nothing.
    pub most_events: Option<u64>,
    /// Lets the order of a hash table into the trace, as a mistake in the simulator would: it shows that two runs with one
    /// seed are told apart when they differ.
    pub leak_hash_order: bool,
}

/// What a run leaves.
#[derive(Debug)]
pub struct Ran {
    /// What came of it.
    pub report: RunReport,
    /// What its clients did and saw.
    pub history: History,
    /// What became of its faults, in the order of the scenario.
    pub faults: Vec<FaultRecord>,
    /// What is said of it.
    pub judgement: Judgement,
    /// Its trace, if it was to be kept.
    pub events: Vec<Event>,
    /// How many events there were, kept or not.
    pub event_count: u64,
}

/// Runs a scenario with a seed, checks it and makes the report.
///
/// # Errors
/// If the engine or the simulator panicked, or a host failed.
pub fn run(
    scenario: &Scenario,
    file: &str,
    seed: u64,
    watch: impl FnMut(Progress) + Send,
) -> Result<RunReport, Crash> {
    run_with(scenario, file, seed, Options::default(), watch).map(|ran| ran.report)
}

/// As [`run`], with options.
///
/// Each run has a thread of its own: what a run leaves in thread-local state (identifiers of tasks, for one) cannot
/// reach the next, so that a run does the same in any process and beside any other.
///
/// # Errors
/// As [`run`].
pub fn run_with(
    scenario: &Scenario,
    file: &str,
    seed: u64,
    options: Options,
    watch: impl FnMut(Progress) + Send,
) -> Result<Ran, Crash> {
    let name = format!("{} {seed}", scenario.name);
    on_own_thread(name, move || simulate(scenario, file, seed, options, watch))
        .map_err(|why| Crash { seed, why })
}

/// Does `work` on a thread of its own; says why it failed or panicked.
pub(crate) fn on_own_thread<T: Send>(
    name: String,
    work: impl FnOnce() -> anyhow::Result<T> + Send,
) -> Result<T, String> {
    std::thread::scope(|scope| {
        let spawned = std::thread::Builder::new().name(name).stack_size(STACK_SIZE).spawn_scoped(scope, work);
        let thread = spawned.map_err(|error| format!("no thread for the run: {error}"))?;
        let ended = thread.join().map_err(|panic| panic_message(panic.as_ref()))?;
        ended.map_err(|error| format!("{error:#}"))
    })
}

fn simulate(
    scenario: &Scenario,
    file: &str,
    seed: u64,
    options: Options,
    mut watch: impl FnMut(Progress),
) -> anyhow::Result<Ran> {
    #[expect(
        clippy::disallowed_methods,
        reason = "the report says how long the machine took; nothing depends on it"
    )]
    let started = Instant::now();
    let clients = scenario.clients().into_iter().map(|client| ClientRecord {
        name: client.name,
        session_expiry_s: whole_s(client.group.session_expiry),
        keep_alive_s: whole_s(client.group.keep_alive),
        operation_timeout_ns: nanos(client.group.operation_timeout),
        is_hostile: client.group.workload.is_hostile(),
    });
    let history = History {
        world: world_record(scenario),
        clocks: clocks(scenario),
        ..History::new(clients.collect())
    };
    let trace = Trace::new(&scenario.identity(), seed);
    let most_events =
        options.most_events.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX));
    let trace = if options.keep_events { trace.keeping_events(most_events) } else { trace };
    let recorder = Recorder::new(history, trace);
    let mut world = World::new(scenario, seed, &recorder);
    let mut nemesis = Nemesis::new(scenario, &recorder);
    let total = scenario.run.duration + scenario.run.drain;
    let mut next_progress = Duration::ZERO;
    while world.elapsed() < total {
        nemesis.act(&mut world);
        world.step()?;
        if world.elapsed() >= next_progress {
            next_progress += PROGRESS_INTERVAL;
            watch(Progress { simulated: world.elapsed(), total, operations: recorder.settled() });
            if options.leak_hash_order && world.elapsed() >= total / 2 {
                recorder.trace(nanos(world.elapsed()), EventKind::Broker, BROKER, hash_order().as_bytes());
            }
        }
    }
    world.sample();
    recorder.ended(nanos(world.elapsed()));
    let finished = Finished {
        scenario,
        file,
        seed,
        records: recorder.records(),
        faults: nemesis.records().to_vec(),
        lies: world.lies(),
        simulated: world.elapsed(),
    };
    drop(world);
    let judgement = Judgement::new(scenario, &finished.faults, &finished.records.history);
    let mut report = finished.report(&judgement);
    report.wall_duration_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let Finished { records, faults, .. } = finished;
    let event_count = records.trace.events();
    let (history, events) = (records.history, records.trace.into_events());
    Ok(Ran { report, history, faults, judgement, events, event_count })
}

/// The order in which a hash table of the standard library happens to hold some words: another in every run.
fn hash_order() -> String {
    #[expect(clippy::disallowed_types, reason = "the planted mistake of Options::leak_hash_order")]
    let table: std::collections::HashSet<u8> = (b'a'..=b'z').collect();
    table.into_iter().map(char::from).collect()
}

fn world_record(scenario: &Scenario) -> WorldRecord {
    let latency = scenario.network.latency;
    WorldRecord {
        latency_min_ns: nanos(latency.min),
        latency_max_ns: nanos(latency.max),
        tick_ns: nanos(scenario.run.tick),
        max_queued_messages: u64::from(scenario.broker.limits.max_queued_messages),
        drops_oldest: scenario.broker.limits.queue_overflow == QueueOverflow::DropOldest,
    }
}

fn clocks(scenario: &Scenario) -> Clocks {
    let clock = |offset_ms, drift_ppm| WallClock { offset_ms, drift_ppm, steps: Vec::new() };
    let clients = scenario.clients();
    let of_clients =
        clients.iter().map(|client| clock(client.group.clock_offset_ms, client.group.clock_drift_ppm));
    Clocks {
        broker: clock(scenario.broker.clock_offset_ms, scenario.broker.clock_drift_ppm),
        clients: of_clients.collect(),
    }
}

fn whole_s(duration: Duration) -> u32 {
    u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)
}

fn panic_message(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "a panic without a message".to_owned())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn outcome(work: impl FnOnce() -> anyhow::Result<u32> + Send) -> Result<u32, String> {
        on_own_thread("test".to_owned(), work)
    }

    #[test]
    fn a_panic_becomes_a_crash_with_its_message() {
        let number = 7;
        assert_eq!(outcome(|| panic!("expected {number}")), Err("expected 7".to_owned()));
        assert_eq!(outcome(|| panic!("plain")), Err("plain".to_owned()));
        assert_eq!(outcome(|| std::panic::panic_any(5)), Err("a panic without a message".to_owned()));
    }

    #[test]
    fn an_error_becomes_a_crash_with_its_causes() {
        let error = || Err(anyhow::anyhow!("inner").context("outer"));
        assert_eq!(outcome(error), Err("outer: inner".to_owned()));
        assert_eq!(outcome(|| Ok(1)), Ok(1));
        let crash = Crash { seed: 3, why: "inner".to_owned() };
        assert_eq!(crash.to_string(), "the run with seed 3 crashed: inner");
    }
}
