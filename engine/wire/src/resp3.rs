//! The subset of RESP3 that the store speaks: requests and notifications are arrays of blob strings,
//! responses one reply, which for SCAN is a page: an array of keys within an array.
//!
//! Owns the bytes and nothing of what they mean. Reading is strict: lengths are decimal without leading
//! zeros, nothing may follow the value, and what is read is written back as the same bytes. Blobs are
//! arbitrary bytes, borrowed.

mod blobs;

use std::str;

pub use blobs::{BlobList, Blobs, encoded_blob_len};

use crate::decimal;

/// Up to `N` blob strings of one array.
#[derive(Clone, Copy, Debug)]
pub struct Array<'a, const N: usize> {
    items: [&'a [u8]; N],
    len: usize,
}

impl<'a, const N: usize> Array<'a, N> {
    /// The elements, in order.
    pub fn as_slice(&self) -> &[&'a [u8]] {
        &self.items[..self.len]
    }
}

/// What the store answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply<'a> {
    /// `+OK`
    Ok,
    /// `:1`
    Integer(i64),
    /// `$3`, then three bytes.
    Blob(&'a [u8]),
    /// `$-1`
    Null,
    /// `-ERR`, a space and this text, which is one line.
    Error(&'a str),
    /// `*1` and an array of keys; `*2`, the array and a blob string where more are to come.
    Page {
        /// The keys.
        keys: Blobs<'a>,
        /// What to ask for the next page with; `None` on the last one.
        token: Option<&'a [u8]>,
    },
}

/// Why bytes are not the expected value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Resp3Error {
    /// The value ends early.
    #[error("the value ends early")]
    Truncated,
    /// A line does not end with CR LF.
    #[error("a line does not end with CR LF")]
    LineEnd,
    /// A number has leading zeros, other characters than digits, or is out of range.
    #[error("a number is not a plain decimal number in range")]
    Number,
    /// A request, or what stands for the keys of a page, does not begin with `*`.
    #[error("the value is not an array")]
    NotAnArray,
    /// An element does not begin with `$`.
    #[error("an element of the array is not a blob string")]
    NotABlob,
    /// More elements than the reader has room for.
    #[error("the array has too many elements")]
    TooManyElements,
    /// A reply that is none of [`Reply`].
    #[error("the reply is none that the store gives")]
    UnknownReply,
    /// Bytes follow the value.
    #[error("bytes follow the value")]
    TrailingBytes,
}

/// Reads an array of up to `N` blob strings that is all of `payload`.
#[inline]
pub fn parse_array<const N: usize>(payload: &[u8]) -> Result<Array<'_, N>, Resp3Error> {
    let mut rest = payload;
    if take_byte(&mut rest)? != b'*' {
        return Err(Resp3Error::NotAnArray);
    }
    let len = take_length(&mut rest)?;
    if len > N {
        return Err(Resp3Error::TooManyElements);
    }
    let mut items = [&[][..]; N];
    for item in &mut items[..len] {
        if take_byte(&mut rest)? != b'$' {
            return Err(Resp3Error::NotABlob);
        }
        *item = take_blob(&mut rest)?;
    }
    finish(rest)?;
    Ok(Array { items, len })
}

/// Appends an array of blob strings.
pub fn encode_array(items: &[&[u8]], out: &mut Vec<u8>) {
    write_length(b'*', items.len(), out);
    for item in items {
        write_blob(item, out);
    }
}

impl<'a> Reply<'a> {
    /// Reads a reply that is all of `payload`. Allocates nothing.
    pub fn parse(payload: &'a [u8]) -> Result<Self, Resp3Error> {
        let mut rest = payload;
        let reply = match take_byte(&mut rest)? {
            b'+' => match take_line(&mut rest)? {
                b"OK" => Self::Ok,
                _ => return Err(Resp3Error::UnknownReply),
            },
            b'-' => {
                let text = take_line(&mut rest)?.strip_prefix(b"ERR ").ok_or(Resp3Error::UnknownReply)?;
                Self::Error(str::from_utf8(text).map_err(|_| Resp3Error::UnknownReply)?)
            }
            b':' => Self::Integer(parse_integer(take_line(&mut rest)?).ok_or(Resp3Error::Number)?),
            b'$' => match rest.strip_prefix(b"-1\r\n") {
                Some(after) => {
                    rest = after;
                    Self::Null
                }
                None => Self::Blob(take_blob(&mut rest)?),
            },
            b'*' => parse_page(&mut rest)?,
            _ => return Err(Resp3Error::UnknownReply),
        };
        finish(rest)?;
        Ok(reply)
    }

