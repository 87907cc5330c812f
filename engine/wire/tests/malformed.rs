//! What the standard forbids, packet by packet: the error that names the clause, and the reason code for the
//! peer.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use mayfly_wire::DecodeError as E;
use mayfly_wire::ProtocolVersion::{V3_1_1, V5};
use mayfly_wire::{Frame, ProtocolVersion, ReasonCode, TopicError, split_frame};

const V5_CONNECT: &str = "0004 4D515454 05 02 003C";
const V3_CONNECT: &str = "0004 4D515454 04";

fn bytes(hex: &str) -> Vec<u8> {
    let digits: String = hex.split_whitespace().collect();
    assert_eq!(digits.len() % 2, 0, "{hex}");
    (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap()).collect()
}

/// A packet with this first byte and this body, both in hexadecimal digits, is refused for `error`.
fn refused(version: ProtocolVersion, header: u8, body: &str, error: E) {
    let body = bytes(body);
    let mut packet = vec![header, u8::try_from(body.len()).unwrap()];
    packet.extend(&body);
    let decoded = split_frame(&packet, u32::MAX).and_then(|frame| {
        frame.expect("the packet is whole").decode(version).map(|packet| format!("{packet:?}"))
    });
    assert_eq!(decoded, Err(error), "{header:02X} {body:02X?} {version:?}");
}

fn all(version: ProtocolVersion, header: u8, cases: &[(&str, E)]) {
    for (body, error) in cases {
        refused(version, header, body, *error);
    }
}

#[test]
fn connect() {
    all(
        V5,
        0x10,
        &[
            ("", E::Truncated),
            ("0004 4D515458 05 02 003C 00 0000", E::ProtocolName),
            ("0006 4D5149736470 03 02 003C 0000", E::ProtocolName),
            ("0004 4D515454 03 02 003C 0000", E::ProtocolLevel),
            ("0004 4D515454 06 02 003C 00 0000", E::ProtocolLevel),
            ("0004 4D515454 84 02 003C 0000", E::ProtocolLevel),
            ("0004 4D515454 05 03 003C 00 0000", E::ConnectFlags),
            ("0004 4D515454 05 08 003C 00 0000", E::WillFlags),
            ("0004 4D515454 05 10 003C 00 0000", E::WillFlags),
            ("0004 4D515454 05 20 003C 00 0000", E::WillFlags),
            ("0004 4D515454 05 1C 003C 00 0000 00 0001 74 0000", E::WillQoS),
            ("0004 4D515454 05 18 003C 00 0000", E::WillQoS),
            ("0004 4D515454 05 02 003C", E::Truncated),
            ("0004 4D515454 05 02 003C 00", E::Truncated),
            ("0004 4D515454 05 02 003C 00 0002 61", E::Truncated),
            ("0004 4D515454 05 02 003C 00 0001 61 00", E::TrailingBytes),
            ("0004 4D515454 05 02 003C 00 0001 00", E::NullCharacter),
            ("0004 4D515454 05 02 003C 00 0003 EDA080", E::Utf8),
            ("0004 4D515454 05 82 003C 00 0000", E::Truncated),
            ("0004 4D515454 05 82 003C 00 0000 0001 FF", E::Utf8),
            ("0004 4D515454 05 42 003C 00 0000", E::Truncated),
            ("0004 4D515454 05 06 003C 00 0000 00 0000 0000", E::TopicName(TopicError::Empty)),
            ("0004 4D515454 05 06 003C 00 0000 00 0001 2B 0000", E::TopicName(TopicError::WildcardInName)),
            ("0004 4D515454 05 06 003C 00 0000 00 0001 74", E::Truncated),
        ],
    );
    for (rest, error) in [
        ("80 00 0000", E::VariableByteInteger),
        ("05 11 0000 0000", E::Truncated),
        ("03 21 0000 0000", E::ReceiveMaximumZero),
        ("05 27 00000000 0000", E::MaximumPacketSizeZero),
        ("02 19 02 0000", E::PropertyNotZeroOrOne),
        ("02 17 FF 0000", E::PropertyNotZeroOrOne),
        ("04 17 00 17 00 0000", E::PropertyRepeated),
        ("06 22 0001 22 0001 0000", E::PropertyRepeated),
        ("04 16 0001 00 0000", E::AuthenticationDataWithoutMethod),
        ("02 01 00 0000", E::PropertyNotAllowed),
        ("02 00 00 0000", E::PropertyNotAllowed),
        ("02 2B 00 0000", E::PropertyNotAllowed),
        ("02 7F 00 0000", E::PropertyNotAllowed),
        ("03 A6 00 00 0000", E::PropertyNotAllowed),
        ("05 18 00000001 0000", E::PropertyNotAllowed),
        ("06 26 0001 61 0001 0000", E::Truncated),
        ("07 26 0001 61 0001 00 0000", E::NullCharacter),
        ("07 26 0001 FF 0001 61 0000", E::Utf8),
    ] {
        refused(V5, 0x10, &format!("{V5_CONNECT} {rest}"), error);
    }
    for (rest, error) in [
        ("18 00000001 18 00000001", E::PropertyRepeated),
        ("11 00000001", E::PropertyNotAllowed),
        ("23 0001", E::PropertyNotAllowed),
        ("01 02", E::PropertyNotZeroOrOne),
        ("08 0001 23", E::TopicName(TopicError::WildcardInName)),
        ("08 0000", E::TopicName(TopicError::Empty)),
    ] {
        let len = bytes(rest).len();
        let body = format!("0004 4D515454 05 06 003C 00 0000 {len:02X} {rest} 0001 74 0000");
        refused(V5, 0x10, &body, error);
    }
    for (rest, error) in [
        ("00 003C 0000", E::ClientIdEmpty),
        ("42 003C 0000 0001 70", E::PasswordWithoutUserName),
        ("03 003C 0000", E::ConnectFlags),
        ("02 003C 00 0000", E::TrailingBytes),
    ] {
        refused(V3_1_1, 0x10, &format!("{V3_CONNECT} {rest}"), error);
    }
}

