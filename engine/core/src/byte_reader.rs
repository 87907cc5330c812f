//! Takes values off the front of bytes that came from a log: one reader for all that is written there but packets.
//!
//! All numbers are little endian. Nothing here trusts a length: what is not there is `None`.

/// The bytes that are left.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ByteReader<'a> {
    rest: &'a [u8],
}

impl<'a> ByteReader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// What was not taken yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(crate) fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(len)?;
        self.rest = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, rest) = self.rest.split_first_chunk()?;
        self.rest = rest;
        Some(*taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// A length in four bytes.
    pub(crate) fn len(&mut self) -> Option<usize> {
        usize::try_from(self.u32()?).ok()
    }

    /// Bytes behind their length.
    pub(crate) fn bytes(&mut self) -> Option<&'a [u8]> {
        let len = self.len()?;
        self.take(len)
    }

    /// UTF-8 behind its length.
    pub(crate) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }
}

/// Writes bytes as [`ByteReader::bytes`] reads them.
///
/// # Panics
/// If they are longer than 4 GiB, which no input is.
pub(crate) fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    let len = u32::try_from(bytes.len()).expect("bytes of a log are shorter than 4 GiB");
    out.extend_from_slice(&len.to_le_bytes());
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_cut_short_is_not_there() {
        let mut written = Vec::new();
        push_bytes(b"four", &mut written);
        for len in 0..written.len() {
            assert_eq!(ByteReader::new(&written[..len]).bytes(), None, "{len}");
        }
        let mut reader = ByteReader::new(&written);
        assert_eq!((reader.text(), reader.is_empty(), reader.u8()), (Some("four"), true, None));
        assert_eq!(ByteReader::new(&[0xFF; 9]).bytes(), None, "a forged length");
        assert_eq!(ByteReader::new(&[1, 0, 0, 0, 0xFF]).text(), None, "not UTF-8");
    }
}
