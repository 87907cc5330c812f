//! Which build did a run.

use std::fmt;

use mayfly_reports::Build;
use serde::{Deserialize, Serialize};

/// What a run was done with. Two builds with the same identity may differ where the commit is unknown or `-dirty`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// Version, commit, compiler and profile.
    #[serde(flatten)]
    pub build: Build,
    /// The target triple, such as `x86_64-unknown-linux-gnu`.
    pub target: String,
}

impl Identity {
    /// This build's.
    pub fn own() -> Self {
        Self { build: crate::report::build(), target: env!("MAYFLY_TARGET").to_owned() }
    }
}

impl fmt::Display for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Build { package_version, git_commit, rustc_version, profile } = &self.build;
        let commit = git_commit.as_deref().unwrap_or("unknown");
        write!(f, "{package_version}, commit {commit}, {rustc_version}, {profile}, {}", self.target)
    }
}
