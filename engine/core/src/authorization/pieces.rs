//! What globs over bytes are made of, and how they match: those of rules and those that clients search keys with.
//!
//! `*` stands for any bytes, `/` among them; `?` for one byte; `[a-z_]` for one byte of a class, `[!a-z]` for one
//! outside it. There is no escape: `[*]` is an asterisk. The reference shows `*`, `?` and `[0-9]` for rules, and of the
//! patterns that clients search with says only that they are globs; negation is what globs usually have.

use super::token::{PatternError, Principal, Token};

/// A parsed glob.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pieces(Box<[Piece]>);

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

/// Where a glob comes from.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A rule's text: braces hold tokens, and what a class holds is ASCII, so that each of its characters is one byte.
    Rule,
    /// A client's request: all bytes stand for themselves but `*`, `?` and `[`.
    Request,
}

/// So many bytes of a literal are compared in one step.
const LITERAL_BYTES_PER_STEP: usize = 16;

impl Pieces {
    /// Parses what a rule says.
    pub(super) fn of_rule(text: &str) -> Result<Self, PatternError> {
        Self::parse(text.as_bytes(), Source::Rule)
    }

    /// Parses what a client asks for.
    pub(crate) fn of_request(pattern: &[u8]) -> Result<Self, PatternError> {
        Self::parse(pattern, Source::Request)
    }

    fn parse(text: &[u8], source: Source) -> Result<Self, PatternError> {
        if text.is_empty() {
            return Err(PatternError::Empty);
        }
        let is_special = |byte: &u8| match byte {
            b'*' | b'?' | b'[' => true,
            b'{' | b'}' => source == Source::Rule,
            _ => false,
        };
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(special) = rest.iter().position(is_special) {
            let (literal, at_special) = rest.split_at(special);
            if !literal.is_empty() {
                pieces.push(Piece::Literal(literal.into()));
            }
            let (piece, after) = Piece::parse(at_special, source)?;
            // Two asterisks say what one does.
            if piece != Piece::Many || pieces.last() != Some(&Piece::Many) {
                pieces.push(piece);
            }
            rest = after;
        }
        if !rest.is_empty() {
            pieces.push(Piece::Literal(rest.into()));
        }
        Ok(Self(pieces.into()))
    }

    /// Whether all of `bytes` is meant. Takes at most as many steps as the two have bytes, multiplied: what stands
    /// between two asterisks has one length, so the first place where it fits is as good as any other, and only the last
    /// asterisk is ever tried again.
    pub(super) fn matches(&self, bytes: &[u8], principal: Principal<'_>) -> bool {
        let mut unlimited = usize::MAX;
        self.matches_within(bytes, principal, &mut unlimited).unwrap_or(false)
    }

    /// The same, and takes the steps that it needs from `steps`; `None` where those do not suffice.
    pub(crate) fn matches_within(
        &self,
        bytes: &[u8],
        principal: Principal<'_>,
        steps: &mut usize,
    ) -> Option<bool> {
        let Self(pieces) = self;
        let (mut piece, mut position) = (0, 0);
        // The piece behind the last asterisk, and where it is tried.
        let mut retry: Option<(usize, usize)> = None;
        loop {
            let rest = &bytes[position..];
            let (matched, cost) = match pieces.get(piece) {
                None if rest.is_empty() => return Some(true),
                None => (None, 1),
                Some(Piece::Many) => {
                    *steps = steps.checked_sub(1)?;
                    piece += 1;
                    if piece == pieces.len() {
                        return Some(true);
                    }
                    retry = Some((piece, position));
                    continue;
                }
                Some(Piece::Token(token)) => match token.value(principal) {
                    None => return Some(false),
                    Some(value) => starts_with(rest, value.as_bytes()),
                },
                Some(Piece::Literal(literal)) => starts_with(rest, literal),
                Some(Piece::One) => ((!rest.is_empty()).then_some(1), 1),
                Some(Piece::Class(class)) => {
                    (rest.first().is_some_and(|&byte| is_in(class, byte)).then_some(1), 1)
                }
            };
            *steps = steps.checked_sub(cost)?;
            match (matched, &mut retry) {
                (Some(len), _) => {
                    piece += 1;
                    position += len;
                }
                (None, Some((behind, tried))) if *tried < bytes.len() => {
                    *tried += 1;
                    (piece, position) = (*behind, *tried);
                }
                (None, _) => return Some(false),
            }
        }
    }
}

impl Piece {
    /// Takes the special piece off the front of a text.
    fn parse(text: &[u8], source: Source) -> Result<(Self, &[u8]), PatternError> {
        match text {
            [b'*', rest @ ..] => Ok((Self::Many, rest)),
            [b'?', rest @ ..] => Ok((Self::One, rest)),
            [b'[', rest @ ..] => Self::parse_class(rest, source),
            [b'{', rest @ ..] => {
                let end = rest.iter().position(|&byte| byte == b'}').ok_or(PatternError::StrayBrace)?;
                Ok((Self::Token(Token::parse(&String::from_utf8_lossy(&rest[..end]))?), &rest[end + 1..]))
            }
            _ => Err(PatternError::StrayBrace),
        }
    }

