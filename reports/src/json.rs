//! The JSON form of a run's report.
//!
//! Stable: fields come in the order of [`crate::model`], absent values are `null`, and a reader refuses a
//! version that it does not know instead of guessing.

use serde::Deserialize;
use thiserror::Error;

use crate::model::{FORMAT_VERSION, RunReport};

/// Why a text is not a report that this crate reads.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The text is not JSON, or not a report: a field is missing or has another type.
    #[error("not a run report: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Another version of this crate wrote it.
    #[error("the report has format version {found}; this build reads version {FORMAT_VERSION}")]
    Version {
        /// The version that the text names.
        found: u64,
    },
}

impl RunReport {
    /// The report as indented JSON with a final newline.
    pub fn to_json(&self) -> String {
        let mut json =
            serde_json::to_string_pretty(self).expect("a report has no map and no custom serializer");
        json.push('\n');
        json
    }

    /// Reads what [`RunReport::to_json`] wrote.
    pub fn from_json(json: &str) -> Result<Self, ReadError> {
        let Envelope { format_version } = serde_json::from_str(json)?;
        if format_version != u64::from(FORMAT_VERSION) {
            return Err(ReadError::Version { found: format_version });
        }
        Ok(serde_json::from_str(json)?)
    }
}

/// The one field that every version has.
#[derive(Deserialize)]
struct Envelope {
    format_version: u64,
}
