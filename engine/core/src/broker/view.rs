//! A message as some of its receivers get it: what differs from the message itself.
//!
//! Content and lifetime stay with the message; see [`Messages`](super::messages::Messages). Most receivers get a message
//! as it is and need no view.

/// What differs from the message itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Terms {
    /// The RETAIN flag.
    pub(super) retain: bool,
    pub(super) identifiers: Identifiers,
}

/// The identifiers of the receiver's matching subscriptions. One is the usual number and needs no allocation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) enum Identifiers {
    #[default]
    None,
    One(u32),
    Several(Box<[u32]>),
}

impl From<&[u32]> for Identifiers {
    fn from(identifiers: &[u32]) -> Self {
        match identifiers {
            [] => Self::None,
            &[one] => Self::One(one),
            several => Self::Several(several.into()),
        }
    }
}

impl Identifiers {
    pub(super) fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}
