//! The shell's reports as log lines.

use mayfly_net::{HandshakeError, Report};
use tracing::{debug, error};

/// Writes a report. What clients can provoke as fast as they connect is for debugging; metrics count it. What
/// should never happen is an error.
pub(crate) fn log_report(report: &Report<'_>) {
    match report {
        Report::AcceptFailed { listener, error } => {
            error!(listener, "cannot accept connections: {error}; goes on trying");
        }
        Report::HandshakeFailed { listener, address, error: error @ HandshakeError::Panicked(_) } => {
            error!(listener, ?address, "handshake failed: {error}");
        }
        Report::HandshakeFailed { listener, address, error } => {
            debug!(listener, ?address, "handshake failed: {error}");
        }
        Report::Refused { listener, address, reason: Some(reason) } => {
            debug!(listener, ?address, "connection refused: {reason:?}");
        }
        Report::Refused { listener, address, reason: None } => {
            debug!(listener, ?address, "connection closed at once: far too many");
        }
        _ => debug!("{report:?}"),
    }
}
