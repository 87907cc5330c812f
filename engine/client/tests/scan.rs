//! Listing keys: pages against a scripted broker, and whole scans of the engine while its keys change.

#![allow(clippy::unwrap_used, reason = "a page that does not come is the failure that the test is to show")]

mod peer;

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use mayfly::embedded::Broker;
use mayfly_client::{Error, Options, ProtocolError, Scan, ServiceError, SetOptions, StateStore, tcp};
use peer::{OPERATION_TIMEOUT, connected, options};
use tokio::time::{Instant, timeout};

const FIRST: &[u8] = b"*2\r\n$4\r\nSCAN\r\n$2\r\nk*\r\n";
const SECOND: &[u8] = b"*3\r\n$4\r\nSCAN\r\n$2\r\nk*\r\n$2\r\n\0\n\r\n";
/// Two keys, and a token.
const PAGE: &[u8] = b"*2\r\n*2\r\n$2\r\nk1\r\n$3\r\nk\r\n\r\n$2\r\n\0\n\r\n";
const EMPTY_PAGE: &[u8] = b"*2\r\n*0\r\n$2\r\n\0\n\r\n";
const LAST_PAGE: &[u8] = b"*1\r\n*1\r\n$2\r\nk2\r\n";

async fn next(scan: &mut Scan) -> Option<Bytes> {
    scan.next().await.transpose().unwrap()
}

async fn all(mut scan: Scan) -> Vec<Bytes> {
    let mut keys = Vec::new();
    while let Some(key) = next(&mut scan).await {
        keys.push(key);
    }
    keys
}

#[tokio::test(start_paused = true)]
async fn a_page_is_asked_for_when_the_keys_before_it_are_taken() {
    let (setup, mut peer) = connected(options()).await;
    let mut scan = setup.store.scan(b"k*");
    peer.expect_silence(Duration::from_hours(1)).await;
    let (first, ()) = tokio::join!(next(&mut scan), peer.exchange(FIRST, PAGE, None));
    assert_eq!(first, Some("k1".into()));
    assert_eq!(next(&mut scan).await, Some("k\r\n".into()));
    peer.expect_silence(Duration::from_hours(1)).await;
    let (third, ()) = tokio::join!(next(&mut scan), async {
        // No key of a page may match.
        peer.exchange(SECOND, EMPTY_PAGE, None).await;
        peer.exchange(SECOND, LAST_PAGE, None).await;
    });
    assert_eq!(third, Some("k2".into()));
    assert_eq!((next(&mut scan).await, next(&mut scan).await), (None, None));
    peer.expect_silence(Duration::from_hours(1)).await;
}

