//! Versions: hybrid logical clocks that only grow, and clocks that are too far ahead.

use crate::harness::World;
use crate::harness::store::{Answer, Request};

const TOO_FAR: &str = "-ERR the request timestamp is too far in the future; ensure that the client and broker system clocks are synchronized\r\n";
const TOKEN_TOO_FAR: &str = "-ERR the request fencing token timestamp is too far in the future; ensure that the client and broker system clocks are synchronized\r\n";

fn at(wall_ms: u64) -> String {
    format!("{wall_ms}:0:client")
}

#[test]
fn a_set_needs_a_timestamp_and_a_get_does_not() {
    let mut world = World::new();
    let client = world.store_client("a");
    let set = Request::new(&[b"SET", b"k", b"v"]).timestamp("");
    assert_eq!(world.ask(client, &set).payload, "-ERR missing timestamp\r\n");
    for items in [&[&b"GET"[..], b"k"][..], &[b"DEL", b"k"], &[b"VDEL", b"k", b"v"], &[b"KEYNOTIFY", b"k"]] {
        let answer = world.ask(client, &Request::new(items).timestamp(""));
        assert!(!answer.payload.starts_with('-'), "{items:?}: {answer:?}");
    }
}

#[test]
fn malformed_timestamps_and_tokens_are_refused() {
    let mut world = World::new();
    let client = world.store_client("a");
    for text in ["x", "1:2", "1:2:", "1:2:a:b", "1:2147483647:c", "-1:0:c"] {
        let set = Request::new(&[b"SET", b"k", b"v"]).timestamp(text);
        assert_eq!(world.ask(client, &set).payload, "-ERR malformed timestamp\r\n", "{text}");
        let get = Request::new(&[b"GET", b"k"]).timestamp(text);
        assert_eq!(world.ask(client, &get).payload, "-ERR malformed timestamp\r\n", "{text}");
        let fenced = Request::new(&[b"SET", b"k", b"v"]).fenced(text);
        assert_eq!(world.ask(client, &fenced).payload, "-ERR malformed timestamp\r\n", "{text}");
    }
    assert_eq!(world.broker.statistics().keys, 0);
}

#[test]
fn clocks_may_be_a_minute_ahead_and_no_more() {
    let mut world = World::new();
    let client = world.store_client("a");
    let now = world.wall_ms();
    let set = |wall_ms| Request::new(&[b"SET", b"k", b"v"]).timestamp(&at(wall_ms));
    assert_eq!(world.ask(client, &set(now + 60_001)).payload, TOO_FAR);
    let get = Request::new(&[b"GET", b"k"]).timestamp(&at(now + 60_001));
    assert_eq!(world.ask(client, &get).payload, TOO_FAR);
    let fenced = Request::new(&[b"SET", b"k", b"v"]).fenced(&at(now + 60_001));
    assert_eq!(world.ask(client, &fenced).payload, TOKEN_TOO_FAR);
    assert_eq!(world.broker.statistics().keys, 0);
    assert_eq!(world.ask(client, &set(0)).payload, "+OK\r\n", "the past is fine");
    assert_eq!(world.ask(client, &set(now + 60_000)).payload, "+OK\r\n");
    let fenced = Request::new(&[b"SET", b"k", b"w"]).fenced(&at(now + 60_000));
    assert_eq!(world.ask(client, &fenced).payload, "+OK\r\n");
}

#[test]
fn the_stores_own_version_is_never_too_far_ahead_as_a_token() {
    let mut world = World::new();
    let client = world.store_client("a");
    let lock = world.command(client, &[b"SET", b"lock", b"a"]);
    world.set_wall_ms(world.wall_ms() - 1_000_000);
    let fenced = Request::new(&[b"SET", b"k", b"v"]).fenced(&lock.version.unwrap());
    assert_eq!(world.ask(client, &fenced).payload, "+OK\r\n");
}

#[test]
fn a_version_is_the_later_of_the_clocks() {
    let mut world = World::new();
    let client = world.store_client("a");
    let now = world.wall_ms();
    let mut set = |value: &[u8], timestamp: &str| {
        world.ask(client, &Request::new(&[b"SET", b"k", value]).timestamp(timestamp))
    };
    let text = |answer: Answer| answer.version.unwrap();
    assert_eq!(text(set(b"1", &at(5))), format!("{now:015}:00000:StateStore"));
    assert_eq!(text(set(b"2", &at(5))), format!("{now:015}:00001:StateStore"));
    let ahead = now + 1000;
    assert_eq!(text(set(b"3", &format!("{ahead}:7:z"))), format!("{ahead:015}:00008:StateStore"));
    assert_eq!(text(set(b"4", &at(now))), format!("{ahead:015}:00009:StateStore"));
    let full = format!("{ahead}:2147483646:z");
    assert_eq!(text(set(b"5", &full)), format!("{:015}:00000:StateStore", ahead + 1));
}

#[test]
fn versions_grow_while_the_wall_clock_steps_back_and_forth() {
    let mut world = World::new();
    let client = world.store_client("a");
    let start = world.wall_ms();
    let mut answers = Vec::new();
    for (step, wall_ms) in [0_i64, 500, -500_000, -499_000, 1000, -3_600_000, 2000].into_iter().enumerate() {
        world.set_wall_ms(start.checked_add_signed(wall_ms).unwrap());
        answers.push(world.command(client, &[b"SET", b"k", &step.to_be_bytes()]));
        answers.push(world.command(client, &[b"DEL", b"k"]));
    }
    assert!(answers.is_sorted_by(|earlier, later| earlier.hlc() < later.hlc()), "{answers:?}");
}
