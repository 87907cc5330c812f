//! `check`: a bundle's history judged anew, without a run.

use std::path::PathBuf;

use mayfly_reports::{Checker, CheckerVerdict};

use super::{Exit, print, printable};
use crate::bundle::{Bundle, BundleError};
use crate::check::{CheckReport, Verdict};
use crate::scenario::ScenarioError;

/// `check BUNDLE`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The bundle: the folder that a failed run left
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
}

/// Judges the history. It passes where the verdict is the same as in the bundle.
#[expect(clippy::unnecessary_wraps, reason = "the signature that every command has")]
pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    Ok(check(arguments).unwrap_or_else(|error| {
        eprintln!("{error}");
        Exit::Invalid
    }))
}

fn check(arguments: &Arguments) -> Result<Exit, BundleError> {
    let bundle = Bundle::read(&arguments.bundle)?;
    let judgement = match bundle.judge() {
        Ok(judgement) => judgement,
        Err(why) => {
            eprintln!("{}: a checker crashed on the bundle's history: {why}", bundle.scenario.name);
            return Ok(Exit::Crashed);
        }
    };
    let mut is_same = true;
    for check in &judgement.checks {
        let name = check.checker.as_str();
        let now = of_check(check);
        let then = bundle.report.checkers.iter().find(|then| then.name == name).map(of_report);
        if then.as_ref() == Some(&now) {
            print(&format!("{name}: {now}, as in the bundle\n"));
        } else {
            is_same = false;
            let then = then.unwrap_or_else(|| "not asked".to_owned());
            print(&format!("{name}: {now}; in the bundle: {}\n", printable(&then)));
        }
    }
    let (then, now) = (&bundle.report.verdict, &judgement.verdict);
    is_same &= then == now;
    let headline = printable(&now.headline);
    if then == now {
        print(&format!("the same verdict as in the bundle: {headline}\n"));
    } else {
        print(&format!("another verdict: {headline}\nin the bundle:   {}\n", printable(&then.headline)));
    }
    Ok(if is_same { Exit::Passed } else { Exit::ExpectationFailed })
}

/// A verdict with all that the checker named, in words.
fn of_check(check: &CheckReport) -> String {
    let mut titles =
        check.counter_examples.iter().map(|example| format!("{}: {}", example.anomaly, example.headline));
    let count = check.counter_examples.len();
    match &check.verdict {
        Verdict::Valid => "valid".to_owned(),
        Verdict::Undecided { why } => format!("undecided, since {why}"),
        Verdict::Violated => violated(count, titles.next()),
    }
}

fn of_report(checker: &Checker) -> String {
    match &checker.verdict {
        CheckerVerdict::Valid => "valid".to_owned(),
        CheckerVerdict::Undecided { why } => format!("undecided, since {why}"),
        CheckerVerdict::Violated => {
            let examples = &checker.counter_examples;
            violated(examples.len(), examples.first().map(|example| example.title.clone()))
        }
    }
}

fn violated(count: usize, first: Option<String>) -> String {
    format!("violated, {count} counter-examples, the first: {}", first.unwrap_or_default())
}
