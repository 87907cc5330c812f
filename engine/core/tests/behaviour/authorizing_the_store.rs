//! Keys that a client may read and write, and where it may have responses sent.

use mayfly_core::Access;
use mayfly_wire::{Packet, PubAck, QoS, ReasonCode};

use crate::harness::rules::{everyone, user};
use crate::harness::store::Request;
use crate::harness::{Client, World};

const DENIED: &str = "-ERR not authorized\r\n";

/// A policy of whoever may connect and receive responses.
fn base() -> crate::harness::rules::Draft {
    everyone().connect().subscribe(&["clients/#"])
}

fn assert_denied(world: &mut World, client: Client, command: &[&[u8]]) {
    assert_eq!(world.reply(client, command), DENIED, "{command:?}");
}

#[test]
fn reading_and_writing_are_allowed_apart() {
    let mut world = World::ruled([
        base(),
        user("reader").keys(Access::Read, &["k*"]),
        user("writer").keys(Access::Write, &["k*"]),
    ]);
    world.come_as(Some("reader"), &[]);
    let reader = world.store_client("r");
    world.come_as(Some("writer"), &[]);
    let writer = world.store_client("w");
    assert_eq!(world.reply(writer, &[b"SET", b"k1", b"v"]), "+OK\r\n");
    assert_eq!(world.reply(reader, &[b"GET", b"k1"]), "$1\r\nv\r\n");
    assert_eq!(world.reply(reader, &[b"KEYNOTIFY", b"k1"]), "+OK\r\n");
    let writes: [&[&[u8]]; 3] = [&[b"SET", b"k1", b"x"], &[b"DEL", b"k1"], &[b"VDEL", b"k1", b"v"]];
    for command in writes {
        assert_denied(&mut world, reader, command);
    }
    let reads: [&[&[u8]]; 3] = [&[b"GET", b"k1"], &[b"KEYNOTIFY", b"k1"], &[b"KEYNOTIFY", b"k1", b"STOP"]];
    for command in reads {
        assert_denied(&mut world, writer, command);
    }
    assert_denied(&mut world, writer, &[b"SET", b"l", b"v"]);
    assert_denied(&mut world, reader, &[b"GET", b"l"]);
    assert_eq!(world.reply(reader, &[b"GET", b"k1"]), "$1\r\nv\r\n", "nothing denied was executed");
    assert_eq!(world.broker.statistics().denied_requests, 8);
}

#[test]
fn each_client_has_keys_of_its_own() {
    let mut world = World::ruled([base().keys(Access::ReadWrite, &["clients/{principal.clientId}/*"])]);
    let client = world.store_client("a");
    assert_eq!(world.reply(client, &[b"SET", b"clients/a/x", b"v"]), "+OK\r\n");
    assert_denied(&mut world, client, &[b"SET", b"clients/b/x", b"v"]);
    for client_id in ["*", "?", "a/x"] {
        let client = world.store_client(client_id);
        assert_denied(&mut world, client, &[b"GET", b"clients/a/x"]);
        assert_denied(&mut world, client, &[b"SET", b"clients/a/x/y", b"v"]);
    }
}

#[test]
fn a_key_that_is_named_exactly_is_no_pattern() {
    let names: [&[u8]; 3] = [b"k*", b"{principal.clientId}", b"\x00\xFF"];
    let mut world = World::ruled([base().exact_keys(Access::ReadWrite, &names)]);
    let client = world.store_client("a");
    for name in names {
        assert_eq!(world.reply(client, &[b"SET", name, b"v"]), "+OK\r\n");
        assert_eq!(world.reply(client, &[b"GET", name]), "$1\r\nv\r\n");
    }
    for name in [&b"k"[..], b"k1", b"k**", b"a", b"\x00", b"\x00\xFF\x00", b"\x00\xFE"] {
        assert_denied(&mut world, client, &[b"SET", name, b"v"]);
        assert_denied(&mut world, client, &[b"GET", name]);
    }
}

#[test]
fn requests_need_no_permission_to_publish() {
    let mut world = World::ruled([base().keys(Access::Read, &["*"])]);
    let client = world.store_client("a");
    assert_eq!(world.reply(client, &[b"GET", b"k"]), "$-1\r\n");
}

