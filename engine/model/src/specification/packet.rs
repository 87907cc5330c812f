//! Control packets as a client sends and sees them: plain values, owned, without an encoding.
//!
//! QoS levels are 0, 1 and 2 and reason codes are the bytes of the standard, since a specification reads best with them.

use std::fmt;

/// Which standard a connection speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// MQTT 3.1.1.
    V3_1_1,
    /// MQTT 5.
    V5,
}

/// What a publisher says about a message beside its topic and payload, and the server forwards unaltered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Properties {
    /// Payload Format Indicator [3.3.2.3.2].
    pub payload_format_indicator: Option<bool>,
    /// Content Type [3.3.2.3.9].
    pub content_type: Option<String>,
    /// Response Topic [3.3.2.3.5].
    pub response_topic: Option<String>,
    /// Correlation Data [3.3.2.3.6].
    pub correlation_data: Option<Vec<u8>>,
    /// User Properties, in order [3.3.2.3.7].
    pub user_properties: Vec<(String, String)>,
}

/// PUBLISH [3.3], in either direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Publish {
    /// DUP.
    pub dup: bool,
    /// 0, 1 or 2.
    pub qos: u8,
    /// RETAIN.
    pub retain: bool,
    /// Empty where the alias stands for it.
    pub topic: String,
    /// Present exactly with QoS 1 and 2.
    pub packet_id: Option<u16>,
    /// Topic Alias.
    pub topic_alias: Option<u16>,
    /// Message Expiry Interval in seconds.
    pub message_expiry_interval_s: Option<u32>,
    /// Subscription Identifiers, in order.
    pub subscription_identifiers: Vec<u32>,
    /// What is forwarded unaltered.
    pub properties: Properties,
    /// The message itself.
    pub payload: Vec<u8>,
}

/// The Will Message in a CONNECT [3.1.3.2].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Will {
    /// Will Delay Interval in seconds.
    pub delay_interval_s: u32,
    /// Message Expiry Interval in seconds, from the publication on.
    pub message_expiry_interval_s: Option<u32>,
    /// 0, 1 or 2.
    pub qos: u8,
    /// Whether it is published as a retained message.
    pub retain: bool,
    /// Will Topic.
    pub topic: String,
    /// Will Payload.
    pub payload: Vec<u8>,
    /// What is forwarded unaltered.
    pub properties: Properties,
}

/// CONNECT [3.1].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connect {
    /// Which standard.
    pub version: Version,
    /// Empty: the server assigns one.
    pub client_id: String,
    /// Clean Start; Clean Session in 3.1.1.
    pub clean_start: bool,
    /// Keep Alive in seconds; 0 is none.
    pub keep_alive_s: u16,
    /// Session Expiry Interval in seconds; absent in 3.1.1.
    pub session_expiry_interval_s: Option<u32>,
    /// Receive Maximum.
    pub receive_maximum: Option<u16>,
    /// Maximum Packet Size in bytes.
    pub maximum_packet_size: Option<u32>,
    /// Topic Alias Maximum.
    pub topic_alias_maximum: u16,
    /// The Will Message.
    pub will: Option<Will>,
}

/// One entry of a SUBSCRIBE [3.8.3].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subscription {
    /// Topic Filter.
    pub filter: String,
    /// Maximum QoS.
    pub qos: u8,
    /// No Local.
    pub no_local: bool,
    /// Retain As Published.
    pub retain_as_published: bool,
    /// Retain Handling: 0, 1 or 2.
    pub retain_handling: u8,
}

/// What a client sends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromClient {
    /// CONNECT.
    Connect(Connect),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK.
    PubAck(Ack),
    /// PUBREC.
    PubRec(Ack),
    /// PUBREL.
    PubRel(Ack),
    /// PUBCOMP.
    PubComp(Ack),
    /// SUBSCRIBE.
    Subscribe {
        /// Packet Identifier.
        packet_id: u16,
        /// Subscription Identifier of all its entries.
        identifier: Option<u32>,
        /// Its entries, in order.
        subscriptions: Vec<Subscription>,
    },
    /// UNSUBSCRIBE.
    Unsubscribe {
        /// Packet Identifier.
        packet_id: u16,
        /// Topic Filters, in order.
        filters: Vec<String>,
    },
    /// PINGREQ.
    PingReq,
    /// DISCONNECT.
    Disconnect {
        /// Reason Code; 0 in 3.1.1.
        reason: u8,
        /// Session Expiry Interval in seconds, where it changes.
        session_expiry_interval_s: Option<u32>,
    },
}

/// The four acknowledgements of a PUBLISH have one form [3.4 to 3.7]. In MQTT 3.1.1 the reason is 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ack {
    /// Packet Identifier.
    pub packet_id: u16,
    /// Reason Code.
    pub reason: u8,
}

