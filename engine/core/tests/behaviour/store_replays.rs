//! A request that comes again: what was executed is answered from memory, what only reads is read again.

use std::time::Duration;

use mayfly_wire::{Packet, QoS};

use crate::harness::store::{Answer, Request, answer};
use crate::harness::{Client, World};

/// A connection of a lasting session that is ready to ask the store.
fn lasting(world: &mut World) -> Client {
    let (client, _) = world.resume("a");
    world.subscribe(client, "responses", QoS::AtLeastOnce);
    client
}

fn to_responses(items: &[&[u8]]) -> Request {
    Request { response_topic: Some("responses".to_owned()), ..Request::new(items).timestamp("1:0:c") }
}

/// Sends `request`, loses the connection before anything of the answer is seen, comes back and sends it again.
fn replay_after_reconnect(world: &mut World, request: &Request) -> (Answer, Answer) {
    let client = lasting(world);
    world.send_request(client, request);
    let first = world.received(client);
    let Some(Packet::Publish(first)) = first.last() else { panic!("no response: {first:?}") };
    world.lose(client);
    let (back, ack) = world.resume("a");
    assert!(ack.session_present);
    let resent = world.message(back);
    assert!(resent.dup);
    assert_eq!(answer(&resent), answer(first));
    world.ack(back, resent.packet_id);
    (answer(first), world.ask(back, request))
}

#[test]
fn a_set_nx_that_succeeded_says_so_again() {
    let mut world = World::new();
    let (first, second) = replay_after_reconnect(&mut world, &to_responses(&[b"SET", b"k", b"v", b"NX"]));
    assert_eq!(first.payload, "+OK\r\n");
    assert_eq!(first, second, "with the version that it gave then");
    assert_eq!(world.broker.statistics().requests_replayed, 1);
}

#[test]
fn deletions_are_not_repeated() {
    for items in [&[&b"DEL"[..], b"k"][..], &[b"VDEL", b"k", b"v"]] {
        let mut world = World::new();
        let other = world.store_client("other");
        world.command(other, &[b"SET", b"k", b"v"]);
        let (first, second) = replay_after_reconnect(&mut world, &to_responses(items));
        assert_eq!(first.payload, ":1\r\n");
        assert_eq!(first, second);
    }
}

#[test]
fn a_replayed_deletion_does_not_delete_what_came_later() {
    let mut world = World::new();
    let client = lasting(&mut world);
    let other = world.store_client("other");
    world.command(other, &[b"SET", b"k", b"v"]);
    let request = to_responses(&[b"DEL", b"k"]);
    world.ask(client, &request);
    world.command(other, &[b"SET", b"k", b"w"]);
    assert_eq!(world.ask(client, &request).payload, ":1\r\n");
    assert_eq!(world.reply(other, &[b"GET", b"k"]), "$1\r\nw\r\n");
}

#[test]
fn a_replayed_keynotify_is_not_executed_again() {
    let mut world = World::new();
    let (first, second) = replay_after_reconnect(&mut world, &to_responses(&[b"KEYNOTIFY", b"k", b"STOP"]));
    assert_eq!((first.payload.as_str(), second.payload.as_str()), (":0\r\n", ":0\r\n"));
    let client = world.store_client("b");
    let stop = Request::new(&[b"KEYNOTIFY", b"k", b"STOP"]);
    world.command(client, &[b"KEYNOTIFY", b"k"]);
    assert_eq!(world.ask(client, &stop).payload, "+OK\r\n");
    assert_eq!(world.ask(client, &stop).payload, "+OK\r\n", "the first execution's response");
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", b"k", b"STOP"]), ":0\r\n");
}

#[test]
fn a_registration_ends_with_its_connection_and_a_replay_does_not_renew_it() {
    let mut world = World::new();
    let (first, second) = replay_after_reconnect(&mut world, &to_responses(&[b"KEYNOTIFY", b"k"]));
    assert_eq!((first.payload.as_str(), second.payload.as_str()), ("+OK\r\n", "+OK\r\n"));
    let other = world.store_client("other");
    world.command(other, &[b"SET", b"k", b"v"]);
    assert_eq!(world.broker.statistics().messages, 0, "nobody is notified");
}

#[test]
fn a_get_is_executed_again() {
    let mut world = World::new();
    let client = world.store_client("a");
    let get = Request::new(&[b"GET", b"k"]);
    assert_eq!(world.ask(client, &get).payload, "$-1\r\n");
    world.command(client, &[b"SET", b"k", b"v"]);
    assert_eq!(world.ask(client, &get).payload, "$1\r\nv\r\n");
}

#[test]
fn a_scan_is_executed_again() {
    let mut world = World::new();
    let client = world.store_client("a");
    let scan = Request::new(&[b"SCAN", b"*"]);
    assert_eq!(world.ask(client, &scan).payload, "*1\r\n*0\r\n");
    world.command(client, &[b"SET", b"k", b"v"]);
    assert_eq!(world.ask(client, &scan).payload, "*1\r\n*1\r\n$1\r\nk\r\n");
    assert_eq!(world.broker.statistics().requests_replayed, 0);
}

