//! What a response says, checked against the protocol: the properties that every response has here, the answer to each
//! command in a method of its own.

use bytes::Bytes;
use mayfly_wire::resp3::Reply;
use rumqttc::PublishProperties;

use crate::error::{Error, ProtocolError};
use crate::outcome::{DelOutcome, SetOutcome, Stored, VdelOutcome};
use crate::scan::Page;
use crate::service_error::ServiceError;
use crate::version::Version;

/// A response whose properties are in order; the payload is not read yet.
#[derive(Debug)]
pub(crate) struct Response {
    payload: Bytes,
    version: Option<Version>,
}

impl Response {
    pub(crate) fn new(properties: &PublishProperties, payload: Bytes) -> Result<Self, ProtocolError> {
        check_content_type(properties)?;
        match user_property(properties, "__stat") {
            Some("200") => {}
            other => return Err(ProtocolError::Status(other.map(str::to_owned))),
        }
        check_protocol_version(properties)?;
        Ok(Response { payload, version: version(properties)? })
    }

    /// What the store answers to KEYNOTIFY STOP where there is nothing to stop.
    pub(crate) fn not_registered() -> Self {
        Response { payload: Bytes::from_static(b":0\r\n"), version: None }
    }

    pub(crate) fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }

    pub(crate) fn into_get(self) -> Result<Option<Stored>, Error> {
        match self.reply()? {
            Reply::Blob(value) => {
                let value = self.payload.slice_ref(value);
                Ok(Some(Stored { value, version: self.required_version()? }))
            }
            Reply::Null => self.without_version(None),
            _ => Err(self.unexpected()),
        }
    }

    pub(crate) fn into_set(self) -> Result<SetOutcome, Error> {
        match self.reply()? {
            Reply::Ok => self.required_version().map(SetOutcome::Stored),
            Reply::Integer(-1) => self.required_version().map(SetOutcome::Refused),
            _ => Err(self.unexpected()),
        }
    }

    pub(crate) fn into_del(self) -> Result<DelOutcome, Error> {
        match self.reply()? {
            Reply::Integer(1) => self.required_version().map(DelOutcome::Deleted),
            Reply::Integer(0) => self.without_version(DelOutcome::Absent),
            _ => Err(self.unexpected()),
        }
    }

    pub(crate) fn into_vdel(self) -> Result<VdelOutcome, Error> {
        match self.reply()? {
            Reply::Integer(1) => self.required_version().map(VdelOutcome::Deleted),
            Reply::Integer(0) => self.without_version(VdelOutcome::Absent),
            Reply::Integer(-1) => self.without_version(VdelOutcome::Different),
            _ => Err(self.unexpected()),
        }
    }

    pub(crate) fn into_observe(self) -> Result<(), Error> {
        match self.reply()? {
            Reply::Ok => self.without_version(()),
            _ => Err(self.unexpected()),
        }
    }

    /// `:0`, not registered, is as good as `+OK`.
    pub(crate) fn into_unobserve(self) -> Result<(), Error> {
        match self.reply()? {
            Reply::Ok | Reply::Integer(0) => self.without_version(()),
            _ => Err(self.unexpected()),
        }
    }

    pub(crate) fn into_scan(self) -> Result<Page, Error> {
        match self.reply()? {
            Reply::Page { keys, token } => {
                let keys = keys.iter().map(|key| self.payload.slice_ref(key)).collect();
                let token = token.map(|token| self.payload.slice_ref(token));
                self.without_version(Page { keys, token })
            }
            _ => Err(self.unexpected()),
        }
    }

    fn reply(&self) -> Result<Reply<'_>, Error> {
        match Reply::parse(&self.payload) {
            Ok(Reply::Error(text)) => Err(Error::Service(ServiceError::from_text(text))),
            Ok(reply) => Ok(reply),
            Err(_) => Err(self.unexpected()),
        }
    }

    fn required_version(self) -> Result<Version, Error> {
        self.version.ok_or(Error::Protocol(ProtocolError::MissingVersion))
    }

    fn without_version<T>(self, answer: T) -> Result<T, Error> {
        match self.version {
            None => Ok(answer),
            Some(version) => Err(Error::Protocol(ProtocolError::UnexpectedVersion(version.to_string()))),
        }
    }

    fn unexpected(&self) -> Error {
        Error::Protocol(ProtocolError::Payload(shown(&self.payload)))
    }
}

/// The `__ts` of a response or a notification.
pub(crate) fn version(properties: &PublishProperties) -> Result<Option<Version>, ProtocolError> {
    Ok(user_property(properties, "__ts").map(str::parse).transpose()?)
}

/// The beginning of a payload for an error message, escaped.
pub(crate) fn shown(payload: &[u8]) -> String {
    const SHOWN_BYTES: usize = 64;
    let head = &payload[..payload.len().min(SHOWN_BYTES)];
    let more = if payload.len() > SHOWN_BYTES { "…" } else { "" };
    format!("\"{}\"{more}", head.escape_ascii())
}

fn check_content_type(properties: &PublishProperties) -> Result<(), ProtocolError> {
    match properties.content_type.as_deref() {
        None | Some("application/octet-stream") => Ok(()),
        Some(other) => Err(ProtocolError::ContentType(other.to_owned())),
    }
}

fn check_protocol_version(properties: &PublishProperties) -> Result<(), ProtocolError> {
    match user_property(properties, "__protVer") {
        None | Some("1.0") => Ok(()),
        Some(other) => Err(ProtocolError::ProtocolVersion(other.to_owned())),
    }
}

