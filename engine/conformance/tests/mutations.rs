//! The mutations fit the code as it is now, and there is one for each statement that certain seeds draw.

use std::collections::BTreeMap;

use mayfly_conformance::mutations::{Candidate, Entry, Mutation, candidates, draw};
use mayfly_conformance::sources::Sources;
use mayfly_conformance::workspace;

/// What can be run: each of these seeds, drawing so many.
const SEEDS: [u64; 2] = [1, 2];
const COUNT: usize = 40;

/// The seed that the committed log was made with.
const LOG_SEED: u64 = 1;

fn read() -> Vec<Candidate> {
    candidates().unwrap_or_else(|error| panic!("{error}"))
}

#[test]
fn every_edit_fits_the_code() {
    let mut problems = Vec::new();
    for candidate in read() {
        match &candidate.entry {
            Some(Entry::Mutation(mutation)) => {
                let found = problems_of(&candidate, mutation);
                problems.extend(found.into_iter().map(|problem| format!("{candidate}: {problem}")));
            }
            Some(Entry::Structural(reason)) if !reason.structural.ends_with('.') => {
                problems.push(format!("{candidate}: `structural` is no sentence"));
            }
            _ => {}
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

fn problems_of(candidate: &Candidate, mutation: &Mutation) -> Vec<String> {
    let mut problems = Vec::new();
    if !mutation.breaks.ends_with('.') {
        problems.push("`breaks` is no sentence".to_owned());
    }
    if mutation.edit.is_empty() {
        problems.push("nothing is edited".to_owned());
    }
    if candidate.tests().contains(&mutation.sentinel()) {
        problems.push("the table names its sentinel for it: name another test".to_owned());
    }
    let mut texts = BTreeMap::new();
    for edit in &mutation.edit {
        let is_engine = ["wire", "core", "net", "auth"]
            .iter()
            .any(|part| edit.file.starts_with(format!("engine/{part}/src")));
        if !is_engine {
            problems.push(format!("{} is not the broker's code", edit.file.display()));
        }
        let text = texts.entry(&edit.file).or_insert_with(|| {
            let path = workspace().join(&edit.file);
            std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
        });
        match edit.apply(text) {
            Ok(changed) => *text = changed,
            Err(problem) => problems.push(problem),
        }
    }
    problems
}

#[test]
fn sentinels_are_tests() {
    let mut sources = Sources::read().unwrap_or_else(|error| panic!("{error}"));
    for candidate in read() {
        if let Some(Entry::Mutation(mutation)) = &candidate.entry {
            sources.find(mutation.sentinel()).unwrap_or_else(|error| panic!("{candidate}: {error}"));
        }
    }
}

#[test]
fn what_is_drawn_has_an_entry() {
    let candidates = read();
    for seed in SEEDS {
        let drawn = draw(&candidates, seed, COUNT).drawn;
        assert_eq!(drawn.len(), COUNT);
        for candidate in drawn {
            assert!(candidate.entry.is_some(), "seed {seed} draws {candidate}, which has no entry");
        }
    }
}

#[test]
fn the_log_is_of_what_is_drawn() {
    let path = mayfly_conformance::folder().join("MUTATIONS.md");
    let log = std::fs::read_to_string(path).expect("the log is in the repository");
    for candidate in draw(&read(), LOG_SEED, COUNT).drawn {
        assert!(
            log.contains(&format!(" | {candidate} | ")),
            "MUTATIONS.md has no row for {candidate}: run cargo mutate --seed {LOG_SEED} --draw {COUNT}"
        );
    }
}
