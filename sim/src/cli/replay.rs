//! `replay`: a bundle's run once more, compared with what the bundle has of it.

use std::path::PathBuf;

use mayfly_reports::{RunReport, TraceHash};

use super::bundles::KEPT;
use super::difference::first_difference;
use super::progress::Bar;
use super::{Exit, print, printable};
use crate::bundle::{Bundle, BundleError, Identity};
use crate::run::{Ran, run_with};
use crate::scenario::ScenarioError;
use crate::trace::Event;

/// `replay BUNDLE`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bundle: the folder that a failed run left
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
}

/// Repeats the run. It passes where the run did the same.
#[expect(clippy::unnecessary_wraps, reason = "the signature that every command has")]
pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    Ok(replay(arguments).unwrap_or_else(|error| {
        eprintln!("{error}");
        Exit::Invalid
    }))
}

fn replay(arguments: &Arguments) -> Result<Exit, BundleError> {
    let bundle = Bundle::read(&arguments.bundle)?;
    let bar = Bar::of_run(&bundle.scenario.name, bundle.seed);
    let ran = run_with(&bundle.scenario, &bundle.file, bundle.seed, KEPT, |progress| bar.show(&progress));
    bar.clear();
    let ran = match ran {
        Ok(ran) => ran,
        Err(crash) => {
            eprintln!("{}: {crash}", bundle.scenario.name);
            return Ok(Exit::Crashed);
        }
    };
    let name = printable(&bundle.scenario.name);
    print(&format!("{name}, seed {}: {}\n", bundle.seed, printable(&ran.report.verdict.headline)));
    if ran.report.trace_hash == TraceHash::Hex(bundle.trace_hash.clone()) {
        let events = ran.event_count;
        print(&format!("the same run as in the bundle: {events} events, trace hash {}\n", bundle.trace_hash));
        return Ok(Exit::Passed);
    }
    print(&told(&bundle, &ran)?);
    Ok(Exit::ExpectationFailed)
}

/// How the two runs differ.
fn told(bundle: &Bundle, ran: &Ran) -> Result<String, BundleError> {
    let whose = if bundle.build == Identity::own() {
        "although the build has the same name: is one of the two built from changed sources?\n".to_owned()
    } else {
        let (then, now) = (printable(&bundle.build.to_string()), Identity::own());
        format!("which was done with another build\n  bundle: {then}\n  here:   {now}\n")
    };
    let events = ran.events.iter().map(Event::to_string);
    let where_they_part = match first_difference(bundle.trace()?, events) {
        Some(difference) => {
            let lines = difference.text(["bundle:", "here:"]);
            format!("event {} is the first that differs\n{lines}", difference.event())
        }
        None if bundle.events_kept < bundle.events => {
            format!("the first {} events are equal, and no more are kept\n", bundle.events_kept)
        }
        None => "every event is equal; this build reads something else in the scenario's file\n".to_owned(),
    };
    let (then, now) = (conclusion(&bundle.report), conclusion(&ran.report));
    let verdicts = if then == now {
        "the verdict is the same\n".to_owned()
    } else {
        format!("the verdict was: {then}\nand now is:      {now}\n")
    };
    Ok(format!("another run than the bundle's, {whose}{where_they_part}{verdicts}"))
}

fn conclusion(report: &RunReport) -> String {
    let verdict = &report.verdict;
    printable(&format!("{:?}: {}", verdict.conclusion, verdict.headline))
}
