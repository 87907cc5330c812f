//! `score`: the checkers tested. Each lying broker runs with many seeds, and so does the honest one in its place: its checkers must
//! accuse the one and never the other.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use mayfly_reports::score::{FORMAT_VERSION, LiarScore, ScoreReport};
use mayfly_reports::{CheckerVerdict, RunReport, text};

use super::output::{NotWritten, prepare, print};
use super::progress::Bar;
use super::workers::Workers;
use super::{Exit, Loaded, crashed, load, value};
use crate::check::CheckerName;
use crate::report::build;
use crate::run::run;
use crate::sabotage::Sabotage;
use crate::scenario::model::ExpectedVerdict;
use crate::scenario::{Scenario, ScenarioError};
use crate::workers::each;

/// `score [SCENARIO...]`
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Arguments {
    /// Scenarios with a lying broker: names (`stale-get`), folders or paths of files
    #[arg(default_value = "negative", value_name = "SCENARIO")]
    scenarios: Vec<String>,

    /// Run so many seeds of each, with the lie and without it
    #[arg(long, value_name = "COUNT", default_value = "100", allow_negative_numbers = true, value_parser = value::seeds)]
    seeds: u64,

    /// The first seed
    #[arg(long, value_name = "SEED", default_value = "1", allow_negative_numbers = true, value_parser = value::seed)]
    from: u64,

    #[command(flatten)]
    workers: Workers,

    /// Where the table is written, for people (score.txt) and machines (score.json)
    #[arg(long, value_name = "FOLDER", default_value = "reports/score")]
    reports: PathBuf,

    /// Write nothing
    #[arg(long)]
    no_report: bool,
}

/// A scenario with its lie and without.
struct Pair {
    lying: Loaded,
    honest: Scenario,
}

pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    let loaded = load(&arguments.scenarios)?;
    if let Some(honest) = loaded.iter().find(|loaded| loaded.scenario.broker.sabotage.is_none()) {
        eprintln!("{}: there is nothing to score, its broker does not lie", honest.file);
        return Ok(Exit::Invalid);
    }
    let reports = (!arguments.no_report).then_some(arguments.reports.as_path());
    if reports.is_some_and(|folder| prepare(folder).is_err()) {
        return Ok(Exit::Invalid);
    }
    let pairs: Vec<_> = loaded.into_iter().map(Pair::new).collect();
    let report = score(&pairs, arguments);
    print(&text::score(&report));
    let written = reports.map_or(Ok(()), |folder| {
        let path = report.write(folder).map_err(|error| {
            eprintln!("{error}");
            NotWritten
        })?;
        print(&format!("table: {}\n", path.display()));
        Ok(())
    });
    Ok(match (exit(&report), written) {
        (Exit::Passed, Err(NotWritten)) => Exit::Invalid,
        (exit, _) => exit,
    })
}

fn exit(report: &ScoreReport) -> Exit {
    let missed = report.missed().next().map(|_| Exit::ExpectationFailed);
    let accused = (report.false_alarms() > 0).then_some(Exit::ConsistencyViolated);
    let crashed = (report.crashes() > 0).then_some(Exit::Crashed);
    missed.into_iter().chain(accused).chain(crashed).max().unwrap_or(Exit::Passed)
}