/// CONNACK [3.2], as far as a client has to act on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConnAck {
    /// Session Present.
    pub session_present: bool,
    /// Reason Code, in MQTT 3.1.1 the one that its return code stands for.
    pub reason: u8,
    /// Session Expiry Interval in seconds, where the server says another one than the client.
    pub session_expiry_interval_s: Option<u32>,
    /// Assigned Client Identifier.
    pub assigned_client_identifier: Option<String>,
    /// Server Keep Alive in seconds, where the server says another one than the client.
    pub server_keep_alive_s: Option<u16>,
    /// What the server can do.
    pub capabilities: Capabilities,
}

/// What a server says in CONNACK that it can do; the defaults are those of the standard [3.2.2.3].
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "CONNACK has as many")]
pub struct Capabilities {
    /// Receive Maximum.
    pub receive_maximum: u16,
    /// Maximum QoS.
    pub maximum_qos: u8,
    /// Retain Available.
    pub retain_available: bool,
    /// Topic Alias Maximum.
    pub topic_alias_maximum: u16,
    /// Wildcard Subscription Available.
    pub wildcard_subscription_available: bool,
    /// Subscription Identifiers Available.
    pub subscription_identifiers_available: bool,
    /// Shared Subscription Available.
    pub shared_subscription_available: bool,
}

impl Default for Capabilities {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX,
            maximum_qos: 2,
            retain_available: true,
            topic_alias_maximum: 0,
            wildcard_subscription_available: true,
            subscription_identifiers_available: true,
            shared_subscription_available: true,
        }
    }
}

/// What a client sees.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FromServer {
    /// CONNACK.
    ConnAck(ConnAck),
    /// PUBLISH.
    Publish(Publish),
    /// PUBACK.
    PubAck(Ack),
    /// PUBREC.
    PubRec(Ack),
    /// PUBREL.
    PubRel(Ack),
    /// PUBCOMP.
    PubComp(Ack),
    /// SUBACK, with a reason code for each entry.
    SubAck {
        /// Packet Identifier.
        packet_id: u16,
        /// Reason Codes, in order.
        reasons: Vec<u8>,
    },
    /// UNSUBACK, with a reason code for each filter in MQTT 5, with none in 3.1.1.
    UnsubAck {
        /// Packet Identifier.
        packet_id: u16,
        /// Reason Codes, in order.
        reasons: Vec<u8>,
    },
    /// PINGRESP.
    PingResp,
    /// DISCONNECT.
    Disconnect {
        /// Reason Code.
        reason: u8,
    },
    /// A packet that no client of these programs can be sent.
    Other(String),
}

/// The length in bytes of a PUBLISH with these parts on the wire [2.1.4, 3.3].
pub fn encoded_len(publish: &Publish, version: Version) -> usize {
    let text = |text: &str| 2 + text.len();
    let mut body = text(&publish.topic) + publish.packet_id.map_or(0, |_| 2) + publish.payload.len();
    if version == Version::V5 {
        let Properties {
            payload_format_indicator,
            content_type,
            response_topic,
            correlation_data,
            user_properties,
        } = &publish.properties;
        let properties = publish.topic_alias.map_or(0, |_| 3)
            + publish.message_expiry_interval_s.map_or(0, |_| 5)
            + payload_format_indicator.map_or(0, |_| 2)
            + content_type.as_ref().map_or(0, |value| 1 + text(value))
            + response_topic.as_ref().map_or(0, |value| 1 + text(value))
            + correlation_data.as_ref().map_or(0, |value| 3 + value.len())
            + user_properties.iter().map(|(name, value)| 1 + text(name) + text(value)).sum::<usize>()
            + publish
                .subscription_identifiers
                .iter()
                .map(|id| 1 + variable_byte_integer_len(*id as usize))
                .sum::<usize>();
        body += variable_byte_integer_len(properties) + properties;
    }
    1 + variable_byte_integer_len(body) + body
}

/// How many bytes a Variable Byte Integer takes [1.5.5].
fn variable_byte_integer_len(value: usize) -> usize {
    match value {
        0..=127 => 1,
        128..=16_383 => 2,
        16_384..=2_097_151 => 3,
        _ => 4,
    }
}

/// Bytes as a person reads them.
pub fn text_of(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.len() > 16 => {
            format!("{}… ({} bytes)", &text[..text.floor_char_boundary(12)], text.len())
        }
        Ok(text) => text.to_owned(),
        Err(_) => format!("{} bytes", bytes.len()),
    }
}

/// A point in time as a person reads it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Time(pub u64);

impl Time {
    /// This point and so many seconds.
    #[must_use]
    pub fn after_s(self, seconds: u32) -> Self {
        Self(self.0 + u64::from(seconds) * 1000)
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:03} s", self.0 / 1000, self.0 % 1000)
    }
}
