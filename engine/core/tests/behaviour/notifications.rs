//! KEYNOTIFY: who is told of which change, in which order, and how often.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use mayfly_core::Input;
use mayfly_wire::{Hlc, Packet, Publish, QoS, ReasonCode};

use crate::harness::store::{Request, response_topic};
use crate::harness::{Client, World, packets};

const PREFIX: &str = "clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8";

/// What a notification says: topic, payload, version.
fn notification(message: &Publish<'static>) -> (&'static str, String, Hlc<'static>) {
    assert_eq!((message.qos, message.retain), (QoS::AtLeastOnce, false));
    let version = message.properties.user_properties.first("__ts").expect("a version");
    let payload = String::from_utf8(message.payload.to_vec()).unwrap();
    (message.topic, payload, Hlc::parse(version).unwrap())
}

fn set_payload(value: &str) -> String {
    format!("*4\r\n$6\r\nNOTIFY\r\n$3\r\nSET\r\n$5\r\nVALUE\r\n${}\r\n{value}\r\n", value.len())
}

const DELETE_PAYLOAD: &str = "*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n";

fn payloads(world: &mut World, client: Client) -> Vec<String> {
    let messages = world.messages(client);
    world.ack_all(client, &messages);
    messages.iter().map(|message| notification(message).1).collect()
}

/// A world with a watcher of `k` and a client that writes.
fn watched() -> (World, Client, Client) {
    let mut world = World::new();
    let (watcher, writer) = (world.store_client("w"), world.store_client("writer"));
    assert_eq!(world.reply(watcher, &[b"KEYNOTIFY", b"k"]), "+OK\r\n");
    (world, watcher, writer)
}

#[test]
fn a_set_is_told_with_its_value_and_version() {
    let (mut world, watcher, writer) = watched();
    let answer = world.command(writer, &[b"SET", b"k", b"value"]);
    let message = world.message(watcher);
    let expected = (format!("{PREFIX}/77/command/notify/6B"), set_payload("value"), answer.hlc());
    let (topic, payload, version) = notification(&message);
    assert_eq!((topic.to_owned(), payload, version), expected);
}

#[test]
fn topics_are_upper_case_hexadecimal() {
    let mut world = World::new();
    let watcher = world.store_client("Zo\u{eb}-/J");
    let writer = world.store_client("writer");
    let key = b"\x00\xAB\xFF/#";
    world.command(watcher, &[b"KEYNOTIFY", key]);
    world.command(writer, &[b"SET", key, b""]);
    let message = world.message(watcher);
    let (topic, payload, _) = notification(&message);
    assert_eq!(topic, format!("{PREFIX}/5A6FC3AB2D2F4A/command/notify/00ABFF2F23"));
    assert_eq!(payload, set_payload(""));
}

#[test]
fn deletions_are_told_and_refusals_are_not() {
    let (mut world, watcher, writer) = watched();
    for (items, told) in [
        (&[&b"DEL"[..], b"k"][..], None),
        (&[b"SET", b"k", b"1", b"NX"], Some(set_payload("1"))),
        (&[b"SET", b"k", b"2", b"NX"], None),
        (&[b"SET", b"k", b"2", b"NEX"], None),
        (&[b"SET", b"k", b"1", b"NEX"], Some(set_payload("1"))),
        (&[b"VDEL", b"k", b"2"], None),
        (&[b"SET", b"other", b"1"], None),
        (&[b"GET", b"k"], None),
        (&[b"SET", b"k", b"1", b"PX", b"x"], None),
        (&[b"VDEL", b"k", b"1"], Some(DELETE_PAYLOAD.to_owned())),
        (&[b"SET", b"k", b"3"], Some(set_payload("3"))),
        (&[b"DEL", b"k"], Some(DELETE_PAYLOAD.to_owned())),
    ] {
        world.command(writer, items);
        assert_eq!(payloads(&mut world, watcher), Vec::from_iter(told), "{items:?}");
    }
}

