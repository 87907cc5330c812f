//! Topic names and topic filters [MQTT 5, section 4.7], shared subscriptions included [section 4.8.2].
//!
//! Owns what a valid one is and which filter matches which name. Who subscribed to what is not known here.

use std::str::Split;

use crate::{DecodeError, text};

/// The longest topic name or filter in bytes [MQTT-4.7.3-3].
const MAX_LEN: usize = 65_535;

/// The topic of a message: no wildcard, not empty, at most 65,535 bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicName<'a>(&'a str);

/// What a subscription asks for; `$share/{name}/{filter}` is a shared one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TopicFilter<'a>(&'a str);

/// Why a text is not a topic name or not a topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TopicError {
    /// No character at all.
    #[error("it has no character [MQTT-4.7.3-1]")]
    Empty,
    /// More than 65,535 bytes.
    #[error("it is longer than 65,535 bytes [MQTT-4.7.3-3]")]
    TooLong,
    /// U+0000 occurs.
    #[error("it contains U+0000 [MQTT-4.7.3-2]")]
    NullCharacter,
    /// A topic name contains `#` or `+`.
    #[error("a topic name contains a wildcard [MQTT-4.7.0-1]")]
    WildcardInName,
    /// `#` is not alone in its level, or its level is not the last.
    #[error("'#' must be the whole last level [MQTT-4.7.1-1]")]
    MultiLevelWildcard,
    /// `+` is not alone in its level.
    #[error("'+' must be a whole level [MQTT-4.7.1-2]")]
    SingleLevelWildcard,
    /// A filter that begins with `$share/` has no share name.
    #[error("the share name is empty or contains a wildcard [MQTT-4.8.2-1, MQTT-4.8.2-2]")]
    ShareName,
    /// A share name with no topic filter behind it.
    #[error("a share name must be followed by '/' and a topic filter [MQTT-4.8.2-2]")]
    ShareFilter,
}

impl<'a> TopicName<'a> {
    /// Checks a text.
    #[inline]
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        if matches!(text.len(), 1..=MAX_LEN) && !text::has_null_or_wildcard(text.as_bytes()) {
            Ok(Self(text))
        } else {
            Err(Self::error(text))
        }
    }

    /// Why a text that was refused is no topic name.
    #[cold]
    fn error(text: &str) -> TopicError {
        match text.len() {
            0 => TopicError::Empty,
            1..=MAX_LEN if text::has_null(text.as_bytes()) => TopicError::NullCharacter,
            1..=MAX_LEN => TopicError::WildcardInName,
            _ => TopicError::TooLong,
        }
    }

    #[inline]
    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)?;
        Self::parse(text).map_err(|error| match error {
            TopicError::NullCharacter => DecodeError::NullCharacter,
            error => DecodeError::TopicName(error),
        })
    }

    /// The text.
    #[inline]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The parts between the `/`, empty ones included.
    #[inline]
    pub fn levels(self) -> Split<'a, char> {
        self.0.split('/')
    }
}

impl<'a> TopicFilter<'a> {
    /// Checks a text.
    pub fn parse(text: &'a str) -> Result<Self, TopicError> {
        if text.len() > MAX_LEN {
            return Err(TopicError::TooLong);
        }
        if text::has_null(text.as_bytes()) {
            return Err(TopicError::NullCharacter);
        }
        match text.strip_prefix("$share/") {
            None => check_levels(text)?,
            Some(shared) => {
                let (name, filter) = shared.split_once('/').ok_or(TopicError::ShareFilter)?;
                if name.is_empty() || name.contains(['+', '#']) {
                    return Err(TopicError::ShareName);
                }
                if filter.is_empty() {
                    return Err(TopicError::ShareFilter);
                }
                check_levels(filter)?;
            }
        }
        Ok(Self(text))
    }

    pub(crate) fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)?;
        Self::parse(text).map_err(|error| match error {
            TopicError::NullCharacter => DecodeError::NullCharacter,
            error => DecodeError::TopicFilter(error),
        })
    }

    /// A filter whose bytes were checked before; `None` never comes of such bytes.
    pub(crate) fn from_checked(bytes: &'a [u8]) -> Option<Self> {
        std::str::from_utf8(bytes).ok().map(Self)
    }

    /// The whole text, share name included.
    #[inline]
    pub const fn as_str(self) -> &'a str {
        self.0
    }

    /// The share name of a shared subscription.
    pub fn share_name(self) -> Option<&'a str> {
        self.split_share().map(|(name, _)| name)
    }

    /// The levels that messages are matched with: those after the share name, if there is one. Empty levels
    /// are included.
    #[inline]
    pub fn levels(self) -> Split<'a, char> {
        self.split_share().map_or(self.0, |(_, filter)| filter).split('/')
    }

    /// Whether a message with this topic is meant. A wildcard in the first level does not match a name that
    /// begins with `$` [MQTT-4.7.2-1].
    pub fn matches(self, topic: TopicName<'_>) -> bool {
        let mut wanted = self.levels();
        let mut given = topic.levels();
        let mut may_be_wildcard = !topic.0.starts_with('$');
        loop {
            match (wanted.next(), given.next()) {
                // "a/#" matches "a" as well as all below it.
                (Some("#"), _) => return may_be_wildcard,
                (Some("+"), Some(_)) if may_be_wildcard => {}
                (Some(wanted), Some(given)) if wanted == given => {}
                (None, None) => return true,
                _ => return false,
            }
            may_be_wildcard = true;
        }
    }

    #[inline]
    fn split_share(self) -> Option<(&'a str, &'a str)> {
        self.0.strip_prefix("$share/")?.split_once('/')
    }
}

