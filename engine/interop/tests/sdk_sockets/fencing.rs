//! Fencing tokens: who had a lock before cannot write any more.

use std::time::Duration;

use azure_iot_operations_services::state_store::{ServiceError, SetOptions};
use mayfly_interop::client::{Client, TIMEOUT, is_after};
use mayfly_interop::server::Server;

use crate::shorthand::{del, get, refusal, set, set_fenced};

const KEY: &[u8] = b"protected";

#[tokio::test]
async fn a_lower_token_than_the_highest_is_refused() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let (low, middle, high) = (
        set(&client, b"lock", b"1").await,
        set(&client, b"lock", b"2").await,
        set(&client, b"lock", b"3").await,
    );
    let stored = set_fenced(&client, KEY, b"middle", &middle).await.unwrap();
    assert!(stored.response && is_after(&stored.version.unwrap(), &high));
    let lower = |error| assert!(matches!(error, ServiceError::FencingTokenLowerVersion), "{error}");
    lower(refusal(set_fenced(&client, KEY, b"low", &low).await));
    assert!(set_fenced(&client, KEY, b"middle again", &middle).await.unwrap().response);
    let last = set_fenced(&client, KEY, b"high", &high).await.unwrap();
    for token in [low, middle] {
        lower(refusal(set_fenced(&client, KEY, b"late", &token).await));
        lower(refusal(client.store.del(KEY.to_vec(), Some(token.clone()), TIMEOUT).await));
        lower(refusal(client.store.vdel(KEY.to_vec(), b"high".to_vec(), Some(token), TIMEOUT).await));
    }
    assert_eq!(get(&client, KEY).await, (Some(b"high".to_vec()), last.version));
    assert_eq!(client.store.del(KEY.to_vec(), Some(high), TIMEOUT).await.unwrap().response, 1);
}

#[tokio::test]
async fn a_protected_key_wants_a_token() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let token = set(&alice, b"lock", b"alice").await;
    // It protects a key that was there before, too.
    set(&alice, KEY, b"before").await;
    assert!(set_fenced(&alice, KEY, b"value", &token).await.unwrap().response);
    for client in [&alice, &bob] {
        let missing = |error| assert!(matches!(error, ServiceError::MissingFencingToken), "{error}");
        let set = client.store.set(KEY.to_vec(), b"late".to_vec(), TIMEOUT, None, SetOptions::default());
        missing(refusal(set.await));
        missing(refusal(client.store.del(KEY.to_vec(), None, TIMEOUT).await));
        missing(refusal(client.store.vdel(KEY.to_vec(), b"value".to_vec(), None, TIMEOUT).await));
        // Reading needs none.
        assert_eq!(get(client, KEY).await.0.as_deref(), Some(&b"value"[..]));
    }
}

#[tokio::test]
async fn a_deletion_takes_the_token_with_it() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let (low, high) = (set(&client, b"lock", b"1").await, set(&client, b"lock", b"2").await);
    assert!(set_fenced(&client, KEY, b"value", &high).await.unwrap().response);
    let deleted = client.store.vdel(KEY.to_vec(), b"value".to_vec(), Some(high), TIMEOUT).await.unwrap();
    assert_eq!(deleted.response, 1);
    assert!(set_fenced(&client, KEY, b"value", &low).await.unwrap().response);
    assert_eq!(client.store.del(KEY.to_vec(), Some(low), TIMEOUT).await.unwrap().response, 1);
    set(&client, KEY, b"anybody's").await;
    assert_eq!(del(&client, KEY).await.response, 1);
}

#[tokio::test]
async fn a_token_from_the_future_is_refused() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let mut token = set(&client, b"lock", b"alice").await;
    token.timestamp += Duration::from_secs(90);
    let error = refusal(set_fenced(&client, KEY, b"value", &token).await);
    assert!(matches!(error, ServiceError::FencingTokenSkew), "{error}");
    token.timestamp -= Duration::from_mins(1);
    assert!(set_fenced(&client, KEY, b"value", &token).await.unwrap().response);
}
