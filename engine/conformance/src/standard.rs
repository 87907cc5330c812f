//! The normative statements of one standard, as its folder's files tell them.
//!
//! `standard.toml` names the standard and says how many statements each chapter and section has; every other file lists
//! some of them. The words are ours: who wants the standard's looks the number up there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::number::Number;
use crate::{FileError, read_toml, toml_files};

/// A standard and what it demands.
#[derive(Debug)]
pub struct Standard {
    /// Its name and its numbers' counts.
    pub about: About,
    /// What it demands, in its order.
    pub statements: BTreeMap<Number, Statement>,
}

/// What `standard.toml` says.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct About {
    /// As `MQTT 5.0`.
    pub name: String,
    /// How many statements each chapter has.
    pub chapters: BTreeMap<String, usize>,
    /// How many statements each section has.
    pub sections: BTreeMap<String, usize>,
    /// Numbers that the standard skips.
    #[serde(default)]
    pub skipped: Vec<Number>,
    /// Statements that the newer standard makes too, and their numbers there.
    #[serde(default)]
    pub same: BTreeMap<Number, Number>,
}

/// One normative statement.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// Whom it obliges.
    pub on: Side,
    /// What it demands, in our words.
    pub says: String,
    /// The tests that exercise it, as `package::target::module::function`; after a `#` the assertion, which stands in
    /// the test's body.
    #[serde(default)]
    pub tests: Vec<String>,
    /// Why no test of a server can exercise it, why the tests do not show all of it, or why the broker answers as it does.
    pub why: Option<String>,
}

/// Whom a statement obliges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Side {
    /// The server.
    Server,
    /// The client; a server can at most refuse what it must not send.
    Client,
    /// Both.
    Both,
}

impl Standard {
    /// Reads the files of `folder`. A number may stand in one file only.
    pub fn read(folder: &Path) -> Result<Self, FileError> {
        let about_path = folder.join("standard.toml");
        let about: About = read_toml(&about_path)?;
        let mut statements = BTreeMap::new();
        for path in toml_files(folder)?.into_iter().filter(|path| *path != about_path) {
            let file: BTreeMap<String, Statement> = read_toml(&path)?;
            for (text, statement) in file {
                let number: Number = text.parse().map_err(|error| FileError::new(&path, &error))?;
                if about.same.contains_key(&number) || statements.insert(number, statement).is_some() {
                    return Err(FileError::new(
                        &path,
                        &format!("{text} stands in two places: write it once"),
                    ));
                }
            }
        }
        Ok(Self { about, statements })
    }

    /// The numbers of all its statements.
    pub fn numbers(&self) -> BTreeSet<&Number> {
        self.statements.keys().chain(self.about.same.keys()).collect()
    }
}
