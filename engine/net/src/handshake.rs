//! How a handshake fails.

use std::io;

/// Why an accepted connection never came to its first MQTT packet. Its text says what the client did.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// It was not done within [`ListenerSettings::handshake_timeout`](crate::ListenerSettings::handshake_timeout).
    #[error("the handshake was not done in time")]
    TimedOut,
    /// The connection ended or failed before the handshake was done.
    #[error("the connection was lost during the handshake: {0}")]
    Lost(#[from] io::Error),
}