fn user_property<'a>(properties: &'a PublishProperties, name: &str) -> Option<&'a str> {
    properties.user_properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a response that is not accepted is the failure that the test is to show"
    )]
    use super::*;

    const VERSION: &str = "000000000000012:00003:StateStore";

    fn properties(pairs: &[(&str, &str)]) -> PublishProperties {
        PublishProperties {
            user_properties: pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect(),
            ..PublishProperties::default()
        }
    }

    fn versioned(payload: &'static [u8]) -> Response {
        Response::new(&properties(&[("__stat", "200"), ("__ts", VERSION)]), payload.into()).unwrap()
    }

    fn bare(payload: &'static [u8]) -> Response {
        Response::new(&properties(&[("__stat", "200")]), payload.into()).unwrap()
    }

    #[test]
    fn each_answer_becomes_its_outcome() {
        let version: Version = VERSION.parse().unwrap();
        let stored = |value: &'static [u8]| Some(Stored { value: value.into(), version: version.clone() });
        assert_eq!(versioned(b"$3\r\na\r\n\r\n").into_get(), Ok(stored(b"a\r\n")));
        assert_eq!(versioned(b"$0\r\n\r\n").into_get(), Ok(stored(b"")));
        assert_eq!(bare(b"$-1\r\n").into_get(), Ok(None));
        assert_eq!(versioned(b"+OK\r\n").into_set(), Ok(SetOutcome::Stored(version.clone())));
        assert_eq!(versioned(b":-1\r\n").into_set(), Ok(SetOutcome::Refused(version.clone())));
        assert_eq!(versioned(b":1\r\n").into_del(), Ok(DelOutcome::Deleted(version.clone())));
        assert_eq!(bare(b":0\r\n").into_del(), Ok(DelOutcome::Absent));
        assert_eq!(versioned(b":1\r\n").into_vdel(), Ok(VdelOutcome::Deleted(version)));
        assert_eq!(bare(b":0\r\n").into_vdel(), Ok(VdelOutcome::Absent));
        assert_eq!(bare(b":-1\r\n").into_vdel(), Ok(VdelOutcome::Different));
        assert_eq!(bare(b"+OK\r\n").into_observe(), Ok(()));
        assert_eq!(bare(b":0\r\n").into_unobserve(), Ok(()));
        let page = Page { keys: vec!["a".into(), "\r\n".into()], token: Some("t".into()) };
        assert_eq!(bare(b"*2\r\n*2\r\n$1\r\na\r\n$2\r\n\r\n\r\n$1\r\nt\r\n").into_scan(), Ok(page));
        assert_eq!(bare(b"*1\r\n*0\r\n").into_scan(), Ok(Page { keys: vec![], token: None }));
    }

    #[test]
    fn a_service_error_is_known_by_its_text() {
        assert_eq!(bare(b"-ERR syntax error\r\n").into_get(), Err(Error::Service(ServiceError::Syntax)));
    }

    #[test]
    fn an_answer_to_another_command_is_refused() {
        for answer in [b":0\r\n".as_slice(), b"$1\r\na\r\n", b"$-1\r\n", b"", b"+OK"] {
            assert!(matches!(versioned(answer).into_set(), Err(Error::Protocol(ProtocolError::Payload(_)))));
        }
        assert!(versioned(b"+OK\r\n").into_get().is_err());
        assert!(versioned(b"+OK\r\n").into_del().is_err());
        assert!(bare(b":0\r\n").into_observe().is_err());
        assert!(bare(b"*0\r\n").into_scan().is_err());
        assert!(bare(b"*1\r\n*0\r\n").into_get().is_err());
        assert!(versioned(b"*1\r\n*0\r\n").into_scan().is_err());
    }

    #[test]
    fn a_version_comes_exactly_with_the_answers_that_have_one() {
        assert_eq!(bare(b"+OK\r\n").into_set(), Err(Error::Protocol(ProtocolError::MissingVersion)));
        assert_eq!(bare(b"$1\r\na\r\n").into_get(), Err(Error::Protocol(ProtocolError::MissingVersion)));
        let unexpected = Error::Protocol(ProtocolError::UnexpectedVersion(VERSION.to_owned()));
        assert_eq!(versioned(b"$-1\r\n").into_get(), Err(unexpected.clone()));
        assert_eq!(versioned(b":0\r\n").into_del(), Err(unexpected));
    }

    #[test]
    fn bad_properties_are_refused() {
        let refused = |pairs: &[(&str, &str)]| Response::new(&properties(pairs), Bytes::new()).unwrap_err();
        assert_eq!(refused(&[]), ProtocolError::Status(None));
        assert_eq!(refused(&[("__stat", "400")]), ProtocolError::Status(Some("400".to_owned())));
        assert_eq!(
            refused(&[("__stat", "200"), ("__protVer", "2.0")]),
            ProtocolError::ProtocolVersion("2.0".to_owned())
        );
        assert!(matches!(refused(&[("__stat", "200"), ("__ts", "now")]), ProtocolError::Version(_)));
        let mut text = properties(&[("__stat", "200")]);
        text.content_type = Some("text/plain".to_owned());
        assert_eq!(
            Response::new(&text, Bytes::new()).unwrap_err(),
            ProtocolError::ContentType("text/plain".to_owned())
        );
    }
}
