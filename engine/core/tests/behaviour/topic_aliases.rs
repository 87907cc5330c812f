//! Topic aliases in both directions [MQTT 5, section 3.3.2.3.4].

use std::num::{NonZeroU16, NonZeroU32};

use mayfly_core::{Connection, ConnectionConfig, Event, Limits, Monotonic};
use mayfly_wire::{Packet, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode};

use crate::harness::packets::{connect, id, qos_0};
use crate::harness::{Client, World};

fn aliased<'a>(topic: &'a str, alias: u16, payload: &'a str) -> Publish<'a> {
    let properties =
        PublishProperties { topic_alias: NonZeroU16::new(alias), ..PublishProperties::default() };
    Publish { properties, ..qos_0(topic, payload) }
}

/// A publisher, and a client that subscribed to everything and takes this many aliases.
fn publisher_and_subscriber(world: &mut World, maximum: u16) -> (Client, Client) {
    let (subscriber, _) =
        world.connect_with("s", |connect| connect.properties.topic_alias_maximum = Some(maximum));
    world.subscribe(subscriber, "#", QoS::AtLeastOnce);
    (world.connect("p"), subscriber)
}

/// Topics and aliases as they arrived.
fn arrived(world: &mut World, client: Client) -> Vec<(&'static str, Option<u16>)> {
    let seen =
        |message: Publish<'static>| (message.topic, message.properties.topic_alias.map(NonZeroU16::get));
    world.messages(client).into_iter().map(seen).collect()
}

#[test]
fn an_alias_of_the_client_stands_for_the_topic_that_it_was_given_last() {
    let mut world = World::new();
    let (publisher, subscriber) = publisher_and_subscriber(&mut world, 0);
    for (topic, alias) in [("a/1", 1), ("", 1), ("b/16", 16), ("", 16), ("", 1), ("c/1", 1), ("", 1)] {
        world.publish(publisher, aliased(topic, alias, "x"));
    }
    let expected = ["a/1", "a/1", "b/16", "b/16", "a/1", "c/1", "c/1"].map(|topic| (topic, None));
    assert_eq!(arrived(&mut world, subscriber), expected, "nobody else sees them");
}

#[test]
fn an_alias_is_its_own_connections() {
    let mut world = World::new();
    let (publisher, _) = publisher_and_subscriber(&mut world, 0);
    world.publish(publisher, aliased("a/1", 1, "x"));
    let other = world.connect("q");
    world.publish(other, aliased("", 1, "x"));
    world.assert_disconnected(other, ReasonCode::ProtocolError);
    let (again, _) = world.connect_with("p", |_| ());
    world.publish(again, aliased("", 1, "x"));
    world.assert_disconnected(again, ReasonCode::ProtocolError);
}

#[test]
fn aliases_that_stand_for_nothing_end_the_connection() {
    for (topic, alias, reason) in [
        ("", 1, ReasonCode::ProtocolError),
        ("", 16, ReasonCode::ProtocolError),
        ("", 17, ReasonCode::TopicAliasInvalid),
        ("t", 17, ReasonCode::TopicAliasInvalid),
        ("t", u16::MAX, ReasonCode::TopicAliasInvalid),
    ] {
        let mut world = World::new();
        let (publisher, subscriber) = publisher_and_subscriber(&mut world, 0);
        world.publish(publisher, aliased(topic, alias, "x"));
        world.assert_disconnected(publisher, reason);
        assert!(world.received(subscriber).is_empty());
    }
    let mut world = World::new();
    let client = world.connect("a");
    world.send_bytes(client, &[0x30, 8, 0, 1, b't', 3, 0x23, 0, 0, b'x']);
    world.assert_disconnected(client, ReasonCode::TopicAliasInvalid);
}

#[test]
fn none_is_taken_where_none_is_configured() {
    let config = ConnectionConfig { topic_alias_maximum: 0, ..ConnectionConfig::default() };
    let mut world = World::with(config, Limits::default());
    let (client, ack) = world.connect_with("a", |_| ());
    assert_eq!(ack.properties.topic_alias_maximum, None);
    world.publish(client, aliased("t", 1, "x"));
    world.assert_disconnected(client, ReasonCode::TopicAliasInvalid);
}

#[test]
fn the_topics_of_a_clients_aliases_are_bounded_in_bytes() {
    let config = ConnectionConfig { max_topic_alias_bytes: 10, ..ConnectionConfig::default() };
    let mut world = World::with(config, Limits::default());
    let client = world.connect("a");
    world.publish(client, aliased("12345", 1, "x"));
    world.publish(client, aliased("12345", 2, "x"));
    world.publish(client, aliased("1234", 2, "x"));
    assert!(world.received(client).is_empty());
    world.publish(client, aliased("12", 3, "x"));
    world.assert_disconnected(client, ReasonCode::QuotaExceeded);
}

#[test]
fn a_topic_sent_twice_goes_by_its_alias() {
    let mut world = World::new();
    let (publisher, subscriber) = publisher_and_subscriber(&mut world, 2);
    for topic in ["topic/1", "topic/1", "topic/2", "topic/3", "topic/2", "topic/3", "topic/1", "four"] {
        world.publish(publisher, qos_0(topic, "x"));
    }
    let expected = [
        ("topic/1", Some(1)),
        ("", Some(1)),
        ("topic/2", Some(2)),
        ("topic/3", None),
        ("", Some(2)),
        ("topic/3", None),
        ("", Some(1)),
        ("four", None),
    ];
    assert_eq!(arrived(&mut world, subscriber), expected);
}

