//! rumqttc's packets as ours, so that they can be compared.

use std::num::{NonZeroU16, NonZeroU32};

use mayfly_wire::{
    AckProperties, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect, DisconnectProperties,
    Packet, PacketId, ProtocolVersion, PubAck, PubComp, PubRec, PubRel, Publish, PublishProperties, QoS,
    ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeFilters, SubscribeProperties, Subscription,
    SubscriptionIdentifiers, SubscriptionOptions, TopicFilter, TopicName, UnsubAck, Unsubscribe,
    UnsubscribeFilters, UnsubscribeProperties, UserProperties, Will, WillProperties,
};
use rumqttc_upstream::mqttbytes::v4;
use rumqttc_upstream::v5::mqttbytes::v5;

/// Why a value of rumqttc has no place in our types.
type Unfit = &'static str;

/// Our packet without what rumqttc cannot tell apart: it has no user name or password that is there and
/// empty.
pub(crate) fn comparable<'a>(packet: &Packet<'a>) -> Packet<'a> {
    match *packet {
        Packet::Connect(connect) => Packet::Connect(Connect {
            user_name: connect.user_name.filter(|name| !name.is_empty()),
            password: connect.password.filter(|password| !password.is_empty()),
            ..connect
        }),
        packet => packet,
    }
}

pub(crate) fn from_v4(packet: v4::Packet) -> Result<Packet<'static>, Unfit> {
    let success = ReasonCode::Success;
    let none = AckProperties::default();
    Ok(match packet {
        v4::Packet::Connect(connect) => {
            let (user_name, password) =
                connect.login.map_or((None, None), |login| present(login.username, login.password));
            let will = match connect.last_will {
                None => None,
                Some(will) => Some(Will {
                    qos: qos(will.qos as u8)?,
                    retain: will.retain,
                    topic: topic_name(will.topic.into())?,
                    payload: leak(will.message),
                    properties: WillProperties::default(),
                }),
            };
            Packet::Connect(Connect {
                version: ProtocolVersion::V3_1_1,
                clean_start: connect.clean_session,
                keep_alive_s: connect.keep_alive,
                client_id: connect.client_id.leak(),
                will,
                user_name,
                password,
                properties: ConnectProperties::default(),
            })
        }
        v4::Packet::ConnAck(ack) => Packet::ConnAck(ConnAck {
            session_present: ack.session_present,
            reason: match ack.code {
                v4::ConnectReturnCode::Success => ReasonCode::Success,
                v4::ConnectReturnCode::RefusedProtocolVersion => ReasonCode::UnsupportedProtocolVersion,
                v4::ConnectReturnCode::BadClientId => ReasonCode::ClientIdentifierNotValid,
                v4::ConnectReturnCode::ServiceUnavailable => ReasonCode::ServerUnavailable,
                v4::ConnectReturnCode::BadUserNamePassword => ReasonCode::BadUserNameOrPassword,
                v4::ConnectReturnCode::NotAuthorized => ReasonCode::NotAuthorized,
            },
            properties: ConnAckProperties::default(),
        }),
        v4::Packet::Publish(publish) => Packet::Publish(Publish {
            dup: publish.dup,
            qos: qos(publish.qos as u8)?,
            retain: publish.retain,
            topic: publish.topic.leak(),
            packet_id: PacketId::new(publish.pkid),
            properties: PublishProperties::default(),
            payload: leak(publish.payload),
        }),
        v4::Packet::PubAck(ack) => {
            Packet::PubAck(PubAck { packet_id: packet_id(ack.pkid)?, reason: success, properties: none })
        }
        v4::Packet::PubRec(ack) => {
            Packet::PubRec(PubRec { packet_id: packet_id(ack.pkid)?, reason: success, properties: none })
        }
        v4::Packet::PubRel(ack) => {
            Packet::PubRel(PubRel { packet_id: packet_id(ack.pkid)?, reason: success, properties: none })
        }
        v4::Packet::PubComp(ack) => {
            Packet::PubComp(PubComp { packet_id: packet_id(ack.pkid)?, reason: success, properties: none })
        }
        v4::Packet::Subscribe(subscribe) => {
            let filters = subscribe.filters.into_iter().map(|filter| {
                let options = SubscriptionOptions {
                    qos: qos(filter.qos as u8)?,
                    no_local: false,
                    retain_as_published: false,
                    retain_handling: RetainHandling::SendAtSubscribe,
                };
                Ok(Subscription { filter: topic_filter(filter.path)?, options })
            });
            Packet::Subscribe(Subscribe {
                packet_id: packet_id(subscribe.pkid)?,
                properties: SubscribeProperties::default(),
                filters: SubscribeFilters::from_slice(filters.collect::<Result<Vec<_>, Unfit>>()?.leak()),
            })
        }
        v4::Packet::SubAck(ack) => Packet::SubAck(SubAck {
            packet_id: packet_id(ack.pkid)?,
            properties: none,
            reasons: ack
                .return_codes
                .into_iter()
                .map(|code| match code {
                    v4::SubscribeReasonCode::Success(qos) => qos as u8,
                    v4::SubscribeReasonCode::Failure => 0x80,
                })
                .collect::<Vec<_>>()
                .leak(),
        }),
        v4::Packet::Unsubscribe(unsubscribe) => Packet::Unsubscribe(Unsubscribe {
            packet_id: packet_id(unsubscribe.pkid)?,
            properties: UnsubscribeProperties::default(),
            filters: topic_filters(unsubscribe.topics)?,
        }),
        v4::Packet::UnsubAck(ack) => {
            Packet::UnsubAck(UnsubAck { packet_id: packet_id(ack.pkid)?, properties: none, reasons: &[] })
        }
        v4::Packet::PingReq => Packet::PingReq,
        v4::Packet::PingResp => Packet::PingResp,
        v4::Packet::Disconnect => {
            Packet::Disconnect(Disconnect { reason: success, properties: DisconnectProperties::default() })
        }
    })
}

