//! Retained messages: which are stored, who gets them, how they are marked.

use std::time::Duration;

use mayfly_wire::{
    ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, RetainHandling, Subscription,
    SubscriptionOptions,
};

use crate::harness::packets::{self, qos_0, qos_1, retained, subscription};
use crate::harness::{Client, World};

fn subscribe(world: &mut World, client: Client, subscriptions: &[Subscription<'_>]) {
    let packet_id = world.fresh_id(client);
    world.send(client, packets::subscribe(packet_id, subscriptions));
    world.next(client); // SUBACK comes first.
}

/// Subscribes, and returns the payloads of the retained messages that come.
fn brought(world: &mut World, client: Client, filter: &str) -> Vec<&'static str> {
    subscribe(world, client, &[subscription(filter, QoS::AtMostOnce)]);
    world.payloads(client)
}

fn with_options(filter: &str, change: impl FnOnce(&mut SubscriptionOptions)) -> Subscription<'_> {
    let mut subscription = subscription(filter, QoS::AtMostOnce);
    change(&mut subscription.options);
    subscription
}

/// How many retained messages there are, and how many messages in all.
fn held(world: &World) -> (usize, usize) {
    let statistics = world.broker.statistics();
    (statistics.retained_messages, statistics.messages)
}

#[test]
fn a_new_subscription_brings_it_marked_and_an_existing_one_unmarked() {
    let mut world = World::new();
    let (publisher, early) = (world.connect("p"), world.connect("a"));
    world.subscribe(early, "t", QoS::AtMostOnce);
    let reason = world.publish(publisher, retained(qos_1("t", "x")));
    assert_eq!(reason, Some(ReasonCode::Success));
    assert!(!world.message(early).retain);
    for (client_id, version) in [("b", ProtocolVersion::V5), ("c", ProtocolVersion::V3_1_1)] {
        let (late, _) = world.connect_with(client_id, |connect| connect.version = version);
        subscribe(&mut world, late, &[subscription("t", QoS::AtMostOnce)]);
        let message = world.message(late);
        assert_eq!((message.topic, message.payload, message.retain), ("t", &b"x"[..], true));
    }
}

#[test]
fn without_a_subscriber_it_is_stored_and_the_publisher_told() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let reason = world.publish(publisher, retained(qos_1("t", "x")));
    assert_eq!(reason, Some(ReasonCode::NoMatchingSubscribers));
    world.send(publisher, packets::disconnect(ReasonCode::Success));
    assert_eq!(held(&world), (1, 1), "it does not end with its publisher's session");
}

#[test]
fn the_mark_is_forwarded_as_published_where_that_is_wanted() {
    let mut world = World::new();
    let client = world.connect("a");
    let as_published = with_options("t", |options| options.retain_as_published = true);
    subscribe(&mut world, client, &[as_published, subscription("u", QoS::AtMostOnce)]);
    for (message, is_marked) in [
        (retained(qos_0("t", "x")), true),
        (qos_0("t", "x"), false),
        (retained(qos_0("t", "")), true),
        (retained(qos_0("u", "x")), false),
    ] {
        world.publish(client, message);
        assert_eq!(world.message(client).retain, is_marked, "{message:?}");
    }
}

#[test]
fn a_later_one_takes_its_place_and_one_without_payload_deletes_it() {
    let mut world = World::new();
    let client = world.connect("a");
    world.publish(client, retained(qos_0("t", "1")));
    world.publish(client, retained(qos_0("t", "2")));
    world.publish(client, qos_0("t", "not retained"));
    assert_eq!(brought(&mut world, client, "t"), ["2"]);
    world.publish(client, retained(qos_0("t", "")));
    assert_eq!(world.payloads(client), [""], "it is handed on as any other");
    assert_eq!(held(&world), (0, 0));
    assert!(brought(&mut world, client, "t").is_empty());
}