    /// Appends the reply. Of an error text with several lines only the first is written: a line break would
    /// end the reply.
    #[inline]
    pub fn encode(&self, out: &mut Vec<u8>) {
        match *self {
            Self::Ok => out.extend_from_slice(b"+OK\r\n"),
            Self::Integer(value) => {
                out.push(b':');
                if value < 0 {
                    out.push(b'-');
                }
                decimal::write(value.unsigned_abs(), 1, out);
                out.extend_from_slice(b"\r\n");
            }
            Self::Blob(bytes) => write_blob(bytes, out),
            Self::Null => out.extend_from_slice(b"$-1\r\n"),
            Self::Error(text) => {
                out.extend_from_slice(b"-ERR ");
                out.extend_from_slice(text.split(['\r', '\n']).next().unwrap_or_default().as_bytes());
                out.extend_from_slice(b"\r\n");
            }
            Self::Page { keys, token } => {
                write_length(b'*', 1 + usize::from(token.is_some()), out);
                write_length(b'*', keys.len(), out);
                out.extend_from_slice(keys.encoded());
                if let Some(token) = token {
                    write_blob(token, out);
                }
            }
        }
    }
}

/// A page of keys, its first `*` having been read.
fn parse_page<'a>(rest: &mut &'a [u8]) -> Result<Reply<'a>, Resp3Error> {
    let parts = take_length(rest)?;
    if !(1..=2).contains(&parts) {
        return Err(Resp3Error::UnknownReply);
    }
    if take_byte(rest)? != b'*' {
        return Err(Resp3Error::NotAnArray);
    }
    let count = take_length(rest)?;
    let keys = Blobs::take(rest, count)?;
    let token = if parts == 2 { Some(blobs::take_element(rest)?) } else { None };
    Ok(Reply::Page { keys, token })
}

fn write_blob(bytes: &[u8], out: &mut Vec<u8>) {
    write_length(b'$', bytes.len(), out);
    out.extend_from_slice(bytes);
    out.extend_from_slice(b"\r\n");
}

fn write_length(kind: u8, len: usize, out: &mut Vec<u8>) {
    out.push(kind);
    decimal::write(len as u64, 1, out);
    out.extend_from_slice(b"\r\n");
}

fn finish(rest: &[u8]) -> Result<(), Resp3Error> {
    if rest.is_empty() { Ok(()) } else { Err(Resp3Error::TrailingBytes) }
}

#[inline]
fn take_byte(rest: &mut &[u8]) -> Result<u8, Resp3Error> {
    let (&byte, after) = rest.split_first().ok_or(Resp3Error::Truncated)?;
    *rest = after;
    Ok(byte)
}

/// A line without its CR LF. Neither CR nor LF may stand within.
#[inline]
fn take_line<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Resp3Error> {
    let end = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')).ok_or(Resp3Error::Truncated)?;
    let (line, after) = rest.split_at(end);
    *rest = take_line_end(after)?;
    Ok(line)
}

#[inline]
fn take_line_end(rest: &[u8]) -> Result<&[u8], Resp3Error> {
    match rest {
        [b'\r', b'\n', after @ ..] => Ok(after),
        [] | [b'\r'] => Err(Resp3Error::Truncated),
        _ => Err(Resp3Error::LineEnd),
    }
}

#[inline]
fn take_length(rest: &mut &[u8]) -> Result<usize, Resp3Error> {
    let digits = take_line(rest)?;
    parse_plain(digits).and_then(|len| usize::try_from(len).ok()).ok_or(Resp3Error::Number)
}

/// Length and bytes of a blob, its `$` having been read.
#[inline]
fn take_blob<'a>(rest: &mut &'a [u8]) -> Result<&'a [u8], Resp3Error> {
    let len = take_length(rest)?;
    let (blob, after) = rest.split_at_checked(len).ok_or(Resp3Error::Truncated)?;
    *rest = take_line_end(after)?;
    Ok(blob)
}

/// Digits without leading zeros.
#[inline]
fn parse_plain(digits: &[u8]) -> Option<u64> {
    match digits {
        [b'0', _, ..] => None,
        _ => decimal::parse(digits),
    }
}

