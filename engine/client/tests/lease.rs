//! Holding a key for a time, up to the moments in which it is lost.

#![allow(clippy::unwrap_used, reason = "a lease that is not granted is the failure that the test is to show")]

mod peer;

use std::time::Duration;

use mayfly_client::{Error, Lease, LeaseLost, ProtocolError, RenewError, ServiceError, VdelOutcome};
use peer::{LEASE, OPERATION_TIMEOUT, Peer, SET_LEASE, Setup, VDEL_LEASE, connected, options, start};
use tokio::time::{sleep, timeout};

const VERSION: &str = "001700000000123:00004:StateStore";
const LATER: &str = "001700000000500:00000:StateStore";

/// A lease whose grant took `delay`.
async fn acquire(setup: &Setup, peer: &mut Peer, delay: Duration) -> Lease {
    let (lease, ()) = tokio::join!(Lease::acquire(&setup.store, b"k", LEASE), async {
        let request = peer.expect_request(SET_LEASE).await;
        sleep(delay).await;
        peer.answer(&request, b"+OK\r\n", Some(VERSION)).await;
    });
    lease.unwrap().unwrap()
}

async fn renew(lease: &mut Lease, peer: &mut Peer, answer: &'static [u8]) -> Result<(), RenewError> {
    let version = (!answer.starts_with(b"-ERR")).then_some(LATER);
    tokio::join!(lease.renew(), peer.exchange(SET_LEASE, answer, version)).0
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_is_refused_leaves_nothing_to_release() {
    let (setup, mut peer) = connected(options()).await;
    let (lease, ()) = tokio::join!(
        Lease::acquire(&setup.store, b"k", LEASE),
        peer.exchange(SET_LEASE, b":-1\r\n", Some(VERSION))
    );
    assert!(lease.unwrap().is_none());
    peer.expect_silence(LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn its_time_counts_from_before_the_request() {
    let (setup, mut peer) = connected(options()).await;
    let lease = acquire(&setup, &mut peer, Duration::from_secs(2)).await;
    assert_eq!(lease.token().unwrap().to_string(), VERSION);
    assert_eq!(lease.remaining(), Ok(Duration::from_secs(7)));
    sleep(Duration::from_millis(6_900)).await;
    assert!(lease.token().is_ok());
    sleep(Duration::from_millis(101)).await;
    assert_eq!(lease.token(), Err(LeaseLost::Expired));
    assert_eq!(lease.remaining(), Err(LeaseLost::Expired));
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_is_not_heard_of_is_undone() {
    let (setup, mut peer) = connected(options()).await;
    let (lease, _) = tokio::join!(Lease::acquire(&setup.store, b"k", LEASE), peer.expect_request(SET_LEASE));
    assert_eq!(lease.unwrap_err(), Error::Timeout(LEASE), "no longer than the lease is");
    peer.expect_request(VDEL_LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_is_given_up_is_undone() {
    let (setup, mut peer) = connected(options()).await;
    let attempt = timeout(Duration::from_secs(1), Lease::acquire(&setup.store, b"k", LEASE));
    let (given_up, _) = tokio::join!(attempt, peer.expect_request(SET_LEASE));
    assert!(given_up.is_err());
    peer.expect_request(VDEL_LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn a_grant_whose_version_is_not_credible_is_undone() {
    let (setup, mut peer) = connected(options()).await;
    // As it looks to a client whose clock is more than 60 s behind the broker's.
    let (lease, ()) = tokio::join!(
        Lease::acquire(&setup.store, b"k", LEASE),
        peer.exchange(SET_LEASE, b"+OK\r\n", Some("001700000060001:00000:s"))
    );
    let ahead = ProtocolError::VersionTooFarAhead { ahead_ms: 60_001 };
    assert_eq!(lease.unwrap_err(), Error::Protocol(ahead));
    peer.expect_request(VDEL_LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_clock_is_ahead_is_told_so() {
    let (setup, mut peer) = connected(options()).await;
    let refusal = b"-ERR the request timestamp is too far in the future; ensure that the client and broker system clocks are synchronized\r\n";
    let (lease, ()) =
        tokio::join!(Lease::acquire(&setup.store, b"k", LEASE), peer.exchange(SET_LEASE, refusal, None));
    assert_eq!(lease.unwrap_err(), Error::Service(ServiceError::TimestampTooFarAhead));
    peer.expect_silence(LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_gives_a_whole_duration_and_keeps_the_token() {
    let (setup, mut peer) = connected(options()).await;
    let mut lease = acquire(&setup, &mut peer, Duration::ZERO).await;
    sleep(Duration::from_secs(8)).await;
    renew(&mut lease, &mut peer, b"+OK\r\n").await.unwrap();
    sleep(Duration::from_millis(8_900)).await;
    assert_eq!(lease.token().unwrap().to_string(), VERSION);
    sleep(Duration::from_millis(101)).await;
    assert_eq!(lease.token(), Err(LeaseLost::Expired));
    assert_eq!(lease.renew().await, Err(RenewError::Lost(LeaseLost::Expired)));
    peer.expect_silence(LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn what_a_renewal_s_answer_takes_is_lost_of_it() {
    let (setup, mut peer) = connected(options()).await;
    let mut lease = acquire(&setup, &mut peer, Duration::ZERO).await;
    let (renewed, ()) = tokio::join!(lease.renew(), async {
        let request = peer.expect_request(SET_LEASE).await;
        sleep(Duration::from_secs(8)).await;
        peer.answer(&request, b"+OK\r\n", Some(LATER)).await;
    });
    renewed.unwrap();
    assert_eq!(lease.remaining(), Ok(Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_somebody_else_has_is_lost_for_good() {
    let (setup, mut peer) = connected(options()).await;
    let mut lease = acquire(&setup, &mut peer, Duration::ZERO).await;
    let renewed = renew(&mut lease, &mut peer, b":-1\r\n").await;
    assert_eq!(renewed, Err(RenewError::Lost(LeaseLost::TakenOver)));
    assert_eq!(lease.token(), Err(LeaseLost::TakenOver));
    assert_eq!(lease.renew().await, Err(RenewError::Lost(LeaseLost::TakenOver)));
    drop(lease);
    peer.expect_silence(LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_leaves_the_lease_as_it_was() {
    let (setup, mut peer) = connected(options()).await;
    let mut lease = acquire(&setup, &mut peer, Duration::ZERO).await;
    sleep(Duration::from_secs(3)).await;
    let quota = RenewError::Request(Error::Service(ServiceError::QuotaExceeded));
    let failed = renew(&mut lease, &mut peer, b"-ERR the quota has been exceeded\r\n").await;
    assert_eq!(failed, Err(quota));
    assert_eq!(lease.remaining(), Ok(Duration::from_secs(6)));
    renew(&mut lease, &mut peer, b"+OK\r\n").await.unwrap();
    assert_eq!(lease.remaining(), Ok(LEASE));
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_is_answered_too_late_brings_nothing_back() {
    let (setup, mut peer) = connected(options()).await;
    let mut lease = acquire(&setup, &mut peer, Duration::ZERO).await;
    sleep(Duration::from_secs(5)).await;
    let (renewed, request) = tokio::join!(lease.renew(), peer.expect_request(SET_LEASE));
    let unanswered = renewed.unwrap_err();
    assert!(
        matches!(&unanswered, RenewError::Lost(LeaseLost::NotRenewed(Error::Timeout(_)))),
        "{unanswered}"
    );
    peer.answer(&request, b"+OK\r\n", Some(LATER)).await;
    sleep(Duration::from_secs(1)).await;
    assert_eq!(RenewError::Lost(lease.token().unwrap_err()), unanswered);
    drop(lease);
    peer.expect_request(VDEL_LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn a_resumed_session_keeps_the_lease_and_a_lost_one_loses_it() {
    let (mut setup, mut peer) = connected(options()).await;
    let mut lease = acquire(&setup, &mut peer, Duration::ZERO).await;
    drop(peer);
    let peer = setup.accept_resumed_session().await;
    assert!(lease.token().is_ok());
    drop(peer);
    // The broker was restarted, perhaps.
    let mut peer = setup.accept_new_session().await;
    assert_eq!(lease.token(), Err(LeaseLost::SessionLost));
    assert_eq!(lease.renew().await, Err(RenewError::Lost(LeaseLost::SessionLost)));
    drop(lease);
    peer.expect_request(VDEL_LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn the_first_session_is_none_that_was_lost() {
    let mut setup = start(options());
    let store = setup.store.clone();
    let (lease, mut peer) = tokio::join!(Lease::acquire(&store, b"k", LEASE), async {
        let mut peer = setup.accept_new_session().await;
        peer.exchange(SET_LEASE, b"+OK\r\n", Some(VERSION)).await;
        peer
    });
    assert!(lease.unwrap().unwrap().token().is_ok());
    peer.expect_request(VDEL_LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn a_grant_on_a_session_that_is_lost_already_is_asked_for_again() {
    let (mut setup, peer) = connected(options()).await;
    drop(peer);
    let store = setup.store.clone();
    let (lease, _peer) = tokio::join!(Lease::acquire(&store, b"k", LEASE), async {
        let mut peer = setup.accept_new_session().await;
        peer.exchange(SET_LEASE, b"+OK\r\n", Some(VERSION)).await;
        peer.exchange(SET_LEASE, b"+OK\r\n", Some(LATER)).await;
        peer
    });
    assert_eq!(lease.unwrap().unwrap().token().unwrap().to_string(), LATER);
}

#[tokio::test(start_paused = true)]
async fn release_says_whether_it_was_held_to_the_end() {
    let (setup, mut peer) = connected(options()).await;
    let lease = acquire(&setup, &mut peer, Duration::ZERO).await;
    let (released, ()) = tokio::join!(lease.release(), peer.exchange(VDEL_LEASE, b":-1\r\n", None));
    assert_eq!(released, Ok(VdelOutcome::Different));
    peer.expect_silence(LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_lease_is_released_though_the_store_is_dropped_too() {
    let (setup, mut peer) = connected(options()).await;
    let lease = acquire(&setup, &mut peer, Duration::ZERO).await;
    drop(lease);
    drop(setup.store);
    peer.exchange(VDEL_LEASE, b":1\r\n", Some(LATER)).await;
    timeout(Duration::from_secs(1), setup.driver).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn each_acquisition_has_a_holder_of_its_own() {
    let (setup, mut peer) = connected(options()).await;
    let first = acquire(&setup, &mut peer, Duration::ZERO).await;
    let (second, ()) = tokio::join!(Lease::acquire(&setup.store, b"k", LEASE), async {
        let request = peer.receive_request().await;
        assert!(request.payload.windows(21).any(|bytes| bytes == b"c1:0102030405060708:2"));
        peer.answer(&request, b":-1\r\n", Some(VERSION)).await;
    });
    assert!(second.unwrap().is_none());
    assert_eq!(&first.holder()[..], b"c1:0102030405060708:1");
}

#[tokio::test(start_paused = true)]
async fn a_lease_for_no_time_is_refused() {
    let (setup, mut peer) = connected(options()).await;
    let refused = Lease::acquire(&setup.store, b"k", Duration::ZERO).await;
    assert!(matches!(refused, Err(Error::BadRequest(_))), "{refused:?}");
    peer.expect_silence(OPERATION_TIMEOUT).await;
}