#[test]
fn the_qos_is_the_lesser_of_published_and_granted() {
    for (published, granted, sent) in [
        (QoS::AtMostOnce, QoS::AtLeastOnce, QoS::AtMostOnce),
        (QoS::AtLeastOnce, QoS::AtMostOnce, QoS::AtMostOnce),
        (QoS::AtLeastOnce, QoS::AtLeastOnce, QoS::AtLeastOnce),
    ] {
        let mut world = World::new();
        let client = world.connect("a");
        world.publish(client, Publish { qos: published, ..retained(qos_0("t", "x")) });
        subscribe(&mut world, client, &[subscription("t", granted)]);
        assert_eq!(world.message(client).qos, sent, "{published:?} {granted:?}");
    }
}

#[test]
fn they_come_in_the_order_of_their_topics_and_reserved_ones_when_asked_for() {
    let mut world = World::new();
    let client = world.connect("a");
    for topic in ["b", "a/b/c", "$x/b", "a!", "a/b", "a"] {
        world.publish(client, retained(qos_0(topic, topic)));
    }
    for (filter, topics) in [
        ("#", &["a", "a/b", "a/b/c", "a!", "b"][..]),
        ("+/b", &["a/b"]),
        ("+", &["a", "a!", "b"]),
        ("a/#", &["a", "a/b", "a/b/c"]),
        ("$x/+", &["$x/b"]),
        ("$x/b", &["$x/b"]),
        ("c/#", &[]),
    ] {
        assert_eq!(brought(&mut world, client, filter), topics, "{filter}");
    }
}

#[test]
fn retain_handling_says_when_they_come() {
    for (handling, first, again) in [
        (RetainHandling::SendAtSubscribe, 1, 1),
        (RetainHandling::SendIfNew, 1, 0),
        (RetainHandling::DoNotSend, 0, 0),
    ] {
        let mut world = World::new();
        let client = world.connect("a");
        world.publish(client, retained(qos_0("t", "x")));
        for expected in [first, again] {
            let asked = with_options("t", |options| options.retain_handling = handling);
            subscribe(&mut world, client, &[asked]);
            assert_eq!(world.messages(client).len(), expected, "{handling:?}");
        }
    }
}

#[test]
fn each_subscription_brings_its_own_with_its_identifier() {
    let mut world = World::new();
    let client = world.connect("a");
    world.publish(client, retained(qos_0("t", "x")));
    let filters = [subscription("t", QoS::AtMostOnce), subscription("#", QoS::AtMostOnce)];
    world.send(client, packets::identified(packets::id(1), 7, &filters));
    world.next(client);
    let identifiers =
        |message: &Publish<'_>| message.properties.subscription_identifiers.iter().collect::<Vec<_>>();
    let messages = world.messages(client);
    assert_eq!(messages.iter().map(identifiers).collect::<Vec<_>>(), [[7], [7]]);
}

#[test]
fn no_local_spares_the_client_that_published_it() {
    let mut world = World::new();
    let (client, other) = (world.connect("a"), world.connect("b"));
    world.publish(client, retained(qos_0("t", "x")));
    for (client, expected) in [(client, 0), (other, 1)] {
        let asked = with_options("t", |options| options.no_local = true);
        subscribe(&mut world, client, &[asked]);
        assert_eq!(world.messages(client).len(), expected);
    }
}

#[test]
fn its_expiry_counts_down_and_an_expired_one_is_not_kept() {
    let mut world = World::new();
    let client = world.connect("a");
    let properties =
        PublishProperties { message_expiry_interval_s: Some(10), ..PublishProperties::default() };
    world.publish(client, Publish { properties, ..retained(qos_0("t", "x")) });
    world.advance(Duration::from_secs(4));
    subscribe(&mut world, client, &[subscription("t", QoS::AtMostOnce)]);
    assert_eq!(world.message(client).properties.message_expiry_interval_s, Some(6));
    world.advance(Duration::from_secs(5));
    assert_eq!(held(&world), (1, 1));
    world.advance(Duration::from_secs(1));
    assert_eq!(held(&world), (0, 0));
    assert!(brought(&mut world, client, "t").is_empty());
}

