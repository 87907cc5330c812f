//! The command line: which scenarios, which seeds, and what to print.
//!
//! One run prints its table and writes its report (`single`); many print a line a scenario, and write a page that lists them
//! (`sweep`). `score` tests the checkers on lying brokers. `trace` shows what a run did event by event, and `meta` finds where two
//! runs of one seed part. Of the bundle that a failed run leaves, `check` judges the history anew, `replay` repeats the run, and
//! `shrink` makes the smallest scenario file that fails like it.

mod bundles;
mod check;
mod difference;
mod explain;
mod meta;
mod output;
mod progress;
mod replay;
mod schema;
mod score;
mod shrink;
mod single;
mod sweep;
mod trace;
mod value;
mod workers;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mayfly_reports::{Conclusion, RunReport};

use crate::run::Crash;
use crate::scenario::{FOLDERS, Scenario, ScenarioError, all_in, find, scenarios_folder};
use output::print;

pub use value::complaint;

/// Runs scenarios under deterministic simulation: one seed replays a run bit for bit.
///
/// Exit status: 0 passed, 1 consistency violated, 2 an expectation failed, 3 the scenario or the command line is
/// invalid, 4 the engine or the simulator crashed. Of several runs the worst counts.
#[derive(Debug, Parser)]
#[command(name = "mayfly-sim", bin_name = "cargo sim", version, args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    #[command(flatten)]
    single: single::Arguments,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs many seeds of many scenarios on all cores, and writes a page that lists the runs
    Sweep(sweep::Arguments),
    /// Runs each seed twice, in two processes, and compares the traces event by event
    Meta(meta::Arguments),
    /// Runs a scenario and explains what its checkers found: the fewest operations that show it
    Explain(explain::Arguments),
    /// Runs a scenario and prints every event of it
    Trace(trace::Arguments),
    /// Repeats the run of a bundle, and says whether it did the same; exit status 0 if so, 2 if not
    Replay(replay::Arguments),
    /// Judges the history of a bundle anew, without a run; exit status 0 where the verdict is the same, 2 where not
    Check(check::Arguments),
    /// Runs lying brokers, and honest ones in their place, and tells which of them the checkers accuse
    Score(score::Arguments),
    /// Makes the smallest scenario file of a run that failed which fails in the same way
    Shrink(shrink::Arguments),
    /// Lists the scenarios
    List,
    /// Prints the JSON schema of scenario files, for editors
    Schema(schema::Arguments),
}

/// Mistakes to be planted in the simulator, for those who test it.
#[derive(Clone, Copy, Debug, clap::Args)]
struct Planting {
    /// Let the order of a hash table into the trace
    #[arg(long, hide = true)]
    plant_hash_order: bool,
}

impl Planting {
    /// The option's name on a command line.
    const PLANT_HASH_ORDER: &'static str = "--plant-hash-order";
}

/// How a command ends, the worst last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Every run passed.
    Passed,
    /// A run did not show what its scenario expects.
    ExpectationFailed,
    /// A checker found a violation that the scenario does not expect.
    ConsistencyViolated,
    /// Nothing was run: the scenario or the command line cannot be followed.
    Invalid,
    /// The engine or the simulator crashed.
    Crashed,
}

impl Exit {
    /// The exit status.
    pub fn code(self) -> u8 {
        match self {
            Self::Passed => 0,
            Self::ConsistencyViolated => 1,
            Self::ExpectationFailed => 2,
            Self::Invalid => 3,
            Self::Crashed => 4,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<&RunReport> for Exit {
    fn from(report: &RunReport) -> Self {
        match report.verdict.conclusion {
            Conclusion::Passed => Self::Passed,
            Conclusion::ConsistencyViolated => Self::ConsistencyViolated,
            Conclusion::ExpectationFailed => Self::ExpectationFailed,
        }
    }
}

/// A scenario that was read.
#[derive(Debug)]
struct Loaded {
    scenario: Scenario,
    /// The path it was read from.
    path: PathBuf,
    /// That path as a person would type it.
    file: String,
}

/// Follows the command line.
pub fn main(arguments: &Arguments) -> Exit {
    let followed = match &arguments.command {
        Some(Command::Sweep(arguments)) => sweep::main(arguments),
        Some(Command::Meta(arguments)) => meta::main(arguments),
        Some(Command::Explain(arguments)) => explain::main(arguments),
        Some(Command::Trace(arguments)) => trace::main(arguments),
        Some(Command::Replay(arguments)) => replay::main(arguments),
        Some(Command::Check(arguments)) => check::main(arguments),
        Some(Command::Score(arguments)) => score::main(arguments),
        Some(Command::Shrink(arguments)) => shrink::main(arguments),
        Some(Command::List) => list(),
        Some(Command::Schema(arguments)) => schema::main(arguments),
        None => single::main(&arguments.single),
    };
    followed.unwrap_or_else(|error| {
        eprintln!("{error}");
        Exit::Invalid
    })
}

fn list() -> Result<Exit, ScenarioError> {
    for found in all_in(&scenarios_folder()?) {
        let description = match Scenario::load(&found.path) {
            Ok(scenario) => scenario.description,
            Err(error) => format!("invalid: {error}"),
        };
        print(&format!("{}\n", printable(&format!("{:<10} {:<20} {description}", found.folder, found.name))));
    }
    Ok(Exit::Passed)
}

/// A text without control characters, which could do anything to a terminal.
fn printable(text: &str) -> String {
    let escaped = |character: char| {
        if character.is_control() { character.escape_default().to_string() } else { character.to_string() }
    };
    text.chars().map(escaped).collect()
}

fn load(names: &[String]) -> Result<Vec<Loaded>, ScenarioError> {
    let mut paths = Vec::new();
    for name in names {
        if FOLDERS.contains(&name.as_str()) {
            let scenarios = scenarios_folder()?;
            let before = paths.len();
            let found = all_in(&scenarios).into_iter().filter(|found| found.folder == name);
            paths.extend(found.map(|found| found.path));
            if paths.len() == before {
                let folder = scenarios.join(name).display().to_string();
                return Err(ScenarioError::EmptyFolder { folder });
            }
        } else {
            paths.push(find(name)?);
        }
    }
    // By what the path leads to: a scenario that is named twice runs once.
    let mut seen = BTreeSet::new();
    paths.retain(|path| seen.insert(path.canonicalize().unwrap_or_else(|_| path.clone())));
    let loaded = |path: PathBuf| Ok(Loaded { scenario: Scenario::load(&path)?, file: shown(&path), path });
    paths.into_iter().map(loaded).collect()
}

/// A path as a person would type it: relative to the current directory where it lies below.
fn shown(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&current).unwrap_or(path).display().to_string()
}

fn crashed(loaded: &Loaded, crash: &Crash) -> Exit {
    eprintln!("{}: {crash}", loaded.scenario.name);
    eprintln!(
        "repeat with: {}",
        crate::report::repeat_command(&loaded.scenario.name, &loaded.file, crash.seed)
    );
    Exit::Crashed
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn control_characters_are_shown_and_not_sent() {
        assert_eq!(printable("a\u{1b}[2Jé\n"), "a\\u{1b}[2Jé\\n");
    }

    #[test]
    fn of_several_runs_the_worst_counts() {
        use Exit::{ConsistencyViolated, Crashed, ExpectationFailed, Invalid, Passed};
        let by_gravity = [Passed, ExpectationFailed, ConsistencyViolated, Invalid, Crashed];
        assert!(by_gravity.is_sorted());
        assert_eq!(by_gravity.map(Exit::code), [0, 2, 1, 3, 4]);
    }
}
