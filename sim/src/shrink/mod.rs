//! Shrinking: of a run that failed, the smallest scenario that fails in the same way.
//!
//! The run becomes a script: what each client did, at its time, as the history has it, and the scenario's faults. Then clients,
//! faults and operations are left out by delta debugging, times get shorter and rounder, and settings what they are by default, as
//! long as the same checker still finds the same anomaly. What is left is a scenario file that stands alone, and of which nothing
//! more can be left out; that is made sure of at the end.
//!
//! Where the script does not fail, clients stay the generators that they are, and only clients, faults, times and settings shrink.
//!
//! `plan` is a scenario in the form in which parts can be left out, `script` makes one of a history, `oracle` runs
//! candidates, `reduce` proposes them. Bounded by runs, and what is tried does not depend on how many run at a time: so the
//! result does not depend on the machine.

mod oracle;
mod plan;
mod reduce;
mod script;
mod simplify;

use thiserror::Error;

use crate::check::{Anomaly, CheckerName};
use crate::history::History;
use crate::judge::Judgement;
use crate::scenario::Scenario;
use oracle::Oracle;
pub use plan::Counts;
use plan::Plan;
use reduce::Reduction;

/// Runs where nobody says how many: some two minutes on two cores, at worst.
pub const RUNS: u64 = 3000;

/// Seeds that are tried before a script is given up.
const FIRST_SEEDS: u64 = 8;

/// A run that failed.
#[derive(Clone, Copy, Debug)]
pub struct Subject<'a> {
    /// What was run.
    pub scenario: &'a Scenario,
    /// The seed.
    pub seed: u64,
    /// What its clients did and saw.
    pub history: &'a History,
    /// What was said of it.
    pub judgement: &'a Judgement,
}

/// How it is done.
#[derive(Clone, Copy, Debug)]
pub struct Manner {
    /// Runs at most.
    pub runs: u64,
    /// Runs at the same time; changes nothing about the result.
    pub threads: usize,
    /// The checker whose violation is to stay; by default the first that found one that the scenario expects, or any.
    pub checker: Option<CheckerName>,
}

/// How far it is.
#[derive(Clone, Copy, Debug)]
pub struct Progress {
    /// Runs done.
    pub runs: u64,
    /// The size of what still fails.
    pub counts: Counts,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shrunk {
    /// The scenario file.
    pub text: String,
    /// Who finds what in it.
    pub violation: (CheckerName, Anomaly),
    /// The size of the run that failed, and of what is left.
    pub before: Counts,
    /// See `before`.
    pub after: Counts,
    /// Whether it was made sure that nothing more can be left out; the runs may have been too few for that.
    pub is_minimal: bool,
    /// Whether every client is a script; some, or all, are generators if not.
    pub is_script: bool,
    /// Runs that it took.
    pub runs: u64,
}

/// A run that cannot be shrunk.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ShrinkError {
    /// No checker found anything.
    #[error("{0}; there is nothing to shrink without a violation that a checker found")]
    NoViolation(String),
    /// Neither as a script nor as it was it fails again.
    #[error(
        "with its demands on work and faults taken away, the scenario does not fail again under seed {seed}: {checker} finds no \
         {anomaly}"
    )]
    FailsNoMore {
        /// The seed.
        seed: u64,
        /// The checker.
        checker: CheckerName,
        /// What it had found.
        anomaly: Anomaly,
    },
    /// The scenario's text cannot be taken apart.
    #[error("the scenario cannot be taken apart: {0}")]
    Text(String),
}

/// Shrinks a run that failed.
///
/// # Errors
/// If no checker found a violation, or it is not found again.
pub fn shrink(
    subject: &Subject<'_>,
    manner: Manner,
    watch: impl Fn(Progress) + Sync,
) -> Result<Shrunk, ShrinkError> {
    let violation = violation(subject, manner)?;
    let oracle = Oracle::new(violation, subject.scenario, manner, &watch);
    let scripted = script::plan(subject, violation).map_err(ShrinkError::Text)?;
    let before = Counts {
        clients: subject.scenario.clients().len(),
        faults: subject.scenario.faults.len(),
        operations: scripted.counts().operations,
    };
    let mut start = oracle.first(&[scripted], FIRST_SEEDS);
    if start.is_none() {
        let generated =
            Plan::generated(subject.scenario, subject.seed, violation).map_err(ShrinkError::Text)?;
        start = oracle.first(&[generated], 1);
    }
    let (checker, anomaly) = violation;
    let start = start.ok_or(ShrinkError::FailsNoMore { seed: subject.seed, checker, anomaly })?;
    let mut reduction = Reduction::new(&oracle, start);
    reduction.run();
    let is_minimal = reduction.is_minimal();
    let plan = reduction.plan();
    let after = plan.counts();
    Ok(Shrunk {
        text: plan.text(&comment(subject, (before, after), plan.is_script(), is_minimal)),
        violation,
        before,
        after,
        is_minimal,
        is_script: plan.is_script(),
        runs: oracle.runs(),
    })
}

/// The violation that is to stay: one that the scenario expects, or the first.
fn violation(subject: &Subject<'_>, manner: Manner) -> Result<(CheckerName, Anomaly), ShrinkError> {
    let found: Vec<_> = subject
        .judgement
        .checks
        .iter()
        .flat_map(|check| check.counter_examples.iter().map(|example| (check.checker, example.anomaly)))
        .filter(|(checker, _)| manner.checker.is_none_or(|wanted| wanted == *checker))
        .collect();
    let expected = subject.scenario.expect.caught_by.iter().map(|caught| (caught.checker, caught.anomaly));
    let expected = expected.into_iter().find(|expected| found.contains(expected));
    expected
        .or_else(|| found.first().copied())
        .ok_or_else(|| ShrinkError::NoViolation(subject.judgement.verdict.headline.clone()))
}

fn comment(
    subject: &Subject<'_>,
    (before, after): (Counts, Counts),
    is_script: bool,
    is_minimal: bool,
) -> String {
    let (name, seed) = (&subject.scenario.name, subject.seed);
    let mut lines = vec![
        format!("Shrunk from the scenario `{name}` with seed {seed}: {before} became"),
        format!("{after}."),
    ];
    if !is_script {
        lines.push("Clients that are no scripts could not be turned into ones that fail.".to_owned());
    }
    lines.push(if is_minimal {
        "With any one more of them left out it does not fail any more.".to_owned()
    } else {
        "The runs were too few to make sure that nothing more can be left out.".to_owned()
    });
    lines.into_iter().map(|line| format!("# {line}\n")).collect::<Vec<_>>().concat()
}
