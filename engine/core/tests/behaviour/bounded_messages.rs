//! Named bounds of what a client sends, each with its answer: topic levels, payload format, client identifiers.

use std::time::Duration;

use mayfly_core::{ConnectionConfig, Limits};
use mayfly_wire::{
    Packet, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, Will, WillProperties,
};

use crate::harness::World;
use crate::harness::packets::{self, id, qos_0};
use crate::harness::store::Request;

fn strict() -> World {
    let config = ConnectionConfig {
        max_topic_levels: 3,
        max_client_id_len: 5,
        checks_payload_format: true,
        ..ConnectionConfig::default()
    };
    World::with(config, Limits::default())
}

fn text(payload: &'static [u8]) -> Publish<'static> {
    let properties =
        PublishProperties { payload_format_indicator: Some(true), ..PublishProperties::default() };
    Publish { properties, payload, ..qos_0("t", "") }
}

/// The answer to a message at each QoS, and that it goes nowhere.
fn assert_refused(message: Publish<'_>, reason: ReasonCode) {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut world = strict();
        let (client, witness) = (world.connect("a"), world.connect("w"));
        world.subscribe(witness, "#", QoS::AtMostOnce);
        let packet_id = (qos > QoS::AtMostOnce).then(|| id(9));
        world.send(client, Packet::Publish(Publish { qos, packet_id, ..message }));
        match (qos, world.only(client)) {
            (QoS::AtMostOnce, Packet::Disconnect(packet)) => assert_eq!(packet.reason, reason),
            (QoS::AtLeastOnce, Packet::PubAck(ack)) => {
                assert_eq!((ack.packet_id, ack.reason), (id(9), reason));
            }
            (QoS::ExactlyOnce, Packet::PubRec(ack)) => {
                assert_eq!((ack.packet_id, ack.reason), (id(9), reason));
            }
            (_, other) => panic!("{qos:?} is answered with {other:?}"),
        }
        assert_eq!(world.is_closed(client), qos == QoS::AtMostOnce);
        assert!(world.received(witness).is_empty(), "{qos:?}");
    }
}

#[test]
fn topics_have_so_many_levels_and_no_more() {
    assert_refused(qos_0("a/b/c/d", "x"), ReasonCode::TopicNameInvalid);
    assert_refused(qos_0("///", "x"), ReasonCode::TopicNameInvalid);
    let mut world = strict();
    let client = world.connect("a");
    world.subscribe(client, "#", QoS::AtMostOnce);
    world.publish(client, qos_0("a/b/c", "x"));
    world.publish(client, qos_0("//", "x"));
    assert_eq!(world.messages(client).len(), 2);
}

#[test]
fn a_topic_behind_an_alias_has_no_more_levels_than_another() {
    let properties =
        PublishProperties { topic_alias: std::num::NonZeroU16::new(1), ..PublishProperties::default() };
    assert_refused(Publish { properties, ..qos_0("a/b/c/d", "x") }, ReasonCode::TopicNameInvalid);
    let mut world = strict();
    let client = world.connect("a");
    let first = Publish { properties, qos: QoS::AtLeastOnce, ..qos_0("a/b/c/d", "x") };
    assert_eq!(world.publish(client, first), Some(ReasonCode::TopicNameInvalid));
    assert_eq!(world.publish(client, Publish { topic: "", ..first }), Some(ReasonCode::TopicNameInvalid));
}

#[test]
fn payloads_that_are_not_the_text_they_say_are_refused() {
    assert_refused(text(&[0xFF]), ReasonCode::PayloadFormatInvalid);
    assert_refused(text(b"cut off \xE2\x82"), ReasonCode::PayloadFormatInvalid);
    let mut world = strict();
    let client = world.connect("a");
    world.subscribe(client, "#", QoS::AtMostOnce);
    world.publish(client, text("température".as_bytes()));
    world.publish(client, Publish { payload: &[0xFF], ..qos_0("t", "") });
    assert_eq!(world.messages(client).len(), 2);
}

#[test]
fn payloads_are_not_looked_at_unless_the_listener_wants_it() {
    let mut world = World::new();
    let client = world.connect("a");
    world.subscribe(client, "#", QoS::AtMostOnce);
    world.publish(client, text(&[0xFF]));
    assert_eq!(world.message(client).payload, [0xFF]);
}

