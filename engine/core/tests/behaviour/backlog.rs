//! What operators are told of messages that clients have still to get, and of those that nobody gets when a client is gone.

use std::num::NonZeroU16;
use std::time::Duration;

use mayfly_core::{Backlog, Drops};
use mayfly_wire::QoS;

use crate::harness::packets::{self, qos_0, qos_1};
use crate::harness::{Client, World};

/// A subscriber to `t` with a Receive Maximum of 2 and a session of an hour, and 5 messages of 5 bytes to it.
fn world() -> (World, Client) {
    let mut world = World::new();
    let client = subscriber(&mut world);
    world.subscribe(client, "t", QoS::AtLeastOnce);
    let publisher = world.connect("p");
    for payload in ["pay1", "pay2", "pay3", "pay4", "pay5"] {
        world.publish(publisher, qos_1("t", payload));
    }
    (world, client)
}

fn subscriber(world: &mut World) -> Client {
    let change = |connect: &mut mayfly_wire::Connect<'_>| {
        packets::lasting(connect);
        connect.properties.receive_maximum = NonZeroU16::new(2);
    };
    world.connect_with("a", change).0
}

fn dropped(world: &World) -> Drops {
    world.broker.statistics().dropped
}

#[test]
fn what_waits_what_is_in_flight_and_what_is_to_be_sent_again_are_told_apart() {
    let (mut world, client) = world();
    let queued = Backlog {
        queued_messages: 3,
        queued_bytes: 15,
        deepest_queue_messages: 3,
        sessions_by_depth: [1, 0, 0, 0, 0, 0],
        ..Backlog::default()
    };
    let on_its_way = Backlog { in_flight_messages: 2, in_flight_bytes: 10, ..queued };
    assert_eq!(world.broker.backlog(), on_its_way);
    world.lose(client);
    assert_eq!(world.broker.backlog(), Backlog { messages_to_resend: 2, ..queued });
    let client = subscriber(&mut world);
    assert_eq!(world.broker.backlog(), on_its_way, "they were sent again");
    loop {
        let messages = world.messages(client);
        if messages.is_empty() {
            break;
        }
        world.ack_all(client, &messages);
    }
    assert_eq!(world.broker.backlog(), Backlog::default());
    assert_eq!(dropped(&world), Drops::default());
}

#[test]
fn a_message_counts_for_each_session_and_queues_by_their_depth() {
    let mut world = World::new();
    for (client_id, filter) in [("a", "+"), ("b", "few"), ("c", "none")] {
        let (client, _) = world.resume(client_id);
        world.subscribe(client, filter, QoS::AtLeastOnce);
        world.lose(client);
    }
    let publisher = world.connect("p");
    for topic in [["few"; 9], ["abc"; 9]].concat() {
        world.publish(publisher, qos_1(topic, ""));
    }
    let backlog = world.broker.backlog();
    assert_eq!((backlog.queued_messages, backlog.queued_bytes), (27, 81));
    assert_eq!((backlog.deepest_queue_messages, backlog.sessions_by_depth), (18, [2, 1, 0, 0, 0, 0]));
}

#[test]
fn what_waits_behind_retained_messages_waits_too_and_ends_with_the_connection() {
    let mut world = World::new();
    let publisher = world.connect("p");
    for topic in ["t/1", "t/2", "t/3"] {
        world.publish(publisher, packets::retained(qos_1(topic, "kept")));
    }
    let client = subscriber(&mut world);
    let filters = [packets::subscription("t/#", QoS::AtLeastOnce)];
    world.send(client, packets::subscribe(packets::id(1), &filters));
    assert_eq!(world.received(client).len(), 3, "SUBACK, and as much as the client takes");
    world.publish(publisher, qos_0("t/1", "new"));
    let backlog = world.broker.backlog();
    assert_eq!((backlog.queued_messages, backlog.queued_bytes, backlog.in_flight_messages), (1, 6, 2));
    world.lose(client);
    assert_eq!(world.broker.backlog().queued_messages, 0);
    assert_eq!(dropped(&world), Drops { connection_ended: 1, ..Drops::default() });
}

#[test]
fn what_a_session_has_not_got_when_it_ends_is_counted() {
    let expected = Drops { session_ended: 5, ..Drops::default() };
    // It expires.
    let (mut expiring, client) = world();
    expiring.lose(client);
    expiring.advance(Duration::from_secs(3599));
    assert_eq!(dropped(&expiring), Drops::default());
    expiring.advance(Duration::from_secs(1));
    assert_eq!(dropped(&expiring), expected);
    // It makes room for a clean start.
    let (mut cleaned, client) = world();
    cleaned.lose(client);
    cleaned.connect("a");
    assert_eq!(dropped(&cleaned), expected);
    // It ends with its connection.
    let (mut ended, client) = world();
    ended.send(client, packets::disconnect_with_expiry(0));
    assert_eq!(dropped(&ended), expected);
    for world in [expiring, cleaned, ended] {
        assert_eq!((world.broker.backlog(), world.broker.statistics().messages), (Backlog::default(), 0));
    }
}

#[test]
fn the_sum_has_every_cause() {
    let drops = Drops {
        memory: 1,
        queue_full: 2,
        oldest: 4,
        too_large: 8,
        expired: 16,
        away: 32,
        connection_ended: 64,
        session_ended: 128,
        by_client: 256,
    };
    assert_eq!(drops.total(), 511);
    let names: std::collections::BTreeSet<_> = drops.by_cause().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names.len(), 9);
}
