//! The store's commands against the protocol's rules, without MQTT.

use std::time::Duration;

use super::*;
use crate::time::WallClock;

const ROOM: Room = Room { max_keys: usize::MAX, max_bytes: usize::MAX };

fn at(millis: u64) -> Now {
    Now {
        monotonic: Monotonic::from_nanos(millis * 1_000_000),
        wall: WallClock::from_millis(1_000_000 + millis),
    }
}

fn context(millis: u64) -> Context<'static> {
    Context { now: at(millis), timestamp: None, fencing_token: None }
}

fn fenced(millis: u64, wall_clock_ms: u64) -> Context<'static> {
    let token = Hlc { wall_clock_ms, counter: 0, node_id: "lock" };
    Context { fencing_token: Some(token), ..context(millis) }
}

fn put(store: &mut Store, millis: u64, value: &[u8]) -> Version {
    match store.set(&context(millis), (b"k", value), Condition::None, None, ROOM) {
        Ok(Outcome::Stored(version)) => version,
        other => panic!("expected a stored value, got {other:?}"),
    }
}

fn put_for(store: &mut Store, millis: u64, expiry_ms: u64) {
    let expiry = Some(Duration::from_millis(expiry_ms));
    store.set(&context(millis), (b"k", b"v"), Condition::None, expiry, ROOM).expect("SET succeeds");
}

#[test]
fn conditions_look_at_existence_and_value() {
    let mut store = Store::new(0);
    let set = |store: &mut Store, value: &[u8], condition| {
        store.set(&context(1), (b"k", value), condition, None, ROOM)
    };
    let Ok(Outcome::Stored(first)) = set(&mut store, b"a", Condition::NotExists) else {
        panic!("the key is new")
    };
    assert_eq!(set(&mut store, b"a", Condition::NotExists), Ok(Outcome::Refused(first)));
    assert_eq!(set(&mut store, b"b", Condition::NotExistsOrEqual), Ok(Outcome::Refused(first)));
    let Ok(Outcome::Stored(second)) = set(&mut store, b"a", Condition::NotExistsOrEqual) else {
        panic!("the value is equal")
    };
    assert!(second > first, "a renewal is a write of its own");
}

#[test]
fn vdel_compares_the_value() {
    let mut store = Store::new(0);
    let version = put(&mut store, 1, b"a");
    assert_eq!(store.delete(&context(2), b"k", Some(b"b")), Ok(Outcome::ValueDiffers));
    assert_eq!(store.get(b"k"), Outcome::Value(b"a", version));
    let Ok(Outcome::Deleted(deleted)) = store.delete(&context(2), b"k", Some(b"a")) else {
        panic!("values match")
    };
    assert!(deleted > version);
    assert_eq!(store.delete(&context(2), b"k", None), Ok(Outcome::NotFound));
    assert_eq!(store.get(b"k"), Outcome::Missing);
}

#[test]
fn fencing_comes_before_conditions_and_ends_with_the_key() {
    let mut store = Store::new(0);
    let set = |store: &mut Store, context: &Context<'_>| {
        store.set(context, (b"k", b"v"), Condition::NotExists, None, ROOM)
    };
    set(&mut store, &fenced(1, 500)).expect("the first token is stored");
    assert_eq!(set(&mut store, &context(1)), Err(ServiceError::FencingTokenRequired));
    assert_eq!(set(&mut store, &fenced(1, 499)), Err(ServiceError::FencingTokenLower));
    assert!(matches!(set(&mut store, &fenced(1, 500)), Ok(Outcome::Refused(_))));
    assert_eq!(store.delete(&context(1), b"k", None), Err(ServiceError::FencingTokenRequired));
    assert!(matches!(store.delete(&fenced(1, 501), b"k", None), Ok(Outcome::Deleted(_))));
    assert!(matches!(set(&mut store, &context(1)), Ok(Outcome::Stored(_))), "the token went with the key");
}

#[test]
fn a_set_raises_the_token() {
    let mut store = Store::new(0);
    let set = |store: &mut Store, context: &Context<'_>| {
        store.set(context, (b"k", b"v"), Condition::None, None, ROOM)
    };
    set(&mut store, &fenced(1, 500)).expect("stored");
    set(&mut store, &fenced(1, 600)).expect("a higher token is accepted");
    assert_eq!(set(&mut store, &fenced(1, 500)), Err(ServiceError::FencingTokenLower));
}

#[test]
fn a_key_expires_at_its_deadline_and_not_before() {
    let mut store = Store::new(0);
    put_for(&mut store, 10, 5);
    assert_eq!(store.next_expiry(), Some(at(15).monotonic));
    assert_eq!(store.expire_next(at(14)), None);
    assert_eq!(store.expire_key(at(14), b"k"), None);
    let (key, _) = store.expire_next(at(15)).expect("the deadline has passed");
    assert_eq!((&*key, store.len(), store.next_expiry()), (&b"k"[..], 0, None));
}

#[test]
fn a_set_without_px_removes_an_earlier_expiry() {
    let mut store = Store::new(0);
    put_for(&mut store, 10, 5);
    put(&mut store, 11, b"v");
    assert_eq!(store.next_expiry(), None);
    assert_eq!(store.expire_key(at(1000), b"k"), None);
}

#[test]
fn a_renewal_moves_the_deadline() {
    let mut store = Store::new(0);
    put_for(&mut store, 10, 5);
    put_for(&mut store, 12, 5);
    assert_eq!(store.expire_next(at(15)), None);
    assert!(store.expire_key(at(17), b"k").is_some());
    assert_eq!(store.len(), 0);
}

#[test]
fn versions_grow_over_set_delete_and_expiry() {
    let mut store = Store::new(0);
    let set = put(&mut store, 1, b"a");
    let Ok(Outcome::Deleted(deleted)) = store.delete(&context(1), b"k", None) else {
        panic!("the key exists")
    };
    put_for(&mut store, 1, 1);
    let expired = store.expire_key(at(2), b"k").expect("due");
    assert!(set < deleted && deleted < expired);
}

#[test]
fn clocks_too_far_ahead_are_refused() {
    let store = Store::new(0);
    let ahead = |skew_ms: u64| Hlc { wall_clock_ms: 1_000_000 + skew_ms, counter: 0, node_id: "c" };
    let stamped = |skew_ms| Context { timestamp: Some(ahead(skew_ms)), ..context(0) };
    let fenced = |skew_ms| Context { fencing_token: Some(ahead(skew_ms)), ..context(0) };
    assert_eq!(store.check_clocks(&stamped(60_000)), Ok(()));
    assert_eq!(store.check_clocks(&stamped(60_001)), Err(ServiceError::TimestampTooFarAhead));
    assert_eq!(store.check_clocks(&fenced(60_000)), Ok(()));
    assert_eq!(store.check_clocks(&fenced(60_001)), Err(ServiceError::FencingTokenTooFarAhead));
}

#[test]
fn the_fixed_costs_fit_this_machine() {
    let entry = 3 * size_of::<Entry>() / 2 + 24;
    assert!((entry..=entry * 5 / 4).contains(&ENTRY_COST), "an entry costs {entry}");
    let token = size_of::<FencingToken>();
    assert!((token..=token * 5 / 4).contains(&TOKEN_COST), "a token costs {token}");
}
