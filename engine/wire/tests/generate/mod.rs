//! Strategies for every packet of both versions, and for what can go wrong with its bytes.
//!
//! Packets borrow, and a strategy has nobody to borrow from: the few kilobytes of a run are leaked.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::num::{NonZeroU16, NonZeroU32};

use mayfly_wire::{
    AckProperties, Auth, AuthProperties, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect,
    DisconnectProperties, Packet, PacketId, ProtocolVersion, PubAck, PubComp, PubRec, PubRel, Publish,
    PublishProperties, QoS, ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeFilters,
    SubscribeProperties, Subscription, SubscriptionIdentifiers, SubscriptionOptions, TopicFilter, TopicName,
    UnsubAck, Unsubscribe, UnsubscribeFilters, UnsubscribeProperties, UserProperties, Will, WillProperties,
};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{Index, select};

const V5: ProtocolVersion = ProtocolVersion::V5;

const PUBACK_REASONS: [ReasonCode; 9] = [
    ReasonCode::Success,
    ReasonCode::NoMatchingSubscribers,
    ReasonCode::UnspecifiedError,
    ReasonCode::ImplementationSpecificError,
    ReasonCode::NotAuthorized,
    ReasonCode::TopicNameInvalid,
    ReasonCode::PacketIdentifierInUse,
    ReasonCode::QuotaExceeded,
    ReasonCode::PayloadFormatInvalid,
];

pub(crate) fn version() -> impl Strategy<Value = ProtocolVersion> {
    select(vec![ProtocolVersion::V3_1_1, V5])
}

/// Any packet that `version` can carry.
pub(crate) fn packet(version: ProtocolVersion) -> BoxedStrategy<Packet<'static>> {
    let both = prop_oneof![
        connect(version).prop_map(Packet::Connect),
        connack(version).prop_map(Packet::ConnAck),
        publish(version).prop_map(Packet::Publish),
        publish(version).prop_map(Packet::Publish),
        acknowledgement(version),
        subscribe(version).prop_map(Packet::Subscribe),
        suback(version).prop_map(Packet::SubAck),
        unsubscribe(version).prop_map(Packet::Unsubscribe),
        unsuback(version).prop_map(Packet::UnsubAck),
        Just(Packet::PingReq),
        Just(Packet::PingResp),
        disconnect(version).prop_map(Packet::Disconnect),
    ];
    if version == V5 {
        prop_oneof![12 => both, 1 => auth().prop_map(Packet::Auth)].boxed()
    } else {
        both.boxed()
    }
}

/// One change of a packet's bytes.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    Set(Index, u8),
    FlipBit(Index, u8),
    Remove(Index),
    Insert(Index, u8),
    /// The bytes from one place to another come twice.
    Repeat(Index, Index),
}

pub(crate) fn mutations() -> impl Strategy<Value = Vec<Mutation>> {
    let index = any::<Index>;
    // The numbers that mean something in many places.
    let byte =
        || prop_oneof![any::<u8>(), select(vec![0, 1, 2, 3, 4, 0x0B, 0x23, 0x26, 0x2B, 0x7F, 0x80, 0xFF])];
    let one = prop_oneof![
        4 => (index(), byte()).prop_map(|(at, byte)| Mutation::Set(at, byte)),
        4 => (index(), 0..8_u8).prop_map(|(at, bit)| Mutation::FlipBit(at, bit)),
        2 => index().prop_map(Mutation::Remove),
        2 => (index(), byte()).prop_map(|(at, byte)| Mutation::Insert(at, byte)),
        1 => (index(), index()).prop_map(|(from, to)| Mutation::Repeat(from, to)),
    ];
    vec(one, 0..4)
}

/// Changes the body of a packet and writes the Remaining Length anew, so that the change is not seen at once.
pub(crate) fn mutate_body(packet: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let len_len = packet[1..].iter().position(|byte| *byte < 0x80).unwrap() + 1;
    let body = mutate(&packet[1 + len_len..], mutations);
    let mut out = vec![packet[0]];
    let mut len = body.len();
    while len >= 0x80 {
        out.push((len & 0x7F) as u8 | 0x80);
        len >>= 7;
    }
    out.push(len as u8);
    out.extend(body);
    out
}

/// Changes any of `bytes`.
pub(crate) fn mutate(bytes: &[u8], mutations: &[Mutation]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    for mutation in mutations {
        let len = bytes.len();
        match mutation {
            Mutation::Insert(at, byte) => bytes.insert(at.index(len + 1), *byte),
            _ if len == 0 => {}
            Mutation::Set(at, byte) => bytes[at.index(len)] = *byte,
            Mutation::FlipBit(at, bit) => bytes[at.index(len)] ^= 1 << bit,
            Mutation::Remove(at) => drop(bytes.remove(at.index(len))),
            Mutation::Repeat(from, to) => {
                let (from, to) = (from.index(len), to.index(len));
                let part = bytes[from.min(to)..from.max(to)].to_vec();
                bytes.splice(from.max(to)..from.max(to), part);
            }
        }
    }
    bytes
}

