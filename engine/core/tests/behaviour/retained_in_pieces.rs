//! Many retained messages for one subscription: in pieces, in order, and none lost.

use std::num::NonZeroU16;
use std::time::Duration;

use mayfly_core::StateMachine;
use mayfly_wire::{Packet, PublishProperties, QoS, UnsubAck};

use crate::harness::packets::{self, id, lasting, qos_0, qos_1, retained, subscription};
use crate::harness::{Client, World};

/// Stores so many messages, each with its topic `t/…` as its payload.
fn store(world: &mut World, count: usize, qos: QoS) -> Vec<String> {
    let publisher = world.connect("publisher");
    let topics: Vec<_> = (0..count).map(|number| format!("t/{number:06}")).collect();
    for topic in &topics {
        world.publish(publisher, mayfly_wire::Publish { qos, ..retained(qos_0(topic, topic)) });
    }
    topics
}

/// A client that takes so many messages at once.
fn narrow(world: &mut World, receive_maximum: u16) -> Client {
    let narrow = |connect: &mut mayfly_wire::Connect<'_>| {
        lasting(connect);
        connect.properties.receive_maximum = NonZeroU16::new(receive_maximum);
    };
    world.connect_with("narrow", narrow).0
}

/// Subscribes; SUBACK comes before all else.
fn subscribe(world: &mut World, client: Client, filter: &str, qos: QoS) {
    let packet_id = world.fresh_id(client);
    world.send(client, packets::subscribe(packet_id, &[subscription(filter, qos)]));
    assert!(matches!(world.next(client), Packet::SubAck(ack) if ack.packet_id == packet_id));
}

/// Reads and acknowledges until nothing comes.
fn drain(world: &mut World, client: Client) -> Vec<String> {
    let mut payloads = Vec::new();
    loop {
        let messages = world.messages(client);
        if messages.is_empty() {
            return payloads;
        }
        for message in messages {
            payloads.push(String::from_utf8(message.payload.to_vec()).unwrap());
            if message.qos > QoS::AtMostOnce {
                world.ack(client, message.packet_id);
            }
        }
    }
}

#[test]
fn acknowledgements_bring_the_next_ones_and_the_queue_does_not_fill() {
    let mut world = World::with_limits(|limits| limits.max_queued_messages = 2);
    let topics = store(&mut world, 3000, QoS::AtLeastOnce);
    let client = narrow(&mut world, 3);
    subscribe(&mut world, client, "t/+", QoS::AtLeastOnce);
    let first = world.messages(client);
    assert_eq!(first.len(), 3);
    assert_eq!(world.broker.statistics().messages, 3000 + 3, "what waits is not held twice");
    world.ack_all(client, &first);
    assert_eq!(drain(&mut world, client), topics[3..]);
    assert_eq!(world.broker.statistics().dropped.queue_full, 0);
    assert_eq!(world.broker.statistics().messages, 3000);
}

#[test]
fn those_of_qos_0_come_in_pieces_with_pauses() {
    let mut world = World::new();
    let topics = store(&mut world, 10_000, QoS::AtMostOnce);
    let client = world.connect("a");
    subscribe(&mut world, client, "#", QoS::AtLeastOnce);
    let mut came = drain(&mut world, client);
    let piece = came.len();
    assert!((500..2000).contains(&piece), "{piece} in the first piece");
    world.advance(Duration::from_millis(1));
    assert!(world.received(client).is_empty(), "the pause is not over");
    world.advance(Duration::from_millis(1));
    came.extend(drain(&mut world, client));
    assert_eq!(came.len(), piece * 2);
    world.advance(Duration::from_secs(1));
    came.extend(drain(&mut world, client));
    assert_eq!(came, topics);
    assert_eq!(world.broker.next_deadline(), None);
}

#[test]
fn a_search_that_finds_nothing_pauses_too() {
    let mut world = World::new();
    let publisher = world.connect("p");
    for number in 0..3000 {
        world.publish(publisher, retained(qos_0(&format!("{number}/a"), "x")));
    }
    world.publish(publisher, retained(qos_0("9999/b", "found")));
    let client = world.connect("a");
    subscribe(&mut world, client, "+/b", QoS::AtMostOnce);
    assert!(world.received(client).is_empty());
    world.advance(Duration::from_millis(20));
    assert_eq!(world.payloads(client), ["found"]);
}

#[test]
fn a_step_among_long_topics_costs_their_length() {
    let mut world = World::new();
    let publisher = world.connect("publisher");
    let prefix = "x".repeat(60_000);
    for number in 0..20 {
        let topic = format!("{prefix}{number:02}/y");
        world.publish(publisher, retained(qos_0(&topic, "x")));
    }
    let client = world.connect("a");
    subscribe(&mut world, client, "+/z", QoS::AtMostOnce);
    let mut pauses = 0;
    while world.broker.next_deadline().is_some() {
        world.advance(Duration::from_millis(2));
        pauses += 1;
    }
    assert!((10..40).contains(&pauses), "{pauses} pauses for 40 steps");
}

