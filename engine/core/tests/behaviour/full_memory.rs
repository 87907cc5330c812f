//! What still passes when memory is short or has run out, and how much that can take.

use std::num::NonZeroU16;

use mayfly_core::{Input, Limits, Pressure};
use mayfly_wire::{Packet, Publish, PublishProperties, QoS, ReasonCode, UserProperties};

use crate::harness::packets::{self, lasting, qos_0, qos_1, qos_2, retained};
use crate::harness::store::{Request, response_topic};
use crate::harness::{Client, World};
use crate::limits_of_the_broker::{QUOTA, use_percent, world};

/// What one client may leave unacknowledged at the bound, and as much waiting.
const ALLOWANCE: usize = 64 * 1024;

const MARK: [(&str, &str); 1] = [("$high_priority", "")];

fn marked(message: Publish<'_>) -> Publish<'_> {
    let user_properties = UserProperties::from_pairs(&MARK);
    Publish { properties: PublishProperties { user_properties, ..message.properties }, ..message }
}

fn used(world: &World) -> usize {
    world.broker.statistics().memory.total()
}

fn dropped(world: &World) -> u64 {
    world.broker.statistics().dropped.memory
}

/// Sends a GET whose response goes elsewhere.
fn get_for(world: &mut World, client: Client, key: &[u8], topic: &str) {
    let mut request = Request::new(&[b"GET", key]);
    request.response_topic = Some(topic.to_owned());
    world.send_request(client, &request);
    world.received(client);
}

#[test]
fn at_the_bound_not_even_priority_counts() {
    let (mut world, witness, client) = world();
    use_percent(&mut world, 101);
    for message in [qos_1("t", "x"), qos_2("t", "x")] {
        assert_eq!(world.publish(client, marked(message)), Some(ReasonCode::QuotaExceeded));
    }
    world.publish(client, marked(qos_0("t", "x")));
    assert_eq!(dropped(&world), 1);
    assert!(world.received(witness).is_empty());
    use_percent(&mut world, 99);
    assert_eq!(world.publish(client, marked(qos_1("t", "passes"))), Some(ReasonCode::Success));
    assert_eq!(world.payloads(witness), ["passes"]);
}

#[test]
fn priority_takes_no_more_than_the_bound() {
    let mut world = World::with_limits(|limits| limits.max_memory_bytes = 2_000_000);
    let (away, _) = world.connect_with("away", lasting);
    world.subscribe(away, "t", QoS::AtLeastOnce);
    world.lose(away);
    let client = world.connect("a");
    let payload = "x".repeat(100_000);
    for _ in 0..50 {
        world.publish(client, marked(qos_1("t", &payload)));
    }
    assert!((1_800_000..2_101_000).contains(&used(&world)), "{}", used(&world));
}

#[test]
fn at_the_bound_no_key_is_watched_besides() {
    let (mut world, _, client) = world();
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", b"old"]), "+OK\r\n");
    use_percent(&mut world, 99);
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", b"near"]), "+OK\r\n");
    use_percent(&mut world, 101);
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", b"new"]), QUOTA);
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", b"old"]), "+OK\r\n", "it is watched already");
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", b"near", b"STOP"]), "+OK\r\n");
    assert_eq!(world.reply(client, &[b"VDEL", b"ballast", &vec![0; 200_000]]), ":1\r\n");
}

#[test]
fn a_fencing_token_counts() {
    let (mut world, _, client) = world();
    let set = |token: &str| Request::new(&[b"SET", b"k", b"v"]).fenced(token).correlation(token.as_bytes());
    assert_eq!(world.reply(client, &[b"SET", b"unfenced", b"v"]), "+OK\r\n");
    assert_eq!(world.ask(client, &set("1:0:node")).payload, "+OK\r\n");
    use_percent(&mut world, 101);
    assert_eq!(world.ask(client, &set("2:0:nodes")).payload, QUOTA);
    assert_eq!(world.ask(client, &set("2:0:edge")).payload, "+OK\r\n", "it takes no more than before");
    let request = Request::new(&[b"SET", b"unfenced", b"v"]).fenced("1:0:n").correlation(b"first");
    assert_eq!(world.ask(client, &request).payload, QUOTA);
}

/// A client that takes one message at a time.
fn hesitant(world: &mut World, client_id: &'static str) -> Client {
    let one = |connect: &mut mayfly_wire::Connect<'_>| {
        lasting(connect);
        connect.properties.receive_maximum = Some(NonZeroU16::MIN);
    };
    world.connect_with(client_id, one).0
}

