//! Fencing tokens: a key that is protected takes only requests with a token as high.

use std::time::Duration;

use crate::harness::store::Request;
use crate::harness::{Client, World};

const REQUIRED: &str = "-ERR a fencing token is required for this request\r\n";
const LOWER: &str =
    "-ERR the request fencing token is a lower version than the fencing token protecting the resource\r\n";

fn fenced(world: &mut World, client: Client, items: &[&[u8]], token: &str) -> String {
    let correlation_data = world.fresh_id(client).get().to_be_bytes();
    world.ask(client, &Request::new(items).correlation(&correlation_data).fenced(token)).payload
}

#[test]
fn a_token_protects_against_none_and_lower_ones() {
    let mut world = World::new();
    let client = world.store_client("a");
    assert_eq!(fenced(&mut world, client, &[b"SET", b"k", b"v"], "100:5:lock"), "+OK\r\n");
    for items in [&[&b"SET"[..], b"k", b"w"][..], &[b"DEL", b"k"], &[b"VDEL", b"k", b"v"]] {
        assert_eq!(world.reply(client, items), REQUIRED);
        for lower in ["99:9:lock", "100:4:lock", "100:5:loc"] {
            assert_eq!(fenced(&mut world, client, items, lower), LOWER, "{lower}");
        }
    }
    assert_eq!(world.reply(client, &[b"GET", b"k"]), "$1\r\nv\r\n", "GET needs none");
    assert_eq!(fenced(&mut world, client, &[b"SET", b"k", b"w"], "100:5:lock"), "+OK\r\n", "equal is enough");
}

#[test]
fn a_set_raises_the_token() {
    let mut world = World::new();
    let client = world.store_client("a");
    fenced(&mut world, client, &[b"SET", b"k", b"v"], "100:0:lock");
    assert_eq!(fenced(&mut world, client, &[b"SET", b"k", b"v"], "200:0:lock"), "+OK\r\n");
    assert_eq!(fenced(&mut world, client, &[b"SET", b"k", b"v"], "199:0:lock"), LOWER);
}

#[test]
fn it_is_checked_before_the_conditions() {
    let mut world = World::new();
    let client = world.store_client("a");
    fenced(&mut world, client, &[b"SET", b"k", b"v"], "100:0:lock");
    assert_eq!(world.reply(client, &[b"SET", b"k", b"w", b"NX"]), REQUIRED);
    assert_eq!(world.reply(client, &[b"SET", b"k", b"w", b"NEX"]), REQUIRED);
    assert_eq!(world.reply(client, &[b"VDEL", b"k", b"w"]), REQUIRED);
    assert_eq!(fenced(&mut world, client, &[b"SET", b"k", b"w", b"NX"], "100:0:lock"), ":-1\r\n");
    assert_eq!(fenced(&mut world, client, &[b"VDEL", b"k", b"w"], "100:0:lock"), ":-1\r\n");
}

#[test]
fn a_key_without_a_token_takes_any() {
    let mut world = World::new();
    let client = world.store_client("a");
    world.command(client, &[b"SET", b"k", b"v"]);
    assert_eq!(fenced(&mut world, client, &[b"DEL", b"k"], "1:0:lock"), ":1\r\n");
    world.command(client, &[b"SET", b"k", b"v"]);
    assert_eq!(fenced(&mut world, client, &[b"SET", b"k", b"v"], "1:0:lock"), "+OK\r\n");
    assert_eq!(world.reply(client, &[b"DEL", b"k"]), REQUIRED);
}

#[test]
fn the_token_goes_with_the_key() {
    let mut world = World::new();
    let client = world.store_client("a");
    fenced(&mut world, client, &[b"SET", b"k", b"v"], "100:0:lock");
    assert_eq!(fenced(&mut world, client, &[b"DEL", b"k"], "100:0:lock"), ":1\r\n");
    assert_eq!(world.reply(client, &[b"SET", b"k", b"v"]), "+OK\r\n");
    fenced(&mut world, client, &[b"SET", b"e", b"v", b"PX", b"5"], "100:0:lock");
    world.advance(Duration::from_millis(5));
    assert_eq!(world.reply(client, &[b"SET", b"e", b"v"]), "+OK\r\n", "by expiry, too");
}

#[test]
fn a_lock_gives_the_token_and_is_released_by_its_holder() {
    let mut world = World::new();
    let (first, second) = (world.store_client("a"), world.store_client("b"));
    let lock = world.command(first, &[b"SET", b"lock", b"a", b"NEX", b"PX", b"1000"]);
    let token = lock.version.clone().unwrap();
    assert_eq!(fenced(&mut world, first, &[b"SET", b"k", b"from a"], &token), "+OK\r\n");
    assert_eq!(world.reply(second, &[b"SET", b"lock", b"b", b"NEX", b"PX", b"1000"]), ":-1\r\n");
    assert_eq!(world.reply(second, &[b"VDEL", b"lock", b"b"]), ":-1\r\n");
    assert_eq!(world.reply(first, &[b"VDEL", b"lock", b"a"]), ":1\r\n");
    let lock = world.command(second, &[b"SET", b"lock", b"b", b"NEX", b"PX", b"1000"]);
    let later = lock.version.clone().unwrap();
    assert_eq!(fenced(&mut world, second, &[b"SET", b"k", b"from b"], &later), "+OK\r\n");
    assert_eq!(fenced(&mut world, first, &[b"SET", b"k", b"late"], &token), LOWER);
}
