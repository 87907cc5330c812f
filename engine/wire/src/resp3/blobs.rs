//! Lists of blob strings of any length: the keys of a page.

use super::{Resp3Error, take_blob, take_byte, write_blob};
use crate::decimal;

/// Blob strings that were read from a reply or gathered in a [`BlobList`]. Borrows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Blobs<'a> {
    count: usize,
    /// The blobs as they are written, one after the other: well-formed, and as many as `count` says.
    encoded: &'a [u8],
}

impl<'a> Blobs<'a> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.count
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// What they take in a reply, in bytes.
    pub fn encoded_len(&self) -> usize {
        self.encoded.len()
    }

    /// Their bytes, in order.
    pub fn iter(&self) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let mut rest = self.encoded;
        std::iter::from_fn(move || take_element(&mut rest).ok())
    }

    /// Takes `count` blobs. However large the number is, this takes no more steps than there are bytes, and no memory.
    pub(super) fn take(rest: &mut &'a [u8], count: usize) -> Result<Self, Resp3Error> {
        let start = *rest;
        for _ in 0..count {
            take_element(rest)?;
        }
        Ok(Self { count, encoded: &start[..start.len() - rest.len()] })
    }

    pub(super) fn encoded(&self) -> &'a [u8] {
        self.encoded
    }
}

/// Gathers blob strings.
#[derive(Clone, Debug, Default)]
pub struct BlobList {
    count: usize,
    encoded: Vec<u8>,
}

impl BlobList {
    /// Appends one.
    pub fn push(&mut self, bytes: &[u8]) {
        write_blob(bytes, &mut self.encoded);
        self.count += 1;
    }

    /// What was gathered.
    pub fn as_blobs(&self) -> Blobs<'_> {
        Blobs { count: self.count, encoded: &self.encoded }
    }
}

/// What a blob string of `len` bytes takes as it is written: `$`, its length, two line ends and the bytes.
pub fn encoded_blob_len(len: usize) -> usize {
    1 + decimal::digits(len as u64) + 2 + len + 2
}

/// A blob with its `$`.
pub(super) fn take_element<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Resp3Error> {
    if take_byte(rest)? != b'$' {
        return Err(Resp3Error::NotABlob);
    }
    take_blob(rest)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use crate::resp3::Reply;

    fn list(items: &[&[u8]]) -> BlobList {
        let mut list = BlobList::default();
        for item in items {
            list.push(item);
        }
        list
    }

    #[test]
    fn pages_both_ways() {
        type Case = (&'static [u8], &'static [&'static [u8]], Option<&'static [u8]>);
        let cases: [Case; 5] = [
            (b"*1\r\n*0\r\n", &[], None),
            (b"*1\r\n*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n", &[b"a", b"\r\n"], None),
            (b"*2\r\n*0\r\n$3\r\n\0\xFFx\r\n", &[], Some(b"\0\xFFx")),
            (b"*2\r\n*1\r\n$10\r\n0123456789\r\n$0\r\n\r\n", &[b"0123456789"], Some(b"")),
            (b"*2\r\n*2\r\n$0\r\n\r\n$4\r\n$1\r\n\r\n$1\r\nt\r\n", &[b"", b"$1\r\n"], Some(b"t")),
        ];
        for (bytes, items, token) in cases {
            let keys = list(items);
            let reply = Reply::Page { keys: keys.as_blobs(), token };
            assert_eq!(Reply::parse(bytes), Ok(reply));
            assert_eq!(keys.as_blobs().iter().collect::<Vec<_>>(), items);
            assert_eq!((keys.as_blobs().len(), keys.as_blobs().is_empty()), (items.len(), items.is_empty()));
            let mut out = Vec::new();
            reply.encode(&mut out);
            assert_eq!(out, bytes);
            for len in 0..bytes.len() {
                assert_eq!(Reply::parse(&bytes[..len]), Err(Resp3Error::Truncated), "{:?}", &bytes[..len]);
            }
            assert_eq!(Reply::parse(&[bytes, b"x"].concat()), Err(Resp3Error::TrailingBytes));
        }
    }

    #[test]
    fn bad_pages() {
        let cases: [(&[u8], Resp3Error); 11] = [
            (b"*0\r\n", Resp3Error::UnknownReply),
            (b"*3\r\n*0\r\n$1\r\nt\r\n$1\r\nt\r\n", Resp3Error::UnknownReply),
            (b"*1\r\n$1\r\nk\r\n", Resp3Error::NotAnArray),
            (b"*1\r\n*-1\r\n", Resp3Error::Number),
            (b"*1\r\n*00\r\n", Resp3Error::Number),
            (b"*1\r\n*1\r\n$-1\r\n", Resp3Error::Number),
            (b"*1\r\n*1\r\n:1\r\n", Resp3Error::NotABlob),
            (b"*1\r\n*1\r\n$3\r\nkey1\r\n", Resp3Error::LineEnd),
            (b"*1\r\n*18446744073709551615\r\n$1\r\nk\r\n", Resp3Error::Truncated),
            (b"*2\r\n*0\r\n*0\r\n", Resp3Error::NotABlob),
            (b"*1\r\n*0\r\n$1\r\nt\r\n", Resp3Error::TrailingBytes),
        ];
        for (bytes, error) in cases {
            assert_eq!(Reply::parse(bytes), Err(error), "{:?}", str::from_utf8(bytes));
        }
    }

    #[test]
    fn the_length_of_a_blob_is_known_before() {
        for len in [0, 1, 9, 10, 99, 100, 65_535, 100_000] {
            let keys = list(&[&vec![b'k'; len]]);
            assert_eq!(encoded_blob_len(len), keys.as_blobs().encoded_len(), "{len}");
        }
    }
}
