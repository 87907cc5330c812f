//! Globs over bytes, for keys and client identifiers.
//!
//! `*` stands for any bytes, `/` among them; `?` for one byte; `[a-z_]` for one byte of a class, `[!a-z]` for one
//! outside it; a token for the principal's value, literally. There is no escape: `[*]` is an asterisk. The reference
//! shows `*`, `?` and `[0-9]` and reserves braces; negation is what globs usually have.

use super::token::{PatternError, Principal, Token};

/// A pattern of bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob {
    text: Box<str>,
    pieces: Box<[Piece]>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Literal(Box<[u8]>),
    /// `?`
    One,
    /// One byte of a set, a bit each.
    Class(Box<[u64; 4]>),
    /// `*`
    Many,
    Token(Token),
}

impl Glob {
    /// Checks a text.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(special) = rest.find(['*', '?', '[', '{', '}']) {
            let (literal, at_special) = rest.split_at(special);
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.as_bytes().into()));
            }
            let (piece, after) = Piece::parse(at_special)?;
            // Two asterisks say what one does.
            if piece != Piece::Many || pieces.last() != Some(&Piece::Many) {
                pieces.push(piece);
            }
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.as_bytes().into()));
        }
        Ok(Self { text: text.into(), pieces: pieces.into() })
    }

    /// The text that it was made of.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether all of `bytes` is meant. Takes at most as many steps as the two have bytes, multiplied: what stands
    /// between two asterisks has one length, so the first place where it fits is as good as any other, and only the last
    /// asterisk is ever tried again.
    pub fn matches(&self, bytes: &[u8], principal: Principal<'_>) -> bool {
        let (mut piece, mut position) = (0, 0);
        // The piece behind the last asterisk, and where it is tried.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let matched = match self.pieces.get(piece) {
                None if position == bytes.len() => return true,
                None => None,
                Some(Piece::Many) => {
                    piece += 1;
                    if piece == self.pieces.len() {
                        return true;
                    }
                    retry = Some((piece, position));
                    continue;
                }
                Some(Piece::Token(token)) => match token.value(principal) {
                    None => return false,
                    Some(value) => bytes[position..].starts_with(value.as_bytes()).then_some(value.len()),
                },
                Some(Piece::Literal(literal)) => {
                    bytes[position..].starts_with(literal).then_some(literal.len())
                }
                Some(Piece::One) => (position < bytes.len()).then_some(1),
                Some(Piece::Class(class)) => {
                    bytes.get(position).is_some_and(|&byte| is_in(class, byte)).then_some(1)
                }
            };
            match (matched, &mut retry) {
                (Some(len), _) => {
                    piece += 1;
                    position += len;
                }
                (None, Some((behind, tried))) if *tried < bytes.len() => {
                    *tried += 1;
                    (piece, position) = (*behind, *tried);
                }
                (None, _) => return false,
            }
        }
    }
}

impl Piece {
    /// Takes the special piece off the front of a text.
    fn parse(text: &str) -> Result<(Self, &str), PatternError> {
        let (first, rest) = text.split_at(1);
        match first {
            "*" => Ok((Self::Many, rest)),
            "?" => Ok((Self::One, rest)),
            "{" => {
                let (name, rest) = rest.split_once('}').ok_or(PatternError::StrayBrace)?;
                Ok((Self::Token(Token::parse(name)?), rest))
            }
            "[" => Self::parse_class(rest),
            _ => Err(PatternError::StrayBrace),
        }
    }

    /// Parses what stands behind a `[`.
    fn parse_class(text: &str) -> Result<(Self, &str), PatternError> {
        let is_negated = text.starts_with(['!', '^']);
        let inside = if is_negated { &text[1..] } else { text };
        // A `]` at the beginning is one of the class.
        let end =
            inside.bytes().skip(1).position(|byte| byte == b']').ok_or(PatternError::UnclosedClass)? + 1;
        let mut class = [0_u64; 4];
        let mut characters = inside.get(..end).unwrap_or(inside).chars().peekable();
        while let Some(first) = characters.next() {
            let mut last = first;
            if characters.peek() == Some(&'-') {
                characters.next();
                match characters.next() {
                    Some(end) => last = end,
                    None => insert(&mut class, b'-'), // At the end it stands for itself.
                }
            }
            for character in [first, last] {
                if !character.is_ascii() {
                    return Err(PatternError::NonAsciiClass { found: character });
                }
            }
            if last < first {
                return Err(PatternError::BackwardRange { first, last });
            }
            (first as u8..=last as u8).for_each(|byte| insert(&mut class, byte));
        }
        if is_negated {
            class = class.map(|bits| !bits);
        }
        Ok((Self::Class(Box::new(class)), &inside[end + 1..]))
    }
}

fn insert(class: &mut [u64; 4], byte: u8) {
    class[usize::from(byte / 64)] |= 1 << (byte % 64);
}

fn is_in(class: &[u64; 4], byte: u8) -> bool {
    class[usize::from(byte / 64)] & (1 << (byte % 64)) != 0
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
