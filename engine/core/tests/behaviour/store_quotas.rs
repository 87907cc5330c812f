//! Key quota and memory quota of the store: what counts, what gives room back, and that nothing stored is lost.

use std::time::Duration;

use mayfly_core::{Input, Limits};
use mayfly_wire::Packet;

use crate::harness::store::Request;
use crate::harness::{Client, World};
use crate::limits_of_the_broker::QUOTA;

/// What the documentation of `max_store_bytes` says of a key beside its bytes and its value's, of an expiry, and of a
/// fencing token beside the bytes of its node id.
const KEY: u64 = 136;
const EXPIRY: u64 = 40;
const TOKEN: u64 = 32;

fn with_bytes(max_store_bytes: u64) -> (World, Client) {
    let mut world = World::with_limits(|limits| limits.max_store_bytes = max_store_bytes);
    let client = world.store_client("a");
    (world, client)
}

fn bytes(world: &World) -> u64 {
    world.broker.statistics().memory.store as u64
}

fn limit(world: &mut World, change: impl FnOnce(&mut Limits)) {
    let mut limits = Limits::default();
    change(&mut limits);
    world.handle(&Input::Limits(limits));
}

#[test]
fn the_number_of_keys_is_bounded() {
    let mut world = World::with_limits(|limits| limits.max_keys = 2);
    let client = world.store_client("a");
    for key in [b"1", b"2"] {
        assert_eq!(world.reply(client, &[b"SET", key, b"v"]), "+OK\r\n");
    }
    let refused = world.command(client, &[b"SET", b"3", b"v"]);
    assert_eq!((refused.payload.as_str(), refused.version), (QUOTA, None));
    assert_eq!(world.reply(client, &[b"GET", b"3"]), "$-1\r\n");
    assert_eq!(world.reply(client, &[b"SET", b"2", b"longer"]), "+OK\r\n", "it is no further key");
    assert_eq!(world.reply(client, &[b"GET", b"1"]), "$1\r\nv\r\n", "nothing stored is lost");
    assert_eq!(world.reply(client, &[b"GET", b"2"]), "$6\r\nlonger\r\n");
}

#[test]
fn a_key_counts_as_documented_to_the_byte() {
    let (key, value) = (&b"some key"[..], &b"some value"[..]);
    let plain = KEY + 18;
    let set = || Request::new(&[b"SET", key, value]);
    let lasting = || Request::new(&[b"SET", key, value, b"PX", b"1000"]);
    for (request, takes) in [
        (set(), plain),
        (lasting(), plain + EXPIRY),
        (set().fenced("1:0:node"), plain + TOKEN + 4),
        (lasting().fenced("1:0:node"), plain + EXPIRY + TOKEN + 4),
    ] {
        let (mut world, client) = with_bytes(takes - 1);
        assert_eq!(world.ask(client, &request).payload, QUOTA, "{takes}");
        assert_eq!(bytes(&world), 0);
        let (mut world, client) = with_bytes(takes);
        assert_eq!(world.ask(client, &request).payload, "+OK\r\n", "{takes}");
        assert_eq!(bytes(&world), takes);
    }
}

#[test]
fn what_ends_or_shrinks_gives_back_what_it_took() {
    let (mut world, client) = with_bytes(u64::MAX);
    let fenced = |items: &[&[u8]]| Request::new(items).fenced("1:0:node");
    for (request, left) in [
        (fenced(&[b"SET", b"k", b"value", b"PX", b"1000"]), KEY + 6 + EXPIRY + TOKEN + 4),
        (fenced(&[b"SET", b"k", b"v", b"PX", b"1000"]), KEY + 2 + EXPIRY + TOKEN + 4),
        (fenced(&[b"SET", b"k", b"v"]), KEY + 2 + TOKEN + 4),
        (Request::new(&[b"SET", b"k", b"w"]).fenced("1:0:o"), KEY + 2 + TOKEN + 1),
        (Request::new(&[b"SET", b"k", b"value"]), KEY + 2 + TOKEN + 1), // Refused.
        (Request::new(&[b"SET", b"k", b"value", b"NX"]).fenced("1:0:o"), KEY + 2 + TOKEN + 1), // Refused.
        (Request::new(&[b"VDEL", b"k", b"w"]).fenced("1:0:o"), 0),
        (Request::new(&[b"SET", b"k", b"", b"PX", b"500"]), KEY + 1 + EXPIRY),
    ] {
        world.ask(client, &request);
        assert_eq!(bytes(&world), left, "{request:?}");
    }
    world.advance(Duration::from_millis(499));
    assert_eq!(bytes(&world), KEY + 1 + EXPIRY);
    world.advance(Duration::from_millis(1));
    assert_eq!(bytes(&world), 0, "an expiry gives back all");
}

