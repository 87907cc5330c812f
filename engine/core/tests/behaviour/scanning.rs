//! SCAN: pages of keys, and the tokens between them.

use std::num::NonZeroU32;
use std::time::Duration;

use mayfly_wire::resp3::Reply;
use mayfly_wire::{Connect, Packet, QoS};

use crate::harness::packets;
use crate::harness::store::{Request, answer, response_topic};
use crate::harness::{Client, World};

/// A page may look at so many keys.
const KEYS_PER_PAGE: usize = 1024;
/// Its keys may take so many bytes as they are written.
const PAGE_BYTES: usize = 32 * 1024;

/// The keys of a page, and the token for the next one.
pub(crate) type Page = (Vec<Vec<u8>>, Option<Vec<u8>>);

/// Asks for a page, or the error that is answered.
pub(crate) fn scan(
    world: &mut World,
    client: Client,
    pattern: &[u8],
    token: Option<&[u8]>,
) -> Result<Page, String> {
    let items: Vec<_> = [b"SCAN", pattern].into_iter().chain(token).collect();
    let correlation_data = world.fresh_id(client).get().to_be_bytes();
    let response = world.response(client, &Request::new(&items).correlation(&correlation_data));
    assert_eq!(answer(&response).version, None, "a page has no version");
    match Reply::parse(response.payload) {
        Ok(Reply::Page { keys, token }) => {
            Ok((keys.iter().map(<[u8]>::to_vec).collect(), token.map(<[u8]>::to_vec)))
        }
        Ok(Reply::Error(text)) => Err(text.to_owned()),
        other => panic!("expected a page, got {other:?}"),
    }
}

/// The keys of all pages, by page.
pub(crate) fn pages(world: &mut World, client: Client, pattern: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let (mut pages, mut token) = (Vec::new(), None);
    loop {
        let (keys, next) = scan(world, client, pattern, token.as_deref()).unwrap();
        pages.push(keys);
        if next.is_none() {
            return pages;
        }
        token = next;
    }
}

/// The keys that a pattern finds, in order.
fn found(world: &mut World, client: Client, pattern: &[u8]) -> Vec<Vec<u8>> {
    let mut found = pages(world, client, pattern).concat();
    found.sort();
    found
}

fn set(world: &mut World, client: Client, key: &[u8]) {
    assert_eq!(world.reply(client, &[b"SET", key, b"v"]), "+OK\r\n");
}

/// A client of a store with the keys `k0` to `k{count - 1}`.
fn with_keys(count: usize) -> (World, Client) {
    let mut world = World::new();
    let client = world.store_client("a");
    for number in 0..count {
        set(&mut world, client, format!("k{number}").as_bytes());
    }
    (world, client)
}

#[test]
fn the_bytes_of_a_page() {
    let (mut world, client) = with_keys(0);
    let scanned = world.command(client, &[b"SCAN", b"*"]);
    assert_eq!((scanned.payload.as_str(), scanned.version), ("*1\r\n*0\r\n", None), "an empty store");
    for key in [&b"a"[..], b"b\r\n", b"longer key"] {
        set(&mut world, client, key);
    }
    let scanned = world.command(client, &[b"SCAN", b"*"]);
    let bytes = "*1\r\n*3\r\n$1\r\na\r\n$3\r\nb\r\n\r\n$10\r\nlonger key\r\n";
    assert_eq!((scanned.payload.as_str(), scanned.version), (bytes, None));
    let unstamped = Request::new(&[b"SCAN", b"a"]).timestamp("");
    assert_eq!(world.ask(client, &unstamped).payload, "*1\r\n*1\r\n$1\r\na\r\n", "`__ts` is for SET");
}

#[test]
fn a_page_that_is_not_the_last_one_ends_with_a_token() {
    let (mut world, client) = with_keys(KEYS_PER_PAGE + 1);
    let response = world.response(client, &Request::new(&[b"SCAN", b"*"]));
    let bytes = response.payload;
    assert!(bytes.starts_with(b"*2\r\n*1024\r\n$2\r\nk0\r\n$2\r\nk1\r\n"));
    let (before, token) = bytes.split_at(bytes.len() - 23);
    assert!(before.ends_with(b"$5\r\nk1023\r\n"));
    assert!(token.starts_with(b"$16\r\n") && token.ends_with(b"\r\n"), "{token:?}");
}

#[test]
fn a_page_looks_at_so_many_keys() {
    let (mut world, client) = with_keys(KEYS_PER_PAGE);
    let lens = |pages: &[Vec<Vec<u8>>]| pages.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(lens(&pages(&mut world, client, b"*")), [KEYS_PER_PAGE], "the last page has no token");
    set(&mut world, client, b"last");
    assert_eq!(lens(&pages(&mut world, client, b"*")), [KEYS_PER_PAGE, 1]);
    assert_eq!(lens(&pages(&mut world, client, b"l*")), [0, 1], "an empty page is a page");
    assert_eq!(lens(&pages(&mut world, client, b"none")), [0, 0]);
    world.command(client, &[b"DEL", b"last"]);
    assert_eq!(lens(&pages(&mut world, client, b"none")), [0], "an empty last page is no page too many");
}

