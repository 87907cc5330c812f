//! The text form of hybrid logical clock timestamps: `{wall clock}:{counter}:{node id}`.
//!
//! Owns reading, writing and the order. Never reads a clock and never advances one.

use std::fmt;

use crate::decimal;

/// One timestamp. Ordered by wall clock, then counter, then the bytes of the node id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hlc<'a> {
    /// Milliseconds since the Unix epoch.
    pub wall_clock_ms: u64,
    /// Counts events within one millisecond; at most [`Hlc::MAX_COUNTER`].
    pub counter: u32,
    /// Names the clock; not empty, without `:`.
    pub node_id: &'a str,
}

/// Why a text is not a timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HlcError {
    /// Not three parts separated by two colons.
    #[error("a timestamp has exactly three parts: wall clock, counter and node id")]
    Parts,
    /// The wall clock is not a decimal number, or above 2^64 - 1.
    #[error("the wall clock is not a decimal number of milliseconds")]
    WallClock,
    /// The counter is not a decimal number, or not below 2^31 - 1.
    #[error("the counter is not a decimal number below 2147483647")]
    Counter,
    /// The node id is empty.
    #[error("the node id is empty")]
    NodeId,
}

impl<'a> Hlc<'a> {
    /// The largest counter: below 2^31 - 1.
    pub const MAX_COUNTER: u32 = (1 << 31) - 2;

    /// The fewest digits of a wall clock that is written.
    const WALL_CLOCK_DIGITS: usize = 15;
    /// The fewest digits of a counter that is written.
    const COUNTER_DIGITS: usize = 5;

    /// Reads a timestamp; the numbers may have any number of digits, at least one.
    pub fn parse(text: &'a str) -> Result<Self, HlcError> {
        let mut parts = text.split(':');
        let (Some(wall_clock), Some(counter), Some(node_id), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(HlcError::Parts);
        };
        let wall_clock_ms = decimal::parse(wall_clock.as_bytes()).ok_or(HlcError::WallClock)?;
        let counter = decimal::parse(counter.as_bytes())
            .and_then(|counter| u32::try_from(counter).ok())
            .filter(|counter| *counter <= Self::MAX_COUNTER)
            .ok_or(HlcError::Counter)?;
        if node_id.is_empty() {
            return Err(HlcError::NodeId);
        }
        Ok(Self { wall_clock_ms, counter, node_id })
    }

    /// Appends the text that `Display` gives, without the cost of `fmt`.
    pub fn write_to(&self, out: &mut Vec<u8>) {
        decimal::write(self.wall_clock_ms, Self::WALL_CLOCK_DIGITS, out);
        out.push(b':');
        decimal::write(u64::from(self.counter), Self::COUNTER_DIGITS, out);
        out.push(b':');
        out.extend_from_slice(self.node_id.as_bytes());
    }
}

impl fmt::Display for Hlc<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { wall_clock_ms, counter, node_id } = self;
        let (wall_clock_digits, counter_digits) = (Self::WALL_CLOCK_DIGITS, Self::COUNTER_DIGITS);
        write!(f, "{wall_clock_ms:0wall_clock_digits$}:{counter:0counter_digits$}:{node_id}")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    const fn hlc(wall_clock_ms: u64, counter: u32, node_id: &str) -> Hlc<'_> {
        Hlc { wall_clock_ms, counter, node_id }
    }

    #[test]
    fn reads_any_number_of_digits() {
        for (text, value) in [
            ("0:0:n", hlc(0, 0, "n")),
            ("001696374425000:00001:StateStore", hlc(1_696_374_425_000, 1, "StateStore")),
            ("1696374425000:1:a b", hlc(1_696_374_425_000, 1, "a b")),
            ("0000000000000000000000000000000000001:000000000000002:é", hlc(1, 2, "é")),
            ("18446744073709551615:2147483646:n", hlc(u64::MAX, Hlc::MAX_COUNTER, "n")),
        ] {
            assert_eq!(Hlc::parse(text), Ok(value), "{text}");
        }
    }

    #[test]
    fn refuses_all_else() {
        for (text, error) in [
            ("", HlcError::Parts),
            ("1:2", HlcError::Parts),
            ("1:2:n:", HlcError::Parts),
            ("1:2:n:m", HlcError::Parts),
            (":2:n", HlcError::WallClock),
            ("-1:2:n", HlcError::WallClock),
            ("+1:2:n", HlcError::WallClock),
            (" 1:2:n", HlcError::WallClock),
            ("1_0:2:n", HlcError::WallClock),
            ("١:2:n", HlcError::WallClock),
            ("18446744073709551616:2:n", HlcError::WallClock),
            ("1::n", HlcError::Counter),
            ("1:x:n", HlcError::Counter),
            ("1:2147483647:n", HlcError::Counter),
            ("1:4294967296:n", HlcError::Counter),
            ("1:99999999999999999999:n", HlcError::Counter),
            ("1:2:", HlcError::NodeId),
        ] {
            assert_eq!(Hlc::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn writes_at_least_15_and_5_digits() {
        for (value, text) in [
            (hlc(0, 0, "n"), "000000000000000:00000:n"),
            (hlc(1_696_374_425_000, 12, "StateStore"), "001696374425000:00012:StateStore"),
            (hlc(u64::MAX, Hlc::MAX_COUNTER, "n"), "18446744073709551615:2147483646:n"),
        ] {
            let mut out = b"before ".to_vec();
            value.write_to(&mut out);
            assert_eq!(out, format!("before {text}").as_bytes());
            assert_eq!(value.to_string(), text);
            assert_eq!(Hlc::parse(text).unwrap(), value);
        }
    }

    #[test]
    fn are_ordered_by_wall_clock_then_counter_then_node_id() {
        let ordered =
            [hlc(1, 9, "z"), hlc(2, 0, "z"), hlc(2, 1, "B"), hlc(2, 1, "Ba"), hlc(2, 1, "a"), hlc(2, 1, "é")];
        assert!(ordered.is_sorted_by(|a, b| a < b));
    }
}
