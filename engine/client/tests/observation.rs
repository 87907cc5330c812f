//! Observing a key, over the life of a connection and beyond.

#![allow(clippy::unwrap_used, reason = "an event that does not come is the failure that the test is to show")]

mod peer;

use std::future::poll_fn;
use std::num::{NonZeroU16, NonZeroUsize};
use std::pin::pin;
use std::time::Duration;

use futures_core::Stream;
use mayfly_client::{
    Change, Error, Notification, Observation, ObservationEvent, Options, ProtocolError, ServiceError,
    StateStore,
};
use peer::{OPERATION_TIMEOUT, Peer, connected, correlation_data, options};
use rumqttc::PubAckReason;
use tokio::time::{Instant, sleep, timeout};

const OBSERVE: &[u8] = b"*2\r\n$9\r\nKEYNOTIFY\r\n$1\r\nk\r\n";
const STOP: &[u8] = b"*3\r\n$9\r\nKEYNOTIFY\r\n$1\r\nk\r\n$4\r\nSTOP\r\n";
const DELETED: &[u8] = b"*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n";

async fn observe(store: &StateStore, peer: &mut Peer) -> Observation {
    let (observation, ()) = tokio::join!(store.observe(b"k"), async {
        let request = peer.receive_request().await;
        assert_eq!(&request.payload[..], OBSERVE);
        peer.answer(&request, b"+OK\r\n", None).await;
    });
    observation.unwrap()
}

fn deleted(version: &str) -> ObservationEvent {
    let change = Change::Deleted { version: version.parse().unwrap() };
    ObservationEvent::Changed(Notification { key: "k".into(), change })
}

#[tokio::test(start_paused = true)]
async fn changes_arrive_in_order() {
    let (setup, mut peer) = connected(options()).await;
    let mut observation = observe(&setup.store, &mut peer).await;
    peer.notify("6B", b"*4\r\n$6\r\nNOTIFY\r\n$3\r\nSET\r\n$5\r\nVALUE\r\n$1\r\nv\r\n", "1:0:s").await;
    peer.notify("6B", DELETED, "1:1:s").await;
    let change = Change::Set { value: "v".into(), version: "1:0:s".parse().unwrap() };
    let set = Notification { key: "k".into(), change };
    assert_eq!(observation.recv().await, Some(ObservationEvent::Changed(set)));
    assert_eq!(observation.recv().await, Some(deleted("1:1:s")));

    peer.notify("6B", b"*1\r\n$6\r\nNOTIFY\r\n", "1:2:s").await;
    let unreadable = observation.recv().await;
    assert!(
        matches!(&unreadable, Some(ObservationEvent::Unreadable(ProtocolError::Payload(_)))),
        "{unreadable:?}"
    );
    assert_eq!(setup.store.statistics().malformed_notifications, 1);
    peer.notify("6B", DELETED, "1700000060001:0:s").await;
    let ahead = ProtocolError::VersionTooFarAhead { ahead_ms: 60_001 };
    assert_eq!(observation.recv().await, Some(ObservationEvent::Unreadable(ahead)));
}

#[tokio::test(start_paused = true)]
async fn a_new_connection_registers_again() {
    let (mut setup, mut peer) = connected(options()).await;
    let mut observation = observe(&setup.store, &mut peer).await;
    drop(peer);
    assert_eq!(observation.recv().await, Some(ObservationEvent::Interrupted));
    let mut peer = setup.accept_resumed_session().await;
    let request = peer.receive_request().await;
    assert_eq!(&request.payload[..], OBSERVE);
    peer.answer(&request, b"+OK\r\n", None).await;
    peer.notify("6B", DELETED, "1:1:s").await;
    assert_eq!(observation.recv().await, Some(ObservationEvent::Resumed { session_present: true }));
    assert_eq!(observation.recv().await, Some(deleted("1:1:s")));
}

