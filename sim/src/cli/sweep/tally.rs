//! What a sweep has found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mayfly_reports::sweep::{Ended, SweepReport, SweepRun, SweptScenario, Verdict};
use mayfly_reports::{Conclusion, TraceHash, text};

use super::plan::{Extent, Plan};
use super::{Done, Exit, Loaded, MAX_REPORTS};
use crate::report::{build, repeat_command};

/// What a sweep has found.
pub(super) struct Tally<'a> {
    scenarios: &'a [Loaded],
    plan: Plan,
    runs: Vec<Found>,
    /// How many runs of each scenario left something, and how many in all left their bundles.
    left: Vec<usize>,
    bundles: u64,
    failed: u64,
    exit: Exit,
    ended: Ended,
    wall: Duration,
    threads: usize,
}

/// What a run leaves on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    Bundle,
    Report,
    Nothing,
}

/// A run, and where its report is.
struct Found {
    run: SweepRun,
    page: Option<PathBuf>,
}

impl<'a> Tally<'a> {
    pub(super) fn new(scenarios: &'a [Loaded], plan: Plan) -> Self {
        Self {
            scenarios,
            plan,
            runs: Vec::new(),
            left: vec![0; scenarios.len()],
            bundles: 0,
            failed: 0,
            exit: Exit::Passed,
            ended: Ended::AllDone,
            wall: Duration::ZERO,
            threads: 0,
        }
    }

    /// How many runs failed.
    pub(super) fn failed(&self) -> u64 {
        self.failed
    }

    /// How the command ends.
    pub(super) fn exit(&self) -> Exit {
        self.exit
    }

    /// No run begins any more.
    pub(super) fn end(&mut self, reason: Ended) {
        self.ended = reason;
    }

    /// How long it took, on so many threads.
    pub(super) fn took(&mut self, wall: Duration, threads: usize) {
        self.wall = wall;
        self.threads = threads;
    }

    /// What a run is to leave: something if it is among the first of its scenario that failed, and its bundle if it is among the
    /// first `bundles` of all of these. To be asked once for each run.
    pub(super) fn wants(&mut self, done: &Done, bundles: u64) -> Wanted {
        let has_failed = done.result.as_ref().is_ok_and(|report| Exit::from(report) != Exit::Passed);
        let of_scenario = &mut self.left[done.job.scenario];
        if !has_failed || *of_scenario >= MAX_REPORTS {
            return Wanted::Nothing;
        }
        *of_scenario += 1;
        if self.bundles >= bundles {
            return Wanted::Report;
        }
        self.bundles += 1;
        Wanted::Bundle
    }

    /// Counts a run. `page` is its report.
    pub(super) fn add(&mut self, done: Done, page: Option<PathBuf>) {
        let loaded = &self.scenarios[done.job.scenario];
        let (exit, run) = match done.result {
            Ok(report) => (
                Exit::from(&report),
                SweepRun {
                    scenario: done.job.scenario,
                    seed: report.seed,
                    verdict: match report.verdict.conclusion {
                        Conclusion::Passed => Verdict::Passed,
                        Conclusion::ConsistencyViolated => Verdict::ConsistencyViolated,
                        Conclusion::ExpectationFailed => Verdict::ExpectationFailed,
                    },
                    headline: report.verdict.headline.clone(),
                    operations: report.operations.len() as u64 + report.operations_left_out,
                    simulated_ns: report.simulated_duration_ns,
                    wall_ms: report.wall_duration_ms,
                    trace_hash: match &report.trace_hash {
                        TraceHash::Hex(hash) => Some(hash.clone()),
                        TraceHash::Exempt { .. } => None,
                    },
                    repeat_command: report.repeat_command.clone(),
                    page: None,
                },
            ),
            Err(crash) => (
                Exit::Crashed,
                SweepRun {
                    scenario: done.job.scenario,
                    seed: crash.seed,
                    verdict: Verdict::Crashed,
                    headline: crash.why,
                    operations: 0,
                    simulated_ns: 0,
                    wall_ms: 0,
                    trace_hash: None,
                    repeat_command: repeat_command(&loaded.scenario.name, &loaded.file, crash.seed),
                    page: None,
                },
            ),
        };
        self.exit = self.exit.max(exit);
        self.failed += u64::from(exit != Exit::Passed);
        self.runs.push(Found { run, page });
    }

    /// The whole sweep as data, for a page in `folder`.
    pub(super) fn report(&self, folder: &Path) -> SweepReport {
        let link = |page: &Path| page.strip_prefix(folder).unwrap_or(page).display().to_string();
        let mut runs: Vec<_> = self.runs.iter().collect();
        runs.sort_by_key(|found| (found.run.scenario, found.run.seed));
        SweepReport {
            format_version: mayfly_reports::sweep::FORMAT_VERSION,
            build: build(),
            shard: self.plan.shard,
            runs_planned: match self.plan.extent {
                Extent::Runs(_) => Some(self.plan.count()),
                Extent::Time(_) => None,
            },
            ended: self.ended,
            wall_ms: u64::try_from(self.wall.as_millis()).unwrap_or(u64::MAX),
            threads: self.threads as u64,
            scenarios: self.scenarios.iter().map(swept).collect(),
            runs: runs
                .into_iter()
                .map(|found| SweepRun { page: found.page.as_deref().map(link), ..found.run.clone() })
                .collect(),
        }
    }

    /// What the terminal shows.
    pub(super) fn text(&self) -> String {
        text::sweep(&self.report(Path::new("")))
    }
}

fn swept(loaded: &Loaded) -> SweptScenario {
    SweptScenario {
        name: loaded.scenario.name.clone(),
        description: loaded.scenario.description.clone(),
        file: loaded.file.clone(),
    }
}
