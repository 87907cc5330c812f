//! What can go wrong with a request, told apart by what the caller may conclude from it.

use std::time::Duration;

use crate::service_error::ServiceError;
use crate::version::VersionError;

/// Why a request has no result.
///
/// The question that matters after a failed write is whether it may have been executed all the same:
/// [`Error::is_outcome_unknown`] answers it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The deadline passed after the request had been handed to the MQTT client. It may have been executed, and it
    /// may be executed later: the MQTT client keeps an unacknowledged PUBLISH and sends it again on the resumed
    /// session [MQTT-4.4.0-1], with its whole Message Expiry Interval.
    #[error("no response within {0:?}; the request may have been executed")]
    Timeout(Duration),

    /// The deadline passed while the request still waited in this client, because there was no usable connection or
    /// because the in-flight limit was reached. It was not and will not be executed.
    #[error("not sent within {0:?}: no connection, or too many requests in flight")]
    NotSent(Duration),

    /// [`Options::waiting_limit`](crate::Options::waiting_limit) requests wait already. Not executed.
    #[error("not sent: {0} requests wait already")]
    QueueFull(usize),

    /// The broker no longer had the session (Session Present = 0), so neither the request's acknowledgement nor its
    /// response can arrive any more. The MQTT client discards such a request instead of sending it again. It may have
    /// been executed, by a store that may be gone.
    #[error("the broker lost the session; the request may have been executed")]
    SessionLost,

    /// PUBACK with a reason code of 0x80 or above. Not executed.
    #[error("the broker rejected the request: {0}")]
    Rejected(RejectReason),

    /// The store's answer `-ERR text`. Not executed.
    #[error("the store answered: {0}")]
    Service(ServiceError),

    /// The response breaks the state store protocol. The request may have been executed.
    #[error("bad response: {0}")]
    Protocol(ProtocolError),

    /// The request cannot be carried by MQTT: see the text. Not sent.
    #[error("bad request: {0}")]
    BadRequest(&'static str),

    /// The client was closed, or its [`Driver`](crate::Driver) dropped, before the request was sent. Not executed.
    #[error("the client is closed")]
    Closed,

    /// The client was closed, or its [`Driver`](crate::Driver) dropped, after the request had been handed to the MQTT
    /// client. It may have been executed.
    #[error("the client was closed before the response arrived; the request may have been executed")]
    ClosedInFlight,
}

impl Error {
    /// Whether the request may have been executed, now or later. When this is `false` it certainly was not and will
    /// not be.
    pub fn is_outcome_unknown(&self) -> bool {
        match self {
            Error::Timeout(_) | Error::SessionLost | Error::Protocol(_) | Error::ClosedInFlight => true,
            Error::NotSent(_)
            | Error::QueueFull(_)
            | Error::Rejected(_)
            | Error::Service(_)
            | Error::BadRequest(_)
            | Error::Closed => false,
        }
    }
}

/// A PUBACK reason code of 0x80 or above, by the standard's name [MQTT 5, 3.4.2.1].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the names are the standard's and say all there is")]
pub enum RejectReason {
    UnspecifiedError,
    ImplementationSpecificError,
    NotAuthorized,
    TopicNameInvalid,
    PacketIdentifierInUse,
    QuotaExceeded,
    PayloadFormatInvalid,
}

impl std::fmt::Display for RejectReason {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            RejectReason::UnspecifiedError => "Unspecified error (0x80)",
            RejectReason::ImplementationSpecificError => "Implementation specific error (0x83)",
            RejectReason::NotAuthorized => "Not authorized (0x87)",
            RejectReason::TopicNameInvalid => "Topic Name invalid (0x90)",
            RejectReason::PacketIdentifierInUse => "Packet identifier in use (0x91)",
            RejectReason::QuotaExceeded => "Quota exceeded (0x97)",
            RejectReason::PayloadFormatInvalid => "Payload format invalid (0x99)",
        })
    }
}

/// How a response or a notification breaks the state store protocol.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// `__stat` is not `200`; `None` where it is absent.
    #[error("the status is {0:?}, not 200")]
    Status(Option<String>),
    /// A Content Type other than `application/octet-stream`.
    #[error("the content type is {0:?}")]
    ContentType(String),
    /// A `__protVer` other than `1.0`.
    #[error("the protocol version is {0:?}")]
    ProtocolVersion(String),
    /// The payload is not RESP3, or not an answer to this command.
    #[error("unexpected payload {0}")]
    Payload(String),
    /// `__ts` is needed with this answer and absent.
    #[error("the version (__ts) is missing")]
    MissingVersion,
    /// `__ts` must not come with this answer: a client would read it as "the key exists".
    #[error("a version (__ts) came with an answer that has none: {0}")]
    UnexpectedVersion(String),
    /// `__ts` is not a hybrid logical clock.
    #[error("malformed version (__ts): {0}")]
    Version(#[from] VersionError),
    /// `__ts` is over 60 s ahead of this client's clock.
    #[error("the version (__ts) is {ahead_ms} ms ahead of this client's clock")]
    VersionTooFarAhead {
        /// By how much, in milliseconds.
        ahead_ms: u64,
    },
    /// A notification's topic does not name a key in upper-case hexadecimal.
    #[error("malformed notification topic")]
    NotificationTopic,
}
