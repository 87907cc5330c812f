//! KEYNOTIFY and the notifications.

use azure_iot_operations_services::state_store::{Operation, SetCondition};
use mayfly_interop::client::Client;
use mayfly_interop::server::Server;

use crate::shorthand::{del, expect, expect_end, expect_silence, observe, set, set_if, unobserve, vdel};

fn set_to(value: &[u8]) -> Operation {
    Operation::Set(value.to_vec())
}

#[tokio::test]
async fn an_observer_is_told_of_each_change_in_order() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let mut observation = observe(&alice, b"key").await;
    for i in 0..50 {
        let (writer, value) = (if i % 2 == 0 { &alice } else { &bob }, format!("value {i}").into_bytes());
        let stored = set(writer, b"key", &value).await;
        expect(&mut observation, b"key", set_to(&value), &stored).await;
        if i % 5 == 0 {
            let deleted =
                if i % 2 == 0 { del(writer, b"key").await } else { vdel(writer, b"key", &value).await };
            expect(&mut observation, b"key", Operation::Del, &deleted.version.unwrap()).await;
        }
    }
    expect_silence(&mut observation).await;
}

#[tokio::test]
async fn what_changes_nothing_is_not_told() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let mut observation = observe(&client, b"key").await;
    del(&client, b"key").await;
    vdel(&client, b"key", b"value").await;
    let stored = set(&client, b"key", b"value").await;
    expect(&mut observation, b"key", set_to(b"value"), &stored).await;
    assert_eq!(vdel(&client, b"key", b"other").await.response, -1);
    assert!(!set_if(&client, b"key", b"value", SetCondition::OnlyIfDoesNotExist).await.response);
    assert!(!set_if(&client, b"key", b"other", SetCondition::OnlyIfEqualOrDoesNotExist).await.response);
    set(&client, b"another key", b"value").await;
    expect_silence(&mut observation).await;
    // A renewal changes the version, and is told.
    let renewed = set_if(&client, b"key", b"value", SetCondition::OnlyIfEqualOrDoesNotExist).await;
    expect(&mut observation, b"key", set_to(b"value"), &renewed.version.unwrap()).await;
}

#[tokio::test]
async fn after_unobserve_nothing_is_told_until_observe() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let (mut first, mut bobs) = (observe(&alice, b"key").await, observe(&bob, b"key").await);
    assert!(unobserve(&alice, b"key").await);
    assert!(!unobserve(&alice, b"key").await, "it was not observed any more");
    let stored = set(&bob, b"key", b"1").await;
    expect(&mut bobs, b"key", set_to(b"1"), &stored).await;
    expect_end(&mut first).await;
    let mut second = observe(&alice, b"key").await;
    expect_silence(&mut second).await;
    let stored = set(&bob, b"key", b"2").await;
    expect(&mut second, b"key", set_to(b"2"), &stored).await;
    expect(&mut bobs, b"key", set_to(b"2"), &stored).await;
    expect_silence(&mut second).await;
}

#[tokio::test]
async fn each_observation_gets_its_keys_changes() {
    let server = Server::start();
    // The topic of a notification has both in hexadecimal.
    let alice = Client::connect(server.address, "Alice-1.Z_~");
    let bob = Client::connect(server.address, "bob");
    let keys = [&b"\x00\xFF/#"[..], b"key", b"KEY", "schl\u{fc}ssel".as_bytes(), &[0xAB; 3000]];
    let mut observations = Vec::new();
    for key in keys {
        observations.push(observe(&alice, key).await);
    }
    for (i, key) in keys.iter().enumerate() {
        let stored = set(&bob, key, &[i as u8]).await;
        expect(&mut observations[i], key, set_to(&[i as u8]), &stored).await;
    }
    for observation in &mut observations {
        expect_silence(observation).await;
    }
}