#[test]
fn room_comes_back_with_deletions_and_expiries() {
    let mut world = World::with_limits(|limits| limits.max_keys = 1);
    let client = world.store_client("a");
    assert_eq!(world.reply(client, &[b"SET", b"1", b"v"]), "+OK\r\n");
    assert_eq!(world.reply(client, &[b"SET", b"2", b"v"]), QUOTA);
    world.command(client, &[b"DEL", b"1"]);
    assert_eq!(world.reply(client, &[b"SET", b"2", b"v", b"PX", b"100"]), "+OK\r\n");
    world.sleep(Duration::from_nanos(99_999_999));
    assert_eq!(world.reply(client, &[b"SET", b"3", b"v"]), QUOTA);
    world.sleep(Duration::from_nanos(1));
    assert_eq!(world.reply(client, &[b"SET", b"3", b"v"]), "+OK\r\n", "nobody had to ask for it before");
}

/// A world whose keys, all of them, end a second later, and what each takes.
fn crowd(keys: usize) -> (World, Client, u64) {
    let mut world = World::new();
    let client = world.store_client("a");
    for key in 0..keys {
        world.command(client, &[b"SET", &key.to_be_bytes(), b"", b"PX", b"1000"]);
    }
    let each = KEY + EXPIRY + 8;
    assert_eq!(bytes(&world), keys as u64 * each);
    (world, client, each)
}

/// The answer to a SET, and how many keys there are when it is given.
fn set_in_crowd(world: &mut World, client: Client, value: &[u8]) -> (&'static str, usize) {
    world.send_request(client, &Request::new(&[b"SET", b"new", value]));
    let keys = world.broker.statistics().keys;
    assert!(world.is_due(), "some keys are still to be served");
    assert!(matches!(world.next(client), Packet::PubAck(_)));
    let [answer] = world.payloads(client)[..] else { panic!("one answer") };
    (answer, keys)
}

/// What one input serves of a crowd whose time ends at once.
const SERVED: usize = 1024;

#[test]
fn keys_whose_time_is_over_make_room_for_as_much_as_a_set_takes() {
    const KEYS: usize = 5000;
    let (mut world, client, each) = crowd(KEYS);
    limit(&mut world, |limits| limits.max_store_bytes = KEYS as u64 * each);
    let watcher = world.store_client("w");
    world.command(watcher, &[b"KEYNOTIFY", &2000_usize.to_be_bytes()]);
    world.sleep(Duration::from_secs(1));
    let value = vec![b'x'; 600_000];
    let needed = (KEY + 3 + 600_000).div_ceil(each) as usize;
    assert!(needed > 2 * SERVED, "more than the next input would serve");
    let (answer, keys) = set_in_crowd(&mut world, client, &value);
    assert_eq!((answer, keys), ("+OK\r\n", KEYS - needed + 1));
    assert_eq!(world.messages(watcher).len(), 1, "who watches such a key is told");
}

#[test]
fn to_make_room_is_bounded_where_a_quota_was_lowered() {
    const KEYS: usize = 5000;
    let (mut world, client, _) = crowd(KEYS);
    limit(&mut world, |limits| limits.max_keys = 1);
    world.sleep(Duration::from_secs(1));
    assert_eq!(set_in_crowd(&mut world, client, b"v"), (QUOTA, KEYS - 2 * SERVED));
    while world.is_due() {
        world.handle(&Input::Tick);
    }
    assert_eq!(world.reply(client, &[b"SET", b"new", b"v"]), "+OK\r\n");
}

