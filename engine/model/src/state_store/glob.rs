//! Globs of SCAN: `*` is any bytes, `?` one, `[a-z_]` one of a class and `[!a-z]` or `[^a-z]` one outside it. A `]` that a class
//! begins with, and a `-` at its end, are members of it. There is no escape.

/// A pattern, a piece after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Glob(Vec<Piece>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    Any,
    Many,
    /// Its ranges, both ends included, and whether it is the bytes outside them.
    Class(Vec<(u8, u8)>, bool),
}

impl Glob {
    /// Reads a pattern; `None` where it is empty, a class has no end, or a range goes backwards.
    pub fn parse(pattern: &[u8]) -> Option<Self> {
        let mut pieces = Vec::new();
        let mut rest = pattern;
        while let Some((byte, after)) = rest.split_first() {
            rest = after;
            pieces.push(match byte {
                b'*' => Piece::Many,
                b'?' => Piece::Any,
                b'[' => {
                    let outside = matches!(rest.first(), Some(b'!' | b'^'));
                    let members = &rest[usize::from(outside)..];
                    let length = 1 + members.get(1..)?.iter().position(|byte| *byte == b']')?;
                    rest = &members[length + 1..];
                    Piece::Class(ranges(&members[..length])?, outside)
                }
                byte => Piece::Byte(*byte),
            });
        }
        (!pieces.is_empty()).then_some(Self(pieces))
    }

    /// Whether all of a key is meant.
    pub fn matches(&self, key: &[u8]) -> bool {
        is_meant(&self.0, key)
    }
}

/// The ranges of a class.
fn ranges(members: &[u8]) -> Option<Vec<(u8, u8)>> {
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < members.len() {
        let is_range = members.get(at + 1) == Some(&b'-') && at + 2 < members.len();
        let (first, last) = (members[at], members[if is_range { at + 2 } else { at }]);
        if first > last {
            return None;
        }
        ranges.push((first, last));
        at += if is_range { 3 } else { 1 };
    }
    Some(ranges)
}

fn is_meant(pieces: &[Piece], key: &[u8]) -> bool {
    let Some((piece, others)) = pieces.split_first() else { return key.is_empty() };
    if *piece == Piece::Many {
        return (0..=key.len()).any(|skipped| is_meant(others, &key[skipped..]));
    }
    let Some((byte, rest)) = key.split_first() else { return false };
    let fits = match piece {
        Piece::Byte(wanted) => wanted == byte,
        Piece::Any | Piece::Many => true,
        Piece::Class(ranges, outside) => {
            ranges.iter().any(|(first, last)| (first..=last).contains(&byte)) != *outside
        }
    };
    fits && is_meant(others, rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_have_ranges_and_members_and_may_be_turned_round() {
        for (pattern, means, does_not_mean) in [
            ("[a-cx]", "abcx", "dw-"),
            ("[!a-c]", "dx!", "abc"),
            ("[^a]", "b^", "a"),
            ("[]a]", "]a", "[b"),
            ("[!]]", "a!", "]"),
            ("[a-]", "a-", "b"),
            ("[-a]", "-a", "b"),
            ("[*?]", "*?", "a["),
        ] {
            let glob = Glob::parse(pattern.as_bytes());
            let is_meant = |byte: u8| glob.as_ref().is_some_and(|glob| glob.matches(&[byte]));
            assert!(means.bytes().all(is_meant), "{pattern} {means}");
            assert!(!does_not_mean.bytes().any(is_meant), "{pattern} {does_not_mean}");
        }
        assert!(Glob::parse(b"k*[0-9]").is_some_and(|glob| glob.matches(b"key-7") && !glob.matches(b"7")));
    }

    #[test]
    fn what_is_no_pattern_is_told_apart() {
        for pattern in ["", "[", "[a", "[]", "[!", "[!]", "[b-a]", "a[^"] {
            assert_eq!(Glob::parse(pattern.as_bytes()), None, "{pattern}");
        }
    }
}
