//! `bundle.json`: what the other files are, and what is in none of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3;

use super::identity::Identity;
use crate::nemesis::FaultRecord;

/// What the file says of itself.
pub(super) const FORMAT: &str = "mayfly-bundle";

pub(super) const MANIFEST: &str = "bundle.json";
pub(super) const SCENARIO: &str = "scenario.toml";
pub(super) const HISTORY: &str = "history.json";
pub(super) const TRACE: &str = "trace.txt";
pub(super) const REPORT: &str = "report.json";
pub(super) const PAGE: &str = "report.html";

/// Every file but the manifest itself.
pub(super) const PARTS: [&str; 5] = [SCENARIO, HISTORY, TRACE, REPORT, PAGE];

/// What every version says.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope {
    pub(super) format: String,
    pub(super) format_version: u64,
    #[serde(default)]
    pub(super) build: Option<Identity>,
}

/// The whole file.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Manifest {
    pub(super) format: String,
    pub(super) format_version: u32,
    /// The scenario's name.
    pub(super) scenario: String,
    /// The path of its file, as it was given.
    pub(super) file: String,
    pub(super) seed: u64,
    pub(super) trace_hash: String,
    /// How many events the trace hash is over, and how many are in `trace.txt`.
    pub(super) events: u64,
    pub(super) events_kept: u64,
    pub(super) build: Identity,
    pub(super) faults: Vec<FaultRecord>,
    pub(super) files: BTreeMap<String, Sum>,
}

/// Size and hash of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sum {
    pub(super) bytes: u64,
    /// 128 bits of XXH3, in hexadecimal digits: against accidents, not against malice.
    pub(super) xxh3: String,
}

impl Sum {
    pub(super) fn of(path: &Path) -> io::Result<Self> {
        let (mut file, mut hasher, mut bytes) = (File::open(path)?, Xxh3::new(), 0);
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let read = match file.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                read => read?,
            };
            if read == 0 {
                return Ok(Self { bytes, xxh3: format!("{:032x}", hasher.digest128()) });
            }
            bytes += read as u64;
            hasher.update(&buffer[..read]);
        }
    }
}
