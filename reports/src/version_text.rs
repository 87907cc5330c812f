//! Versions inside sentences, short enough to compare at a glance.
//!
//! Owns how a version of the form `{15 digits}:{5 digits}:{node}` reads in a heading or a paragraph. It only
//! finds and abbreviates: tables and `report.json` keep the full text, and no version is compared here.

use std::collections::BTreeMap;

/// Digits of the wall clock, in milliseconds.
const CLOCK_DIGITS: usize = 15;

/// Digits of the counter.
const COUNTER_DIGITS: usize = 5;

/// Last digits of the wall clock that the short form keeps; they turn over every 1,000 s.
const CLOCK_DIGITS_KEPT: usize = 6;

/// A part of a sentence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// What stays as it is.
    Words(&'a str),
    /// A version and its short form, such as `…600435:0`.
    Version { full: &'a str, short: String },
}

/// `sentence` in pieces. Where two of its versions would read the same when short, all of it stays words.
pub(crate) fn pieces(sentence: &str) -> Vec<Piece<'_>> {
    let mut pieces = Vec::new();
    let mut full_of = BTreeMap::new();
    let mut words_from = 0;
    let mut at = 0;
    while let Some(digits) = sentence[at..].find(|character: char| character.is_ascii_digit()) {
        at += digits;
        let Some(len) = version_len(&sentence[at..]) else {
            let rest = &sentence[at..];
            at += rest.find(|character: char| !character.is_ascii_digit()).unwrap_or(rest.len());
            continue;
        };
        let full = &sentence[at..at + len];
        let short = short(full);
        if *full_of.entry(short.clone()).or_insert(full) != full {
            return vec![Piece::Words(sentence)];
        }
        if words_from < at {
            pieces.push(Piece::Words(&sentence[words_from..at]));
        }
        pieces.push(Piece::Version { full, short });
        at += len;
        words_from = at;
    }
    if words_from < sentence.len() {
        pieces.push(Piece::Words(&sentence[words_from..]));
    }
    pieces
}

/// `sentence` with its versions in their short form.
pub(crate) fn shortened(sentence: &str) -> String {
    let mut text = String::with_capacity(sentence.len());
    for piece in pieces(sentence) {
        match piece {
            Piece::Words(words) => text.push_str(words),
            Piece::Version { short, .. } => text.push_str(&short),
        }
    }
    text
}

/// The length of the version that `text` begins with, if it begins with one. A full stop ends a node's name
/// unless a letter or digit follows it.
fn version_len(text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    let node_at = CLOCK_DIGITS + 1 + COUNTER_DIGITS + 1;
    let head = bytes.get(..node_at)?;
    let is_head = head.iter().enumerate().all(|(position, byte)| {
        if position == CLOCK_DIGITS || position == node_at - 1 {
            *byte == b':'
        } else {
            byte.is_ascii_digit()
        }
    });
    let in_name = |at: usize| {
        bytes.get(at).is_some_and(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    let mut end = node_at;
    while in_name(end) || end > node_at && bytes.get(end) == Some(&b'.') && in_name(end + 1) {
        end += 1;
    }
    (is_head && end > node_at).then_some(end)
}

/// The short form of `full`, which [`version_len`] measured.
fn short(full: &str) -> String {
    let clock = &full[CLOCK_DIGITS - CLOCK_DIGITS_KEPT..CLOCK_DIGITS];
    let counter = full[CLOCK_DIGITS + 1..][..COUNTER_DIGITS].trim_start_matches('0');
    format!("…{clock}:{}", if counter.is_empty() { "0" } else { counter })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_keeps_six_digits_and_its_counter() {
        assert_eq!(
            shortened("saw version 001767225600744:00000:StateStore, then 001767225600884:00120:node-1."),
            "saw version …600744:0, then …600884:120."
        );
        assert_eq!(shortened("é 000000000001200:00001:eu.broker_2"), "é …001200:1");
        assert_eq!(
            pieces("at 000000000001200:00001:b"),
            [
                Piece::Words("at "),
                Piece::Version { full: "000000000001200:00001:b", short: "…001200:1".to_owned() }
            ]
        );
    }

    #[test]
    fn what_only_resembles_a_version_stays() {
        for text in [
            "",
            "12:30",
            "1001767225600744:00000:StateStore",
            "01767225600744:00000:StateStore",
            "001767225600744:0000:StateStore",
            "001767225600744:000000:StateStore",
            "001767225600744:00000: StateStore",
            "001767225600744:00000:",
            "001767225600744:00000:.",
            "00176722560074é:00000:StateStore",
        ] {
            assert_eq!(shortened(text), text);
        }
    }

    #[test]
    fn versions_that_would_read_the_same_stay_whole() {
        for other in ["001767226600744:00000:StateStore", "001767225600744:00000:other"] {
            let text = format!("001767225600744:00000:StateStore is not {other}");
            assert_eq!(shortened(&text), text);
        }
        assert_eq!(shortened("000000000000001:00000:a 000000000000001:00000:a"), "…000001:0 …000001:0");
    }
}