pub(crate) fn from_v5(packet: v5::Packet) -> Result<Packet<'static>, Unfit> {
    Ok(match packet {
        v5::Packet::Connect(connect, will, login) => connect_v5(connect, will, login)?,
        v5::Packet::ConnAck(ack) => connack_v5(ack)?,
        v5::Packet::Publish(publish) => Packet::Publish(Publish {
            dup: publish.dup,
            qos: qos(publish.qos as u8)?,
            retain: publish.retain,
            topic: text(publish.topic)?,
            packet_id: PacketId::new(publish.pkid),
            properties: publish.properties.map_or(Ok(PublishProperties::default()), publish_properties)?,
            payload: leak(publish.payload),
        }),
        v5::Packet::PubAck(ack) => Packet::PubAck(PubAck {
            packet_id: packet_id(ack.pkid)?,
            reason: reason(&ack.reason)?,
            properties: ack
                .properties
                .map_or_else(AckProperties::default, |p| acks(p.reason_string, p.user_properties)),
        }),
        v5::Packet::PubRec(ack) => Packet::PubRec(PubRec {
            packet_id: packet_id(ack.pkid)?,
            reason: reason(&ack.reason)?,
            properties: ack
                .properties
                .map_or_else(AckProperties::default, |p| acks(p.reason_string, p.user_properties)),
        }),
        v5::Packet::PubRel(ack) => Packet::PubRel(PubRel {
            packet_id: packet_id(ack.pkid)?,
            reason: reason(&ack.reason)?,
            properties: ack
                .properties
                .map_or_else(AckProperties::default, |p| acks(p.reason_string, p.user_properties)),
        }),
        v5::Packet::PubComp(ack) => Packet::PubComp(PubComp {
            packet_id: packet_id(ack.pkid)?,
            reason: reason(&ack.reason)?,
            properties: ack
                .properties
                .map_or_else(AckProperties::default, |p| acks(p.reason_string, p.user_properties)),
        }),
        v5::Packet::Subscribe(subscribe) => subscribe_v5(subscribe)?,
        v5::Packet::SubAck(ack) => Packet::SubAck(SubAck {
            packet_id: packet_id(ack.pkid)?,
            properties: ack
                .properties
                .map_or_else(AckProperties::default, |p| acks(p.reason_string, p.user_properties)),
            reasons: ack
                .return_codes
                .iter()
                .map(|code| match code {
                    v5::SubscribeReasonCode::Success(qos) => Ok(*qos as u8),
                    code => reason(code).map(|code| code as u8),
                })
                .collect::<Result<Vec<_>, Unfit>>()?
                .leak(),
        }),
        v5::Packet::Unsubscribe(unsubscribe) => Packet::Unsubscribe(Unsubscribe {
            packet_id: packet_id(unsubscribe.pkid)?,
            properties: UnsubscribeProperties {
                user_properties: pairs(unsubscribe.properties.map_or_else(Vec::new, |p| p.user_properties)),
            },
            filters: topic_filters(unsubscribe.filters)?,
        }),
        v5::Packet::UnsubAck(ack) => Packet::UnsubAck(UnsubAck {
            packet_id: packet_id(ack.pkid)?,
            properties: ack
                .properties
                .map_or_else(AckProperties::default, |p| acks(p.reason_string, p.user_properties)),
            reasons: ack
                .reasons
                .iter()
                .map(|code| reason(code).map(|code| code as u8))
                .collect::<Result<Vec<_>, Unfit>>()?
                .leak(),
        }),
        v5::Packet::PingReq(_) => Packet::PingReq,
        v5::Packet::PingResp(_) => Packet::PingResp,
        v5::Packet::Disconnect(disconnect) => Packet::Disconnect(Disconnect {
            reason: ReasonCode::from_u8(disconnect.reason_code as u8).ok_or("reason code")?,
            properties: disconnect.properties.map_or_else(DisconnectProperties::default, |p| {
                DisconnectProperties {
                    session_expiry_interval_s: p.session_expiry_interval,
                    reason_string: optional(p.reason_string),
                    user_properties: pairs(p.user_properties),
                    server_reference: optional(p.server_reference),
                }
            }),
        }),
        v5::Packet::Auth(_) => return Err("it never reads AUTH"),
    })
}

