//! What the store refuses, in words that the SDK knows.

use azure_iot_operations_services::state_store::{Error, Response, ServiceError, SetOptions};
use mayfly_interop::client::{Client, TIMEOUT};
use mayfly_interop::server::Server;

use crate::shorthand::{refusal, set, value};

async fn try_set(client: &Client, key: &[u8], value: &[u8]) -> Result<Response<bool>, Error> {
    client.store.set(key.to_vec(), value.to_vec(), TIMEOUT, None, SetOptions::default()).await
}

#[tokio::test]
async fn quotas() {
    let server = Server::start_with("[limits]\nmax_keys = 2\nmax_store_bytes = 100000\n", &[]);
    let client = Client::connect(server.address, "alice");
    set(&client, b"a", b"1").await;
    set(&client, b"b", b"1").await;
    for (key, value) in [(b"c", vec![0]), (b"a", vec![0; 100_000])] {
        let error = refusal(try_set(&client, key, &value).await);
        assert!(matches!(error, ServiceError::KeyQuotaExceeded), "{error}");
    }
    assert_eq!(value(&client, b"a").await.as_deref(), Some(&b"1"[..]));
    set(&client, b"a", b"2").await;
    assert_eq!(client.store.del(b"b".to_vec(), None, TIMEOUT).await.unwrap().response, 1);
    set(&client, b"c", b"1").await;
}

#[tokio::test]
async fn authorization() {
    let rules = r#"
        [[policies.plant.rules]]
        principals = { everyone = true }
        broker_resources = [{ method = "Connect" }, { method = "Subscribe", topics = ["clients/{principal.clientId}/#"] }]
        state_store_resources = [
            { method = "Read", keys = ["read/*"] },
            { method = "Write", keys = ["write/*"] },
            { method = "ReadWrite", key_type = "Binary", keys = ["AP8="] },
        ]
        [[policies.plant.rules]]
        principals = { everyone = true }
        broker_resources = [{ method = "Subscribe", topics = [
            "clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/+/command/notify/+",
        ] }]
    "#;
    let options = "policy = \"plant\"\n[authorization]\nrules = \"rules.toml\"\n";
    let server = Server::start_with(options, &[("rules.toml", rules)]);
    let client = Client::connect(server.address, "alice");
    let refused = |error| assert!(matches!(error, ServiceError::NotAuthorized), "{error}");
    set(&client, b"write/a", b"value").await;
    set(&client, b"\x00\xFF", b"value").await;
    assert!(value(&client, b"\x00\xFF").await.is_some());
    assert!(value(&client, b"read/a").await.is_none());
    refused(refusal(try_set(&client, b"read/a", b"value").await));
    refused(refusal(client.store.get(b"write/a".to_vec(), TIMEOUT).await));
    refused(refusal(client.store.observe(b"write/a".to_vec(), TIMEOUT).await));
    refused(refusal(client.store.del(b"read/a".to_vec(), None, TIMEOUT).await));
    refused(refusal(client.store.vdel(b"other".to_vec(), b"value".to_vec(), None, TIMEOUT).await));
    // The session is none the worse for it.
    assert!(client.store.observe(b"read/a".to_vec(), TIMEOUT).await.is_ok());
    assert_eq!(client.store.del(b"write/a".to_vec(), None, TIMEOUT).await.unwrap().response, 1);
}

#[tokio::test]
async fn keys_too_long_to_observe() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let key = vec![b'k'; 33_000];
    set(&client, &key, b"value").await;
    assert!(value(&client, &key).await.is_some());
    let error = refusal(client.store.observe(key, TIMEOUT).await);
    assert_eq!(error.to_string(), "the key is too long for a notification topic");
}
