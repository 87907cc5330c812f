//! The SDK's lock client: waiting, driven by notifications.

use std::time::Duration;

use azure_iot_operations_services::state_store::ServiceError;
use mayfly_interop::client::{Client, TIMEOUT, is_after};
use mayfly_interop::server::Server;
use tokio::time::{Instant, sleep, timeout};

use crate::shorthand::{get, refusal, set_fenced, value};

const LONG: Duration = Duration::from_mins(5);
const SHORT: Duration = Duration::from_secs(2);
/// How late an expiry may be.
const LATE: Duration = Duration::from_secs(1);
/// How long a test waits for what should come.
const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn contenders_exclude_each_other() {
    const CONTENDERS: usize = 4;
    const TURNS: usize = 5;
    let server = Server::start();
    let mut contenders = Vec::new();
    for i in 0..CONTENDERS {
        let client = Client::connect(server.address, &format!("contender-{i}"));
        contenders.push(tokio::spawn(async move {
            let lock = client.lock(b"lock");
            for _ in 0..TURNS {
                let token = lock.lock(LONG, TIMEOUT, None).await.unwrap();
                let number = get(&client, b"number").await.0.unwrap_or_else(|| b"0".to_vec());
                let next = std::str::from_utf8(&number).unwrap().parse::<usize>().unwrap() + 1;
                let next = next.to_string();
                assert!(set_fenced(&client, b"number", next.as_bytes(), &token).await.unwrap().response);
                lock.unlock(TIMEOUT).await.unwrap();
            }
            client.leave().await;
        }));
    }
    for contender in contenders {
        timeout(PATIENCE, contender).await.expect("a contender waits for ever").unwrap();
    }
    let client = Client::connect(server.address, "observer");
    let total = (CONTENDERS * TURNS).to_string();
    assert_eq!(value(&client, b"number").await.as_deref(), Some(total.as_bytes()));
}

#[tokio::test]
async fn a_lock_is_had_as_soon_as_it_is_released() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let (hers, his) = (alice.lock(b"lock"), bob.lock(b"lock"));
    let first = hers.lock(LONG, TIMEOUT, None).await.unwrap();
    assert_eq!(hers.current_lock_fencing_token(), Some(first.clone()));
    let waiting = tokio::spawn(async move { his.lock(LONG, TIMEOUT, None).await });
    sleep(Duration::from_millis(300)).await;
    assert!(!waiting.is_finished(), "it is held");
    hers.unlock(TIMEOUT).await.unwrap();
    let second = timeout(PATIENCE, waiting).await.expect("nobody says that it is free").unwrap().unwrap();
    assert!(is_after(&second, &first));
    assert_eq!(hers.current_lock_fencing_token(), None);
}

#[tokio::test]
async fn a_holder_that_dies_is_succeeded_when_its_lease_ends() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let (hers, his) = (alice.lock(b"lock"), bob.lock(b"lock"));
    let old = hers.lock(SHORT, TIMEOUT, Some(SHORT / 4)).await.unwrap();
    let waiting = tokio::spawn(async move { his.lock(LONG, TIMEOUT, None).await });
    // It is renewed as long as its holder lives.
    sleep(2 * (SHORT + LATE)).await;
    assert!(!waiting.is_finished(), "it is held");
    let last = hers.current_lock_fencing_token().unwrap();
    assert!(is_after(&last, &old));
    drop(alice);
    let died = Instant::now();
    let new = timeout(PATIENCE, waiting).await.expect("nobody says that it is free").unwrap().unwrap();
    assert!(died.elapsed() <= SHORT + 2 * LATE, "{:?}", died.elapsed());
    assert!(is_after(&new, &last));
    assert!(set_fenced(&bob, b"protected", b"bob's", &new).await.unwrap().response);
    let error = refusal(set_fenced(&bob, b"protected", b"alice's", &last).await);
    assert!(matches!(error, ServiceError::FencingTokenLowerVersion), "{error}");
}
