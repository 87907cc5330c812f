//! What can be wrong with a scenario file, and with the name of one.

use mayfly_settings::{Invalid, SettingsError};
use thiserror::Error;

/// A scenario that cannot be used. Its text is one line and says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScenarioError {
    /// The file cannot be read, or says something that the language does not know or that makes no sense.
    #[error(transparent)]
    File(#[from] SettingsError),
    /// No scenario has this name.
    #[error("there is no scenario `{name}` in {folder}{suggestion} (scenarios: {known})")]
    UnknownName {
        /// The name that was asked for.
        name: String,
        /// The folder that was searched.
        folder: String,
        /// `; did you mean …?`, or nothing.
        suggestion: String,
        /// All names, or `none`.
        known: String,
    },
    /// The name is that of a folder somewhere.
    #[error("{name} is a folder; name a file in it, or one of {folders}")]
    Folder {
        /// The name that was asked for.
        name: String,
        /// The folders that can be named.
        folders: String,
    },
    /// Two folders hold a scenario of this name.
    #[error("the name `{name}` is ambiguous, name the file instead: {candidates}")]
    AmbiguousName {
        /// The name that was asked for.
        name: String,
        /// The files of that name.
        candidates: String,
    },
    /// A folder of scenarios holds none.
    #[error("{folder} holds no scenario")]
    EmptyFolder {
        /// The folder.
        folder: String,
    },
    /// The scenarios' folder is nowhere to be found.
    #[error(
        "there is no folder `scenarios` in {start} or above it; run inside the repository or name a file"
    )]
    NoFolder {
        /// Where the search began.
        start: String,
    },
}

impl From<Invalid> for ScenarioError {
    fn from(invalid: Invalid) -> Self {
        Self::File(invalid.into())
    }
}