#[test]
fn a_page_has_so_many_bytes_or_one_key() {
    let mut world = World::new();
    let client = world.store_client("a");
    // `$`, four digits, two line ends.
    let len = PAGE_BYTES / 4 - 9;
    for (longer, expected) in [(0, &[4, 3][..]), (1, &[3, 3, 1])] {
        for number in 0..7 {
            set(&mut world, client, &[vec![b'k'; len + longer - 1], vec![number]].concat());
        }
        let lens: Vec<_> = pages(&mut world, client, b"*").iter().map(Vec::len).collect();
        assert_eq!(lens, expected, "{longer}");
        for key in pages(&mut world, client, b"*").concat() {
            world.command(client, &[b"DEL", &key]);
        }
    }
    let mut world = World::new();
    let client = world.store_client("a");
    for (number, len) in [(0, 3), (1, 200_000), (2, 3), (3, 3)] {
        set(&mut world, client, &vec![number; len]);
    }
    let lens: Vec<_> = pages(&mut world, client, b"*").iter().map(Vec::len).collect();
    assert_eq!(lens, [1, 1, 2], "a key that is longer than a page has one of its own");
}

#[test]
fn patterns_are_globs_over_bytes() {
    let mut world = World::new();
    let client = world.store_client("a");
    let keys = [&b"a"[..], b"a/b", b"ab", b"a{b}", b"b\xff", b"*"];
    for key in keys {
        set(&mut world, client, key);
    }
    let cases: [(&[u8], &[&[u8]]); 11] = [
        (b"*", &[b"*", b"a", b"a/b", b"ab", b"a{b}", b"b\xff"]),
        (b"a", &[b"a"]),
        (b"a*", &[b"a", b"a/b", b"ab", b"a{b}"]),
        (b"*b", &[b"a/b", b"ab"]),
        (b"??", &[b"ab", b"b\xff"]),
        (b"a{*}", &[b"a{b}"]),
        (b"{principal.clientId}", &[]),
        (b"?\xff", &[b"b\xff"]),
        (b"?[\x80-\xff]", &[b"b\xff"]),
        (b"[!a]*", &[b"*", b"b\xff"]),
        (b"[*]", &[b"*"]),
    ];
    for (pattern, expected) in cases {
        assert_eq!(found(&mut world, client, pattern), expected, "{}", pattern.escape_ascii());
    }
}

#[test]
fn matching_is_bounded() {
    let mut world = World::new();
    let client = world.store_client("a");
    set(&mut world, client, b"short");
    set(&mut world, client, &b"a".repeat(50_000));
    set(&mut world, client, b"last");
    let pattern = [b"*", &[b'?'; 100][..], b"b"].concat();
    let (keys, token) = scan(&mut world, client, &pattern, None).unwrap();
    assert!(keys.is_empty());
    let refused = scan(&mut world, client, &pattern, token.as_deref());
    assert_eq!(refused, Err("the pattern takes too many steps to match a key".to_owned()));
    let easy = [b"*", &[b'?'; 10][..], b"b"].concat();
    assert_eq!(found(&mut world, client, &easy), [[0; 0]; 0]);
    assert_eq!(found(&mut world, client, b"*t"), [&b"last"[..], b"short"]);
    let longest = vec![b'?'; 64 * 1024];
    assert_eq!(scan(&mut world, client, &longest, None), Ok((vec![], None)));
    let too_long = [&longest[..], b"?"].concat();
    assert_eq!(scan(&mut world, client, &too_long, None), Err("the pattern is too long".to_owned()));
}

#[test]
fn a_token_can_be_used_again() {
    let (mut world, client) = with_keys(KEYS_PER_PAGE + 3);
    let (_, token) = scan(&mut world, client, b"*", None).unwrap();
    let first = scan(&mut world, client, b"*", token.as_deref()).unwrap();
    assert_eq!(first.0, [b"k1024", b"k1025", b"k1026"]);
    assert_eq!(scan(&mut world, client, b"*", token.as_deref()), Ok(first), "a request that got no answer");
    let other = world.store_client("b");
    let (keys, _) = scan(&mut world, other, b"*6", token.as_deref()).unwrap();
    assert_eq!(keys, [b"k1026"], "another client's, for another pattern");
}

