//! Every packet in both versions, byte for byte: decoding gives the packet, encoding gives the bytes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::large_types_passed_by_value, reason = "a test reads better without references")]

use std::num::{NonZeroU16, NonZeroU32};

use mayfly_wire::ProtocolVersion::{V3_1_1, V5};
use mayfly_wire::{
    AckProperties, Auth, AuthProperties, ConnAck, ConnAckProperties, Connect, ConnectProperties, Disconnect,
    DisconnectProperties, Packet, PacketId, ProtocolVersion, PubAck, PubComp, PubRec, PubRel, Publish,
    PublishProperties, QoS, ReasonCode, RetainHandling, SubAck, Subscribe, SubscribeFilters,
    SubscribeProperties, Subscription, SubscriptionIdentifiers, SubscriptionOptions, TopicFilter, TopicName,
    UnsubAck, Unsubscribe, UnsubscribeFilters, UnsubscribeProperties, UserProperties, Will, WillProperties,
    split_frame,
};

const ONE: PacketId = PacketId::new(1).unwrap();
const PAIR: UserProperties<'static> = UserProperties::from_pairs(&[("k", "v")]);

/// The user property `k` = `v`.
const PAIR_BYTES: &str = "26 0001 6B 0001 76";

/// Bytes written as hexadecimal digits, with spaces and `PAIR` where it is easier to read.
fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.replace("PAIR", PAIR_BYTES).split_whitespace().collect();
    assert_eq!(digits.len() % 2, 0, "{hex}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// The packet in `hex` is exactly `packet`, both ways.
fn both_ways(version: ProtocolVersion, hex: &str, packet: Packet<'_>) {
    decodes(version, hex, packet);
    let mut out = Vec::new();
    packet.encode(version, &mut out).unwrap();
    assert_eq!(out, bytes(hex), "{packet:?}");
}

/// `hex` is a longer way to write `packet`.
fn decodes(version: ProtocolVersion, hex: &str, packet: Packet<'_>) {
    let bytes = bytes(hex);
    let frame = split_frame(&bytes, u32::MAX).unwrap().unwrap();
    assert_eq!(frame.len, bytes.len());
    assert_eq!(frame.decode(version), Ok(packet), "{hex}");
}

fn topic(name: &str) -> TopicName<'_> {
    TopicName::parse(name).unwrap()
}

fn filter(filter: &str) -> TopicFilter<'_> {
    TopicFilter::parse(filter).unwrap()
}

fn connect(version: ProtocolVersion) -> Connect<'static> {
    Connect {
        version,
        clean_start: true,
        keep_alive_s: 60,
        client_id: "a",
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    }
}

#[test]
fn connect_3_1_1() {
    let plain = connect(V3_1_1);
    both_ways(V3_1_1, "10 0D 0004 4D515454 04 02 003C 0001 61", Packet::Connect(plain));
    both_ways(
        V3_1_1,
        "10 0C 0004 4D515454 04 02 0000 0000",
        Packet::Connect(Connect { keep_alive_s: 0, client_id: "", ..plain }),
    );
    both_ways(
        V3_1_1,
        "10 1A 0004 4D515454 04 EC FFFF 0001 61 0001 74 0002 00FF 0001 75 0001 70",
        Packet::Connect(Connect {
            clean_start: false,
            keep_alive_s: u16::MAX,
            will: Some(Will {
                qos: QoS::AtLeastOnce,
                retain: true,
                topic: topic("t"),
                payload: &[0x00, 0xFF],
                properties: WillProperties::default(),
            }),
            user_name: Some("u"),
            password: Some(b"p"),
            ..plain
        }),
    );
}

