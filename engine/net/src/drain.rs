//! How a server stops.

use std::time::Duration;

use mayfly_wire::ReasonCode;

/// What the clients of a stopping server are told, and how long they have.
///
/// Nothing more is accepted. Each client gets a DISCONNECT (MQTT 3.1.1 knows none and is just closed), and its will is
/// published, at once or after its delay if this server still runs then [MQTT-3.1.2-8]: clients that were not told yet
/// receive it, in the order in which they connected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// So long the server waits for its clients to take what is written to them. Then they are cut off.
    pub time_limit: Duration,
    /// Where the clients should go: a Server Reference, and 0x9D (Server moved) instead of 0x8B (Server shutting down).
    pub server_reference: Option<String>,
}

impl Default for Drain {
    fn default() -> Self {
        Self { time_limit: Duration::from_secs(2), server_reference: None }
    }
}

impl Drain {
    pub(crate) fn reason(&self) -> ReasonCode {
        if self.server_reference.is_some() { ReasonCode::ServerMoved } else { ReasonCode::ServerShuttingDown }
    }
}
