//! Durations as files write them: a number and a unit.

#[cfg(feature = "schema")]
mod schema;

use std::fmt;
use std::time::Duration;

use serde::de::{Deserializer, Error as _, Visitor};
use serde::{Serialize, Serializer};
use thiserror::Error;

/// What a duration looks like, for messages.
const EXAMPLES: &str = "\"250ms\", \"1.5s\", \"10s\", \"1m\" or \"1h\"";

/// The longest duration that a file can write: a hundred years and more, far below overflow.
const MAX: Duration = Duration::from_secs(u32::MAX as u64);

/// `#[serde(with = "duration::Text")]`: a [`Duration`] that a file writes as text.
#[derive(Debug)]
pub struct Text;

impl Text {
    /// Reads a duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        deserializer.deserialize_any(DurationText).and_then(|text| parse(&text).map_err(D::Error::custom))
    }

    /// Writes a duration.
    pub fn serialize<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&written(*duration))
    }
}

/// `#[serde(default, with = "duration::OptionalText")]`: the same where the key may be absent.
#[derive(Debug)]
pub struct OptionalText;

impl OptionalText {
    /// Reads a duration.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Duration>, D::Error> {
        Text::deserialize(deserializer).map(Some)
    }

    /// Writes a duration, or none.
    pub fn serialize<S: Serializer>(duration: &Option<Duration>, serializer: S) -> Result<S::Ok, S::Error> {
        duration.map(written).serialize(serializer)
    }
}

/// `#[serde(with = "duration::SignedMsText")]`: a whole number of milliseconds that may be negative, as a text like a
/// duration's.
#[derive(Debug)]
pub struct SignedMsText;

impl SignedMsText {
    /// Reads a number of milliseconds.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<i64, D::Error> {
        let text = deserializer.deserialize_any(DurationText)?;
        let (sign, magnitude) = match text.strip_prefix('-') {
            Some(magnitude) => (-1, magnitude),
            None => (1, text.as_str()),
        };
        let duration = parse(magnitude).map_err(D::Error::custom)?;
        if duration.subsec_nanos() % 1_000_000 != 0 {
            return Err(D::Error::custom(format!("`{text}` is not a whole number of milliseconds")));
        }
        // MAX is far below i64::MAX milliseconds.
        Ok(sign * duration.as_millis() as i64)
    }

    /// Writes a number of milliseconds.
    pub fn serialize<S: Serializer>(ms: &i64, serializer: S) -> Result<S::Ok, S::Error> {
        let magnitude = written(Duration::from_millis(ms.unsigned_abs()));
        serializer.serialize_str(&if *ms < 0 { format!("-{magnitude}") } else { magnitude })
    }
}

/// A text that is no duration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DurationError {
    /// A bare number.
    #[error("`{0}` has no unit; write \"{0}ms\" or \"{0}s\"")]
    NoUnit(String),
    /// Something else than a number and a unit.
    #[error("`{0}` is not a duration; write one like {EXAMPLES}")]
    Invalid(String),
    /// Above the longest, which is 4294967295 s.
    #[error("`{0}` is longer than {max}", max = written(MAX))]
    TooLong(String),
}

/// A duration as a file would have it, in the largest unit that needs no fraction.
pub fn written(duration: Duration) -> String {
    let ns = duration.as_nanos();
    let units = [
        (3_600_000_000_000, "h"),
        (60_000_000_000, "m"),
        (1_000_000_000, "s"),
        (1_000_000, "ms"),
        (1_000, "us"),
    ];
    match units.into_iter().find(|(unit_ns, _)| ns.is_multiple_of(*unit_ns)) {
        _ if ns == 0 => "0s".to_owned(),
        Some((unit_ns, unit)) => format!("{}{unit}", ns / unit_ns),
        None => format!("{}.{:03}us", ns / 1_000, ns % 1_000),
    }
}

/// Parses a number, with a fraction or without, and a unit: `us`, `ms`, `s`, `m` or `h`. At most 4294967295 s.
pub fn parse(text: &str) -> Result<Duration, DurationError> {
    let digits_end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits_end);
    let unit_ns: u64 = match unit {
        "us" => 1_000,
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" => 60 * 1_000_000_000,
        "h" => 3_600 * 1_000_000_000,
        "" if !number.is_empty() => {
            return Err(DurationError::NoUnit(text.to_owned()));
        }
        _ => return Err(DurationError::Invalid(text.to_owned())),
    };
    let invalid = || DurationError::Invalid(text.to_owned());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    if whole.is_empty() || fraction.is_empty() || fraction.len() > 9 || fraction.contains('.') {
        return Err(invalid());
    }
    let too_long = || DurationError::TooLong(text.to_owned());
    let whole: u64 = whole.parse().map_err(|_| too_long())?;
    let fraction_value: u64 = fraction.parse().map_err(|_| invalid())?;
    let whole_ns = u128::from(whole) * u128::from(unit_ns);
    let fraction_ns = u128::from(fraction_value) * u128::from(unit_ns) / 10u128.pow(fraction.len() as u32);
    let total_ns = whole_ns + fraction_ns;
    if total_ns > MAX.as_nanos() {
        return Err(too_long());
    }
    // MAX is below u64::MAX nanoseconds.
    Ok(Duration::from_nanos(total_ns as u64))
}

/// Accepts a string, and answers a bare number with the string that was probably meant.
struct DurationText;

impl Visitor<'_> for DurationText {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a duration with a unit, like {EXAMPLES}")
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<String, E> {
        Ok(text.to_owned())
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<String, E> {
        Err(E::custom(no_unit(number)))
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<String, E> {
        Err(E::custom(no_unit(number)))
    }
}

fn no_unit(number: impl fmt::Display) -> String {
    format!("a duration needs a unit; write \"{number}ms\" or \"{number}s\"")
}
