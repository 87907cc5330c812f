//! A message as some of its receivers get it: what differs from the message itself.
//!
//! Content and lifetime stay with the message; see [`Messages`](super::messages::Messages). Most receivers get a message
//! as it is and need no view.

use mayfly_wire::QoS;

use super::shared::ShareId;

/// What differs from the message itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Terms {
    /// The RETAIN flag.
    pub(super) retain: bool,
    pub(super) identifiers: Identifiers,
    /// Where it is for one member of a shared subscription: for which, so that it can be passed on.
    pub(super) share: Option<Share>,
}

/// The shared subscription that a message is for, and how it was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Share {
    pub(super) id: ShareId,
    /// The next member may have been granted more than this one.
    pub(super) qos: QoS,
    /// The next member may want the mark that this one did not.
    pub(super) retain: bool,
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
    /// The bytes that they take beside the view.
    pub(super) fn bytes(&self) -> usize {
        match self {
            Self::None | Self::One(_) => 0,
            Self::Several(several) => size_of_val(&**several),
        }
    }

    pub(super) fn as_slice(&self) -> &[u32] {
        match self {
            Self::None => &[],
            Self::One(one) => std::slice::from_ref(one),
            Self::Several(several) => several,
        }
    }
}
