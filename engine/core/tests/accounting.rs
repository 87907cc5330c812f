//! The broker's account of its memory against the allocator's: each kind by itself is filled, compared, and drained.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::large_types_passed_by_value, reason = "tests build a packet where they send it")]

#[path = "accounting/world.rs"]
mod world;

use std::alloc::System;
use std::num::NonZeroU16;

use mayfly_core::{ConnectionId, Input, MemoryUse, Monotonic};
use mayfly_wire::{
    AckProperties, Packet, PubComp, PubRec, PubRel, Publish, PublishProperties, QoS, ReasonCode,
    RetainHandling,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use world::{World, id, message};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The account is at least this part of what the allocator gave, and at most that, in percent. Tables grow by doubling, so
/// an entry's share varies by a factor of two between one growth and the next.
const AT_LEAST_PERCENT: usize = 75;
const AT_MOST_PERCENT: usize = 135;

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Fills with `fill`, compares, drains with `drain`, and asserts that nothing is left in the accounts.
fn check(
    name: &str,
    kind: impl Fn(&MemoryUse) -> usize,
    fill: impl FnOnce(&mut World, ConnectionId),
    drain: impl FnOnce(&mut World, ConnectionId),
) {
    let world = &mut World::new();
    let away = world.connect("away");
    world.subscribe(away, "queue");
    world.lose(away);
    let client = world.connect("client");
    let (before, allocated_before) = (world.memory(), allocated());
    fill(world, client);
    let (after, taken) = (world.memory(), allocated() - allocated_before);
    let counted = after.total() - before.total();
    let percent = counted * 100 / taken;
    println!("{name}: {counted} bytes counted, {taken} taken, {percent} %");
    assert!(taken > 1_000_000, "{name}: too little to measure");
    assert!((AT_LEAST_PERCENT..=AT_MOST_PERCENT).contains(&percent), "{name}: {percent} %");
    assert!(kind(&after) - kind(&before) > counted * 9 / 10, "{name} is counted under its name: {after:?}");
    drain(world, client);
    assert_eq!(world.memory(), before, "{name}: drained");
}

/// What a client chooses, beside what it is for.
fn check_what_clients_choose() {
    let numbers = 0..10_000;
    let names: Vec<String> = numbers.map(|number| format!("some/name/{number:08}")).collect();
    let long = |number: usize| format!("{number:08}{}", "n".repeat(2000));
    check(
        "fencing tokens",
        |memory| memory.store + memory.replays,
        |world, client| {
            for name in &names[..1000] {
                let token = format!("1:0:{}", long(0));
                world.ask_fenced(client, &[b"SET", name.as_bytes(), b"v"], Some(&token));
            }
        },
        |world, client| {
            for name in &names[..1000] {
                world.ask_fenced(client, &[b"DEL", name.as_bytes()], Some("2:0:c"));
            }
            world.forget(client);
        },
    );
    let overlapping: Vec<String> = (0..256u32)
        .map(|choice| {
            let level = |bit: u32| if choice >> bit & 1 == 1 { "+" } else { "a" };
            (0..8).map(level).collect::<Vec<_>>().join("/")
        })
        .collect();
    check(
        "subscription identifiers",
        |memory| memory.messages,
        |world, client| {
            let away = world.connect("away");
            for filter in &overlapping {
                world.subscribe_with(away, filter, RetainHandling::DoNotSend, Some(7));
            }
            world.lose(away);
            (0..3000).for_each(|_| world.publish(client, "a/a/a/a/a/a/a/a", false, b"x"));
        },
        |world, _| {
            let away = world.connect("away");
            (0..3000).for_each(|number| world.ack(away, number + 1));
            for filter in &overlapping {
                world.unsubscribe(away, filter);
            }
            world.lose(away);
        },
    );
    check(
        "long shared subscriptions",
        |memory| memory.subscriptions,
        |world, client| (0..1000).for_each(|n| world.subscribe(client, &format!("$share/g/{}", long(n)))),
        |world, client| (0..1000).for_each(|n| world.unsubscribe(client, &format!("$share/g/{}", long(n)))),
    );
    check(
        "pending searches for retained messages",
        |memory| memory.subscriptions,
        |world, client| {
            world.publish(client, "queue", true, b"x");
            let away = world.connect_taking("away", NonZeroU16::MIN);
            world.publish(client, "queue", false, b"in flight");
            for number in 0..1000 {
                let filter = format!("{}/+", long(number));
                world.subscribe_with(away, &filter, RetainHandling::SendAtSubscribe, None);
            }
            world.lose(away);
        },
        |world, client| {
            let away = world.connect_taking("away", NonZeroU16::MIN);
            (0..500).for_each(|number| world.unsubscribe(away, &format!("{}/+", long(number))));
            world.leave(away);
            world.publish(client, "queue", true, b"");
            let away = world.connect("away");
            world.subscribe(away, "queue");
            world.lose(away);
        },
    );
    check(
        "retained messages that expire",
        |memory| memory.retained + memory.messages,
        |world, client| {
            for number in 0..1000 {
                let (packet_id, topic) = (world.fresh_id(), long(number));
                let properties =
                    PublishProperties { message_expiry_interval_s: Some(60), ..PublishProperties::default() };
                let publish = Publish { properties, ..message(packet_id, &topic, true, b"x") };
                world.packet(client, Packet::Publish(publish));
            }
        },
        |world, client| (0..1000).for_each(|number| world.publish(client, &long(number), true, b"")),
    );
    check(
        "retained messages of publishers that are gone",
        |memory| memory.retained + memory.messages,
        |world, _| {
            for (number, name) in names[..5000].iter().enumerate() {
                let client = world.connect(&long(number));
                world.publish(client, name, true, b"x");
                world.leave(client);
            }
        },
        |world, client| names[..5000].iter().for_each(|name| world.publish(client, name, true, b"")),
    );
    check(
        "client identifiers",
        |memory| memory.sessions,
        |world, _| {
            for number in 0..1000 {
                world.connect(&long(number));
            }
        },
        |world, _| {
            (3..=world.sequence).for_each(|sequence| world.lose(ConnectionId { node: 1, sequence }));
            world.now.monotonic = Monotonic::from_nanos(1_000_000_000_000);
            (0..50).for_each(|_| world.handle(&Input::Tick));
        },
    );
    check(
        "what waits for PUBREL",
        |memory| memory.sessions,
        |world, client| {
            let others = (0..8).map(|number| world.connect(&format!("publisher-{number}")));
            for publisher in others.collect::<Vec<_>>().into_iter().chain([client]) {
                for number in 1..=50_000 {
                    let publish = Publish { qos: QoS::ExactlyOnce, ..message(id(number), "t", false, b"") };
                    world.packet(publisher, Packet::Publish(publish));
                }
            }
        },
        |world, client| {
            (1..=50_000).for_each(|number| {
                let (packet_id, reason) = (id(number), ReasonCode::Success);
                let properties = AckProperties::default();
                world.packet(client, Packet::PubRel(PubRel { packet_id, reason, properties }));
            });
            (3..=world.sequence).for_each(|sequence| world.lose(ConnectionId { node: 1, sequence }));
            world.now.monotonic = Monotonic::from_nanos(1_000_000_000_000);
            (0..50).for_each(|_| world.handle(&Input::Tick));
        },
    );
    check(
        "what waits for PUBCOMP",
        |memory| memory.messages,
        |world, client| {
            for _ in 0..2 {
                let subscriber = world.connect(&format!("subscriber-{}", world.sequence));
                world.subscribe(subscriber, "t");
            }
            for number in 1..=50_000 {
                let publish = Publish { qos: QoS::ExactlyOnce, ..message(id(number), "t", false, b"") };
                world.packet(client, Packet::Publish(publish));
                let (packet_id, reason) = (id(number), ReasonCode::Success);
                let properties = AckProperties::default();
                world.packet(client, Packet::PubRel(PubRel { packet_id, reason, properties }));
                for sequence in 3..=4 {
                    let subscriber = ConnectionId { node: 1, sequence };
                    for _ in 0..2 {
                        world.packet(subscriber, Packet::PubRec(PubRec { packet_id, reason, properties }));
                    }
                }
            }
        },
        |world, _| {
            for sequence in 3..=4 {
                let subscriber = ConnectionId { node: 1, sequence };
                let (packet_id, reason) = (id(1), ReasonCode::Success);
                let properties = AckProperties::default();
                world.packet(subscriber, Packet::PubComp(PubComp { packet_id, reason, properties }));
                world.lose(subscriber);
            }
            world.now.monotonic = Monotonic::from_nanos(1_000_000_000_000);
            (0..50).for_each(|_| world.handle(&Input::Tick));
        },
    );
    check(
        "small messages in buffers of large ones",
        |memory| memory.messages,
        |world, client| {
            for _ in 0..10_000 {
                world.publish(client, "nobody", false, &[0; 4000]);
                world.publish(client, "queue", false, b"x");
            }
        },
        |world, _| {
            let away = world.connect("away");
            (0..10_000).for_each(|number| world.ack(away, number + 1));
            world.lose(away);
        },
    );
}

/// A value is held once however many connections are told of it, and so while they are being told.
fn check_notifications() {
    let world = &mut World::new();
    let writer = world.connect("writer");
    for number in 0..500 {
        let watcher = world.connect(&format!("watcher-{number}"));
        world.ask(watcher, &[b"KEYNOTIFY", b"k"]);
    }
    world.ask(writer, &[b"SET", b"k", &vec![b'1'; 1_000_000]]);
    for sequence in 2..=501 {
        world.ack(ConnectionId { node: 1, sequence }, 1);
    }
    let (before, allocated_before) = (world.memory(), allocated());
    world.ask(writer, &[b"SET", b"k", &vec![b'2'; 1_000_000]]);
    let (counted, taken) = (world.memory().total() - before.total(), allocated() - allocated_before);
    println!("notifications: {counted} bytes counted, {taken} taken");
    assert!((1_000_000..1_300_000).contains(&taken), "{taken} bytes for 500 watchers");
    assert!((AT_LEAST_PERCENT..=AT_MOST_PERCENT).contains(&(counted * 100 / taken)));
}

/// What clients have ended is as small as before it grew.
fn check_what_has_ended() {
    let world = &mut World::new();
    let clients: Vec<_> = (0..5).map(|number| world.connect(&format!("client-{number}"))).collect();
    let filters: Vec<_> = (0..10_000).map(|number| number.to_string()).collect();
    // The tables that all share are as large as they will be.
    for filter in &filters {
        world.subscribe(clients[0], filter);
    }
    for filter in &filters {
        world.unsubscribe(clients[0], filter);
    }
    let (before, allocated_before) = (world.memory(), allocated());
    let mut first = 0;
    for &client in &clients {
        for filter in &filters {
            world.subscribe(client, filter);
        }
        first = first.max(if client == clients[0] { allocated() - allocated_before } else { 0 });
        for filter in &filters {
            world.unsubscribe(client, filter);
        }
    }
    assert_eq!(world.memory(), before, "subscriptions");
    let left = allocated().saturating_sub(allocated_before);
    println!(
        "ended subscriptions of {} clients: {left} bytes left, {first} taken by the first",
        clients.len()
    );
    assert!(left < first, "{left} bytes left of subscriptions");

    let bytes_before = allocated();
    let mut first = 0;
    for &client in &clients {
        (0..10_000).for_each(|_| world.ask(client, &[b"DEL", b"nothing"]));
        first = first.max(if client == clients[0] { allocated() - bytes_before } else { 0 });
        world.forget(client);
    }
    let left = allocated().saturating_sub(bytes_before);
    println!("ended requests of {} clients: {left} bytes left, {first} taken by the first", clients.len());
    assert!(left < 2 * first, "{left} bytes left of requests");
}

/// Queues that ran empty are as small as before they grew.
fn check_empty_queues() {
    const SESSIONS: usize = 100;
    const MESSAGES: u16 = 2000;
    let world = &mut World::new();
    let names: Vec<String> = (0..SESSIONS).map(|number| format!("away-{number}")).collect();
    for name in &names {
        let away = world.connect(name);
        world.subscribe(away, "queue");
        world.lose(away);
    }
    let client = world.connect("client");
    let (before, allocated_before) = (world.memory(), allocated());
    (0..MESSAGES).for_each(|_| world.publish(client, "queue", false, b"x"));
    let taken = allocated() - allocated_before;
    assert!(taken > SESSIONS * usize::from(MESSAGES) * 8, "each session has a queue of its own: {taken}");
    for name in &names {
        let back = world.connect(name);
        (1..=MESSAGES).for_each(|number| world.ack(back, number));
        world.lose(back);
    }
    assert_eq!(world.memory(), before, "empty queues");
    let left = allocated().saturating_sub(allocated_before) * 100 / taken;
    println!("empty queues: {left} % of {taken} bytes left");
    assert!(left < 25, "{left} %");
}

/// One test, since another thread would be counted too.
#[test]
fn the_account_agrees_with_the_allocator() {
    check_what_has_ended();
    check_notifications();
    check_what_clients_choose();
    check_empty_queues();
    let numbers = 0..10_000;
    let names: Vec<String> = numbers.clone().map(|number| format!("some/name/{number:08}")).collect();
    let wild: Vec<String> = numbers.map(|number| format!("{number:08}/some/+/#")).collect();
    let shared: Vec<String> = names.iter().map(|name| format!("$share/group/{name}")).collect();
    let value = vec![b'v'; 200];

    check(
        "sessions",
        |memory| memory.sessions,
        |world, _| {
            for name in &names {
                world.connect(name);
            }
        },
        |world, _| {
            (3..=world.sequence).for_each(|sequence| world.lose(ConnectionId { node: 1, sequence }));
            world.now.monotonic = Monotonic::from_nanos(1_000_000_000_000);
            (0..50).for_each(|_| world.handle(&Input::Tick));
        },
    );
    for (name, filters) in [
        ("exact subscriptions", &names),
        ("subscriptions with wildcards", &wild),
        ("shared subscriptions", &shared),
    ] {
        check(
            name,
            |memory| memory.subscriptions,
            |world, client| filters.iter().for_each(|filter| world.subscribe(client, filter)),
            |world, client| filters.iter().for_each(|filter| world.unsubscribe(client, filter)),
        );
    }
    check(
        "retained messages",
        |memory| memory.retained + memory.messages,
        |world, client| names.iter().for_each(|name| world.publish(client, name, true, &value)),
        |world, client| names.iter().for_each(|name| world.publish(client, name, true, b"")),
    );
    check(
        "registrations",
        |memory| memory.watches + memory.replays,
        |world, client| names.iter().for_each(|name| world.ask(client, &[b"KEYNOTIFY", name.as_bytes()])),
        |world, client| {
            for name in &names {
                world.ask(client, &[b"KEYNOTIFY", name.as_bytes(), b"STOP"]);
            }
            world.forget(client);
        },
    );
    check(
        "keys",
        |memory| memory.store + memory.replays,
        |world, client| names.iter().for_each(|name| world.ask(client, &[b"SET", name.as_bytes(), &value])),
        |world, client| {
            for name in &names {
                world.ask(client, &[b"DEL", name.as_bytes()]);
            }
            world.forget(client);
        },
    );
    check(
        "messages",
        |memory| memory.messages,
        |world, client| (0..10_000).for_each(|_| world.publish(client, "queue", false, &value)),
        |world, _| {
            let away = world.connect("away");
            (0..10_000).for_each(|number| world.ack(away, number + 1));
            world.lose(away);
        },
    );
}