#[test]
fn a_forged_token_does_no_harm() {
    let (mut world, client) = with_keys(KEYS_PER_PAGE + 3);
    let (keys, token) = scan(&mut world, client, b"*", None).unwrap();
    let token = token.unwrap();
    let refused = Err("the continuation token is unknown; begin the scan anew".to_owned());
    for position in 0..token.len() {
        for bit in 0..8 {
            let mut forged = token.clone();
            forged[position] ^= 1 << bit;
            let scanned = scan(&mut world, client, b"*", Some(&forged));
            if position < 12 {
                assert_eq!(scanned, refused, "another store");
            } else {
                let (found, _) = scanned.unwrap();
                assert!(found.iter().all(|key| keys.contains(key) || key.starts_with(b"k102")));
            }
        }
    }
    for len in 0..token.len() {
        assert_eq!(scan(&mut world, client, b"*", Some(&token[..len])), refused, "{len} bytes");
    }
    assert_eq!(scan(&mut world, client, b"*", Some(&[&token[..], b"x"].concat())), refused);
}

#[test]
fn a_token_from_before_a_restart_is_refused() {
    let (mut world, client) = with_keys(KEYS_PER_PAGE + 1);
    let (_, token) = scan(&mut world, client, b"*", None).unwrap();
    let mut restarted = World::new();
    restarted.advance(Duration::from_millis(1));
    let client = restarted.store_client("a");
    for _ in 0..2 {
        let scanned = scan(&mut restarted, client, b"*", token.as_deref());
        assert_eq!(scanned, Err("the continuation token is unknown; begin the scan anew".to_owned()));
        set(&mut restarted, client, b"k");
    }
}

#[test]
fn the_clocks_of_a_request_are_checked() {
    let (mut world, client) = with_keys(1);
    let ask = |world: &mut World, request: Request| world.ask(client, &request).payload;
    let malformed = Request::new(&[b"SCAN", b"*"]).timestamp("now");
    assert_eq!(ask(&mut world, malformed), "-ERR malformed timestamp\r\n");
    let ahead = format!("{}:0:c", world.wall_ms() + 60_001);
    let ahead = ask(&mut world, Request::new(&[b"SCAN", b"*"]).timestamp(&ahead));
    assert!(ahead.starts_with("-ERR the request timestamp is too far in the future"), "{ahead}");
}

/// A client that takes packets of so many bytes, and gets its responses by one subscription, or by as many as can be, each
/// with an identifier.
fn small_client(world: &mut World, maximum_packet_size: u32, is_identified: bool) -> Client {
    let small = |connect: &mut Connect<'_>| {
        connect.properties.maximum_packet_size = NonZeroU32::new(maximum_packet_size);
    };
    let client = world.connect_with("small", small).0;
    let topic = response_topic(client);
    if !is_identified {
        world.subscribe(client, &topic, QoS::AtLeastOnce);
        return client;
    }
    let levels: Vec<_> = topic.split('/').collect();
    for pluses in 0..8 {
        let level = |(position, level)| if pluses >> position & 1 == 1 { "+" } else { level };
        let filter = levels.iter().copied().enumerate().map(level).collect::<Vec<_>>().join("/");
        for filter in [filter.clone(), filter + "/#"] {
            let subscriptions = [packets::subscription(&filter, QoS::AtLeastOnce)];
            let packet_id = world.fresh_id(client);
            world.send(client, packets::identified(packet_id, 268_435_455 - pluses, &subscriptions));
            assert!(matches!(world.only(client), Packet::SubAck(_)));
        }
    }
    client
}

#[test]
fn pages_fit_the_maximum_packet_size_of_the_client() {
    for (is_identified, beside) in [(false, 150), (true, 230)] {
        for maximum in beside..beside + 100 {
            let (mut world, _) = with_keys(30);
            let client = small_client(&mut world, maximum, is_identified);
            let pages = pages(&mut world, client, b"*"); // Each page arrived.
            assert_eq!(pages.concat().len(), 30);
            let most = pages.iter().map(Vec::len).max().unwrap_or_default();
            assert!(most >= (maximum - beside) as usize / 9, "as many as fit: {most} of {maximum}");
        }
    }
}

#[test]
fn a_key_that_the_client_cannot_take_is_not_passed_over() {
    let (mut world, writer) = with_keys(1);
    set(&mut world, writer, &[b'x'; 300]);
    set(&mut world, writer, b"last");
    let client = small_client(&mut world, 200, false);
    let (keys, token) = scan(&mut world, client, b"*", None).unwrap();
    assert_eq!(keys, [b"k0"]);
    let refused = "a key that matches is too long for the maximum packet size of the client";
    assert_eq!(scan(&mut world, client, b"*", token.as_deref()), Err(refused.to_owned()));
    assert_eq!(scan(&mut world, client, b"x*", None), Err(refused.to_owned()));
    let (keys, token) = scan(&mut world, client, b"[!x]*", token.as_deref()).unwrap();
    assert_eq!((keys.as_slice(), token), (&[b"last".to_vec()][..], None), "a pattern can leave it out");
}
