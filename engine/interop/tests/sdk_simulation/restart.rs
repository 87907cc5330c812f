//! The broker is restarted: the SDK reports the lost session, and a new session finds every key gone.

use std::time::Duration;

use azure_iot_operations_mqtt::session::SessionErrorKind;
use azure_iot_operations_services::state_store::{Operation, SetOptions};
use mayfly_interop::client::{Client, TIMEOUT};
use mayfly_interop::world::World;
use tokio::time::timeout;

async fn fill(client: &Client) {
    for i in 0..20 {
        let key = format!("key {i}").into_bytes();
        let set =
            client.store.set(key, b"value".to_vec(), TIMEOUT, None, SetOptions::default()).await.unwrap();
        assert!(set.response);
    }
}

#[test]
fn the_session_and_every_key_are_gone() {
    let mut world = World::new();
    world.client("alice", async |host| {
        for _ in 0..3 {
            let mut client = host.connect("alice");
            fill(&client).await;
            let mut observation = client.store.observe(b"key 0".to_vec(), TIMEOUT).await.unwrap().response;
            host.restart_broker();
            assert_eq!(client.end().await, Err(SessionErrorKind::SessionLost));
            assert!(observation.recv_notification().await.is_none(), "it ends with its session");

            let client = host.connect("alice");
            for i in 0..20 {
                let found = client.store.get(format!("key {i}").into_bytes(), TIMEOUT).await.unwrap();
                assert_eq!((found.response, found.version), (None, None), "key {i}");
            }
            let lease = client.lease(b"lease").acquire(TIMEOUT, TIMEOUT, None).await;
            assert!(lease.is_ok(), "nobody holds it");
            let mut observation = client.store.observe(b"key 0".to_vec(), TIMEOUT).await.unwrap().response;
            fill(&client).await;
            let (seen, _) = observation.recv_notification().await.unwrap();
            assert_eq!(seen.operation, Operation::Set(b"value".to_vec()));
            client.leave().await;
        }
    });
    world.run();
}

/// A lock does not outlive the broker, and nobody goes on believing in one: its holder's session ends.
#[test]
fn a_lock_is_gone_and_its_holder_knows() {
    const LEASE: Duration = Duration::from_secs(20);
    let mut world = World::new();
    world.client("alice", async |host| {
        let (mut alice, mut bob) = (host.connect("alice"), host.connect("bob"));
        alice.lock(b"lock").lock(LEASE, TIMEOUT, None).await.unwrap();
        let waiting = bob.lock(b"lock");
        let waiting = tokio::spawn(async move { waiting.lock(LEASE, TIMEOUT, None).await });
        assert!(timeout(LEASE / 4, alice.monitor.disconnected()).await.is_err());
        assert!(!waiting.is_finished());
        host.restart_broker();
        assert_eq!(alice.end().await, Err(SessionErrorKind::SessionLost));
        assert_eq!(bob.end().await, Err(SessionErrorKind::SessionLost));
        assert!(waiting.await.unwrap().is_err(), "it waits in a session that is lost");

        let carol = host.connect("carol");
        assert_eq!(carol.lease(b"lock").get_holder(TIMEOUT).await.unwrap(), None);
        carol.lock(b"lock").lock(LEASE, TIMEOUT, None).await.unwrap();
        carol.leave().await;
    });
    world.run();
}