#[test]
fn connect_5() {
    let plain = connect(V5);
    both_ways(V5, "10 0E 0004 4D515454 05 02 003C 00 0001 61", Packet::Connect(plain));
    // CONNECT says its own version, whatever the connection was thought to be.
    both_ways(V3_1_1, "10 0E 0004 4D515454 05 02 003C 00 0001 61", Packet::Connect(plain));
    both_ways(
        V5,
        "10 12 0004 4D515454 05 40 003C 00 0001 61 0002 7061",
        Packet::Connect(Connect { clean_start: false, password: Some(b"pa"), ..plain }),
    );
    both_ways(
        V5,
        "10 5C 0004 4D515454 05 F6 003C \
         24 11 FFFFFFFF 21 0001 27 00000001 22 FFFF 19 01 17 00 PAIR 15 0001 6D 16 0002 0001 \
         0001 61 \
         1F 18 00000005 01 01 02 00000006 03 0001 63 08 0001 72 09 0001 00 PAIR \
         0001 74 0000 0001 75 0000",
        Packet::Connect(Connect {
            will: Some(Will {
                qos: QoS::ExactlyOnce,
                retain: true,
                topic: topic("t"),
                payload: b"",
                properties: WillProperties {
                    delay_interval_s: Some(5),
                    payload_format_indicator: Some(true),
                    message_expiry_interval_s: Some(6),
                    content_type: Some("c"),
                    response_topic: Some(topic("r")),
                    correlation_data: Some(&[0]),
                    user_properties: PAIR,
                },
            }),
            user_name: Some("u"),
            password: Some(b""),
            properties: ConnectProperties {
                session_expiry_interval_s: Some(u32::MAX),
                receive_maximum: NonZeroU16::new(1),
                maximum_packet_size: NonZeroU32::new(1),
                topic_alias_maximum: Some(u16::MAX),
                request_response_information: Some(true),
                request_problem_information: Some(false),
                user_properties: PAIR,
                authentication_method: Some("m"),
                authentication_data: Some(&[0, 1]),
            },
            ..plain
        }),
    );
}

#[test]
fn connack() {
    let plain = ConnAck {
        session_present: false,
        reason: ReasonCode::Success,
        properties: ConnAckProperties::default(),
    };
    both_ways(V3_1_1, "20 02 00 00", Packet::ConnAck(plain));
    both_ways(V3_1_1, "20 02 01 00", Packet::ConnAck(ConnAck { session_present: true, ..plain }));
    for (code, reason) in [
        (1, ReasonCode::UnsupportedProtocolVersion),
        (2, ReasonCode::ClientIdentifierNotValid),
        (3, ReasonCode::ServerUnavailable),
        (4, ReasonCode::BadUserNameOrPassword),
        (5, ReasonCode::NotAuthorized),
    ] {
        let refusal = Packet::ConnAck(ConnAck { reason, ..plain });
        both_ways(V3_1_1, &format!("20 02 00 0{code}"), refusal);
        both_ways(V5, &format!("20 03 00 {:02X} 00", reason as u8), refusal);
    }
    both_ways(
        V5,
        "20 3F 01 00 3C 11 00000001 21 FFFF 24 01 25 00 27 FFFFFFFF 12 0001 69 22 0000 1F 0001 72 PAIR \
         28 01 29 00 2A 01 13 003C 1A 0001 69 1C 0001 73 15 0001 6D 16 0001 FF",
        Packet::ConnAck(ConnAck {
            session_present: true,
            properties: ConnAckProperties {
                session_expiry_interval_s: Some(1),
                receive_maximum: NonZeroU16::new(u16::MAX),
                maximum_qos: Some(QoS::AtLeastOnce),
                retain_available: Some(false),
                maximum_packet_size: NonZeroU32::new(u32::MAX),
                assigned_client_identifier: Some("i"),
                topic_alias_maximum: Some(0),
                reason_string: Some("r"),
                user_properties: PAIR,
                wildcard_subscription_available: Some(true),
                subscription_identifiers_available: Some(false),
                shared_subscription_available: Some(true),
                server_keep_alive_s: Some(60),
                response_information: Some("i"),
                server_reference: Some("s"),
                authentication_method: Some("m"),
                authentication_data: Some(&[0xFF]),
            },
            ..plain
        }),
    );
}