/// Checks the places of the wildcards.
fn check_levels(filter: &str) -> Result<(), TopicError> {
    if filter.is_empty() {
        return Err(TopicError::Empty);
    }
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        if level.contains('#') && (level != "#" || levels.peek().is_some()) {
            return Err(TopicError::MultiLevelWildcard);
        }
        if level.contains('+') && level != "+" {
            return Err(TopicError::SingleLevelWildcard);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn names() {
        let longest = "a".repeat(65_535);
        for good in ["a", "/", "//", " ", "a b/c", "$SYS/x", "$share/a", "température", &longest] {
            assert_eq!(TopicName::parse(good).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(65_536);
        for (bad, error) in [
            ("", TopicError::Empty),
            (too_long.as_str(), TopicError::TooLong),
            ("a\0", TopicError::NullCharacter),
            ("#", TopicError::WildcardInName),
            ("a/+/b", TopicError::WildcardInName),
            ("a+", TopicError::WildcardInName),
            ("a#+\0", TopicError::NullCharacter),
        ] {
            assert_eq!(TopicName::parse(bad), Err(error), "{bad:.10}");
        }
    }

    #[test]
    fn filters() {
        for good in [
            "a",
            "/",
            "+",
            "#",
            "/#",
            "+/#",
            "a/+/b",
            "a//+",
            "$SYS/#",
            "a/#",
            "$share",
            "$share/g/#",
            "$share/g/a/+",
            "$share/g//",
            "$shared/+",
        ] {
            assert_eq!(TopicFilter::parse(good).unwrap().as_str(), good);
        }
        let too_long = "a".repeat(65_536);
        for (bad, error) in [
            ("", TopicError::Empty),
            (too_long.as_str(), TopicError::TooLong),
            ("a\0", TopicError::NullCharacter),
            ("a#", TopicError::MultiLevelWildcard),
            ("#a", TopicError::MultiLevelWildcard),
            ("#/a", TopicError::MultiLevelWildcard),
            ("#/", TopicError::MultiLevelWildcard),
            ("##", TopicError::MultiLevelWildcard),
            ("a/#/b", TopicError::MultiLevelWildcard),
            ("a+", TopicError::SingleLevelWildcard),
            ("++", TopicError::SingleLevelWildcard),
            ("a/+b/c", TopicError::SingleLevelWildcard),
            ("$share/", TopicError::ShareFilter),
            ("$share/g", TopicError::ShareFilter),
            ("$share/g/", TopicError::ShareFilter),
            ("$share//a", TopicError::ShareName),
            ("$share/+/a", TopicError::ShareName),
            ("$share/g#/a", TopicError::ShareName),
            ("$share/g/a#", TopicError::MultiLevelWildcard),
        ] {
            assert_eq!(TopicFilter::parse(bad), Err(error), "{bad:.10}");
        }
    }

    #[test]
    fn matching() {
        let matches =
            |filter, name| TopicFilter::parse(filter).unwrap().matches(TopicName::parse(name).unwrap());
        for (filter, name) in [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("a/+", "a/"),
            ("+/+", "/a"),
            ("/+", "/a"),
            ("#", "a"),
            ("#", "a/b/c"),
            ("#", "/"),
            ("a/#", "a"),
            ("a/#", "a/b/c"),
            ("a/+/#", "a/b"),
            ("a/b/#", "a/b/$c"),
            ("+/$x", "a/$x"),
            ("$SYS/#", "$SYS/a"),
            ("$SYS/+/b", "$SYS/a/b"),
            ("$share/g/a/+", "a/b"),
        ] {
            assert!(matches(filter, name), "{filter} {name}");
        }
        for (filter, name) in [
            ("a/b", "a"),
            ("a/b", "a/b/c"),
            ("a/b", "A/b"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("+", "/a"),
            ("+", "a/b"),
            ("a/#", "ab"),
            ("a/#", "b"),
            ("#", "$SYS/a"),
            ("+/a", "$SYS/a"),
            ("+", "$SYS"),
            ("$share/g/#", "$SYS/a"),
            ("$share/g/a", "$share/g/a"),
        ] {
            assert!(!matches(filter, name), "{filter} {name}");
        }
    }

    #[test]
    fn shares() {
        assert_eq!(TopicFilter::parse("$share/g/a/b").unwrap().share_name(), Some("g"));
        assert_eq!(TopicFilter::parse("$share/g/a/b").unwrap().levels().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(TopicFilter::parse("a/b").unwrap().share_name(), None);
        assert_eq!(TopicName::parse("/a//").unwrap().levels().collect::<Vec<_>>(), ["", "a", "", ""]);
    }
}
