//! What the store counts: requests by command and result, and what the metrics of the Azure broker tell apart.

use std::time::Duration;

use mayfly_core::{Access, Statistics, StoreCommand, StoreResult};
use mayfly_wire::Packet;

use crate::harness::World;
use crate::harness::packets::lasting;
use crate::harness::rules::everyone;
use crate::harness::store::Request;

/// SETs of new keys, and SETs of keys that existed.
fn sets(statistics: &Statistics) -> (u64, u64) {
    (statistics.insertions, statistics.operations.requests(StoreCommand::Set) - statistics.insertions)
}

#[test]
fn each_executed_command_is_counted_once_by_its_result() {
    let mut world = World::new();
    let client = world.store_client("a");
    let watcher = world.store_client("b");
    world.command(watcher, &[b"KEYNOTIFY", b"k"]);
    for command in [
        "SET k v",
        "SET k w NX",
        "GET k",
        "GET none",
        "VDEL k x",
        "DEL k",
        "DEL k",
        "FLUSH",
        "SCAN *",
        "SCAN [",
    ] {
        let items: Vec<_> = command.split(' ').map(str::as_bytes).collect();
        world.command(client, &items);
    }
    let statistics = world.broker.statistics();
    let counted: Vec<_> = statistics.operations.iter().filter(|(.., count)| *count > 0).collect();
    assert_eq!(
        counted,
        [
            (StoreCommand::Set, StoreResult::Done, 1),
            (StoreCommand::Set, StoreResult::NotMet, 1),
            (StoreCommand::Get, StoreResult::Done, 1),
            (StoreCommand::Get, StoreResult::NotMet, 1),
            (StoreCommand::Del, StoreResult::Done, 1),
            (StoreCommand::Del, StoreResult::NotMet, 1),
            (StoreCommand::Vdel, StoreResult::NotMet, 1),
            (StoreCommand::KeyNotify, StoreResult::Done, 1),
            (StoreCommand::Scan, StoreResult::Done, 1),
            (StoreCommand::Scan, StoreResult::Failed, 1),
        ]
    );
    assert_eq!((statistics.requests_malformed, statistics.notifications_sent), (1, 2));
}

#[test]
fn sets_of_new_and_of_existing_keys_are_told_apart_and_count_where_they_fail() {
    let mut world = World::with_limits(|limits| limits.max_keys = 1);
    let client = world.store_client("a");
    let ahead = Request::new(&[b"SET", b"k", b"v"]).timestamp("9999999999999:0:c");
    for (request, expected) in [
        (Request::new(&[b"SET", b"k", b"v"]), (1, 0)),
        (Request::new(&[b"SET", b"k", b"v"]), (1, 0)), // The same again, from memory.
        (Request::new(&[b"SET", b"k", b"w"]), (1, 1)),
        (Request::new(&[b"SET", b"k", b"w", b"NX"]), (1, 2)),
        (ahead.clone(), (1, 3)),
        (Request::new(&[b"SET", b"l", b"v"]), (2, 3)), // Above the quota.
        (Request::new(&[b"SET", b"l", b"v", b"PX"]), (2, 3)), // No command.
        (Request::new(&[b"DEL", b"k"]), (2, 3)),
        (ahead.correlation(b"other"), (3, 3)),
        (Request::new(&[b"SET", b"k", b"again", b"PX", b"10"]), (4, 3)),
    ] {
        world.ask(client, &request);
        assert_eq!(sets(&world.broker.statistics()), expected, "{request:?}");
    }
    world.advance(Duration::from_millis(10));
    assert_eq!(world.broker.statistics().expirations, 1);
    world.command(client, &[b"SET", b"k", b"v", b"PX", b"10"]);
    world.sleep(Duration::from_millis(10));
    world.command(client, &[b"SET", b"k", b"v"]);
    let statistics = world.broker.statistics();
    assert_eq!((sets(&statistics), statistics.expirations), ((6, 3), 2), "what is overdue is no more");
}

#[test]
fn what_the_rules_do_not_allow_counts_too() {
    let mut world = World::ruled([everyone().connect().subscribe(&["#"]).keys(Access::Read, &["*"])]);
    let client = world.store_client("a");
    world.command(client, &[b"SET", b"k", b"v"]);
    let statistics = world.broker.statistics();
    assert_eq!((sets(&statistics), statistics.denied_requests), ((1, 0), 1));
}

#[test]
fn what_a_quota_refuses_is_counted() {
    let mut world = World::with_limits(|limits| (limits.max_keys, limits.max_watched_keys) = (1, 1));
    let client = world.store_client("a");
    for (items, refused) in [
        (&[&b"SET"[..], b"k", b"v"][..], 0),
        (&[b"SET", b"l", b"v"], 1),
        (&[b"KEYNOTIFY", b"k"], 1),
        (&[b"KEYNOTIFY", b"l"], 2),
        (&[b"SET", b"k", b"v", b"NX"], 2),
        (&[b"GET", b"l"], 2),
    ] {
        world.command(client, items);
        assert_eq!(world.broker.statistics().quota_refusals, refused, "{items:?}");
    }
}

#[test]
fn notifications_count_when_they_are_sent_for_the_first_time() {
    let mut world = World::new();
    let (watcher, _) = world.connect_with("w", |connect| {
        lasting(connect);
        connect.properties.receive_maximum = std::num::NonZeroU16::new(1);
    });
    world.send_request(watcher, &Request::new(&[b"KEYNOTIFY", b"k"]));
    world.received(watcher);
    let writer = world.store_client("writer");
    for value in [b"1", b"2", b"3"] {
        world.command(writer, &[b"SET", b"k", value]);
    }
    let sent = |world: &World| world.broker.statistics().notifications_sent;
    assert_eq!(sent(&world), 1, "two wait");
    let first = world.message(watcher);
    world.ack(watcher, first.packet_id);
    assert_eq!(sent(&world), 2);
    world.lose(watcher);
    let (back, _) = world.resume("w");
    assert!(matches!(world.only(back), Packet::Publish(again) if again.dup));
    assert_eq!(sent(&world), 2, "the third went with the connection");
}
