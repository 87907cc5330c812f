//! The model's packets as the codec's, and back.

use std::num::{NonZeroU16, NonZeroU32};

use mayfly_wire::{
    AckProperties, Connect, ConnectProperties, Disconnect, DisconnectProperties, Packet, PacketId,
    ProtocolVersion, PubAck, PubComp, PubRec, PubRel, PublishProperties, QoS, ReasonCode, RetainHandling,
    Subscribe, SubscribeFilters, SubscribeProperties, Subscription, SubscriptionOptions, TopicFilter,
    TopicName, Unsubscribe, UnsubscribeFilters, UnsubscribeProperties, UserProperties, WillProperties,
};

use crate::specification::{
    self as model, Ack, Capabilities, ConnAck, FromClient, FromServer, Properties, Publish, Version,
};

const VALID: &str = "programs hold only what a packet can carry";

pub(super) fn protocol_version(version: Version) -> ProtocolVersion {
    match version {
        Version::V3_1_1 => ProtocolVersion::V3_1_1,
        Version::V5 => ProtocolVersion::V5,
    }
}

/// The bytes of a client's packet.
pub(super) fn encode(packet: &FromClient, version: Version) -> Vec<u8> {
    let mut bytes = Vec::new();
    let version = protocol_version(version);
    let properties = AckProperties::default();
    let reason = |ack: &Ack| ReasonCode::from_u8(ack.reason).expect(VALID);
    let packet_id = |ack: &Ack| id(ack.packet_id);
    let mut write = |packet: Packet<'_>| packet.encode(version, &mut bytes).expect(VALID);
    match packet {
        FromClient::Connect(connect) => encode_connect(connect, &mut write),
        FromClient::Publish(publish) => encode_publish(publish, &mut write),
        FromClient::PubAck(ack) => {
            write(Packet::PubAck(PubAck { packet_id: packet_id(ack), reason: reason(ack), properties }));
        }
        FromClient::PubRec(ack) => {
            write(Packet::PubRec(PubRec { packet_id: packet_id(ack), reason: reason(ack), properties }));
        }
        FromClient::PubRel(ack) => {
            write(Packet::PubRel(PubRel { packet_id: packet_id(ack), reason: reason(ack), properties }));
        }
        FromClient::PubComp(ack) => {
            write(Packet::PubComp(PubComp { packet_id: packet_id(ack), reason: reason(ack), properties }));
        }
        FromClient::Subscribe { packet_id, identifier, subscriptions } => {
            let filters: Vec<_> = subscriptions.iter().map(subscription).collect();
            let properties = SubscribeProperties {
                subscription_identifier: *identifier,
                ..SubscribeProperties::default()
            };
            let filters = SubscribeFilters::from_slice(&filters);
            write(Packet::Subscribe(Subscribe { packet_id: id(*packet_id), properties, filters }));
        }
        FromClient::Unsubscribe { packet_id, filters } => {
            let filters: Vec<_> = filters.iter().map(|filter| topic_filter(filter)).collect();
            let filters = UnsubscribeFilters::from_slice(&filters);
            let properties = UnsubscribeProperties::default();
            write(Packet::Unsubscribe(Unsubscribe { packet_id: id(*packet_id), properties, filters }));
        }
        FromClient::PingReq => write(Packet::PingReq),
        FromClient::Disconnect { reason, session_expiry_interval_s } => {
            let properties = DisconnectProperties {
                session_expiry_interval_s: *session_expiry_interval_s,
                ..DisconnectProperties::default()
            };
            let reason = ReasonCode::from_u8(*reason).expect(VALID);
            write(Packet::Disconnect(Disconnect { reason, properties }));
        }
    }
    bytes
}