#[test]
fn publish() {
    let plain = Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic: "a/b",
        packet_id: None,
        properties: PublishProperties::default(),
        payload: b"hi",
    };
    both_ways(V3_1_1, "30 07 0003 612F62 6869", Packet::Publish(plain));
    both_ways(V5, "30 08 0003 612F62 00 6869", Packet::Publish(plain));
    both_ways(V3_1_1, "30 05 0003 612F62", Packet::Publish(Publish { payload: b"", ..plain }));
    let qos_1 = Publish {
        qos: QoS::AtLeastOnce,
        packet_id: PacketId::new(u16::MAX),
        retain: true,
        dup: true,
        ..plain
    };
    both_ways(V3_1_1, "3B 09 0003 612F62 FFFF 6869", Packet::Publish(qos_1));
    both_ways(V5, "3B 0A 0003 612F62 FFFF 00 6869", Packet::Publish(qos_1));
    let qos_2 = Publish { qos: QoS::ExactlyOnce, packet_id: Some(ONE), ..plain };
    both_ways(V5, "34 0A 0003 612F62 0001 00 6869", Packet::Publish(qos_2));
    both_ways(
        V5,
        "30 06 0000 03 23 0001",
        Packet::Publish(Publish {
            topic: "",
            properties: PublishProperties { topic_alias: NonZeroU16::new(1), ..PublishProperties::default() },
            payload: b"",
            ..plain
        }),
    );
    both_ways(
        V5,
        "30 2D 0003 612F62 25 23 0005 02 0000003C 0B 01 0B FFFFFF7F \
         01 00 03 0001 63 08 0001 72 09 0002 0000 PAIR 6869",
        Packet::Publish(Publish {
            properties: PublishProperties {
                payload_format_indicator: Some(false),
                message_expiry_interval_s: Some(60),
                topic_alias: NonZeroU16::new(5),
                response_topic: Some(topic("r")),
                correlation_data: Some(&[0, 0]),
                content_type: Some("c"),
                user_properties: PAIR,
                subscription_identifiers: SubscriptionIdentifiers::from_slice(&[1, 268_435_455]),
            },
            ..plain
        }),
    );
}

#[test]
fn acknowledgements_of_publish() {
    let none = AckProperties::default();
    let all = AckProperties { reason_string: Some("r"), user_properties: PAIR };
    let success = ReasonCode::Success;
    let missing = ReasonCode::PacketIdentifierNotFound;
    let denied = ReasonCode::NotAuthorized;
    for version in [V3_1_1, V5] {
        both_ways(
            version,
            "40 02 0001",
            Packet::PubAck(PubAck { packet_id: ONE, reason: success, properties: none }),
        );
        both_ways(
            version,
            "50 02 0001",
            Packet::PubRec(PubRec { packet_id: ONE, reason: success, properties: none }),
        );
        both_ways(
            version,
            "62 02 0001",
            Packet::PubRel(PubRel { packet_id: ONE, reason: success, properties: none }),
        );
        both_ways(
            version,
            "70 02 0001",
            Packet::PubComp(PubComp { packet_id: ONE, reason: success, properties: none }),
        );
    }
    both_ways(
        V5,
        "40 03 0001 87",
        Packet::PubAck(PubAck { packet_id: ONE, reason: denied, properties: none }),
    );
    both_ways(
        V5,
        "50 03 0001 87",
        Packet::PubRec(PubRec { packet_id: ONE, reason: denied, properties: none }),
    );
    both_ways(
        V5,
        "62 03 0001 92",
        Packet::PubRel(PubRel { packet_id: ONE, reason: missing, properties: none }),
    );
    both_ways(
        V5,
        "70 03 0001 92",
        Packet::PubComp(PubComp { packet_id: ONE, reason: missing, properties: none }),
    );
    both_ways(
        V5,
        "40 0F 0001 00 0B 1F 0001 72 PAIR",
        Packet::PubAck(PubAck { packet_id: ONE, reason: success, properties: all }),
    );
    both_ways(
        V5,
        "70 0F 0001 92 0B 1F 0001 72 PAIR",
        Packet::PubComp(PubComp { packet_id: ONE, reason: missing, properties: all }),
    );
    for longer in ["40 03 0001 00", "40 04 0001 00 00"] {
        decodes(V5, longer, Packet::PubAck(PubAck { packet_id: ONE, reason: success, properties: none }));
    }
}

#[test]
fn subscribe() {
    let plain = SubscriptionOptions {
        qos: QoS::AtLeastOnce,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    };
    let all = SubscriptionOptions {
        qos: QoS::ExactlyOnce,
        no_local: true,
        retain_as_published: true,
        retain_handling: RetainHandling::DoNotSend,
    };
    let one = [Subscription { filter: filter("a/#"), options: plain }];
    let packet = Subscribe {
        packet_id: ONE,
        properties: SubscribeProperties::default(),
        filters: SubscribeFilters::from_slice(&one),
    };
    both_ways(V3_1_1, "82 08 0001 0003 612F23 01", Packet::Subscribe(packet));
    both_ways(V5, "82 09 0001 00 0003 612F23 01", Packet::Subscribe(packet));
    let three = [
        Subscription { filter: filter("+"), options: all },
        Subscription {
            filter: filter("$share/g/+"),
            options: SubscriptionOptions { retain_handling: RetainHandling::SendIfNew, ..plain },
        },
        one[0],
    ];
    let packet = Packet::Subscribe(Subscribe {
        packet_id: ONE,
        properties: SubscribeProperties { subscription_identifier: Some(128), user_properties: PAIR },
        filters: SubscribeFilters::from_slice(&three),
    });
    both_ways(
        V5,
        "82 24 0001 0A 0B 8001 PAIR 0001 2B 2E 000A 2473686172652F672F2B 11 0003 612F23 01",
        packet,
    );
    // MQTT 3.1.1 has only the QoS.
    let mut out = Vec::new();
    packet.encode(V3_1_1, &mut out).unwrap();
    assert_eq!(out, bytes("82 19 0001 0001 2B 02 000A 2473686172652F672F2B 01 0003 612F23 01"));
}

