//! A second connection with the same client identifier.

use mayfly_wire::{ProtocolVersion, Publish, QoS, ReasonCode};

use crate::harness::World;
use crate::harness::packets::{self, id, qos_1};

#[test]
fn the_earlier_connection_is_told_and_closed() {
    let mut world = World::new();
    let first = world.connect("a");
    let second = world.connect("a");
    world.assert_disconnected(first, ReasonCode::SessionTakenOver);
    assert!(!world.is_closed(second));
    let statistics = world.broker.statistics();
    assert_eq!((statistics.connections, statistics.sessions), (1, 1));
}

#[test]
fn mqtt_3_1_1_is_closed_without_words() {
    let mut world = World::new();
    let first = world.connect_3_1_1("a");
    world.connect("a");
    assert!(world.received(first).is_empty() && world.is_closed(first));
}

#[test]
fn the_session_goes_over_with_what_is_in_flight() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let (first, _) = world.resume("a");
    world.subscribe(first, "t", QoS::AtLeastOnce);
    world.publish(publisher, qos_1("t", "x"));
    world.received(first);
    let (second, ack) = world.resume("a");
    assert!(ack.session_present);
    let expected = Publish { dup: true, packet_id: Some(id(1)), ..qos_1("t", "x") };
    assert_eq!(world.message(second), expected);
}

#[test]
fn a_session_that_ends_with_its_connection_does_not_go_over() {
    let mut world = World::new();
    let first = world.connect("a");
    world.subscribe(first, "t", QoS::AtLeastOnce);
    let (_, ack) = world.resume("a");
    assert!(!ack.session_present);
    let publisher = world.connect("p");
    assert_eq!(world.publish(publisher, qos_1("t", "x")), Some(ReasonCode::NoMatchingSubscribers));
}

#[test]
fn a_clean_start_takes_the_connection_and_not_the_session() {
    let mut world = World::new();
    let (first, _) = world.resume("a");
    world.subscribe(first, "t", QoS::AtLeastOnce);
    let (_, ack) = world.connect_with("a", |_| ());
    assert!(!ack.session_present);
    world.assert_disconnected(first, ReasonCode::SessionTakenOver);
    let publisher = world.connect("p");
    assert_eq!(world.publish(publisher, qos_1("t", "x")), Some(ReasonCode::NoMatchingSubscribers));
}

#[test]
fn what_the_earlier_connection_still_sends_is_ignored() {
    let mut world = World::new();
    let (first, _) = world.resume("a");
    let (second, _) = world.resume("a");
    world.lose(first);
    world.send(first, packets::disconnect(ReasonCode::Success));
    assert!(!world.is_closed(second));
    assert_eq!(world.broker.statistics().connections, 1);
}

#[test]
fn versions_may_change_with_the_connection() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let (first, _) = world.resume("a");
    world.subscribe(first, "t", QoS::AtLeastOnce);
    let (second, ack) = world.connect_with("a", |connect| {
        connect.version = ProtocolVersion::V3_1_1;
        connect.clean_start = false;
    });
    assert!(ack.session_present);
    world.publish(publisher, qos_1("t", "x"));
    assert_eq!(world.payloads(second), ["x"]);
}
