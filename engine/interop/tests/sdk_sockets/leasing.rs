//! The SDK's lease client: one attempt, renewal, takeover.

use std::time::Duration;

use azure_iot_operations_services::leased_lock::{Error, ErrorKind};
use azure_iot_operations_services::state_store::{Operation, ServiceError};
use mayfly_interop::client::{Client, TIMEOUT, is_after};
use mayfly_interop::server::Server;
use tokio::time::{Instant, sleep};

use crate::shorthand::{notification, refusal, set_fenced, value};

const LONG: Duration = Duration::from_mins(5);
const SHORT: Duration = Duration::from_secs(2);
/// How late an expiry may be.
const LATE: Duration = Duration::from_secs(1);

fn is_held<T>(result: Result<T, Error>) -> bool {
    result.is_err_and(|error| matches!(error.kind(), ErrorKind::LeaseAlreadyHeld))
}

#[tokio::test]
async fn one_holder_at_a_time() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let (hers, his) = (alice.lease(b"lease"), bob.lease(b"lease"));
    assert_eq!(hers.get_holder(TIMEOUT).await.unwrap(), None);
    let first = hers.acquire(LONG, TIMEOUT, None).await.unwrap();
    assert_eq!(hers.current_lease_fencing_token(), Some(first.clone()));
    assert!(is_held(his.acquire(LONG, TIMEOUT, None).await));
    assert_eq!(his.get_holder(TIMEOUT).await.unwrap().as_deref(), Some(&b"alice"[..]));
    // Who does not hold it cannot release it.
    his.release(TIMEOUT).await.unwrap();
    assert!(is_held(his.acquire(LONG, TIMEOUT, None).await));
    // The holder renews it, with another token.
    let second = hers.acquire(LONG, TIMEOUT, None).await.unwrap();
    assert!(is_after(&second, &first));
    hers.release(TIMEOUT).await.unwrap();
    assert_eq!(hers.get_holder(TIMEOUT).await.unwrap(), None);
    let third = his.acquire(LONG, TIMEOUT, None).await.unwrap();
    assert!(is_after(&third, &second));
    assert!(is_held(hers.acquire(LONG, TIMEOUT, None).await));
    assert_eq!(hers.current_lease_fencing_token(), None);
}

#[tokio::test]
async fn a_lease_that_is_not_renewed_is_taken_over() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let (hers, his) = (alice.lease(b"lease"), bob.lease(b"lease"));
    let acquired = Instant::now();
    let old = hers.acquire(SHORT, TIMEOUT, None).await.unwrap();
    assert!(set_fenced(&alice, b"protected", b"alice's", &old).await.unwrap().response);
    let new = loop {
        match his.acquire(LONG, TIMEOUT, None).await {
            Ok(token) => break token,
            Err(error) => assert!(matches!(error.kind(), ErrorKind::LeaseAlreadyHeld), "{error}"),
        }
        assert!(acquired.elapsed() < SHORT + 2 * LATE, "it is still held");
        sleep(Duration::from_millis(20)).await;
    };
    assert!(acquired.elapsed() >= SHORT, "it was taken over too early");
    assert!(is_after(&new, &old));
    // Until the new holder writes the old one may; never after it.
    assert!(set_fenced(&bob, b"protected", b"bob's", &new).await.unwrap().response);
    let error = refusal(set_fenced(&alice, b"protected", b"alice's", &old).await);
    assert!(matches!(error, ServiceError::FencingTokenLowerVersion), "{error}");
    assert_eq!(value(&alice, b"protected").await.as_deref(), Some(&b"bob's"[..]));
}

#[tokio::test]
async fn renewal_keeps_a_lease() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let (hers, his) = (alice.lease(b"lease"), bob.lease(b"lease"));
    let first = hers.acquire(SHORT, TIMEOUT, Some(SHORT / 4)).await.unwrap();
    let acquired = Instant::now();
    while acquired.elapsed() < 2 * (SHORT + LATE) {
        assert!(is_held(his.acquire(LONG, TIMEOUT, None).await));
        sleep(Duration::from_millis(50)).await;
    }
    assert!(is_after(&hers.current_lease_fencing_token().unwrap(), &first));
    hers.release(TIMEOUT).await.unwrap();
    his.acquire(LONG, TIMEOUT, None).await.unwrap();
}

#[tokio::test]
async fn whoever_observes_a_lease_sees_it_change_hands() {
    let server = Server::start();
    let (alice, bob) = (Client::connect(server.address, "alice"), Client::connect(server.address, "bob"));
    let (hers, his) = (alice.lease(b"lease"), bob.lease(b"lease"));
    let mut observation = his.observe(TIMEOUT).await.unwrap();
    let token = hers.acquire(LONG, TIMEOUT, None).await.unwrap();
    let seen = notification(&mut observation).await;
    assert_eq!((seen.operation, seen.version), (Operation::Set(b"alice".to_vec()), token));
    hers.release(TIMEOUT).await.unwrap();
    let seen = notification(&mut observation).await;
    assert_eq!(seen.operation, Operation::Del);
    assert!(his.unobserve(TIMEOUT).await.unwrap());
}
