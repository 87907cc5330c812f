//! The store's commands and the exact bytes of their answers.

use std::time::Duration;

use mayfly_wire::Packet;

use crate::harness::World;
use crate::harness::store::Request;

fn is_version(text: Option<&str>) -> bool {
    text.is_some_and(|text| {
        let parts: Vec<_> = text.split(':').collect();
        matches!(parts[..], [wall, counter, "StateStore"] if wall.len() == 15 && counter.len() == 5)
    })
}

#[test]
fn set_get_and_del() {
    let mut world = World::new();
    let client = world.store_client("a");
    let set = world.command(client, &[b"SET", b"k", b"value"]);
    assert_eq!(set.payload, "+OK\r\n");
    assert!(is_version(set.version.as_deref()), "{set:?}");
    let got = world.command(client, &[b"GET", b"k"]);
    assert_eq!((got.payload.as_str(), &got.version), ("$5\r\nvalue\r\n", &set.version));
    let deleted = world.command(client, &[b"DEL", b"k"]);
    assert_eq!(deleted.payload, ":1\r\n");
    assert!(deleted.hlc() > set.hlc());
    let missing = world.command(client, &[b"GET", b"k"]);
    assert_eq!((missing.payload.as_str(), missing.version), ("$-1\r\n", None));
    let again = world.command(client, &[b"DEL", b"k"]);
    assert_eq!((again.payload.as_str(), again.version), (":0\r\n", None));
}

#[test]
fn an_empty_value_is_a_value() {
    let mut world = World::new();
    let client = world.store_client("a");
    assert_eq!(world.reply(client, &[b"SET", b"k", b""]), "+OK\r\n");
    let got = world.command(client, &[b"GET", b"k"]);
    assert_eq!(got.payload, "$0\r\n\r\n");
    assert!(got.version.is_some());
}

#[test]
fn keys_and_values_are_arbitrary_and_large() {
    let mut world = World::new();
    let client = world.store_client("a");
    let (key, value) = (vec![0; 6500], "v".repeat(65_000));
    assert_eq!(world.reply(client, &[b"SET", &key, value.as_bytes()]), "+OK\r\n");
    assert_eq!(world.reply(client, &[b"GET", &key]), format!("$65000\r\n{value}\r\n"));
    assert_eq!(world.reply(client, &[b"GET", b"\r\n$1\r\n\xFF"]), "$-1\r\n");
}

#[test]
fn nx_sets_only_what_does_not_exist() {
    let mut world = World::new();
    let client = world.store_client("a");
    let first = world.command(client, &[b"SET", b"k", b"1", b"NX"]);
    assert_eq!(first.payload, "+OK\r\n");
    let refused = world.command(client, &[b"SET", b"k", b"1", b"NX"]);
    assert_eq!((refused.payload.as_str(), refused.version), (":-1\r\n", first.version));
}

#[test]
fn nex_sets_what_does_not_exist_or_is_equal() {
    let mut world = World::new();
    let client = world.store_client("a");
    let first = world.command(client, &[b"SET", b"k", b"me", b"NEX", b"PX", b"1000"]);
    assert_eq!(first.payload, "+OK\r\n");
    let other = world.command(client, &[b"SET", b"k", b"you", b"NEX", b"PX", b"1000"]);
    assert_eq!((other.payload.as_str(), &other.version), (":-1\r\n", &first.version));
    world.advance(Duration::from_millis(900));
    let renewed = world.command(client, &[b"SET", b"k", b"me", b"NEX", b"PX", b"1000"]);
    assert_eq!(renewed.payload, "+OK\r\n");
    assert!(renewed.hlc() > first.hlc(), "a renewal is a write");
    world.advance(Duration::from_millis(999));
    assert_eq!(world.reply(client, &[b"GET", b"k"]), "$2\r\nme\r\n");
    world.advance(Duration::from_millis(1));
    assert_eq!(world.reply(client, &[b"GET", b"k"]), "$-1\r\n");
}

