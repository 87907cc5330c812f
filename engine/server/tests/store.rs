//! The state store over real sockets, by its own client.

#![allow(clippy::unwrap_used, reason = "a request that fails is the failure that the test is to show")]

use std::time::Duration;

use mayfly::embedded::Broker;
use mayfly_client::{
    Change, Condition, DelOutcome, Error, ObservationEvent, Options, ServiceError, SetOptions, SetOutcome,
    StateStore, Stored, VdelOutcome, Version, tcp,
};
use tokio::time::Instant;

fn connect(broker: &Broker) -> StateStore {
    let (store, driver) =
        StateStore::new(&Options::default(), tcp::connector(broker.address().to_string())).unwrap();
    tokio::spawn(driver.run());
    store
}

async fn set(store: &StateStore, value: &[u8], condition: Condition) -> SetOutcome {
    store.set(b"k", value, &SetOptions { condition, ..SetOptions::default() }).await.unwrap()
}

fn stored(outcome: SetOutcome) -> Version {
    match outcome {
        SetOutcome::Stored(version) => version,
        SetOutcome::Refused(version) => panic!("refused for {version}"),
    }
}

#[tokio::test]
async fn a_value_is_set_read_and_deleted() {
    let broker = Broker::start().unwrap();
    let store = connect(&broker);
    assert_eq!(store.get(b"k").await, Ok(None));
    let first = stored(set(&store, b"\0\r\n\xff", Condition::Always).await);
    let value = b"\0\r\n\xff".as_slice().into();
    assert_eq!(store.get(b"k").await, Ok(Some(Stored { value, version: first.clone() })));
    let second = stored(set(&store, b"", Condition::Always).await);
    assert!(second > first);
    assert_eq!(&store.get(b"k").await.unwrap().unwrap().value[..], b"");
    let DelOutcome::Deleted(third) = store.del(b"k", None).await.unwrap() else { panic!("the key is there") };
    assert!(third > second);
    assert_eq!(store.del(b"k", None).await, Ok(DelOutcome::Absent));
    assert_eq!(store.get(b"k").await, Ok(None));
}

#[tokio::test]
async fn conditions_are_kept() {
    let broker = Broker::start().unwrap();
    let store = connect(&broker);
    let first = stored(set(&store, b"1", Condition::Nx).await);
    assert_eq!(set(&store, b"2", Condition::Nx).await, SetOutcome::Refused(first.clone()));
    assert_eq!(set(&store, b"2", Condition::Nex).await, SetOutcome::Refused(first.clone()));
    assert!(stored(set(&store, b"1", Condition::Nex).await) > first);
    assert_eq!(store.vdel(b"k", b"2", None).await, Ok(VdelOutcome::Different));
    assert!(matches!(store.vdel(b"k", b"1", None).await, Ok(VdelOutcome::Deleted(_))));
    assert_eq!(store.vdel(b"k", b"1", None).await, Ok(VdelOutcome::Absent));
}

#[tokio::test]
async fn a_fencing_token_protects_a_key() {
    let broker = Broker::start().unwrap();
    let store = connect(&broker);
    let low = stored(store.set(b"lock", b"1", &SetOptions::default()).await.unwrap());
    let high = stored(store.set(b"lock", b"2", &SetOptions::default()).await.unwrap());
    let fenced = |token: &Version| SetOptions { fencing_token: Some(token.clone()), ..SetOptions::default() };
    stored(store.set(b"k", b"v", &fenced(&high)).await.unwrap());
    for refused in
        [store.set(b"k", b"v", &SetOptions::default()).await, store.set(b"k", b"v", &fenced(&low)).await]
    {
        let error = refused.unwrap_err();
        assert!(
            matches!(
                &error,
                Error::Service(ServiceError::FencingTokenRequired | ServiceError::FencingTokenLower)
            ),
            "{error}"
        );
        assert!(!error.is_outcome_unknown());
    }
    assert!(matches!(
        store.del(b"k", Some(&low)).await,
        Err(Error::Service(ServiceError::FencingTokenLower))
    ));
    assert!(matches!(store.del(b"k", Some(&high)).await, Ok(DelOutcome::Deleted(_))));
}

#[tokio::test]
async fn a_key_expires_and_its_observer_is_told() {
    let broker = Broker::start().unwrap();
    let store = connect(&broker);
    let mut observation = store.observe(b"k").await.unwrap();
    let expiry = Duration::from_millis(200);
    let begin = Instant::now();
    let written =
        store.set(b"k", b"v", &SetOptions { expiry: Some(expiry), ..SetOptions::default() }).await.unwrap();
    let version = stored(written);

    let Some(ObservationEvent::Changed(change)) = observation.recv().await else { panic!("a change") };
    assert_eq!(&change.key[..], b"k");
    assert_eq!(change.change, Change::Set { value: "v".into(), version: version.clone() });
    let Some(ObservationEvent::Changed(change)) = observation.recv().await else { panic!("a change") };
    let elapsed = begin.elapsed();
    assert!(
        matches!(&change.change, Change::Deleted { version: expired } if *expired > version),
        "{change:?}"
    );
    // At most 1 s late by the protocol; twice that for a machine with other things to do.
    assert!(elapsed >= expiry && elapsed < expiry + Duration::from_secs(2), "{elapsed:?}");
    assert_eq!(store.get(b"k").await, Ok(None));
}

#[tokio::test]
async fn observers_see_each_other_s_writes_until_they_stop() {
    let broker = Broker::start().unwrap();
    let (writer, reader) = (connect(&broker), connect(&broker));
    let mut observation = reader.observe(b"k").await.unwrap();
    let mut own = writer.observe(b"k").await.unwrap();
    let version = stored(set(&writer, b"v", Condition::Always).await);
    for observation in [&mut observation, &mut own] {
        let Some(ObservationEvent::Changed(change)) = observation.recv().await else { panic!("a change") };
        assert_eq!(change.change.version(), &version);
    }
    reader.unobserve(observation).await.unwrap();
    writer.del(b"k", None).await.unwrap();
    assert!(matches!(own.recv().await, Some(ObservationEvent::Changed(_))));
    assert_eq!(reader.get(b"k").await, Ok(None));
    assert_eq!(reader.statistics(), mayfly_client::Statistics::default());
}

#[tokio::test]
async fn a_large_key_and_value_pass_and_one_too_large_is_not_sent() {
    let broker = Broker::start().unwrap();
    let store = connect(&broker);
    let (key, value) = (vec![0; 6_500], vec![7; 65_000]);
    stored(store.set(&key, &value, &SetOptions::default()).await.unwrap());
    assert_eq!(&store.get(&key).await.unwrap().unwrap().value[..], &value[..]);
    let too_large = vec![0; 2 * 1024 * 1024];
    let error = store.set(b"k", &too_large, &SetOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::BadRequest(_)), "{error}");
    assert!(store.get(&key).await.unwrap().is_some(), "the connection is as good as before");
}

#[tokio::test]
async fn many_clients_and_requests_at_once() {
    let broker = Broker::start().unwrap();
    let tasks: Vec<_> = (0..8_u8)
        .map(|client| {
            let store = connect(&broker);
            tokio::spawn(async move {
                let mut last = None;
                for round in 0..100_u8 {
                    let key = [client, round % 3];
                    let version = stored(store.set(&key, &[round], &SetOptions::default()).await.unwrap());
                    assert!(Some(&version) > last.as_ref());
                    let read = store.get(&key).await.unwrap().unwrap();
                    assert_eq!((&read.value[..], &read.version), (&[round][..], &version));
                    last = Some(version);
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}
