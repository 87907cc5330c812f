//! The bundles of runs that failed, or that somebody wants: each is the run done once more, with its events kept.

use std::path::Path;

use mayfly_reports::{RunReport, TraceHash};

use super::Loaded;
use super::output::NotWritten;
use crate::bundle::{self, MAX_EVENTS};
use crate::run::{Options, run_with};

/// The options of a run whose bundle is written.
pub(super) const KEPT: Options =
    Options { keep_events: true, most_events: Some(MAX_EVENTS), leak_hash_order: false };

/// Repeats a run and writes its bundle to `folder`, in the place of an earlier one. Says what is wrong.
pub(super) fn leave(loaded: &Loaded, report: &RunReport, folder: &Path) -> Result<(), NotWritten> {
    let mut ran = run_with(&loaded.scenario, &loaded.file, report.seed, KEPT, |_| ()).map_err(|crash| {
        eprintln!("{}: the run that was repeated for its bundle crashed: {crash}", loaded.scenario.name);
        NotWritten
    })?;
    if hash(&ran.report) != hash(report) {
        eprintln!(
            "{}: the run that was repeated for its bundle did something else, which no run may; the bundle is that of the \
             repetition, and `cargo sim meta` finds where two runs part",
            loaded.scenario.name
        );
    }
    ran.report.explanation.clone_from(&report.explanation);
    bundle::write(&loaded.scenario, &ran, folder).map_err(|error| {
        eprintln!("{error}");
        NotWritten
    })
}

fn hash(report: &RunReport) -> &str {
    match &report.trace_hash {
        TraceHash::Hex(hash) => hash,
        TraceHash::Exempt { .. } => "",
    }
}