    /// Parses what stands behind a `[`.
    fn parse_class(text: &[u8], source: Source) -> Result<(Self, &[u8]), PatternError> {
        let is_negated = matches!(text, [b'!' | b'^', ..]);
        let inside = &text[usize::from(is_negated)..];
        // A `]` at the beginning is one of the class.
        let end =
            inside.iter().skip(1).position(|&byte| byte == b']').ok_or(PatternError::UnclosedClass)? + 1;
        let mut class = [0_u64; 4];
        let mut members = &inside[..end];
        while let [first, behind @ ..] = members {
            let (last, behind) = match behind {
                [b'-', last, behind @ ..] => (last, behind),
                [b'-'] => {
                    insert(&mut class, b'-'); // At the end it stands for itself.
                    (first, &[][..])
                }
                _ => (first, behind),
            };
            if source == Source::Rule && !(first.is_ascii() && last.is_ascii()) {
                let members = String::from_utf8_lossy(members); // From the beginning of a character to the end of one.
                let found = members.chars().find(|character| !character.is_ascii());
                return Err(PatternError::NonAsciiClass { found: found.unwrap_or_default() });
            }
            if last < first {
                let (first, last) = (char::from(*first), char::from(*last));
                return Err(PatternError::BackwardRange { first, last });
            }
            (*first..=*last).for_each(|byte| insert(&mut class, byte));
            members = behind;
        }
        if is_negated {
            class = class.map(|bits| !bits);
        }
        Ok((Self::Class(Box::new(class)), &inside[end + 1..]))
    }
}

/// The length of a literal at the beginning of `bytes`, and the steps that it takes to look: one where the first byte
/// tells.
fn starts_with(bytes: &[u8], literal: &[u8]) -> (Option<usize>, usize) {
    if bytes.first() != literal.first() {
        return (literal.is_empty().then_some(0), 1);
    }
    (bytes.starts_with(literal).then_some(literal.len()), 1 + literal.len() / LITERAL_BYTES_PER_STEP)
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

    use proptest::prelude::*;

    use super::*;

    fn matches(pattern: &[u8], bytes: &[u8]) -> bool {
        Pieces::of_request(pattern).unwrap().matches(bytes, Principal::default())
    }

    #[test]
    fn a_request_may_hold_any_bytes() {
        for (pattern, bytes) in [
            (&b"{principal.clientId}"[..], &b"{principal.clientId}"[..]),
            (b"}{*", b"}{x"),
            (b"[{}]", b"}"),
            (b"\xff*\0", b"\xffab\0"),
            (b"[\x80-\xff]?", b"\x80\xff"),
            (b"[!\x80-\xff]", b"\x7f"),
            ("ü*".as_bytes(), "über".as_bytes()),
            (br"a\*", br"a\x"),
        ] {
            assert!(matches(pattern, bytes), "{pattern:?} {bytes:?}");
        }
        for (pattern, bytes) in
            [(&b"\xff?"[..], &b"\xff"[..]), (b"[\x80-\xff]", b"\x7f"), (b"[\x80-\xff]", b"\x80\x80")]
        {
            assert!(!matches(pattern, bytes), "{pattern:?} {bytes:?}");
        }
        for (pattern, error) in [
            (&b""[..], PatternError::Empty),
            (b"a[b", PatternError::UnclosedClass),
            (b"[]", PatternError::UnclosedClass),
            (b"[\xff-\x80]", PatternError::BackwardRange { first: '\u{ff}', last: '\u{80}' }),
        ] {
            assert_eq!(Pieces::of_request(pattern), Err(error), "{pattern:?}");
        }
    }

    #[test]
    fn steps_are_bounded_and_told() {
        let cases: [(&[u8], &[u8], usize); 4] = [
            (b"*", &[b'a'; 10_000], 1),
            (b"a", b"a", 1),
            (b"*ab", &[b'a'; 1000], 1001),
            (b"*??b", &[b'a'; 1000], 3 * 1000),
        ];
        for (pattern, bytes, about) in cases {
            let pieces = Pieces::of_request(pattern).unwrap();
            let mut left = usize::MAX;
            let matched = pieces.matches_within(bytes, Principal::default(), &mut left);
            let taken = usize::MAX - left;
            assert!((about..=about + 10).contains(&taken), "{taken} for {pattern:?}");
            let mut exact = taken;
            assert_eq!(pieces.matches_within(bytes, Principal::default(), &mut exact), matched);
            assert_eq!(exact, 0);
            if let Some(mut too_few) = taken.checked_sub(1) {
                assert_eq!(pieces.matches_within(bytes, Principal::default(), &mut too_few), None);
            }
        }
    }

    /// Says by trying all ways what a glob means.
    fn is_meant(pattern: &[u8], bytes: &[u8]) -> bool {
        match (pattern, bytes) {
            ([], _) => bytes.is_empty(),
            ([b'*', rest @ ..], _) => (0..=bytes.len()).any(|skipped| is_meant(rest, &bytes[skipped..])),
            ([b'?', rest @ ..], [_, behind @ ..]) => is_meant(rest, behind),
            ([b'[', one, b']', rest @ ..], [byte, behind @ ..]) => byte == one && is_meant(rest, behind),
            ([byte, rest @ ..], [first, behind @ ..]) => {
                *byte != b'[' && byte == first && is_meant(rest, behind)
            }
            (_, []) => false,
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

        #[test]
        fn a_glob_matches_what_is_meant(
            pattern in prop::collection::vec(
                prop::sample::select(vec![&b"*"[..], b"?", b"a", b"b", b"[a]", b"[*]", b"\xff"]), 1..8,
            ),
            bytes in prop::collection::vec(prop::sample::select(&b"aab*\xff"[..]), 0..10),
        ) {
            let pattern = pattern.concat();
            prop_assert_eq!(matches(&pattern, &bytes), is_meant(&pattern, &bytes));
        }

        #[test]
        fn no_pattern_panics(pattern in any::<Vec<u8>>(), bytes in any::<Vec<u8>>()) {
            if let Ok(pieces) = Pieces::of_request(&pattern) {
                pieces.matches(&bytes, Principal::default());
            }
        }
    }
}
