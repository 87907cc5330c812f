//! SET with PX.

use std::time::Duration;

use azure_iot_operations_services::state_store::{Operation, SetOptions};
use mayfly_interop::client::{Client, TIMEOUT, is_after};
use mayfly_interop::server::Server;
use tokio::time::{Instant, sleep};

use crate::shorthand::{expect, get, notification, observe, set, set_fenced, set_for, value};

/// How late the store may be.
const LATE: Duration = Duration::from_secs(1);

/// How long what the store says may be on its way, on a machine that is busy otherwise.
const SLACK: Duration = Duration::from_secs(1);

#[tokio::test]
async fn a_key_is_gone_when_its_time_is_over_and_not_before() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    for time in [Duration::from_millis(300), Duration::from_millis(1200)] {
        let before = Instant::now();
        set_for(&client, b"key", b"value", time).await;
        let set = Instant::now();
        let gone = loop {
            let asked = Instant::now();
            if value(&client, b"key").await.is_none() {
                break asked;
            }
            assert!(asked.duration_since(set) <= time + LATE, "it is still there");
        };
        assert!(Instant::now().duration_since(before) >= time, "it is gone after {:?}", gone - before);
        assert_eq!(get(&client, b"key").await, (None, None));
    }
}

#[tokio::test]
async fn an_observer_is_told_of_the_expiry() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let time = Duration::from_millis(400);
    let mut observation = observe(&bob, b"key").await;
    let before = Instant::now();
    let stored = set_for(&alice, b"key", b"value", time).await;
    let stored_at = Instant::now();
    expect(&mut observation, b"key", Operation::Set(b"value".to_vec()), &stored).await;
    // Nobody asks for anything meanwhile.
    let expired = notification(&mut observation).await;
    assert!(
        before.elapsed() >= time && stored_at.elapsed() <= time + LATE + SLACK,
        "{:?}",
        stored_at.elapsed()
    );
    assert_eq!(expired.operation, Operation::Del);
    assert!(is_after(&expired.version, &stored));
    assert!(is_after(&set(&alice, b"key", b"value").await, &expired.version));
}

#[tokio::test]
async fn another_set_brings_another_expiry_or_none() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let short = Duration::from_millis(200);
    set_for(&client, b"stays", b"value", short).await;
    set(&client, b"stays", b"value").await;
    set_for(&client, b"later", b"value", short).await;
    set_for(&client, b"later", b"value", short + 2 * LATE).await;
    sleep(short + LATE).await;
    assert!(value(&client, b"stays").await.is_some());
    assert!(value(&client, b"later").await.is_some());
    sleep(2 * LATE + SLACK).await;
    assert!(value(&client, b"stays").await.is_some());
    assert!(value(&client, b"later").await.is_none());
}

#[tokio::test]
async fn an_expiry_takes_the_fencing_token_with_it() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let (low, high) = (set(&client, b"lock", b"1").await, set(&client, b"lock", b"2").await);
    let time = Duration::from_secs(1);
    let options = SetOptions { expires: Some(time), ..SetOptions::default() };
    let stored = client.store.set(b"key".to_vec(), b"value".to_vec(), TIMEOUT, Some(high), options);
    assert!(stored.await.unwrap().response);
    assert!(set_fenced(&client, b"key", b"value", &low).await.is_err());
    sleep(time + LATE).await;
    assert!(set_fenced(&client, b"key", b"value", &low).await.unwrap().response);
}
