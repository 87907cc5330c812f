//! The subscription identifiers of a PUBLISH from a server [MQTT 5, section 3.3.2.3.8].

use std::fmt;

use crate::EncodeError;
use crate::property::{SUBSCRIPTION_IDENTIFIER, Walk};
use crate::sink::{MAX_VARIABLE_BYTE_INTEGER, Sink};

/// Subscription identifiers, each 1 to 268,435,455, borrowed: from the read buffer after decoding, from
/// numbers for encoding.
#[derive(Clone, Copy)]
pub struct SubscriptionIdentifiers<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// Checked properties of a packet, from the first subscription identifier to the last.
    Checked(&'a [u8]),
    Numbers(&'a [u32]),
}

impl<'a> SubscriptionIdentifiers<'a> {
    /// Identifiers to encode; encoding checks their range.
    pub const fn from_slice(identifiers: &'a [u32]) -> Self {
        Self(Source::Numbers(identifiers))
    }

    #[inline]
    pub(crate) const fn from_checked(bytes: &'a [u8]) -> Self {
        Self(Source::Checked(bytes))
    }

    /// The identifiers, in order.
    pub fn iter(&self) -> impl Iterator<Item = u32> + Clone + use<'a> {
        match self.0 {
            Source::Checked(bytes) => Iter::Checked(Walk::new(bytes)),
            Source::Numbers(numbers) => Iter::Numbers(numbers.iter()),
        }
    }

    /// Whether there is none.
    #[inline]
    pub const fn is_empty(&self) -> bool {
        match self.0 {
            Source::Checked(bytes) => bytes.is_empty(),
            Source::Numbers(numbers) => numbers.is_empty(),
        }
    }

    /// Writes all of them with their property identifiers.
    pub(crate) fn encode_to<S: Sink>(&self, sink: &mut S) -> Result<(), EncodeError> {
        self.iter().try_for_each(|identifier| encode_one(identifier, sink))
    }
}

/// Writes one with its property identifier.
#[inline]
pub(crate) fn encode_one<S: Sink>(identifier: u32, sink: &mut S) -> Result<(), EncodeError> {
    if !(1..=MAX_VARIABLE_BYTE_INTEGER).contains(&identifier) {
        return Err(EncodeError::SubscriptionIdentifier);
    }
    sink.u8(SUBSCRIPTION_IDENTIFIER);
    sink.variable_byte_integer(identifier);
    Ok(())
}

impl Default for SubscriptionIdentifiers<'_> {
    fn default() -> Self {
        Self::from_slice(&[])
    }
}

/// Equal if the same identifiers come in the same order, wherever they are borrowed from.
impl PartialEq for SubscriptionIdentifiers<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SubscriptionIdentifiers<'_> {}

impl fmt::Debug for SubscriptionIdentifiers<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[derive(Clone)]
enum Iter<'a> {
    Checked(Walk<'a>),
    Numbers(std::slice::Iter<'a, u32>),
}

impl Iterator for Iter<'_> {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        match self {
            Self::Checked(walk) => walk.find(SUBSCRIPTION_IDENTIFIER)?.variable_byte_integer().ok(),
            Self::Numbers(numbers) => numbers.next().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use crate::{PublishProperties, SubscriptionIdentifiers};

    #[test]
    fn are_read_between_other_properties_in_their_order() {
        let read = PublishProperties::parse(b"\x0B\x01\x26\x00\x01\x0B\x00\x01x\x0B\xFF\xFF\xFF\x7F\x01\x00")
            .unwrap();
        assert_eq!(read.subscription_identifiers.iter().collect::<Vec<_>>(), [1, 268_435_455]);
        assert_eq!(read.subscription_identifiers, SubscriptionIdentifiers::from_slice(&[1, 268_435_455]));
        assert_eq!(read.user_properties.first("\x0B"), Some("x"));
    }
}
