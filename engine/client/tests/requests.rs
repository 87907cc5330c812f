//! What the client puts on the wire for each command, and what it makes of the answers.

#![allow(clippy::unwrap_used, reason = "a request that fails is the failure that the test is to show")]

mod peer;

use std::time::Duration;

use mayfly_client::{
    Condition, DelOutcome, Error, ProtocolError, ServiceError, SetOptions, SetOutcome, Stored, VdelOutcome,
    Version,
};
use peer::{Peer, RESPONSE_TOPIC, connected, correlation_data, options, properties, user_property};
use rumqttc::mqttbytes::QoS;
use rumqttc::{Packet, Publish};

const VERSION: &str = "001700000000123:00004:StateStore";

fn version() -> Version {
    VERSION.parse().unwrap()
}

/// Runs a call against one answer.
async fn exchange<T>(
    peer: &mut Peer,
    call: impl Future<Output = T>,
    payload: &'static [u8],
    version: Option<&str>,
) -> (T, Publish) {
    tokio::join!(call, async {
        let request = peer.receive_request().await;
        peer.answer(&request, payload, version).await;
        request
    })
}

#[tokio::test(start_paused = true)]
async fn a_request_carries_what_the_protocol_asks_for() {
    let (setup, mut peer) = connected(options()).await;
    let call = setup.store.get(b"k");
    let (answer, request) = exchange(&mut peer, call, b"$1\r\nv\r\n", Some(VERSION)).await;
    assert_eq!(answer.unwrap(), Some(Stored { value: "v".into(), version: version() }));

    assert_eq!(request.qos, QoS::AtLeastOnce);
    assert!(!request.retain && !request.dup);
    assert_eq!(&request.payload[..], b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
    let sent = properties(&request);
    assert_eq!(sent.response_topic.as_deref(), Some(RESPONSE_TOPIC));
    assert_eq!(correlation_data(&request), &b"\x01\x02\x03\x04\x05\x06\x07\x08\0\0\0\0\0\0\0\0"[..]);
    assert_eq!(sent.message_expiry_interval, Some(10));
    assert_eq!(sent.content_type.as_deref(), Some("application/octet-stream"));
    assert_eq!(user_property(&request, "__ts"), Some("001700000000000:00000:c1"));
    assert_eq!(user_property(&request, "__protVer"), Some("1.0"));
    assert_eq!(user_property(&request, "__srcId"), Some("c1"));
    assert_eq!(user_property(&request, "__ft"), None);
}

#[tokio::test(start_paused = true)]
async fn a_response_is_acknowledged() {
    let (setup, mut peer) = connected(options()).await;
    let (answer, _) = exchange(&mut peer, setup.store.get(b"k"), b"$-1\r\n", None).await;
    assert_eq!(answer, Ok(None));
    assert!(matches!(peer.try_receive().await, Some(Packet::PubAck(puback)) if puback.pkid == 1));
}

#[tokio::test(start_paused = true)]
async fn a_request_s_timestamp_is_later_than_every_version_seen() {
    let (setup, mut peer) = connected(options()).await;
    let (answer, _) = exchange(&mut peer, setup.store.get(b"k"), b"$1\r\nv\r\n", Some(VERSION)).await;
    answer.unwrap();
    let (answer, request) = exchange(&mut peer, setup.store.get(b"k"), b"$-1\r\n", None).await;
    assert_eq!(answer.unwrap(), None);
    let timestamp: Version = user_property(&request, "__ts").unwrap().parse().unwrap();
    assert!(timestamp > version(), "{timestamp}");
}

#[tokio::test(start_paused = true)]
async fn set_sends_its_options_and_tells_stored_from_refused() {
    let (setup, mut peer) = connected(options()).await;
    let set = SetOptions {
        condition: Condition::Nx,
        expiry: Some(Duration::from_millis(1500)),
        fencing_token: Some(version()),
    };
    let (answer, request) =
        exchange(&mut peer, setup.store.set(b"k", b"", &set), b"+OK\r\n", Some(VERSION)).await;
    assert_eq!(answer.unwrap(), SetOutcome::Stored(version()));
    assert_eq!(
        &request.payload[..],
        b"*6\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n$2\r\nNX\r\n$2\r\nPX\r\n$4\r\n1500\r\n"
    );
    assert_eq!(user_property(&request, "__ft"), Some(VERSION));

    let (answer, _) = exchange(&mut peer, setup.store.set(b"k", b"", &set), b":-1\r\n", Some(VERSION)).await;
    assert_eq!(answer.unwrap(), SetOutcome::Refused(version()));
}

#[tokio::test(start_paused = true)]
async fn deletions_tell_their_outcomes_apart() {
    let (setup, mut peer) = connected(options()).await;
    let store = &setup.store;
    let token = version();
    let (answer, request) =
        exchange(&mut peer, store.del(b"k", Some(&token)), b":1\r\n", Some(VERSION)).await;
    assert_eq!(answer.unwrap(), DelOutcome::Deleted(version()));
    assert_eq!(user_property(&request, "__ft"), Some(VERSION));
    let (answer, _) = exchange(&mut peer, store.del(b"k", None), b":0\r\n", None).await;
    assert_eq!(answer.unwrap(), DelOutcome::Absent);
    let (answer, _) = exchange(&mut peer, store.vdel(b"k", b"v", None), b":-1\r\n", None).await;
    assert_eq!(answer.unwrap(), VdelOutcome::Different);
}

#[tokio::test(start_paused = true)]
async fn answers_find_their_requests_in_any_order() {
    let (setup, mut peer) = connected(options()).await;
    let (first, second, ()) = tokio::join!(setup.store.get(b"a"), setup.store.get(b"b"), async {
        let first = peer.receive_request().await;
        let second = peer.receive_request().await;
        peer.answer(&second, b"$1\r\n2\r\n", Some(VERSION)).await;
        peer.answer(&first, b"$1\r\n1\r\n", Some(VERSION)).await;
    });
    assert_eq!(&first.unwrap().unwrap().value[..], b"1");
    assert_eq!(&second.unwrap().unwrap().value[..], b"2");
}

#[tokio::test(start_paused = true)]
async fn the_store_s_error_is_certain_and_a_broken_answer_is_not() {
    let (setup, mut peer) = connected(options()).await;
    let set = SetOptions::default();
    let call = setup.store.set(b"k", b"v", &set);
    let (answer, _) = exchange(&mut peer, call, b"-ERR the quota has been exceeded\r\n", None).await;
    let error = answer.unwrap_err();
    assert_eq!(error, Error::Service(ServiceError::QuotaExceeded));
    assert!(!error.is_outcome_unknown());

    let (answer, _) = exchange(&mut peer, setup.store.set(b"k", b"v", &set), b"+OK\r\n", None).await;
    let error = answer.unwrap_err();
    assert_eq!(error, Error::Protocol(ProtocolError::MissingVersion));
    assert!(error.is_outcome_unknown());

    let far = "001700000060001:00000:StateStore";
    let (answer, _) = exchange(&mut peer, setup.store.set(b"k", b"v", &set), b"+OK\r\n", Some(far)).await;
    let error = answer.unwrap_err();
    assert_eq!(error, Error::Protocol(ProtocolError::VersionTooFarAhead { ahead_ms: 60_001 }));
    assert!(error.is_outcome_unknown());
}

#[tokio::test(start_paused = true)]
async fn two_clients_with_one_identity_and_clock_send_the_same_bytes() {
    let mut logs = Vec::new();
    for _ in 0..2 {
        let (setup, mut peer) = connected(options()).await;
        let set = SetOptions::default();
        let (_, _, ()) = tokio::join!(setup.store.set(b"a", b"1", &set), setup.store.get(b"b"), async {
            for payload in [b"+OK\r\n".as_slice(), b"$1\r\n2\r\n"] {
                let request = peer.receive_request().await;
                peer.answer(&request, payload, Some(VERSION)).await;
            }
        });
        setup.store.close();
        setup.driver.await.unwrap();
        while peer.try_receive().await.is_some() {}
        logs.push(peer.log.freeze());
    }
    assert_eq!(logs[0], logs[1]);
}
