//! Reads the data types of MQTT [MQTT 5, section 1.5] from a slice, never past its end.

use std::num::NonZeroU16;

use crate::{DecodeError, PacketId, TopicFilter, TopicName, text};

/// What is left to read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    #[inline]
    pub(crate) const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.0.len()
    }

    /// All that is left.
    #[inline]
    pub(crate) const fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Nothing may be left.
    #[inline]
    pub(crate) const fn finish(self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::TrailingBytes) }
    }

    #[inline]
    pub(crate) fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let (taken, rest) = self.0.split_first_chunk::<N>().ok_or(DecodeError::Truncated)?;
        self.0 = rest;
        Ok(*taken)
    }

    #[inline]
    pub(crate) fn u8(&mut self) -> Result<u8, DecodeError> {
        let [byte] = self.array()?;
        Ok(byte)
    }

    /// Two Byte Integer.
    #[inline]
    pub(crate) fn u16(&mut self) -> Result<u16, DecodeError> {
        self.array().map(u16::from_be_bytes)
    }

    /// Four Byte Integer.
    #[inline]
    pub(crate) fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_be_bytes)
    }

    #[inline]
    pub(crate) fn packet_id(&mut self) -> Result<PacketId, DecodeError> {
        PacketId::new(self.u16()?).ok_or(DecodeError::PacketIdZero)
    }

    #[inline]
    pub(crate) fn non_zero_u16(&mut self, zero: DecodeError) -> Result<NonZeroU16, DecodeError> {
        NonZeroU16::new(self.u16()?).ok_or(zero)
    }

    /// Variable Byte Integer, 0 to 268,435,455, in as few bytes as possible [MQTT-1.5.5-1].
    #[inline]
    pub(crate) fn variable_byte_integer(&mut self) -> Result<u32, DecodeError> {
        let first = self.u8()?;
        if first < 0x80 {
            return Ok(u32::from(first));
        }
        let mut value = u32::from(first & 0x7F);
        for shift in [7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7F) << shift;
            if byte < 0x80 {
                // A last byte of zero adds nothing.
                return if byte == 0 { Err(DecodeError::VariableByteInteger) } else { Ok(value) };
            }
        }
        Err(DecodeError::VariableByteInteger)
    }

    /// Binary Data.
    #[inline]
    pub(crate) fn binary(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = self.u16()?;
        self.take(usize::from(len))
    }

    /// UTF-8 Encoded String.
    #[inline]
    pub(crate) fn text(&mut self) -> Result<&'a str, DecodeError> {
        text::parse(self.binary()?)
    }

    /// UTF-8 Encoded String that nobody reads yet.
    #[inline]
    pub(crate) fn skip_text(&mut self) -> Result<(), DecodeError> {
        text::check(self.binary()?)
    }

    #[inline]
    pub(crate) fn topic_name(&mut self) -> Result<TopicName<'a>, DecodeError> {
        TopicName::decode(self.binary()?)
    }

    pub(crate) fn topic_filter(&mut self) -> Result<TopicFilter<'a>, DecodeError> {
        TopicFilter::decode(self.binary()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn integer(bytes: &[u8]) -> Result<u32, DecodeError> {
        let mut reader = Reader::new(bytes);
        let value = reader.variable_byte_integer()?;
        reader.finish()?;
        Ok(value)
    }

    #[test]
    fn reads_variable_byte_integers_at_their_limits() {
        for (bytes, value) in [
            (&[0x00][..], 0),
            (&[0x7F], 127),
            (&[0x80, 0x01], 128),
            (&[0xFF, 0x7F], 16_383),
            (&[0x80, 0x80, 0x01], 16_384),
            (&[0xFF, 0xFF, 0x7F], 2_097_151),
            (&[0x80, 0x80, 0x80, 0x01], 2_097_152),
            (&[0xFF, 0xFF, 0xFF, 0x7F], 268_435_455),
        ] {
            assert_eq!(integer(bytes), Ok(value), "{bytes:x?}");
        }
    }

    #[test]
    fn refuses_variable_byte_integers_that_are_cut_too_long_or_not_minimal() {
        assert_eq!(integer(&[]), Err(DecodeError::Truncated));
        assert_eq!(integer(&[0x80]), Err(DecodeError::Truncated));
        assert_eq!(integer(&[0xFF, 0xFF, 0xFF]), Err(DecodeError::Truncated));
        for bad in [
            &[0x80, 0x00][..],
            &[0xFF, 0x80, 0x00],
            &[0x80, 0x80, 0x80, 0x00],
            &[0x80, 0x80, 0x80, 0x80, 0x01],
        ] {
            assert_eq!(integer(bad), Err(DecodeError::VariableByteInteger), "{bad:x?}");
        }
    }

    #[test]
    fn reads_nothing_past_the_end() {
        let mut reader = Reader::new(&[0x00, 0x02, b'a']);
        assert_eq!(reader.binary(), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&[0]).u16(), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&[0, 0, 0]).u32(), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&[]).u8(), Err(DecodeError::Truncated));
        assert_eq!(Reader::new(&[0]).finish(), Err(DecodeError::TrailingBytes));
    }
}
