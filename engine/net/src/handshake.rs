//! How a handshake fails.

use std::io;

use crate::proxy::ProxyError;
use crate::websocket::RequestError;

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
    /// TLS failed, or the client certificate is not trusted.
    #[error("TLS: {0}")]
    Tls(rustls::Error),
    /// The subject of a trusted client certificate cannot be read.
    #[error("the subject of the client certificate cannot be read: {0}")]
    CertificateSubject(String),
    /// The request for a WebSocket is not served.
    #[error("WebSocket: {0}")]
    WebSocket(#[from] RequestError),
    /// There is no usable PROXY header.
    #[error("{0}")]
    Proxy(#[from] ProxyError),
    /// The code that carries it out is broken: it panicked, with this message. Only its own connection is lost.
    #[error("it panicked: {0}; this is a bug of this program")]
    Panicked(String),
}
