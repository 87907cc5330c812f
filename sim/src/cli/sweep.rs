//! `sweep`: scenarios times seeds, on all cores, until all of them are done, the time is up, or enough of them failed.

mod plan;
mod stop;
mod tally;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use mayfly_reports::sweep::{Ended, Shard};
use mayfly_reports::{RunReport, directory};

use self::plan::{Extent, Job, Plan, Seeds};
use self::tally::{Tally, Wanted};
use super::output::{NotWritten, prepare, print, write};
use super::progress::Bar;
use super::workers::Workers;
use super::{Exit, Loaded, bundles, crashed, load, value};
use crate::run::{Crash, run};
use crate::scenario::ScenarioError;
use crate::workers::each;

/// At most so many failed runs of a scenario leave a report; the page of the sweep lists all.
const MAX_REPORTS: usize = 5;

/// `sweep SCENARIO...`
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("extent").required(true))]
pub(super) struct Arguments {
    /// Scenarios: names (`partition`), folders (`fast`) or paths of files
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<String>,

    /// Run so many seeds of each scenario
    #[arg(long, value_name = "COUNT", group = "extent", allow_negative_numbers = true, value_parser = value::seeds)]
    seeds: Option<u64>,

    /// Do so many runs in all, spread evenly over the scenarios
    #[arg(long, value_name = "COUNT", group = "extent", allow_negative_numbers = true, value_parser = value::seeds)]
    runs: Option<u64>,

    /// Begin no run after so much wall time, such as `90s` or `10m`
    #[arg(long, value_name = "DURATION", group = "extent", value_parser = value::duration)]
    time: Option<Duration>,

    /// The first seed
    #[arg(long, value_name = "SEED", default_value = "1", allow_negative_numbers = true, value_parser = value::seed)]
    from: u64,

    /// Do one part of several of the runs, such as `3/8`: the parts together do all of them
    #[arg(long, value_name = "PART/PARTS", default_value = "1/1", value_parser = value::shard)]
    shard: Shard,

    /// Begin no run after so many failed
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = value::failures)]
    max_failures: Option<u64>,

    #[command(flatten)]
    workers: Workers,

    /// Where the page of the sweep, its summaries and the reports of failed runs are written
    #[arg(long, value_name = "FOLDER", default_value = "reports/sweep")]
    reports: PathBuf,

    /// Write a report of every run, not of the first failed ones alone
    #[arg(long, conflicts_with = "no_report")]
    every_report: bool,

    /// Of the failed runs that leave a report, so many leave their whole bundle
    #[arg(long, value_name = "COUNT", default_value = "10", allow_negative_numbers = true, value_parser = value::bundles)]
    bundles: u64,

    /// Write nothing
    #[arg(long)]
    no_report: bool,
}

/// What a sweep does with the runs beside counting them.
#[derive(Clone, Copy, Debug, Default)]
struct Manner<'a> {
    /// Where it writes, if it does.
    reports: Option<&'a Path>,
    every_report: bool,
    max_failures: Option<u64>,
    /// How many bundles it leaves at most.
    bundles: u64,
}

/// So many bundles where nobody says how many.
const BUNDLES: u64 = 10;

/// What became of one job.
struct Done {
    job: Job,
    result: Result<RunReport, Crash>,
}

pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    let scenarios = load(&arguments.scenarios)?;
    let reports = (!arguments.no_report).then_some(arguments.reports.as_path());
    if reports.is_some_and(|folder| prepare(folder).is_err()) {
        return Ok(Exit::Invalid);
    }
    let count = scenarios.len() as u64;
    let extent = match (arguments.seeds, arguments.runs, arguments.time) {
        (Some(seeds), ..) => Extent::Runs(seeds.saturating_mul(count)),
        (_, Some(runs), _) => Extent::Runs(runs),
        (.., time) => Extent::Time(time.unwrap_or_default()),
    };
    let plan = Plan { scenarios: count, seeds: Seeds::From(arguments.from), extent, shard: arguments.shard };
    let manner = Manner {
        reports,
        every_report: arguments.every_report,
        max_failures: arguments.max_failures,
        bundles: arguments.bundles,
    };
    let tally = sweep(&scenarios, plan, arguments.workers.threads(), manner);
    print(&tally.text());
    let written = reports.map_or(Ok(()), |folder| write_summaries(&tally, folder));
    Ok(match (tally.exit(), written) {
        (Exit::Passed, Err(NotWritten)) => Exit::Invalid,
        (exit, _) => exit,
    })
}

