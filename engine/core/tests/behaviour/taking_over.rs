//! A second connection with the same client identifier.

use std::time::Duration;

use mayfly_wire::{ConnAck, ProtocolVersion, Publish, QoS, ReasonCode};

use crate::harness::packets::{self, id, lasting, qos_1};
use crate::harness::{Client, World};

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

/// A client of a user, with the client identifier `a` and a session that lasts.
fn come_as(world: &mut World, user_name: Option<&str>) -> (Client, ConnAck<'static>) {
    come_as_asking(world, user_name, |_| ())
}

fn come_as_asking(
    world: &mut World,
    user_name: Option<&str>,
    change: impl FnOnce(&mut mayfly_wire::Connect<'_>),
) -> (Client, ConnAck<'static>) {
    let mut connect = packets::connect("a");
    lasting(&mut connect);
    change(&mut connect);
    world.authenticates = true;
    let client = world.open(connect);
    world.accept_as(client, user_name, None);
    world.authenticates = false;
    (client, world.conn_ack(client))
}

/// A world where a user has left a session with a subscription and a message that waits.
fn left_by(user_name: Option<&str>) -> World {
    let mut world = World::new();
    let (client, _) = come_as(&mut world, user_name);
    world.subscribe(client, "secret/#", QoS::AtLeastOnce);
    world.lose(client);
    let publisher = world.connect("p");
    assert_eq!(world.publish(publisher, qos_1("secret/1", "hers")), Some(ReasonCode::Success));
    world
}

const ALICE: Option<&str> = Some("alice");
const BOB: Option<&str> = Some("bob");

#[test]
fn the_same_user_goes_on_with_a_session() {
    for user_name in [None, ALICE] {
        let mut world = left_by(user_name);
        let (client, ack) = come_as(&mut world, user_name);
        assert!(ack.session_present);
        assert_eq!(world.payloads(client), ["hers"]);
        let (_, ack) = come_as(&mut world, user_name);
        assert!(ack.session_present);
        world.assert_disconnected(client, ReasonCode::SessionTakenOver);
    }
}

#[test]
fn a_session_that_another_user_left_ends_instead_of_going_over() {
    for (owner, other) in [(ALICE, BOB), (ALICE, None), (None, BOB), (ALICE, Some("alic")), (None, Some(""))]
    {
        let mut world = left_by(owner);
        let (client, ack) = come_as(&mut world, other);
        assert_eq!((ack.reason, ack.session_present), (ReasonCode::Success, false), "{owner:?} {other:?}");
        assert!(world.received(client).is_empty());
        let publisher = world.connect("p");
        let routed = world.publish(publisher, qos_1("secret/1", "x"));
        assert_eq!(routed, Some(ReasonCode::NoMatchingSubscribers), "its subscriptions ended, too");
        assert_eq!(world.broker.statistics().messages, 0);
        world.lose(client);
        let (_, ack) = come_as(&mut world, owner);
        assert!(!ack.session_present, "it is the other one's now");
    }
}

#[test]
fn nobody_disturbs_a_client_of_another_user() {
    for (version, clean_start) in
        [(ProtocolVersion::V5, false), (ProtocolVersion::V5, true), (ProtocolVersion::V3_1_1, false)]
    {
        for other in [BOB, None] {
            let mut world = World::new();
            let (client, _) = come_as(&mut world, ALICE);
            world.subscribe(client, "t", QoS::AtLeastOnce);
            let (refused, ack) = come_as_asking(&mut world, other, |connect| {
                (connect.version, connect.clean_start) = (version, clean_start);
            });
            assert_eq!(ack.reason, ReasonCode::ClientIdentifierNotValid);
            assert!(world.is_closed(refused));
            assert!(!world.is_closed(client));
            assert_eq!(world.broker.statistics().denied_connections, 1);
            let publisher = world.connect("p");
            world.publish(publisher, qos_1("t", "x"));
            assert_eq!(world.payloads(client), ["x"]);
        }
    }
}

#[test]
fn an_anonymous_client_gives_way_to_a_user() {
    let mut world = World::new();
    let (client, _) = come_as(&mut world, None);
    world.subscribe(client, "t", QoS::AtLeastOnce);
    let (user, ack) = come_as(&mut world, ALICE);
    assert_eq!((ack.reason, ack.session_present), (ReasonCode::Success, false));
    world.assert_disconnected(client, ReasonCode::SessionTakenOver);
    let publisher = world.connect("p");
    assert_eq!(world.publish(publisher, qos_1("t", "x")), Some(ReasonCode::NoMatchingSubscribers));
    assert!(!world.is_closed(user));
}

#[test]
fn a_will_that_waits_is_published_when_another_user_ends_its_session() {
    let mut world = World::new();
    let (client, _) = come_as_asking(&mut world, ALICE, |connect| {
        let mut will = packets::will("wills");
        will.properties.delay_interval_s = Some(60);
        connect.will = Some(will);
    });
    let watcher = world.connect("w");
    world.subscribe(watcher, "wills", QoS::AtMostOnce);
    world.lose(client);
    come_as(&mut world, BOB);
    assert_eq!(world.payloads(watcher), ["gone"]);
    world.advance(Duration::from_secs(61));
    assert!(world.received(watcher).is_empty());
}