#[test]
fn vdel_compares() {
    let mut world = World::new();
    let client = world.store_client("a");
    let absent = world.command(client, &[b"VDEL", b"k", b"v"]);
    assert_eq!((absent.payload.as_str(), absent.version), (":0\r\n", None));
    world.command(client, &[b"SET", b"k", b"v"]);
    let differs = world.command(client, &[b"VDEL", b"k", b"w"]);
    assert_eq!((differs.payload.as_str(), differs.version), (":-1\r\n", None));
    let done = world.command(client, &[b"VDEL", b"k", b"v"]);
    assert_eq!(done.payload, ":1\r\n");
    assert!(is_version(done.version.as_deref()));
}

#[test]
fn keynotify_answers_without_a_version() {
    let mut world = World::new();
    let client = world.store_client("a");
    for (items, reply) in [
        (&[&b"KEYNOTIFY"[..], b"k", b"STOP"][..], ":0\r\n"),
        (&[b"KEYNOTIFY", b"k"], "+OK\r\n"),
        (&[b"KEYNOTIFY", b"k"], "+OK\r\n"),
        (&[b"KEYNOTIFY", b"k", b"STOP"], "+OK\r\n"),
        (&[b"KEYNOTIFY", b"k", b"STOP"], ":0\r\n"),
    ] {
        let answer = world.command(client, items);
        assert_eq!((answer.payload.as_str(), answer.version), (reply, None));
    }
}

#[test]
fn px_is_never_early_and_rounds_up() {
    for (px, lives_ms) in [(&b"1500"[..], 1500), (b"1500.5", 1501), (b"0.1", 1)] {
        let mut world = World::new();
        let client = world.store_client("a");
        assert_eq!(world.reply(client, &[b"SET", b"k", b"v", b"PX", px]), "+OK\r\n");
        world.advance(Duration::from_nanos(lives_ms * 1_000_000 - 1));
        assert_eq!(world.reply(client, &[b"GET", b"k"]), "$1\r\nv\r\n", "{px:?}");
        world.advance(Duration::from_nanos(1));
        assert_eq!(world.reply(client, &[b"GET", b"k"]), "$-1\r\n", "{px:?}");
        assert_eq!(world.broker.statistics().keys, 0);
    }
}

#[test]
fn a_set_without_px_removes_the_expiry() {
    let mut world = World::new();
    let client = world.store_client("a");
    world.command(client, &[b"SET", b"k", b"v", b"PX", b"10"]);
    world.command(client, &[b"SET", b"k", b"v"]);
    world.advance(Duration::from_mins(10));
    assert_eq!(world.reply(client, &[b"GET", b"k"]), "$1\r\nv\r\n");
}

#[test]
fn the_wall_clock_does_not_expire_keys() {
    let mut world = World::new();
    let client = world.store_client("a");
    world.command(client, &[b"SET", b"k", b"v", b"PX", b"1000"]);
    world.set_wall_ms(world.wall_ms() + 1_000_000);
    assert_eq!(world.reply(client, &[b"GET", b"k"]), "$1\r\nv\r\n");
    world.set_wall_ms(world.wall_ms() - 5_000_000);
    world.advance(Duration::from_millis(999));
    assert_eq!(world.reply(client, &[b"GET", b"k"]), "$1\r\nv\r\n", "not early");
    world.advance(Duration::from_millis(1));
    assert_eq!(world.broker.statistics().keys, 0, "and not late");
}

