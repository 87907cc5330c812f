//! What goes to the terminal and to disk.

use std::io::Write;
use std::path::{Path, PathBuf};

use mayfly_reports::RunReport;

/// A report could not be written, and the person has been told why.
#[derive(Debug)]
pub(super) struct NotWritten;

/// Writes to the standard output. A reader that went away, such as `head`, changes nothing about how the command ends.
pub(super) fn print(text: &str) {
    let _ = std::io::stdout().write_all(text.as_bytes());
}

/// Makes the folder of the reports and tries to write there, so that no run is done for nothing. Says what is wrong.
pub(super) fn prepare(folder: &Path) -> Result<(), NotWritten> {
    let probe = folder.join(format!(".probe-{}", std::process::id()));
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&probe, ""))
        .and_then(|()| std::fs::remove_file(&probe));
    written.map_err(|error| {
        let folder = folder.display();
        eprintln!(
            "reports cannot be written to {folder}: {error}; name another folder with --reports, or use --no-report"
        );
        NotWritten
    })
}

/// Writes a run's report below a folder; says where its page is. A bundle that lay there is one no longer.
pub(super) fn write(report: &RunReport, folder: &Path) -> Result<PathBuf, NotWritten> {
    crate::bundle::remove(&mayfly_reports::directory(report, folder));
    mayfly_reports::write(report, folder).map(|paths| paths.html).map_err(|error| {
        eprintln!("{error}");
        NotWritten
    })
}