/// One run of each scenario, with this seed or the scenario's own. Failed ones leave reports.
pub(super) fn one_run_each(scenarios: &[Loaded], seed: Option<u64>, reports: Option<&Path>) -> Exit {
    let count = scenarios.len() as u64;
    let seeds = seed.map_or(Seeds::Own, Seeds::From);
    let plan = Plan { scenarios: count, seeds, extent: Extent::Runs(count), shard: Shard::default() };
    let manner = Manner { reports, bundles: BUNDLES, ..Manner::default() };
    let tally = sweep(scenarios, plan, Workers::default().threads(), manner);
    print(&tally.text());
    tally.exit()
}

fn sweep<'a>(scenarios: &'a [Loaded], plan: Plan, threads: usize, manner: Manner<'_>) -> Tally<'a> {
    #[expect(clippy::disallowed_methods, reason = "how long the machine took, and when its time is up")]
    let started = Instant::now();
    stop::on_ctrl_c();
    let bar = match plan.extent {
        Extent::Runs(_) => Bar::of_runs(plan.count()),
        Extent::Time(time) => Bar::of_time(time),
    };
    let tally = Mutex::new(Tally::new(scenarios, plan));
    let lock = || tally.lock().unwrap_or_else(PoisonError::into_inner);
    let reason_to_end = || {
        let is_over = matches!(plan.extent, Extent::Time(time) if started.elapsed() >= time);
        let has_failed_enough = manner.max_failures.is_some_and(|most| lock().failed() >= most);
        if stop::is_asked_for() {
            Some(Ended::Interrupted)
        } else if has_failed_enough {
            Some(Ended::Failures)
        } else {
            is_over.then_some(Ended::Time)
        }
    };
    let jobs = plan.jobs().take_while(|_| match reason_to_end() {
        Some(reason) => {
            lock().end(reason);
            false
        }
        None => true,
    });
    each(threads, jobs, |job| {
        let loaded = &scenarios[job.scenario];
        let seed = job.seed.unwrap_or(loaded.scenario.run.seed);
        let done = Done { job, result: run(&loaded.scenario, &loaded.file, seed, |_| ()) };
        if let Err(crash) = &done.result {
            crashed(loaded, crash);
        }
        let wanted = lock().wants(&done, manner.bundles);
        let page = match (manner.reports, &done.result) {
            // The run failed, which says more than a report that could not be written.
            (Some(folder), Ok(report)) => match wanted {
                Wanted::Bundle => bundle(loaded, report, folder),
                Wanted::Report => write(report, folder).ok(),
                Wanted::Nothing => manner.every_report.then(|| write(report, folder).ok()).flatten(),
            },
            _ => None,
        };
        let mut tally = lock();
        tally.add(done, page);
        bar.count(tally.failed(), started.elapsed());
    });
    bar.clear();
    let mut tally = tally.into_inner().unwrap_or_else(PoisonError::into_inner);
    tally.took(started.elapsed(), threads);
    tally
}

/// Writes the bundle of a run that failed, and where that cannot be, its report; says where the page is.
fn bundle(loaded: &Loaded, report: &RunReport, reports: &Path) -> Option<PathBuf> {
    let folder = directory(report, reports);
    match bundles::leave(loaded, report, &folder) {
        Ok(()) => Some(folder.join("report.html")),
        Err(NotWritten) => write(report, reports).ok(),
    }
}

/// Writes what people and machines read of a sweep, and says where.
fn write_summaries(tally: &Tally<'_>, folder: &Path) -> Result<(), NotWritten> {
    let report = tally.report(folder);
    let page = mayfly_reports::sweep::write(&report, folder).map_err(|error| {
        eprintln!("{error}");
        NotWritten
    })?;
    print(&format!("page: {}\n", page.display()));
    Ok(())
}