#[test]
fn connack() {
    all(
        V5,
        0x20,
        &[
            ("", E::Truncated),
            ("00", E::Truncated),
            ("00 00", E::Truncated),
            ("02 00 00", E::ConnAckFlags),
            ("80 00 00", E::ConnAckFlags),
            ("01 87 00", E::SessionPresentWithError),
            ("00 01 00", E::ReasonCode),
            ("00 8E 00", E::ReasonCode),
            ("00 FF 00", E::ReasonCode),
            ("00 00 00 00", E::TrailingBytes),
            ("00 00 02 24 02", E::PropertyNotZeroOrOne),
            ("00 00 02 2A 02", E::PropertyNotZeroOrOne),
            ("00 00 03 21 0000", E::ReceiveMaximumZero),
            ("00 00 05 27 00000000", E::MaximumPacketSizeZero),
            ("00 00 04 25 01 25 01", E::PropertyRepeated),
            ("00 00 02 17 01", E::PropertyNotAllowed),
            ("00 00 04 16 0001 00", E::AuthenticationDataWithoutMethod),
        ],
    );
    all(
        V3_1_1,
        0x20,
        &[
            ("00", E::Truncated),
            ("02 00", E::ConnAckFlags),
            ("00 06", E::ReasonCode),
            ("01 05", E::SessionPresentWithError),
            ("00 00 00", E::TrailingBytes),
        ],
    );
}