#[test]
fn at_the_bound_responses_wait_for_nobody_who_is_away() {
    let (mut world, _, client) = world();
    assert_eq!(world.reply(client, &[b"SET", b"k", b"value"]), "+OK\r\n");
    let (away, _) = world.connect_with("away", lasting);
    world.subscribe(away, "r", QoS::AtLeastOnce);
    world.lose(away);
    use_percent(&mut world, 99);
    get_for(&mut world, client, b"k", "r");
    use_percent(&mut world, 101);
    let before = used(&world);
    for _ in 0..100 {
        get_for(&mut world, client, b"k", "r");
    }
    assert_eq!((used(&world), dropped(&world)), (before, 100));
    let away = world.resume("away").0;
    assert_eq!(world.payloads(away), ["$5\r\nvalue\r\n"], "what waited before");
}

#[test]
fn responses_to_many_take_no_more_than_the_bound() {
    let mut world = World::with_limits(|limits| limits.max_memory_bytes = 8 * 1024 * 1024);
    let client = world.store_client("a");
    world.reply(client, &[b"SET", b"k", &vec![b'v'; 1_000_000]]);
    for client_id in ["s0", "s1", "s2", "s3"] {
        let (away, _) = world.connect_with(client_id, lasting);
        world.subscribe(away, &format!("r/{client_id}"), QoS::AtLeastOnce);
        world.lose(away);
    }
    for client_id in ["s0", "s1", "s2", "s3"] {
        for _ in 0..10 {
            get_for(&mut world, client, b"k", &format!("r/{client_id}"));
        }
    }
    assert!(used(&world) < 10_000_000, "{}", used(&world));
    assert!(dropped(&world) > 30);
}

#[test]
fn at_the_bound_a_client_that_does_not_acknowledge_has_an_allowance() {
    let (mut world, _, client) = world();
    assert_eq!(world.reply(client, &[b"SET", b"k", &vec![b'v'; 30_000]]), "+OK\r\n");
    use_percent(&mut world, 101);
    let before = used(&world);
    for _ in 0..20 {
        world.send_request(client, &Request::new(&[b"GET", b"k"]));
    }
    let messages: Vec<_> = world
        .received(client)
        .into_iter()
        .filter_map(|packet| match packet {
            Packet::Publish(publish) => Some(publish),
            _ => None,
        })
        .collect();
    assert_eq!((messages.len(), dropped(&world)), (3, 15), "three at once, and two wait");
    assert!(used(&world) - before < 2 * ALLOWANCE + 31_000, "{}", used(&world) - before);
    world.ack_all(client, &messages);
    assert_eq!(world.messages(client).len(), 2);
}

#[test]
fn at_the_bound_a_large_value_can_be_read() {
    let (mut world, _, client) = world();
    use_percent(&mut world, 101);
    for _ in 0..3 {
        assert_eq!(world.reply(client, &[b"GET", b"ballast"]).len(), 200_011);
    }
}

#[test]
fn at_the_bound_keys_are_listed() {
    let (mut world, _, client) = world();
    use_percent(&mut world, 101);
    assert_eq!(world.reply(client, &[b"SCAN", b"?a*"]), "*1\r\n*1\r\n$7\r\nballast\r\n");
}

#[test]
fn at_the_bound_a_watcher_that_falls_behind_is_disconnected() {
    let (mut world, _, client) = world();
    let watcher = hesitant(&mut world, "w");
    world.subscribe(watcher, &response_topic(watcher), QoS::AtLeastOnce);
    assert_eq!(world.reply(client, &[b"SET", b"k", &vec![b'1'; 30_000]]), "+OK\r\n");
    assert_eq!(world.reply(watcher, &[b"KEYNOTIFY", b"k"]), "+OK\r\n");
    use_percent(&mut world, 101);
    for number in *b"234" {
        assert_eq!(world.reply(client, &[b"SET", b"k", &vec![number; 30_000]]), "+OK\r\n");
        assert!(!world.is_closed(watcher), "one is in flight, two wait");
    }
    assert_eq!(world.messages(watcher).len(), 1);
    assert_eq!(world.reply(client, &[b"SET", b"k", &vec![b'5'; 30_000]]), "+OK\r\n");
    world.assert_disconnected(watcher, ReasonCode::QuotaExceeded);
    assert_eq!(dropped(&world), 1);
}

