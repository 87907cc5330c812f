//! Several runs: scenarios times seeds, on all cores.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mayfly_reports::{RunReport, TraceHash};

use super::progress::Bar;
use super::{Arguments, Exit, Loaded, crashed, print, write};
use crate::report::repeat_command;
use crate::run::{Crash, run};

/// At most so many failed runs of a scenario are shown; the line counts all.
const MAX_SHOWN: usize = 5;

/// One run to be done.
#[derive(Clone, Copy, Debug)]
struct Job {
    scenario: usize,
    seed: u64,
}

/// What became of one job.
struct Done {
    job: Job,
    result: Result<RunReport, Crash>,
    /// The hash of the second run, where one was asked for and it was another.
    other_hash: Option<String>,
}

/// Runs every scenario with every seed.
pub(super) fn run_all(arguments: &Arguments, scenarios: &[Loaded]) -> Exit {
    let runs_each = arguments.seeds.unwrap_or(1);
    let count = scenarios.len() as u64 * runs_each;
    let job = |number: u64| {
        let (scenario, run) = ((number / runs_each) as usize, number % runs_each);
        let own = scenarios[scenario].scenario.run.seed;
        let seed = if arguments.seeds.is_some() { run + 1 } else { arguments.seed.unwrap_or(own) };
        Job { scenario, seed }
    };
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get);
    let workers = arguments.jobs.map_or(cores, usize::from);
    let bar = Bar::of_runs(count);
    let (next, failed, tally) = (AtomicU64::new(0), AtomicU64::new(0), Mutex::new(Tally::new(scenarios)));
    std::thread::scope(|scope| {
        for _ in (0..workers).zip(0..count) {
            scope.spawn(|| {
                while let Some(job) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|n| *n < count).map(job)
                {
                    let done = perform(arguments, &scenarios[job.scenario], job);
                    if !done.passed() {
                        failed.fetch_add(1, Ordering::Relaxed);
                    }
                    bar.count(failed.load(Ordering::Relaxed));
                    tally.lock().unwrap_or_else(PoisonError::into_inner).add(arguments, &done);
                }
            });
        }
    });
    bar.clear();
    tally.into_inner().unwrap_or_else(PoisonError::into_inner).print(arguments)
}

fn perform(arguments: &Arguments, loaded: &Loaded, job: Job) -> Done {
    let once = || run(&loaded.scenario, &loaded.file, job.seed, |_| ());
    let result = once();
    let other_hash = match (&result, arguments.twice) {
        (Ok(first), true) => match once() {
            Ok(second) => (second.trace_hash != first.trace_hash).then(|| hash_text(&second)),
            Err(crash) => Some(crash.to_string()),
        },
        _ => None,
    };
    Done { job, result, other_hash }
}

impl Done {
    fn passed(&self) -> bool {
        self.other_hash.is_none()
            && self.result.as_ref().is_ok_and(|report| Exit::from(report) == Exit::Passed)
    }
}

/// What has been found, by scenario.
struct Tally<'a> {
    scenarios: &'a [Loaded],
    rows: Vec<Row>,
    exit: Exit,
}

#[derive(Clone, Debug, Default)]
struct Row {
    runs: u64,
    passed: u64,
    operations: u64,
    simulated_ns: u64,
    wall_ms: u64,
    /// The hash, where there was one run.
    hash: String,
    /// By seed: what went wrong.
    failures: Vec<(u64, Vec<String>)>,
}

impl<'a> Tally<'a> {
    fn new(scenarios: &'a [Loaded]) -> Self {
        Self { scenarios, rows: vec![Row::default(); scenarios.len()], exit: Exit::Passed }
    }

    fn add(&mut self, arguments: &Arguments, done: &Done) {
        let loaded = &self.scenarios[done.job.scenario];
        let passed = done.passed();
        let row = &mut self.rows[done.job.scenario];
        row.runs += 1;
        row.passed += u64::from(passed);
        let mut lines = Vec::new();
        match &done.result {
            Ok(report) => {
                row.operations += report.operations.len() as u64;
                row.simulated_ns += report.simulated_duration_ns;
                row.wall_ms += report.wall_duration_ms;
                row.hash = hash_text(report);
                self.exit = self.exit.max(Exit::from(report));
                if Exit::from(report) != Exit::Passed {
                    lines.push(report.verdict.headline.clone());
                }
                if let Some(other) = &done.other_hash {
                    self.exit = self.exit.max(Exit::ExpectationFailed);
                    lines.push(format!(
                        "not deterministic: trace hash {} and then {other}",
                        hash_text(report)
                    ));
                }
                if !passed && row.failures.len() < MAX_SHOWN {
                    // The run failed, which says more than a report that could not be written.
                    let written = write(arguments, report).ok().flatten();
                    lines.extend(written.map(|path| format!("report: {}", path.display())));
                }
            }
            Err(crash) => {
                self.exit = self.exit.max(crashed(loaded, crash));
                lines.push(crash.to_string());
            }
        }
        if !passed {
            row.failures.push((done.job.seed, lines));
        }
    }

    fn print(mut self, arguments: &Arguments) -> Exit {
        for (loaded, row) in self.scenarios.iter().zip(&mut self.rows) {
            let simulated_s = Duration::from_nanos(row.simulated_ns).as_secs_f64();
            let rate = simulated_s / Duration::from_millis(row.wall_ms.max(1)).as_secs_f64();
            let twice = if arguments.twice { ", each twice" } else { "" };
            let hash = if row.runs == 1 { format!(", trace hash {}", row.hash) } else { String::new() };
            print(&format!(
                "{}: {} of {} runs passed{twice}; {} operations in {simulated_s:.0} simulated s, {rate:.0} simulated s per wall s and core{hash}\n",
                loaded.scenario.name, row.passed, row.runs, row.operations,
            ));
            row.failures.sort();
            for (seed, lines) in row.failures.iter().take(MAX_SHOWN) {
                let command = repeat_command(&loaded.scenario.name, &loaded.file, *seed);
                print(&format!("  seed {seed}: {}\n    repeat with: {command}\n", lines.join("\n    ")));
            }
            if row.failures.len() > MAX_SHOWN {
                let more: Vec<_> =
                    row.failures[MAX_SHOWN..].iter().map(|(seed, _)| seed.to_string()).collect();
                print(&format!("  and seeds {}\n", more.join(", ")));
            }
        }
        self.exit
    }
}

fn hash_text(report: &RunReport) -> String {
    match &report.trace_hash {
        TraceHash::Hex(hash) => hash.clone(),
        TraceHash::Exempt { reason } => format!("none: {reason}"),
    }
}
