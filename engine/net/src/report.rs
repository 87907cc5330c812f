//! What the shell tells its owner, who writes logs.

use std::fmt;
use std::io;
use std::net::SocketAddr;

use mayfly_core::CloseCause;
use mayfly_wire::ReasonCode;

use crate::handshake::HandshakeError;

/// Something that happened to a connection. Any of them can come as fast as clients connect. What a client says of itself is
/// in here as it came, line ends and all.
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
    /// There are too many connections, or too many clients to authenticate.
    Refused {
        /// The listener's name.
        listener: &'a str,
        /// Where the connection came from.
        address: Option<SocketAddr>,
        /// What its CONNECT is answered with; `None` for one that was closed at once.
        reason: Option<ReasonCode>,
    },
    /// A client was not let in: it did not show who it is, the rules do not allow it to connect, or there is no room for its
    /// session. Also one that was in and failed to authenticate itself again, whose connection ends with that.
    Denied {
        /// The listener's name.
        listener: &'a str,
        /// Where the connection came from.
        address: Option<SocketAddr>,
        /// Who it says it is.
        client: Client<'a>,
        /// What it is told.
        reason: ReasonCode,
    },
    /// A client was let in.
    Opened {
        /// The listener's name.
        listener: &'a str,
        /// Where the connection came from.
        address: Option<SocketAddr>,
        /// Who it is.
        client: Client<'a>,
    },
    /// A connection ends that was not refused.
    Closed {
        /// The listener's name.
        listener: &'a str,
        /// Where the connection came from.
        address: Option<SocketAddr>,
        /// Who it is; `None` before an acceptable CONNECT.
        client: Option<Client<'a>>,
        /// How it ends.
        ending: Ending,
    },
}

/// Who a client is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Client<'a> {
    /// Its client identifier; empty in a CONNECT that was refused before one was assigned.
    pub id: &'a str,
    /// Its user name; `None` for an anonymous client.
    pub user_name: Option<&'a str>,
}

/// How a connection ends. Its text says so for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The client sent a DISCONNECT.
    Disconnected,
    /// The connection itself ended it, or noticed its end.
    Noticed(CloseCause),
    /// The broker ended it for this reason, or the review of its listener's clients did.
    Told(ReasonCode),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reason = match self {
            Self::Disconnected => return f.write_str("the client disconnected"),
            Self::Noticed(CloseCause::NetworkLost) => return f.write_str("the connection was lost"),
            Self::Noticed(CloseCause::KeepAliveTimeout) => ReasonCode::KeepAliveTimeout,
            Self::Noticed(CloseCause::WriteStalled) => {
                return f.write_str("the client took nothing of what was written to it");
            }
            Self::Noticed(CloseCause::ServerShutdown) => return f.write_str("the server stops"),
            Self::Noticed(CloseCause::Rejected(reason)) | Self::Told(reason) => *reason,
        };
        write!(f, "{reason} (0x{:02X})", reason as u8)
    }
}