fn connect_v5(
    connect: v5::Connect,
    will: Option<v5::LastWill>,
    login: Option<v5::Login>,
) -> Result<Packet<'static>, Unfit> {
    let (user_name, password) = login.map_or((None, None), |login| present(login.username, login.password));
    let will = match will {
        None => None,
        Some(will) => Some(Will {
            qos: qos(will.qos as u8)?,
            retain: will.retain,
            topic: topic_name(will.topic.into())?,
            payload: leak(will.message),
            properties: match will.properties {
                None => WillProperties::default(),
                Some(p) => WillProperties {
                    delay_interval_s: p.delay_interval,
                    payload_format_indicator: flag(p.payload_format_indicator)?,
                    message_expiry_interval_s: p.message_expiry_interval,
                    content_type: optional(p.content_type),
                    response_topic: p.response_topic.map(|topic| topic_name(topic.into())).transpose()?,
                    correlation_data: p.correlation_data.map(leak),
                    user_properties: pairs(p.user_properties),
                },
            },
        }),
    };
    let properties = match connect.properties {
        None => ConnectProperties::default(),
        Some(p) => ConnectProperties {
            session_expiry_interval_s: p.session_expiry_interval,
            receive_maximum: non_zero_u16(p.receive_maximum)?,
            maximum_packet_size: non_zero_u32(p.max_packet_size)?,
            topic_alias_maximum: p.topic_alias_max,
            request_response_information: flag(p.request_response_info)?,
            request_problem_information: flag(p.request_problem_info)?,
            user_properties: pairs(p.user_properties),
            authentication_method: optional(p.authentication_method),
            authentication_data: p.authentication_data.map(leak),
        },
    };
    Ok(Packet::Connect(Connect {
        version: ProtocolVersion::V5,
        clean_start: connect.clean_start,
        keep_alive_s: connect.keep_alive,
        client_id: connect.client_id.leak(),
        will,
        user_name,
        password,
        properties,
    }))
}

