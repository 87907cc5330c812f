//! Subscription identifiers: which messages carry which.

use mayfly_wire::{Publish, QoS, Subscription};

use crate::harness::packets::{self, qos_0, qos_1, subscription};
use crate::harness::{Client, World};

fn subscribe(world: &mut World, client: Client, identifier: u32, subscriptions: &[Subscription<'_>]) {
    let packet_id = world.fresh_id(client);
    world.send(client, packets::identified(packet_id, identifier, subscriptions));
    world.only(client);
}

fn identifiers(message: &Publish<'_>) -> Vec<u32> {
    message.properties.subscription_identifiers.iter().collect()
}

#[test]
fn a_message_carries_that_of_its_subscription() {
    let mut world = World::new();
    let (client, other) = (world.connect("a"), world.connect("b"));
    let filters = [subscription("t", QoS::AtMostOnce), subscription("u/#", QoS::AtMostOnce)];
    subscribe(&mut world, client, 268_435_455, &filters);
    world.subscribe(other, "t", QoS::AtMostOnce);
    for topic in ["t", "u/v"] {
        world.publish(other, qos_0(topic, "x"));
        assert_eq!(identifiers(&world.message(client)), [268_435_455], "{topic}");
    }
    assert!(identifiers(&world.message(other)).is_empty());
}

#[test]
fn overlapping_subscriptions_bring_one_message_with_all_of_them_and_the_highest_qos() {
    let mut world = World::new();
    let client = world.connect("a");
    subscribe(&mut world, client, 5, &[subscription("a/b", QoS::AtMostOnce)]);
    subscribe(&mut world, client, 3, &[subscription("a/+", QoS::AtLeastOnce)]);
    // One that stands for two subscriptions comes twice.
    let filters = [subscription("#", QoS::AtMostOnce), subscription("+/b", QoS::AtMostOnce)];
    subscribe(&mut world, client, 9, &filters);
    world.subscribe(client, "a/#", QoS::AtMostOnce);
    world.publish(client, qos_1("a/b", "x"));
    let message = world.message(client);
    assert_eq!((identifiers(&message), message.qos), (vec![3, 5, 9, 9], QoS::AtLeastOnce));
}

#[test]
fn subscribing_again_replaces_it() {
    let mut world = World::new();
    let client = world.connect("a");
    subscribe(&mut world, client, 5, &[subscription("t", QoS::AtMostOnce)]);
    subscribe(&mut world, client, 6, &[subscription("t", QoS::AtMostOnce)]);
    world.publish(client, qos_0("t", "x"));
    assert_eq!(identifiers(&world.message(client)), [6]);
    world.subscribe(client, "t", QoS::AtMostOnce);
    world.publish(client, qos_0("t", "x"));
    assert!(identifiers(&world.message(client)).is_empty(), "without one it is taken away");
}

#[test]
fn a_message_keeps_those_that_it_was_queued_and_sent_with() {
    let mut world = World::new();
    let (publisher, (client, _)) = (world.connect("p"), world.resume("a"));
    subscribe(&mut world, client, 5, &[subscription("t", QoS::AtLeastOnce)]);
    world.publish(publisher, qos_1("t", "in flight"));
    let first = world.message(client);
    world.lose(client);
    world.publish(publisher, qos_1("t", "queued"));
    let (client, _) = world.resume("a");
    let messages = world.messages(client);
    assert_eq!(
        messages.iter().map(|message| message.payload).collect::<Vec<_>>(),
        [b"in flight", &b"queued"[..]]
    );
    assert_eq!(messages[0].packet_id, first.packet_id);
    assert!(messages.iter().all(|message| identifiers(message) == [5]), "{messages:?}");
    world.ack_all(client, &messages);
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn mqtt_3_1_1_knows_none() {
    let mut world = World::new();
    let (client, other) = (world.connect_3_1_1("a"), world.connect("b"));
    world.subscribe(client, "t", QoS::AtMostOnce);
    subscribe(&mut world, other, 5, &[subscription("t", QoS::AtMostOnce)]);
    world.publish(other, qos_0("t", "x"));
    assert!(identifiers(&world.message(client)).is_empty());
    assert_eq!(identifiers(&world.message(other)), [5]);
}

#[test]
fn they_count_for_the_maximum_packet_size() {
    // 2 bytes of fixed header, 2 + 1 of topic, 1 of property length, 2 an identifier, 92 of payload.
    for (maximum, arrives) in [(100, true), (99, false)] {
        let mut world = World::new();
        let (client, _) = world.connect_with("a", |connect| {
            connect.properties.maximum_packet_size = std::num::NonZeroU32::new(maximum);
        });
        subscribe(&mut world, client, 5, &[subscription("t", QoS::AtMostOnce)]);
        let publisher = world.connect("b");
        world.publish(publisher, qos_0("t", &"x".repeat(92)));
        assert_eq!(world.messages(client).len(), usize::from(arrives), "{maximum}");
        assert_eq!(world.broker.statistics().dropped.too_large, u64::from(!arrives));
    }
}