/// The broker discards an expired request, and answers it with a PUBACK alone.
#[tokio::test(start_paused = true)]
async fn a_registration_that_nothing_answers_is_made_again() {
    let (mut setup, mut peer) = connected(options()).await;
    let mut observation = observe(&setup.store, &mut peer).await;
    drop(peer);
    let mut peer = setup.accept_resumed_session().await;
    assert_eq!(observation.recv().await, Some(ObservationEvent::Interrupted));
    let first = peer.expect_request(OBSERVE).await;
    peer.acknowledge(&first, PubAckReason::Success).await;
    let begin = Instant::now();
    let second = peer.expect_request(OBSERVE).await;
    assert_eq!(begin.elapsed().as_secs(), OPERATION_TIMEOUT.as_secs());
    assert_ne!(correlation_data(&second), correlation_data(&first));
    // The first one's answer, which comes late, tells nothing of the second.
    peer.respond(correlation_data(&first), b"+OK\r\n", None).await;
    assert!(timeout(Duration::from_secs(1), observation.recv()).await.is_err());
    peer.answer(&second, b"+OK\r\n", None).await;
    assert_eq!(observation.recv().await, Some(ObservationEvent::Resumed { session_present: true }));
    peer.expect_silence(Duration::from_hours(1)).await;
}

#[tokio::test(start_paused = true)]
async fn registrations_that_nothing_acknowledges_do_not_exceed_the_limit() {
    let in_flight_limit = NonZeroU16::new(2).unwrap();
    let keep_alive = Duration::ZERO;
    let (mut setup, mut peer) = connected(Options { in_flight_limit, keep_alive, ..options() }).await;
    let _observation = observe(&setup.store, &mut peer).await;
    drop(peer);
    let mut peer = setup.accept_resumed_session().await;
    let first = peer.expect_request(OBSERVE).await;
    peer.expect_request(OBSERVE).await;
    peer.expect_silence(Duration::from_hours(1)).await;
    peer.acknowledge(&first, PubAckReason::Success).await;
    peer.expect_request(OBSERVE).await;
}