fn leak<T>(items: Vec<T>) -> &'static [T] {
    items.leak()
}

fn text() -> BoxedStrategy<&'static str> {
    let ascii = vec(0x01..0x7F_u8, 0..20).prop_map(|bytes| String::from_utf8(bytes).unwrap());
    let unicode = vec(any::<char>().prop_filter("U+0000", |c| *c != '\0'), 0..8).prop_map(String::from_iter);
    prop_oneof![3 => ascii, 1 => unicode].prop_map(|text| &*text.leak()).boxed()
}

fn bytes(max_len: usize) -> impl Strategy<Value = &'static [u8]> {
    vec(any::<u8>(), 0..max_len).prop_map(leak)
}

fn level() -> impl Strategy<Value = String> {
    vec(prop_oneof![4 => select(vec!['a', 'b', ' ', '$', 'é']), 1 => any::<char>()], 0..6)
        .prop_map(|level| level.into_iter().filter(|c| !matches!(c, '\0' | '+' | '#' | '/')).collect())
}

fn topic() -> impl Strategy<Value = TopicName<'static>> {
    vec(level(), 1..5).prop_map(|levels| {
        let topic = levels.join("/");
        TopicName::parse(if topic.is_empty() { "/" } else { topic.leak() }).unwrap()
    })
}

fn filter() -> impl Strategy<Value = TopicFilter<'static>> {
    let levels = vec(prop_oneof![3 => level(), 1 => Just("+".to_owned())], 1..5);
    let share = select(vec!["", "", "$share/g/"]);
    (share, levels, any::<bool>()).prop_map(|(share, levels, wildcard)| {
        let mut filter = format!("{share}{}", levels.join("/"));
        if wildcard {
            filter.push_str("/#");
        } else if filter == share {
            filter.push('#');
        }
        TopicFilter::parse(filter.leak()).unwrap_or_else(|_| TopicFilter::parse("#").unwrap())
    })
}

fn qos() -> impl Strategy<Value = QoS> {
    select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce])
}

fn packet_id() -> impl Strategy<Value = PacketId> {
    (1..=u16::MAX).prop_map(|id| PacketId::new(id).unwrap())
}

fn non_zero_u16() -> impl Strategy<Value = Option<NonZeroU16>> {
    any::<u16>().prop_map(NonZeroU16::new)
}

fn non_zero_u32() -> impl Strategy<Value = Option<NonZeroU32>> {
    of(1..=u32::MAX).prop_map(|value| value.and_then(NonZeroU32::new))
}

fn user_properties() -> impl Strategy<Value = UserProperties<'static>> {
    vec((text(), text()), 0..3).prop_map(|pairs| UserProperties::from_pairs(leak(pairs)))
}

/// What `strategy` gives in MQTT 5, and nothing in MQTT 3.1.1.
fn properties<T: Default + Clone + std::fmt::Debug + 'static>(
    version: ProtocolVersion,
    strategy: impl Strategy<Value = T> + 'static,
) -> BoxedStrategy<T> {
    if version == V5 { strategy.boxed() } else { Just(T::default()).boxed() }
}

fn connect(version: ProtocolVersion) -> impl Strategy<Value = Connect<'static>> {
    let connect_properties = (
        (
            of(any::<u32>()),
            non_zero_u16(),
            non_zero_u32(),
            of(any::<u16>()),
            of(any::<bool>()),
            of(any::<bool>()),
        ),
        (user_properties(), of((text(), of(bytes(20))))),
    )
        .prop_map(|((expiry, receive, size, alias, response, problem), (user_properties, method))| {
            ConnectProperties {
                session_expiry_interval_s: expiry,
                receive_maximum: receive,
                maximum_packet_size: size,
                topic_alias_maximum: alias,
                request_response_information: response,
                request_problem_information: problem,
                user_properties,
                authentication_method: method.map(|(method, _)| method),
                authentication_data: method.and_then(|(_, data)| data),
            }
        });
    let login = (of(text()), of(bytes(20)));
    (any::<bool>(), any::<u16>(), text(), of(will(version)), login, properties(version, connect_properties))
        .prop_map(move |(clean_start, keep_alive_s, client_id, will, (user_name, password), properties)| {
            Connect {
                version,
                clean_start: clean_start || client_id.is_empty(),
                keep_alive_s,
                client_id,
                will,
                user_name,
                password: if version == V5 || user_name.is_some() { password } else { None },
                properties,
            }
        })
}

