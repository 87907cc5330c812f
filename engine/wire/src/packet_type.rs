//! The packet types and the flags that the first byte may carry with them [MQTT 5, sections 2.1.2 and 2.1.3].

use crate::{DecodeError, QoS};

/// The upper half of the first byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum PacketType {
    Connect = 1,
    ConnAck = 2,
    Publish = 3,
    PubAck = 4,
    PubRec = 5,
    PubRel = 6,
    PubComp = 7,
    Subscribe = 8,
    SubAck = 9,
    Unsubscribe = 10,
    UnsubAck = 11,
    PingReq = 12,
    PingResp = 13,
    Disconnect = 14,
    Auth = 15,
}

impl PacketType {
    /// The type of a packet that begins with `header`, if its flags are in order.
    #[inline]
    pub(crate) const fn of(header: u8) -> Result<Self, DecodeError> {
        let packet_type = match header >> 4 {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            15 => Self::Auth,
            _ => return Err(DecodeError::PacketType),
        };
        if let Self::Publish = packet_type {
            return match header & 0b1110 {
                0b1000 => Err(DecodeError::DupWithQoS0),
                0b0110 | 0b1110 => Err(DecodeError::PublishQoS),
                _ => Ok(packet_type),
            };
        }
        if header == packet_type.header() { Ok(packet_type) } else { Err(DecodeError::Flags) }
    }

    /// The first byte of a packet of this type; a PUBLISH has its flags in addition.
    #[inline]
    pub(crate) const fn header(self) -> u8 {
        let reserved = match self {
            Self::PubRel | Self::Subscribe | Self::Unsubscribe => 0b0010,
            _ => 0,
        };
        (self as u8) << 4 | reserved
    }
}

/// The first byte of a PUBLISH.
#[inline]
pub(crate) const fn publish_header(dup: bool, qos: QoS, retain: bool) -> u8 {
    PacketType::Publish.header() | (dup as u8) << 3 | (qos as u8) << 1 | retain as u8
}
