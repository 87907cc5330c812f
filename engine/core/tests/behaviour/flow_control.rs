//! What bounds the messages to one client: Receive Maximum, the queue, Maximum Packet Size.

use std::num::{NonZeroU16, NonZeroU32};

use mayfly_wire::{Connect, ProtocolVersion, QoS};

use crate::harness::packets::{self, qos_0, qos_1};
use crate::harness::{Client, World};

fn subscriber(world: &mut World, change: impl FnOnce(&mut Connect<'static>)) -> Client {
    let (client, _) = world.connect_with("s", change);
    world.subscribe(client, "t", QoS::AtLeastOnce);
    client
}

fn publish_all(world: &mut World, payloads: &[&str]) {
    let publisher = world.connect("p");
    for payload in payloads {
        world.publish(publisher, qos_1("t", payload));
    }
}

#[test]
fn no_more_than_the_receive_maximum_is_in_flight() {
    let mut world = World::new();
    let client = subscriber(&mut world, |connect| connect.properties.receive_maximum = NonZeroU16::new(2));
    publish_all(&mut world, &["1", "2", "3", "4"]);
    let first = world.messages(client);
    assert_eq!([first[0].payload, first[1].payload], [b"1", b"2"]);
    assert_eq!(first.len(), 2);
    world.ack(client, first[1].packet_id);
    let third = world.message(client);
    assert_eq!(third.payload, b"3");
    world.ack(client, first[0].packet_id);
    assert_eq!(world.payloads(client), ["4"]);
}

#[test]
fn qos_0_needs_no_room() {
    let mut world = World::new();
    let client = subscriber(&mut world, |connect| connect.properties.receive_maximum = NonZeroU16::new(1));
    publish_all(&mut world, &["1", "2"]);
    let publisher = world.connect("q");
    world.publish(publisher, qos_0("t", "zero"));
    assert_eq!(world.payloads(client), ["1", "zero"]);
}

#[test]
fn the_brokers_own_limit_caps_it() {
    let mut world = World::with_limits(|limits| limits.max_in_flight = NonZeroU16::new(1).unwrap());
    let client = subscriber(&mut world, |_| ());
    publish_all(&mut world, &["1", "2"]);
    assert_eq!(world.payloads(client), ["1"]);
}

#[test]
fn bytes_in_flight_are_bounded_also_across_connections() {
    // A message is its topic, `t`, and its payload.
    let mut world = World::with_limits(|limits| limits.max_in_flight_bytes = 8);
    let client = subscriber(&mut world, packets::lasting);
    publish_all(&mut world, &["1234", "567", "8", "9"]);
    let first = world.messages(client);
    assert_eq!(first.len(), 2, "5 bytes leave room for the next, 9 do not");
    world.ack(client, first[1].packet_id);
    assert_eq!(world.payloads(client), ["8", "9"], "7 leave room, and then 9 do not, but nothing is left");
    world.lose(client);
    let (back, _) = world.connect_with("s", packets::lasting);
    let again = world.messages(back);
    assert_eq!(again.iter().map(|message| message.payload).collect::<Vec<_>>(), [&b"1234"[..], b"8", b"9"]);
    world.ack_all(back, &again);
    publish_all(&mut world, &["x"]);
    assert_eq!(world.payloads(back), ["x"]);
}

#[test]
fn bytes_in_the_queue_are_bounded() {
    let mut world = World::with_limits(|limits| limits.max_queued_bytes = 10);
    let client = subscriber(&mut world, packets::lasting);
    world.lose(client);
    publish_all(&mut world, &["1234", "1234", "x"]);
    let (back, _) = world.connect_with("s", packets::lasting);
    assert_eq!(world.payloads(back), ["1234", "1234"]);
    assert_eq!(world.broker.statistics().dropped.queue_full, 1);
    world.lose(back);
    publish_all(&mut world, &["y"]);
    let (back, _) = world.connect_with("s", packets::lasting);
    assert_eq!(world.payloads(back).last().copied(), Some("y"), "what was sent has left the queue");
}

#[test]
fn beyond_the_queue_messages_are_dropped_and_counted() {
    let mut world = World::with_limits(|limits| limits.max_queued_messages = 2);
    let client = subscriber(&mut world, |connect| connect.properties.receive_maximum = NonZeroU16::new(1));
    publish_all(&mut world, &["1", "2", "3", "4", "5"]);
    let mut seen = Vec::new();
    loop {
        let messages = world.messages(client);
        if messages.is_empty() {
            break;
        }
        seen.extend(messages.iter().map(|message| message.payload));
        world.ack_all(client, &messages);
    }
    assert_eq!(seen, [b"1", b"2", b"3"]);
    let statistics = world.broker.statistics();
    assert_eq!((statistics.dropped.queue_full, statistics.messages), (2, 0));
}

#[test]
fn the_queue_of_a_client_that_is_away_is_bounded_too() {
    let mut world = World::with_limits(|limits| limits.max_queued_messages = 2);
    let client = subscriber(&mut world, packets::lasting);
    world.lose(client);
    publish_all(&mut world, &["1", "2", "3"]);
    let (back, _) = world.connect_with("s", packets::lasting);
    assert_eq!(world.payloads(back), ["1", "2"]);
}

#[test]
fn packets_larger_than_the_client_takes_are_dropped_to_the_byte() {
    for version in [ProtocolVersion::V5, ProtocolVersion::V3_1_1] {
        let mut world = World::new();
        let client = subscriber(&mut world, |connect| {
            connect.version = version;
            if version == ProtocolVersion::V5 {
                connect.properties.maximum_packet_size = NonZeroU32::new(40);
            }
        });
        // Fixed header 2, topic 3, packet identifier 2, property length 1: 32 are left.
        let (fits, exceeds) = ("x".repeat(32), "x".repeat(33));
        publish_all(&mut world, &[&fits, &exceeds, "y"]);
        let lengths: Vec<_> = world.payloads(client).iter().map(|payload| payload.len()).collect();
        match version {
            ProtocolVersion::V5 => assert_eq!(lengths, [32, 1]),
            ProtocolVersion::V3_1_1 => assert_eq!(lengths, [32, 33, 1], "3.1.1 has no such limit"),
        }
    }
}

#[test]
fn a_message_that_is_too_large_takes_no_room_and_does_not_close() {
    let mut world = World::new();
    let client = subscriber(&mut world, |connect| {
        connect.properties.maximum_packet_size = NonZeroU32::new(40);
        connect.properties.receive_maximum = NonZeroU16::new(1);
    });
    let exceeds = "x".repeat(100);
    publish_all(&mut world, &[&exceeds, &exceeds, "y"]);
    assert_eq!(world.payloads(client), ["y"]);
    let statistics = world.broker.statistics();
    assert_eq!((statistics.dropped.too_large, statistics.messages), (2, 1));
}

#[test]
fn new_limits_apply_from_then_on() {
    let mut world = World::new();
    let client = subscriber(&mut world, packets::lasting);
    world.lose(client);
    publish_all(&mut world, &["1", "2"]);
    let limits = mayfly_core::Limits { max_queued_messages: 3, ..mayfly_core::Limits::default() };
    world.handle(&mayfly_core::Input::Limits(limits));
    publish_all(&mut world, &["3", "4"]);
    let (back, _) = world.connect_with("s", packets::lasting);
    assert_eq!(world.payloads(back), ["1", "2", "3"]);
}
