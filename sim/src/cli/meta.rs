//! `meta`: the simulator tested on itself. Each seed runs twice, in this process beside other runs and in a process of its own,
//! and the two traces are compared event by event.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use super::difference::{Difference, first_difference};
use super::progress::Bar;
use super::workers::Workers;
use super::{Exit, Loaded, Planting, load, print, value};
use crate::run::{Options, run_with};
use crate::scenario::ScenarioError;
use crate::trace::Event;
use crate::workers::each;

/// `meta SCENARIO...`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// Scenarios: names (`partition`), folders (`fast`) or paths of files
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<String>,

    /// Every seed from 1 to COUNT
    #[arg(long, value_name = "COUNT", default_value = "1", allow_negative_numbers = true, value_parser = value::seeds)]
    seeds: u64,

    #[command(flatten)]
    workers: Workers,

    #[command(flatten)]
    planting: Planting,
}

/// What became of one seed.
enum Compared {
    /// The same events, so many.
    Same(u64),
    Differs(Difference),
    /// One of the two could not be run.
    Failed(String),
}

/// What has been found of a scenario.
#[derive(Default)]
struct Row {
    same: u64,
    events: u64,
    /// By seed.
    failures: Vec<(u64, String)>,
}

/// Compares every seed of every scenario.
pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    let scenarios = load(&arguments.scenarios)?;
    let count = scenarios.len() as u64 * arguments.seeds;
    let bar = Bar::of_runs(count);
    #[expect(clippy::disallowed_methods, reason = "for the progress bar alone")]
    let started = std::time::Instant::now();
    let failed = AtomicU64::new(0);
    let rows: Vec<_> = scenarios.iter().map(|_| Mutex::new(Row::default())).collect();
    each(arguments.workers.threads(), 0..count, |number| {
        let (scenario, seed) = ((number / arguments.seeds) as usize, number % arguments.seeds + 1);
        let compared = compare(arguments, &scenarios[scenario], seed);
        let is_same = matches!(compared, Compared::Same(_));
        let failed = failed.fetch_add(u64::from(!is_same), Ordering::Relaxed) + u64::from(!is_same);
        bar.count(failed, started.elapsed());
        let mut row = rows[scenario].lock().unwrap_or_else(PoisonError::into_inner);
        match compared {
            Compared::Same(events) => {
                row.same += 1;
                row.events += events;
            }
            Compared::Differs(difference) => row.failures.push((seed, told(&difference))),
            Compared::Failed(why) => row.failures.push((seed, format!("    {why}\n"))),
        }
    });
    bar.clear();
    let mut exit = Exit::Passed;
    for (loaded, row) in scenarios.iter().zip(rows) {
        let mut row = row.into_inner().unwrap_or_else(PoisonError::into_inner);
        row.failures.sort();
        print(&format!(
            "{}: {} of {} seeds did the same in two processes, {} events\n",
            loaded.scenario.name, row.same, arguments.seeds, row.events
        ));
        for (seed, text) in &row.failures {
            exit = Exit::ExpectationFailed;
            print(&format!("  seed {seed}:\n{text}"));
        }
    }
    Ok(exit)
}

fn compare(arguments: &Arguments, loaded: &Loaded, seed: u64) -> Compared {
    let options = Options {
        keep_events: true,
        leak_hash_order: arguments.planting.plant_hash_order,
        ..Options::default()
    };
    let here = match run_with(&loaded.scenario, &loaded.file, seed, options, |_| ()) {
        Ok(ran) => ran.events,
        Err(crash) => return Compared::Failed(crash.to_string()),
    };
    match in_another_process(arguments, loaded, seed, &here) {
        Ok(None) => Compared::Same(here.len() as u64),
        Ok(Some(difference)) => Compared::Differs(difference),
        Err(why) => Compared::Failed(why),
    }
}

fn told(difference: &Difference) -> String {
    let event = difference.event();
    let first = format!("    not deterministic: event {event} is the first that differs\n");
    first + &difference.text(["here:", "there:"])
}

/// Runs the seed in a process of its own and compares what that prints with the events of the run here.
fn in_another_process(
    arguments: &Arguments,
    loaded: &Loaded,
    seed: u64,
    here: &[Event],
) -> Result<Option<Difference>, String> {
    let failed =
        |what: &str, error: std::io::Error| format!("the run in a process of its own: {what}: {error}");
    let program = std::env::current_exe().map_err(|error| failed("its program is unknown", error))?;
    let mut command = Command::new(program);
    command.arg("trace").arg(&loaded.path).arg("--seed").arg(seed.to_string());
    if arguments.planting.plant_hash_order {
        command.arg(Planting::PLANT_HASH_ORDER);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = Ended(command.spawn().map_err(|error| failed("it cannot be started", error))?);
    let out = child.0.stdout.take().ok_or("the run in a process of its own has no output")?;
    let lines = BufReader::new(out).lines();
    let there = lines.map_while(Result::ok);
    let difference = first_difference(here.iter().map(Event::to_string), there);
    if difference.is_some() {
        return Ok(difference);
    }
    let status = child.0.wait().map_err(|error| failed("no end", error))?;
    if is_a_run(status) {
        Ok(None)
    } else {
        Err(format!("the run in a process of its own ended with {status}"))
    }
}

/// Whether a run took place, whatever its verdict.
fn is_a_run(status: ExitStatus) -> bool {
    let ran = [Exit::Passed, Exit::ConsistencyViolated, Exit::ExpectationFailed].map(Exit::code);
    status.code().is_some_and(|code| ran.iter().any(|ran| i32::from(*ran) == code))
}

/// A process that ends with its handle.
struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
