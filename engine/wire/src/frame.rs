//! Finds one packet in a stream of bytes.
//!
//! Owns the fixed header [MQTT 5, section 2.1]. What is wrong with it is seen before the rest of the packet
//! has come.

use crate::packet_type::PacketType;
use crate::reader::Reader;
use crate::{
    Auth, ConnAck, Connect, DecodeError, Disconnect, Packet, ProtocolVersion, PubAck, PubComp, PubRec,
    PubRel, Publish, SubAck, Subscribe, UnsubAck, Unsubscribe,
};

/// One whole packet, undecoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The first byte: packet type and flags.
    pub header: u8,
    /// All that follows the Remaining Length.
    pub body: &'a [u8],
    /// The length of the whole packet in bytes, fixed header included.
    pub len: usize,
}

/// Finds the packet at the start of `buffer`. `Ok(None)`: more bytes are needed.
///
/// `max_packet_size` is the longest packet that this side takes, in bytes, fixed header included; a longer
/// one is an error as soon as its length can be read. So are a reserved packet type or flag, and a Remaining
/// Length of more bytes than needed, which MQTT 3.1.1 does not forbid but no sender has a reason for.
#[inline]
pub fn split_frame(buffer: &[u8], max_packet_size: u32) -> Result<Option<Frame<'_>>, DecodeError> {
    let Some((&header, after_header)) = buffer.split_first() else {
        return Ok(None);
    };
    PacketType::of(header)?;
    let mut reader = Reader::new(after_header);
    let body_len = match reader.variable_byte_integer() {
        Ok(len) => len as usize,
        Err(DecodeError::Truncated) => return Ok(None),
        Err(error) => return Err(error),
    };
    let len = buffer.len() - reader.len() + body_len;
    if len > max_packet_size as usize {
        return Err(DecodeError::PacketTooLarge);
    }
    Ok(reader.take(body_len).ok().map(|body| Frame { header, body, len }))
}

impl<'a> Frame<'a> {
    /// Reads the packet as one of a connection that speaks `version`. CONNECT says its own version.
    #[inline]
    pub fn decode(&self, version: ProtocolVersion) -> Result<Packet<'a>, DecodeError> {
        let packet_type = PacketType::of(self.header)?;
        let body = Reader::new(self.body);
        Ok(match packet_type {
            PacketType::Publish => Packet::Publish(Publish::decode(self.header, body, version)?),
            PacketType::Connect => Packet::Connect(Connect::decode(body)?),
            PacketType::ConnAck => Packet::ConnAck(ConnAck::decode(body, version)?),
            PacketType::PubAck => Packet::PubAck(PubAck::decode(body, version)?),
            PacketType::PubRec => Packet::PubRec(PubRec::decode(body, version)?),
            PacketType::PubRel => Packet::PubRel(PubRel::decode(body, version)?),
            PacketType::PubComp => Packet::PubComp(PubComp::decode(body, version)?),
            PacketType::Subscribe => Packet::Subscribe(Subscribe::decode(body, version)?),
            PacketType::SubAck => Packet::SubAck(SubAck::decode(body, version)?),
            PacketType::Unsubscribe => Packet::Unsubscribe(Unsubscribe::decode(body, version)?),
            PacketType::UnsubAck => Packet::UnsubAck(UnsubAck::decode(body, version)?),
            PacketType::PingReq => body.finish().map(|()| Packet::PingReq)?,
            PacketType::PingResp => body.finish().map(|()| Packet::PingResp)?,
            PacketType::Disconnect => Packet::Disconnect(Disconnect::decode(body, version)?),
            PacketType::Auth => Packet::Auth(Auth::decode(body, version)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_LIMIT: u32 = u32::MAX;

    #[test]
    fn waits_for_the_whole_packet() {
        let bytes = [0x40, 0x02, 0x00, 0x01, 0xC0];
        for len in 0..4 {
            assert_eq!(split_frame(&bytes[..len], NO_LIMIT), Ok(None), "{len}");
        }
        let frame = Frame { header: 0x40, body: &[0x00, 0x01], len: 4 };
        assert_eq!(split_frame(&bytes[..4], NO_LIMIT), Ok(Some(frame)));
        assert_eq!(split_frame(&bytes, NO_LIMIT), Ok(Some(frame)), "the next packet is left alone");
        assert_eq!(split_frame(&[0x30, 0xFF, 0xFF, 0xFF], NO_LIMIT), Ok(None));
    }

    #[test]
    fn refuses_too_large_a_packet_before_it_has_come() {
        assert_eq!(split_frame(&[0x30, 0x62], 100), Ok(None));
        assert_eq!(split_frame(&[0x30, 0x63], 100), Err(DecodeError::PacketTooLarge));
        assert_eq!(
            split_frame(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 268_435_459),
            Err(DecodeError::PacketTooLarge)
        );
        assert_eq!(split_frame(&[0x30, 0xFF, 0xFF, 0xFF, 0x7F], 268_435_460), Ok(None));
    }

    #[test]
    fn refuses_a_bad_first_byte_at_once() {
        for header in 0..=u8::MAX {
            let expected = match header {
                0x00..=0x0F => Err(DecodeError::PacketType),
                0x38 | 0x39 => Err(DecodeError::DupWithQoS0),
                0x36 | 0x37 | 0x3E | 0x3F => Err(DecodeError::PublishQoS),
                0x30..=0x3F | 0x62 | 0x82 | 0xA2 => Ok(None),
                0x60 | 0x80 | 0xA0 => Err(DecodeError::Flags),
                _ if header % 16 == 0 => Ok(None),
                _ => Err(DecodeError::Flags),
            };
            assert_eq!(split_frame(&[header], NO_LIMIT), expected, "{header:#04x}");
            if let Err(error) = expected {
                let frame = Frame { header, body: &[], len: 2 };
                assert_eq!(frame.decode(ProtocolVersion::V5), Err(error), "{header:#04x}");
            }
        }
    }

    #[test]
    fn refuses_a_bad_remaining_length_at_once() {
        for bad in [&[0x30, 0x80, 0x00][..], &[0x30, 0x80, 0x80, 0x80, 0x80], &[0x30, 0xFF, 0xFF, 0xFF, 0xFF]]
        {
            assert_eq!(split_frame(bad, NO_LIMIT), Err(DecodeError::VariableByteInteger), "{bad:x?}");
        }
    }
}