#[test]
fn publish() {
    all(
        V5,
        0x32,
        &[
            ("", E::Truncated),
            ("0001", E::Truncated),
            ("0001 61", E::Truncated),
            ("0001 61 0001", E::Truncated),
            ("0001 61 0000 00", E::PacketIdZero),
            ("0001 61 0001 01", E::Truncated),
            ("0001 61 0001 80 00", E::VariableByteInteger),
            ("0000 0001 00", E::TopicMissing),
            ("0001 23 0001 00", E::TopicName(TopicError::WildcardInName)),
            ("0003 612F2B 0001 00", E::TopicName(TopicError::WildcardInName)),
            ("0001 2B 0001 03 23 0001", E::TopicName(TopicError::WildcardInName)),
            ("0001 00 0001 00", E::NullCharacter),
            ("0001 FF 0001 00", E::Utf8),
            ("0002 C080 0001 00", E::Utf8),
            ("0003 EDBFBF 0001 00", E::Utf8),
            ("0001 61 0001 02 01 02", E::PropertyNotZeroOrOne),
            ("0001 61 0001 04 01 00 01 00", E::PropertyRepeated),
            ("0001 61 0001 0A 02 00000001 02 00000001", E::PropertyRepeated),
            ("0001 61 0001 06 23 0001 23 0001", E::PropertyRepeated),
            ("0001 61 0001 08 08 0001 61 08 0001 61", E::PropertyRepeated),
            ("0001 61 0001 06 09 0000 09 0000", E::PropertyRepeated),
            ("0001 61 0001 06 03 0000 03 0000", E::PropertyRepeated),
            ("0001 61 0001 03 23 0000", E::TopicAliasZero),
            ("0001 61 0001 02 0B 00", E::SubscriptionIdentifierZero),
            ("0001 61 0001 03 0B 80 00", E::VariableByteInteger),
            ("0001 61 0001 06 0B 80 80 80 80 01", E::VariableByteInteger),
            ("0001 61 0001 03 08 0000", E::TopicName(TopicError::Empty)),
            ("0001 61 0001 04 08 0001 2B", E::TopicName(TopicError::WildcardInName)),
            ("0001 61 0001 04 08 0001 00", E::NullCharacter),
            ("0001 61 0001 04 03 0001 00", E::NullCharacter),
            ("0001 61 0001 04 03 0001 80", E::Utf8),
            ("0001 61 0001 06 26 0001 00 0000", E::NullCharacter),
            ("0001 61 0001 06 26 0000 0001 00", E::NullCharacter),
            ("0001 61 0001 06 26 0000 0001 C3", E::Utf8),
            ("0001 61 0001 05 11 00000001", E::PropertyNotAllowed),
            ("0001 61 0001 05 1F 0002 6161", E::PropertyNotAllowed),
            ("0001 61 0001 02 01", E::Truncated),
            ("0001 61 0001 01 01", E::Truncated),
            ("0001 61 0001 04 09 0002 00 00", E::Truncated),
        ],
    );
    all(
        V3_1_1,
        0x32,
        &[
            ("0000 0001", E::TopicName(TopicError::Empty)),
            ("0001 2B 0001", E::TopicName(TopicError::WildcardInName)),
            ("0001 61 0000", E::PacketIdZero),
            ("0001 61 00", E::Truncated),
        ],
    );
}

#[test]
fn acknowledgements_of_publish() {
    for header in [0x40, 0x50, 0x62, 0x70] {
        all(
            V5,
            header,
            &[
                ("", E::Truncated),
                ("00", E::Truncated),
                ("0000", E::PacketIdZero),
                ("0001 01", E::ReasonCode),
                ("0001 9F", E::ReasonCode),
                ("0001 FF", E::ReasonCode),
                ("0001 00 01", E::Truncated),
                ("0001 00 00 00", E::TrailingBytes),
                ("0001 00 02 01 00", E::PropertyNotAllowed),
                ("0001 00 08 1F 0001 61 1F 0001 61", E::PropertyRepeated),
                ("0001 00 04 1F 0001 00", E::NullCharacter),
            ],
        );
        all(
            V3_1_1,
            header,
            &[("0000", E::PacketIdZero), ("0001 00", E::TrailingBytes), ("00", E::Truncated)],
        );
    }
    refused(V5, 0x40, "0001 92", E::ReasonCode);
    refused(V5, 0x50, "0001 92", E::ReasonCode);
    refused(V5, 0x62, "0001 10", E::ReasonCode);
    refused(V5, 0x70, "0001 87", E::ReasonCode);
}

