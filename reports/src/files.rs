//! A run's report on disk: `<dir>/<scenario>-seed-<seed>/report.{json,html}`.

use std::io;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use thiserror::Error;

use crate::html;
use crate::model::RunReport;

/// Where a report was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WrittenPaths {
    /// The data.
    pub json: PathBuf,
    /// The page.
    pub html: PathBuf,
}

/// Why a report could not be written.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The report's directory could not be made.
    #[error("cannot create the report directory {path}: {source}", path = path.display())]
    CreateDirectory {
        /// The directory.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A file could not be written.
    #[error("cannot write the report {path}: {source}", path = path.display())]
    WriteFile {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

/// Writes the report's data and page below `dir`, over those of an earlier run of the same scenario and seed.
pub fn write(report: &RunReport, dir: &Path) -> Result<WrittenPaths, ReportError> {
    let run_dir = directory(report, dir);
    fs::create_dir_all(&run_dir)
        .map_err(|source| ReportError::CreateDirectory { path: run_dir.clone(), source })?;
    let paths = WrittenPaths { json: run_dir.join("report.json"), html: run_dir.join("report.html") };
    for (path, content) in [(&paths.json, report.to_json()), (&paths.html, html::render(report))] {
        fs::write(path, content).map_err(|source| ReportError::WriteFile { path: path.clone(), source })?;
    }
    Ok(paths)
}

/// Where [`write()`] puts a report below `dir`: a directory of its own.
pub fn directory(report: &RunReport, dir: &Path) -> PathBuf {
    dir.join(directory_name(&report.scenario.name, report.seed))
}

/// A name that is one component of a path on every system, whatever the scenario is called.
fn directory_name(scenario: &str, seed: u64) -> String {
    let plain = |character: char| {
        if character.is_ascii_alphanumeric() || matches!(character, '-' | '_') { character } else { '-' }
    };
    scenario.chars().map(plain).chain(iter::once('-')).collect::<String>() + &format!("seed-{seed}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scenario_name_never_leaves_the_directory() {
        assert_eq!(directory_name("partition", 7), "partition-seed-7");
        assert_eq!(directory_name("../a b\\c", 0), "---a-b-c-seed-0");
    }
}