#[test]
fn keys_whose_time_is_over_make_room_in_memory() {
    let (mut world, client, each) = crowd(5000);
    let used = world.broker.statistics().memory.total() as u64;
    limit(&mut world, |limits| limits.max_memory_bytes = used - SERVED as u64 * each * 3 / 2);
    world.sleep(Duration::from_secs(1));
    assert_eq!(set_in_crowd(&mut world, client, b"v").0, "+OK\r\n");
}

#[test]
fn a_set_that_takes_no_more_than_before_always_passes() {
    let (mut world, client) = with_bytes(KEY + 1 + 5);
    for (value, reply) in [
        (&b"12345"[..], "+OK\r\n"),
        (b"123456", QUOTA),
        (b"54321", "+OK\r\n"),
        (b"1", "+OK\r\n"),
        (b"12345", "+OK\r\n"),
    ] {
        assert_eq!(world.reply(client, &[b"SET", b"k", value]), reply, "{value:?}");
    }
    let expiring = world.reply(client, &[b"SET", b"k", b"12345", b"PX", b"1000"]);
    assert_eq!(expiring, QUOTA, "an expiry takes room, too");
}

#[test]
fn a_set_that_is_refused_changes_nothing() {
    let (mut world, client) = with_bytes(KEY + EXPIRY + TOKEN + 10);
    let watcher = world.store_client("w");
    world.command(watcher, &[b"KEYNOTIFY", b"k"]);
    let first = Request::new(&[b"SET", b"k", b"v", b"PX", b"1000"]).fenced("5:0:n");
    let version = world.ask(client, &first).version;
    world.received(watcher);
    let refused = Request::new(&[b"SET", b"k", &[b'x'; 100]]).fenced("9:0:n");
    assert_eq!(world.ask(client, &refused).payload, QUOTA);
    assert!(world.received(watcher).is_empty(), "nobody is told");
    let read = world.command(client, &[b"GET", b"k"]);
    assert_eq!((read.payload.as_str(), read.version), ("$1\r\nv\r\n", version));
    let lower = Request::new(&[b"SET", b"k", b"w", b"PX", b"1000"]).fenced("5:0:n");
    assert_eq!(world.ask(client, &lower).payload, "+OK\r\n", "the token was not raised");
    world.received(watcher);
    world.advance(Duration::from_secs(1));
    assert_eq!(world.messages(watcher).len(), 1, "the expiry stands");
}

#[test]
fn conditions_and_fencing_are_judged_before_quotas() {
    let mut world = World::with_limits(|limits| limits.max_keys = 1);
    let client = world.store_client("a");
    world.command(client, &[b"SET", b"k", b"v"]);
    limit(&mut world, |limits| (limits.max_keys, limits.max_store_bytes) = (0, 0));
    let refused = world.command(client, &[b"SET", b"k", b"longer", b"NX"]);
    assert_eq!(refused.payload, ":-1\r\n");
    assert!(refused.version.is_some());
}

#[test]
fn a_lower_quota_takes_nothing_away() {
    let mut world = World::new();
    let client = world.store_client("a");
    for key in [b"1", b"2", b"3"] {
        world.command(client, &[b"SET", key, b"v"]);
    }
    limit(&mut world, |limits| (limits.max_keys, limits.max_store_bytes) = (1, 10));
    for key in [b"1", b"2", b"3"] {
        assert_eq!(world.reply(client, &[b"GET", key]), "$1\r\nv\r\n");
        assert_eq!(world.reply(client, &[b"SET", key, b"w"]), "+OK\r\n", "it takes no more than before");
    }
    assert_eq!(world.reply(client, &[b"SET", b"4", b"v"]), QUOTA);
    for key in [b"1", b"2", b"3"] {
        assert_eq!(world.reply(client, &[b"DEL", key]), ":1\r\n");
    }
    assert_eq!(world.reply(client, &[b"SET", b"4", b"v"]), QUOTA, "of the bytes");
    limit(&mut world, |limits| limits.max_keys = 1);
    assert_eq!(world.reply(client, &[b"SET", b"4", b"v"]), "+OK\r\n");
}