fn will(version: ProtocolVersion) -> impl Strategy<Value = Will<'static>> {
    let will_properties = (
        (of(any::<u32>()), of(any::<bool>()), of(any::<u32>())),
        (of(text()), of(topic()), of(bytes(20)), user_properties()),
    )
        .prop_map(|((delay, format, expiry), (content_type, response_topic, data, user_properties))| {
            WillProperties {
                delay_interval_s: delay,
                payload_format_indicator: format,
                message_expiry_interval_s: expiry,
                content_type,
                response_topic,
                correlation_data: data,
                user_properties,
            }
        });
    (qos(), any::<bool>(), topic(), bytes(30), properties(version, will_properties)).prop_map(
        |(qos, retain, topic, payload, properties)| Will { qos, retain, topic, payload, properties },
    )
}

fn connack(version: ProtocolVersion) -> impl Strategy<Value = ConnAck<'static>> {
    let mut reasons = vec![
        ReasonCode::Success,
        ReasonCode::UnsupportedProtocolVersion,
        ReasonCode::ClientIdentifierNotValid,
        ReasonCode::BadUserNameOrPassword,
        ReasonCode::ServerUnavailable,
        ReasonCode::NotAuthorized,
    ];
    if version == V5 {
        reasons.extend([ReasonCode::Banned, ReasonCode::QuotaExceeded, ReasonCode::ConnectionRateExceeded]);
    }
    let flag = || of(any::<bool>());
    let connack_properties = (
        (of(any::<u32>()), non_zero_u16(), flag(), flag(), non_zero_u32(), of(text()), of(any::<u16>())),
        (of(text()), user_properties(), flag(), flag(), flag(), of(any::<u16>())),
        (of(text()), of(text()), of((text(), of(bytes(20))))),
    )
        .prop_map(|(first, second, third)| ConnAckProperties {
            session_expiry_interval_s: first.0,
            receive_maximum: first.1,
            maximum_qos: first.2.map(|one| if one { QoS::AtLeastOnce } else { QoS::AtMostOnce }),
            retain_available: first.3,
            maximum_packet_size: first.4,
            assigned_client_identifier: first.5,
            topic_alias_maximum: first.6,
            reason_string: second.0,
            user_properties: second.1,
            wildcard_subscription_available: second.2,
            subscription_identifiers_available: second.3,
            shared_subscription_available: second.4,
            server_keep_alive_s: second.5,
            response_information: third.0,
            server_reference: third.1,
            authentication_method: third.2.map(|(method, _)| method),
            authentication_data: third.2.and_then(|(_, data)| data),
        });
    (any::<bool>(), select(reasons), properties(version, connack_properties)).prop_map(
        |(session_present, reason, properties)| ConnAck {
            session_present: session_present && reason == ReasonCode::Success,
            reason,
            properties,
        },
    )
}

fn publish(version: ProtocolVersion) -> impl Strategy<Value = Publish<'static>> {
    let publish_properties = (
        (of(any::<bool>()), of(any::<u32>()), of(non_zero_u16()), of(topic())),
        (of(bytes(20)), of(text()), user_properties(), vec(1..=268_435_455_u32, 0..3)),
    )
        .prop_map(
            |(
                (format, expiry, alias, response_topic),
                (data, content_type, user_properties, identifiers),
            )| {
                PublishProperties {
                    payload_format_indicator: format,
                    message_expiry_interval_s: expiry,
                    topic_alias: alias.flatten(),
                    response_topic,
                    correlation_data: data,
                    content_type,
                    user_properties,
                    subscription_identifiers: SubscriptionIdentifiers::from_slice(leak(identifiers)),
                }
            },
        );
    let header = (any::<bool>(), qos(), any::<bool>(), packet_id());
    (header, topic(), any::<bool>(), properties(version, publish_properties), bytes(300)).prop_map(
        |((dup, qos, retain, packet_id), topic, no_topic, properties, payload)| Publish {
            dup: dup && qos != QoS::AtMostOnce,
            qos,
            retain,
            topic: if no_topic && properties.topic_alias.is_some() { "" } else { topic.as_str() },
            packet_id: (qos != QoS::AtMostOnce).then_some(packet_id),
            properties,
            payload,
        },
    )
}

fn ack_properties(version: ProtocolVersion) -> BoxedStrategy<AckProperties<'static>> {
    let all = (of(text()), user_properties())
        .prop_map(|(reason_string, user_properties)| AckProperties { reason_string, user_properties });
    properties(version, all)
}

fn acknowledgement(version: ProtocolVersion) -> impl Strategy<Value = Packet<'static>> {
    let received = if version == V5 { PUBACK_REASONS.to_vec() } else { vec![ReasonCode::Success] };
    let released = if version == V5 {
        vec![ReasonCode::Success, ReasonCode::PacketIdentifierNotFound]
    } else {
        received.clone()
    };
    (0..4, packet_id(), select(received), select(released), ack_properties(version)).prop_map(
        |(kind, packet_id, received, released, properties)| match kind {
            0 => Packet::PubAck(PubAck { packet_id, reason: received, properties }),
            1 => Packet::PubRec(PubRec { packet_id, reason: received, properties }),
            2 => Packet::PubRel(PubRel { packet_id, reason: released, properties }),
            _ => Packet::PubComp(PubComp { packet_id, reason: released, properties }),
        },
    )
}

