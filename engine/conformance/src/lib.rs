//! Every normative statement of MQTT 5 and 3.1.1, with the tests that exercise it, and byte-exact exchanges for each
//! control packet.
//!
//! The data is in files that people write: statements in `mqtt5/` and `mqtt311/`, exchanges in `exchanges/`. This crate
//! reads them, finds out whether the tests that a statement names exist, and renders the table as `CONFORMANCE.md`. It
//! never runs the engine: `tests/exchanges` drives that. Whether those tests would notice a broken engine, `mutate` finds
//! out with the edits in `mutations/`.
//!
//! # Layout
//! - [`number`]: `3.1.2-4`, with its order
//! - [`standard`]: the statements of one standard
//! - [`exchange`]: the exchanges of one file
//! - [`sources`]: the tests of the workspace, found by reading its sources
//! - [`check`]: what is wrong with the table
//! - [`render`]: the table as a page
//! - [`mutations`]: for a statement, what to break so that its tests must fail; `mutate` breaks it

pub mod check;
pub mod exchange;
pub mod mutations;
pub mod number;
pub mod render;
pub mod sources;
pub mod standard;

use std::path::{Path, PathBuf};

/// A file that could not be read, or does not say what it should.
#[derive(Debug, thiserror::Error)]
#[error("{}: {problem}", path.display())]
pub struct FileError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it; with line and column where it is its syntax.
    pub problem: String,
}

impl FileError {
    fn new(path: &Path, problem: &impl ToString) -> Self {
        Self { path: path.to_owned(), problem: problem.to_string() }
    }
}

/// The folder of this crate, where its data is.
pub fn folder() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The root of the workspace.
pub fn workspace() -> PathBuf {
    folder().join("../..")
}

/// Reads a file and parses it as TOML.
fn read_toml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T, FileError> {
    let text = std::fs::read_to_string(path).map_err(|error| FileError::new(path, &error))?;
    toml::from_str(&text).map_err(|error| FileError::new(path, &error))
}

/// The files of a folder that end in `.toml`, by name.
fn toml_files(folder: &Path) -> Result<Vec<PathBuf>, FileError> {
    let entries = std::fs::read_dir(folder).map_err(|error| FileError::new(folder, &error))?;
    let paths: Result<Vec<_>, _> = entries.map(|entry| entry.map(|entry| entry.path())).collect();
    let mut paths = paths.map_err(|error| FileError::new(folder, &error))?;
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "toml"));
    paths.sort();
    Ok(paths)
}