#[test]
fn the_deletions_version_is_told() {
    let (mut world, watcher, writer) = watched();
    world.command(writer, &[b"SET", b"k", b"1"]);
    world.received(watcher);
    let deleted = world.command(writer, &[b"DEL", b"k"]);
    assert_eq!(notification(&world.message(watcher)).2, deleted.hlc());
}

#[test]
fn an_expiry_is_told_without_any_request() {
    let (mut world, watcher, writer) = watched();
    let set = world.command(writer, &[b"SET", b"k", b"v", b"PX", b"1500"]);
    world.received(watcher);
    world.advance(Duration::from_millis(1499));
    assert!(world.received(watcher).is_empty(), "never early");
    world.advance(Duration::from_millis(1));
    let message = world.message(watcher);
    let (_, payload, version) = notification(&message);
    assert_eq!(payload, DELETE_PAYLOAD);
    assert!(version > set.hlc(), "an expiry has a version of its own");
    world.advance(Duration::from_mins(1));
    assert!(world.received(watcher).is_empty());
}

#[test]
fn a_crowd_of_expiries_is_told_in_steps_of_bounded_work() {
    let mut world = World::new();
    let names: Vec<&'static str> =
        (0..300).map(|number| &*Box::leak(format!("w{number}").into_boxed_str())).collect();
    let watchers: Vec<_> = names.iter().map(|name| world.connect(name)).collect();
    let keys = [b"1", b"2", b"3", b"4", b"5"];
    for &watcher in &watchers {
        for key in keys {
            world.send_request(watcher, &Request::new(&[b"KEYNOTIFY", key]));
        }
    }
    let writer = world.store_client("writer");
    for key in keys {
        world.reply(writer, &[b"SET", key, b"v", b"PX", b"1000"]);
    }
    world.received(watchers[0]);
    world.sleep(Duration::from_secs(1));
    for expired in [4, 1] {
        assert!(world.is_due());
        world.handle(&Input::Tick);
        assert_eq!(world.messages(watchers[0]).len(), expired, "each counts for its 300 watchers");
    }
    assert!(!world.is_due());
}

#[test]
fn the_writer_hears_of_its_own_write_before_the_response() {
    let mut world = World::new();
    let client = world.store_client("a");
    world.command(client, &[b"KEYNOTIFY", b"k"]);
    world.send_request(client, &Request::new(&[b"SET", b"k", b"v"]));
    assert!(matches!(world.next(client), Packet::PubAck(_)));
    let [notified, response] = world.messages(client)[..] else { panic!("expected two messages") };
    assert_eq!(notification(&notified).1, set_payload("v"));
    assert_eq!(response.topic, response_topic(client));
    let version = response.properties.user_properties.first("__ts");
    assert_eq!(notified.properties.user_properties.first("__ts"), version);
}

#[test]
fn the_order_holds_for_responses_of_qos_0_and_a_full_window() {
    let mut world = World::new();
    let (client, _) =
        world.connect_with("a", |connect| connect.properties.receive_maximum = NonZeroU16::new(1));
    world.subscribe(client, &response_topic(client), QoS::AtMostOnce);
    for payload in [&[&b"KEYNOTIFY"[..], b"k"][..], &[b"SET", b"k", b"1"], &[b"SET", b"k", b"2"]] {
        world.send_request(client, &Request::new(payload));
    }
    let mut seen = Vec::new();
    let mut unacknowledged = None;
    loop {
        for packet in world.received(client) {
            if let Packet::Publish(message) = packet {
                seen.push(String::from_utf8_lossy(message.payload).into_owned());
                unacknowledged = message.packet_id.or(unacknowledged);
            }
        }
        let Some(packet_id) = unacknowledged.take() else { break };
        world.ack(client, Some(packet_id));
    }
    assert_eq!(seen, ["+OK\r\n", &set_payload("1"), "+OK\r\n", &set_payload("2"), "+OK\r\n"]);
}

