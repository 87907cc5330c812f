//! The commands as the store reads them, and the correlation data by which an answer finds its request.

use std::time::Duration;

use bytes::Bytes;
use mayfly_wire::resp3;

use crate::options::{Condition, SetOptions};

/// Where requests go. The store consumes what is published here; nobody else sees it.
pub(crate) const REQUEST_TOPIC: &str = "statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/command/invoke";

/// A command's payload and what its user properties need beside the timestamp.
pub(crate) struct Request {
    pub(crate) payload: Bytes,
    /// The text of `__ft`.
    pub(crate) fencing_token: Option<String>,
}

impl Request {
    pub(crate) fn get(key: &[u8]) -> Self {
        Request::plain(&[b"GET", key])
    }

    pub(crate) fn set(key: &[u8], value: &[u8], options: &SetOptions) -> Self {
        let expiry_ms = options.expiry.map(|expiry| ceil_ms(expiry).to_string());
        let mut items: Vec<&[u8]> = vec![b"SET", key, value];
        match options.condition {
            Condition::Always => {}
            Condition::Nx => items.push(b"NX"),
            Condition::Nex => items.push(b"NEX"),
        }
        if let Some(expiry_ms) = &expiry_ms {
            items.extend([b"PX".as_slice(), expiry_ms.as_bytes()]);
        }
        let fencing_token = options.fencing_token.as_ref().map(ToString::to_string);
        Request { fencing_token, ..Request::plain(&items) }
    }

    pub(crate) fn del(key: &[u8], fencing_token: Option<String>) -> Self {
        Request { fencing_token, ..Request::plain(&[b"DEL", key]) }
    }

    pub(crate) fn vdel(key: &[u8], value: &[u8], fencing_token: Option<String>) -> Self {
        Request { fencing_token, ..Request::plain(&[b"VDEL", key, value]) }
    }

    pub(crate) fn observe(key: &[u8]) -> Self {
        Request::plain(&[b"KEYNOTIFY", key])
    }

    pub(crate) fn unobserve(key: &[u8]) -> Self {
        Request::plain(&[b"KEYNOTIFY", key, b"STOP"])
    }

    /// The page after the one that gave the token, or the first one.
    pub(crate) fn scan(pattern: &[u8], token: Option<&[u8]>) -> Self {
        match token {
            Some(token) => Request::plain(&[b"SCAN", pattern, token]),
            None => Request::plain(&[b"SCAN", pattern]),
        }
    }

    fn plain(items: &[&[u8]]) -> Self {
        let mut payload = Vec::with_capacity(items.iter().map(|item| item.len() + 16).sum());
        resp3::encode_array(items, &mut payload);
        Request { payload: payload.into(), fencing_token: None }
    }
}

/// Whole milliseconds, rounded up, so that nothing expires early.
fn ceil_ms(duration: Duration) -> u128 {
    duration.as_nanos().div_ceil(1_000_000)
}

/// A Message Expiry Interval that does not end before `remaining`: whole seconds, at least 1.
pub(crate) fn message_expiry_interval_s(remaining: Duration) -> u32 {
    u32::try_from(remaining.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX).max(1)
}

/// Names one request of one client. The correlation data are the client's identity and this number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct RequestId(pub(crate) u64);

impl RequestId {
    pub(crate) fn correlation_data(self, identity: u64) -> Bytes {
        let mut data = [0; 16];
        data[..8].copy_from_slice(&identity.to_be_bytes());
        data[8..].copy_from_slice(&self.0.to_be_bytes());
        Bytes::copy_from_slice(&data)
    }

    /// The request that correlation data belong to, if they are this client's.
    pub(crate) fn from_correlation_data(data: &[u8], identity: u64) -> Option<Self> {
        let data: &[u8; 16] = data.try_into().ok()?;
        let (own, number) = data.split_first_chunk::<8>()?;
        (*own == identity.to_be_bytes())
            .then(|| number.first_chunk().copied().map(u64::from_be_bytes))?
            .map(RequestId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_arrays_of_blob_strings() {
        let nex = SetOptions {
            condition: Condition::Nex,
            expiry: Some(Duration::from_micros(1_500_001)),
            fencing_token: None,
        };
        let cases: [(Request, &[u8]); 8] = [
            (Request::get(b"a\r"), b"*2\r\n$3\r\nGET\r\n$2\r\na\r\r\n"),
            (Request::set(b"a", b"", &SetOptions::default()), b"*3\r\n$3\r\nSET\r\n$1\r\na\r\n$0\r\n\r\n"),
            (
                Request::set(b"a", b"1", &nex),
                b"*6\r\n$3\r\nSET\r\n$1\r\na\r\n$1\r\n1\r\n$3\r\nNEX\r\n$2\r\nPX\r\n$4\r\n1501\r\n",
            ),
            (Request::del(b"a", None), b"*2\r\n$3\r\nDEL\r\n$1\r\na\r\n"),
            (Request::vdel(b"a", b"1", None), b"*3\r\n$4\r\nVDEL\r\n$1\r\na\r\n$1\r\n1\r\n"),
            (Request::scan(b"a*", None), b"*2\r\n$4\r\nSCAN\r\n$2\r\na*\r\n"),
            (Request::scan(b"", Some(b"\0\n")), b"*3\r\n$4\r\nSCAN\r\n$0\r\n\r\n$2\r\n\0\n\r\n"),
            (Request::unobserve(b"a"), b"*3\r\n$9\r\nKEYNOTIFY\r\n$1\r\na\r\n$4\r\nSTOP\r\n"),
        ];
        for (request, bytes) in cases {
            assert_eq!(request.payload, bytes);
        }
    }

    #[test]
    fn a_message_expiry_interval_is_never_short() {
        assert_eq!(message_expiry_interval_s(Duration::ZERO), 1);
        assert_eq!(message_expiry_interval_s(Duration::from_secs(10)), 10);
        assert_eq!(message_expiry_interval_s(Duration::from_nanos(10_000_000_001)), 11);
    }

    #[test]
    fn correlation_data_name_the_client_and_the_request() {
        let data = RequestId(7).correlation_data(0xA1);
        assert_eq!(RequestId::from_correlation_data(&data, 0xA1), Some(RequestId(7)));
        assert_eq!(RequestId::from_correlation_data(&data, 0xA2), None);
        assert_eq!(RequestId::from_correlation_data(&data[1..], 0xA1), None);
    }
}