#[test]
fn what_was_refused_is_refused_again() {
    let mut world = World::new();
    let client = world.store_client("a");
    let other = world.store_client("other");
    world.command(other, &[b"SET", b"k", b"v"]);
    let request = Request::new(&[b"SET", b"k", b"w", b"NX"]).timestamp("1:0:c");
    let refused = world.ask(client, &request);
    assert_eq!(refused.payload, ":-1\r\n");
    world.command(other, &[b"DEL", b"k"]);
    assert_eq!(world.ask(client, &request), refused);
}

#[test]
fn another_request_is_another_request() {
    let base = || Request::new(&[b"SET", b"k", b"v", b"NX"]).timestamp("1:0:c");
    for other in [
        base().correlation(b"other"),
        base().timestamp("2:0:c"),
        base().fenced("1:0:c"),
        Request::new(&[b"SET", b"k", b"w", b"NX"]).timestamp("1:0:c"),
    ] {
        let mut world = World::new();
        let client = world.store_client("a");
        assert_eq!(world.ask(client, &base()).payload, "+OK\r\n");
        assert_eq!(world.ask(client, &other).payload, ":-1\r\n", "{other:?}");
    }
    let mut world = World::new();
    let (client, other) = (world.store_client("a"), world.store_client("b"));
    assert_eq!(world.ask(client, &base()).payload, "+OK\r\n");
    assert_eq!(world.ask(other, &base()).payload, ":-1\r\n", "another client's");
}

#[test]
fn dup_and_the_packet_identifier_do_not_matter() {
    let mut world = World::new();
    let client = world.store_client("a");
    let request = Request::new(&[b"SET", b"k", b"v", b"NX"]).timestamp("1:0:c");
    assert_eq!(world.ask(client, &request).payload, "+OK\r\n");
    assert_eq!(world.ask(client, &Request { dup: true, ..request.clone() }).payload, "+OK\r\n");
}

/// A SET that succeeds once, under the packet identifier 7.
fn once() -> Request {
    Request { packet_id: Some(7), ..Request::new(&[b"SET", b"k", b"v", b"NX"]).timestamp("1:0:c") }
}

/// A use of the packet identifier 7 for something else: the client has the PUBACK of what it stood for before.
fn settle(world: &mut World, client: Client) {
    world.ask(client, &Request { packet_id: Some(7), ..Request::new(&[b"GET", b"k"]) });
}

#[test]
fn what_the_client_has_the_puback_of_is_remembered_for_the_message_expiry_or_a_minute() {
    for (expiry_s, remembered_s) in [(Some(10), 10), (None, 60)] {
        let mut world = World::new();
        let client = world.store_client("a");
        let request = once().expiry_s(expiry_s);
        assert_eq!(world.ask(client, &request).payload, "+OK\r\n");
        settle(&mut world, client);
        world.advance(Duration::from_millis(remembered_s * 1000 - 1));
        assert_eq!(world.ask(client, &request).payload, "+OK\r\n");
        settle(&mut world, client);
        world.advance(Duration::from_millis(1));
        assert_eq!(world.ask(client, &request).payload, ":-1\r\n");
    }
}

#[test]
fn what_the_client_may_lack_the_puback_of_is_remembered_as_long_as_its_session() {
    let mut world = World::new();
    let client = lasting(&mut world);
    let request = Request { response_topic: Some("responses".to_owned()), ..once() };
    world.send_request(client, &request);
    world.lose(client);
    world.advance(Duration::from_mins(50));
    let (back, _) = world.resume("a");
    let resent = world.message(back);
    world.ack(back, resent.packet_id);
    assert_eq!(world.ask(back, &request).payload, "+OK\r\n");
    world.lose(back);
    world.advance(Duration::from_mins(61));
    let anew = lasting(&mut world);
    assert_eq!(world.ask(anew, &request).payload, ":-1\r\n", "another session's");
}

#[test]
fn at_the_bound_the_oldest_is_forgotten_and_counted() {
    let mut world = World::with_limits(|limits| limits.max_remembered_requests = 2);
    let client = world.store_client("a");
    let requests: Vec<_> = [&b"1"[..], b"2", b"3"]
        .iter()
        .map(|key| Request::new(&[b"SET", key, b"v", b"NX"]).timestamp("1:0:c"))
        .collect();
    for request in &requests {
        assert_eq!(world.ask(client, request).payload, "+OK\r\n");
    }
    assert_eq!(world.broker.statistics().replays_displaced, 1);
    assert_eq!(world.ask(client, &requests[2]).payload, "+OK\r\n");
    assert_eq!(world.ask(client, &requests[0]).payload, ":-1\r\n", "executed again");
}
