//! `trace`: every event of one run, a line each.

use std::io::{BufWriter, Write};

use super::{Exit, Loaded, Planting, crashed, load};
use crate::run::{Options, run_with};
use crate::scenario::ScenarioError;
use crate::trace::Event;

/// `trace SCENARIO`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The scenario: a name (`partition`) or the path of a file
    #[arg(value_name = "SCENARIO")]
    scenario: String,

    /// The seed; by default the scenario's own
    #[arg(long, allow_negative_numbers = true, value_parser = super::value::seed)]
    seed: Option<u64>,

    #[command(flatten)]
    planting: Planting,
}

/// Runs a scenario and prints its trace: what `meta` compares between two processes.
pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    let loaded = load(std::slice::from_ref(&arguments.scenario))?;
    Ok(loaded.iter().map(|loaded| print_trace(arguments, loaded)).max().unwrap_or(Exit::Passed))
}

fn print_trace(arguments: &Arguments, loaded: &Loaded) -> Exit {
    let seed = arguments.seed.unwrap_or(loaded.scenario.run.seed);
    let options = Options {
        keep_events: true,
        leak_hash_order: arguments.planting.plant_hash_order,
        ..Options::default()
    };
    match run_with(&loaded.scenario, &loaded.file, seed, options, |_| ()) {
        Ok(ran) => {
            // A reader that went away, such as `head`, has seen enough.
            let _ = write_lines(&ran.events);
            Exit::from(&ran.report)
        }
        Err(crash) => crashed(loaded, &crash),
    }
}

fn write_lines(events: &[Event]) -> std::io::Result<()> {
    let mut out = BufWriter::new(std::io::stdout().lock());
    for event in events {
        writeln!(out, "{event}")?;
    }
    out.flush()
}