#[tokio::test(start_paused = true)]
async fn a_lost_session_is_told_apart_from_a_lost_connection() {
    let (mut setup, mut peer) = connected(options()).await;
    let mut observation = pin!(observe(&setup.store, &mut peer).await);
    drop(peer);
    let mut peer = setup.accept_new_session().await;
    let request = peer.receive_request().await;
    peer.answer(&request, b"+OK\r\n", None).await;
    // By way of the stream.
    let mut next = async || poll_fn(|context| observation.as_mut().poll_next(context)).await;
    assert_eq!(next().await, Some(ObservationEvent::Interrupted));
    assert_eq!(next().await, Some(ObservationEvent::Resumed { session_present: false }));
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_a_lost_connection_made_is_made_again() {
    let (mut setup, mut peer) = connected(options()).await;
    let store = setup.store.clone();
    let (observation, _peer) = tokio::join!(store.observe(b"k"), async {
        let first = peer.receive_request().await;
        drop(peer);
        let mut peer = setup.accept_resumed_session().await;
        // The first is sent again and answered from the store's memory, which registers nothing.
        let replay = peer.receive_request().await;
        assert_eq!(correlation_data(&replay), correlation_data(&first));
        peer.answer(&replay, b"+OK\r\n", None).await;
        let second = peer.receive_request().await;
        assert_eq!(&second.payload[..], OBSERVE);
        assert_ne!(correlation_data(&second), correlation_data(&first));
        peer.answer(&second, b"+OK\r\n", None).await;
        peer
    });
    assert!(observation.is_ok(), "{observation:?}");
    assert_eq!(setup.store.statistics().late_responses, 1, "nobody waited for the first answer any more");
}

#[tokio::test(start_paused = true)]
async fn the_last_observer_stops_the_registration() {
    let (setup, mut peer) = connected(options()).await;
    let first = observe(&setup.store, &mut peer).await;
    let second = setup.store.observe(b"k").await.unwrap();
    setup.store.unobserve(first).await.unwrap();
    let (stopped, request) = tokio::join!(setup.store.unobserve(second), async {
        let request = peer.receive_request().await;
        peer.answer(&request, b"+OK\r\n", None).await;
        request
    });
    assert_eq!(stopped, Ok(()));
    assert_eq!(&request.payload[..], STOP);
}

#[tokio::test(start_paused = true)]
async fn a_stop_that_waits_does_not_end_a_later_observation() {
    let in_flight_limit = NonZeroU16::MIN;
    let (setup, mut peer) = connected(Options { in_flight_limit, ..options() }).await;
    let store = &setup.store;
    let first = observe(store, &mut peer).await;
    let (_, stopped, second, ()) =
        tokio::join!(store.get(b"k"), store.unobserve(first), store.observe(b"k"), async {
            // Registrations go first, so the request to stop finds that the key is observed again.
            let request = peer.receive_request().await;
            assert_eq!(&request.payload[..], OBSERVE);
            peer.answer(&request, b"+OK\r\n", None).await;
            let get = peer.receive_request().await;
            peer.answer(&get, b"$-1\r\n", None).await;
            let more = timeout(Duration::from_secs(1), peer.receive()).await;
            assert!(more.is_err(), "{more:?}");
        });
    assert_eq!(stopped, Ok(()));
    assert!(second.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_dropped_observation_stops_the_registration() {
    let (setup, mut peer) = connected(options()).await;
    drop(observe(&setup.store, &mut peer).await);
    assert_eq!(&peer.receive_request().await.payload[..], STOP);
}

/// They take all room: on the connection, and for waiting.
#[tokio::test(start_paused = true)]
async fn a_registration_is_stopped_however_many_requests_wait_and_whoever_gives_up() {
    let limits = Options { in_flight_limit: NonZeroU16::MIN, waiting_limit: NonZeroUsize::MIN, ..options() };
    let (moment, second) = (Duration::from_millis(1), Duration::from_secs(1));
    for is_dropped in [false, true] {
        let (setup, mut peer) = connected(limits.clone()).await;
        let observation = observe(&setup.store, &mut peer).await;
        let store = &setup.store;
        let later = async {
            sleep(moment).await;
            store.get(b"k").await
        };
        let end = async {
            sleep(moment * 2).await;
            assert_eq!(store.get(b"k").await, Err(Error::QueueFull(1)));
            if is_dropped {
                drop(observation);
            } else {
                let stopped = store.with_timeout(second).unobserve(observation).await;
                assert_eq!(stopped, Err(Error::NotSent(second)));
            }
        };
        let (first, later, (), ()) = tokio::join!(store.get(b"k"), later, end, async {
            let get = peer.receive_request().await;
            peer.expect_silence(second * 2).await;
            peer.answer(&get, b"$-1\r\n", None).await;
            peer.exchange(STOP, b"+OK\r\n", None).await;
            let get = peer.receive_request().await;
            peer.answer(&get, b"$-1\r\n", None).await;
        });
        assert_eq!((first, later), (Ok(None), Ok(None)));
    }
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_ended_with_its_connection_is_not_stopped() {
    let (moment, second) = (Duration::from_millis(1), Duration::from_secs(1));
    let in_flight_limit = NonZeroU16::MIN;
    let (mut setup, mut peer) = connected(Options { in_flight_limit, ..options() }).await;
    let observation = observe(&setup.store, &mut peer).await;
    let store = setup.store.clone();
    let end = async {
        sleep(moment).await;
        store.unobserve(observation).await
    };
    let (get, stopped, _peer) = tokio::join!(store.get(b"k"), end, async {
        let get = peer.receive_request().await;
        peer.expect_silence(second).await;
        drop(peer);
        let mut peer = setup.accept_resumed_session().await;
        let again = peer.receive_request().await;
        assert_eq!(correlation_data(&again), correlation_data(&get));
        peer.answer(&again, b"$-1\r\n", None).await;
        peer.expect_silence(second).await;
        peer
    });
    assert_eq!((get, stopped), (Ok(None), Ok(())));
}

#[tokio::test(start_paused = true)]
async fn an_observation_that_times_out_leaves_nothing_behind() {
    let (setup, mut peer) = connected(options()).await;
    let (observation, _) = tokio::join!(setup.store.observe(b"k"), peer.receive_request());
    assert!(matches!(observation, Err(Error::Timeout(_))), "{observation:?}");
    assert_eq!(&peer.receive_request().await.payload[..], STOP);
    let more = timeout(Duration::from_secs(1), peer.receive()).await;
    assert!(more.is_err(), "{more:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refused_observation_says_why() {
    let (setup, mut peer) = connected(options()).await;
    let (observation, ()) = tokio::join!(setup.store.observe(b"k"), async {
        let request = peer.receive_request().await;
        peer.answer(&request, b"-ERR not authorized\r\n", None).await;
    });
    assert_eq!(observation.unwrap_err(), Error::Service(ServiceError::NotAuthorized));
}

#[tokio::test(start_paused = true)]
async fn closing_the_client_ends_the_observation() {
    let (setup, mut peer) = connected(options()).await;
    let mut observation = observe(&setup.store, &mut peer).await;
    setup.store.close();
    assert_eq!(observation.recv().await, None);
}
