//! SCAN: the SDK's pager of keys.

use std::collections::BTreeSet;

use mayfly_interop::client::{Client, TIMEOUT};
use mayfly_interop::server::Server;

use crate::shorthand::{del, refusal, set};

/// All pages of a scan. Between two of them something else may happen.
async fn scan(client: &Client, pattern: &[u8], between: impl AsyncFn(usize)) -> (Vec<Vec<u8>>, usize) {
    let (mut keys, mut pages) = (Vec::new(), 0);
    let mut pager = client.store.list_keys(pattern.to_vec(), TIMEOUT).unwrap();
    while let Some(page) = pager.next().await.unwrap() {
        keys.extend(page);
        pages += 1;
        between(pages).await;
    }
    (keys, pages)
}

fn sorted(keys: impl IntoIterator<Item = Vec<u8>>) -> BTreeSet<Vec<u8>> {
    keys.into_iter().collect()
}

#[tokio::test]
async fn keys_that_match_are_listed() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    assert_eq!(scan(&client, b"*", async |_| {}).await.0, Vec::<Vec<u8>>::new());
    for key in [&b"color/red"[..], b"color/green", b"colour", b"\x00\xFF", b"[a]"] {
        set(&client, key, b"value").await;
    }
    let matching = async |pattern| sorted(scan(&client, pattern, async |_| {}).await.0);
    assert_eq!(matching(b"color/*").await, sorted([b"color/red".to_vec(), b"color/green".to_vec()]));
    assert_eq!(matching(b"colo?r").await, sorted([b"colour".to_vec()]));
    assert_eq!(matching(b"\x00*").await, sorted([b"\x00\xFF".to_vec()]));
    assert_eq!(matching(b"nothing*").await, BTreeSet::new());
    assert_eq!(matching(b"*").await.len(), 5);
}

#[tokio::test]
async fn each_key_that_stays_is_on_a_page() {
    const KEYS: usize = 3000;
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let stays = |i: usize| format!("stays {i:05} {}", "x".repeat(200)).into_bytes();
    let goes = |i: usize| format!("goes {i:05}").into_bytes();
    for i in 0..KEYS {
        set(&client, &stays(i), b"value").await;
        if i % 10 == 0 {
            set(&client, &goes(i), b"value").await;
        }
    }
    let (keys, pages) = scan(&client, b"*", async |page| {
        // Other keys come and go.
        del(&client, &goes(page * 10)).await;
        set(&client, format!("comes {page}").as_bytes(), b"value").await;
    })
    .await;
    assert!(pages > 2, "one page has {} keys", keys.len());
    let found = sorted(keys);
    for i in 0..KEYS {
        assert!(found.contains(&stays(i)), "{i} of {KEYS} keys is missing");
    }
}

#[tokio::test]
async fn a_pattern_that_is_too_long_is_refused() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let mut pager = client.store.list_keys(vec![b'*'; 70_000], TIMEOUT).unwrap();
    assert_eq!(refusal(pager.next().await).to_string(), "the pattern is too long");
}
