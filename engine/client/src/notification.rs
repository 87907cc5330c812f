//! A change of an observed key, as the store publishes it.
//!
//! Topic: `clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/{CLIENT}/command/notify/{KEY}`, with the client
//! identifier and the key in upper-case hexadecimal.

use bytes::Bytes;
use mayfly_wire::resp3;
use rumqttc::Publish;

use crate::error::ProtocolError;
use crate::response::{shown, version};
use crate::version::Version;

const TOPIC_PREFIX: &str = "clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/";

/// A change of an observed key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notification {
    /// The key that changed.
    pub key: Bytes,
    /// What it changed to.
    pub change: Change,
}

/// What became of a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A SET wrote it.
    Set {
        /// The value that was written.
        value: Bytes,
        /// The write's version.
        version: Version,
    },
    /// It was deleted, or it expired.
    Deleted {
        /// The deletion's version; an expiry has one of its own.
        version: Version,
    },
}

impl Change {
    /// The version of the write or the deletion.
    pub fn version(&self) -> &Version {
        match self {
            Change::Set { version, .. } | Change::Deleted { version } => version,
        }
    }
}

/// Whether a PUBLISH on this topic is a notification at all.
pub(crate) fn is_notification(topic: &[u8]) -> bool {
    topic.starts_with(TOPIC_PREFIX.as_bytes())
}

impl Notification {
    pub(crate) fn from_publish(publish: &Publish) -> Result<Self, ProtocolError> {
        let properties = publish.properties.as_ref().ok_or(ProtocolError::MissingVersion)?;
        let version = version(properties)?.ok_or(ProtocolError::MissingVersion)?;
        let key = key(&publish.topic).ok_or(ProtocolError::NotificationTopic)?;
        let change = match resp3::parse_array::<4>(&publish.payload).as_ref().map(resp3::Array::as_slice) {
            Ok([b"NOTIFY", b"SET", b"VALUE", value]) => {
                Change::Set { value: publish.payload.slice_ref(value), version }
            }
            Ok([b"NOTIFY", b"DELETE"]) => Change::Deleted { version },
            _ => return Err(ProtocolError::Payload(shown(&publish.payload))),
        };
        Ok(Notification { key, change })
    }
}

/// The key that a notification's topic names.
pub(crate) fn key(topic: &[u8]) -> Option<Bytes> {
    let rest = topic.strip_prefix(TOPIC_PREFIX.as_bytes())?;
    let client_end = rest.iter().position(|byte| *byte == b'/')?;
    let hex = rest[client_end..].strip_prefix(b"/command/notify/")?;
    let (pairs, odd) = hex.as_chunks::<2>();
    if hex.is_empty() || !odd.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect::<Option<Vec<u8>>>()
        .map(Bytes::from)
}

fn digit(hex: u8) -> Option<u8> {
    match hex {
        b'0'..=b'9' => Some(hex - b'0'),
        b'A'..=b'F' => Some(hex - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![expect(
        clippy::unwrap_used,
        reason = "a notification that is not accepted is the failure that the test is to show"
    )]
    use rumqttc::{PublishProperties, mqttbytes::QoS};

    use super::*;

    const VERSION: &str = "000000000000012:00003:StateStore";

    fn publish(key_hex: &str, payload: &'static [u8]) -> Publish {
        let properties = PublishProperties {
            user_properties: vec![("__ts".to_owned(), VERSION.to_owned())],
            ..PublishProperties::default()
        };
        let topic = format!("{TOPIC_PREFIX}6331/command/notify/{key_hex}");
        Publish::new(topic, QoS::AtLeastOnce, payload, Some(properties))
    }

    #[test]
    fn a_set_and_a_deletion_are_told_apart() {
        let version: Version = VERSION.parse().unwrap();
        let set = publish("00FF", b"*4\r\n$6\r\nNOTIFY\r\n$3\r\nSET\r\n$5\r\nVALUE\r\n$2\r\n\r\n\r\n");
        assert_eq!(
            Notification::from_publish(&set).unwrap(),
            Notification {
                key: Bytes::from_static(b"\x00\xff"),
                change: Change::Set { value: Bytes::from_static(b"\r\n"), version: version.clone() }
            }
        );
        let deletion = publish("61", b"*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n");
        assert_eq!(
            Notification::from_publish(&deletion).unwrap(),
            Notification { key: Bytes::from_static(b"a"), change: Change::Deleted { version } }
        );
    }

    #[test]
    fn what_is_no_notification_is_refused() {
        let delete = b"*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n";
        for topic in ["", "6", "6a", "6G"] {
            assert_eq!(
                Notification::from_publish(&publish(topic, delete)),
                Err(ProtocolError::NotificationTopic),
                "{topic}"
            );
        }
        let short = publish("61", b"*2\r\n$6\r\nNOTIFY\r\n$3\r\nDEL\r\n");
        assert!(matches!(Notification::from_publish(&short), Err(ProtocolError::Payload(_))));
        let mut unversioned = publish("61", delete);
        unversioned.properties = None;
        assert_eq!(Notification::from_publish(&unversioned), Err(ProtocolError::MissingVersion));
    }
}
