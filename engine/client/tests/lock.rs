//! Waiting for a lock, keeping it, and noticing that it is lost.

#![allow(clippy::unwrap_used, reason = "a lock that is not held is the failure that the test is to show")]

mod peer;

use std::time::Duration;

use mayfly_client::{Error, LeaseLost, Lock, ServiceError, StateStore, VdelOutcome};
use peer::{LEASE, Peer, SET_LEASE, VDEL_LEASE, connected, correlation_data, options};
use tokio::time::{Instant, sleep, timeout};

const OBSERVE: &[u8] = b"*2\r\n$9\r\nKEYNOTIFY\r\n$1\r\nk\r\n";
const STOP: &[u8] = b"*3\r\n$9\r\nKEYNOTIFY\r\n$1\r\nk\r\n$4\r\nSTOP\r\n";
const DELETED: &[u8] = b"*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n";
const WRITTEN: &[u8] = b"*4\r\n$6\r\nNOTIFY\r\n$3\r\nSET\r\n$5\r\nVALUE\r\n$1\r\nv\r\n";
const OK: &[u8] = b"+OK\r\n";
const REFUSED: &[u8] = b":-1\r\n";
/// A renewal is due after this.
const THIRD: Duration = Duration::from_secs(3);

async fn acquire(store: &StateStore) -> Result<Lock, Error> {
    Lock::acquire(store, b"k", LEASE).await
}

/// The beginning of a wait: registered, then refused.
async fn refuse(peer: &mut Peer, version: &str) {
    peer.exchange(OBSERVE, OK, None).await;
    peer.exchange(SET_LEASE, REFUSED, Some(version)).await;
}

/// The end of a wait: the attempt that succeeds, and the registration that is needed no more.
async fn grant(peer: &mut Peer, version: &str) {
    peer.exchange(SET_LEASE, OK, Some(version)).await;
    peer.exchange(STOP, OK, None).await;
}

