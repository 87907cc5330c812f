//! Logs: what is written about the broker's life, as text or as JSON lines, on standard error.

use std::io;

use serde::{Deserialize, Serialize};
use tracing::Level;
use tracing::level_filters::LevelFilter;

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// For people: time, level, message, fields.
    #[default]
    Text,
    /// For machines: one JSON object a line.
    Json,
}

/// The least severe kind of line that is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// What stops the broker or a listener.
    Error,
    /// What an operator should look at.
    Warn,
    /// Starts, stops, reloads, and what happens to clients that lose their permission.
    #[default]
    Info,
    /// Every connection that opens or ends.
    Debug,
}

/// Starts writing logs. Called once, before anything is logged; a second call changes nothing.
pub fn start(format: Format, severity: Severity) {
    let builder = tracing_subscriber::fmt()
        .with_writer(io::stderr)
        .with_target(false)
        .with_ansi(false)
        .with_max_level(LevelFilter::from_level(severity.level()));
    // An error means that a subscriber is there already, as in a test that starts several brokers.
    let _ = match format {
        Format::Text => builder.try_init(),
        Format::Json => builder.json().flatten_event(true).try_init(),
    };
}

impl Severity {
    fn level(self) -> Level {
        match self {
            Self::Error => Level::ERROR,
            Self::Warn => Level::WARN,
            Self::Info => Level::INFO,
            Self::Debug => Level::DEBUG,
        }
    }
}
