//! The report of a sweep, many runs of many scenarios: data, and what people and machines read of it.

mod junit;
mod markdown;
mod model;
mod page;

use std::fs;
use std::path::{Path, PathBuf};

pub use model::{
    Ended, FORMAT_VERSION, ScenarioCounts, Shard, SweepReport, SweepRun, SweptScenario, Verdict,
};

use crate::files::ReportError;

/// Writes a sweep's data (`sweep.json`), page (`index.html`), summary for a merge request (`summary.md`) and JUnit XML
/// (`junit.xml`) into `folder`, which exists, over those of an earlier one. Says where the page is.
///
/// # Errors
/// If a file cannot be written.
pub fn write(report: &SweepReport, folder: &Path) -> Result<PathBuf, ReportError> {
    let page = folder.join("index.html");
    let contents = [
        (folder.join("sweep.json"), report.to_json()),
        (folder.join("summary.md"), markdown::render(report)),
        (folder.join("junit.xml"), junit::render(report)),
        (page.clone(), page::render(report)),
    ];
    for (path, content) in contents {
        fs::write(&path, content).map_err(|source| ReportError::WriteFile { path, source })?;
    }
    Ok(page)
}
