//! The store's errors. Clients match their texts byte for byte.

/// What the store answers instead of a result, as `-ERR <text>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ServiceError {
    TimestampTooFarAhead,
    FencingTokenRequired,
    FencingTokenTooFarAhead,
    FencingTokenLower,
    QuotaExceeded,
    Syntax,
    UnknownCommand,
    WrongNumberOfArguments,
    MissingTimestamp,
    MalformedTimestamp,
    EmptyKey,
    NotAuthorized,
    /// The notification's topic holds the key in hexadecimal and must fit into 65,535 bytes.
    KeyTooLongToWatch,
    /// A response with this key alone is above the Maximum Packet Size of the client that asked for keys.
    KeyTooLongToList,
    PatternTooLong,
    /// Matching a single key takes more than a page may take.
    PatternTooComplex,
    /// A token that no page of this store came with.
    UnknownToken,
}

impl ServiceError {
    /// The text after `-ERR `.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::TimestampTooFarAhead => {
                "the request timestamp is too far in the future; ensure that the client and broker system clocks are synchronized"
            }
            Self::FencingTokenRequired => "a fencing token is required for this request",
            Self::FencingTokenTooFarAhead => {
                "the request fencing token timestamp is too far in the future; ensure that the client and broker system clocks are synchronized"
            }
            Self::FencingTokenLower => {
                "the request fencing token is a lower version than the fencing token protecting the resource"
            }
            Self::QuotaExceeded => "the quota has been exceeded",
            Self::Syntax => "syntax error",
            Self::UnknownCommand => "unknown command",
            Self::WrongNumberOfArguments => "wrong number of arguments",
            Self::MissingTimestamp => "missing timestamp",
            Self::MalformedTimestamp => "malformed timestamp",
            Self::NotAuthorized => "not authorized",
            Self::EmptyKey => "the key length is zero",
            Self::KeyTooLongToWatch => "the key is too long for a notification topic",
            Self::KeyTooLongToList => {
                "a key that matches is too long for the maximum packet size of the client"
            }
            Self::PatternTooLong => "the pattern is too long",
            Self::PatternTooComplex => "the pattern takes too many steps to match a key",
            Self::UnknownToken => "the continuation token is unknown; begin the scan anew",
        }
    }
}
