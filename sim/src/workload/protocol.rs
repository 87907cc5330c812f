//! The state store protocol as a client has it: requests to bytes, responses and notifications from bytes. A second opinion,
//! which shares no code with the engine or its client.

use rumqttc::{Publish, PublishProperties, QoS};

use crate::history::scan::Answered;
use crate::history::store::Response;
use crate::history::{Call, Condition, Reply, Version};

/// Where requests go.
pub(super) const REQUEST_TOPIC: &str = "statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/command/invoke";

const NOTIFY_PREFIX: &str = "clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/";

/// The only Content Type of a response that names one.
const CONTENT_TYPE: &str = "application/octet-stream";

/// The user properties of the protocol, each of which comes once at most.
const PROPERTIES: [&str; 4] = ["__stat", "__ts", "__protVer", "__ft"];

/// What a request carries beside its command.
#[derive(Clone, Debug)]
pub(super) struct Envelope<'a> {
    pub(super) client: &'a str,
    pub(super) correlation: u64,
    pub(super) timestamp: &'a Version,
    pub(super) token: Option<&'a Version>,
    pub(super) message_expiry_s: u32,
}

/// Where a client wants its responses.
pub(super) fn response_topic(client: &str) -> String {
    format!("clients/{client}/store/responses")
}

/// A call's request, without its packet identifier.
pub(super) fn request(call: &Call, envelope: &Envelope<'_>) -> Publish {
    carry(payload(call), envelope)
}

/// A SCAN's request, without its packet identifier.
pub(super) fn scan(pattern: &str, token: Option<&[u8]>, envelope: &Envelope<'_>) -> Publish {
    let mut items: Vec<&[u8]> = vec![b"SCAN", pattern.as_bytes()];
    items.extend(token);
    carry(blobs(&items), envelope)
}

fn carry(payload: Vec<u8>, envelope: &Envelope<'_>) -> Publish {
    let mut user_properties = vec![("__ts".to_owned(), envelope.timestamp.to_string())];
    user_properties.extend(envelope.token.map(|token| ("__ft".to_owned(), token.to_string())));
    let properties = PublishProperties {
        response_topic: Some(response_topic(envelope.client)),
        correlation_data: Some(envelope.correlation.to_be_bytes().to_vec().into()),
        message_expiry_interval: Some(envelope.message_expiry_s),
        user_properties,
        ..PublishProperties::default()
    };
    Publish::new(REQUEST_TOPIC, QoS::AtLeastOnce, payload, Some(properties))
}

fn payload(call: &Call) -> Vec<u8> {
    let life;
    let mut items: Vec<&[u8]> = Vec::new();
    match call {
        Call::Get { key } => items.extend([b"GET", key.as_slice()]),
        Call::Del { key } => items.extend([b"DEL", key.as_slice()]),
        Call::Vdel { key, value } => items.extend([b"VDEL", key.as_slice(), value]),
        Call::KeyNotify { key, stop } => {
            items.extend([b"KEYNOTIFY", key.as_slice()]);
            items.extend(stop.then_some(&b"STOP"[..]));
        }
        Call::Set { key, value, condition, px_ms } => {
            items.extend([b"SET", key.as_slice(), value]);
            items.extend(match condition {
                Condition::None => None,
                Condition::Nx => Some(&b"NX"[..]),
                Condition::Nex => Some(&b"NEX"[..]),
            });
            if let Some(px_ms) = px_ms {
                life = px_ms.to_string();
                items.extend([b"PX", life.as_bytes()]);
            }
        }
    }
    blobs(&items)
}

