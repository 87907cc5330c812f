//! Arbitrary bytes on one line of text.

use std::fmt::{self, Write};

/// Of a key in a message so many bytes are shown.
const SHOWN: usize = 256;

/// The beginning of a key, as long as one line can bear.
pub(crate) struct Beginning<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Beginning<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.split_at_checked(SHOWN) {
            Some((shown, rest)) if !rest.is_empty() => {
                write!(f, "{}… ({} bytes)", Escaped(shown), self.0.len())
            }
            _ => Escaped(self.0).fmt(f),
        }
    }
}

/// Shows a text, which may hold words of somebody else, without control characters: they could change what a terminal shows.
pub(crate) struct Harmless<'a>(pub(crate) &'a str);

impl fmt::Display for Harmless<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            if character.is_control() {
                write!(f, "{}", character.escape_default())?;
            } else {
                f.write_char(character)?;
            }
        }
        Ok(())
    }
}

/// Shows bytes as text without control characters: what is not UTF-8 as `\xNN`, a backslash as `\\`.
pub(crate) struct Escaped<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for character in chunk.valid().chars() {
                if character == '\\' || character.is_control() {
                    write!(f, "{}", character.escape_default())?;
                } else {
                    f.write_char(character)?;
                }
            }
            for byte in chunk.invalid() {
                write!(f, "\\x{byte:02x}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_others_say_does_nothing_to_a_terminal() {
        assert_eq!(Harmless("a\\b \x1b[2J\r\n\u{9b}ü").to_string(), "a\\b \\u{1b}[2J\\r\\n\\u{9b}ü");
    }

    #[test]
    fn text_stays_and_the_rest_is_escaped() {
        assert_eq!(Escaped("grün \"1\"".as_bytes()).to_string(), "grün \"1\"");
        assert_eq!(Beginning(&[b'x'; SHOWN]).to_string().len(), SHOWN);
        assert!(Beginning(&[b'x'; SHOWN + 1]).to_string().ends_with("x… (257 bytes)"));
        assert_eq!(Escaped(b"a\\b\r\n\0\xff\xc3").to_string(), "a\\\\b\\r\\n\\u{0}\\xff\\xc3");
    }
}
