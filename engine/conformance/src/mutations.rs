//! Mutations: for a normative statement, how to break the code that enforces it, so that a test that the table names for
//! it must fail. The files in `mutations/` list them, a folder a standard; `mutate` carries them out.
//!
//! Which statements are broken is not ours to choose: a seed puts all that tests exercise into an order, and the first so
//! many of it are drawn. One whose enforcement is no code that could be taken away is passed over, with the reason.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::check::split;
use crate::number::Number;
use crate::standard::{Standard, Statement};
use crate::{FileError, folder, read_toml, toml_files};

/// The standards, by the names of their folders.
pub const STANDARDS: [&str; 2] = ["mqtt5", "mqtt311"];

/// A statement that tests exercise.
#[derive(Clone, Debug)]
pub struct Candidate {
    /// The folder of its standard.
    pub standard: &'static str,
    /// Its number there.
    pub number: Number,
    /// What it demands, and the tests that show it.
    pub statement: Statement,
    /// How to break it.
    pub entry: Option<Entry>,
}

/// What the files say of one statement.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Entry {
    /// It can be broken.
    Mutation(Mutation),
    /// It can't.
    Structural(Structural),
}

/// How to break the code that enforces a statement.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutation {
    /// What the broker does wrong then, in a sentence.
    pub breaks: String,
    /// A test that has nothing to do with the statement and stays green, where [`SENTINEL`] does not serve.
    pub sentinel: Option<String>,
    /// What is edited.
    pub edit: Vec<Edit>,
}

/// One place of the code, and what stands there instead.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Edit {
    /// The file, from the root of the workspace.
    pub file: PathBuf,
    /// What stands in it, exactly once.
    pub find: String,
    /// What stands there instead.
    pub replace: String,
}

/// Why there is nothing to break.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Structural {
    /// The reason, in a sentence.
    pub structural: String,
}

/// A test that stays green: what breaks everything shows nothing.
pub const SENTINEL: &str = "mayfly-conformance::exchanges::publish::qos_0";

impl fmt::Display for Candidate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.standard, self.number)
    }
}

impl Candidate {
    /// The paths of the tests that the table names for it.
    pub fn tests(&self) -> Vec<&str> {
        let mut paths: Vec<_> = self.statement.tests.iter().map(|entry| split(entry).0).collect();
        paths.dedup();
        paths
    }
}

/// All statements that tests exercise, each with its entry.
pub fn candidates() -> Result<Vec<Candidate>, FileError> {
    let mut candidates = Vec::new();
    for name in STANDARDS {
        let entries_folder = folder().join("mutations").join(name);
        let mut entries = read_entries(&entries_folder)?;
        for (number, statement) in Standard::read(&folder().join(name))?.statements {
            if !statement.tests.is_empty() {
                let entry = entries.remove(&number);
                candidates.push(Candidate { standard: name, number, statement, entry });
            }
        }
        if let Some(number) = entries.keys().next() {
            let problem = format!("{number} is no statement that tests exercise: take its entry out");
            return Err(FileError::new(&entries_folder, &problem));
        }
    }
    Ok(candidates)
}

fn read_entries(folder: &Path) -> Result<BTreeMap<Number, Entry>, FileError> {
    let mut entries = BTreeMap::new();
    for path in toml_files(folder)? {
        let file: BTreeMap<String, Entry> = read_toml(&path)?;
        for (text, entry) in file {
            let number: Number = text.parse().map_err(|error| FileError::new(&path, &error))?;
            if entries.insert(number, entry).is_some() {
                return Err(FileError::new(&path, &format!("{text} stands in two places: write it once")));
            }
        }
    }
    Ok(entries)
}

/// What a seed draws.
#[derive(Debug)]
pub struct Draw<'a> {
    /// The statements to break. One without an entry is among them.
    pub drawn: Vec<&'a Candidate>,
    /// Those that were passed over, and why.
    pub passed_over: Vec<(&'a Candidate, &'a str)>,
}

