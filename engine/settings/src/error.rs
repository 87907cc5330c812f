//! What can be wrong with a file.

use thiserror::Error;

/// A place in a file where it says something that is not known or makes no sense. One line.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{path}:{line}:{column}: {message}")]
pub struct Invalid {
    /// The file, as it was named.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// What is wrong and what would be right.
    pub message: String,
}

/// A file that cannot be used. Its text is one line and says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SettingsError {
    /// It says something that is not known or makes no sense.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It cannot be read.
    #[error("{path}: cannot be read: {cause}")]
    Unreadable {
        /// The file, as it was named.
        path: String,
        /// The operating system's reason.
        cause: String,
    },
}