fn score(pairs: &[Pair], arguments: &Arguments) -> ScoreReport {
    let (count, seeds) = (pairs.len() as u64, arguments.seeds);
    #[expect(clippy::disallowed_methods, reason = "for the progress bar alone")]
    let started = std::time::Instant::now();
    let bar = Bar::of_runs(count * seeds * 2);
    let failed = AtomicU64::new(0);
    let rows: Vec<_> = pairs.iter().map(|pair| Mutex::new(pair.row())).collect();
    // Each liar with the first seed, then each with the next.
    each(arguments.workers.threads(), 0..count * seeds * 2, |number| {
        let (seed, rest) = (arguments.from.wrapping_add(number / (count * 2)), number % (count * 2));
        let (index, is_lying) = ((rest / 2) as usize, rest % 2 == 0);
        let pair = &pairs[index];
        let scenario = if is_lying { &pair.lying.scenario } else { &pair.honest };
        let result = run(scenario, &pair.lying.file, seed, |_| ());
        let mut row = rows[index].lock().unwrap_or_else(PoisonError::into_inner);
        match result {
            Ok(report) if is_lying => pair.count_lying(&mut row, &report),
            Ok(report) => {
                count_honest(&mut row, &report);
                failed.fetch_add(u64::from(is_accused(&report)), Ordering::Relaxed);
            }
            Err(crash) => {
                crashed(&pair.lying, &crash);
                row.crashes.push((seed, crash.why));
                failed.fetch_add(1, Ordering::Relaxed);
            }
        }
        bar.count(failed.load(Ordering::Relaxed), started.elapsed());
    });
    bar.clear();
    let finished = |row: Mutex<LiarScore>| {
        let mut row = row.into_inner().unwrap_or_else(PoisonError::into_inner);
        row.operations_to_detection.sort_unstable();
        row.detected_at_ns.sort_unstable();
        row.crashes.sort();
        row
    };
    ScoreReport {
        format_version: FORMAT_VERSION,
        build: build(),
        first_seed: arguments.from,
        seeds,
        liars: rows.into_iter().map(finished).collect(),
    }
}

impl Pair {
    /// The honest one keeps its faults and clients. Nothing but what its checkers say of it counts.
    fn new(mut lying: Loaded) -> Self {
        let mut named: Vec<CheckerName> =
            lying.scenario.expect.caught_by.iter().map(|caught| caught.checker).collect();
        named.dedup();
        // A checker reads the history alone; all others are off.
        lying.scenario.expect.checkers = named;
        let mut honest = lying.scenario.clone();
        honest.broker.sabotage = None;
        honest.broker.lies_one_in = None;
        honest.expect.verdict = ExpectedVerdict::Pass;
        honest.expect.caught_by.clear();
        Self { lying, honest }
    }

    fn row(&self) -> LiarScore {
        let scenario = &self.lying.scenario;
        let caught_by = &scenario.expect.caught_by;
        let anomalies = |checker: CheckerName| {
            let of_it = caught_by.iter().filter(move |caught| caught.checker == checker);
            of_it.map(|caught| caught.anomaly.to_string()).collect()
        };
        let checkers = scenario.expect.checkers.iter();
        let sabotage = scenario.broker.sabotage;
        LiarScore {
            scenario: scenario.name.clone(),
            sabotage: sabotage.map(|sabotage| sabotage.to_string()).unwrap_or_default(),
            shows_under: sabotage.and_then(Sabotage::shows_under).map(str::to_owned),
            checkers: checkers.map(|checker| (checker.to_string(), anomalies(*checker))).collect(),
            ..LiarScore::default()
        }
    }

    fn count_lying(&self, row: &mut LiarScore, report: &RunReport) {
        row.undecided += u64::from(is_undecided(report));
        let lies = report.lies.unwrap_or_default();
        row.occasions += lies.occasions;
        row.told += lies.told;
        row.runs_with_lies += u64::from(lies.told > 0);
        let found = self.lying.scenario.expect.caught_by.iter().map(|caught| {
            let checker = report.checkers.iter().find(|checker| checker.name == caught.checker.as_str())?;
            checker.counter_examples.iter().find(|example| example.anomaly == caught.anomaly.as_str())
        });
        let found: Option<Vec<_>> = found.collect();
        if let Some(last) = found.and_then(|found| found.into_iter().max_by_key(|example| example.at_ns)) {
            row.caught += 1;
            row.operations_to_detection.push(last.operations_before);
            row.detected_at_ns.push(last.at_ns);
        }
    }
}

fn count_honest(row: &mut LiarScore, report: &RunReport) {
    row.undecided += u64::from(is_undecided(report));
    row.false_alarms += u64::from(is_accused(report));
}

fn is_accused(report: &RunReport) -> bool {
    report.checkers.iter().any(|checker| checker.verdict == CheckerVerdict::Violated)
}

fn is_undecided(report: &RunReport) -> bool {
    report.checkers.iter().any(|checker| matches!(checker.verdict, CheckerVerdict::Undecided { .. }))
}