/// More keys than one input serves end at one moment; the key that is asked for is none of the first.
#[test]
fn a_key_whose_time_is_over_is_gone_even_behind_a_crowd() {
    const KEYS: usize = 1500;
    let last = (KEYS - 1).to_be_bytes();
    for (command, reply) in [
        (&[&b"GET"[..], &last][..], "$-1\r\n"),
        (&[b"SET", &last, b"w", b"NX"], "+OK\r\n"),
        (&[b"DEL", &last], ":0\r\n"),
        (&[b"VDEL", &last, b"v"], ":0\r\n"),
    ] {
        let mut world = World::new();
        let client = world.store_client("a");
        world.command(client, &[b"KEYNOTIFY", &last]);
        for key in 0..KEYS {
            world.send_request(client, &Request::new(&[b"SET", &key.to_be_bytes(), b"v", b"PX", b"1000"]));
            for packet in world.received(client) {
                if let Packet::Publish(message) = packet {
                    world.ack(client, message.packet_id);
                }
            }
        }
        world.sleep(Duration::from_secs(1));
        world.send_request(client, &Request::new(command).correlation(b"later"));
        assert!(world.is_due(), "some keys are still to be served");
        let mut payloads = world.received(client).into_iter().filter_map(|packet| match packet {
            Packet::Publish(message) => Some(String::from_utf8_lossy(message.payload).into_owned()),
            _ => None,
        });
        let told = payloads.next().expect("the end of the key is told first");
        assert_eq!(told, "*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n", "{command:?}");
        assert_eq!(payloads.next_back().as_deref(), Some(reply), "{command:?}");
    }
}

#[test]
fn bad_commands_are_answered_with_the_exact_texts() {
    let mut world = World::new();
    let client = world.store_client("a");
    for (items, text) in [
        (&[&b"get"[..], b"k"][..], "unknown command"),
        (&[b"MGET", b"k"], "unknown command"),
        (&[b"GET"], "wrong number of arguments"),
        (&[b"GET", b"k", b"k"], "wrong number of arguments"),
        (&[b"SET", b"k"], "wrong number of arguments"),
        (&[b"DEL"], "wrong number of arguments"),
        (&[b"VDEL", b"k"], "wrong number of arguments"),
        (&[b"KEYNOTIFY"], "wrong number of arguments"),
        (&[b"KEYNOTIFY", b"k", b"stop"], "syntax error"),
        (&[b"SET", b"k", b"v", b"nx"], "syntax error"),
        (&[b"SET", b"k", b"v", b"NX", b"NEX"], "syntax error"),
        (&[b"SET", b"k", b"v", b"NEX", b"v"], "syntax error"),
        (&[b"SET", b"k", b"v", b"PX"], "syntax error"),
        (&[b"SET", b"k", b"v", b"PX", b"0"], "syntax error"),
        (&[b"SET", b"k", b"v", b"PX", b"-5"], "syntax error"),
        (&[b"SET", b"k", b"v", b"PX", b"abc"], "syntax error"),
        (&[b"SET", b"", b"v"], "the key length is zero"),
        (&[b"GET", b""], "the key length is zero"),
        (&[b"DEL", b""], "the key length is zero"),
        (&[b"VDEL", b"", b"v"], "the key length is zero"),
        (&[b"KEYNOTIFY", b""], "the key length is zero"),
        (&[b"SCAN"], "wrong number of arguments"),
        (&[b"SCAN", b"*", b"t", b"t"], "wrong number of arguments"),
        (&[b"SCAN", b""], "syntax error"),
        (&[b"SCAN", b"a["], "syntax error"),
        (&[b"SCAN", b"[b-a]"], "syntax error"),
        (&[b"scan", b"*"], "unknown command"),
    ] {
        let answer = world.command(client, items);
        assert_eq!((answer.payload, answer.version), (format!("-ERR {text}\r\n"), None), "{items:?}");
    }
    assert_eq!(world.broker.statistics().keys, 0);
}

#[test]
fn payloads_that_are_no_commands_are_answered_too() {
    let mut world = World::new();
    let client = world.store_client("a");
    for payload in [
        &b""[..],
        b"hello",
        b"*0\r\n",
        b"*2\r\n$3\r\nGET\r\n$1\r\n",
        b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n ",
        b"*-1\r\n",
    ] {
        let answer = world.ask(client, &Request::raw(payload));
        assert_eq!(answer.payload, "-ERR syntax error\r\n", "{payload:?}");
    }
}