#[test]
fn subscribe() {
    all(
        V5,
        0x82,
        &[
            ("", E::Truncated),
            ("0001", E::Truncated),
            ("0000 00 0001 61 00", E::PacketIdZero),
            ("0001 00", E::NoFilters),
            ("0001 00 0001 61", E::Truncated),
            ("0001 00 0001 61 00 00", E::Truncated),
            ("0001 00 0000 00", E::TopicFilter(TopicError::Empty)),
            ("0001 00 0002 6123 00", E::TopicFilter(TopicError::MultiLevelWildcard)),
            ("0001 00 0003 232F61 00", E::TopicFilter(TopicError::MultiLevelWildcard)),
            ("0001 00 0002 612B 00", E::TopicFilter(TopicError::SingleLevelWildcard)),
            ("0001 00 0009 2473686172652F672F 00", E::TopicFilter(TopicError::ShareFilter)),
            ("0001 00 0009 2473686172652F2F61 00", E::TopicFilter(TopicError::ShareName)),
            ("0001 00 0001 00 00", E::NullCharacter),
            ("0001 00 0001 FF 00", E::Utf8),
            ("0001 00 0001 61 03", E::SubscriptionQoS),
            ("0001 00 0001 61 30", E::RetainHandling),
            ("0001 00 0001 61 40", E::SubscriptionOptions),
            ("0001 00 0001 61 80", E::SubscriptionOptions),
            ("0001 00 0001 61 00 0001 61 C1", E::SubscriptionOptions),
            ("0001 00 000A 2473686172652F672F61 05", E::NoLocalOnShared),
            ("0001 02 0B 00 0001 61 00", E::SubscriptionIdentifierZero),
            ("0001 04 0B 01 0B 02 0001 61 00", E::PropertyRepeated),
            ("0001 04 1F 0001 61 0001 61 00", E::PropertyNotAllowed),
        ],
    );
    all(
        V3_1_1,
        0x82,
        &[
            ("0001", E::NoFilters),
            ("0001 0001 61 03", E::SubscriptionQoS),
            ("0001 0001 61 04", E::SubscriptionOptions),
            ("0001 0001 61 10", E::SubscriptionOptions),
            ("0001 0002 2B61 00", E::TopicFilter(TopicError::SingleLevelWildcard)),
        ],
    );
}

#[test]
fn suback() {
    all(
        V5,
        0x90,
        &[
            ("0000 00 00", E::PacketIdZero),
            ("0001 00", E::NoReasonCodes),
            ("0001 00 03", E::ReasonCode),
            ("0001 00 00 11", E::ReasonCode),
            ("0001 02 0B 01 00", E::PropertyNotAllowed),
        ],
    );
    all(V3_1_1, 0x90, &[("0001", E::NoReasonCodes), ("0001 03", E::ReasonCode), ("0001 87", E::ReasonCode)]);
}

#[test]
fn unsubscribe() {
    all(
        V5,
        0xA2,
        &[
            ("0000 00 0001 61", E::PacketIdZero),
            ("0001 00", E::NoFilters),
            ("0001 00 0000", E::TopicFilter(TopicError::Empty)),
            ("0001 00 0002 2323", E::TopicFilter(TopicError::MultiLevelWildcard)),
            ("0001 00 0001 61 00", E::Truncated),
            ("0001 02 0B 01 0001 61", E::PropertyNotAllowed),
        ],
    );
    all(V3_1_1, 0xA2, &[("0001", E::NoFilters), ("0000 0001 61", E::PacketIdZero)]);
}