#[test]
fn a_wall_clock_that_stepped_back_keeps_it_and_one_that_stepped_on_hides_it_at_once() {
    let mut world = World::new();
    let client = world.connect("a");
    let properties =
        PublishProperties { message_expiry_interval_s: Some(10), ..PublishProperties::default() };
    world.publish(client, Publish { properties, ..retained(qos_0("t", "x")) });
    world.set_wall_ms(world.wall_ms() - 5000);
    world.advance(Duration::from_secs(12));
    assert_eq!(brought(&mut world, client, "t"), ["x"]);
    world.set_wall_ms(world.wall_ms() + 5000);
    assert!(brought(&mut world, client, "#").is_empty());
}

#[test]
fn a_will_can_be_retained() {
    let mut world = World::new();
    let (client, _) = world.connect_with("a", |connect| {
        connect.will = Some(mayfly_wire::Will { retain: true, ..packets::will("w") });
    });
    let witness = world.connect("b");
    assert!(brought(&mut world, witness, "w").is_empty());
    world.lose(client);
    assert!(!world.message(witness).retain);
    subscribe(&mut world, witness, &[subscription("w", QoS::AtLeastOnce)]);
    let message = world.message(witness);
    assert_eq!((message.payload, message.retain, message.qos), (&b"gone"[..], true, QoS::AtLeastOnce));
}

#[test]
fn their_number_is_bounded() {
    let mut world = World::with_limits(|limits| limits.max_retained_messages = 1);
    let (client, old) = (world.connect("a"), world.connect_3_1_1("b"));
    world.subscribe(client, "#", QoS::AtMostOnce);
    world.publish(client, retained(qos_0("t", "1")));
    world.publish(client, retained(qos_0("t", "2")));
    assert_eq!(world.payloads(client), ["1", "2"], "a replacement needs no room");
    let refused = Some(ReasonCode::QuotaExceeded);
    assert_eq!(world.publish(client, retained(qos_1("u", "x"))), refused);
    assert!(world.received(client).is_empty(), "what is refused is not handed on");
    world.publish(client, retained(qos_0("u", "x")));
    assert_eq!(world.payloads(client), ["x"], "what can't be refused is");
    assert_eq!((held(&world), world.broker.statistics().retained_refused), ((1, 1), 2));
    world.send(
        old,
        mayfly_wire::Packet::Publish(Publish {
            packet_id: Some(packets::id(1)),
            ..retained(qos_1("u", "x"))
        }),
    );
    assert!(world.received(old).is_empty() && world.is_closed(old), "3.1.1 has no words for it");
    world.publish(client, retained(qos_0("t", "")));
    assert_eq!(world.publish(client, retained(qos_1("u", "x"))), Some(ReasonCode::Success));
}

#[test]
fn their_bytes_are_bounded() {
    let mut world = World::with_limits(|limits| limits.max_retained_bytes = 1000);
    let client = world.connect("a");
    let refused = Some(ReasonCode::QuotaExceeded);
    assert_eq!(world.publish(client, retained(qos_1("t", &"x".repeat(1000)))), refused);
    let stored = Some(ReasonCode::NoMatchingSubscribers);
    assert_eq!(world.publish(client, retained(qos_1("t", &"x".repeat(900)))), stored);
    assert_eq!(world.publish(client, retained(qos_1("t", &"y".repeat(900)))), stored);
    assert_eq!(world.publish(client, retained(qos_1("u", &"x".repeat(100)))), refused);
    assert!(world.broker.statistics().retained_bytes <= 1000);
}

#[test]
fn a_retained_message_is_state() {
    let mut world = World::new();
    let client = world.connect("a");
    let before = world.broker.state_hash();
    world.publish(client, retained(qos_0("t", "1")));
    let stored = world.broker.state_hash();
    world.publish(client, retained(qos_0("t", "2")));
    assert!(before != stored && stored != world.broker.state_hash());
}