#[test]
fn suback() {
    let packet = SubAck { packet_id: ONE, properties: AckProperties::default(), reasons: &[0, 1, 2, 0x80] };
    both_ways(V3_1_1, "90 06 0001 00 01 02 80", Packet::SubAck(packet));
    both_ways(V5, "90 07 0001 00 00 01 02 80", Packet::SubAck(packet));
    let refused = SubAck { reasons: &[0x87, 1], ..packet };
    both_ways(
        V5,
        "90 0C 0001 07 PAIR 87 01",
        Packet::SubAck(SubAck {
            properties: AckProperties { reason_string: None, user_properties: PAIR },
            ..refused
        }),
    );
    let mut out = Vec::new();
    Packet::SubAck(refused).encode(V3_1_1, &mut out).unwrap();
    assert_eq!(out, bytes("90 04 0001 80 01"), "MQTT 3.1.1 has one code for all failures");
}

#[test]
fn unsubscribe_and_unsuback() {
    let filters = [filter("a"), filter("#")];
    let packet = Unsubscribe {
        packet_id: ONE,
        properties: UnsubscribeProperties::default(),
        filters: UnsubscribeFilters::from_slice(&filters),
    };
    both_ways(V3_1_1, "A2 08 0001 0001 61 0001 23", Packet::Unsubscribe(packet));
    both_ways(
        V5,
        "A2 10 0001 07 PAIR 0001 61 0001 23",
        Packet::Unsubscribe(Unsubscribe {
            properties: UnsubscribeProperties { user_properties: PAIR },
            ..packet
        }),
    );
    let answer = UnsubAck { packet_id: ONE, properties: AckProperties::default(), reasons: &[] };
    both_ways(V3_1_1, "B0 02 0001", Packet::UnsubAck(answer));
    both_ways(V5, "B0 05 0001 00 00 11", Packet::UnsubAck(UnsubAck { reasons: &[0x00, 0x11], ..answer }));
}

#[test]
fn ping() {
    for version in [V3_1_1, V5] {
        both_ways(version, "C0 00", Packet::PingReq);
        both_ways(version, "D0 00", Packet::PingResp);
    }
}

#[test]
fn disconnect() {
    let plain = Disconnect { reason: ReasonCode::Success, properties: DisconnectProperties::default() };
    for version in [V3_1_1, V5] {
        both_ways(version, "E0 00", Packet::Disconnect(plain));
    }
    let taken_over = Packet::Disconnect(Disconnect { reason: ReasonCode::SessionTakenOver, ..plain });
    both_ways(V5, "E0 02 8E 00", taken_over);
    decodes(V5, "E0 01 8E", taken_over);
    both_ways(
        V5,
        "E0 16 04 14 11 00000000 1F 0001 72 PAIR 1C 0001 73",
        Packet::Disconnect(Disconnect {
            reason: ReasonCode::DisconnectWithWillMessage,
            properties: DisconnectProperties {
                session_expiry_interval_s: Some(0),
                reason_string: Some("r"),
                user_properties: PAIR,
                server_reference: Some("s"),
            },
        }),
    );
    for longer in ["E0 01 00", "E0 02 00 00"] {
        decodes(V5, longer, Packet::Disconnect(plain));
    }
}

#[test]
fn auth() {
    let empty = Auth { reason: ReasonCode::Success, properties: AuthProperties::default() };
    both_ways(V5, "F0 00", Packet::Auth(empty));
    both_ways(V5, "F0 13 18 11 15 0001 6D 16 0000 1F 0000 PAIR", {
        Packet::Auth(Auth {
            reason: ReasonCode::ContinueAuthentication,
            properties: AuthProperties {
                authentication_method: Some("m"),
                authentication_data: Some(b""),
                reason_string: Some(""),
                user_properties: PAIR,
            },
        })
    });
}
