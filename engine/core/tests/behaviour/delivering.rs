//! PUBLISH from one client to another: QoS, properties, acknowledgements.

use mayfly_wire::{Packet, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, UserProperties};

use crate::harness::World;
use crate::harness::packets::{id, qos_0, qos_1, topic};

fn rich_properties() -> PublishProperties<'static> {
    PublishProperties {
        payload_format_indicator: Some(true),
        message_expiry_interval_s: Some(60),
        response_topic: Some(topic("reply/here")),
        correlation_data: Some(&[0, 1, 255]),
        content_type: Some("text/plain"),
        user_properties: UserProperties::from_pairs(&[("b", "2"), ("a", "1"), ("b", ""), ("", "é")]),
        ..PublishProperties::default()
    }
}

#[test]
fn qos_is_the_lower_of_published_and_granted() {
    for (published, granted, expected) in [
        (QoS::AtMostOnce, QoS::AtMostOnce, QoS::AtMostOnce),
        (QoS::AtMostOnce, QoS::AtLeastOnce, QoS::AtMostOnce),
        (QoS::AtLeastOnce, QoS::AtMostOnce, QoS::AtMostOnce),
        (QoS::AtLeastOnce, QoS::AtLeastOnce, QoS::AtLeastOnce),
    ] {
        let mut world = World::new();
        let (publisher, subscriber) = (world.connect("p"), world.connect("s"));
        world.subscribe(subscriber, "t", granted);
        let reason = world.publish(publisher, Publish { qos: published, ..qos_0("t", "hello") });
        assert_eq!(reason, (published == QoS::AtLeastOnce).then_some(ReasonCode::Success));
        let packet_id = (expected == QoS::AtLeastOnce).then(|| id(1));
        assert_eq!(world.message(subscriber), Publish { qos: expected, packet_id, ..qos_0("t", "hello") });
        assert!(world.received(publisher).is_empty());
    }
}

#[test]
fn properties_are_forwarded_byte_for_byte() {
    let mut world = World::new();
    let (publisher, subscriber) = (world.connect("p"), world.connect("s"));
    world.subscribe(subscriber, "t", QoS::AtMostOnce);
    world.set_reads(subscriber, false);
    let message = Publish { properties: rich_properties(), ..qos_0("t", "hello") };
    world.publish(publisher, message);
    let mut expected = Vec::new();
    Packet::Publish(message).encode(ProtocolVersion::V5, &mut expected).unwrap();
    assert_eq!(world.connection(subscriber).outgoing(), expected);
}

#[test]
fn properties_stay_behind_on_the_way_to_3_1_1() {
    let mut world = World::new();
    let (publisher, subscriber) = (world.connect("p"), world.connect_3_1_1("s"));
    world.subscribe(subscriber, "t", QoS::AtLeastOnce);
    world.publish(publisher, Publish { properties: rich_properties(), ..qos_1("t", "hello") });
    assert_eq!(world.message(subscriber), Publish { packet_id: Some(id(1)), ..qos_1("t", "hello") });
}

#[test]
fn messages_of_3_1_1_reach_version_5_and_back() {
    let mut world = World::new();
    let (old, new) = (world.connect_3_1_1("old"), world.connect("new"));
    world.subscribe(old, "#", QoS::AtMostOnce);
    world.subscribe(new, "#", QoS::AtMostOnce);
    assert_eq!(world.publish(old, qos_1("t", "from old")), Some(ReasonCode::Success));
    assert_eq!(world.publish(new, qos_1("t", "from new")), Some(ReasonCode::Success));
    assert_eq!(world.payloads(old), ["from old", "from new"]);
    assert_eq!(world.payloads(new), ["from old", "from new"]);
}

#[test]
fn a_message_that_nobody_gets_is_acknowledged_so() {
    let mut world = World::new();
    let client = world.connect("p");
    assert_eq!(world.publish(client, qos_1("t", "x")), Some(ReasonCode::NoMatchingSubscribers));
    let old = world.connect_3_1_1("old");
    assert_eq!(world.publish(old, qos_1("t", "x")), Some(ReasonCode::Success), "3.1.1 has no reason codes");
}

#[test]
fn an_empty_payload_is_a_message() {
    let mut world = World::new();
    let client = world.connect("a");
    world.subscribe(client, "t", QoS::AtMostOnce);
    world.publish(client, qos_0("t", ""));
    assert_eq!(world.payloads(client), [""]);
}

#[test]
fn the_publisher_gets_its_own_message_before_its_acknowledgement() {
    let mut world = World::new();
    let client = world.connect("a");
    world.subscribe(client, "t", QoS::AtLeastOnce);
    world.send(client, Packet::Publish(Publish { packet_id: Some(id(9)), ..qos_1("t", "x") }));
    assert!(matches!(world.next(client), Packet::Publish(_)));
    assert!(matches!(world.next(client), Packet::PubAck(ack) if ack.packet_id == id(9)));
}

#[test]
fn acknowledgements_of_nothing_are_ignored() {
    let mut world = World::new();
    let client = world.connect("a");
    world.ack(client, Some(id(7)));
    world.send(client, Packet::PingReq);
    assert_eq!(world.only(client), Packet::PingResp);
}

#[test]
fn a_message_leaves_memory_with_its_last_receiver() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let receivers = [world.connect("a"), world.connect("b")];
    for receiver in receivers {
        world.subscribe(receiver, "t", QoS::AtLeastOnce);
    }
    world.publish(publisher, qos_1("t", "x"));
    for (receiver, left) in receivers.into_iter().zip([1, 0]) {
        let messages = world.messages(receiver);
        world.ack_all(receiver, &messages);
        assert_eq!(world.broker.statistics().messages, left);
    }
}

#[test]
fn bytes_may_come_one_by_one() {
    let mut world = World::new();
    let client = world.connect("a");
    world.subscribe(client, "t", QoS::AtMostOnce);
    let mut bytes = Vec::new();
    Packet::Publish(qos_0("t", "slowly")).encode(ProtocolVersion::V5, &mut bytes).unwrap();
    Packet::PingReq.encode(ProtocolVersion::V5, &mut bytes).unwrap();
    for byte in bytes {
        world.send_bytes(client, &[byte]);
    }
    assert!(matches!(world.next(client), Packet::Publish(message) if message.payload == b"slowly"));
    assert_eq!(world.only(client), Packet::PingResp);
}
