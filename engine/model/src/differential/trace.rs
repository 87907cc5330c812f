//! Packets in one line for a person.

use super::engine::Sight;
use crate::specification::{Ack, FromClient, FromServer, Publish, text_of};

pub(super) fn from_client(packet: &FromClient) -> String {
    match packet {
        FromClient::Connect(connect) => format!("CONNECT \"{}\"", connect.client_id),
        FromClient::Publish(message) => publish(message),
        FromClient::PubAck(answer) => ack("PUBACK", *answer),
        FromClient::PubRec(answer) => ack("PUBREC", *answer),
        FromClient::PubRel(answer) => ack("PUBREL", *answer),
        FromClient::PubComp(answer) => ack("PUBCOMP", *answer),
        FromClient::Subscribe { packet_id, .. } => format!("SUBSCRIBE {packet_id}"),
        FromClient::Unsubscribe { packet_id, .. } => format!("UNSUBSCRIBE {packet_id}"),
        FromClient::PingReq => "PINGREQ".to_owned(),
        FromClient::Disconnect { reason, .. } => format!("DISCONNECT {reason:#04x}"),
    }
}

pub(super) fn sight(sight: &Sight) -> String {
    match sight {
        Sight::Packet(packet, len) => format!("{} ({len} bytes)", from_server(packet)),
        Sight::Garbage(bytes) => format!("bytes that are no packet: {bytes}"),
        Sight::Closed => "the end of the connection".to_owned(),
    }
}

fn from_server(packet: &FromServer) -> String {
    match packet {
        FromServer::ConnAck(ack) => {
            let expiry = ack.session_expiry_interval_s;
            let expiry = expiry.map(|seconds| format!(", session expiry {seconds} s")).unwrap_or_default();
            format!("CONNACK {:#04x}, session present {}{expiry}", ack.reason, ack.session_present)
        }
        FromServer::Publish(message) => publish(message),
        FromServer::PubAck(answer) => ack("PUBACK", *answer),
        FromServer::PubRec(answer) => ack("PUBREC", *answer),
        FromServer::PubRel(answer) => ack("PUBREL", *answer),
        FromServer::PubComp(answer) => ack("PUBCOMP", *answer),
        FromServer::SubAck { packet_id, reasons } => format!("SUBACK {packet_id} {reasons:02x?}"),
        FromServer::UnsubAck { packet_id, reasons } => format!("UNSUBACK {packet_id} {reasons:02x?}"),
        FromServer::PingResp => "PINGRESP".to_owned(),
        FromServer::Disconnect { reason } => format!("DISCONNECT {reason:#04x}"),
        FromServer::Other(packet) => packet.clone(),
    }
}

fn ack(name: &str, ack: Ack) -> String {
    format!("{name} {} {:#04x}", ack.packet_id, ack.reason)
}

fn publish(publish: &Publish) -> String {
    let mut text = format!("PUBLISH {} \"{}\" QoS {}", publish.topic, text_of(&publish.payload), publish.qos);
    let mut add = |part: String| {
        text.push_str(", ");
        text.push_str(&part);
    };
    if let Some(packet_id) = publish.packet_id {
        add(format!("id {packet_id}"));
    }
    if publish.dup {
        add("DUP".to_owned());
    }
    if publish.retain {
        add("retain".to_owned());
    }
    if let Some(alias) = publish.topic_alias {
        add(format!("alias {alias}"));
    }
    if let Some(seconds) = publish.message_expiry_interval_s {
        add(format!("expiring in {seconds} s"));
    }
    if !publish.subscription_identifiers.is_empty() {
        add(format!("identifiers {:?}", publish.subscription_identifiers));
    }
    text
}

/// What a packet counts as in the coverage of a campaign.
pub(super) fn kind_from_client(packet: &FromClient) -> &'static str {
    match packet {
        FromClient::Connect(_) => "sent CONNECT",
        FromClient::Publish(publish) if publish.dup => "sent PUBLISH with DUP",
        FromClient::Publish(_) => "sent PUBLISH",
        FromClient::PubAck(_) => "sent PUBACK",
        FromClient::PubRec(_) => "sent PUBREC",
        FromClient::PubRel(_) => "sent PUBREL",
        FromClient::PubComp(_) => "sent PUBCOMP",
        FromClient::Subscribe { .. } => "sent SUBSCRIBE",
        FromClient::Unsubscribe { .. } => "sent UNSUBSCRIBE",
        FromClient::PingReq => "sent PINGREQ",
        FromClient::Disconnect { .. } => "sent DISCONNECT",
    }
}

/// What a packet counts as in the coverage of a campaign.
pub(super) fn kind_from_server(packet: &FromServer) -> &'static str {
    match packet {
        FromServer::ConnAck(ack) if ack.session_present => "saw CONNACK, session present",
        FromServer::ConnAck(_) => "saw CONNACK, new session",
        FromServer::Publish(publish) if publish.dup => "saw PUBLISH with DUP",
        FromServer::Publish(publish) if publish.retain => "saw PUBLISH with RETAIN",
        FromServer::Publish(publish) if publish.topic_alias.is_some() => "saw PUBLISH with an alias",
        FromServer::Publish(publish) => match publish.qos {
            0 => "saw PUBLISH QoS 0",
            1 => "saw PUBLISH QoS 1",
            _ => "saw PUBLISH QoS 2",
        },
        FromServer::PubAck(_) => "saw PUBACK",
        FromServer::PubRec(_) => "saw PUBREC",
        FromServer::PubRel(_) => "saw PUBREL",
        FromServer::PubComp(_) => "saw PUBCOMP",
        FromServer::SubAck { .. } => "saw SUBACK",
        FromServer::UnsubAck { .. } => "saw UNSUBACK",
        FromServer::PingResp => "saw PINGRESP",
        FromServer::Disconnect { .. } => "saw DISCONNECT",
        FromServer::Other(_) => "saw something else",
    }
}
