//! What comes from the engine, as the model says it. RESP3 is written and read here by itself.

use std::collections::BTreeSet;

use crate::specification::Publish;
use crate::state_store::{Message, Reply};

const NOTIFY_PREFIX: &str = "clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8";

/// A payload of these items.
pub(super) fn payload(items: &[Vec<u8>]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", items.len()).into_bytes();
    for item in items {
        bytes.extend(format!("${}\r\n", item.len()).bytes());
        bytes.extend(item);
        bytes.extend(b"\r\n");
    }
    bytes
}

/// Where a client gets its responses.
pub(super) fn response_topic(name: &str) -> String {
    format!("responses/{name}")
}

/// Why a message that a client saw is not the one that the model says.
pub(super) fn differs(name: &str, wanted: &Message, seen: &Publish) -> Option<String> {
    if (seen.dup, seen.qos, seen.retain, seen.message_expiry_interval_s) != (false, 1, false, None) {
        return Some("its flags are wrong".to_owned());
    }
    let user_properties: Vec<_> =
        seen.properties.user_properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    match wanted {
        Message::Notification { key, value, version } => {
            let items: Vec<Vec<u8>> = match value {
                Some(value) => vec![b"NOTIFY".into(), b"SET".into(), b"VALUE".into(), value.clone()],
                None => vec![b"NOTIFY".into(), b"DELETE".into()],
            };
            let topic = format!("{NOTIFY_PREFIX}/{}/command/notify/{}", hex(name.as_bytes()), hex(key));
            let is_right = seen.topic == topic
                && seen.payload == payload(&items)
                && user_properties == [("__ts", version.as_str())]
                && seen.properties.correlation_data.is_none();
            (!is_right).then(|| "it is not that notification".to_owned())
        }
        Message::Response { correlation, reply, version } => {
            let mut properties = vec![("__stat", "200")];
            properties.extend(version.as_deref().map(|version| ("__ts", version)));
            if user_properties != properties {
                return Some(format!("its user properties are {user_properties:?}"));
            }
            let is_right = seen.topic == response_topic(name)
                && seen.properties.correlation_data.as_ref() == Some(correlation)
                && seen.properties.content_type.is_none()
                && is_reply(reply, &seen.payload);
            (!is_right).then(|| "it is not that response".to_owned())
        }
    }
}

fn is_reply(reply: &Reply, payload: &[u8]) -> bool {
    let is = |text: String| payload == text.as_bytes();
    match reply {
        Reply::Ok => is("+OK\r\n".to_owned()),
        Reply::Number(number) => is(format!(":{number}\r\n")),
        Reply::Value(None) => is("$-1\r\n".to_owned()),
        Reply::Value(Some(value)) => {
            let head = format!("${}\r\n", value.len());
            payload == [head.as_bytes(), value, b"\r\n"].concat()
        }
        Reply::Error(Some(text)) => is(format!("-ERR {text}\r\n")),
        Reply::Error(None) => payload.starts_with(b"-ERR ") && payload.ends_with(b"\r\n"),
        Reply::Keys(keys) => {
            page(payload).is_some_and(|page| page.len() == keys.len() && BTreeSet::from_iter(page) == *keys)
        }
    }
}

/// The keys of a page that is the last one.
fn page(payload: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = payload.strip_prefix(b"*1\r\n")?;
    let count = number(&mut rest, b'*')?;
    let mut keys = Vec::new();
    for _ in 0..count {
        let len = number(&mut rest, b'$')?;
        let (key, after) = rest.split_at_checked(len)?;
        rest = after.strip_prefix(b"\r\n")?;
        keys.push(key.to_vec());
    }
    rest.is_empty().then_some(keys)
}

/// Reads a line of a sign and a number.
fn number(rest: &mut &[u8], sign: u8) -> Option<usize> {
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let (line, after) = rest.split_at(end);
    *rest = &after[2..];
    let (first, digits) = line.split_first()?;
    if *first == sign { std::str::from_utf8(digits).ok()?.parse().ok() } else { None }
}

fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789ABCDEF"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}
