//! `explain`: why a run is violated, in the fewest operations that show it.

use mayfly_reports::text;

use super::output::print;
use super::progress::Bar;
use super::{Exit, Loaded, crashed, load, value};
use crate::check::CheckerName;
use crate::explain::{explain, worth_explaining};
use crate::run::{Options, Ran, run_with};
use crate::scenario::ScenarioError;

/// `explain SCENARIO`
#[derive(Debug, clap::Args)]
pub(super) struct Arguments {
    /// The scenario: a name (`partition`) or the path of a file
    #[arg(value_name = "SCENARIO")]
    scenario: String,

    /// The seed; by default the scenario's own
    #[arg(long, allow_negative_numbers = true, value_parser = value::seed)]
    seed: Option<u64>,

    /// Explain what this checker found; by default the first that found something
    #[arg(long, value_name = "NAME", value_parser = checker)]
    checker: Option<CheckerName>,

    /// Explain every kind of violation that was found, not the first alone
    #[arg(long)]
    all: bool,
}

/// Runs a scenario and explains what its checkers found.
pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    let loaded = load(std::slice::from_ref(&arguments.scenario))?;
    Ok(loaded.iter().map(|loaded| explained(arguments, loaded)).max().unwrap_or(Exit::Passed))
}

fn explained(arguments: &Arguments, loaded: &Loaded) -> Exit {
    let seed = arguments.seed.unwrap_or(loaded.scenario.run.seed);
    let bar = Bar::of_run(&loaded.scenario.name, seed);
    let ran =
        run_with(&loaded.scenario, &loaded.file, seed, Options::default(), |progress| bar.show(&progress));
    bar.clear();
    match ran {
        Ok(ran) => {
            print(&in_words(arguments, loaded, &ran));
            Exit::Passed
        }
        Err(crash) => crashed(loaded, &crash),
    }
}

fn in_words(arguments: &Arguments, loaded: &Loaded, ran: &Ran) -> String {
    let checkers = match arguments.checker {
        Some(checker) => vec![checker],
        None => loaded.scenario.expect.checkers.clone(),
    };
    let found = worth_explaining(&ran.history, &checkers);
    let Some((first, rest)) = found.split_first() else {
        let names: Vec<_> = checkers.iter().map(|checker| checker.as_str()).collect();
        return format!("There is nothing to explain: no violation was found by {}.\n", names.join(", "));
    };
    let wanted = if arguments.all { found.as_slice() } else { std::slice::from_ref(first) };
    let explained = wanted.iter().map(|(checker, example)| {
        text::explanation(&explain(&ran.history, &ran.report.faults, *checker, example)) + "\n"
    });
    let more = match rest.len() {
        _ if arguments.all => String::new(),
        0 => String::new(),
        1 => "1 more kind was found: see --all\n".to_owned(),
        more => format!("{more} more kinds were found: see --all\n"),
    };
    format!("{}{more}repeat with {}\n", explained.collect::<String>(), ran.report.repeat_command)
}

/// A checker's name.
pub(super) fn checker(name: &str) -> Result<CheckerName, String> {
    let known = CheckerName::ALL.iter().copied().find(|checker| checker.as_str() == name);
    known.ok_or_else(|| {
        let names: Vec<_> = CheckerName::ALL.iter().map(|checker| checker.as_str()).collect();
        format!("there is no checker `{name}`; the checkers are {}", names.join(", "))
    })
}
