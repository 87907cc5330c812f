//! Leases and locks of the client over real sockets.

#![allow(clippy::unwrap_used, reason = "a lock that is not held is the failure that the test is to show")]

use std::time::Duration;

use mayfly::embedded::Broker;
use mayfly_client::{
    Driver, Error, Lease, LeaseLost, Lock, Options, ServiceError, SetOptions, SetOutcome, StateStore, tcp,
};
use tokio::time::{Instant, timeout};

const CONTENDERS: usize = 5;
const TURNS: usize = 8;
/// Longer than a test takes: no lease ends by itself.
const LONG: Duration = Duration::from_mins(5);
const SHORT: Duration = Duration::from_secs(1);

fn client(broker: &Broker) -> (StateStore, Driver) {
    StateStore::new(&Options::default(), tcp::connector(broker.address().to_string())).unwrap()
}

fn connect(broker: &Broker) -> StateStore {
    let (store, driver) = client(broker);
    tokio::spawn(driver.run());
    store
}

fn fenced(token: &mayfly_client::Version) -> SetOptions {
    SetOptions { fencing_token: Some(token.clone()), ..SetOptions::default() }
}

/// Reads a number, and writes the next one.
async fn count(store: &StateStore, lock: &Lock) {
    let number = match store.get(b"number").await.unwrap() {
        Some(stored) => std::str::from_utf8(&stored.value).unwrap().parse::<usize>().unwrap(),
        None => 0,
    };
    tokio::task::yield_now().await;
    let next = (number + 1).to_string();
    let written = store.set(b"number", next.as_bytes(), &fenced(lock.token().unwrap())).await;
    assert!(matches!(written, Ok(SetOutcome::Stored(_))), "{written:?}");
}

#[tokio::test]
async fn contenders_exclude_each_other_within_a_client_and_among_clients() {
    let broker = Broker::start().unwrap();
    let shared = connect(&broker);
    let stores: Vec<StateStore> =
        (0..CONTENDERS).map(|i| if i < 2 { shared.clone() } else { connect(&broker) }).collect();
    let contenders: Vec<_> = stores
        .into_iter()
        .map(|store| {
            tokio::spawn(async move {
                for turn in 0..TURNS {
                    let lock = Lock::acquire(&store, b"lock", LONG).await.unwrap();
                    count(&store, &lock).await;
                    // Some are dropped.
                    if turn % 2 == 0 {
                        lock.release().await.unwrap();
                    }
                }
            })
        })
        .collect();
    for contender in contenders {
        timeout(Duration::from_secs(30), contender).await.unwrap().unwrap();
    }
    let number = shared.get(b"number").await.unwrap().unwrap();
    assert_eq!(&number.value[..], (CONTENDERS * TURNS).to_string().as_bytes());
}

#[tokio::test]
async fn a_holder_that_vanishes_is_succeeded_when_its_lease_ends() {
    let broker = Broker::start().unwrap();
    let (first, driver) = client(&broker);
    let driver = tokio::spawn(driver.run());
    let second = connect(&broker);
    let lock = Lock::acquire(&first, b"lock", SHORT).await.unwrap();
    let old_token = lock.token().unwrap().clone();

    // Renewed meanwhile, it is not to be had.
    assert!(timeout(SHORT * 2, Lock::acquire(&second, b"lock", SHORT)).await.is_err());
    assert!(lock.token().is_ok());
    assert!(Lease::acquire(&second, b"lock", SHORT).await.unwrap().is_none());

    driver.abort();
    let vanished = Instant::now();
    let successor = timeout(SHORT * 4, Lock::acquire(&second, b"lock", SHORT)).await.unwrap().unwrap();
    assert!(vanished.elapsed() >= SHORT / 2, "the lease was renewed a third of its duration ago at most");
    assert_eq!(lock.token(), Err(LeaseLost::Closed));

    // What the first holder had on its way is too late for a key that the second has written.
    let new_token = successor.token().unwrap().clone();
    assert!(new_token > old_token);
    second.set(b"k", b"second", &fenced(&new_token)).await.unwrap();
    let late = second.set(b"k", b"first", &fenced(&old_token)).await;
    assert_eq!(late, Err(Error::Service(ServiceError::FencingTokenLower)));
}

#[tokio::test]
async fn a_restarted_broker_has_lost_the_lock_and_its_holder_knows() {
    let broker = Broker::start().unwrap();
    let address = broker.address();
    let store = connect(&broker);
    let lock = Lock::acquire(&store, b"lock", LONG).await.unwrap();
    drop(broker);
    let broker = Broker::start_at(address).unwrap();
    assert_eq!(timeout(Duration::from_secs(10), lock.lost()).await.unwrap(), LeaseLost::SessionLost);
    let other = connect(&broker);
    let successor = timeout(Duration::from_secs(10), Lock::acquire(&other, b"lock", LONG)).await.unwrap();
    assert!(successor.unwrap().token().is_ok());
}
