//! The SDK's calls with what all tests give them.

use std::time::Duration;

use azure_iot_operations_protocol::common::hybrid_logical_clock::HybridLogicalClock;
use azure_iot_operations_services::state_store::{
    Error, ErrorKind, KeyNotification, KeyObservation, Operation, Response, ServiceError, SetCondition,
    SetOptions,
};
use mayfly_interop::client::{Client, TIMEOUT};
use tokio::time::timeout;

/// Longer than a notification may take, shorter than anybody waits.
const SILENCE: Duration = Duration::from_millis(500);

/// Sets a key whatever it holds, and returns its new version.
pub(crate) async fn set(client: &Client, key: &[u8], value: &[u8]) -> HybridLogicalClock {
    let set = set_if(client, key, value, SetCondition::Unconditional).await;
    assert!(set.response, "nothing refuses it");
    set.version.expect("a SET has a version")
}

/// Sets a key under a condition.
pub(crate) async fn set_if(
    client: &Client,
    key: &[u8],
    value: &[u8],
    set_condition: SetCondition,
) -> Response<bool> {
    let options = SetOptions { set_condition, ..SetOptions::default() };
    client.store.set(key.to_vec(), value.to_vec(), TIMEOUT, None, options).await.unwrap()
}

/// Sets a key for a time.
pub(crate) async fn set_for(client: &Client, key: &[u8], value: &[u8], time: Duration) -> HybridLogicalClock {
    let options = SetOptions { expires: Some(time), ..SetOptions::default() };
    let set = client.store.set(key.to_vec(), value.to_vec(), TIMEOUT, None, options).await.unwrap();
    assert!(set.response, "nothing refuses it");
    set.version.expect("a SET has a version")
}

/// Sets a key with a fencing token.
pub(crate) async fn set_fenced(
    client: &Client,
    key: &[u8],
    value: &[u8],
    token: &HybridLogicalClock,
) -> Result<Response<bool>, Error> {
    client.store.set(key.to_vec(), value.to_vec(), TIMEOUT, Some(token.clone()), SetOptions::default()).await
}

/// What a key holds, with its version.
pub(crate) async fn get(client: &Client, key: &[u8]) -> (Option<Vec<u8>>, Option<HybridLogicalClock>) {
    let get = client.store.get(key.to_vec(), TIMEOUT).await.unwrap();
    (get.response, get.version)
}

/// What a key holds.
pub(crate) async fn value(client: &Client, key: &[u8]) -> Option<Vec<u8>> {
    get(client, key).await.0
}

/// Deletes a key.
pub(crate) async fn del(client: &Client, key: &[u8]) -> Response<i64> {
    client.store.del(key.to_vec(), None, TIMEOUT).await.unwrap()
}

/// Deletes a key if it has a value.
pub(crate) async fn vdel(client: &Client, key: &[u8], value: &[u8]) -> Response<i64> {
    client.store.vdel(key.to_vec(), value.to_vec(), None, TIMEOUT).await.unwrap()
}

/// Observes a key.
pub(crate) async fn observe(client: &Client, key: &[u8]) -> KeyObservation {
    client.store.observe(key.to_vec(), TIMEOUT).await.unwrap().response
}

/// Observes a key no more; says whether it did.
pub(crate) async fn unobserve(client: &Client, key: &[u8]) -> bool {
    client.store.unobserve(key.to_vec(), TIMEOUT).await.unwrap().response
}

/// The next notification.
pub(crate) async fn notification(observation: &mut KeyObservation) -> KeyNotification {
    let notification =
        timeout(TIMEOUT, observation.recv_notification()).await.expect("no notification comes");
    notification.expect("the observation goes on").0
}

/// The next notification is this one.
pub(crate) async fn expect(
    observation: &mut KeyObservation,
    key: &[u8],
    operation: Operation,
    version: &HybridLogicalClock,
) {
    let notification = notification(observation).await;
    assert_eq!(notification.key, key);
    assert_eq!((notification.operation, &notification.version), (operation, version));
}

/// The observation is over: no further notification will come.
pub(crate) async fn expect_end(observation: &mut KeyObservation) {
    let end = timeout(TIMEOUT, observation.recv_notification()).await.expect("it does not end");
    assert!(end.is_none(), "it goes on");
}

/// No notification comes.
pub(crate) async fn expect_silence(observation: &mut KeyObservation) {
    let notification = timeout(SILENCE, observation.recv_notification()).await;
    if let Ok(notification) = notification {
        panic!("{:?}", notification.map(|(notification, _)| notification));
    }
}

/// What the store answered instead of a result.
pub(crate) fn refusal<T>(result: Result<T, Error>) -> ServiceError {
    let Err(error) = result else { panic!("the store refuses it") };
    match error.kind() {
        ErrorKind::ServiceError(_) => {}
        other => panic!("the SDK does not understand the store: {other}"),
    }
    // The kind can only be borrowed; its text is what tells it.
    ServiceError::from(error.to_string().into_bytes())
}
