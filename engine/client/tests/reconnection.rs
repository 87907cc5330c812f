//! What becomes of the connection, the session and the requests when a connection is lost.

#![allow(clippy::unwrap_used, reason = "a packet that does not come is the failure that the test is to show")]

mod peer;

use std::time::Duration;

use mayfly_client::{Backoff, ConnectionEvent, Error, Options, SetOptions, StateStore};
use peer::{connected, options, start};
use rumqttc::{ConnAck, ConnectReturnCode, Packet, PubAckReason, SubAck, SubscribeReasonCode};
use tokio::time::{Instant, sleep, timeout};

#[tokio::test(start_paused = true)]
async fn a_resumed_session_gets_the_unacknowledged_request_again() {
    let (mut setup, mut peer) = connected(options()).await;
    let store = setup.store.clone();
    let set = SetOptions::default();
    let (answer, ()) = tokio::join!(store.set(b"k", b"v", &set), async {
        let first = peer.receive_request().await;
        drop(peer);
        let mut peer = setup.accept_resumed_session().await;
        let second = peer.receive_request().await;
        assert!(second.dup);
        assert_eq!(second.pkid, first.pkid);
        assert_eq!(second.properties, first.properties);
        assert_eq!(second.payload, first.payload);
        peer.answer(&second, b"+OK\r\n", Some("1:0:s")).await;
    });
    assert!(answer.is_ok(), "{answer:?}");
    let events = setup.events();
    assert_eq!(events[0], ConnectionEvent::Connected { session_present: false });
    assert!(matches!(events[1], ConnectionEvent::Lost { .. }), "{events:?}");
    assert_eq!(events[2], ConnectionEvent::Connected { session_present: true });
}

#[tokio::test(start_paused = true)]
async fn a_request_that_timed_out_is_still_sent_again() {
    let (mut setup, mut peer) = connected(options()).await;
    let set = SetOptions::default();
    let (answer, first) = tokio::join!(setup.store.set(b"k", b"v", &set), peer.receive_request());
    assert!(matches!(answer, Err(Error::Timeout(_))));
    drop(peer);
    let mut peer = setup.accept_resumed_session().await;
    let second = peer.receive_request().await;
    assert_eq!((second.pkid, second.payload), (first.pkid, first.payload));
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_ends_the_requests_at_once_and_resends_nothing() {
    let (mut setup, mut peer) = connected(options()).await;
    let store = setup.store.clone();
    let begin = Instant::now();
    let set = SetOptions::default();
    let (unacknowledged, acknowledged, request) =
        tokio::join!(store.set(b"1", b"v", &set), store.set(b"2", b"v", &set), async {
            peer.receive_request().await;
            let second = peer.receive_request().await;
            peer.acknowledge(&second, PubAckReason::Success).await;
            sleep(Duration::from_millis(1)).await;
            drop(peer);
            let mut peer = setup.accept_new_session().await;
            let (_, request) = tokio::join!(store.get(b"3"), peer.receive_request());
            request
        });
    assert_eq!(unacknowledged, Err(Error::SessionLost));
    assert_eq!(acknowledged, Err(Error::SessionLost));
    assert!(Error::SessionLost.is_outcome_unknown());
    assert_eq!(&request.payload[..], b"*2\r\n$3\r\nGET\r\n$1\r\n3\r\n");
    assert!(begin.elapsed() < Duration::from_secs(11));
}

#[tokio::test(start_paused = true)]
async fn a_request_that_waited_goes_to_the_new_session() {
    let (mut setup, peer) = connected(options()).await;
    drop(peer);
    sleep(Duration::from_millis(1)).await;
    let store = setup.store.clone();
    let (answer, ()) = tokio::join!(store.get(b"k"), async {
        let mut peer = setup.accept_new_session().await;
        let request = peer.receive_request().await;
        assert!(!request.dup);
        peer.answer(&request, b"$-1\r\n", None).await;
    });
    assert_eq!(answer, Ok(None));
}

#[tokio::test(start_paused = true)]
async fn an_unanswered_subscription_is_part_of_the_resumed_session() {
    let mut setup = start(options());
    let mut peer = setup.accept().await;
    assert!(peer.expect_connect().await.clean_start, "the first connection starts clean");
    peer.send_connack(false).await;
    assert!(matches!(peer.receive().await, Packet::Subscribe(_)));
    drop(peer);
    let mut peer = setup.accept_resumed_session().await;
    peer.accept_subscription().await;
    let (_, request) = tokio::join!(setup.store.get(b"k"), peer.receive_request());
    assert_eq!(&request.payload[..], b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n");
}

#[tokio::test(start_paused = true)]
async fn a_refused_subscription_is_told_and_nothing_is_sent() {
    let mut setup = start(options());
    let mut peer = setup.accept().await;
    peer.expect_connect().await;
    peer.send_connack(false).await;
    let Packet::Subscribe(subscribe) = peer.receive().await else { panic!("expected SUBSCRIBE") };
    let return_codes = vec![SubscribeReasonCode::NotAuthorized];
    peer.send(Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes, properties: None })).await;
    let (answer, packet) =
        tokio::join!(setup.store.get(b"k"), timeout(Duration::from_secs(11), peer.receive()));
    assert!(matches!(answer, Err(Error::NotSent(_))));
    assert!(packet.is_err(), "{packet:?}");
    assert!(matches!(setup.events()[1], ConnectionEvent::SubscriptionRefused { .. }));
}

