//! A naive reading of the HTTP request for a WebSocket (RFC 6455, section 4.2.1; RFC 9112).

/// The longest request head that the adapter takes.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// What a peer's first bytes are.
#[derive(Debug, PartialEq)]
pub(crate) enum Reading {
    /// A request of so many bytes that is to be served.
    Served { len: usize },
    /// One that may be served, since a reader may be lenient, and then has so many bytes.
    Unclear { len: usize },
    /// None that is served.
    Refused,
}

pub(crate) fn read(bytes: &[u8]) -> Reading {
    let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else {
        return Reading::Refused;
    };
    let len = end + 4;
    let head = &bytes[..end];
    // An empty line ends a head, also where lines end without CR: what follows is no part of it. Before it they are skipped.
    let first = head.iter().position(|byte| !b"\r\n".contains(byte)).unwrap_or(end);
    let lines = &bytes[first..end + 2];
    let has_empty_line =
        lines.windows(2).any(|pair| pair == b"\n\n") || lines.windows(3).any(|three| three == b"\n\r\n");
    if len > MAX_HEAD_BYTES || has_empty_line {
        return Reading::Refused;
    }
    let mut lines = split(head, b"\r\n").into_iter();
    let (line, fields) = (lines.next().unwrap_or_default(), lines.map(field).collect::<Option<Vec<_>>>());
    let (Some(target), Some(fields)) = (target(line), fields) else { return Reading::Unclear { len } };
    let path = target.split(|&byte| byte == b'?').next();
    let is_served = path == Some(b"/mqtt")
        && fields.len() <= 64
        && lists(&fields, "upgrade", "websocket")
        && lists(&fields, "connection", "upgrade")
        && only(&fields, "sec-websocket-version") == Some(b"13")
        && only(&fields, "sec-websocket-key").is_some_and(is_key)
        && lists(&fields, "sec-websocket-protocol", "mqtt");
    if is_served { Reading::Served { len } } else { Reading::Refused }
}

/// A name in lower case and a value without the space around it.
type Field = (Vec<u8>, Vec<u8>);

fn field(line: &[u8]) -> Option<Field> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_token = |byte: &u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte);
    let is_text = |byte: &u8| matches!(byte, b'\t' | 0x20..=0x7E | 0x80..);
    let is_good = !name.is_empty() && name.iter().all(is_token) && value.iter().all(is_text);
    is_good.then(|| (name.to_ascii_lowercase(), value.trim_ascii().to_vec()))
}

/// The target of a GET with nothing unusual about it.
fn target(line: &[u8]) -> Option<&[u8]> {
    let target = line.strip_prefix(b"GET ")?.strip_suffix(b" HTTP/1.1")?;
    let is_good = |byte: &u8| byte.is_ascii_alphanumeric() || b"/?=&-._~%".contains(byte);
    (target.first() == Some(&b'/') && target.iter().all(is_good)).then_some(target)
}

fn values<'f>(fields: &'f [Field], name: &str) -> impl Iterator<Item = &'f [u8]> {
    fields.iter().filter(move |field| field.0 == name.as_bytes()).map(|field| &field.1[..])
}

fn lists(fields: &[Field], name: &str, wanted: &str) -> bool {
    values(fields, name)
        .flat_map(|value| split(value, b","))
        .any(|item| item.trim_ascii().to_ascii_lowercase() == wanted.as_bytes())
}

fn only<'f>(fields: &'f [Field], name: &str) -> Option<&'f [u8]> {
    match values(fields, name).collect::<Vec<_>>()[..] {
        [value] => Some(value),
        _ => None,
    }
}

/// Sixteen bytes in base64: the last digit before the padding holds two bits.
fn is_key(key: &[u8]) -> bool {
    let is_digit = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/".contains(byte);
    key.len() == 24 && key[..22].iter().all(is_digit) && b"AQgw".contains(&key[21]) && key.ends_with(b"==")
}

fn split<'b>(mut bytes: &'b [u8], at: &[u8]) -> Vec<&'b [u8]> {
    let mut parts = Vec::new();
    while let Some(place) = bytes.windows(at.len()).position(|window| window == at) {
        parts.push(&bytes[..place]);
        bytes = &bytes[place + at.len()..];
    }
    parts.push(bytes);
    parts
}