fn encode_connect(connect: &model::Connect, write: &mut impl FnMut(Packet<'_>)) {
    let will_pairs = connect.will.as_ref().map(|will| pairs(&will.properties)).unwrap_or_default();
    let is_v5 = connect.version == Version::V5;
    let will = connect.will.as_ref().map(|will| {
        let properties = WillProperties {
            delay_interval_s: (will.delay_interval_s > 0).then_some(will.delay_interval_s),
            payload_format_indicator: will.properties.payload_format_indicator,
            message_expiry_interval_s: will.message_expiry_interval_s,
            content_type: will.properties.content_type.as_deref(),
            response_topic: will.properties.response_topic.as_deref().map(topic_name),
            correlation_data: will.properties.correlation_data.as_deref(),
            user_properties: UserProperties::from_pairs(&will_pairs),
        };
        mayfly_wire::Will {
            qos: QoS::from_u8(will.qos).expect(VALID),
            retain: will.retain,
            topic: topic_name(&will.topic),
            payload: &will.payload,
            properties: if is_v5 { properties } else { WillProperties::default() },
        }
    });
    let properties = ConnectProperties {
        session_expiry_interval_s: connect.session_expiry_interval_s,
        receive_maximum: connect.receive_maximum.and_then(NonZeroU16::new),
        maximum_packet_size: connect.maximum_packet_size.and_then(NonZeroU32::new),
        topic_alias_maximum: (connect.topic_alias_maximum > 0).then_some(connect.topic_alias_maximum),
        ..ConnectProperties::default()
    };
    write(Packet::Connect(Connect {
        version: protocol_version(connect.version),
        clean_start: connect.clean_start,
        keep_alive_s: connect.keep_alive_s,
        client_id: &connect.client_id,
        will,
        user_name: None,
        password: None,
        properties: if is_v5 { properties } else { ConnectProperties::default() },
    }));
}

fn encode_publish(publish: &Publish, write: &mut impl FnMut(Packet<'_>)) {
    let pairs = pairs(&publish.properties);
    let properties = PublishProperties {
        payload_format_indicator: publish.properties.payload_format_indicator,
        message_expiry_interval_s: publish.message_expiry_interval_s,
        topic_alias: publish.topic_alias.and_then(NonZeroU16::new),
        response_topic: publish.properties.response_topic.as_deref().map(topic_name),
        correlation_data: publish.properties.correlation_data.as_deref(),
        content_type: publish.properties.content_type.as_deref(),
        user_properties: UserProperties::from_pairs(&pairs),
        ..PublishProperties::default()
    };
    write(Packet::Publish(mayfly_wire::Publish {
        dup: publish.dup,
        qos: QoS::from_u8(publish.qos).expect(VALID),
        retain: publish.retain,
        topic: &publish.topic,
        packet_id: publish.packet_id.map(id),
        properties,
        payload: &publish.payload,
    }));
}

fn subscription(entry: &model::Subscription) -> Subscription<'_> {
    let options = SubscriptionOptions {
        qos: QoS::from_u8(entry.qos).expect(VALID),
        no_local: entry.no_local,
        retain_as_published: entry.retain_as_published,
        retain_handling: match entry.retain_handling {
            0 => RetainHandling::SendAtSubscribe,
            1 => RetainHandling::SendIfNew,
            _ => RetainHandling::DoNotSend,
        },
    };
    Subscription { filter: topic_filter(&entry.filter), options }
}

/// What a client sees of a packet.
pub(super) fn from_server(packet: &Packet<'_>) -> FromServer {
    let ack =
        |packet_id: PacketId, reason: ReasonCode| Ack { packet_id: packet_id.get(), reason: reason as u8 };
    match packet {
        Packet::ConnAck(packet) => FromServer::ConnAck(conn_ack(packet)),
        Packet::Publish(packet) => FromServer::Publish(publish(packet)),
        Packet::PubAck(packet) => FromServer::PubAck(ack(packet.packet_id, packet.reason)),
        Packet::PubRec(packet) => FromServer::PubRec(ack(packet.packet_id, packet.reason)),
        Packet::PubRel(packet) => FromServer::PubRel(ack(packet.packet_id, packet.reason)),
        Packet::PubComp(packet) => FromServer::PubComp(ack(packet.packet_id, packet.reason)),
        Packet::SubAck(packet) => {
            FromServer::SubAck { packet_id: packet.packet_id.get(), reasons: packet.reasons.to_vec() }
        }
        Packet::UnsubAck(packet) => {
            FromServer::UnsubAck { packet_id: packet.packet_id.get(), reasons: packet.reasons.to_vec() }
        }
        Packet::PingResp => FromServer::PingResp,
        Packet::Disconnect(packet) => FromServer::Disconnect { reason: packet.reason as u8 },
        Packet::Connect(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Auth(_) => FromServer::Other(format!("{packet:?}")),
    }
}

fn conn_ack(packet: &mayfly_wire::ConnAck<'_>) -> ConnAck {
    let properties = &packet.properties;
    let default = Capabilities::default();
    ConnAck {
        session_present: packet.session_present,
        reason: packet.reason as u8,
        session_expiry_interval_s: properties.session_expiry_interval_s,
        assigned_client_identifier: properties.assigned_client_identifier.map(str::to_owned),
        server_keep_alive_s: properties.server_keep_alive_s,
        capabilities: Capabilities {
            receive_maximum: properties.receive_maximum.map_or(default.receive_maximum, NonZeroU16::get),
            maximum_qos: properties.maximum_qos.map_or(default.maximum_qos, |qos| qos as u8),
            retain_available: properties.retain_available.unwrap_or(true),
            topic_alias_maximum: properties.topic_alias_maximum.unwrap_or(default.topic_alias_maximum),
            wildcard_subscription_available: properties.wildcard_subscription_available.unwrap_or(true),
            subscription_identifiers_available: properties.subscription_identifiers_available.unwrap_or(true),
            shared_subscription_available: properties.shared_subscription_available.unwrap_or(true),
        },
    }
}

fn publish(packet: &mayfly_wire::Publish<'_>) -> Publish {
    let properties = &packet.properties;
    Publish {
        dup: packet.dup,
        qos: packet.qos as u8,
        retain: packet.retain,
        topic: packet.topic.to_owned(),
        packet_id: packet.packet_id.map(PacketId::get),
        topic_alias: properties.topic_alias.map(NonZeroU16::get),
        message_expiry_interval_s: properties.message_expiry_interval_s,
        subscription_identifiers: properties.subscription_identifiers.iter().collect(),
        properties: Properties {
            payload_format_indicator: properties.payload_format_indicator,
            content_type: properties.content_type.map(str::to_owned),
            response_topic: properties.response_topic.map(|topic| topic.as_str().to_owned()),
            correlation_data: properties.correlation_data.map(<[u8]>::to_vec),
            user_properties: properties
                .user_properties
                .iter()
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .collect(),
        },
        payload: packet.payload.to_vec(),
    }
}

fn pairs(properties: &Properties) -> Vec<(&str, &str)> {
    properties.user_properties.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect()
}

fn id(packet_id: u16) -> PacketId {
    PacketId::new(packet_id).expect(VALID)
}

fn topic_name(text: &str) -> TopicName<'_> {
    TopicName::parse(text).expect(VALID)
}

fn topic_filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).expect(VALID)
}
