//! Quality of service levels [MQTT 5, section 4.3].

/// The guarantee with which a message is delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum QoS {
    /// Delivered at most once, without acknowledgement.
    AtMostOnce = 0,
    /// Delivered at least once, acknowledged by PUBACK.
    AtLeastOnce = 1,
    /// Delivered exactly once, by the exchange PUBREC, PUBREL, PUBCOMP.
    ExactlyOnce = 2,
}

impl QoS {
    /// The level of a number on the wire; `None` above 2.
    #[inline]
    pub const fn from_u8(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}
