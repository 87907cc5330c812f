//! One run of each scenario that is named: a table, and a report.

use std::path::{Path, PathBuf};

use mayfly_reports::{RunReport, directory, text};

use super::output::{NotWritten, prepare, print, write};
use super::progress::Bar;
use super::{Exit, Loaded, bundles, crashed, load, sweep, value};
use crate::explain::of_failure;
use crate::run::{Options, Ran, run_with};
use crate::scenario::ScenarioError;

/// `SCENARIO...`
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Arguments {
    /// Scenarios: names (`partition`), folders (`fast`) or paths of files
    #[arg(required = true, value_name = "SCENARIO")]
    scenarios: Vec<String>,

    /// The seed; by default the scenario's own
    #[arg(long, allow_negative_numbers = true, value_parser = value::seed)]
    seed: Option<u64>,

    /// Where reports are written
    #[arg(long, value_name = "FOLDER", default_value = "reports/runs")]
    reports: PathBuf,

    /// Write no report, and no bundle where the run fails
    #[arg(long)]
    no_report: bool,

    /// Write the run's bundle to this folder, whatever its verdict; for one scenario
    #[arg(long, value_name = "FOLDER")]
    bundle: Option<PathBuf>,
}

pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    let scenarios = load(&arguments.scenarios)?;
    let reports = (!arguments.no_report).then_some(arguments.reports.as_path());
    if reports.is_some_and(|folder| prepare(folder).is_err()) {
        return Ok(Exit::Invalid);
    }
    Ok(match scenarios.as_slice() {
        [loaded] => single(arguments, loaded),
        several if arguments.bundle.is_some() => {
            eprintln!(
                "--bundle takes the bundle of one run, and {} scenarios are named; name one",
                several.len()
            );
            Exit::Invalid
        }
        several => sweep::one_run_each(several, arguments.seed, reports),
    })
}

fn single(arguments: &Arguments, loaded: &Loaded) -> Exit {
    let seed = arguments.seed.unwrap_or(loaded.scenario.run.seed);
    let bar = Bar::of_run(&loaded.scenario.name, seed);
    let options = Options::default();
    let result = run_with(&loaded.scenario, &loaded.file, seed, options, |progress| bar.show(&progress));
    bar.clear();
    match result {
        Ok(Ran { mut report, history, .. }) => {
            report.explanation = of_failure(&history, &report, &loaded.scenario.expect.checkers);
            let written =
                if arguments.no_report { Ok(None) } else { write_run(&report, loaded, arguments).map(Some) };
            print(&text::run(&report, written.as_ref().ok().and_then(Option::as_deref)));
            let wanted = arguments.bundle.as_deref().map_or(Ok(()), |folder| {
                bundles::leave(loaded, &report, folder).map(|()| tell_of_bundle(folder))
            });
            match (Exit::from(&report), written.and(wanted)) {
                (Exit::Passed, Err(NotWritten)) => Exit::Invalid,
                (exit, _) => exit,
            }
        }
        Err(crash) => crashed(loaded, &crash),
    }
}

/// Writes the report of a run, and if it failed the whole bundle, below the folder of the reports; says where the page is.
fn write_run(report: &RunReport, loaded: &Loaded, arguments: &Arguments) -> Result<PathBuf, NotWritten> {
    if Exit::from(report) == Exit::Passed {
        return write(report, &arguments.reports);
    }
    let folder = directory(report, &arguments.reports);
    match bundles::leave(loaded, report, &folder) {
        Ok(()) => {
            tell_of_bundle(&folder);
            Ok(folder.join("report.html"))
        }
        // What can be had of it.
        Err(NotWritten) => write(report, &arguments.reports),
    }
}

fn tell_of_bundle(folder: &Path) {
    print(&format!("bundle: {}\n", folder.display()));
}
