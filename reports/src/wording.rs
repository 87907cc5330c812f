//! How numbers, times and foreign text read in the renderings.
//!
//! Text and HTML use the same words, so that a figure found in one can be searched in the other.

use std::borrow::Cow;

use crate::model::{Checker, CheckerVerdict, Conclusion, FaultVerdict, TraceHash};

/// An instant of simulated time: seconds since the start of the run, to the millisecond.
pub(crate) fn instant(at_ns: u64) -> String {
    let at_ms = (u128::from(at_ns) + 500_000) / 1_000_000;
    format!("{}.{:03} s", at_ms / 1_000, at_ms % 1_000)
}

/// An instant that may not have come, or a dash.
pub(crate) fn instant_or_dash(at_ns: Option<u64>) -> String {
    at_ns.map_or_else(|| "–".to_owned(), instant)
}

/// A duration to three significant digits, in the unit that suits it.
pub(crate) fn duration(duration_ns: u64) -> String {
    let (unit_ns, unit) = match duration_ns {
        0..1_000 => return format!("{duration_ns} ns"),
        1_000..1_000_000 => (1_000, "µs"),
        1_000_000..1_000_000_000 => (1_000_000, "ms"),
        _ => (1_000_000_000, "s"),
    };
    in_unit(duration_ns, unit_ns, unit)
}

/// A value to three significant digits in a unit that is not above it.
fn in_unit(value: u64, unit: u64, name: &str) -> String {
    let decimals = match value / unit {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let scale = 10_u128.pow(decimals);
    let rounded = (u128::from(value) * scale + u128::from(unit) / 2) / u128::from(unit);
    if decimals == 0 {
        format!("{rounded} {name}")
    } else {
        format!("{}.{:0width$} {name}", rounded / scale, rounded % scale, width = decimals as usize)
    }
}

/// A count with its thousands set apart.
pub(crate) fn count(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// Words that begin a sentence.
pub(crate) fn capital(words: &str) -> String {
    let mut characters = words.chars();
    characters.next().map_or_else(String::new, |first| first.to_uppercase().chain(characters).collect())
}

/// A number of bytes to three significant digits, in the unit that suits it.
pub(crate) fn bytes(value: u64) -> String {
    let (unit, name) = match value {
        0..1_024 => return format!("{value} B"),
        1_024..1_048_576 => (1_024, "KiB"),
        1_048_576..1_073_741_824 => (1_048_576, "MiB"),
        _ => (1_073_741_824, "GiB"),
    };
    in_unit(value, unit, name)
}

/// Words with the thousands of their numbers set apart.
pub(crate) fn grouped(words: &str) -> String {
    let group = |word: &str| match word.parse::<u64>() {
        Ok(value) if !word.starts_with(['0', '+']) => count(value),
        _ => word.to_owned(),
    };
    words.split(' ').map(group).collect::<Vec<_>>().join(" ")
}

/// A count and its noun: `1 client`, `2 clients`.
pub(crate) fn counted(value: usize, noun: &str) -> String {
    let plural = if value == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", count(value as u64))
}

/// `text` with its control characters replaced by their pictures (U+2400 onwards), so that a key cannot move
/// a terminal's cursor or break a line, and a reader sees that something is there.
pub(crate) fn visible(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let picture = |character: char| match character {
        '\0'..='\x1f' => char::from_u32(0x2400 + character as u32).unwrap_or('\u{fffd}'),
        '\x7f' => '\u{2421}',
        '\u{80}'..='\u{9f}' => '\u{fffd}',
        other => other,
    };
    Cow::Owned(text.chars().map(picture).collect())
}

/// The verdict of a run in a word or two.
pub(crate) fn conclusion(conclusion: Conclusion) -> &'static str {
    match conclusion {
        Conclusion::Passed => "Passed",
        Conclusion::ConsistencyViolated => "Consistency violated",
        Conclusion::ExpectationFailed => "Expectation failed",
    }
}

/// The verdict on a fault.
pub(crate) fn fault_verdict(verdict: FaultVerdict) -> &'static str {
    match verdict {
        FaultVerdict::Bit => "bit",
        FaultVerdict::NeverFired => "never fired",
        FaultVerdict::NeverObserved => "never observed",
    }
}

/// The verdict of a checker, without the reason of an undecided one.
pub(crate) fn checker_verdict(verdict: &CheckerVerdict) -> &'static str {
    match verdict {
        CheckerVerdict::Valid => "valid",
        CheckerVerdict::Violated => "violated",
        CheckerVerdict::Undecided { .. } => "undecided",
    }
}

/// What a restart lost, in the words of the checker that found the loss complete. It is told beside the
/// verdict, since "passed" alone does not say that anything was lost.
pub(crate) fn loss(checkers: &[Checker]) -> Option<&str> {
    let found =
        |checker: &&Checker| checker.name == "loss-on-restart" && checker.verdict == CheckerVerdict::Valid;
    checkers.iter().find(found).map(|checker| checker.checked.as_str())
}

/// Whether an expectation was met.
pub(crate) fn met(met: bool) -> &'static str {
    if met { "met" } else { "not met" }
}

/// The trace hash, or why there is none.
pub(crate) fn trace_hash(hash: &TraceHash) -> String {
    match hash {
        TraceHash::Hex(digits) => digits.clone(),
        TraceHash::Exempt { reason } => format!("none: {reason}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_three_digits_and_a_fitting_unit() {
        let cases = [
            (0, "0 ns"),
            (999, "999 ns"),
            (1_000, "1.00 µs"),
            (12_345, "12.3 µs"),
            (123_456, "123 µs"),
            (2_005_000, "2.01 ms"),
            (61_000_000_000, "61.0 s"),
            (u64::MAX, "18446744074 s"),
        ];
        for (duration_ns, text) in cases {
            assert_eq!(duration(duration_ns), text);
        }
    }

    #[test]
    fn bytes_have_three_digits_and_a_fitting_unit() {
        let cases = [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_536, "1.50 KiB"),
            (52_428_800, "50.0 MiB"),
            (1 << 40, "1024 GiB"),
        ];
        for (value, text) in cases {
            assert_eq!(bytes(value), text);
        }
    }

    #[test]
    fn instants_are_seconds_to_the_millisecond() {
        assert_eq!(instant(4_250_499_999), "4.250 s");
        assert_eq!(instant(u64::MAX), "18446744073.710 s");
        assert_eq!(instant_or_dash(None), "–");
    }

    #[test]
    fn counts_group_thousands() {
        assert_eq!(
            [count(0), count(999), count(1_000), count(1_234_567)],
            ["0", "999", "1,000", "1,234,567"]
        );
        assert_eq!([counted(1, "client"), counted(2, "client")], ["1 client", "2 clients"]);
    }

    #[test]
    fn numbers_in_words_are_grouped_and_others_are_not() {
        assert_eq!(grouped("at least 1500 of 12345678"), "at least 1,500 of 12,345,678");
        assert_eq!(grouped("001767 key-12345 1.2345 none"), "001767 key-12345 1.2345 none");
    }

    #[test]
    fn control_characters_become_pictures() {
        assert_eq!(visible("a\x1b[2J\n\0\x7fé\u{9b}"), "a␛[2J␊␀␡é\u{fffd}");
        assert!(matches!(visible("plain é"), Cow::Borrowed(_)));
    }
}
