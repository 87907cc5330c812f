//! A sweep as data: the shape of `sweep.json`.

use serde::{Deserialize, Serialize};

use crate::model::Build;

/// The version of the JSON form.
pub const FORMAT_VERSION: u32 = 1;

/// Many runs of many scenarios.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepReport {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// What was built to run them.
    pub build: Build,
    /// Which part of the whole this is.
    pub shard: Shard,
    /// How many runs this part has; `None` where wall time was to end it.
    pub runs_planned: Option<u64>,
    /// Why no further run began.
    pub ended: Ended,
    /// How long the machine took for all of it, in milliseconds of wall time.
    pub wall_ms: u64,
    /// How many runs went on at the same time.
    pub threads: u64,
    /// The scenarios, in the order of the command line.
    pub scenarios: Vec<SweptScenario>,
    /// The runs, by scenario and seed.
    pub runs: Vec<SweepRun>,
}

/// One part of several: the parts together are the whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shard {
    /// Which, from 1 to `parts`.
    pub part: u64,
    /// How many there are.
    pub parts: u64,
}

impl Default for Shard {
    fn default() -> Self {
        Self { part: 1, parts: 1 }
    }
}

/// Why a sweep began no further run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// All were done.
    AllDone,
    /// Its wall time was up.
    Time,
    /// Enough of them had failed.
    Failures,
    /// Somebody asked it to stop.
    Interrupted,
}

/// A scenario of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweptScenario {
    /// Its name.
    pub name: String,
    /// Its own words on what it is about.
    pub description: String,
    /// The path of its file, as it was given.
    pub file: String,
}

/// One run of a sweep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SweepRun {
    /// The scenario: an index into [`SweepReport::scenarios`].
    pub scenario: usize,
    /// The seed.
    pub seed: u64,
    /// The one word.
    pub verdict: Verdict,
    /// The one sentence.
    pub headline: String,
    /// Operations of the workload.
    pub operations: u64,
    /// How much time passed inside the simulation.
    pub simulated_ns: u64,
    /// How long the machine took, in milliseconds of wall time.
    pub wall_ms: u64,
    /// The proof that a repetition did the same; `None` where none is required, or there is no run.
    pub trace_hash: Option<String>,
    /// The command line that repeats this run.
    pub repeat_command: String,
    /// The run's page, relative to the sweep's; `None` where none was written.
    pub page: Option<String>,
}

/// What came of a run, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Every checker and every expectation held.
    Passed,
    /// The scenario demanded something that did not happen.
    ExpectationFailed,
    /// A checker found a counter-example.
    ConsistencyViolated,
    /// The engine or the simulator crashed.
    Crashed,
}

impl Verdict {
    /// Whether it is as it should be.
    pub fn has_passed(self) -> bool {
        self == Self::Passed
    }

    /// The verdict as people read it.
    pub fn words(self) -> &'static str {
        match self {
            Self::Passed => "Passed",
            Self::ExpectationFailed => "Expectation failed",
            Self::ConsistencyViolated => "Consistency violated",
            Self::Crashed => "Crashed",
        }
    }
}

/// The runs of one scenario, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ScenarioCounts {
    /// Runs.
    pub runs: u64,
    /// Those that passed.
    pub passed: u64,
    /// Operations of the workload.
    pub operations: u64,
    /// Time inside the simulation.
    pub simulated_ns: u64,
    /// Wall time of the runs, which may have gone on beside each other.
    pub wall_ms: u64,
}

impl SweepReport {
    /// The report as indented JSON with a final newline.
    pub fn to_json(&self) -> String {
        let mut json =
            serde_json::to_string_pretty(self).expect("a report has no map and no custom serializer");
        json.push('\n');
        json
    }

    /// The runs of each scenario, added up, in the order of the scenarios.
    pub fn by_scenario(&self) -> Vec<ScenarioCounts> {
        let mut counts = vec![ScenarioCounts::default(); self.scenarios.len()];
        for run in &self.runs {
            if let Some(counts) = counts.get_mut(run.scenario) {
                counts.add(run);
            }
        }
        counts
    }

    /// All runs, added up.
    pub fn total(&self) -> ScenarioCounts {
        let mut total = ScenarioCounts::default();
        self.runs.iter().for_each(|run| total.add(run));
        total
    }

    /// The runs that failed, the worst first, then by scenario and seed.
    pub fn failures(&self) -> Vec<&SweepRun> {
        let mut failures: Vec<_> = self.runs.iter().filter(|run| !run.verdict.has_passed()).collect();
        failures.sort_by_key(|run| std::cmp::Reverse(run.verdict));
        failures
    }

    /// The name of a run's scenario.
    pub fn scenario_of(&self, run: &SweepRun) -> &str {
        self.scenarios.get(run.scenario).map_or("", |scenario| &scenario.name)
    }

    /// What a reader must know of its end, if it did not do all that it was to do.
    pub fn incomplete(&self) -> Option<String> {
        let planned = self.runs_planned.map(|planned| format!(" of {planned}")).unwrap_or_default();
        let done = self.runs.len();
        match self.ended {
            Ended::AllDone => None,
            Ended::Time => Some(format!("the time was up after {done}{planned} runs")),
            Ended::Failures => {
                Some(format!("stopped after {done}{planned} runs, since enough of them had failed"))
            }
            Ended::Interrupted => Some(format!("interrupted after {done}{planned} runs")),
        }
    }

    /// How fast it went.
    pub fn speed(&self) -> String {
        let total = self.total();
        let per_s = |amount: u64| amount.saturating_mul(1000) / self.wall_ms.max(1);
        format!(
            "{} simulated s and {} operations per wall second on {} threads",
            crate::wording::count(per_s(total.simulated_ns / 1_000_000_000)),
            crate::wording::count(per_s(total.operations)),
            self.threads
        )
    }
}

impl ScenarioCounts {
    fn add(&mut self, run: &SweepRun) {
        self.runs += 1;
        self.passed += u64::from(run.verdict.has_passed());
        self.operations += run.operations;
        self.simulated_ns += run.simulated_ns;
        self.wall_ms += run.wall_ms;
    }

    /// Simulated seconds in a second of wall time, on one thread.
    pub fn simulated_s_per_wall_s(&self) -> u64 {
        self.simulated_ns / 1_000_000 / self.wall_ms.max(1)
    }
}
