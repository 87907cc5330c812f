//! The HTTP request that asks for WebSocket (RFC 6455, section 4.2).

use std::io;

use data_encoding::BASE64;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::WebSocketSettings;

/// The longest request head in bytes. Browsers send cookies along.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// The most header fields of a request.
const MAX_FIELDS: usize = 64;

/// So much is read at once.
const READ_BYTES: usize = 1024;

/// The sub-protocol [MQTT-6.0.0-3].
const SUB_PROTOCOL: &str = "mqtt";

/// Why a request is not served. Its text goes to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RequestError {
    /// It is no HTTP, or not the form that RFC 6455 demands.
    #[error("this is no well-formed HTTP/1.1 request for a WebSocket")]
    Malformed,
    /// It is too long.
    #[error("the request head is longer than 8 KiB or has more than 64 fields")]
    TooLarge,
    /// Its method is not GET.
    #[error("the method must be GET")]
    Method,
    /// Another path.
    #[error("there is nothing at this path")]
    Path,
    /// An HTTP request without an upgrade.
    #[error("this is an MQTT broker: connect with WebSocket and the sub-protocol mqtt")]
    NoUpgrade,
    /// Another version of WebSocket.
    #[error("only version 13 of WebSocket is spoken")]
    Version,
    /// `mqtt` is not among the sub-protocols [MQTT-6.0.0-3].
    #[error("the sub-protocol mqtt must be offered")]
    SubProtocol,
    /// A page that may not connect.
    #[error("this origin may not connect")]
    Origin,
}

impl RequestError {
    /// The whole answer.
    pub(super) fn response(self) -> String {
        let (status, field) = match self {
            Self::Malformed | Self::SubProtocol => ("400 Bad Request", ""),
            Self::TooLarge => ("431 Request Header Fields Too Large", ""),
            Self::Method => ("405 Method Not Allowed", "Allow: GET\r\n"),
            Self::Path => ("404 Not Found", ""),
            Self::NoUpgrade => ("426 Upgrade Required", "Upgrade: websocket\r\n"),
            Self::Version => ("426 Upgrade Required", "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"),
            Self::Origin => ("403 Forbidden", ""),
        };
        let connection = if field.starts_with("Upgrade") { "close, Upgrade" } else { "close" };
        let body = format!("{self}\n");
        format!(
            "HTTP/1.1 {status}\r\n{field}Connection: {connection}\r\n\
             Content-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    }
}

/// Reads a request head. Returns it and what came after it.
pub(super) async fn read(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<Result<(Vec<u8>, Vec<u8>), RequestError>> {
    const END: &[u8] = b"\r\n\r\n";
    let mut bytes = Vec::new();
    loop {
        let searched = bytes.len().saturating_sub(END.len() - 1);
        bytes.reserve(READ_BYTES);
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let end = bytes[searched..].windows(END.len()).position(|window| window == END);
        let head_len = end.map(|end| searched + end + END.len());
        if head_len.unwrap_or(bytes.len()) > MAX_HEAD_BYTES {
            return Ok(Err(RequestError::TooLarge));
        }
        if let Some(head_len) = head_len {
            let rest = bytes.split_off(head_len);
            return Ok(Ok((bytes, rest)));
        }
        // Who speaks something else may wait for an answer.
        if !bytes[0].is_ascii_alphabetic() {
            return Ok(Err(RequestError::Malformed));
        }
    }
}

/// The answer that accepts a request.
pub(super) fn accept(head: &[u8], settings: &WebSocketSettings) -> Result<String, RequestError> {
    let mut fields = [httparse::EMPTY_HEADER; MAX_FIELDS];
    let mut request = httparse::Request::new(&mut fields);
    match request.parse(head) {
        // An empty line that ends without CR ends the request before its head: what follows would be lost.
        Ok(httparse::Status::Complete(len)) if len == head.len() && request.version == Some(1) => {}
        Err(httparse::Error::TooManyHeaders) => return Err(RequestError::TooLarge),
        Ok(_) | Err(_) => return Err(RequestError::Malformed),
    }
    if request.method != Some("GET") {
        return Err(RequestError::Method);
    }
    let path = request.path.unwrap_or_default();
    if path.split_once('?').map_or(path, |(path, _query)| path) != settings.path {
        return Err(RequestError::Path);
    }
    let fields = Fields(request.headers);
    if !fields.lists("Upgrade", "websocket") || !fields.lists("Connection", "Upgrade") {
        return Err(RequestError::NoUpgrade);
    }
    if fields.only("Sec-WebSocket-Version") != Some(b"13") {
        return Err(RequestError::Version);
    }
    let key = fields.only("Sec-WebSocket-Key").ok_or(RequestError::Malformed)?;
    if BASE64.decode(key).ok().is_none_or(|nonce| nonce.len() != 16) {
        return Err(RequestError::Malformed);
    }
    if !fields.lists("Sec-WebSocket-Protocol", SUB_PROTOCOL) {
        return Err(RequestError::SubProtocol);
    }
    if let (Some(allowed), Some(origin)) = (&settings.origins, fields.values("Origin").next())
        && !allowed.iter().any(|allowed| allowed.as_bytes() == origin)
    {
        return Err(RequestError::Origin);
    }
    Ok(format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {}\r\nSec-WebSocket-Protocol: {SUB_PROTOCOL}\r\n\r\n",
        derive_accept_key(key)
    ))
}

/// The header fields of a request.
struct Fields<'a, 'b>(&'a [httparse::Header<'b>]);

impl<'b> Fields<'_, 'b> {
    fn values(&self, name: &str) -> impl Iterator<Item = &'b [u8]> {
        self.0.iter().filter(move |field| field.name.eq_ignore_ascii_case(name)).map(|field| field.value)
    }

    /// The value of a field that is there once.
    fn only(&self, name: &str) -> Option<&'b [u8]> {
        let mut values = self.values(name);
        let only = values.next();
        if values.next().is_some() { None } else { only.map(<[u8]>::trim_ascii) }
    }

    /// Whether a field, whose values are lists, names `wanted`.
    fn lists(&self, name: &str, wanted: &str) -> bool {
        let mut items = self.values(name).flat_map(|value| value.split(|&byte| byte == b','));
        items.any(|item| item.trim_ascii().eq_ignore_ascii_case(wanted.as_bytes()))
    }
}
