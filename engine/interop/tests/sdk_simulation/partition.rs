//! A client that is cut off, briefly or for so long that its connection dies: its session goes on.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use azure_iot_operations_services::state_store::{ErrorKind, Operation, ServiceError, SetOptions};
use mayfly_interop::client::{Client, KEEP_ALIVE, TIMEOUT, is_after};
use mayfly_interop::world::World;
use tokio::time::{Instant, sleep, timeout};

const KEY: &[u8] = b"key";

/// Longer than any partition: such a request outlives it.
const PATIENT: Duration = Duration::from_mins(5);

async fn set(client: &Client, key: &[u8], value: &[u8]) -> bool {
    client
        .store
        .set(key.to_vec(), value.to_vec(), PATIENT, None, SetOptions::default())
        .await
        .unwrap()
        .response
}

async fn value(client: &Client, key: &[u8]) -> Option<Vec<u8>> {
    client.store.get(key.to_vec(), PATIENT).await.unwrap().response
}

/// While a partition is shorter than the SDK's patience nothing is lost but time: not even the connection.
#[test]
fn a_short_one_is_a_delay() {
    const LENGTH: Duration = Duration::from_millis(1500);
    let mut world = World::new();
    world.client("alice", async |host| {
        let client = host.connect("alice");
        let mut observation = client.store.observe(KEY.to_vec(), PATIENT).await.unwrap().response;
        for i in 0..10 {
            let (value, began) = ([i], Instant::now());
            host.part();
            let (set, ()) = tokio::join!(set(&client, KEY, &value), async {
                sleep(LENGTH).await;
                host.reunite();
            });
            assert!(set && began.elapsed() >= LENGTH, "{:?}", began.elapsed());
            // An observation ends with its connection.
            let (seen, _) = observation.recv_notification().await.expect("it has not ended");
            assert_eq!(seen.operation, Operation::Set(vec![i]));
            sleep(KEEP_ALIVE).await;
        }
        assert!(client.runs());
        client.leave().await;
    });
    world.run();
}

/// Both ends give up the connection. The SDK connects again, and goes on with the same session: it would end where the broker
/// says that there is none. What it could not send meanwhile it sends then.
#[test]
fn after_a_long_one_the_session_goes_on() {
    const LENGTH: Duration = Duration::from_secs(45);
    let mut world = World::new();
    world.client("alice", async |host| {
        let alice = host.connect("alice");
        for i in 0..3 {
            let key = [b'k', i];
            assert!(set(&alice, KEY, b"before").await);
            let mut observation = alice.store.observe(KEY.to_vec(), PATIENT).await.unwrap().response;
            host.part();
            let (set, end, ()) = tokio::join!(
                set(&alice, &key, b"meanwhile"),
                async {
                    let lost = timeout(LENGTH, alice.monitor.disconnected()).await;
                    assert!(lost.is_ok(), "PINGRESP does not come");
                    observation.recv_notification().await
                },
                async {
                    sleep(LENGTH).await;
                    assert!(!alice.monitor.is_connected());
                    host.reunite();
                },
            );
            assert!(set && end.is_none(), "the observation goes on");
            assert!(alice.runs(), "its session has ended");
            assert_eq!(value(&alice, KEY).await.as_deref(), Some(&b"bob's"[..]), "what bob set meanwhile");
            let mut observation = alice.store.observe(KEY.to_vec(), PATIENT).await.unwrap().response;
            assert!(set_again(&alice).await);
            let (seen, _) = observation.recv_notification().await.unwrap();
            assert_eq!(seen.operation, Operation::Set(b"again".to_vec()));
            assert!(alice.store.unobserve(KEY.to_vec(), PATIENT).await.unwrap().response);
        }
        alice.leave().await;
    });
    world.client("bob", async |host| {
        let bob = host.connect("bob");
        // Whenever alice has set it, and while she is cut off.
        for _ in 0..3 {
            while value(&bob, KEY).await.as_deref() != Some(b"before") {
                sleep(Duration::from_millis(100)).await;
            }
            sleep(Duration::from_secs(10)).await;
            assert!(set(&bob, KEY, b"bob's").await);
        }
        bob.leave().await;
    });
    world.run();
}

async fn set_again(client: &Client) -> bool {
    set(client, KEY, b"again").await
}

/// The holder of a lock is cut off and can't renew it. Whoever waits for it gets it when the lease ends, and from its first
/// protected write on the old holder's token is worth nothing.
#[test]
fn the_lock_of_a_holder_that_is_cut_off_is_taken_over() {
    const LEASE: Duration = Duration::from_secs(6);
    const RENEWAL: Duration = Duration::from_secs(2);
    // An expiry may be so late, and so may be what the network carries.
    const LATE: Duration = Duration::from_secs(1);
    let mut world = World::new();
    let (parted_at, taken_over) = (Rc::new(Cell::new(None)), Rc::new(Cell::new(false)));
    let (parted, over) = (Rc::clone(&parted_at), Rc::clone(&taken_over));
    world.client("alice", async move |host| {
        let alice = host.connect("alice");
        let lock = alice.lock(b"lock");
        lock.lock(LEASE, TIMEOUT, Some(RENEWAL)).await.unwrap();
        sleep(3 * LEASE).await;
        let token = lock.current_lock_fencing_token().expect("it is renewed");
        assert!(!over.get(), "it is held");
        host.part();
        parted.set(Some(now()));
        while !over.get() {
            sleep(Duration::from_millis(100)).await;
        }
        host.reunite();
        // She still believes in her token, and does what it protects.
        let late = alice.store.set(
            b"protected".to_vec(),
            b"alice's".to_vec(),
            PATIENT,
            Some(token),
            SetOptions::default(),
        );
        let error = late.await.expect_err("the lock was taken over");
        assert!(
            matches!(error.kind(), ErrorKind::ServiceError(ServiceError::FencingTokenLowerVersion)),
            "{error}"
        );
        assert_eq!(value(&alice, b"lock").await.as_deref(), Some(&b"bob"[..]));
        assert!(alice.runs());
    });
    world.client("bob", async move |host| {
        let bob = host.connect("bob");
        let lock = bob.lock(b"lock");
        // Alice is first.
        while value(&bob, b"lock").await.is_none() {
            sleep(Duration::from_millis(100)).await;
        }
        let waited = Instant::now();
        let token = lock.lock(LEASE, PATIENT, Some(RENEWAL)).await.unwrap();
        assert!(waited.elapsed() > 3 * LEASE, "it is held");
        let parted_at = parted_at.get().expect("alice is cut off");
        let alone = now().saturating_sub(parted_at);
        // Her last renewal was at most RENEWAL before.
        assert!(alone + RENEWAL + LATE >= LEASE && alone <= LEASE + 2 * LATE, "{alone:?}");
        let protected = bob.store.set(
            b"protected".to_vec(),
            b"bob's".to_vec(),
            TIMEOUT,
            Some(token.clone()),
            SetOptions::default(),
        );
        let stored = protected.await.unwrap();
        assert!(stored.response && is_after(&stored.version.unwrap(), &token));
        taken_over.set(true);
        sleep(10 * LEASE).await;
        assert_eq!(value(&bob, b"protected").await.as_deref(), Some(&b"bob's"[..]));
        assert_eq!(value(&bob, b"lock").await.as_deref(), Some(&b"bob"[..]), "it is renewed");
        lock.unlock(TIMEOUT).await.unwrap();
        bob.leave().await;
    });
    world.run();
}

/// Simulated time, the same for all hosts.
fn now() -> Duration {
    turmoil::sim_elapsed().expect("this is a host")
}
