//! Globs of rules, for keys and client identifiers: [`pieces`](super::pieces) says what they mean. A token stands for the
//! principal's value, literally; braces are reserved for them.

use super::pieces::Pieces;
use super::token::{PatternError, Principal};

/// A pattern of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: Box<str>,
    pieces: Pieces,
}

impl Glob {
    /// Checks a text.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        Ok(Self { pieces: Pieces::of_rule(text)?, text: text.into() })
    }

    /// The text that it was made of.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of `bytes` is meant. Takes at most as many steps as the two have bytes, multiplied.
    pub fn matches(&self, bytes: &[u8], principal: Principal<'_>) -> bool {
        self.pieces.matches(bytes, principal)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use crate::identity::AttributeList;

    fn matches(pattern: &str, bytes: &[u8]) -> bool {
        Glob::parse(pattern).unwrap().matches(bytes, Principal::default())
    }

    #[test]
    fn what_globs_mean() {
        for (pattern, bytes) in [
            ("*", &b""[..]),
            ("*", b"a/b"),
            ("colors/*", b"colors/red/dark"),
            ("number[0-9]", b"number7"),
            ("char?", b"charA"),
            ("?", b"\xff"),
            ("a*b*c", b"aXbYbZc"),
            ("*ab", b"aaab"),
            ("**a", b"ba"),
            ("[*]", b"*"),
            ("[]]", b"]"),
            ("[a-]", b"-"),
            ("[!a-c]", b"\xff"),
            ("[^a]", b"b"),
            (r"a\*", br"a\x"),
        ] {
            assert!(matches(pattern, bytes), "{pattern} {bytes:?}");
        }
        for (pattern, bytes) in [
            ("colors/*", &b"colors"[..]),
            ("number[0-9]", b"numberx"),
            ("char?", b"char"),
            ("char?", b"charAB"),
            ("a*b*c", b"aXbYbZ"),
            ("*ab", b"aaba"),
            ("[*]", b"x"),
            ("[!a-c]", b"b"),
            ("a", b"ab"),
            ("a", b"A"),
        ] {
            assert!(!matches(pattern, bytes), "{pattern} {bytes:?}");
        }
    }

    #[test]
    fn what_is_no_glob() {
        for (text, message) in [
            ("", "it is empty"),
            ("a[b", "`[` has no `]`; for the character itself write `[[]`"),
            ("[]", "`[` has no `]`; for the character itself write `[[]`"),
            ("[9-0]", "the range `9-0` is empty; write the lower character first"),
            ("[é]", "`é` in `[…]` is not an ASCII character: a class matches one byte"),
            ("a}", "a `{` or `}` stands alone; braces are reserved for tokens such as {principal.clientId}"),
            (
                "{principal.clientId",
                "a `{` or `}` stands alone; braces are reserved for tokens such as {principal.clientId}",
            ),
            (
                "{clientId}",
                "`{clientId}` is no token; the tokens are {principal.clientId}, {principal.username} and {principal.attributes.NAME}",
            ),
        ] {
            assert_eq!(Glob::parse(text).unwrap_err().to_string(), message, "{text}");
        }
    }

    #[test]
    fn a_value_is_put_in_literally_or_not_at_all() {
        let attributes: AttributeList = [("site", "s*"), ("empty", "")].into_iter().collect();
        let principal =
            Principal { client_id: "c[0]?", user_name: Some("a/b"), attributes: attributes.as_attributes() };
        let matches =
            |pattern: &str, key: &str| Glob::parse(pattern).unwrap().matches(key.as_bytes(), principal);
        assert!(matches("{principal.clientId}/*", "c[0]?/x"));
        assert!(!matches("{principal.clientId}/*", "c0x/x"));
        assert!(matches("*-{principal.attributes.site}", "x-s*"));
        assert!(!matches("*-{principal.attributes.site}", "x-sx"));
        for pattern in
            ["{principal.username}*", "{principal.attributes.empty}*", "{principal.attributes.none}*"]
        {
            for key in ["", "a", "a/b", "x"] {
                assert!(!matches(pattern, key), "{pattern} {key}");
            }
        }
    }

    /// Exponential backtracking would never end here.
    #[test]
    fn many_asterisks_take_no_time() {
        let pattern = "*a".repeat(40) + "b";
        assert!(!matches(&pattern, &[b'a'; 10_000]));
    }
}
