//! What a client may not send though it is well-formed: packets that only servers send, and what the listener's settings
//! forbid.

use mayfly_wire::{Connect, Packet, Publish, ReasonCode};

use super::config::ConnectionConfig;

/// Why something is not taken: the reason code, and words for a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) reason: ReasonCode,
    pub(super) why: &'static str,
}

impl Fault {
    pub(super) const fn new(reason: ReasonCode, why: &'static str) -> Self {
        Self { reason, why }
    }
}

/// Why a CONNECT is not taken, if it is not.
pub(super) fn connect(config: &ConnectionConfig, connect: &Connect<'_>) -> Result<(), Fault> {
    if connect.client_id.len() > config.max_client_id_len {
        return Err(Fault::new(
            ReasonCode::ClientIdentifierNotValid,
            "the client identifier is longer than this server takes",
        ));
    }
    let Some(will) = &connect.will else { return Ok(()) };
    if is_too_deep(config, will.topic.as_str()) {
        return Err(Fault::new(
            ReasonCode::TopicNameInvalid,
            "the Will Topic has more levels than this server takes",
        ));
    }
    if config.checks_payload_format && !says_the_truth(will.properties.payload_format_indicator, will.payload)
    {
        return Err(Fault::new(ReasonCode::PayloadFormatInvalid, "the Will Payload is not UTF-8 as it says"));
    }
    Ok(())
}

/// Why a packet other than PUBLISH may not come on an open connection, if it may not.
pub(super) fn packet(packet: &Packet<'_>) -> Result<(), Fault> {
    let why = match packet {
        Packet::Publish(_)
        | Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Disconnect(_) => return Ok(()),
        Packet::Connect(_) => "a second CONNECT", // [MQTT-3.1.0-2]
        Packet::Auth(_) => "AUTH on a connection without Authentication Method",
        Packet::ConnAck(_) | Packet::SubAck(_) | Packet::UnsubAck(_) | Packet::PingResp => {
            "a packet that only servers send"
        }
    };
    Err(Fault::new(ReasonCode::ProtocolError, why))
}

/// Why a PUBLISH ends the connection, whatever its QoS.
pub(super) fn publish(publish: &Publish<'_>) -> Result<(), Fault> {
    if publish.properties.subscription_identifiers.is_empty() {
        return Ok(());
    }
    // [MQTT-3.3.4-6]
    Err(Fault::new(ReasonCode::ProtocolError, "a Subscription Identifier in a PUBLISH to the server"))
}

/// Why a message to `topic` is not taken, if it is not. PUBACK, PUBREC and DISCONNECT can carry these reasons.
pub(super) fn message(config: &ConnectionConfig, topic: &str, publish: &Publish<'_>) -> Result<(), Fault> {
    if is_too_deep(config, topic) {
        return Err(Fault::new(
            ReasonCode::TopicNameInvalid,
            "the topic has more levels than this server takes",
        ));
    }
    if config.checks_payload_format
        && !says_the_truth(publish.properties.payload_format_indicator, publish.payload)
    {
        return Err(Fault::new(ReasonCode::PayloadFormatInvalid, "the payload is not UTF-8 as it says"));
    }
    Ok(())
}

fn is_too_deep(config: &ConnectionConfig, topic: &str) -> bool {
    // A topic of so few bytes cannot have as many levels; nearly always that tells.
    topic.len() >= config.max_topic_levels
        && topic.bytes().filter(|byte| *byte == b'/').count() >= config.max_topic_levels
}

/// Whether a payload is what its Payload Format Indicator says.
fn says_the_truth(is_text: Option<bool>, payload: &[u8]) -> bool {
    is_text != Some(true) || std::str::from_utf8(payload).is_ok()
}
