//! The command line: which scenarios, which seeds, and what to print.
//!
//! One run prints its table and writes its report. Several runs print a line a scenario, and a report for each run that
//! failed.

mod batch;
mod progress;
mod value;

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use mayfly_reports::{Conclusion, RunReport, text};

use crate::run::{Crash, run};
use crate::scenario::{FOLDERS, Scenario, ScenarioError, all_in, find, scenarios_folder};
use progress::Bar;

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

    /// Scenarios: names (`partition`), folders (`fast`) or paths of files
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<String>,

    /// The seed; by default the scenario's own
    #[arg(long, conflicts_with = "seeds", allow_negative_numbers = true, value_parser = value::seed)]
    seed: Option<u64>,

    /// Run every seed from 1 to COUNT
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = value::seeds)]
    seeds: Option<u64>,

    /// Run each seed twice and fail where the trace hashes differ
    #[arg(long)]
    twice: bool,

    /// Runs at the same time; by default one a core
    #[arg(long, value_name = "COUNT", allow_negative_numbers = true, value_parser = value::jobs)]
    jobs: Option<u16>,

    /// Where reports are written
    #[arg(long, value_name = "FOLDER", default_value = "reports/runs")]
    reports: PathBuf,

    /// Write no report
    #[arg(long)]
    no_report: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Lists the scenarios
    List,
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

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Passed => 0,
            Exit::ConsistencyViolated => 1,
            Exit::ExpectationFailed => 2,
            Exit::Invalid => 3,
            Exit::Crashed => 4,
        })
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

/// A scenario that was read, and the path it was read from.
#[derive(Debug)]
struct Loaded {
    scenario: Scenario,
    file: String,
}

/// Follows the command line.
pub fn main(arguments: &Arguments) -> Exit {
    let followed = match arguments.command {
        Some(Command::List) => list(),
        None => load(&arguments.scenarios).map(|scenarios| match prepare(arguments) {
            Ok(()) => simulate(arguments, &scenarios),
            Err(why) => {
                eprintln!("{why}");
                Exit::Invalid
            }
        }),
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
    paths.iter().map(|path| Ok(Loaded { scenario: Scenario::load(path)?, file: shown(path) })).collect()
}

/// A path as a person would type it: relative to the current directory where it lies below.
fn shown(path: &Path) -> String {
    let current = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&current).unwrap_or(path).display().to_string()
}

/// Makes the folder of the reports and tries to write there, so that no run is done for nothing.
fn prepare(arguments: &Arguments) -> Result<(), String> {
    if arguments.no_report {
        return Ok(());
    }
    let folder = &arguments.reports;
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, ""))
        .and_then(|()| std::fs::remove_file(&probe));
    written.map_err(|error| {
        let folder = folder.display();
        format!("reports cannot be written to {folder}: {error}; name another folder with --reports, or use --no-report")
    })
}

fn simulate(arguments: &Arguments, scenarios: &[Loaded]) -> Exit {
    match (scenarios, arguments.seeds, arguments.twice) {
        ([loaded], None, false) => single(arguments, loaded),
        _ => batch::run_all(arguments, scenarios),
    }
}

fn single(arguments: &Arguments, loaded: &Loaded) -> Exit {
    let seed = arguments.seed.unwrap_or(loaded.scenario.run.seed);
    let bar = Bar::of_run(&loaded.scenario.name, seed);
    let result = run(&loaded.scenario, &loaded.file, seed, |progress| bar.show(&progress));
    bar.clear();
    match result {
        Ok(report) => {
            let written = write(arguments, &report);
            print(&text::run(&report, written.as_ref().ok().and_then(Option::as_deref)));
            match (Exit::from(&report), written) {
                (Exit::Passed, Err(NotWritten)) => Exit::Invalid,
                (exit, _) => exit,
            }
        }
        Err(crash) => crashed(loaded, &crash),
    }
}

/// Writes to the standard output. A reader that went away, such as `head`, changes nothing about how the command ends.
fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

fn crashed(loaded: &Loaded, crash: &Crash) -> Exit {
    eprintln!("{}: {crash}", loaded.scenario.name);
    eprintln!(
        "repeat with: {}",
        crate::report::repeat_command(&loaded.scenario.name, &loaded.file, crash.seed)
    );
    Exit::Crashed
}

/// A report could not be written, and the person has been told why.
struct NotWritten;

/// Writes a run's report, unless none is wanted; says where its page is.
fn write(arguments: &Arguments, report: &RunReport) -> Result<Option<PathBuf>, NotWritten> {
    if arguments.no_report {
        return Ok(None);
    }
    mayfly_reports::write(report, &arguments.reports).map(|paths| Some(paths.html)).map_err(|error| {
        eprintln!("{error}");
        NotWritten
    })
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
        let codes = by_gravity.map(ExitCode::from).map(|code| format!("{code:?}"));
        let documented = [0, 2, 1, 3, 4].map(|code: u8| format!("{:?}", ExitCode::from(code)));
        assert_eq!(codes, documented);
    }
}