async fn locked(store: &StateStore, peer: &mut Peer) -> Lock {
    let (lock, ()) = tokio::join!(acquire(store), async {
        peer.exchange(OBSERVE, OK, None).await;
        grant(peer, "10:0:s").await;
    });
    lock.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_free_lock_is_registered_for_first_and_then_taken() {
    let (setup, mut peer) = connected(options()).await;
    let lock = locked(&setup.store, &mut peer).await;
    assert_eq!(lock.token(), Ok(&"10:0:s".parse().unwrap()));
    assert_eq!((&lock.key()[..], &lock.holder()[..]), (&b"k"[..], &b"c1:0102030405060708:1"[..]));
}

#[tokio::test(start_paused = true)]
async fn one_attempt_does_not_wait_and_what_it_acquires_is_renewed() {
    let (setup, mut peer) = connected(options()).await;
    let (refused, ()) = tokio::join!(
        Lock::try_acquire(&setup.store, b"k", LEASE),
        peer.exchange(SET_LEASE, REFUSED, Some("5:0:s"))
    );
    assert!(refused.unwrap().is_none());
    peer.expect_silence(LEASE).await;
    let (lock, ()) = tokio::join!(Lock::try_acquire(&setup.store, b"k", LEASE), async {
        let request = peer.receive_request().await;
        peer.answer(&request, OK, Some("6:0:s")).await;
    });
    let lock = lock.unwrap().unwrap();
    assert_eq!(lock.token(), Ok(&"6:0:s".parse().unwrap()));
    let renewal = peer.receive_request().await;
    assert!(renewal.payload.starts_with(b"*6\r\n$3\r\nSET\r\n"), "{:?}", renewal.payload);
}

#[tokio::test(start_paused = true)]
async fn a_waiter_asks_again_when_the_lock_is_free_and_not_before() {
    let (setup, mut peer) = connected(options()).await;
    let (lock, ()) = tokio::join!(acquire(&setup.store), async {
        refuse(&mut peer, "5:0:s").await;
        peer.expect_silence(Duration::from_hours(1)).await;
        // Its holder renews it; and a deletion from before the write that the attempt met.
        peer.notify("6B", WRITTEN, "6:0:s").await;
        peer.notify("6B", DELETED, "4:0:s").await;
        peer.expect_silence(Duration::from_hours(1)).await;
        peer.notify("6B", DELETED, "7:0:s").await;
        let freed = Instant::now();
        grant(&mut peer, "8:0:s").await;
        assert!(freed.elapsed() < Duration::from_millis(10));
    });
    assert_eq!(lock.unwrap().token(), Ok(&"8:0:s".parse().unwrap()));
}

#[tokio::test(start_paused = true)]
async fn a_release_that_is_told_before_the_refusal_is_not_missed() {
    let (setup, mut peer) = connected(options()).await;
    let (lock, ()) = tokio::join!(acquire(&setup.store), async {
        peer.exchange(OBSERVE, OK, None).await;
        let attempt = peer.expect_request(SET_LEASE).await;
        peer.notify("6B", DELETED, "6:0:s").await;
        peer.answer(&attempt, REFUSED, Some("5:0:s")).await;
        grant(&mut peer, "8:0:s").await;
    });
    assert!(lock.unwrap().token().is_ok());
}

#[tokio::test(start_paused = true)]
async fn another_that_was_faster_is_waited_for() {
    let (setup, mut peer) = connected(options()).await;
    let (lock, ()) = tokio::join!(acquire(&setup.store), async {
        refuse(&mut peer, "5:0:s").await;
        peer.notify("6B", DELETED, "6:0:s").await;
        peer.exchange(SET_LEASE, REFUSED, Some("7:0:s")).await;
        peer.notify("6B", WRITTEN, "7:0:s").await;
        peer.expect_silence(LEASE).await;
        peer.notify("6B", DELETED, "9:0:s").await;
        grant(&mut peer, "10:0:s").await;
    });
    assert!(lock.unwrap().token().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_a_lost_connection_may_have_hidden_is_asked_for() {
    let (mut setup, mut peer) = connected(options()).await;
    let store = setup.store.clone();
    let (lock, _peer) = tokio::join!(acquire(&store), async {
        refuse(&mut peer, "5:0:s").await;
        drop(peer);
        let mut peer = setup.accept_resumed_session().await;
        peer.exchange(OBSERVE, OK, None).await;
        grant(&mut peer, "10:0:s").await;
        peer
    });
    assert!(lock.unwrap().token().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_registration_that_nothing_answers_keeps_nobody_waiting_for_ever() {
    let (mut setup, mut peer) = connected(options()).await;
    let store = setup.store.clone();
    let (lock, _peer) = tokio::join!(acquire(&store), async {
        refuse(&mut peer, "5:0:s").await;
        drop(peer);
        let mut peer = setup.accept_resumed_session().await;
        peer.expect_request(OBSERVE).await;
        peer.exchange(OBSERVE, OK, None).await;
        grant(&mut peer, "10:0:s").await;
        peer
    });
    assert!(lock.unwrap().token().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_notification_that_cannot_be_understood_is_reason_to_ask() {
    let (setup, mut peer) = connected(options()).await;
    let (lock, ()) = tokio::join!(acquire(&setup.store), async {
        refuse(&mut peer, "5:0:s").await;
        peer.notify("6B", DELETED, "1700000060001:0:s").await;
        grant(&mut peer, "10:0:s").await;
    });
    assert!(lock.unwrap().token().is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_attempt_whose_response_is_lost_is_made_again() {
    let (setup, mut peer) = connected(options()).await;
    let (lock, ()) = tokio::join!(acquire(&setup.store), async {
        peer.exchange(OBSERVE, OK, None).await;
        let first = peer.expect_request(SET_LEASE).await;
        let second = peer.expect_request(SET_LEASE).await;
        assert_ne!(correlation_data(&first), correlation_data(&second));
        peer.answer(&second, OK, Some("10:0:s")).await;
        peer.exchange(STOP, OK, None).await;
    });
    assert!(lock.unwrap().token().is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_waiting_does_not_mend_ends_it() {
    let (setup, mut peer) = connected(options()).await;
    let (lock, ()) = tokio::join!(acquire(&setup.store), async {
        peer.exchange(OBSERVE, OK, None).await;
        peer.exchange(SET_LEASE, b"-ERR not authorized\r\n", None).await;
        peer.exchange(STOP, OK, None).await;
    });
    assert_eq!(lock.unwrap_err(), Error::Service(ServiceError::NotAuthorized));
    setup.store.close();
    assert_eq!(acquire(&setup.store).await.unwrap_err(), Error::Closed);
}

#[tokio::test(start_paused = true)]
async fn a_wait_that_is_given_up_leaves_nothing_behind() {
    let (setup, mut peer) = connected(options()).await;
    let (given_up, ()) = tokio::join!(timeout(LEASE, acquire(&setup.store)), async {
        refuse(&mut peer, "5:0:s").await;
    });
    assert!(given_up.is_err());
    peer.exchange(STOP, OK, None).await;
    peer.expect_silence(LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn it_is_renewed_each_third_of_its_duration_under_one_token() {
    let (setup, mut peer) = connected(options()).await;
    let lock = locked(&setup.store, &mut peer).await;
    for renewal in 1..=20_u32 {
        let before = Instant::now();
        peer.exchange(SET_LEASE, OK, Some(&format!("{}:0:s", 100 + renewal))).await;
        assert_eq!(before.elapsed().as_millis().div_ceil(100), 30, "renewal {renewal}");
        assert_eq!(lock.token(), Ok(&"10:0:s".parse().unwrap()));
    }
}

#[tokio::test(start_paused = true)]
async fn a_lock_that_another_took_is_lost_at_the_next_renewal() {
    let (setup, mut peer) = connected(options()).await;
    let lock = locked(&setup.store, &mut peer).await;
    let (lost, ()) = tokio::join!(lock.lost(), peer.exchange(SET_LEASE, REFUSED, Some("20:0:s")));
    assert_eq!(lost, LeaseLost::TakenOver);
    assert_eq!(lock.token(), Err(LeaseLost::TakenOver));
    peer.exchange(VDEL_LEASE, b":-1\r\n", None).await;
    assert_eq!(lock.release().await, Ok(VdelOutcome::Different));
}

#[tokio::test(start_paused = true)]
async fn without_renewal_it_is_lost_when_its_time_is_over() {
    let (setup, mut peer) = connected(options()).await;
    let before = Instant::now();
    let lock = locked(&setup.store, &mut peer).await;
    let renewal = peer.expect_request(SET_LEASE).await;
    peer.expect_request(SET_LEASE).await;
    sleep(Duration::from_millis(2_900)).await;
    assert!(lock.token().is_ok());
    let lost = lock.lost().await;
    assert!(matches!(&lost, LeaseLost::NotRenewed(Error::Timeout(_)) | LeaseLost::Expired), "{lost}");
    let held = before.elapsed();
    assert!(held >= LEASE && held < LEASE + Duration::from_millis(10), "{held:?}");

    // The renewal is answered after all, when somebody else may have held it in between.
    peer.expect_request(VDEL_LEASE).await;
    peer.answer(&renewal, OK, Some("20:0:s")).await;
    sleep(Duration::from_secs(1)).await;
    assert!(lock.token().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_while_there_is_time() {
    let (setup, mut peer) = connected(options()).await;
    let lock = locked(&setup.store, &mut peer).await;
    peer.exchange(SET_LEASE, b"-ERR the quota has been exceeded\r\n", None).await;
    assert!(lock.token().is_ok());
    peer.exchange(SET_LEASE, OK, Some("20:0:s")).await;
    sleep(Duration::from_millis(2_900)).await;
    assert!(lock.token().is_ok());

    // Without an answer in time it is lost, with the reason.
    for _ in 0..3 {
        let renewal = timeout(LEASE, peer.receive_request()).await.unwrap();
        peer.answer(&renewal, b"-ERR the quota has been exceeded\r\n", None).await;
        if renewal.payload == VDEL_LEASE {
            break;
        }
    }
    let quota = LeaseLost::NotRenewed(Error::Service(ServiceError::QuotaExceeded));
    assert_eq!(lock.lost().await, quota);
}

/// Such as one that the broker discards as expired.
#[tokio::test(start_paused = true)]
async fn a_renewal_that_nothing_answers_leaves_time_for_another_one() {
    let (setup, mut peer) = connected(options()).await;
    let lock = locked(&setup.store, &mut peer).await;
    let first = peer.expect_request(SET_LEASE).await;
    let sent = Instant::now();
    let second = peer.expect_request(SET_LEASE).await;
    assert_eq!(sent.elapsed().as_millis().div_ceil(100), 30);
    assert_ne!(correlation_data(&second), correlation_data(&first));
    sleep(Duration::from_millis(2_900)).await;
    peer.answer(&second, OK, Some("20:0:s")).await;
    // Counted from the second attempt.
    sleep(Duration::from_millis(5_900)).await;
    assert!(lock.token().is_ok());
}

#[tokio::test(start_paused = true)]
async fn it_survives_a_resumed_session_and_not_a_lost_one() {
    let (mut setup, mut peer) = connected(options()).await;
    let lock = locked(&setup.store, &mut peer).await;
    let renewal = peer.expect_request(SET_LEASE).await;
    drop(peer);
    let mut peer = setup.accept_resumed_session().await;
    let replay = peer.expect_request(SET_LEASE).await;
    assert_eq!(correlation_data(&replay), correlation_data(&renewal));
    peer.answer(&replay, OK, Some("20:0:s")).await;
    sleep(Duration::from_secs(1)).await;
    assert!(lock.token().is_ok());

    drop(peer);
    let before = Instant::now();
    let (lost, mut peer) = tokio::join!(lock.lost(), setup.accept_new_session());
    assert_eq!(lost, LeaseLost::SessionLost);
    assert!(before.elapsed() < Duration::from_secs(1), "not at the next renewal");
    peer.expect_request(VDEL_LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn a_release_follows_the_renewal_that_is_under_way() {
    let (setup, mut peer) = connected(options()).await;
    let lock = locked(&setup.store, &mut peer).await;
    let renewal = peer.expect_request(SET_LEASE).await;
    let (released, ()) = tokio::join!(lock.release(), async {
        let release = peer.expect_request(VDEL_LEASE).await;
        peer.answer(&renewal, OK, Some("20:0:s")).await;
        peer.answer(&release, b":1\r\n", Some("21:0:s")).await;
    });
    assert_eq!(released, Ok(VdelOutcome::Deleted("21:0:s".parse().unwrap())));
    peer.expect_silence(LEASE).await;
}

#[tokio::test(start_paused = true)]
async fn a_dropped_lock_is_released_though_the_store_is_dropped_too() {
    let (setup, mut peer) = connected(options()).await;
    let lock = locked(&setup.store, &mut peer).await;
    sleep(THIRD / 2).await;
    drop(lock);
    drop(setup.store);
    peer.exchange(VDEL_LEASE, b":1\r\n", Some("20:0:s")).await;
    timeout(Duration::from_secs(1), setup.driver).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_closed_client_loses_its_locks() {
    let (setup, mut peer) = connected(options()).await;
    let lock = locked(&setup.store, &mut peer).await;
    setup.store.close();
    assert_eq!(lock.lost().await, LeaseLost::Closed);
    assert_eq!(lock.release().await, Err(Error::Closed));
}