#[tokio::test(start_paused = true)]
async fn attempts_to_connect_back_off() {
    let reconnect = Backoff { initial: Duration::from_secs(1), limit: Duration::from_secs(3) };
    let mut setup = start(Options { reconnect, ..options() });
    let begin = Instant::now();
    let mut attempts = Vec::new();
    for _ in 0..4 {
        drop(setup.accept().await);
        attempts.push(begin.elapsed().as_secs());
    }
    assert_eq!(attempts, [0, 1, 3, 6]);
    drop(setup.accept_new_session().await);
    let lost = Instant::now();
    setup.accept().await;
    assert_eq!(lost.elapsed().as_secs(), 1, "a connection that succeeded starts again at the first pause");
    assert!(matches!(setup.events()[0], ConnectionEvent::ConnectFailed { .. }));
}

#[tokio::test(start_paused = true)]
async fn a_dead_peer_is_noticed_although_the_client_keeps_calling() {
    let keep_alive = Duration::from_secs(5);
    let operation_timeout = Duration::from_secs(1);
    let (mut setup, peer) = connected(Options { keep_alive, operation_timeout, ..options() }).await;
    let begin = Instant::now();
    let store = setup.store.clone();
    let calls = tokio::spawn(async move {
        loop {
            let _ = store.get(b"k").await;
        }
    });
    setup.accept().await;
    // 16 calls of 1 s fill the in-flight limit, then the keep-alive interval passes twice.
    assert!(begin.elapsed() < Duration::from_secs(16 + 2 * 5 + 1), "{:?}", begin.elapsed());
    calls.abort();
    drop(peer);
}

#[tokio::test(start_paused = true)]
async fn a_refused_connection_is_told_from_one_that_failed() {
    let mut setup = start(options());
    let mut peer = setup.accept().await;
    peer.expect_connect().await;
    let code = ConnectReturnCode::NotAuthorized;
    peer.send(Packet::ConnAck(ConnAck { session_present: false, code, properties: None })).await;
    drop(setup.accept_new_session().await);
    assert_eq!(setup.events()[0], ConnectionEvent::Refused { reason: "NotAuthorized".to_owned() });
}

#[test]
fn the_client_may_run_on_any_executor() {
    fn send<T: Send>(_: &T) {}
    let (store, driver) =
        StateStore::new(&options(), mayfly_client::tcp::connector("127.0.0.1:1883")).unwrap();
    send(&store);
    send(&driver.run());
}
