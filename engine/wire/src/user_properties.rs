//! User properties: pairs of strings, in order, names not unique [MQTT 5, section 3.3.2.3.7].

use std::fmt;

use crate::EncodeError;
use crate::property::{USER_PROPERTY, Walk};
use crate::sink::Sink;

/// The user properties of one packet, borrowed: from the read buffer after decoding, from pairs for encoding.
#[derive(Clone, Copy)]
pub struct UserProperties<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// Checked properties of a packet, from the first user property to the last.
    Checked {
        bytes: &'a [u8],
        /// Whether no other property lies between.
        only: bool,
    },
    Pairs(&'a [(&'a str, &'a str)]),
}

impl<'a> UserProperties<'a> {
    /// Properties to encode. Each string is at most 65,535 bytes and has no U+0000, which encoding checks.
    pub const fn from_pairs(pairs: &'a [(&'a str, &'a str)]) -> Self {
        Self(Source::Pairs(pairs))
    }

    #[inline]
    pub(crate) const fn from_checked(bytes: &'a [u8], only: bool) -> Self {
        Self(Source::Checked { bytes, only })
    }

    /// Names and values, in order.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (&'a str, &'a str)> + Clone + use<'a> {
        match self.0 {
            Source::Checked { bytes, .. } => Iter::Checked(Walk::new(bytes)),
            Source::Pairs(pairs) => Iter::Pairs(pairs.iter()),
        }
    }

    /// The value of the first property with this name.
    #[inline]
    pub fn first(&self, name: &str) -> Option<&'a str> {
        match self.0 {
            Source::Checked { bytes, .. } => {
                let mut walk = Walk::new(bytes);
                while let Some(pair) = walk.find(USER_PROPERTY) {
                    let found = pair.binary().ok()? == name.as_bytes();
                    let value = pair.binary().ok()?;
                    if found {
                        return std::str::from_utf8(value).ok();
                    }
                }
                None
            }
            Source::Pairs(pairs) => pairs.iter().find(|pair| pair.0 == name).map(|pair| pair.1),
        }
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Source::Checked { bytes, .. } => bytes.is_empty(),
            Source::Pairs(pairs) => pairs.is_empty(),
        }
    }

    /// Writes all of them with their identifiers.
    pub(crate) fn encode_to<S: Sink>(&self, sink: &mut S) -> Result<(), EncodeError> {
        if let Source::Checked { bytes, only: true } = self.0 {
            sink.bytes(bytes);
            return Ok(());
        }
        for (name, value) in self.iter() {
            sink.u8(USER_PROPERTY);
            sink.text(name)?;
            sink.text(value)?;
        }
        Ok(())
    }
}

impl Default for UserProperties<'_> {
    fn default() -> Self {
        Self::from_pairs(&[])
    }
}

/// Equal if the same pairs come in the same order, wherever they are borrowed from.
impl PartialEq for UserProperties<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for UserProperties<'_> {}

impl fmt::Debug for UserProperties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[derive(Clone)]
enum Iter<'a> {
    Checked(Walk<'a>),
    Pairs(std::slice::Iter<'a, (&'a str, &'a str)>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = (&'a str, &'a str);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Checked(walk) => {
                let pair = walk.find(USER_PROPERTY)?;
                let (name, value) = (pair.binary().ok()?, pair.binary().ok()?);
                Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?))
            }
            Self::Pairs(pairs) => pairs.next().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use crate::{PublishProperties, UserProperties};

    #[test]
    fn reads_pairs_between_other_properties_in_their_order() {
        let bytes = b"\x26\x00\x01a\x00\x011\x01\x01\x26\x00\x01b\x00\x012\x0B\x7F\x02\x00\x00\x00\x05\
                      \x09\x00\x02\x26\x00\x23\x00\x07\x08\x00\x01r\x03\x00\x01c\x26\x00\x01a\x00\x013";
        let read = PublishProperties::parse(bytes).unwrap();
        let pairs = [("a", "1"), ("b", "2"), ("a", "3")];
        assert_eq!(read.user_properties.iter().collect::<Vec<_>>(), pairs);
        assert_eq!(read.user_properties, UserProperties::from_pairs(&pairs));
        assert_ne!(read.user_properties, UserProperties::from_pairs(&pairs[..2]));
        assert_eq!(read.user_properties.first("a"), Some("1"));
        assert_eq!(read.user_properties.first("b"), Some("2"));
        assert_eq!(read.user_properties.first("c"), None);
        assert!(!read.user_properties.is_empty());
        assert_eq!(UserProperties::from_pairs(&pairs).first("b"), Some("2"));

        // Only the pairs come out, though the bytes between them do not stand together.
        let mut out = Vec::new();
        PublishProperties { user_properties: read.user_properties, ..PublishProperties::default() }
            .encode_forwarded(&mut out);
        assert_eq!(out, b"\x26\x00\x01a\x00\x011\x26\x00\x01b\x00\x012\x26\x00\x01a\x00\x013");
    }

    #[test]
    fn are_empty_without_a_pair() {
        let read = PublishProperties::parse(b"\x01\x01").unwrap();
        assert!(read.user_properties.is_empty() && UserProperties::default().is_empty());
        assert_eq!(read.user_properties, UserProperties::default());
    }
}
