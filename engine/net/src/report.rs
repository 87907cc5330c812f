//! What the shell tells its owner, who writes logs.

use std::io;
use std::net::SocketAddr;

use mayfly_wire::ReasonCode;

use crate::handshake::HandshakeError;

/// Something that happened to a connection before it was one. Any of them can come as fast as clients connect.
#[derive(Debug)]
#[non_exhaustive]
pub enum Report<'a> {
    /// No connection can be accepted at present. Told once each time that this begins.
    AcceptFailed {
        /// The listener's name.
        listener: &'a str,
        /// What the operating system says.
        error: &'a io::Error,
    },
    /// A handshake failed.
    HandshakeFailed {
        /// The listener's name.
        listener: &'a str,
        /// Where the connection came from, as the socket knows it.
        address: Option<SocketAddr>,
        /// Why.
        error: &'a HandshakeError,
    },
    /// There are too many connections.
    Refused {
        /// The listener's name.
        listener: &'a str,
        /// Where the connection came from.
        address: Option<SocketAddr>,
        /// What its CONNECT is answered with; `None` for one that was closed at once.
        reason: Option<ReasonCode>,
    },
}