fn subscribe(version: ProtocolVersion) -> impl Strategy<Value = Subscribe<'static>> {
    let options = (qos(), any::<bool>(), any::<bool>(), 0..3_usize).prop_map(
        |(qos, no_local, as_published, handling)| SubscriptionOptions {
            qos,
            no_local,
            retain_as_published: as_published,
            retain_handling: [
                RetainHandling::SendAtSubscribe,
                RetainHandling::SendIfNew,
                RetainHandling::DoNotSend,
            ][handling],
        },
    );
    let subscription = (filter(), options).prop_map(move |(filter, options)| {
        let plain = SubscriptionOptions {
            qos: options.qos,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        };
        let options = if version == V5 { options } else { plain };
        Subscription {
            filter,
            options: SubscriptionOptions {
                no_local: options.no_local && filter.share_name().is_none(),
                ..options
            },
        }
    });
    let subscribe_properties =
        (of(1..=268_435_455_u32), user_properties()).prop_map(|(identifier, user_properties)| {
            SubscribeProperties { subscription_identifier: identifier, user_properties }
        });
    (packet_id(), properties(version, subscribe_properties), vec(subscription, 1..4)).prop_map(
        |(packet_id, properties, subscriptions)| Subscribe {
            packet_id,
            properties,
            filters: SubscribeFilters::from_slice(leak(subscriptions)),
        },
    )
}

fn suback(version: ProtocolVersion) -> impl Strategy<Value = SubAck<'static>> {
    let codes = match version {
        ProtocolVersion::V3_1_1 => vec![0x00, 0x01, 0x02, 0x80],
        V5 => vec![0x00, 0x01, 0x02, 0x80, 0x83, 0x87, 0x8F, 0x91, 0x97, 0x9E, 0xA1, 0xA2],
    };
    (packet_id(), ack_properties(version), vec(select(codes), 1..5))
        .prop_map(|(packet_id, properties, reasons)| SubAck { packet_id, properties, reasons: leak(reasons) })
}

fn unsubscribe(version: ProtocolVersion) -> impl Strategy<Value = Unsubscribe<'static>> {
    let all = user_properties().prop_map(|user_properties| UnsubscribeProperties { user_properties });
    (packet_id(), properties(version, all), vec(filter(), 1..4)).prop_map(
        |(packet_id, properties, filters)| Unsubscribe {
            packet_id,
            properties,
            filters: UnsubscribeFilters::from_slice(leak(filters)),
        },
    )
}

fn unsuback(version: ProtocolVersion) -> impl Strategy<Value = UnsubAck<'static>> {
    let codes = select(vec![0x00, 0x11, 0x80, 0x83, 0x87, 0x8F, 0x91]);
    (packet_id(), ack_properties(version), vec(codes, 1..5)).prop_map(
        move |(packet_id, properties, reasons)| UnsubAck {
            packet_id,
            properties,
            reasons: if version == V5 { leak(reasons) } else { &[] },
        },
    )
}

fn disconnect(version: ProtocolVersion) -> impl Strategy<Value = Disconnect<'static>> {
    let reasons = if version == V5 {
        vec![
            ReasonCode::Success,
            ReasonCode::DisconnectWithWillMessage,
            ReasonCode::MalformedPacket,
            ReasonCode::ServerShuttingDown,
            ReasonCode::SessionTakenOver,
            ReasonCode::WildcardSubscriptionsNotSupported,
        ]
    } else {
        vec![ReasonCode::Success]
    };
    let all = (of(any::<u32>()), of(text()), user_properties(), of(text())).prop_map(
        |(session_expiry_interval_s, reason_string, user_properties, server_reference)| {
            DisconnectProperties {
                session_expiry_interval_s,
                reason_string,
                user_properties,
                server_reference,
            }
        },
    );
    (select(reasons), properties(version, all))
        .prop_map(|(reason, properties)| Disconnect { reason, properties })
}

fn auth() -> impl Strategy<Value = Auth<'static>> {
    let reasons = vec![ReasonCode::Success, ReasonCode::ContinueAuthentication, ReasonCode::ReAuthenticate];
    (select(reasons), text(), of(bytes(20)), of(text()), user_properties()).prop_map(
        |(reason, method, authentication_data, reason_string, user_properties)| Auth {
            reason,
            properties: AuthProperties {
                authentication_method: Some(method),
                authentication_data,
                reason_string,
                user_properties,
            },
        },
    )
}