#[test]
fn unsuback() {
    all(
        V5,
        0xB0,
        &[
            ("0001", E::Truncated),
            ("0001 00", E::NoReasonCodes),
            ("0001 00 01", E::ReasonCode),
            ("0001 00 97", E::ReasonCode),
        ],
    );
    all(V3_1_1, 0xB0, &[("0000", E::PacketIdZero), ("0001 00", E::TrailingBytes)]);
}

#[test]
fn ping() {
    for version in [V3_1_1, V5] {
        refused(version, 0xC0, "00", E::TrailingBytes);
        refused(version, 0xD0, "00", E::TrailingBytes);
    }
}

#[test]
fn disconnect() {
    all(
        V5,
        0xE0,
        &[
            ("01", E::ReasonCode),
            ("84", E::ReasonCode),
            ("92", E::ReasonCode),
            ("00 00 00", E::TrailingBytes),
            ("00 03 11 0000", E::Truncated),
            ("00 02 01 00", E::PropertyNotAllowed),
            ("00 0A 11 00000000 11 00000000", E::PropertyRepeated),
        ],
    );
    refused(V3_1_1, 0xE0, "00", E::TrailingBytes);
}

#[test]
fn auth() {
    all(
        V5,
        0xF0,
        &[
            ("18", E::Truncated),
            ("01 04 15 0001 6D", E::ReasonCode),
            ("18 00", E::AuthenticationMethodMissing),
            ("18 04 16 0001 00", E::AuthenticationMethodMissing),
            ("18 08 15 0001 6D 15 0001 6D", E::PropertyRepeated),
            ("18 06 15 0001 6D 01 00", E::PropertyNotAllowed),
            ("18 04 15 0001 6D 00", E::TrailingBytes),
        ],
    );
    refused(V3_1_1, 0xF0, "", E::PacketType);
}

#[test]
fn a_frame_made_by_hand_is_checked_too() {
    let frame = |header| Frame { header, body: &[], len: 2 };
    assert_eq!(frame(0x00).decode(V5), Err(E::PacketType));
    assert_eq!(frame(0xC1).decode(V5), Err(E::Flags));
    assert_eq!(frame(0x38).decode(V5), Err(E::DupWithQoS0));
    assert_eq!(frame(0x36).decode(V5), Err(E::PublishQoS));
}

#[test]
fn each_error_has_the_reason_code_that_the_standard_gives_it() {
    let wildcard = TopicError::WildcardInName;
    for (error, reason) in [
        (E::Flags, ReasonCode::MalformedPacket),
        (E::Truncated, ReasonCode::MalformedPacket),
        (E::TrailingBytes, ReasonCode::MalformedPacket),
        (E::VariableByteInteger, ReasonCode::MalformedPacket),
        (E::Utf8, ReasonCode::MalformedPacket),
        (E::PropertyNotAllowed, ReasonCode::MalformedPacket),
        (E::SubscriptionOptions, ReasonCode::MalformedPacket),
        (E::PropertyRepeated, ReasonCode::ProtocolError),
        (E::ReceiveMaximumZero, ReasonCode::ProtocolError),
        (E::NoFilters, ReasonCode::ProtocolError),
        (E::RetainHandling, ReasonCode::ProtocolError),
        (E::TopicMissing, ReasonCode::ProtocolError),
        (E::ProtocolLevel, ReasonCode::UnsupportedProtocolVersion),
        (E::ProtocolName, ReasonCode::UnsupportedProtocolVersion),
        (E::ClientIdEmpty, ReasonCode::ClientIdentifierNotValid),
        (E::TopicName(wildcard), ReasonCode::MalformedPacket),
        (E::TopicFilter(wildcard), ReasonCode::MalformedPacket),
        (E::TopicAliasZero, ReasonCode::TopicAliasInvalid),
        (E::PacketTooLarge, ReasonCode::PacketTooLarge),
    ] {
        assert_eq!(error.reason(), reason, "{error}");
        assert!(reason.is_error());
    }
    assert_eq!(
        E::TopicName(wildcard).to_string(),
        "invalid topic name: a topic name contains a wildcard [MQTT-4.7.0-1]"
    );
}
