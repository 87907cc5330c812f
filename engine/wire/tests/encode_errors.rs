//! Packets that no receiver would accept are not written, and the buffer stays as it was.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use mayfly_wire::EncodeError as E;
use mayfly_wire::ProtocolVersion::{V3_1_1, V5};
use mayfly_wire::{
    AckProperties, Auth, AuthProperties, ConnAck, ConnAckProperties, Connect, ConnectProperties, Packet,
    PacketId, ProtocolVersion, PubAck, Publish, PublishProperties, QoS, ReasonCode, RetainHandling, SubAck,
    Subscribe, SubscribeFilters, SubscribeProperties, Subscription, SubscriptionIdentifiers,
    SubscriptionOptions, TopicError, TopicFilter, UnsubAck, Unsubscribe, UnsubscribeFilters,
    UnsubscribeProperties, UserProperties,
};

const ONE: PacketId = PacketId::new(1).unwrap();

const PUBLISH: Publish<'static> = Publish {
    dup: false,
    qos: QoS::AtMostOnce,
    retain: false,
    topic: "a",
    packet_id: None,
    properties: PublishProperties {
        payload_format_indicator: None,
        message_expiry_interval_s: None,
        topic_alias: None,
        response_topic: None,
        correlation_data: None,
        content_type: None,
        user_properties: UserProperties::from_pairs(&[]),
        subscription_identifiers: SubscriptionIdentifiers::from_slice(&[]),
    },
    payload: b"",
};

fn refused(version: ProtocolVersion, packet: &Packet<'_>, error: E) {
    let mut out = b"before".to_vec();
    assert_eq!(packet.encode(version, &mut out), Err(error), "{version:?} {error}");
    assert_eq!(out, b"before");
}

#[test]
fn publish() {
    let huge = vec![0; 268_435_455];
    let long = "a".repeat(65_536);
    let with = |properties| Publish { properties, ..PUBLISH };
    let none = PUBLISH.properties;
    for (bad, error) in [
        (Publish { dup: true, ..PUBLISH }, E::DupWithQoS0),
        (Publish { packet_id: Some(ONE), ..PUBLISH }, E::PacketId),
        (Publish { qos: QoS::ExactlyOnce, ..PUBLISH }, E::PacketId),
        (Publish { topic: "", ..PUBLISH }, E::TopicName(TopicError::Empty)),
        (Publish { topic: "a/#", ..PUBLISH }, E::TopicName(TopicError::WildcardInName)),
        (Publish { topic: &long, ..PUBLISH }, E::TopicName(TopicError::TooLong)),
        (Publish { payload: &huge, ..PUBLISH }, E::PacketTooLarge),
        (with(PublishProperties { content_type: Some(&long), ..none }), E::TooLong),
        (with(PublishProperties { content_type: Some("\0"), ..none }), E::NullCharacter),
        (with(PublishProperties { correlation_data: Some(&huge), ..none }), E::TooLong),
    ] {
        refused(V5, &Packet::Publish(bad), error);
    }
    for identifiers in [&[1, 0], &[1, 268_435_456]] {
        let subscription_identifiers = SubscriptionIdentifiers::from_slice(identifiers);
        let bad = with(PublishProperties { subscription_identifiers, ..none });
        refused(V5, &Packet::Publish(bad), E::SubscriptionIdentifier);
    }
}

#[test]
fn connect_and_connack() {
    let connect = Connect {
        version: V3_1_1,
        clean_start: false,
        keep_alive_s: 0,
        client_id: "a",
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    };
    let data = ConnectProperties { authentication_data: Some(b""), ..ConnectProperties::default() };
    for (bad, error) in [
        (Connect { client_id: "", ..connect }, E::ClientIdEmpty),
        (Connect { password: Some(b""), ..connect }, E::PasswordWithoutUserName),
        (Connect { client_id: "\0", ..connect }, E::NullCharacter),
        (Connect { version: V5, properties: data, ..connect }, E::AuthenticationMethodMissing),
    ] {
        refused(V5, &Packet::Connect(bad), error);
    }
    let connack = ConnAck {
        session_present: true,
        reason: ReasonCode::Success,
        properties: ConnAckProperties::default(),
    };
    let qos_2 = ConnAckProperties { maximum_qos: Some(QoS::ExactlyOnce), ..connack.properties };
    let fresh = ConnAck { session_present: false, ..connack };
    for (version, bad, error) in [
        (V5, ConnAck { reason: ReasonCode::Banned, ..connack }, E::SessionPresentWithError),
        (V5, ConnAck { reason: ReasonCode::SessionTakenOver, ..fresh }, E::ReasonCode),
        (V3_1_1, ConnAck { reason: ReasonCode::Banned, ..fresh }, E::ReasonCode),
        (V5, ConnAck { properties: qos_2, ..fresh }, E::MaximumQoS),
    ] {
        refused(version, &Packet::ConnAck(bad), error);
    }
}

#[test]
fn subscribe_and_suback() {
    let options = SubscriptionOptions {
        qos: QoS::AtMostOnce,
        no_local: true,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    };
    let shared = [Subscription { filter: TopicFilter::parse("$share/g/a").unwrap(), options }];
    let none = SubscribeProperties::default();
    let subscribe =
        Subscribe { packet_id: ONE, properties: none, filters: SubscribeFilters::from_slice(&[]) };
    refused(V5, &Packet::Subscribe(subscribe), E::NoFilters);
    let filters = SubscribeFilters::from_slice(&shared);
    refused(V5, &Packet::Subscribe(Subscribe { filters, ..subscribe }), E::NoLocalOnShared);
    let properties = SubscribeProperties { subscription_identifier: Some(0), ..none };
    refused(V5, &Packet::Subscribe(Subscribe { properties, ..subscribe }), E::SubscriptionIdentifier);
    let filters = UnsubscribeFilters::from_slice(&[]);
    let unsubscribe = Unsubscribe { packet_id: ONE, properties: UnsubscribeProperties::default(), filters };
    refused(V3_1_1, &Packet::Unsubscribe(unsubscribe), E::NoFilters);

    let suback = SubAck { packet_id: ONE, properties: AckProperties::default(), reasons: &[] };
    let unsuback = UnsubAck { packet_id: ONE, properties: AckProperties::default(), reasons: &[] };
    refused(V5, &Packet::SubAck(suback), E::NoReasonCodes);
    refused(V5, &Packet::UnsubAck(unsuback), E::NoReasonCodes);
    refused(V5, &Packet::SubAck(SubAck { reasons: &[3], ..suback }), E::ReasonCode);
    refused(V5, &Packet::UnsubAck(UnsubAck { reasons: &[1], ..unsuback }), E::ReasonCode);
}

#[test]
fn puback_and_auth() {
    let puback = PubAck {
        packet_id: ONE,
        reason: ReasonCode::PacketIdentifierNotFound,
        properties: AckProperties::default(),
    };
    refused(V5, &Packet::PubAck(puback), E::ReasonCode);
    let auth = Auth { reason: ReasonCode::ContinueAuthentication, properties: AuthProperties::default() };
    refused(V5, &Packet::Auth(auth), E::AuthenticationMethodMissing);
    refused(V3_1_1, &Packet::Auth(auth), E::NotInVersion);
    refused(V5, &Packet::Auth(Auth { reason: ReasonCode::Banned, ..auth }), E::ReasonCode);
}
