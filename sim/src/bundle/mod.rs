//! Bundles: what a failed run leaves, so that it can be looked at, judged again, repeated and shrunk elsewhere and later.
//!
//! A bundle is a folder, so that its page opens in a browser and its files in an editor:
//!
//! | File | What it is |
//! |---|---|
//! | `bundle.json` | the format's version, seed, trace hash, build, what became of the faults, and the other files' sizes and hashes |
//! | `scenario.toml` | the scenario with what it takes over from its base: it stands alone |
//! | `history.json` | the [`History`], an operation or event a line |
//! | `trace.txt` | the trace, an event a line, as `cargo sim trace` prints it; the first [`MAX_EVENTS`] |
//! | `report.json`, `report.html` | the run's report |
//!
//! It appears whole or not at all: it is written beside its place and moved there. [`write()`] makes one, [`Bundle::read`] reads
//! one and refuses whatever is not as it was written. A change of what a file means is a new [`FORMAT_VERSION`].

mod error;
mod identity;
mod lines;
mod manifest;
mod read;
mod write;

use std::path::PathBuf;

use mayfly_reports::RunReport;

use crate::history::History;
use crate::judge::Judgement;
use crate::nemesis::FaultRecord;
use crate::run::on_own_thread;
use crate::scenario::Scenario;

pub use error::BundleError;
pub use identity::Identity;
pub use write::{remove, write};

/// The version of the format that this build writes, and the only one that it reads.
pub const FORMAT_VERSION: u32 = 1;

/// The most events of a trace that a bundle keeps: some hundred bytes each. The trace hash is over all of them.
pub const MAX_EVENTS: u64 = 1_000_000;

/// What a failed run left.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// Where it lies.
    pub folder: PathBuf,
    /// What was run.
    pub scenario: Scenario,
    /// The path of the scenario's file, as it was given; nothing here needs that file.
    pub file: String,
    /// The seed.
    pub seed: u64,
    /// What the clients did and saw.
    pub history: History,
    /// What became of the faults, in the order of the scenario.
    pub faults: Vec<FaultRecord>,
    /// The run's report.
    pub report: RunReport,
    /// The hash over all events, in hexadecimal digits.
    pub trace_hash: String,
    /// How many events there were.
    pub events: u64,
    /// How many of them are kept, from the first on.
    pub events_kept: u64,
    /// What the run was done with.
    pub build: Identity,
}

impl Bundle {
    /// Judges the stored history anew, without a run.
    ///
    /// # Errors
    /// If a checker panicked, with its message: the history is none that a run can leave.
    pub fn judge(&self) -> Result<Judgement, String> {
        on_own_thread(format!("judge {}", self.scenario.name), || {
            Ok(Judgement::new(&self.scenario, &self.faults, &self.history))
        })
    }
}