#[test]
fn wills_are_held_to_the_same() {
    let will = packets::will("w");
    let properties = WillProperties { payload_format_indicator: Some(true), ..WillProperties::default() };
    for (will, reason) in [
        (Will { topic: packets::topic("a/b/c/d"), ..will }, ReasonCode::TopicNameInvalid),
        (Will { properties, payload: &[0xFF], ..will }, ReasonCode::PayloadFormatInvalid),
    ] {
        let mut world = strict();
        let mut connect = packets::connect("a");
        connect.will = Some(will);
        let client = world.open(connect);
        assert_eq!(world.conn_ack(client).reason, reason);
        assert!(world.received(client).is_empty() && world.is_closed(client));
        assert_eq!(world.broker.statistics().sessions, 0);
    }
}

#[test]
fn client_identifiers_have_so_many_bytes_and_no_more() {
    for version in [ProtocolVersion::V5, ProtocolVersion::V3_1_1] {
        for (client_id, reason) in [
            ("12345", ReasonCode::Success),
            ("123456", ReasonCode::ClientIdentifierNotValid),
            ("", ReasonCode::Success),
        ] {
            let mut world = strict();
            let mut connect = packets::connect(client_id);
            connect.version = version;
            let client = world.open(connect);
            assert_eq!(world.conn_ack(client).reason, reason, "{client_id:?}");
            assert_eq!(world.is_closed(client), reason.is_error());
        }
    }
}

#[test]
fn mqtt_3_1_1_has_no_word_for_a_refused_message() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        let mut world = strict();
        let client = world.connect_3_1_1("a");
        let packet_id = (qos > QoS::AtMostOnce).then(|| id(9));
        world.send(client, Packet::Publish(Publish { qos, packet_id, ..qos_0("a/b/c/d", "x") }));
        assert!(world.received(client).is_empty() && world.is_closed(client));
    }
}

/// The broker has to hear of it: what the packet identifier stood for is over.
#[test]
fn a_refused_message_frees_its_packet_identifier() {
    let no_qos_2 = Limits { max_unreleased_messages: 0, ..Limits::default() };
    for (limits, qos, payload, answer) in [
        (
            Limits::default(),
            QoS::AtLeastOnce,
            &b"\xff"[..],
            packets::pub_ack(id(900), ReasonCode::PayloadFormatInvalid),
        ),
        (no_qos_2, QoS::ExactlyOnce, b"x", packets::pub_rec(id(900), ReasonCode::QuotaExceeded)),
    ] {
        let config = ConnectionConfig { checks_payload_format: true, ..ConnectionConfig::default() };
        let mut world = World::with(config, limits);
        let client = world.store_client("a");
        let set = Request::new(&[b"SET", b"k", b"v", b"NX"]).timestamp("1:0:c");
        let set = Request { packet_id: Some(900), ..set };
        assert_eq!(world.ask(client, &set).payload, "+OK\r\n");
        world.send(client, Packet::Publish(Publish { qos, packet_id: Some(id(900)), ..text(payload) }));
        assert_eq!(world.only(client), answer);
        world.advance(Duration::from_secs(11));
        // The client has the request's PUBACK, so this is no replay once the request's time is over.
        assert_eq!(world.ask(client, &set).payload, ":-1\r\n");
        assert_eq!(world.broker.statistics().requests_replayed, 0);
    }
}

/// A listener may have become strict between two connections of a client.
#[test]
fn a_refused_message_is_not_taken_for_one_that_was_taken() {
    let mut world = strict();
    let (client, witness) = (world.connect("a"), world.connect("w"));
    world.subscribe(witness, "#", QoS::AtMostOnce);
    let message =
        |payload| Packet::Publish(Publish { qos: QoS::ExactlyOnce, packet_id: Some(id(9)), ..text(payload) });
    world.send(client, message(b"1"));
    assert_eq!(world.only(client), packets::pub_rec(id(9), ReasonCode::Success));
    world.send(client, message(b"\xff"));
    assert_eq!(world.only(client), packets::pub_rec(id(9), ReasonCode::PayloadFormatInvalid));
    world.send(client, message(b"2"));
    assert_eq!(world.only(client), packets::pub_rec(id(9), ReasonCode::Success));
    assert_eq!(world.payloads(witness), ["1", "2"]);
}