fn connack_v5(ack: v5::ConnAck) -> Result<Packet<'static>, Unfit> {
    let properties = match ack.properties {
        None => ConnAckProperties::default(),
        Some(p) => ConnAckProperties {
            session_expiry_interval_s: p.session_expiry_interval,
            receive_maximum: non_zero_u16(p.receive_max)?,
            maximum_qos: p.max_qos.map(qos).transpose()?,
            retain_available: flag(p.retain_available)?,
            maximum_packet_size: non_zero_u32(p.max_packet_size)?,
            assigned_client_identifier: optional(p.assigned_client_identifier),
            topic_alias_maximum: p.topic_alias_max,
            reason_string: optional(p.reason_string),
            user_properties: pairs(p.user_properties),
            wildcard_subscription_available: flag(p.wildcard_subscription_available)?,
            subscription_identifiers_available: flag(p.subscription_identifiers_available)?,
            shared_subscription_available: flag(p.shared_subscription_available)?,
            server_keep_alive_s: p.server_keep_alive,
            response_information: optional(p.response_information),
            server_reference: optional(p.server_reference),
            authentication_method: optional(p.authentication_method),
            authentication_data: p.authentication_data.map(leak),
        },
    };
    Ok(Packet::ConnAck(ConnAck {
        session_present: ack.session_present,
        reason: reason(&ack.code)?,
        properties,
    }))
}

fn publish_properties(p: v5::PublishProperties) -> Result<PublishProperties<'static>, Unfit> {
    let identifiers = p.subscription_identifiers.into_iter().map(|identifier| identifier as u32);
    Ok(PublishProperties {
        payload_format_indicator: flag(p.payload_format_indicator)?,
        message_expiry_interval_s: p.message_expiry_interval,
        topic_alias: non_zero_u16(p.topic_alias)?,
        response_topic: p.response_topic.map(|topic| topic_name(topic.into())).transpose()?,
        correlation_data: p.correlation_data.map(leak),
        content_type: optional(p.content_type),
        user_properties: pairs(p.user_properties),
        subscription_identifiers: SubscriptionIdentifiers::from_slice(identifiers.collect::<Vec<_>>().leak()),
    })
}

fn subscribe_v5(subscribe: v5::Subscribe) -> Result<Packet<'static>, Unfit> {
    let filters = subscribe.filters.into_iter().map(|filter| {
        let options = SubscriptionOptions {
            qos: qos(filter.qos as u8)?,
            no_local: filter.nolocal,
            retain_as_published: filter.preserve_retain,
            retain_handling: match filter.retain_forward_rule {
                v5::RetainForwardRule::OnEverySubscribe => RetainHandling::SendAtSubscribe,
                v5::RetainForwardRule::OnNewSubscribe => RetainHandling::SendIfNew,
                v5::RetainForwardRule::Never => RetainHandling::DoNotSend,
            },
        };
        Ok(Subscription { filter: topic_filter(filter.path)?, options })
    });
    let filters = filters.collect::<Result<Vec<_>, Unfit>>()?;
    Ok(Packet::Subscribe(Subscribe {
        packet_id: packet_id(subscribe.pkid)?,
        properties: subscribe.properties.map_or_else(SubscribeProperties::default, |p| SubscribeProperties {
            subscription_identifier: p.id.map(|id| id as u32),
            user_properties: pairs(p.user_properties),
        }),
        filters: SubscribeFilters::from_slice(filters.leak()),
    }))
}

