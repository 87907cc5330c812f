//! The report of a run: one data model and its renderings.
//!
//! Owns what `report.json` and `report.html` look like and what a run prints when it ends. Never measures,
//! never checks: whoever ran the scenario fills a [`RunReport`] or a [`Measurement`].
//!
//! # Layout
//! - [`model`]: a simulated run as data; [`measurement`]: a scenario measured in wall time as data
//! - [`sweep`]: many runs, as data, as a page and for CI; [`score`]: the checkers against lying brokers
//! - [`summary`], [`latency`], [`throughput`]: outcomes, percentiles and rates, derived from operations and durations
//! - [`text`]: what a terminal shows; [`html`]: the page; `json`: [`RunReport::to_json`] and back
//! - `version_text`: versions as sentences show them; [`write()`]: the report on disk

#![allow(
    clippy::format_push_string,
    clippy::format_collect,
    reason = "a report is rendered once a run, and its text reads better in whole pieces"
)]

pub mod explanation;
pub mod html;
pub mod latency;
pub mod measurement;
pub mod model;
pub mod score;
pub mod summary;
pub mod sweep;
pub mod text;
pub mod throughput;

mod files;
mod json;
mod version_text;
mod wording;

pub use explanation::{Explanation, ExplanationRow};
pub use files::{ReportError, WrittenPaths, directory, write};
pub use json::ReadError;
pub use latency::{Latency, LatencyRecorder, Percentile};
pub use measurement::{KindMeasurement, Measurement, World};
pub use model::*;
