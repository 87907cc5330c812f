//! UTF-8 Encoded Strings [MQTT 5, section 1.5.4], checked eight bytes at a time.
//!
//! Most strings on the wire are short and ASCII, so each check first looks at whole words and falls back to
//! the exact, slower rules only where a word holds something else.

use crate::DecodeError;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGHS: u64 = 0x8080_8080_8080_8080;

/// Checks a string without making a `&str` of it.
#[inline]
pub(crate) fn check(bytes: &[u8]) -> Result<(), DecodeError> {
    // Zero and non-ASCII bytes alone set a high bit here: 1 to 0x7F minus 1 borrows nothing.
    if any_byte(bytes, |word| word.wrapping_sub(ONES) | word) { check_exactly(bytes) } else { Ok(()) }
}

#[cold]
fn check_exactly(bytes: &[u8]) -> Result<(), DecodeError> {
    parse(bytes).map(|_| ())
}

/// Checks a string.
#[inline]
pub(crate) fn parse(bytes: &[u8]) -> Result<&str, DecodeError> {
    let text = std::str::from_utf8(bytes).map_err(|_| DecodeError::Utf8)?;
    if has_null(bytes) { Err(DecodeError::NullCharacter) } else { Ok(text) }
}

/// Whether U+0000 occurs.
#[inline]
pub(crate) fn has_null(bytes: &[u8]) -> bool {
    any_byte(bytes, zero_bytes)
}

/// Whether U+0000 or a wildcard occurs.
#[inline]
pub(crate) fn has_null_or_wildcard(bytes: &[u8]) -> bool {
    // '#' (0x23) and '+' (0x2B) differ in one bit, so that one comparison finds both.
    any_byte(bytes, |word| zero_bytes(word) | zero_bytes((word | (ONES * 0x08)) ^ (ONES * 0x2B)))
}

/// Sets a high bit if and only if a byte of `word` is zero.
#[inline]
fn zero_bytes(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word
}

/// Whether `marks` sets the high bit of any byte, for any word of the string. Words overlap or repeat bytes
/// where the length is no multiple of eight. No word ends the search early: strings are short, and the branch
/// would cost more.
#[inline]
fn any_byte(bytes: &[u8], marks: impl Fn(u64) -> u64) -> bool {
    let found = if let Some(last) = bytes.last_chunk::<8>() {
        let (words, _) = bytes.as_chunks::<8>();
        words
            .iter()
            .fold(marks(u64::from_le_bytes(*last)), |found, word| found | marks(u64::from_le_bytes(*word)))
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        marks(u64::from(u32::from_le_bytes(*first)) << 32 | u64::from(u32::from_le_bytes(*last)))
    } else {
        bytes.iter().fold(0, |found, byte| found | marks(u64::from(*byte) * ONES))
    };
    found & HIGHS != 0
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn finds_a_special_byte_at_every_place_of_every_length() {
        for len in 1..40 {
            let clean = vec![b'a'; len];
            assert_eq!(check(&clean), Ok(()));
            assert!(!has_null(&clean) && !has_null_or_wildcard(&clean));
            for place in 0..len {
                let with = |byte| {
                    let mut bytes = clean.clone();
                    bytes[place] = byte;
                    bytes
                };
                assert_eq!(check(&with(0)), Err(DecodeError::NullCharacter));
                assert_eq!(check(&with(0x80)), Err(DecodeError::Utf8));
                assert_eq!(check(&with(0xFF)), Err(DecodeError::Utf8));
                assert!(has_null(&with(0)) && !has_null(&with(1)) && !has_null(&with(0x80)));
                for byte in 0..=255 {
                    let special = matches!(byte, 0 | b'#' | b'+');
                    assert_eq!(has_null_or_wildcard(&with(byte)), special, "{byte:#x} at {place} of {len}");
                }
            }
        }
    }

    #[test]
    fn follows_the_rules_of_utf_8() {
        for good in ["", "a", "\u{1}", "é", "\u{FEFF}", "\u{FFFF}", "\u{10FFFF}", "A\u{2A6D4}"] {
            assert_eq!(check(good.as_bytes()), Ok(()));
            assert_eq!(parse(good.as_bytes()).unwrap(), good);
        }
        let surrogate = [0xED, 0xA0, 0x80];
        let overlong_null = [0xC0, 0x80];
        let above_the_last_code_point = [0xF4, 0x90, 0x80, 0x80];
        let cut = [0xC3];
        for bad in [&surrogate[..], &overlong_null, &above_the_last_code_point, &cut] {
            assert_eq!(check(bad), Err(DecodeError::Utf8), "{bad:x?}");
            assert_eq!(parse(bad), Err(DecodeError::Utf8), "{bad:x?}");
        }
        assert_eq!(parse(b"\0"), Err(DecodeError::NullCharacter));
        assert_eq!(check("é\0".as_bytes()), Err(DecodeError::NullCharacter));
    }
}