#[tokio::test(start_paused = true)]
async fn each_page_has_its_deadline_and_a_failed_one_is_asked_for_again() {
    let (setup, mut peer) = connected(options()).await;
    let mut scan = setup.store.scan(b"k*");
    let (first, ()) = tokio::join!(next(&mut scan), peer.exchange(FIRST, PAGE, None));
    assert!(first.is_some() && next(&mut scan).await.is_some());

    let before = Instant::now();
    let (unanswered, _) = tokio::join!(scan.next(), peer.expect_request(SECOND));
    assert_eq!(unanswered, Some(Err(Error::Timeout(OPERATION_TIMEOUT))));
    assert_eq!(before.elapsed().as_secs(), OPERATION_TIMEOUT.as_secs());
    let refusal = b"-ERR not authorized\r\n";
    let (refused, ()) = tokio::join!(scan.next(), peer.exchange(SECOND, refusal, None));
    assert_eq!(refused, Some(Err(Error::Service(ServiceError::NotAuthorized))));
    let (broken, ()) = tokio::join!(scan.next(), peer.exchange(SECOND, b"*3\r\n*0\r\n", None));
    assert!(matches!(broken, Some(Err(Error::Protocol(ProtocolError::Payload(_))))), "{broken:?}");
    let (last, ()) = tokio::join!(next(&mut scan), peer.exchange(SECOND, LAST_PAGE, None));
    assert_eq!((last, next(&mut scan).await), (Some("k2".into()), None));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_given_up_loses_no_page() {
    let (setup, mut peer) = connected(options()).await;
    let mut scan = setup.store.scan(b"k*");
    let (given_up, request) =
        tokio::join!(timeout(Duration::from_secs(1), scan.next()), peer.expect_request(FIRST));
    assert!(given_up.is_err());
    let (first, ()) = tokio::join!(next(&mut scan), peer.answer(&request, LAST_PAGE, None));
    assert_eq!((first, next(&mut scan).await), (Some("k2".into()), None));
    peer.expect_silence(Duration::from_hours(1)).await;
}

#[tokio::test(start_paused = true)]
async fn a_scan_is_a_stream_and_keeps_its_client_running() {
    let (setup, mut peer) = connected(options()).await;
    let mut scan = pin!(setup.store.scan(b"k*"));
    drop(setup.store);
    let mut next = async || poll_fn(|context| scan.as_mut().poll_next(context)).await;
    let (key, ()) = tokio::join!(next(), peer.exchange(FIRST, LAST_PAGE, None));
    assert_eq!((key, next().await), (Some(Ok("k2".into())), None));
}

fn connect(broker: &Broker) -> StateStore {
    let connector = tcp::connector(broker.address().to_string());
    let (store, driver) = StateStore::new(&Options::default(), connector).unwrap();
    tokio::spawn(driver.run());
    store
}

#[tokio::test]
async fn patterns_choose_among_arbitrary_keys() {
    let broker = Broker::start().unwrap();
    let store = connect(&broker);
    for key in [b"a/1".as_slice(), b"a/2", b"b*", b"\0\xff\r\n"] {
        store.set(key, b"", &SetOptions::default()).await.unwrap();
    }
    for (pattern, expected) in [
        (b"a/?".as_slice(), vec![b"a/1".as_slice(), b"a/2"]),
        (b"?[*]", vec![b"b*"]),
        (b"*\xff*", vec![b"\0\xff\r\n"]),
        (b"[!ab]*", vec![b"\0\xff\r\n"]),
        (b"c*", vec![]),
    ] {
        let mut found = all(store.scan(pattern)).await;
        found.sort();
        assert_eq!(found, expected, "{}", pattern.escape_ascii());
    }
    let syntax = store.scan(b"[").next().await;
    assert_eq!(syntax, Some(Err(Error::Service(ServiceError::Syntax))));
}

/// More pages than one, and between two pages a third of the keys is deleted, another third deleted and written again.
#[tokio::test]
async fn a_key_that_stays_comes_however_the_others_change() {
    const KEYS: u32 = 2_100;
    let broker = Broker::start().unwrap();
    let store = connect(&broker);
    let key = |number: u32| number.to_be_bytes();
    for number in 0..KEYS {
        store.set(&key(number), b"v", &SetOptions::default()).await.unwrap();
    }
    let mut seen = BTreeMap::new();
    let (mut scan, mut changed) = (store.scan(b"*"), 0);
    while let Some(found) = next(&mut scan).await {
        *seen.entry(found).or_insert(0_u32) += 1;
        for _ in 0..2 {
            if changed < KEYS {
                if changed % 3 > 0 {
                    store.del(&key(changed), None).await.unwrap();
                }
                if changed % 3 == 2 {
                    store.set(&key(changed), b"w", &SetOptions::default()).await.unwrap();
                }
                changed += 1;
            }
        }
    }
    assert_eq!(changed, KEYS, "every change was made during the scan");
    let stayed: Vec<u32> = (0..KEYS).filter(|number| number % 3 == 0).collect();
    for number in stayed {
        assert_eq!(seen.get(&key(number)[..]), Some(&1), "key {number}");
    }
}

#[tokio::test]
async fn a_restarted_broker_refuses_to_go_on() {
    let broker = Broker::start().unwrap();
    let (address, store) = (broker.address(), connect(&broker));
    for number in 0..1_100_u32 {
        store.set(&number.to_be_bytes(), b"", &SetOptions::default()).await.unwrap();
    }
    let mut scan = store.scan(b"*");
    assert!(next(&mut scan).await.is_some());
    drop(broker);
    let _broker = Broker::start_at(address).unwrap();
    let mut keys = 1;
    let refused = loop {
        match scan.next().await.expect("the keys on the next page are not taken for none") {
            Ok(_) => keys += 1,
            // Asked on the connection that had ended.
            Err(Error::SessionLost) => {}
            Err(error) => break error,
        }
    };
    let text = "the continuation token is unknown; begin the scan anew".to_owned();
    assert_eq!(refused, Error::Service(ServiceError::Other(text)));
    assert_eq!(keys, 1_024, "those of the first page");
}
