//! What a caller may conclude from a request without an answer.

#![allow(clippy::unwrap_used, reason = "a packet that does not come is the failure that the test is to show")]

mod peer;

use std::num::{NonZeroU16, NonZeroUsize};
use std::pin::pin;
use std::time::Duration;

use mayfly_client::{Error, Options, RejectReason, SetOptions};
use peer::{OPERATION_TIMEOUT, connected, correlation_data, options, properties, start};
use rumqttc::{Packet, PubAckReason};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn a_request_without_an_answer_times_out_with_an_unknown_outcome() {
    let (setup, mut peer) = connected(options()).await;
    let begin = Instant::now();
    let set = SetOptions::default();
    let (answer, request) = tokio::join!(setup.store.set(b"k", b"v", &set), peer.receive_request());
    let error = answer.unwrap_err();
    assert_eq!(error, Error::Timeout(OPERATION_TIMEOUT));
    assert!(error.is_outcome_unknown());
    assert_eq!(begin.elapsed().as_secs(), OPERATION_TIMEOUT.as_secs());

    // Its answer comes late, and so does one that comes twice.
    peer.answer(&request, b"+OK\r\n", Some("1:0:s")).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(setup.store.statistics().late_responses, 1);
    peer.respond(correlation_data(&request), b"+OK\r\n", Some("1:0:s")).await;
    peer.respond("somebody else's".into(), b"+OK\r\n", Some("1:0:s")).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(setup.store.statistics().late_responses, 2);
    assert_eq!(setup.store.statistics().unexpected_messages, 1);
}

#[tokio::test(start_paused = true)]
async fn a_handle_can_have_a_deadline_of_its_own() {
    let (setup, mut peer) = connected(options()).await;
    let second = Duration::from_secs(1);
    let hasty = setup.store.with_timeout(second);
    let begin = Instant::now();
    let (answer, request) = tokio::join!(hasty.get(b"k"), peer.receive_request());
    assert_eq!(answer, Err(Error::Timeout(second)));
    assert_eq!(properties(&request).message_expiry_interval, Some(1));
    let (observation, _) = tokio::join!(hasty.observe(b"k"), peer.receive_request());
    assert_eq!(observation.unwrap_err(), Error::Timeout(second));
    assert_eq!(begin.elapsed().as_secs(), 2);
    let (answer, request) = tokio::join!(setup.store.get(b"k"), peer.receive_request());
    assert_eq!(answer, Err(Error::Timeout(OPERATION_TIMEOUT)));
    assert_eq!(&request.payload[..8], b"*3\r\n$9\r\n", "the observation is stopped first");
}

