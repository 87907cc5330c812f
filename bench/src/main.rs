//! `mayfly-bench`: measures a scenario's clients in wall time, in memory and over loopback.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use mayfly_bench::drive_error::DriveError;
use mayfly_bench::plan::Plan;
use mayfly_bench::{in_memory, loopback};
use mayfly_reports::{Measurement, Scenario as ScenarioReport, World, text};
use mayfly_settings::duration::{DurationError, parse};
use mayfly_sim::report::build;
use mayfly_sim::scenario::{Scenario, find};

/// Measures a scenario's clients in wall time: against the engine in memory, and over TCP on the loopback interface.
///
/// The scenario needs a [bench] table. Exit status: 0 measured; 1 the scenario cannot be measured, or an answer was wrong;
/// 2 the command line cannot be followed.
#[derive(Debug, Parser)]
#[command(name = "mayfly-bench", version)]
struct Arguments {
    /// The scenario: a name (`hot-path`) or the path of a file
    scenario: String,

    /// The seed of the clients' choices; by default the scenario's own
    #[arg(long)]
    seed: Option<u64>,

    /// How long to drive the clients before measuring, such as `500ms`; by default as the scenario says
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    warm_up: Option<Given>,

    /// How long to measure, such as `2s`; by default as the scenario says
    #[arg(long, value_name = "DURATION", value_parser = positive_duration)]
    measure: Option<Given>,
}

/// A duration, and the text that it was given as.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Given {
    text: String,
    value: Duration,
}

/// Measures a scenario in one world.
type Drive = fn(&Plan<'_>) -> Result<World, DriveError>;

fn main() -> ExitCode {
    match measure(&Arguments::parse()) {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Measures, and says what came of it.
fn measure(arguments: &Arguments) -> anyhow::Result<String> {
    let path = find(&arguments.scenario)?;
    let scenario = Scenario::load(&path)?;
    let mut plan = Plan::new(&scenario)?;
    plan.seed = arguments.seed.unwrap_or(plan.seed);
    plan.warm_up = arguments.warm_up.as_ref().map_or(plan.warm_up, |given| given.value);
    plan.measure = arguments.measure.as_ref().map_or(plan.measure, |given| given.value);

    let description = ScenarioReport {
        name: scenario.name.clone(),
        description: scenario.description.clone(),
        file: path.display().to_string(),
        intent: "bench".to_owned(),
    };
    let mut measurement = Measurement::new(description, plan.seed, arguments.repeated(plan.seed), build());
    for (place, drive) in [("in memory", in_memory::drive as Drive), ("over loopback", loopback::drive)] {
        eprintln!("{} {place}: {:?} of warm-up, {:?} measured", scenario.name, plan.warm_up, plan.measure);
        let world = drive(&plan).with_context(|| format!("{} {place}", scenario.name))?;
        measurement.worlds.push(world);
    }
    Ok(text::measurement(&measurement))
}

impl Arguments {
    /// The command line that measures the same again.
    fn repeated(&self, seed: u64) -> String {
        let command = match self.scenario.as_str() {
            "hot-path" => "cargo hotpath".to_owned(),
            other => format!("cargo run --release --package mayfly-bench -- {other}"),
        };
        let option = |name, given: &Option<Given>| {
            given.as_ref().map(|given| format!(" --{name} {}", given.text)).unwrap_or_default()
        };
        let (warm_up, measure) = (option("warm-up", &self.warm_up), option("measure", &self.measure));
        format!("{command} --seed {seed}{warm_up}{measure}")
    }
}

/// Reads a duration as scenario files write it.
fn duration(text: &str) -> Result<Given, DurationError> {
    parse(text).map(|value| Given { text: text.to_owned(), value })
}

fn positive_duration(text: &str) -> Result<Given, String> {
    let given = duration(text).map_err(|error| error.to_string())?;
    if given.value.is_zero() { Err("it must be above 0".to_owned()) } else { Ok(given) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_written_as_in_scenarios() {
        let value = |read: Result<Given, DurationError>| read.map(|given| given.value);
        assert_eq!(value(duration("1.5s")), Ok(Duration::from_millis(1500)));
        assert!(positive_duration("250ms").is_ok());
        assert!(duration("5").is_err_and(|error| error.to_string().contains("has no unit")));
        assert!(positive_duration("0s").is_err());
    }

    #[test]
    fn the_command_repeats_what_was_asked() {
        let arguments = Arguments::parse_from(["mayfly-bench", "hot-path", "--measure", "2000000us"]);
        assert_eq!(arguments.repeated(7), "cargo hotpath --seed 7 --measure 2000000us");
        let arguments = Arguments::parse_from(["mayfly-bench", "a.toml", "--seed", "3"]);
        assert_eq!(arguments.repeated(3), "cargo run --release --package mayfly-bench -- a.toml --seed 3");
    }
}
