//! What can be wrong with a scenario file, and with the name of one.

use thiserror::Error;

/// A scenario that cannot be used. Its text is one line and says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ScenarioError {
    /// The file says something that the language does not know or that makes no sense.
    #[error("{path}:{line}:{column}: {message}")]
    Invalid {
        /// The file, as it was named.
        path: String,
        /// Line, from 1.
        line: usize,
        /// Column in characters, from 1.
        column: usize,
        /// What is wrong and what would be right.
        message: String,
    },
    /// The file cannot be read.
    #[error("{path}: cannot be read: {cause}")]
    Unreadable {
        /// The file, as it was named.
        path: String,
        /// The operating system's reason.
        cause: String,
    },
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

/// The candidate nearest to what was written, if it is near enough to have been meant.
pub(super) fn nearest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    // A transposition is one mistake, so Damerau's distance; a third of the letters may be wrong.
    let mut best: Option<(usize, &str)> = None;
    for candidate in candidates {
        let distance = strsim::damerau_levenshtein(written, candidate);
        let allowed = (written.chars().count().max(candidate.chars().count()) / 3).max(1);
        if distance <= allowed && best.is_none_or(|(least, _)| distance < least) {
            best = Some((distance, candidate));
        }
    }
    best.map(|(_, candidate)| candidate)
}
