//! The store's own errors, by their exact texts.

/// What the store answered instead of a result, as `-ERR text`. [`Display`](std::fmt::Display) gives the text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServiceError {
    /// The request's `__ts` is over 60 s ahead of the broker's clock.
    #[error(
        "the request timestamp is too far in the future; ensure that the client and broker system clocks are synchronized"
    )]
    TimestampTooFarAhead,
    /// The key was written with a fencing token, and the request has none.
    #[error("a fencing token is required for this request")]
    FencingTokenRequired,
    /// The fencing token is over 60 s ahead of the broker's clock.
    #[error(
        "the request fencing token timestamp is too far in the future; ensure that the client and broker system clocks are synchronized"
    )]
    FencingTokenTooFarAhead,
    /// The key was written with a higher fencing token: whoever sent this request no longer holds the lock.
    #[error("the request fencing token is a lower version than the fencing token protecting the resource")]
    FencingTokenLower,
    /// The broker's quota of keys or of memory is used up.
    #[error("the quota has been exceeded")]
    QuotaExceeded,
    /// An option that the command does not have, or an expiry of zero.
    #[error("syntax error")]
    Syntax,
    /// No rule lets this client have the key.
    #[error("not authorized")]
    NotAuthorized,
    /// The broker does not know the command.
    #[error("unknown command")]
    UnknownCommand,
    /// The command has too few or too many parts.
    #[error("wrong number of arguments")]
    WrongNumberOfArguments,
    /// A SET without `__ts`.
    #[error("missing timestamp")]
    MissingTimestamp,
    /// `__ts` or `__ft` is not a hybrid logical clock.
    #[error("malformed timestamp")]
    MalformedTimestamp,
    /// The key is empty.
    #[error("the key length is zero")]
    EmptyKey,
    /// A text that the protocol does not list.
    #[error("{0}")]
    Other(String),
}

impl ServiceError {
    const LISTED: [ServiceError; 12] = [
        ServiceError::TimestampTooFarAhead,
        ServiceError::FencingTokenRequired,
        ServiceError::FencingTokenTooFarAhead,
        ServiceError::FencingTokenLower,
        ServiceError::QuotaExceeded,
        ServiceError::Syntax,
        ServiceError::NotAuthorized,
        ServiceError::UnknownCommand,
        ServiceError::WrongNumberOfArguments,
        ServiceError::MissingTimestamp,
        ServiceError::MalformedTimestamp,
        ServiceError::EmptyKey,
    ];

    /// The error of a text, byte for byte.
    pub(crate) fn from_text(text: &str) -> Self {
        let listed = Self::LISTED.into_iter().find(|error| error.to_string() == text);
        listed.unwrap_or_else(|| ServiceError::Other(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The protocol's list, section 3.
    #[test]
    fn each_text_of_the_protocol_has_its_variant() {
        let texts = [
            "the request timestamp is too far in the future; ensure that the client and broker system clocks are synchronized",
            "a fencing token is required for this request",
            "the request fencing token timestamp is too far in the future; ensure that the client and broker system clocks are synchronized",
            "the request fencing token is a lower version than the fencing token protecting the resource",
            "the quota has been exceeded",
            "syntax error",
            "not authorized",
            "unknown command",
            "wrong number of arguments",
            "missing timestamp",
            "malformed timestamp",
            "the key length is zero",
        ];
        for text in texts {
            let error = ServiceError::from_text(text);
            assert!(!matches!(error, ServiceError::Other(_)), "{text}");
            assert_eq!(error.to_string(), text);
        }
        assert_eq!(texts.len(), ServiceError::LISTED.len());
    }

    #[test]
    fn another_text_is_kept() {
        assert_eq!(ServiceError::from_text("Syntax error"), ServiceError::Other("Syntax error".to_owned()));
    }
}