#[test]
fn the_servers_own_maximum_bounds_the_clients() {
    let config = ConnectionConfig { max_outgoing_topic_aliases: 1, ..ConnectionConfig::default() };
    let mut world = World::with(config, Limits::default());
    let (publisher, subscriber) = publisher_and_subscriber(&mut world, u16::MAX);
    world.publish(publisher, qos_0("topic/1", "x"));
    world.publish(publisher, qos_0("topic/2", "x"));
    assert_eq!(arrived(&mut world, subscriber), [("topic/1", Some(1)), ("topic/2", None)]);
}

#[test]
fn a_client_that_asks_for_no_alias_gets_none() {
    let mut world = World::new();
    let subscriber = world.connect("s");
    world.subscribe(subscriber, "#", QoS::AtMostOnce);
    let old = world.connect_3_1_1("o");
    world.subscribe(old, "#", QoS::AtMostOnce);
    let publisher = world.connect("p");
    for client in [subscriber, old] {
        world.publish(publisher, qos_0("topic/1", "x"));
        world.publish(publisher, qos_0("topic/1", "x"));
        assert_eq!(arrived(&mut world, client)[..2], [("topic/1", None), ("topic/1", None)]);
    }
}

/// What was dropped told the client nothing.
#[test]
fn a_dropped_message_gives_no_alias() {
    let config = ConnectionConfig { max_outgoing_bytes: 50, ..ConnectionConfig::default() };
    let mut world = World::with(config, Limits::default());
    let (publisher, subscriber) = publisher_and_subscriber(&mut world, 9);
    world.set_reads(subscriber, false);
    world.publish(publisher, qos_0("first", &"x".repeat(50)));
    world.publish(publisher, qos_0("dropped", "x"));
    assert_eq!(world.connection(subscriber).dropped(), 1);
    world.set_reads(subscriber, true);
    world.publish(publisher, qos_0("dropped", "x"));
    world.publish(publisher, qos_0("dropped", "x"));
    assert_eq!(arrived(&mut world, subscriber), [("first", Some(1)), ("dropped", Some(2)), ("", Some(2))]);
}

/// The packet that gives an alias is three bytes longer than one without.
#[test]
fn an_alias_that_makes_a_packet_too_large_waits_for_a_smaller_one() {
    let mut world = World::new();
    // Fixed header 2, topic 2 + 5, properties 1, payload.
    let (subscriber, _) = world.connect_with("s", |connect| {
        connect.properties.maximum_packet_size = NonZeroU32::new(40);
        connect.properties.topic_alias_maximum = Some(9);
    });
    world.subscribe(subscriber, "#", QoS::AtMostOnce);
    let publisher = world.connect("p");
    world.publish(publisher, qos_0("12345", &"x".repeat(28)));
    world.publish(publisher, qos_0("12345", &"x".repeat(27)));
    world.publish(publisher, qos_0("12345", &"x".repeat(28)));
    assert_eq!(arrived(&mut world, subscriber), [("12345", None), ("12345", Some(1)), ("", Some(1))]);
    assert_eq!(world.broker.statistics().dropped.too_large, 0);
}

#[test]
fn a_message_sent_again_on_a_new_connection_carries_its_topic() {
    let mut world = World::new();
    let take_aliases = |connect: &mut mayfly_wire::Connect<'static>| {
        crate::harness::packets::lasting(connect);
        connect.properties.topic_alias_maximum = Some(9);
    };
    let (first, _) = world.connect_with("s", take_aliases);
    world.subscribe(first, "#", QoS::AtLeastOnce);
    let publisher = world.connect("p");
    let message = Publish { qos: QoS::AtLeastOnce, packet_id: Some(id(1)), ..qos_0("topic/1", "x") };
    world.send(publisher, Packet::Publish(message));
    world.send(publisher, Packet::Publish(Publish { packet_id: Some(id(2)), ..message }));
    assert_eq!(arrived(&mut world, first), [("topic/1", Some(1)), ("", Some(1))]);
    world.lose(first);
    let (second, _) = world.connect_with("s", take_aliases);
    assert_eq!(arrived(&mut world, second), [("topic/1", Some(1)), ("", Some(1))]);
}

/// An alias means nothing to whoever reads the log of the broker's inputs.
#[test]
fn the_broker_gets_the_topic_and_no_alias() {
    let now = Monotonic::ZERO;
    let mut connection = Connection::new(ConnectionConfig::default(), now);
    for packet in [
        Packet::Connect(connect("a")),
        Packet::Publish(aliased("a/1", 1, "x")),
        Packet::Publish(aliased("", 1, "x")),
    ] {
        let mut bytes = Vec::new();
        packet.encode(ProtocolVersion::V5, &mut bytes).unwrap();
        let received = connection.receive(now, &bytes);
        match received.event {
            Some(Event::Packet(Packet::Publish(publish))) => {
                assert_eq!((publish.topic, publish.properties.topic_alias), ("a/1", None));
            }
            other => assert!(matches!(other, Some(Event::Open { .. })), "{other:?}"),
        }
    }
}