fn parse_integer(text: &[u8]) -> Option<i64> {
    match text.strip_prefix(b"-") {
        None => i64::try_from(parse_plain(text)?).ok(),
        Some(digits) => {
            parse_plain(digits).filter(|value| *value > 0).and_then(|value| 0_i64.checked_sub_unsigned(value))
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn array(payload: &[u8]) -> Result<Vec<&[u8]>, Resp3Error> {
        parse_array::<6>(payload).map(|array| array.as_slice().to_vec())
    }

    #[test]
    fn arrays_both_ways() {
        let cases: [(&[u8], &[&[u8]]); 5] = [
            (b"*0\r\n", &[]),
            (b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n", &[b"GET", b"k"]),
            (b"*3\r\n$3\r\nSET\r\n$2\r\n\r\n\r\n$0\r\n\r\n", &[b"SET", b"\r\n", b""]),
            (b"*1\r\n$10\r\n0123456789\r\n", &[b"0123456789"]),
            (
                b"*6\r\n$1\r\n1\r\n$1\r\n2\r\n$1\r\n3\r\n$1\r\n4\r\n$1\r\n5\r\n$1\r\n6\r\n",
                &[b"1", b"2", b"3", b"4", b"5", b"6"],
            ),
        ];
        for (bytes, items) in cases {
            assert_eq!(array(bytes).unwrap(), items);
            let mut out = Vec::new();
            encode_array(items, &mut out);
            assert_eq!(out, bytes);
            for len in 0..bytes.len() {
                assert_eq!(array(&bytes[..len]), Err(Resp3Error::Truncated), "{:?}", &bytes[..len]);
            }
        }
    }

    #[test]
    fn bad_arrays() {
        let cases: [(&[u8], Resp3Error); 18] = [
            (b"$1\r\nk\r\n", Resp3Error::NotAnArray),
            (b"GET k\r\n", Resp3Error::NotAnArray),
            (b"*x\r\n", Resp3Error::Number),
            (b"*\r\n", Resp3Error::Number),
            (b"*-1\r\n", Resp3Error::Number),
            (b"*+1\r\n$1\r\nk\r\n", Resp3Error::Number),
            (b"*01\r\n$1\r\nk\r\n", Resp3Error::Number),
            (b"*18446744073709551616\r\n", Resp3Error::Number),
            (b"*18446744073709551615\r\n", Resp3Error::TooManyElements),
            (b"*7\r\n", Resp3Error::TooManyElements),
            (b"*1\n$1\r\nk\r\n", Resp3Error::LineEnd),
            (b"*1\r$1\r\nk\r\n", Resp3Error::LineEnd),
            (b"*1\r\n:1\r\n", Resp3Error::NotABlob),
            (b"*1\r\n$-1\r\n", Resp3Error::Number),
            (b"*1\r\n$2\r\nk\r\n", Resp3Error::LineEnd),
            (b"*1\r\n$1\r\nkk\r\n", Resp3Error::LineEnd),
            (b"*1\r\n$18446744073709551615\r\nk\r\n", Resp3Error::Truncated),
            (b"*1\r\n$1\r\nk\r\n\n", Resp3Error::TrailingBytes),
        ];
        for (bytes, error) in cases {
            assert_eq!(array(bytes), Err(error), "{:?}", str::from_utf8(bytes));
        }
    }

    #[test]
    fn replies_both_ways() {
        let cases: [(&[u8], Reply<'_>); 9] = [
            (b"+OK\r\n", Reply::Ok),
            (b":-1\r\n", Reply::Integer(-1)),
            (b":0\r\n", Reply::Integer(0)),
            (b":9223372036854775807\r\n", Reply::Integer(i64::MAX)),
            (b":-9223372036854775808\r\n", Reply::Integer(i64::MIN)),
            (b"$4\r\na\r\nb\r\n", Reply::Blob(b"a\r\nb")),
            (b"$0\r\n\r\n", Reply::Blob(b"")),
            (b"$-1\r\n", Reply::Null),
            (b"-ERR syntax error\r\n", Reply::Error("syntax error")),
        ];
        for (bytes, reply) in cases {
            assert_eq!(Reply::parse(bytes), Ok(reply));
            let mut out = Vec::new();
            reply.encode(&mut out);
            assert_eq!(out, bytes);
            for len in 0..bytes.len() {
                assert!(Reply::parse(&bytes[..len]).is_err(), "{:?}", &bytes[..len]);
            }
            assert_eq!(Reply::parse(&[bytes, b"x"].concat()), Err(Resp3Error::TrailingBytes));
        }
    }

    #[test]
    fn bad_replies() {
        let cases: [(&[u8], Resp3Error); 13] = [
            (b"+ok\r\n", Resp3Error::UnknownReply),
            (b"-ERR\r\n", Resp3Error::UnknownReply),
            (b"-ERR: x\r\n", Resp3Error::UnknownReply),
            (b"-ERR \xFF\r\n", Resp3Error::UnknownReply),
            (b"_\r\n", Resp3Error::UnknownReply),
            (b":-0\r\n", Resp3Error::Number),
            (b":01\r\n", Resp3Error::Number),
            (b":+1\r\n", Resp3Error::Number),
            (b":\r\n", Resp3Error::Number),
            (b":9223372036854775808\r\n", Resp3Error::Number),
            (b":-9223372036854775809\r\n", Resp3Error::Number),
            (b"$-2\r\n", Resp3Error::Number),
            (b"+OK\n", Resp3Error::LineEnd),
        ];
        for (bytes, error) in cases {
            assert_eq!(Reply::parse(bytes), Err(error), "{bytes:?}");
        }
    }

    #[test]
    fn an_error_is_one_line() {
        let mut out = Vec::new();
        Reply::Error("a\r\n+OK").encode(&mut out);
        assert_eq!(out, b"-ERR a\r\n");
    }
}