#[tokio::test(start_paused = true)]
async fn without_a_connection_a_request_is_certainly_not_executed() {
    let mut setup = start(options());
    let silent = setup.accept().await;
    let begin = Instant::now();
    let error = setup.store.set(b"k", b"v", &SetOptions::default()).await.unwrap_err();
    assert_eq!(error, Error::NotSent(OPERATION_TIMEOUT));
    assert!(!error.is_outcome_unknown());
    assert_eq!(begin.elapsed().as_secs(), OPERATION_TIMEOUT.as_secs());
    drop(silent);

    // What was given up is not sent on the next connection.
    let mut peer = loop {
        let mut peer = setup.accept().await;
        if matches!(peer.try_receive().await, Some(Packet::Connect(..)))
            && setup.store.statistics().late_responses == 0
        {
            break peer;
        }
    };
    peer.send_connack(false).await;
    peer.accept_subscription().await;
    let (_, request) = tokio::join!(setup.store.get(b"next"), peer.receive_request());
    assert_eq!(&request.payload[..], b"*2\r\n$3\r\nGET\r\n$4\r\nnext\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_request_beyond_the_in_flight_limit_is_certainly_not_executed() {
    let (setup, mut peer) =
        connected(Options { in_flight_limit: NonZeroU16::new(2).unwrap(), ..options() }).await;
    let store = &setup.store;
    let (first, second, third, requests) =
        tokio::join!(store.get(b"1"), store.get(b"2"), store.get(b"3"), async {
            [peer.receive_request().await, peer.receive_request().await]
        });
    assert!(matches!(first, Err(Error::Timeout(_))));
    assert!(matches!(second, Err(Error::Timeout(_))));
    assert!(matches!(third, Err(Error::NotSent(_))));

    // A request that timed out stays in flight until it is acknowledged.
    let next = store.get(b"4");
    let (next, request) = tokio::join!(next, async {
        sleep(Duration::from_secs(3)).await;
        peer.acknowledge(&requests[0], PubAckReason::Success).await;
        let request = peer.receive_request().await;
        peer.answer(&request, b"$-1\r\n", None).await;
        request
    });
    assert_eq!(next, Ok(None));
    assert_eq!(&request.payload[..], b"*2\r\n$3\r\nGET\r\n$1\r\n4\r\n");
    assert_eq!(properties(&request).message_expiry_interval, Some(7), "what remains of the 10 s");
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_at_once() {
    let setup = start(Options { waiting_limit: NonZeroUsize::new(1).unwrap(), ..options() });
    let (waiting, refused) = tokio::join!(setup.store.get(b"1"), setup.store.get(b"2"));
    assert!(matches!(waiting, Err(Error::NotSent(_))));
    assert_eq!(refused, Err(Error::QueueFull(1)));
}

#[tokio::test(start_paused = true)]
async fn a_rejected_request_is_certainly_not_executed() {
    let (setup, mut peer) = connected(options()).await;
    let (answer, ()) = tokio::join!(setup.store.get(b"k"), async {
        let request = peer.receive_request().await;
        peer.acknowledge(&request, PubAckReason::NotAuthorized).await;
    });
    let error = answer.unwrap_err();
    assert_eq!(error, Error::Rejected(RejectReason::NotAuthorized));
    assert!(!error.is_outcome_unknown());
}

#[tokio::test(start_paused = true)]
async fn a_request_that_the_broker_could_not_take_is_not_sent() {
    let mut setup = start(options());
    let mut peer = setup.accept().await;
    peer.expect_connect().await;
    // CONNACK with Maximum Packet Size 1,000.
    peer.send_bytes(&[0x20, 8, 0, 0, 5, 0x27, 0, 0, 0x03, 0xE8]).await;
    peer.accept_subscription().await;
    let set = SetOptions::default();
    let error = setup.store.set(b"k", &[0; 1000], &set).await.unwrap_err();
    assert!(matches!(error, Error::BadRequest(_)), "{error}");
    let (answer, request) = tokio::join!(setup.store.set(b"k", &[0; 500], &set), peer.receive_request());
    assert!(matches!(answer, Err(Error::Timeout(_))));
    assert!(request.size() <= 1000);
}

#[tokio::test(start_paused = true)]
async fn closing_tells_what_was_sent_from_what_was_not() {
    let (setup, mut peer) = connected(Options { in_flight_limit: NonZeroU16::MIN, ..options() }).await;
    let store = &setup.store;
    let (sent, waiting, ()) = tokio::join!(store.get(b"1"), store.get(b"2"), async {
        peer.receive_request().await;
        store.close();
    });
    assert_eq!(sent, Err(Error::ClosedInFlight));
    assert_eq!(waiting, Err(Error::Closed));
    assert_eq!(store.get(b"3").await, Err(Error::Closed));
    setup.driver.await.unwrap();
    assert!(matches!(peer.receive().await, Packet::Disconnect(_)));
}

#[tokio::test(start_paused = true)]
async fn dropping_the_last_handle_disconnects() {
    let (setup, mut peer) = connected(options()).await;
    drop(setup.store);
    setup.driver.await.unwrap();
    let Packet::Disconnect(disconnect) = peer.receive().await else { panic!("expected DISCONNECT") };
    let expiry = disconnect.properties.and_then(|properties| properties.session_expiry_interval);
    assert_eq!(expiry, Some(0), "nobody comes back to the session");
}

#[tokio::test(start_paused = true)]
async fn dropping_the_driver_ends_the_calls() {
    let (setup, mut peer) = connected(options()).await;
    let (answer, ()) = tokio::join!(setup.store.get(b"1"), async {
        peer.receive_request().await;
        setup.driver.abort();
    });
    assert_eq!(answer, Err(Error::ClosedInFlight));
    assert_eq!(setup.store.get(b"2").await, Err(Error::Closed));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_dropped_while_it_waits_is_not_sent() {
    let mut setup = start(options());
    assert!(timeout(Duration::from_secs(1), setup.store.get(b"1")).await.is_err());
    let mut peer = setup.accept_new_session().await;
    let (_, request) = tokio::join!(setup.store.get(b"2"), peer.receive_request());
    assert_eq!(&request.payload[..], b"*2\r\n$3\r\nGET\r\n$1\r\n2\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_call_that_is_not_polled_past_its_deadline_is_not_sent() {
    let connect_timeout = 2 * OPERATION_TIMEOUT;
    let mut setup = start(Options { connect_timeout, ..options() });
    let store = setup.store.clone();
    let mut call = pin!(store.get(b"1"));
    assert!(timeout(Duration::ZERO, &mut call).await.is_err());
    sleep(OPERATION_TIMEOUT).await;
    let mut peer = setup.accept_new_session().await;
    let (_, request) = tokio::join!(store.get(b"2"), peer.receive_request());
    assert_eq!(&request.payload[..], b"*2\r\n$3\r\nGET\r\n$1\r\n2\r\n");
    assert_eq!(call.await, Err(Error::NotSent(OPERATION_TIMEOUT)));
}
