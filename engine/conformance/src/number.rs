//! The number of a normative statement: a section of the standard and a place in it, as `3.1.2-4`.

use std::fmt;
use std::str::FromStr;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

/// What the standard writes as `[MQTT-3.1.2-4]`. Ordered as the standard orders them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number {
    /// The section, `[3, 1, 2]`.
    pub section: Vec<u16>,
    /// The place in the section, from 1.
    pub place: u16,
}

/// Text that is no number of a statement.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("`{0}` is no number of a statement: write it as 3.1.2-4")]
pub struct NumberError(String);

impl Number {
    /// The chapter of the standard.
    pub fn chapter(&self) -> u16 {
        self.section.first().copied().unwrap_or_default()
    }

    /// The section as the standard writes it.
    pub fn section_text(&self) -> String {
        self.section.iter().map(u16::to_string).collect::<Vec<_>>().join(".")
    }
}

impl FromStr for Number {
    type Err = NumberError;

    fn from_str(text: &str) -> Result<Self, NumberError> {
        let parse = || {
            let (section, place) = text.split_once('-')?;
            let section = section.split('.').map(|part| part.parse().ok()).collect::<Option<Vec<_>>>()?;
            Some(Self { section, place: place.parse().ok().filter(|place| *place > 0)? })
        };
        parse().ok_or_else(|| NumberError(text.to_owned()))
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.section_text(), self.place)
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn are_ordered_as_in_the_standard() {
        let number = |text: &str| text.parse::<Number>().expect("a number");
        assert!(number("3.1.2-9") < number("3.1.2-10"));
        assert!(number("3.9.2-1") < number("3.10.1-1"));
        assert!(number("4.2-1") < number("4.3.1-1"));
        assert_eq!(number("3.10.1-2").to_string(), "3.10.1-2");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in ["", "3.1", "3.1-0", "-1", "3..1-1", "MQTT-3.1-1", "3.1-x"] {
            assert!(text.parse::<Number>().is_err(), "{text}");
        }
    }
}
