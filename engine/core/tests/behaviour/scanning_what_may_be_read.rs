//! SCAN lists the keys that the client may read, and no other.

use mayfly_core::Access;

use crate::harness::rules::{Draft, everyone, user};
use crate::harness::{Client, World};
use crate::scanning::{pages, scan};

/// A world where `w` writes all keys and nobody may read one by this rule; and `w`.
fn world(more: impl IntoIterator<Item = Draft>) -> (World, Client) {
    let base = || everyone().connect().subscribe(&["clients/#"]);
    let writer = || user("writer").keys(Access::Write, &["*"]);
    let mut world = World::ruled([base(), writer()].into_iter().chain(more));
    world.come_as(Some("writer"), &[]);
    let writer = world.store_client("w");
    world.come_as(None, &[]);
    (world, writer)
}

fn set_all(world: &mut World, writer: Client, keys: &[&str]) {
    for key in keys {
        assert_eq!(world.reply(writer, &[b"SET", key.as_bytes(), b"v"]), "+OK\r\n");
    }
}

#[test]
fn only_what_may_be_read_is_listed() {
    let (mut world, writer) = world([
        everyone().keys(Access::Read, &["public/*", "clients/{principal.clientId}/*"]),
        everyone().keys(Access::ReadWrite, &["both"]),
        everyone().keys(Access::Write, &["drop/*"]),
    ]);
    set_all(&mut world, writer, &["public/a", "secret", "clients/a/x", "clients/b/x", "both", "drop/a"]);
    let client = world.store_client("a");
    assert_eq!(
        pages(&mut world, client, b"*"),
        [[&b"public/a"[..], b"clients/a/x", b"both"]],
        "{:?}",
        pages(&mut world, client, b"*")
    );
    for (pattern, found) in [("clients/b/*", 0), ("secret", 0), ("drop/*", 0), ("clients/*", 1)] {
        assert_eq!(pages(&mut world, client, pattern.as_bytes()).concat().len(), found, "{pattern}");
    }
    assert_eq!(world.broker.statistics().denied_requests, 0);
}

#[test]
fn who_may_read_no_key_may_not_scan() {
    let (mut world, writer) = world([]);
    set_all(&mut world, writer, &["k"]);
    for client in [writer, world.store_client("nobody")] {
        assert_eq!(world.reply(client, &[b"SCAN", b"*"]), "-ERR not authorized\r\n");
    }
    assert_eq!(world.broker.statistics().denied_requests, 2);
}

#[test]
fn new_rules_hold_from_the_next_page_on() {
    let (mut world, writer) = world([everyone().keys(Access::Read, &["*"])]);
    for number in 0..1030 {
        set_all(&mut world, writer, &[&format!("k{number}")]);
    }
    let client = world.store_client("a");
    let (keys, token) = scan(&mut world, client, b"*", None).unwrap();
    assert_eq!(keys.len(), 1024);
    let base = || everyone().connect().subscribe(&["clients/#"]);
    world.set_rules([base(), everyone().keys(Access::Read, &["*7"])]);
    assert_eq!(scan(&mut world, client, b"*", token.as_deref()), Ok((vec![b"k1027".to_vec()], None)));
    world.set_rules([base()]);
    let refused = Err("not authorized".to_owned());
    assert_eq!(scan(&mut world, client, b"*", token.as_deref()), refused);
}

#[test]
fn no_position_shows_what_may_not_be_read() {
    let (mut world, writer) = world([everyone().keys(Access::Read, &["r*"])]);
    for number in 0..1100 {
        set_all(&mut world, writer, &[&format!("{}{number}", if number % 2 == 0 { 'r' } else { 's' })]);
    }
    let client = world.store_client("a");
    let (_, token) = scan(&mut world, client, b"*", None).unwrap();
    let token = token.unwrap();
    for position in (0..1200_u32).step_by(50).chain([u32::MAX - 1, u32::MAX]) {
        let forged = [&token[..12], &position.to_be_bytes()].concat();
        let (keys, _) = scan(&mut world, client, b"*", Some(&forged)).unwrap();
        assert!(keys.iter().all(|key| key.starts_with(b"r")), "{position}");
        assert_eq!(keys.is_empty(), position >= 1099, "{position}");
    }
}

#[test]
fn many_rules_make_shorter_pages() {
    let patterns: Vec<_> = (0..2000).map(|number| format!("n{number}")).collect();
    let mut patterns: Vec<_> = patterns.iter().map(String::as_str).collect();
    patterns.push("k*");
    let (mut world, writer) = world([everyone().keys(Access::Read, &patterns)]);
    for number in 0..600 {
        set_all(&mut world, writer, &[&format!("k{number}")]);
    }
    let client = world.store_client("a");
    let pages = pages(&mut world, client, b"*");
    assert!(pages.len() > 1 && pages[0].len() > 100, "{} pages", pages.len());
    assert_eq!(pages.concat().len(), 600);
}