/// An array of blobs.
fn blobs(items: &[&[u8]]) -> Vec<u8> {
    let mut bytes = format!("*{}\r\n", items.len()).into_bytes();
    for item in items {
        bytes.extend_from_slice(format!("${}\r\n", item.len()).as_bytes());
        bytes.extend_from_slice(item);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes
}

/// The correlation of a response that is one of this client's.
pub(super) fn correlation(publish: &Publish) -> Option<u64> {
    let data = publish.properties.as_ref()?.correlation_data.as_ref()?;
    Some(u64::from_be_bytes(data.as_ref().try_into().ok()?))
}

/// What holds of every response: QoS 1, the status 200, a Content Type that is absent or the store's, a protocol version that is
/// absent or 1.0.
fn check_response(publish: &Publish) -> Result<(), String> {
    check_carriage("a response", publish)?;
    let status = user_property(publish, "__stat");
    if status != Some("200") {
        return Err(format!("the status is {status:?}, not 200"));
    }
    let properties = publish.properties.as_ref();
    if let Some(other) = properties.and_then(|all| all.content_type.as_deref())
        && other != CONTENT_TYPE
    {
        return Err(format!("the Content Type is {other:?}, not {CONTENT_TYPE}"));
    }
    match user_property(publish, "__protVer") {
        None | Some("1.0") => Ok(()),
        Some(other) => Err(format!("the protocol version is {other:?}, not 1.0")),
    }
}

/// What holds of responses and notifications alike: QoS 1, and no property of the protocol twice.
fn check_carriage(what: &str, publish: &Publish) -> Result<(), String> {
    if publish.qos != QoS::AtLeastOnce {
        return Err(format!("{what} came with QoS {}, not 1", publish.qos as u8));
    }
    let pairs = publish.properties.iter().flat_map(|properties| &properties.user_properties);
    let twice =
        PROPERTIES.into_iter().find(|name| pairs.clone().filter(|(known, _)| known == name).count() > 1);
    twice.map_or(Ok(()), |name| Err(format!("{what} came with more than one {name}")))
}

/// Reads the response to a call. An error says how it breaks the protocol.
pub(super) fn response(call: &Call, publish: &Publish) -> Result<Response, String> {
    check_response(publish)?;
    let version = user_property(publish, "__ts").map(parse_version).transpose()?;
    let text = publish.payload.escape_ascii().to_string();
    let missing = || format!("{text} came without a version");
    let reply = match (call, publish.payload.as_ref()) {
        (_, payload) if payload.starts_with(b"-ERR ") && payload.ends_with(b"\r\n") => {
            let error = String::from_utf8_lossy(&payload[5..payload.len() - 2]).into_owned();
            return unversioned(version.as_ref(), &text).map(|()| Response::Error(error));
        }
        (Call::Set { .. }, b"+OK\r\n") => Reply::Stored { version: version.ok_or_else(missing)? },
        (Call::Set { condition: Condition::Nx | Condition::Nex, .. }, b":-1\r\n") => {
            Reply::Refused { version: version.ok_or_else(missing)? }
        }
        (Call::Del { .. } | Call::Vdel { .. }, b":1\r\n") => {
            Reply::Deleted { version: version.ok_or_else(missing)? }
        }
        (Call::Get { .. }, payload) if payload != b"$-1\r\n" => {
            let (value, rest) = blob(payload).ok_or_else(|| format!("{text} is no blob"))?;
            if !rest.is_empty() {
                return Err(format!("{text} goes on after the blob"));
            }
            Reply::Value { value: value.to_vec(), version: version.ok_or_else(missing)? }
        }
        (call, payload) => {
            let reply = match (call, payload) {
                (Call::Get { .. }, _) => Reply::Missing,
                (Call::Del { .. } | Call::Vdel { .. }, b":0\r\n") => Reply::NotFound,
                (Call::Vdel { .. }, b":-1\r\n") => Reply::ValueDiffers,
                (Call::KeyNotify { .. }, b"+OK\r\n") => Reply::WatchChanged,
                (Call::KeyNotify { stop: true, .. }, b":0\r\n") => Reply::NotWatched,
                _ => return Err(format!("{text} is no answer to {}", call.verb())),
            };
            unversioned(version.as_ref(), &text)?;
            reply
        }
    };
    Ok(Response::Reply(reply))
}

/// Reads the response to a SCAN. An error says how it breaks the protocol.
pub(super) fn scanned(publish: &Publish) -> Result<Answered, String> {
    let (payload, text) = (publish.payload.as_ref(), publish.payload.escape_ascii().to_string());
    check_response(publish)?;
    if user_property(publish, "__ts").is_some() {
        return Err(format!("{text} came with a version"));
    }
    if let Some(error) = payload.strip_prefix(b"-ERR ").and_then(|error| error.strip_suffix(b"\r\n")) {
        return Ok(Answered::Refused(String::from_utf8_lossy(error).into_owned()));
    }
    let (keys, next) = page(payload).ok_or_else(|| format!("{text} is no page"))?;
    Ok(Answered::Keys { keys, next, bytes: payload.len() })
}

/// The keys of a page.
type Keys = Vec<Vec<u8>>;

/// A page of a SCAN: its keys, and the token for the next, if there is one.
pub(crate) fn page(payload: &[u8]) -> Option<(Keys, Option<Vec<u8>>)> {
    let (parts, rest) = number(b'*', payload)?;
    let (keys, rest) = items(rest)?;
    let (next, rest) = match parts {
        1 => (None, rest),
        2 => blob(rest).map(|(token, rest)| (Some(token.to_vec()), rest))?,
        _ => return None,
    };
    rest.is_empty().then(|| (keys.into_iter().map(<[u8]>::to_vec).collect(), next))
}

fn unversioned(version: Option<&Version>, text: &str) -> Result<(), String> {
    version.map_or(Ok(()), |version| Err(format!("{text} came with the version {version}")))
}

/// A notification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub(super) key: Vec<u8>,
    /// `None` for a deletion.
    pub(super) value: Option<Vec<u8>>,
    pub(super) version: Version,
}

