//! One run of each scenario that is named: a table, and a report.

use std::path::PathBuf;

use mayfly_reports::text;

use super::output::{NotWritten, prepare, print, write};
use super::progress::Bar;
use super::{Exit, Loaded, crashed, load, sweep, value};
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

    /// Write no report
    #[arg(long)]
    no_report: bool,
}

pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    let scenarios = load(&arguments.scenarios)?;
    let reports = (!arguments.no_report).then_some(arguments.reports.as_path());
    if reports.is_some_and(|folder| prepare(folder).is_err()) {
        return Ok(Exit::Invalid);
    }
    Ok(match scenarios.as_slice() {
        [loaded] => single(arguments, loaded),
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
                if arguments.no_report { Ok(None) } else { write(&report, &arguments.reports).map(Some) };
            print(&text::run(&report, written.as_ref().ok().and_then(Option::as_deref)));
            match (Exit::from(&report), written) {
                (Exit::Passed, Err(NotWritten)) => Exit::Invalid,
                (exit, _) => exit,
            }
        }
        Err(crash) => crashed(loaded, &crash),
    }
}
