//! Writes the data types of MQTT [MQTT 5, section 1.5].
//!
//! Every length on the wire stands before what it measures. So what is written is written twice, by the same
//! code: first to a [`Length`], which only counts and finds every error, then to the buffer.

use crate::{EncodeError, ProtocolVersion, text};

/// The largest Variable Byte Integer, hence the longest packet body in bytes.
pub(crate) const MAX_VARIABLE_BYTE_INTEGER: u32 = 268_435_455;

/// Something that has a form on the wire: a packet's body, or the properties of a packet.
pub(crate) trait Encode {
    /// Writes everything after the length.
    fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError>;
}

/// Where bytes go.
pub(crate) trait Sink: Sized {
    /// Whether this sink looks for errors: the first of the two does, and the second repeats what was found
    /// good.
    const CHECKS: bool;

    fn bytes(&mut self, bytes: &[u8]);

    #[inline]
    fn u8(&mut self, value: u8) {
        self.bytes(&[value]);
    }

    #[inline]
    fn u16(&mut self, value: u16) {
        self.bytes(&value.to_be_bytes());
    }

    #[inline]
    fn u32(&mut self, value: u32) {
        self.bytes(&value.to_be_bytes());
    }

    /// Variable Byte Integer. `value` is at most [`MAX_VARIABLE_BYTE_INTEGER`].
    #[inline]
    fn variable_byte_integer(&mut self, mut value: u32) {
        debug_assert!(value <= MAX_VARIABLE_BYTE_INTEGER, "the value was checked where it entered");
        while value >= 0x80 {
            self.u8(value as u8 | 0x80);
            value >>= 7;
        }
        self.u8(value as u8);
    }

    /// Binary Data, at most 65,535 bytes.
    #[inline]
    fn binary(&mut self, bytes: &[u8]) -> Result<(), EncodeError> {
        self.u16(u16::try_from(bytes.len()).map_err(|_| EncodeError::TooLong)?);
        self.bytes(bytes);
        Ok(())
    }

    /// UTF-8 Encoded String, at most 65,535 bytes, without U+0000.
    #[inline]
    fn text(&mut self, text: &str) -> Result<(), EncodeError> {
        if Self::CHECKS && text::has_null(text.as_bytes()) {
            return Err(EncodeError::NullCharacter);
        }
        self.binary(text.as_bytes())
    }

    /// Properties behind their length; nothing in MQTT 3.1.1, which has none.
    #[inline]
    fn properties(&mut self, version: ProtocolVersion, properties: &impl Encode) -> Result<(), EncodeError> {
        if version == ProtocolVersion::V3_1_1 {
            return Ok(());
        }
        self.variable_byte_integer(Length::of(version, properties)?);
        properties.encode_to(version, self)
    }
}

impl Sink for Vec<u8> {
    const CHECKS: bool = false;

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    #[inline]
    fn u8(&mut self, value: u8) {
        self.push(value);
    }
}

/// Counts bytes.
#[derive(Debug, Default)]
pub(crate) struct Length(usize);

impl Length {
    /// The length of `value` in bytes, at most [`MAX_VARIABLE_BYTE_INTEGER`].
    #[inline]
    pub(crate) fn of(version: ProtocolVersion, value: &impl Encode) -> Result<u32, EncodeError> {
        let mut length = Self::default();
        value.encode_to(version, &mut length)?;
        u32::try_from(length.0)
            .ok()
            .filter(|len| *len <= MAX_VARIABLE_BYTE_INTEGER)
            .ok_or(EncodeError::PacketTooLarge)
    }
}

impl Sink for Length {
    const CHECKS: bool = true;

    #[inline]
    fn properties(&mut self, version: ProtocolVersion, properties: &impl Encode) -> Result<(), EncodeError> {
        if version == ProtocolVersion::V5 {
            let len = Self::of(version, properties)?;
            self.0 = self.0.saturating_add(variable_byte_integer_len(len) + len as usize);
        }
        Ok(())
    }

    #[inline]
    fn bytes(&mut self, bytes: &[u8]) {
        self.0 = self.0.saturating_add(bytes.len());
    }
}

/// The length of a Variable Byte Integer in bytes, 1 to 4.
#[inline]
pub(crate) const fn variable_byte_integer_len(value: u32) -> usize {
    match value {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

/// Appends a whole packet to `out`, or leaves `out` as it was.
#[inline]
pub(crate) fn encode_packet(
    header: u8,
    body: &impl Encode,
    version: ProtocolVersion,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let len = Length::of(version, body)?;
    out.reserve(1 + variable_byte_integer_len(len) + len as usize);
    out.push(header);
    out.variable_byte_integer(len);
    let body_start = out.len();
    body.encode_to(version, out)?;
    debug_assert_eq!(out.len() - body_start, len as usize, "both passes run the same code");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_variable_byte_integers_at_their_limits() {
        for (value, bytes) in [
            (0, &[0x00][..]),
            (127, &[0x7F]),
            (128, &[0x80, 0x01]),
            (16_383, &[0xFF, 0x7F]),
            (16_384, &[0x80, 0x80, 0x01]),
            (2_097_151, &[0xFF, 0xFF, 0x7F]),
            (2_097_152, &[0x80, 0x80, 0x80, 0x01]),
            (268_435_455, &[0xFF, 0xFF, 0xFF, 0x7F]),
        ] {
            let mut out = Vec::new();
            out.variable_byte_integer(value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(variable_byte_integer_len(value), bytes.len(), "{value}");
        }
    }

    #[test]
    fn refuses_what_a_length_of_two_bytes_cannot_say() {
        let mut out = Vec::new();
        assert_eq!(out.binary(&vec![0; 65_535]), Ok(()));
        assert_eq!(out.binary(&vec![0; 65_536]), Err(EncodeError::TooLong));
        assert_eq!(Length::default().text("a\0"), Err(EncodeError::NullCharacter));
    }
}
