//! The shell's reports as log lines.
//!
//! What a client says of itself goes into fields of their own, never into the text of a line: there line ends and the like are
//! escaped, as text and as JSON.

use std::cell::Cell;
use std::net::SocketAddr;
use std::time::Duration;

use mayfly_net::{Client, Ending, HandshakeError, Report};
use mayfly_wire::ReasonCode;
use tokio::time::Instant;
use tracing::field::display;
use tracing::{debug, error, info};

/// So many refused clients get a line of their own in each [`WINDOW`].
const MAX_LINES: u32 = 10;
const WINDOW: Duration = Duration::from_secs(1);

/// Of what a client says of itself so many bytes are written.
const MAX_SHOWN: usize = 256;

/// Writes reports. What clients can provoke as fast as they connect is for debugging, or bounded in number; metrics count it.
pub(crate) fn log_reports() -> Box<dyn Fn(&Report<'_>)> {
    let throttle = Throttle::default();
    Box::new(move |report| log_report(report, &throttle))
}

fn log_report(report: &Report<'_>, throttle: &Throttle) {
    match report {
        Report::AcceptFailed { listener, error } => {
            error!(listener, "cannot accept connections: {error}; goes on trying");
        }
        Report::HandshakeFailed { listener, address, error: error @ HandshakeError::Panicked(_) } => {
            error!(listener, address = address.map(display), "handshake failed: {error}");
        }
        Report::HandshakeFailed { listener, address, error } => {
            debug!(listener, address = address.map(display), "handshake failed: {error}");
        }
        Report::Refused { listener, address, reason: Some(reason) } => {
            debug!(listener, address = address.map(display), "connection refused: {reason}");
        }
        Report::Refused { listener, address, reason: None } => {
            debug!(listener, address = address.map(display), "connection closed at once: far too many");
        }
        Report::Denied { listener, address, client, reason } => {
            log_denied(listener, *address, *client, *reason, throttle);
        }
        Report::Opened { listener, address, client } => {
            let (client_id, user_name) = shown(*client);
            debug!(listener, address = address.map(display), client_id, user_name, "client connected");
        }
        Report::Closed { listener, address, client, ending } => {
            let (client_id, user_name) = client.map(shown).unzip();
            let (address, user_name) = (address.map(display), user_name.flatten());
            if *ending == Ending::Told(ReasonCode::NotAuthorized) {
                info!(listener, address, client_id, user_name, "client lost its permission: {ending}");
            } else {
                debug!(listener, address, client_id, user_name, "connection ended: {ending}");
            }
        }
        _ => debug!("{report:?}"),
    }
}

fn log_denied(
    listener: &str,
    address: Option<SocketAddr>,
    client: Client<'_>,
    reason: ReasonCode,
    throttle: &Throttle,
) {
    let Some(left_out) = throttle.take(Instant::now()) else { return };
    if left_out > 0 {
        info!("{left_out} more clients were not let in, and not logged each");
    }
    let (client_id, user_name) = shown(client);
    let address = address.map(display);
    info!(listener, address, client_id, user_name, "client not let in: {reason} (0x{:02X})", reason as u8);
}

/// The beginning of what a client says of itself.
fn shown(client: Client<'_>) -> (&str, Option<&str>) {
    let beginning = |text: &str| text.floor_char_boundary(MAX_SHOWN);
    let user_name = client.user_name.map(|name| &name[..beginning(name)]);
    (&client.id[..beginning(client.id)], user_name)
}

/// Bounds how many lines are written in a time.
#[derive(Debug, Default)]
struct Throttle {
    /// When the present window began.
    began: Cell<Option<Instant>>,
    written: Cell<u32>,
    left_out: Cell<u64>,
}

impl Throttle {
    /// Whether a further line may be written; with how many were left out before it.
    fn take(&self, now: Instant) -> Option<u64> {
        if self.began.get().is_none_or(|began| now.duration_since(began) >= WINDOW) {
            self.began.set(Some(now));
            self.written.set(0);
        }
        if self.written.get() == MAX_LINES {
            self.left_out.set(self.left_out.get() + 1);
            return None;
        }
        self.written.set(self.written.get() + 1);
        Some(self.left_out.replace(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_beyond_a_bound_are_counted_and_not_written() {
        let (throttle, start) = (Throttle::default(), Instant::now());
        for _ in 0..MAX_LINES {
            assert_eq!(throttle.take(start), Some(0));
        }
        assert_eq!([throttle.take(start), throttle.take(start)], [None, None]);
        assert_eq!(throttle.take(start + WINDOW), Some(2));
        assert_eq!(throttle.take(start + WINDOW), Some(0));
    }

    #[test]
    fn what_a_client_says_is_cut_between_characters() {
        let long = "ü".repeat(MAX_SHOWN);
        let client = Client { id: &long, user_name: Some("x") };
        assert_eq!(shown(client), (&long[..MAX_SHOWN], Some("x")));
        let odd = format!("x{long}");
        let client = Client { id: &odd, user_name: None };
        assert_eq!(shown(client), (&odd[..MAX_SHOWN - 1], None));
    }
}