#[test]
fn a_response_goes_only_where_the_requester_may_subscribe() {
    let mut world = World::ruled([
        everyone().connect().subscribe(&["clients/{principal.clientId}/#"]).keys(Access::ReadWrite, &["*"]),
        user("victim").subscribe(&["#"]),
    ]);
    let client = world.connect("a");
    world.come_as(Some("victim"), &[]);
    let victim = world.connect("v");
    world.subscribe(victim, "#", QoS::AtLeastOnce);
    let mut request = Request::new(&[b"SET", b"k", b"v"]);
    for topic in ["commands/victim", "clients/b/x"] {
        request.response_topic = Some(topic.to_owned());
        world.send_request(client, &request);
        match world.only(client) {
            Packet::PubAck(PubAck { reason, .. }) => assert_eq!(reason, ReasonCode::NotAuthorized),
            other => panic!("expected PUBACK, got {other:?}"),
        }
    }
    assert!(world.received(victim).is_empty());
    assert_eq!(world.broker.statistics().keys, 0, "nothing was executed");
    assert_eq!(world.broker.statistics().denied_requests, 2);
    request.response_topic = Some("clients/a/x".to_owned());
    world.send_request(client, &request);
    assert!(matches!(world.only(client), Packet::PubAck(PubAck { reason: ReasonCode::Success, .. })));
    assert_eq!(world.broker.statistics().keys, 1);
}

/// Sends a GET whose response is to go to `topic`, and takes its PUBACK.
fn get_to(world: &mut World, client: Client, topic: &str) -> ReasonCode {
    let mut request = Request::new(&[b"GET", b"k"]);
    request.response_topic = Some(topic.to_owned());
    world.send_request(client, &request);
    match world.next(client) {
        Packet::PubAck(PubAck { reason, .. }) => reason,
        other => panic!("expected PUBACK, got {other:?}"),
    }
}

#[test]
fn a_response_goes_to_others_only_where_the_requester_may_publish() {
    let rules = || everyone().connect().subscribe(&["#"]).keys(Access::ReadWrite, &["*"]);
    let mut world = World::ruled([rules(), user("writer").publish(&["alarms/#"])]);
    let bystander = world.connect("b");
    for filter in ["alarms/#", "$share/g/alarms/#"] {
        world.subscribe(bystander, filter, QoS::AtLeastOnce);
    }
    let client = world.connect("a");
    world.subscribe(client, "alarms/+", QoS::AtLeastOnce);
    assert_eq!(get_to(&mut world, client, "alarms/fire"), ReasonCode::Success);
    assert_eq!(world.payloads(client), ["$-1\r\n"], "its own subscription brings it");
    assert!(world.received(bystander).is_empty());
    world.come_as(Some("writer"), &[]);
    let writer = world.connect("w");
    assert_eq!(get_to(&mut world, writer, "alarms/fire"), ReasonCode::Success);
    assert_eq!(world.payloads(bystander), ["$-1\r\n"; 2]);
    assert_eq!(world.payloads(client), ["$-1\r\n"]);
}

#[test]
fn what_was_executed_is_answered_again_after_the_permission_went() {
    let mut world = World::ruled([base().keys(Access::ReadWrite, &["*"])]);
    let client = world.store_client("a");
    let request = Request::new(&[b"SET", b"k", b"v"]).timestamp("1700000000000:0:c");
    assert_eq!(world.ask(client, &request).payload, "+OK\r\n");
    world.set_rules([base()]);
    assert_eq!(world.ask(client, &request).payload, "+OK\r\n", "it was executed, and that is what is asked");
    assert_denied(&mut world, client, &[b"SET", b"k", b"v"]);
}

#[test]
fn a_denied_request_can_be_repeated_once_it_is_allowed() {
    let mut world = World::ruled([base()]);
    let client = world.store_client("a");
    let request = Request::new(&[b"SET", b"k", b"v"]).timestamp("1700000000000:0:c");
    assert_eq!(world.ask(client, &request).payload, DENIED);
    world.set_rules([base().keys(Access::Write, &["k"])]);
    assert_eq!(world.ask(client, &request).payload, "+OK\r\n");
}
