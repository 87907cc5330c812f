//! Connections that are lost: the SDK goes on with its session where the broker kept it, and gives up where it did not.

use std::time::Duration;

use azure_iot_operations_mqtt::session::SessionErrorKind;
use azure_iot_operations_services::state_store::{Operation, SetCondition, SetOptions};
use mayfly_interop::cable::Cable;
use mayfly_interop::client::{Client, KEEP_ALIVE, TIMEOUT};
use mayfly_interop::server::Server;
use tokio::time::{sleep, timeout};

use crate::shorthand::{del, expect, expect_end, get, observe, set, set_if, value};

/// How often a test looks at what should come.
const LOOK_EVERY: Duration = Duration::from_millis(10);

async fn reconnected(client: &Client) {
    timeout(TIMEOUT, client.monitor.connected()).await.expect("it connects again");
}

/// Cuts the connection, and waits until the client has noticed and has another.
async fn cut(client: &Client, cable: &Cable) {
    cable.cut();
    timeout(TIMEOUT, client.monitor.disconnected()).await.expect("it notices");
    reconnected(client).await;
}

#[tokio::test]
async fn the_session_goes_on_after_a_lost_connection() {
    let server = Server::start();
    let cable = Cable::to(server.address).await.unwrap();
    let client = Client::connect(cable.address, "alice");
    let stored = set(&client, b"key", b"value").await;
    for _ in 0..5 {
        cut(&client, &cable).await;
        assert_eq!(get(&client, b"key").await, (Some(b"value".to_vec()), Some(stored.clone())));
    }
    assert!(client.runs());
    client.leave().await;
}

#[tokio::test]
async fn an_observation_ends_with_its_connection_and_can_be_made_anew() {
    let server = Server::start();
    let cable = Cable::to(server.address).await.unwrap();
    let (alice, bob) = (Client::connect(cable.address, "alice"), Client::connect(server.address, "bob"));
    for i in 0..3 {
        let mut observation = observe(&alice, b"key").await;
        let stored = set(&bob, b"key", &[i]).await;
        expect(&mut observation, b"key", Operation::Set(vec![i]), &stored).await;
        cut(&alice, &cable).await;
        set(&bob, b"key", b"unseen").await;
        expect_end(&mut observation).await;
    }
}

/// A request whose response is lost on the way is sent again, and is answered without being executed again.
#[tokio::test]
async fn a_request_whose_response_was_lost_is_executed_once() {
    let server = Server::start();
    let cable = Cable::to(server.address).await.unwrap();
    let (alice, bob) = (Client::connect(cable.address, "alice"), Client::connect(server.address, "bob"));
    set(&alice, b"counter", b"value").await;
    for i in 0..5 {
        let key = [b'k', i];
        let executed = async || value(&bob, &key).await.is_some();
        cable.deafen();
        let lose = async {
            while !executed().await {
                sleep(LOOK_EVERY).await;
            }
            let version = get(&bob, &key).await.1;
            cable.cut();
            version
        };
        let stored = set_if(&alice, &key, b"value", SetCondition::OnlyIfDoesNotExist);
        let (stored, version) = tokio::join!(stored, lose);
        assert!(stored.response, "the client itself set it");
        assert_eq!(stored.version, version, "it was executed again");
        assert_eq!(get(&bob, &key).await.1, version);

        cable.deafen();
        let lose = async {
            while executed().await {
                sleep(LOOK_EVERY).await;
            }
            // Executed again, the deletion would take this with it.
            let version = set(&bob, &key, b"bob's").await;
            cable.cut();
            version
        };
        let (deleted, version) = tokio::join!(del(&alice, &key), lose);
        assert_eq!(deleted.response, 1);
        assert_eq!(get(&alice, &key).await, (Some(b"bob's".to_vec()), Some(version)));
    }
}

/// A broker that is not heard of, though the connection stands: the SDK's PINGREQ finds it out.
#[tokio::test]
async fn a_silent_connection_is_given_up() {
    let server = Server::start();
    let cable = Cable::to(server.address).await.unwrap();
    let client = Client::connect(cable.address, "alice");
    let stored = set(&client, b"key", b"value").await;
    cable.deafen();
    timeout(KEEP_ALIVE * 3, client.monitor.disconnected()).await.expect("PINGRESP does not come");
    cable.cut();
    reconnected(&client).await;
    assert_eq!(get(&client, b"key").await.1, Some(stored));
}

/// An idle client stays connected: each PINGREQ is answered in time.
#[tokio::test]
async fn an_idle_connection_stays() {
    let server = Server::start();
    let client = Client::connect(server.address, "alice");
    let mut observation = observe(&client, b"key").await;
    let lost = timeout(KEEP_ALIVE * 3, client.monitor.disconnected()).await;
    assert!(lost.is_err(), "the connection is lost");
    let stored = set(&client, b"key", b"value").await;
    expect(&mut observation, b"key", Operation::Set(b"value".to_vec()), &stored).await;
}

/// A restarted broker has neither sessions nor keys. The SDK says so, and a new session finds nothing.
#[tokio::test]
async fn a_restart_loses_the_session_and_every_key() {
    let server = Server::start();
    let mut client = Client::connect(server.address, "alice");
    for i in 0..10 {
        set(&client, format!("key {i}").as_bytes(), b"value").await;
    }
    let mut observation = observe(&client, b"key 0").await;
    let server = server.restart();
    assert_eq!(client.end().await, Err(SessionErrorKind::SessionLost));
    expect_end(&mut observation).await;
    // Who waits for a lost session waits until its time is over.
    let options = SetOptions::default();
    let set_late = client.store.set(b"key 0".to_vec(), b"late".to_vec(), LOOK_EVERY * 100, None, options);
    assert!(set_late.await.is_err());

    let client = Client::connect(server.address, "alice");
    for i in 0..10 {
        assert_eq!(get(&client, format!("key {i}").as_bytes()).await, (None, None));
    }
    let mut observation = observe(&client, b"key 0").await;
    let stored = set(&client, b"key 0", b"anew").await;
    expect(&mut observation, b"key 0", Operation::Set(b"anew".to_vec()), &stored).await;
}