/// Draws `count` statements. The order depends on the seed and each statement's number alone, so that a change of the
/// table moves no other statement.
pub fn draw(candidates: &[Candidate], seed: u64, count: usize) -> Draw<'_> {
    let mut order: Vec<_> = candidates.iter().collect();
    order.sort_by_key(|candidate| xxh3_64_with_seed(candidate.to_string().as_bytes(), seed));
    let mut draw = Draw { drawn: Vec::new(), passed_over: Vec::new() };
    for candidate in order {
        if draw.drawn.len() == count {
            break;
        }
        match &candidate.entry {
            Some(Entry::Structural(reason)) => draw.passed_over.push((candidate, &reason.structural)),
            _ => draw.drawn.push(candidate),
        }
    }
    draw
}

impl Mutation {
    /// The test that stays green.
    pub fn sentinel(&self) -> &str {
        self.sentinel.as_deref().unwrap_or(SENTINEL)
    }
}

impl Edit {
    /// `text`, the contents of its file, edited; or what is wrong with the edit.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        let file = self.file.display();
        if self.find == self.replace {
            return Err(format!("`find` and `replace` are the same: nothing in {file} is broken"));
        }
        match text.matches(&self.find).count() {
            1 => Ok(text.replacen(&self.find, &self.replace, 1)),
            0 => Err(format!("`find` does not stand in {file}: write what enforces the statement now")),
            count => Err(format!("`find` stands {count} times in {file}: write more of what surrounds it")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standard::Side;

    fn candidate(place: u16, entry: Option<Entry>) -> Candidate {
        let number = Number { section: vec![1], place };
        let statement = Statement { on: Side::Server, says: String::new(), tests: Vec::new(), why: None };
        Candidate { standard: "mqtt5", number, statement, entry }
    }

    fn places(draw: &[&Candidate]) -> Vec<u16> {
        draw.iter().map(|candidate| candidate.number.place).collect()
    }

    #[test]
    fn a_seed_draws_the_same_whatever_else_is_in_the_table() {
        let all: Vec<_> = (1..=100).map(|place| candidate(place, None)).collect();
        let drawn = places(&draw(&all, 1, 40).drawn);
        assert_eq!(drawn.len(), 40);
        assert_eq!(drawn, places(&draw(&all, 1, 40).drawn));
        assert_ne!(drawn, places(&draw(&all, 2, 40).drawn));
        let fewer: Vec<_> =
            all.iter().filter(|candidate| candidate.number.place != drawn[7]).cloned().collect();
        let again = places(&draw(&fewer, 1, 39).drawn);
        assert_eq!(again[..7], drawn[..7]);
        assert_eq!(again[7..], drawn[8..]);
    }

    #[test]
    fn what_is_structural_gives_way_to_the_next() {
        let mut all: Vec<_> = (1..=9).map(|place| candidate(place, None)).collect();
        let order = places(&draw(&all, 1, 9).drawn);
        let structural = Structural { structural: "A type.".to_owned() };
        all[usize::from(order[1]) - 1].entry = Some(Entry::Structural(structural));
        let draw = draw(&all, 1, 2);
        assert_eq!(places(&draw.drawn), [order[0], order[2]]);
        assert_eq!(draw.passed_over.len(), 1);
        assert_eq!((draw.passed_over[0].0.number.place, draw.passed_over[0].1), (order[1], "A type."));
    }

    #[test]
    fn an_edit_changes_one_place() {
        let edit = |find: &str, replace: &str| Edit {
            file: "a.rs".into(),
            find: find.to_owned(),
            replace: replace.to_owned(),
        };
        assert_eq!(edit("b", "x").apply("abc"), Ok("axc".to_owned()));
        assert!(edit("d", "x").apply("abc").is_err_and(|error| error.contains("does not stand in a.rs")));
        assert!(edit("b", "x").apply("abcb").is_err_and(|error| error.contains("2 times")));
        assert!(edit("b", "b").apply("abc").is_err());
    }
}
