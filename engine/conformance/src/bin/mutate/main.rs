//! `mutate`: breaks the broker, a normative statement at a time, and sees that a test which the conformance table names
//! for the statement fails.
//!
//! It works in a temporary worktree of the commit that is checked out, with a target directory of its own, which it
//! keeps for the next run. Nothing of the tree that it is started from changes, but the log.

mod building;
mod judging;
mod log;
mod tree;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, ensure};
use clap::Parser;
use mayfly_conformance::folder;
use mayfly_conformance::mutations::{Candidate, Entry, candidates, draw};

use judging::Judge;
use log::Log;
use tree::Tree;

/// Breaks the broker, a normative statement at a time, and sees that a test which the table names for it fails.
///
/// Exit status: 0 every mutation was caught; 1 one was not, or it could not be tried; 2 the command line cannot be
/// followed.
#[derive(Debug, Parser)]
#[command(name = "mutate")]
struct Arguments {
    /// Draws the statements
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// So many statements are drawn
    #[arg(long, default_value_t = 40)]
    draw: usize,
    /// Only prints what is drawn, and which entries are missing
    #[arg(long)]
    list: bool,
    /// Tries these statements instead, as `mqtt5/3.1.2-4`, and writes no log
    #[arg(long, value_name = "STATEMENT", num_args = 1..)]
    only: Vec<String>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<bool> {
    let candidates = candidates()?;
    let mut draw = draw(&candidates, arguments.seed, arguments.draw);
    if !arguments.only.is_empty() {
        draw.drawn = chosen(&candidates, &arguments.only)?;
        draw.passed_over.clear();
    }
    if arguments.list {
        draw.drawn.iter().for_each(|candidate| list(candidate));
        draw.passed_over.iter().for_each(|(candidate, _)| list(candidate));
        return Ok(true);
    }
    let missing: Vec<_> =
        draw.drawn.iter().filter(|candidate| candidate.entry.is_none()).map(ToString::to_string).collect();
    ensure!(
        missing.is_empty(),
        "{} is drawn: write an entry in engine/conformance/mutations",
        missing.join(", ")
    );

    let writes_log = arguments.only.is_empty();
    let tree = Tree::of_head()?;
    ensure!(!writes_log || tree.is_committed, "the log is of a commit: commit what has changed first");
    let judge = Judge::new(&tree)?;
    judge.see_green(&draw.drawn)?;
    let mut log = Log::new(arguments.seed, &tree.commit, &draw.passed_over);
    for (position, candidate) in draw.drawn.iter().enumerate() {
        let Some(Entry::Mutation(mutation)) = &candidate.entry else { continue };
        let verdict = judge.judge(candidate, mutation).with_context(|| format!("{candidate}"))?;
        println!("{:>2} {candidate}: {verdict}", position + 1);
        log.add(candidate, mutation, &verdict);
    }
    println!("{}", log.summary());
    if writes_log {
        let path: PathBuf = folder().join("MUTATIONS.md");
        std::fs::write(&path, log.page()).with_context(|| path.display().to_string())?;
    }
    Ok(log.is_clean())
}

fn chosen<'a>(candidates: &'a [Candidate], names: &[String]) -> anyhow::Result<Vec<&'a Candidate>> {
    let find = |name: &String| {
        let found = candidates.iter().find(|candidate| candidate.to_string() == *name);
        found.with_context(|| format!("`{name}` is no statement that tests exercise: write mqtt5/3.1.2-4"))
    };
    names.iter().map(find).collect()
}

fn list(candidate: &Candidate) {
    let state = match &candidate.entry {
        None => "no entry",
        Some(Entry::Mutation(_)) => "mutation",
        Some(Entry::Structural(_)) => "passed over",
    };
    println!("{candidate}\t{state}\t{}\t{}", candidate.statement.says, candidate.tests().join(" "));
}
