//! How many messages of a client may be unacknowledged: the server's Receive Maximum [MQTT 5, section 4.9].

use std::num::NonZeroU16;

use mayfly_core::{ConnectionConfig, Limits, ReceiveExcess};
use mayfly_wire::{AckProperties, Connect, Packet, ProtocolVersion, PubRel, Publish, QoS, ReasonCode};

use crate::harness::packets::{id, lasting, qos_0, qos_1};
use crate::harness::{Client, World};

fn world(receive_maximum: u16, receive_excess: ReceiveExcess) -> World {
    let receive_maximum = NonZeroU16::new(receive_maximum).unwrap();
    let config = ConnectionConfig { receive_maximum, receive_excess, ..ConnectionConfig::default() };
    World::with(config, Limits::default())
}

fn send_qos_2(world: &mut World, client: Client, packet_id: u16) {
    let publish = Publish { qos: QoS::ExactlyOnce, packet_id: Some(id(packet_id)), ..qos_0("t", "x") };
    world.send(client, Packet::Publish(publish));
}

fn release(world: &mut World, client: Client, packet_id: u16) {
    let properties = AckProperties::default();
    world.send(
        client,
        Packet::PubRel(PubRel { packet_id: id(packet_id), reason: ReasonCode::Success, properties }),
    );
}

#[test]
fn it_is_told_unless_it_is_the_default() {
    for (maximum, told) in [(7, NonZeroU16::new(7)), (65_535, None)] {
        let (_, ack) = world(maximum, ReceiveExcess::Disconnect).connect_with("a", |_| ());
        assert_eq!(ack.properties.receive_maximum, told);
    }
}

#[test]
fn one_message_more_than_it_ends_the_connection() {
    let mut world = world(2, ReceiveExcess::Disconnect);
    let client = world.connect("a");
    send_qos_2(&mut world, client, 1);
    send_qos_2(&mut world, client, 2);
    assert_eq!(world.received(client).len(), 2, "two PUBRECs");
    world.publish(client, qos_0("t", "QoS 0 does not count"));
    assert!(world.received(client).is_empty());
    send_qos_2(&mut world, client, 3);
    world.assert_disconnected(client, ReasonCode::ReceiveMaximumExceeded);
}

#[test]
fn qos_1_counts_beside_qos_2() {
    let mut world = world(1, ReceiveExcess::Disconnect);
    let client = world.connect("a");
    for _ in 0..5 {
        world.publish(client, qos_1("t", "acknowledged at once"));
    }
    send_qos_2(&mut world, client, 100);
    world.received(client);
    world.send(client, Packet::Publish(Publish { packet_id: Some(id(101)), ..qos_1("t", "one more") }));
    world.assert_disconnected(client, ReasonCode::ReceiveMaximumExceeded);
}

#[test]
fn pub_comp_makes_room_and_pub_rec_does_not() {
    let mut world = world(1, ReceiveExcess::Disconnect);
    let client = world.connect("a");
    for packet_id in 1..=20 {
        send_qos_2(&mut world, client, packet_id);
        assert!(matches!(world.only(client), Packet::PubRec(_)));
        release(&mut world, client, packet_id);
        assert!(matches!(world.only(client), Packet::PubComp(_)));
    }
    send_qos_2(&mut world, client, 21);
    world.received(client);
    send_qos_2(&mut world, client, 22);
    world.assert_disconnected(client, ReasonCode::ReceiveMaximumExceeded);
}

#[test]
fn a_pub_rec_that_refuses_makes_room() {
    let config = ConnectionConfig {
        receive_maximum: NonZeroU16::MIN,
        checks_payload_format: true,
        ..ConnectionConfig::default()
    };
    let mut world = World::with(config, Limits::default());
    let client = world.connect("a");
    for packet_id in 1..=3 {
        let mut publish = Publish { qos: QoS::ExactlyOnce, packet_id: Some(id(packet_id)), ..qos_0("t", "") };
        publish.properties.payload_format_indicator = Some(true);
        publish.payload = &[0xFF];
        world.send(client, Packet::Publish(publish));
        assert!(matches!(world.only(client), Packet::PubRec(ack) if ack.reason.is_error()));
    }
}

#[test]
fn pub_comp_for_an_earlier_connections_message_makes_no_extra_room() {
    let mut world = world(1, ReceiveExcess::Disconnect);
    let (first, _) = world.resume("a");
    send_qos_2(&mut world, first, 1);
    world.lose(first);
    let (second, _) = world.resume("a");
    release(&mut world, second, 1);
    assert!(matches!(world.only(second), Packet::PubComp(_)));
    send_qos_2(&mut world, second, 2);
    world.received(second);
    send_qos_2(&mut world, second, 3);
    world.assert_disconnected(second, ReasonCode::ReceiveMaximumExceeded);
}

fn is_never_disconnected(world: &mut World, change: impl FnOnce(&mut Connect<'static>)) {
    let (client, _) = world.connect_with("a", change);
    for packet_id in 1..=100 {
        send_qos_2(world, client, packet_id);
    }
    for packet_id in 1..=100 {
        release(world, client, packet_id);
    }
    assert_eq!(world.received(client).len(), 200, "each PUBREC and each PUBCOMP");
    assert!(!world.is_closed(client));
}

/// Held back by what it has itself to continue, a client would wait for ever.
#[test]
fn a_client_that_is_only_held_back_goes_on_after_pub_rec() {
    is_never_disconnected(&mut world(1, ReceiveExcess::HoldBack), lasting);
}

#[test]
fn mqtt_3_1_1_is_only_held_back() {
    let as_3_1_1 = |connect: &mut Connect<'static>| connect.version = ProtocolVersion::V3_1_1;
    is_never_disconnected(&mut world(1, ReceiveExcess::Disconnect), as_3_1_1);
}
