//! Tokens: what a pattern takes from the principal that it is matched for.
//!
//! A value is put in as it is: nothing in it is a wildcard. So that nobody can widen a rule by the name that he chose,
//! some values match nothing at all, and with them the pattern: an absent or empty one (`{principal.username}*` would
//! allow everything), one with a `/` (a client `a/b` would reach below `clients/a`), and in a topic one with `+` or `#`,
//! or at its beginning one that begins with `$` (`{principal.clientId}/#` is not to open `$SYS`).

use mayfly_wire::TopicError;
use thiserror::Error;

use crate::identity::Attributes;

const CLIENT_ID: &str = "principal.clientId";
const USER_NAME: &str = "principal.username";
const ATTRIBUTE: &str = "principal.attributes.";

/// Who wants something. Borrows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Principal<'a> {
    /// The client identifier, also one that the broker assigned.
    pub client_id: &'a str,
    /// The authenticated user name.
    pub user_name: Option<&'a str>,
    /// What else authentication found out.
    pub attributes: Attributes<'a>,
}

/// Why a text is no pattern.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PatternError {
    /// It is no topic filter.
    #[error("it is no topic filter: {0}")]
    Topic(#[from] TopicError),
    /// It begins with `$share/`.
    #[error("a rule is about the filter behind `$share/NAME/`; leave the prefix out")]
    Shared,
    /// It has no character.
    #[error("it is empty")]
    Empty,
    /// The braces hold no token.
    #[error(
        "`{{{name}}}` is no token; the tokens are {{principal.clientId}}, {{principal.username}} and {{principal.attributes.NAME}}"
    )]
    UnknownToken {
        /// What the braces hold.
        name: String,
    },
    /// A brace without its counterpart.
    #[error("a `{{` or `}}` stands alone; braces are reserved for tokens such as {{principal.clientId}}")]
    StrayBrace,
    /// A token that is a part of a topic level.
    #[error("a token must be a whole level of the topic, as in `clients/{{principal.clientId}}/#`")]
    TokenNotAlone,
    /// A token in an exception.
    #[error("an exception may hold no token: where the token has no value, nothing would be withheld")]
    TokenInException,
    /// A `[` without `]`.
    #[error("`[` has no `]`; for the character itself write `[[]`")]
    UnclosedClass,
    /// `[z-a]`.
    #[error("the range `{first}-{last}` is empty; write the lower character first")]
    BackwardRange {
        /// What stands before the `-`.
        first: char,
        /// What stands behind it.
        last: char,
    },
    /// A class matches one byte, so its characters are ASCII.
    #[error("`{found}` in `[…]` is not an ASCII character: a class matches one byte")]
    NonAsciiClass {
        /// The character.
        found: char,
    },
}

/// What stands for something of the principal's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token {
    ClientId,
    UserName,
    Attribute(Box<str>),
}

impl Token {
    /// Parses what stands between the braces.
    pub(super) fn parse(name: &str) -> Result<Self, PatternError> {
        match name {
            CLIENT_ID => Ok(Self::ClientId),
            USER_NAME => Ok(Self::UserName),
            _ => match name.strip_prefix(ATTRIBUTE) {
                Some(attribute) if !attribute.is_empty() && !attribute.contains('{') => {
                    Ok(Self::Attribute(attribute.into()))
                }
                _ => Err(PatternError::UnknownToken { name: name.to_owned() }),
            },
        }
    }

    /// The value to put in, unless there is none that may be.
    pub(super) fn value<'a>(&self, principal: Principal<'a>) -> Option<&'a str> {
        let value = match self {
            Self::ClientId => Some(principal.client_id),
            Self::UserName => principal.user_name,
            Self::Attribute(name) => principal.attributes.value(name),
        };
        value.filter(|value| !value.is_empty() && !value.contains('/'))
    }
}