#[test]
fn at_the_bound_the_servers_own_messages_wait_for_nobody() {
    let (mut world, _, _) = world();
    let (away, _) = world.connect_with("away", lasting);
    let present = world.connect("present");
    for subscriber in [away, present] {
        world.subscribe(subscriber, "$SYS/#", QoS::AtLeastOnce);
    }
    world.lose(away);
    use_percent(&mut world, 101);
    let before = used(&world);
    world.handle(&Input::Publish(qos_1("$SYS/a", "x")));
    assert_eq!(world.payloads(present), ["x"]);
    assert_eq!(used(&world), before);
}

#[test]
fn what_makes_room_passes() {
    let (mut world, witness, client) = world();
    for topic in ["a", "b", "c"] {
        world.publish(client, retained(qos_1(topic, "retained")));
    }
    world.received(witness);
    let count = |world: &World| world.broker.statistics().retained_messages;
    for (percent, topic, left) in [(95, "a", 2), (101, "b", 1)] {
        use_percent(&mut world, percent);
        let refused = Some(ReasonCode::QuotaExceeded);
        assert_eq!(world.publish(client, retained(qos_1("none", ""))), refused, "there is none");
        assert_eq!(world.publish(client, qos_1(topic, "")), refused, "it deletes nothing");
        let text = "x".repeat(200);
        let large = [("name", &*text)];
        let user_properties = UserProperties::from_pairs(&large);
        let properties = PublishProperties { user_properties, ..PublishProperties::default() };
        let message = Publish { properties, ..retained(qos_1(topic, "")) };
        assert_eq!(world.publish(client, message), refused, "it is larger than what it deletes");
        assert_eq!(count(&world), left + 1);
        assert_eq!(world.publish(client, retained(qos_1(topic, ""))), Some(ReasonCode::Success));
        assert_eq!(count(&world), left, "{percent} %");
        assert_eq!(world.messages(witness).len(), 1, "its subscribers hear of it");
    }
    let message = retained(qos_2("c", ""));
    assert_eq!(world.publish(client, message), Some(ReasonCode::Success));
    assert_eq!(count(&world), 0);
}

#[test]
fn below_a_lowered_bound_what_takes_no_more_replaces() {
    let mut world = World::new();
    let client = world.connect("a");
    for topic in ["a", "b", "c"] {
        world.publish(client, retained(qos_1(topic, "12345")));
    }
    let stored = Some(ReasonCode::NoMatchingSubscribers);
    let refused = Some(ReasonCode::QuotaExceeded);
    let few = Limits { max_retained_messages: 2, ..Limits::default() };
    let small = Limits { max_retained_bytes: 10, ..Limits::default() };
    for limits in [few, small] {
        world.handle(&Input::Limits(limits));
        assert_eq!(world.publish(client, retained(qos_1("a", "54321"))), stored);
        assert_eq!(world.publish(client, retained(qos_1("a", "123456"))), refused);
        assert_eq!(world.publish(client, retained(qos_1("d", "1"))), refused);
    }
    let subscriptions = [packets::subscription("a", QoS::AtMostOnce)];
    world.send(client, packets::subscribe(packets::id(99), &subscriptions));
    assert!(matches!(world.next(client), Packet::SubAck(_)));
    assert_eq!(world.payloads(client), ["54321"]);
}

#[test]
fn what_connections_hold_counts() {
    let (mut world, _, client) = world();
    let total = used(&world);
    let limits = Limits { max_memory_bytes: 10 * total as u64, ..Limits::default() };
    world.handle(&Input::Limits(limits));
    let before = world.broker.state_hash();
    let tell = |world: &mut World, node, bytes| world.handle(&Input::ConnectionMemory { node, bytes });
    tell(&mut world, 2, 8 * total as u64 + 100);
    assert_ne!(world.broker.state_hash(), before);
    assert_eq!(world.publish(client, qos_1("t", "x")), Some(ReasonCode::QuotaExceeded));
    tell(&mut world, 3, 7 * total as u64);
    assert_eq!(used(&world), 9 * total + 100, "each node has memory of its own");
    assert_eq!(world.broker.pressure(), Pressure::Refuse);
    tell(&mut world, 3, 9 * total as u64);
    assert_eq!(world.ask_subscribe(client, "more", QoS::AtMostOnce), ReasonCode::QuotaExceeded as u8);
    tell(&mut world, 3, u64::MAX);
    assert_eq!(world.broker.pressure(), Pressure::Full);
    world.handle(&Input::NodeDown { node: 3 });
    assert_eq!(world.broker.pressure(), Pressure::Refuse);
    tell(&mut world, 2, 0);
    assert_eq!(used(&world), total);
    assert_eq!(world.publish(client, qos_1("t", "x")), Some(ReasonCode::Success));
}