/// rumqttc has an enumeration of reasons for each packet; their names, letters only, are the standard's or
/// one of these.
fn reason(code: &impl std::fmt::Debug) -> Result<ReasonCode, Unfit> {
    let name = match format!("{code:?}").as_str() {
        "Unspecified" => "UnspecifiedError".to_owned(),
        "ImplementationSpecific" => "ImplementationSpecificError".to_owned(),
        "PkidInUse" => "PacketIdentifierInUse".to_owned(),
        "SubscriptionIdNotSupported" => "SubscriptionIdentifiersNotSupported".to_owned(),
        "BadUserNamePassword" => "BadUserNameOrPassword".to_owned(),
        name => name.to_owned(),
    };
    (0..=u8::MAX)
        .filter_map(ReasonCode::from_u8)
        .find(|code| format!("{code:?}").eq_ignore_ascii_case(&name))
        .ok_or("reason code")
}

fn acks(reason_string: Option<String>, user_properties: Vec<(String, String)>) -> AckProperties<'static> {
    AckProperties { reason_string: optional(reason_string), user_properties: pairs(user_properties) }
}

fn present(user_name: String, password: String) -> (Option<&'static str>, Option<&'static [u8]>) {
    let user_name = Some(&*user_name.leak()).filter(|name| !name.is_empty());
    (user_name, Some(&*password.into_bytes().leak()).filter(|password| !password.is_empty()))
}

fn leak(bytes: impl Into<Vec<u8>>) -> &'static [u8] {
    bytes.into().leak()
}

fn text(bytes: impl Into<Vec<u8>>) -> Result<&'static str, Unfit> {
    std::str::from_utf8(leak(bytes)).map_err(|_| "UTF-8")
}

fn optional(text: Option<String>) -> Option<&'static str> {
    text.map(|text| &*text.leak())
}

fn pairs(pairs: Vec<(String, String)>) -> UserProperties<'static> {
    let pairs: Vec<(&str, &str)> =
        pairs.into_iter().map(|(name, value)| (&*name.leak(), &*value.leak())).collect();
    UserProperties::from_pairs(pairs.leak())
}

fn topic_name(topic: Vec<u8>) -> Result<TopicName<'static>, Unfit> {
    TopicName::parse(text(topic)?).map_err(|_| "topic name")
}

fn topic_filter(filter: String) -> Result<TopicFilter<'static>, Unfit> {
    TopicFilter::parse(filter.leak()).map_err(|_| "topic filter")
}

fn topic_filters(filters: Vec<String>) -> Result<UnsubscribeFilters<'static>, Unfit> {
    let filters = filters.into_iter().map(topic_filter).collect::<Result<Vec<_>, Unfit>>()?;
    Ok(UnsubscribeFilters::from_slice(filters.leak()))
}

fn packet_id(id: u16) -> Result<PacketId, Unfit> {
    PacketId::new(id).ok_or("Packet Identifier 0")
}

fn qos(qos: u8) -> Result<QoS, Unfit> {
    QoS::from_u8(qos).ok_or("QoS")
}

fn flag(value: Option<u8>) -> Result<Option<bool>, Unfit> {
    match value {
        None => Ok(None),
        Some(0) => Ok(Some(false)),
        Some(1) => Ok(Some(true)),
        Some(_) => Err("neither 0 nor 1"),
    }
}

fn non_zero_u16(value: Option<u16>) -> Result<Option<NonZeroU16>, Unfit> {
    value.map(|value| NonZeroU16::new(value).ok_or("zero")).transpose()
}

fn non_zero_u32(value: Option<u32>) -> Result<Option<NonZeroU32>, Unfit> {
    value.map(|value| NonZeroU32::new(value).ok_or("zero")).transpose()
}
