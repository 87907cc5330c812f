//! What can be wrong with a bundle.

use std::path::PathBuf;

use thiserror::Error;

use super::FORMAT_VERSION;

/// A bundle that cannot be read or written. Its text is one line and says what would be right.
#[derive(Debug, Error)]
pub enum BundleError {
    /// Nothing is there.
    #[error(
        "there is no bundle {path}; name a folder that a failed run left, such as reports/runs/NAME-seed-1",
        path = path.display()
    )]
    NotThere {
        /// What was named.
        path: PathBuf,
    },
    /// Something else is there.
    #[error(
        "{path} is no bundle, since it has no bundle.json; name a folder that a failed run left, or make one with \
         `cargo sim NAME --seed N --bundle FOLDER`",
        path = path.display()
    )]
    NoBundle {
        /// What was named.
        path: PathBuf,
    },
    /// The operating system refuses.
    #[error("{path}: cannot be read: {cause}", path = path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
    /// It is not the JSON that it should be.
    #[error("{path}:{line}:{column}: {what}; it is not as the simulator wrote it", path = path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: usize,
        /// Column, from 1.
        column: usize,
        /// What is wrong.
        what: String,
    },
    /// Some other program's `bundle.json`.
    #[error(
        "{path}: it says that it is `{found}`, but a bundle of the simulator says `mayfly-bundle`",
        path = path.display()
    )]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What it says.
        found: String,
    },
    /// Another version of the simulator wrote it.
    #[error(
        "{path}: it has format version {found}, and this build reads version {FORMAT_VERSION}; use the build that wrote it: \
         {build}",
        path = path.display()
    )]
    Version {
        /// The file.
        path: PathBuf,
        /// The version that it names.
        found: u64,
        /// The build that it names.
        build: String,
    },
    /// A file of it is gone.
    #[error("{path} is missing; copy the whole folder of the bundle again", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
    },
    /// A file is not the one that was written.
    #[error("{path} is not as it was written: {what}; copy the bundle again", path = path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// How it differs.
        what: String,
    },
    /// The files do not fit together.
    #[error("{path}: {what}; no run leaves that", path = path.display())]
    Unsound {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// The scenario is none, to this build.
    #[error("the bundle's scenario cannot be used by this build: {0}")]
    Scenario(#[from] crate::scenario::ScenarioError),
    /// The place is taken.
    #[error("{path} holds `{other}`, which is no part of a bundle; name a new folder", path = path.display())]
    Occupied {
        /// The folder.
        path: PathBuf,
        /// A file in it.
        other: String,
    },
    /// It cannot be written.
    #[error("the bundle {path} cannot be written: {cause}", path = path.display())]
    Unwritable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        cause: std::io::Error,
    },
}
