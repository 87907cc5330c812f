//! Who a connection was authenticated as, and under which policy it stands.

use std::fmt;

use crate::byte_reader::{ByteReader, push_bytes};

/// The result of authentication, as the broker needs it for authorization. Borrows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Identity<'a> {
    /// The authenticated user name; `None` for an anonymous connection.
    pub user_name: Option<&'a str>,
    /// What else is known of the client: `floor = 3`, for example.
    pub attributes: Attributes<'a>,
    /// The policy whose rules say what the client may do. `None`: everything, as the listener wanted it. A name that no
    /// policy has allows nothing.
    pub policy: Option<&'a str>,
}

/// Names with values, in the order in which they were added. Borrows from an [`AttributeList`] or from a log entry.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    /// Names and values in turn, each as a length (four bytes, little endian) and UTF-8; checked when it was made.
    encoded: &'a [u8],
}

/// Names with values, owned.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct AttributeList {
    encoded: Vec<u8>,
}

impl<'a> Attributes<'a> {
    /// Reads what [`as_bytes`](Self::as_bytes) gave; `None` where it is something else.
    pub fn from_bytes(encoded: &'a [u8]) -> Option<Self> {
        let mut reader = ByteReader::new(encoded);
        while !reader.is_empty() {
            reader.text()?;
            reader.text()?;
        }
        Some(Self { encoded })
    }

    /// A form that [`from_bytes`](Self::from_bytes) reads.
    pub fn as_bytes(self) -> &'a [u8] {
        self.encoded
    }

    /// Names with their values.
    pub fn iter(self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let mut reader = ByteReader::new(self.encoded);
        std::iter::from_fn(move || Some((reader.text()?, reader.text()?)))
    }

    /// The first value under `name`.
    pub fn value(self, name: &str) -> Option<&'a str> {
        self.iter().find_map(|(present, value)| (present == name).then_some(value))
    }
}

impl fmt::Debug for Attributes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

impl AttributeList {
    /// Adds a name with its value.
    ///
    /// # Panics
    /// If either is longer than 4 GiB.
    pub fn push(&mut self, name: &str, value: &str) {
        for text in [name, value] {
            push_bytes(text.as_bytes(), &mut self.encoded);
        }
    }

    /// Lends them.
    pub fn as_attributes(&self) -> Attributes<'_> {
        Attributes { encoded: &self.encoded }
    }
}

impl<N: AsRef<str>, V: AsRef<str>> FromIterator<(N, V)> for AttributeList {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut list = Self::default();
        pairs.into_iter().for_each(|(name, value)| list.push(name.as_ref(), value.as_ref()));
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_come_back_in_order() {
        let list: AttributeList = [("floor", "3"), ("site", ""), ("floor", "4")].into_iter().collect();
        let read = Attributes::from_bytes(list.as_attributes().as_bytes()).expect("what was written");
        assert_eq!(read.iter().collect::<Vec<_>>(), [("floor", "3"), ("site", ""), ("floor", "4")]);
        assert_eq!((read.value("floor"), read.value("none")), (Some("3"), None));
    }

    #[test]
    fn bytes_that_are_no_pairs_are_refused() {
        let list: AttributeList = [("name", "value")].into_iter().collect();
        let encoded = list.as_attributes().as_bytes();
        for len in 1..encoded.len() {
            assert_eq!(Attributes::from_bytes(&encoded[..len]), None, "cut at {len}");
        }
        assert_eq!(Attributes::from_bytes(&[1, 0, 0, 0, 0xFF, 0, 0, 0, 0]), None, "not UTF-8");
    }
}
