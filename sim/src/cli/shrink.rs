//! `shrink`: of a run that failed, the smallest scenario file that fails in the same way.

use std::path::{Path, PathBuf};
use std::sync::Mutex;

use super::progress::Bar;
use super::workers::Workers;
use super::{Exit, crashed, load, print, printable, value};
use crate::bundle::Bundle;
use crate::check::CheckerName;
use crate::history::History;
use crate::judge::Judgement;
use crate::run::{Options, run_with};
use crate::scenario::{Scenario, ScenarioError};
use crate::shrink::{Manner, RUNS, Shrunk, Subject, shrink};

/// `shrink BUNDLE` or `shrink SCENARIO`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bundle that a failed run left, or a scenario: a name (`stale-get`) or the path of a file
    #[arg(value_name = "BUNDLE|SCENARIO")]
    subject: String,

    /// The seed, of a scenario; by default its own
    #[arg(long, allow_negative_numbers = true, value_parser = value::seed)]
    seed: Option<u64>,

    /// The checker whose violation is to stay; by default the first that found one
    #[arg(long, value_name = "NAME", value_parser = super::explain::checker)]
    checker: Option<CheckerName>,

    /// Do so many runs at most
    #[arg(long, value_name = "COUNT", default_value_t = RUNS, allow_negative_numbers = true, value_parser = value::seeds)]
    runs: u64,

    #[command(flatten)]
    workers: Workers,

    /// Where the scenario file is written; by default `…-shrunk.toml` beside the bundle's folder, or in the current one
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// A run that failed, from a bundle or done here.
struct Failed {
    scenario: Scenario,
    seed: u64,
    history: History,
    judgement: Judgement,
    output: PathBuf,
}

/// Shrinks the run and writes what is left.
pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    let failed = match failed(arguments)? {
        Ok(failed) => failed,
        Err(exit) => return Ok(exit),
    };
    let bar = Mutex::new(Bar::of_runs(arguments.runs));
    let manner =
        Manner { runs: arguments.runs, threads: arguments.workers.threads(), checker: arguments.checker };
    let subject = Subject {
        scenario: &failed.scenario,
        seed: failed.seed,
        history: &failed.history,
        judgement: &failed.judgement,
    };
    let shrunk = shrink(&subject, manner, |progress| {
        if let Ok(bar) = bar.lock() {
            bar.show_text(progress.runs, &progress.counts.to_string());
        }
    });
    if let Ok(bar) = bar.lock() {
        bar.clear();
    }
    Ok(match shrunk {
        Ok(shrunk) => write(&failed, &shrunk),
        Err(error) => {
            eprintln!("{}, seed {}: {error}", printable(&failed.scenario.name), failed.seed);
            Exit::ExpectationFailed
        }
    })
}

fn failed(arguments: &Arguments) -> Result<Result<Failed, Exit>, ScenarioError> {
    let path = Path::new(&arguments.subject);
    if path.is_dir() || path.file_name().is_some_and(|name| name == "bundle.json") {
        return Ok(of_bundle(path, arguments));
    }
    let mut loaded = load(std::slice::from_ref(&arguments.subject))?;
    let (Some(loaded), true) = (loaded.pop(), loaded.is_empty()) else {
        eprintln!("`{}` is a folder of scenarios, of which one can be shrunk; name one", arguments.subject);
        return Ok(Err(Exit::Invalid));
    };
    let seed = arguments.seed.unwrap_or(loaded.scenario.run.seed);
    let ran = match run_with(&loaded.scenario, &loaded.file, seed, Options::default(), |_| ()) {
        Ok(ran) => ran,
        Err(crash) => return Ok(Err(crashed(&loaded, &crash))),
    };
    let output = arguments.output.clone();
    let output = output.unwrap_or_else(|| PathBuf::from(format!("{}-shrunk.toml", loaded.scenario.name)));
    let (history, judgement) = (ran.history, ran.judgement);
    Ok(Ok(Failed { scenario: loaded.scenario, seed, history, judgement, output }))
}

fn of_bundle(path: &Path, arguments: &Arguments) -> Result<Failed, Exit> {
    let invalid = |message: String| {
        eprintln!("{message}");
        Exit::Invalid
    };
    if arguments.seed.is_some() {
        return Err(invalid("a bundle has its seed; remove --seed, or name a scenario".to_owned()));
    }
    let bundle = Bundle::read(path).map_err(|error| invalid(error.to_string()))?;
    let judgement =
        bundle.judge().map_err(|why| invalid(format!("a checker crashed on the bundle's history: {why}")))?;
    let Bundle { folder, scenario, seed, history, .. } = bundle;
    let beside = folder.with_file_name(format!(
        "{}-shrunk.toml",
        folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    ));
    let output = arguments.output.clone().unwrap_or(beside);
    Ok(Failed { scenario, seed, history, judgement, output })
}

fn write(failed: &Failed, shrunk: &Shrunk) -> Exit {
    let (checker, anomaly) = shrunk.violation;
    let Shrunk { before, after, runs, .. } = shrunk;
    print(&format!("{checker} finds {anomaly}: {before} became {after}, in {runs} runs\n"));
    if !shrunk.is_script {
        print(
            "not every client could be turned into a script that fails: those that are left do what they draw\n",
        );
    }
    print(if shrunk.is_minimal {
        "minimal: with any one more client, operation or fault left out it does not fail any more\n"
    } else {
        "perhaps not minimal: the runs were too few to try each part; give it more with --runs\n"
    });
    if let Err(error) = std::fs::write(&failed.output, &shrunk.text) {
        eprintln!("{} cannot be written: {error}; name another file with --output", failed.output.display());
        return Exit::Invalid;
    }
    print(&format!("cargo sim {}\n", failed.output.display()));
    Exit::Passed
}