#[test]
fn what_is_published_meanwhile_comes_behind() {
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce] {
        let mut world = World::new();
        let mut expected = store(&mut world, 3000, qos);
        let client = narrow(&mut world, 10);
        subscribe(&mut world, client, "t/#", qos);
        let publisher = world.connect("p");
        // Not retained, and newer than what is still to come of its topic.
        world.publish(publisher, mayfly_wire::Publish { qos, ..qos_0("t/002999", "live 1") });
        world.publish(publisher, mayfly_wire::Publish { qos, ..qos_0("t/002998", "live 2") });
        let mut came = drain(&mut world, client);
        world.advance(Duration::from_secs(1));
        came.extend(drain(&mut world, client));
        expected.extend(["live 1".to_owned(), "live 2".to_owned()]);
        assert_eq!(came, expected, "{qos:?}");
        world.publish(publisher, mayfly_wire::Publish { qos, ..qos_0("t/1", "at once") });
        assert_eq!(drain(&mut world, client), ["at once"]);
    }
}

#[test]
fn it_comes_behind_also_where_the_window_has_room() {
    let mut world = World::new();
    let mut expected = store(&mut world, 3000, QoS::AtLeastOnce);
    let client = narrow(&mut world, u16::MAX);
    subscribe(&mut world, client, "t/#", QoS::AtLeastOnce);
    let publisher = world.connect("p");
    world.publish(publisher, qos_1("t/000000", "live"));
    let mut came = drain(&mut world, client);
    assert!(came.len() < 1024, "a pause came before the window was full");
    world.advance(Duration::from_secs(1));
    came.extend(drain(&mut world, client));
    expected.push("live".to_owned());
    assert_eq!(came, expected);
}

#[test]
fn what_expires_behind_them_does_not_come() {
    let mut world = World::new();
    store(&mut world, 2, QoS::AtLeastOnce);
    let client = narrow(&mut world, 1);
    subscribe(&mut world, client, "t/#", QoS::AtLeastOnce);
    let publisher = world.connect("p");
    let expiring = |payload, interval_s| {
        let properties =
            PublishProperties { message_expiry_interval_s: Some(interval_s), ..PublishProperties::default() };
        mayfly_wire::Publish { properties, ..qos_0("t/1", payload) }
    };
    world.publish(publisher, expiring("short", 3));
    world.publish(publisher, expiring("long", 30));
    world.advance(Duration::from_secs(3));
    assert_eq!(drain(&mut world, client), ["t/000000", "t/000001", "long"]);
    assert_eq!(world.broker.statistics().dropped.expired, 1);
}

#[test]
fn what_is_stored_or_deleted_meanwhile_comes_once_or_not_at_all() {
    let mut world = World::new();
    let mut expected = store(&mut world, 100, QoS::AtLeastOnce);
    let client = narrow(&mut world, 1);
    subscribe(&mut world, client, "t/+", QoS::AtLeastOnce);
    let publisher = world.connect("p");
    world.publish(publisher, retained(qos_1("t/000050", "replaced")));
    world.publish(publisher, retained(qos_1("t/000051", "")));
    world.publish(publisher, retained(qos_1("t/000050x", "new")));
    expected.drain(50..52);
    expected.extend(["replaced".to_owned(), String::new(), "new".to_owned()]);
    assert_eq!(drain(&mut world, client), expected);
}

#[test]
fn a_client_that_comes_back_gets_the_rest() {
    let mut world = World::new();
    let topics = store(&mut world, 50, QoS::AtLeastOnce);
    let client = narrow(&mut world, 5);
    subscribe(&mut world, client, "t/+", QoS::AtLeastOnce);
    let first = world.messages(client);
    world.ack(client, first[0].packet_id);
    world.lose(client);
    let client = narrow(&mut world, 5);
    let mut came = drain(&mut world, client);
    came.dedup();
    assert_eq!(came, topics[1..]);
}

#[test]
fn what_would_be_qos_0_ends_with_the_connection() {
    let mut world = World::new();
    store(&mut world, 3000, QoS::AtLeastOnce);
    let client = narrow(&mut world, 5);
    subscribe(&mut world, client, "t/+", QoS::AtMostOnce);
    let publisher = world.connect("p");
    world.publish(publisher, qos_0("t/1", "behind"));
    world.lose(client);
    assert_eq!(world.broker.statistics().messages, 3000);
    let client = narrow(&mut world, 5);
    world.advance(Duration::from_secs(1));
    assert!(world.received(client).is_empty());
}

#[test]
fn unsubscribing_ends_it_and_subscribing_again_begins_anew() {
    let mut world = World::new();
    let topics = store(&mut world, 20, QoS::AtLeastOnce);
    let client = narrow(&mut world, 2);
    subscribe(&mut world, client, "t/+", QoS::AtLeastOnce);
    let first = world.messages(client);
    subscribe(&mut world, client, "t/+", QoS::AtLeastOnce);
    world.ack_all(client, &first);
    assert_eq!(drain(&mut world, client), topics, "all of them again, once");
    subscribe(&mut world, client, "t/+", QoS::AtLeastOnce);
    let first = world.messages(client);
    subscribe(&mut world, client, "other", QoS::AtLeastOnce);
    let publisher = world.connect("p");
    world.publish(publisher, qos_1("other", "behind"));
    world.send(client, packets::unsubscribe(id(77), &[packets::filter("t/+")]));
    assert!(matches!(world.next(client), Packet::UnsubAck(UnsubAck { reasons: [0], .. })));
    world.ack_all(client, &first);
    assert_eq!(drain(&mut world, client), ["behind"]);
}