/// Whether a message is a notification.
pub(super) fn is_notification(publish: &Publish) -> bool {
    publish.topic.starts_with(NOTIFY_PREFIX.as_bytes())
}

/// Reads a notification to `client`. An error says how it breaks the protocol.
pub(super) fn notification(client: &str, publish: &Publish) -> Result<Change, String> {
    check_carriage("a notification", publish)?;
    let topic = String::from_utf8_lossy(&publish.topic);
    let before = format!("{NOTIFY_PREFIX}{}/command/notify/", hex(client.as_bytes()));
    let key = topic.strip_prefix(before.as_str()).and_then(unhex);
    let key = key.ok_or_else(|| format!("{topic} is no topic of a notification to {client}"))?;
    let version = user_property(publish, "__ts").ok_or("a notification came without a version")?;
    let version = parse_version(version)?;
    let items = array(&publish.payload);
    let value = match items.as_deref() {
        Some([b"NOTIFY", b"SET", b"VALUE", value]) => Some(value.to_vec()),
        Some([b"NOTIFY", b"DELETE"]) => None,
        _ => return Err(format!("{} is no notification", publish.payload.escape_ascii())),
    };
    Ok(Change { key, value, version })
}

/// The version that a response carries, if it can be read.
pub(super) fn version(publish: &Publish) -> Option<Version> {
    parse_version(user_property(publish, "__ts")?).ok()
}

fn user_property<'p>(publish: &'p Publish, name: &str) -> Option<&'p str> {
    let properties = publish.properties.as_ref()?;
    let mut named = properties.user_properties.iter().filter(|(known, _)| known == name);
    named.next().map(|(_, value)| value.as_str())
}

fn parse_version(text: &str) -> Result<Version, String> {
    text.parse().map_err(|_| format!("`{text}` is no version"))
}

/// A number's line behind `mark`, and what follows.
fn number(mark: u8, bytes: &[u8]) -> Option<(usize, &[u8])> {
    let rest = bytes.strip_prefix(&[mark])?;
    let end = rest.windows(2).position(|pair| pair == b"\r\n")?;
    let number = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
    Some((number, &rest[end + 2..]))
}

/// A blob, and what follows.
fn blob(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = number(b'$', bytes)?;
    let (blob, rest) = rest.split_at_checked(length)?;
    Some((blob, rest.strip_prefix(b"\r\n")?))
}

/// An array of blobs and nothing else.
fn array(bytes: &[u8]) -> Option<Vec<&[u8]>> {
    items(bytes).filter(|(_, rest)| rest.is_empty()).map(|(items, _)| items)
}

/// An array of blobs, and what follows.
fn items(bytes: &[u8]) -> Option<(Vec<&[u8]>, &[u8])> {
    let (count, mut rest) = number(b'*', bytes)?;
    let mut items = Vec::new();
    for _ in 0..count {
        let (item, after) = blob(rest)?;
        items.push(item);
        rest = after;
    }
    Some((items, rest))
}

fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from(b"0123456789ABCDEF"[usize::from(nibble)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let is_upper = |byte: u8| byte.is_ascii_digit() || (b'A'..=b'F').contains(&byte);
    if text.is_empty() || !text.len().is_multiple_of(2) || !text.bytes().all(is_upper) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]
mod tests {
    use super::*;

    fn version() -> Version {
        Version { wall_clock_ms: 12, counter: 3, node_id: "StateStore".to_owned() }
    }

    fn message(topic: &str, payload: &'static [u8], user_properties: &[(&str, &str)]) -> Publish {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let properties = PublishProperties {
            user_properties: user_properties.iter().map(owned).collect(),
            ..PublishProperties::default()
        };
        Publish::new(topic, QoS::AtLeastOnce, payload, Some(properties))
    }

    const VERSIONED: &[(&str, &str)] = &[("__stat", "200"), ("__ts", "000000000000012:00003:StateStore")];
    const PLAIN: &[(&str, &str)] = &[("__stat", "200")];

    fn get() -> Call {
        Call::Get { key: b"k".to_vec() }
    }

    fn set(condition: Condition) -> Call {
        Call::Set { key: b"k".to_vec(), value: b"v".to_vec(), condition, px_ms: Some(1500) }
    }

    #[test]
    fn a_request_is_written_as_the_protocol_has_it() {
        assert_eq!(payload(&get()), b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
        assert_eq!(
            payload(&set(Condition::Nex)),
            b"*6\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n$3\r\nNEX\r\n$2\r\nPX\r\n$4\r\n1500\r\n"
        );
        let stop = Call::KeyNotify { key: b"k".to_vec(), stop: true };
        assert_eq!(payload(&stop), b"*3\r\n$9\r\nKEYNOTIFY\r\n$1\r\nk\r\n$4\r\nSTOP\r\n");
    }

    #[test]
    fn responses_are_read_and_those_that_break_the_protocol_are_told_apart() {
        let read = |call: &Call, payload, properties| response(call, &message("r", payload, properties));
        let value = Reply::Value { value: b"v\r\n".to_vec(), version: version() };
        assert_eq!(read(&get(), b"$3\r\nv\r\n\r\n", VERSIONED), Ok(Response::Reply(value)));
        assert_eq!(read(&get(), b"$-1\r\n", PLAIN), Ok(Response::Reply(Reply::Missing)));
        assert_eq!(
            read(&set(Condition::Nx), b":-1\r\n", VERSIONED),
            Ok(Response::Reply(Reply::Refused { version: version() }))
        );
        assert_eq!(
            read(&get(), b"-ERR syntax error\r\n", PLAIN),
            Ok(Response::Error("syntax error".to_owned()))
        );
        for (call, payload, properties) in [
            (get(), &b"$-1\r\n"[..], VERSIONED),
            (get(), b"$1\r\nv\r\n", PLAIN),
            (get(), b"$1\r\nv\r\nx", VERSIONED),
            (get(), b"$9\r\nv\r\n", VERSIONED),
            (get(), b"$1\r\nv\r\n", &[("__ts", "1:1:s")]),
            (get(), b"$1\r\nv\r\n", &[("__stat", "200"), ("__ts", "1:1")]),
            (set(Condition::None), b":-1\r\n", VERSIONED),
            (set(Condition::None), b"+OK\r\n", PLAIN),
            (Call::Del { key: b"k".to_vec() }, b"+OK\r\n", VERSIONED),
            (Call::KeyNotify { key: b"k".to_vec(), stop: false }, b":0\r\n", PLAIN),
        ] {
            assert!(read(&call, payload, properties).is_err(), "{call:?} {}", payload.escape_ascii());
        }
    }

    #[test]
    fn qos_content_type_and_properties_are_looked_at() {
        let good = || message("r", b"+OK\r\n", VERSIONED);
        let with = |change: &dyn Fn(&mut Publish, &mut PublishProperties)| {
            let mut publish = good();
            let mut properties = publish.properties.take().unwrap();
            change(&mut publish, &mut properties);
            publish.properties = Some(properties);
            response(&set(Condition::None), &publish).err().unwrap_or_default()
        };
        let add = |properties: &mut PublishProperties, name: &str, value: &str| {
            properties.user_properties.push((name.to_owned(), value.to_owned()));
        };
        assert_eq!(with(&|_, _| ()), "");
        assert_eq!(with(&|_, properties| properties.content_type = Some(CONTENT_TYPE.to_owned())), "");
        assert_eq!(with(&|_, properties| add(properties, "__protVer", "1.0")), "");
        assert_eq!(with(&|_, properties| add(properties, "unknown", "x")), "");
        for (qos, text) in [(QoS::AtMostOnce, "0"), (QoS::ExactlyOnce, "2")] {
            let expected = format!("a response came with QoS {text}, not 1");
            assert_eq!(with(&|publish, _| publish.qos = qos), expected);
        }
        assert_eq!(
            with(&|_, properties| properties.content_type = Some("text/plain".to_owned())),
            "the Content Type is \"text/plain\", not application/octet-stream"
        );
        assert_eq!(
            with(&|_, properties| add(properties, "__protVer", "2.0")),
            "the protocol version is \"2.0\", not 1.0"
        );
        for name in ["__stat", "__ts"] {
            let value = if name == "__ts" { "000000000000012:00003:StateStore" } else { "200" };
            let expected = format!("a response came with more than one {name}");
            assert_eq!(with(&|_, properties| add(properties, name, value)), expected);
        }
        let topic = format!("{NOTIFY_PREFIX}616C696365/command/notify/6B");
        let payload = b"*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n";
        let version = ("__ts", "1:0:s");
        assert!(notification("alice", &message(&topic, payload, &[version])).is_ok());
        let twice = notification("alice", &message(&topic, payload, &[version, version]));
        assert_eq!(twice, Err("a notification came with more than one __ts".to_owned()));
        let mut other = message(&topic, payload, &[version]);
        other.qos = QoS::AtMostOnce;
        assert_eq!(notification("alice", &other), Err("a notification came with QoS 0, not 1".to_owned()));
    }

    #[test]
    fn pages_are_read_and_what_is_none_is_told_apart() {
        let keys = |keys: &[&str]| keys.iter().map(|key| key.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(page(b"*1\r\n*0\r\n"), Some((keys(&[]), None)));
        let more = page(b"*2\r\n*2\r\n$1\r\na\r\n$1\r\nb\r\n$2\r\n\r\n\r\n");
        assert_eq!(more, Some((keys(&["a", "b"]), Some(b"\r\n".to_vec()))));
        for none in ["", "*1\r\n", "*1\r\n*1\r\n", "*2\r\n*0\r\n", "*3\r\n*0\r\n", "*1\r\n*0\r\nx", "+OK\r\n"]
        {
            assert_eq!(page(none.as_bytes()), None, "{none:?}");
        }
        let read = |payload, properties| scanned(&message("r", payload, properties));
        let refused = Answered::Refused("unknown token".to_owned());
        assert_eq!(read(b"-ERR unknown token\r\n", PLAIN), Ok(refused));
        assert!(matches!(read(b"*1\r\n*0\r\n", PLAIN), Ok(Answered::Keys { bytes: 8, .. })));
        assert!(read(b"*1\r\n*0\r\n", VERSIONED).is_err());
        assert!(read(b"+OK\r\n", PLAIN).is_err());
    }

    #[test]
    fn notifications_are_read_by_the_client_that_they_are_for() {
        let topic = format!("{NOTIFY_PREFIX}6A6F/command/notify/6B2F");
        let set =
            message(&topic, b"*4\r\n$6\r\nNOTIFY\r\n$3\r\nSET\r\n$5\r\nVALUE\r\n$1\r\nv\r\n", VERSIONED);
        let change = Change { key: b"k/".to_vec(), value: Some(b"v".to_vec()), version: version() };
        assert!(is_notification(&set));
        assert_eq!(notification("jo", &set), Ok(change.clone()));
        assert!(notification("joe", &set).is_err());
        let gone = message(&topic, b"*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n", VERSIONED);
        assert_eq!(notification("jo", &gone), Ok(Change { value: None, ..change }));
        let bad = message(&topic, b"*2\r\n$6\r\nNOTIFY\r\n$3\r\nDEL\r\n", VERSIONED);
        assert!(notification("jo", &bad).is_err());
        let lower =
            message(&topic.replace("6B2F", "6b2f"), b"*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n", VERSIONED);
        assert!(notification("jo", &lower).is_err());
        assert!(
            notification("jo", &message(&topic, b"*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n", PLAIN)).is_err()
        );
    }
}
