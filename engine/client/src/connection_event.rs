//! What happens to the connection, told to whoever wants to show or record it.

use std::fmt;

/// A change of the connection.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConnectionEvent {
    /// CONNACK arrived.
    Connected {
        /// Whether the broker still had this client's session. On the first connection it has none: the client starts
        /// clean, then keeps its session.
        session_present: bool,
    },
    /// An established connection ended. The client connects again.
    Lost {
        /// Why, for a person.
        reason: String,
    },
    /// An attempt to connect failed before the broker answered it. The client tries again.
    ConnectFailed {
        /// Why, for a person.
        reason: String,
    },
    /// The broker answered an attempt to connect with a CONNACK reason code of 0x80 or above. The client tries again.
    Refused {
        /// The reason code, for a person.
        reason: String,
    },
    /// The broker refused the subscription to the topic for responses, so no request can be sent on this connection.
    SubscriptionRefused {
        /// The SUBACK reason code, for a person.
        reason: String,
    },
}

impl fmt::Display for ConnectionEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ConnectionEvent::Connected { session_present: true } => f.write_str("connected, session resumed"),
            ConnectionEvent::Connected { session_present: false } => f.write_str("connected, new session"),
            ConnectionEvent::Lost { reason } => write!(f, "connection lost: {reason}"),
            ConnectionEvent::ConnectFailed { reason } => write!(f, "cannot connect: {reason}"),
            ConnectionEvent::Refused { reason } => write!(f, "connection refused by the broker: {reason}"),
            ConnectionEvent::SubscriptionRefused { reason } => {
                write!(f, "cannot receive responses: {reason}")
            }
        }
    }
}