#[test]
fn none_follows_the_response_of_stop() {
    let mut world = World::new();
    let (watcher, _) =
        world.connect_with("w", |connect| connect.properties.receive_maximum = NonZeroU16::new(1));
    world.subscribe(watcher, &response_topic(watcher), QoS::AtLeastOnce);
    world.command(watcher, &[b"KEYNOTIFY", b"k"]);
    let writer = world.store_client("writer");
    for value in [b"1", b"2", b"3"] {
        world.command(writer, &[b"SET", b"k", value]);
    }
    world.send_request(watcher, &Request::new(&[b"KEYNOTIFY", b"k", b"STOP"]));
    world.command(writer, &[b"SET", b"k", b"4"]);
    let mut seen = Vec::new();
    loop {
        let messages: Vec<_> = world.received(watcher).into_iter().filter_map(as_publish).collect();
        if messages.is_empty() {
            break;
        }
        seen.extend(messages.iter().map(|message| String::from_utf8(message.payload.to_vec()).unwrap()));
        world.ack_all(watcher, &messages);
    }
    assert_eq!(seen, [&set_payload("1"), &set_payload("2"), &set_payload("3"), "+OK\r\n"]);
}

fn as_publish(packet: Packet<'static>) -> Option<Publish<'static>> {
    if let Packet::Publish(publish) = packet { Some(publish) } else { None }
}

#[test]
fn a_matching_subscription_brings_no_second_copy() {
    let (mut world, watcher, writer) = watched();
    world.subscribe(watcher, "#", QoS::AtLeastOnce);
    let exact = format!("{PREFIX}/77/command/notify/6B");
    world.subscribe(watcher, &exact, QoS::AtLeastOnce);
    world.command(writer, &[b"SET", b"k", b"v"]);
    let topics: Vec<_> = world.messages(watcher).iter().map(|message| message.topic).collect();
    assert_eq!(topics.iter().filter(|topic| **topic == exact).count(), 1);
}

#[test]
fn registering_twice_brings_no_second_copy() {
    let (mut world, watcher, writer) = watched();
    world.command(watcher, &[b"KEYNOTIFY", b"k"]);
    world.command(writer, &[b"SET", b"k", b"v"]);
    assert_eq!(payloads(&mut world, watcher), [set_payload("v")]);
    assert_eq!(world.reply(watcher, &[b"KEYNOTIFY", b"k", b"STOP"]), "+OK\r\n");
    world.command(writer, &[b"SET", b"k", b"v"]);
    assert!(world.received(watcher).is_empty());
}

#[test]
fn nobody_else_sees_them() {
    let (mut world, watcher, writer) = watched();
    let spy = world.connect("spy");
    world.subscribe(spy, "#", QoS::AtLeastOnce);
    world.subscribe(spy, &format!("{PREFIX}/77/command/notify/6B"), QoS::AtLeastOnce);
    world.command(writer, &[b"SET", b"k", b"v"]);
    assert_eq!(world.messages(watcher).len(), 1);
    assert!(world.messages(spy).iter().all(|message| message.topic.ends_with("/responses")));
}

#[test]
fn each_watcher_is_told_under_its_own_topic() {
    let (mut world, first, writer) = watched();
    let second = world.store_client("v");
    world.command(second, &[b"KEYNOTIFY", b"k"]);
    world.command(writer, &[b"SET", b"k", b"v"]);
    assert_eq!(world.message(first).topic, format!("{PREFIX}/77/command/notify/6B"));
    assert_eq!(world.message(second).topic, format!("{PREFIX}/76/command/notify/6B"));
}

#[test]
fn what_was_sent_comes_again_and_what_was_not_is_dropped() {
    let mut world = World::new();
    let connect = |world: &mut World| {
        world
            .connect_with("w", |connect| {
                packets::lasting(connect);
                connect.properties.receive_maximum = NonZeroU16::new(2);
            })
            .0
    };
    let watcher = connect(&mut world);
    world.subscribe(watcher, &response_topic(watcher), QoS::AtLeastOnce);
    world.command(watcher, &[b"KEYNOTIFY", b"k"]);
    let writer = world.store_client("writer");
    for value in [b"1", b"2", b"3", b"4"] {
        world.command(writer, &[b"SET", b"k", value]);
    }
    assert_eq!(world.messages(watcher).len(), 2);
    world.lose(watcher);
    assert_eq!(world.broker.statistics().dropped.connection_ended, 2, "two were sent, two waited");
    world.command(writer, &[b"SET", b"k", b"5"]);
    let back = connect(&mut world);
    let again = world.messages(back);
    assert!(again.iter().all(|message| message.dup));
    let told: Vec<_> = again.iter().map(|message| notification(message).1).collect();
    assert_eq!(told, [set_payload("1"), set_payload("2")]);
    world.ack_all(back, &again);
    world.command(writer, &[b"SET", b"k", b"6"]);
    assert!(world.received(back).is_empty(), "the registration ended with its connection");
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn a_taken_over_connection_loses_its_registrations() {
    let mut world = World::new();
    let (first, _) = world.resume("w");
    world.subscribe(first, &response_topic(first), QoS::AtLeastOnce);
    world.command(first, &[b"KEYNOTIFY", b"k"]);
    let (second, _) = world.resume("w");
    let writer = world.store_client("writer");
    world.command(writer, &[b"SET", b"k", b"v"]);
    assert!(world.received(second).is_empty());
}

#[test]
fn a_watcher_that_falls_behind_is_disconnected() {
    let mut world = World::with_limits(|limits| limits.max_queued_messages = 3);
    let (watcher, _) = world.connect_with("w", |connect| {
        packets::lasting(connect);
        connect.properties.receive_maximum = NonZeroU16::new(1);
    });
    world.subscribe(watcher, &response_topic(watcher), QoS::AtLeastOnce);
    world.command(watcher, &[b"KEYNOTIFY", b"k"]);
    let writer = world.store_client("writer");
    for value in [b"1", b"2", b"3", b"4"] {
        world.command(writer, &[b"SET", b"k", value]);
    }
    assert!(!world.is_closed(watcher), "one in flight, three queued");
    world.message(watcher);
    assert_eq!(world.reply(writer, &[b"SET", b"k", b"5"]), "+OK\r\n", "the writer is not disturbed");
    world.assert_disconnected(watcher, ReasonCode::QuotaExceeded);
    assert_eq!(world.broker.statistics().messages, 1, "the one in flight stays with the session");
}

#[test]
fn a_watcher_that_cannot_take_a_change_is_disconnected() {
    let mut world = World::new();
    let (watcher, _) = world.connect_with("w", |connect| {
        connect.properties.maximum_packet_size = NonZeroU32::new(500);
    });
    world.subscribe(watcher, &response_topic(watcher), QoS::AtLeastOnce);
    world.command(watcher, &[b"KEYNOTIFY", b"k"]);
    let writer = world.store_client("writer");
    world.command(writer, &[b"SET", b"k", &[b'v'; 1000]]);
    world.assert_disconnected(watcher, ReasonCode::QuotaExceeded);
}

#[test]
fn the_number_of_watched_keys_is_bounded() {
    let mut world = World::with_limits(|limits| limits.max_watched_keys = 1);
    let client = world.store_client("a");
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", b"1"]), "+OK\r\n");
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", b"2"]), "-ERR the quota has been exceeded\r\n");
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", b"1"]), "+OK\r\n");
    world.command(client, &[b"KEYNOTIFY", b"1", b"STOP"]);
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", b"2"]), "+OK\r\n");
}

#[test]
fn a_key_whose_topic_would_be_too_long_is_not_watched() {
    let mut world = World::new();
    let client = world.store_client("a");
    // Prefix, "/", two digits of the client identifier, and the infix; two digits for each byte of the key.
    let room = (65_535 - (PREFIX.len() + 1 + 2 + "/command/notify/".len())) / 2;
    let (fits, exceeds) = (vec![7; room], vec![7; room + 1]);
    assert_eq!(
        world.reply(client, &[b"KEYNOTIFY", &exceeds]),
        "-ERR the key is too long for a notification topic\r\n"
    );
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", &exceeds, b"STOP"]), ":0\r\n");
    assert_eq!(world.reply(client, &[b"KEYNOTIFY", &fits]), "+OK\r\n");
    world.send_request(client, &Request::new(&[b"SET", &fits, b"v"]));
    assert_eq!(world.received(client).len(), 3, "PUBACK, notification, response");
}
