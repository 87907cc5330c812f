//! The checker of quotas on hand-made histories.

use crate::check::{Anomaly, CheckerName, Verdict, check};
use crate::history::{Call, Condition, History, KeyCount, Quota, Reply, UnknownReason};

use super::story::{ALICE, BOB, Story, deleted, ms, stored};

const QUOTA: &str = "the store answered: the quota has been exceeded";

/// A history in which the store may hold so many keys of any size.
fn of(max_keys: u64) -> History {
    let mut history = Story::new().history;
    history.quotas.push(Quota { at_ns: 0, max_keys, max_bytes: u64::MAX });
    history
}

fn set(key: &str, px_ms: Option<u64>) -> Call {
    Call::Set { key: key.into(), value: b"0123456789".to_vec(), condition: Condition::None, px_ms }
}

fn del(key: &str) -> Call {
    Call::Del { key: key.into() }
}

/// Times in milliseconds.
fn did(history: &mut History, (from, to): (u64, u64), call: Call, reply: Reply) {
    let id = history.invoke(ALICE, call, ms(from));
    history.complete(id, reply, ms(to));
}

fn refused(history: &mut History, (from, to): (u64, u64), call: Call) {
    let id = history.invoke(BOB, call, ms(from));
    history.fail(id, QUOTA, ms(to));
}

fn lost(history: &mut History, from: u64, call: Call) {
    let id = history.invoke(BOB, call, ms(from));
    history.unknown(id, UnknownReason::TimedOut, ms(from + 1000));
}

fn counted(history: &mut History, at: u64, keys: u64) {
    history.key_counts.push(KeyCount { at_ns: ms(at), keys });
}

fn found(history: &History) -> Vec<Anomaly> {
    let report = check(CheckerName::Quota, history);
    let found: Vec<_> = report.counter_examples.iter().map(|example| example.anomaly).collect();
    assert_eq!(report.verdict == Verdict::Violated, !found.is_empty(), "{report:?}");
    found
}

#[test]
fn a_full_store_refuses_and_one_with_room_does_not() {
    let mut history = of(2);
    did(&mut history, (0, 10), set("a", None), stored(1));
    did(&mut history, (20, 30), set("b", None), stored(2));
    refused(&mut history, (40, 50), set("c", None));
    // A key that is there needs no room.
    did(&mut history, (60, 70), set("a", None), stored(3));
    did(&mut history, (80, 90), del("b"), deleted(4));
    did(&mut history, (100, 110), set("c", None), stored(5));
    counted(&mut history, 120, 2);
    assert_eq!(found(&history), []);
}

#[test]
fn a_key_too_many_is_an_overrun() {
    let mut history = of(2);
    did(&mut history, (0, 10), set("a", None), stored(1));
    did(&mut history, (20, 30), set("b", None), stored(2));
    refused(&mut history, (40, 50), set("d", None));
    did(&mut history, (60, 70), set("c", None), stored(3));
    assert_eq!(found(&history), [Anomaly::QuotaOverrun]);
}

#[test]
fn a_deletion_under_way_may_have_made_room() {
    let mut history = of(2);
    did(&mut history, (0, 10), set("a", None), stored(1));
    did(&mut history, (20, 30), set("b", None), stored(2));
    did(&mut history, (40, 70), del("a"), deleted(3));
    did(&mut history, (50, 60), set("c", None), stored(4));
    refused(&mut history, (65, 80), set("d", None));
    assert_eq!(found(&history), []);
}

#[test]
fn a_refusal_needs_a_reason() {
    let mut history = of(2);
    did(&mut history, (0, 10), set("a", None), stored(1));
    refused(&mut history, (20, 30), set("b", None));
    assert_eq!(found(&history), [Anomaly::RefusedWithRoom]);
    // One that began before it, and nobody knows how it ended, is a reason.
    let mut history = of(2);
    did(&mut history, (0, 10), set("a", None), stored(1));
    lost(&mut history, 15, set("c", None));
    refused(&mut history, (20, 30), set("b", None));
    assert_eq!(found(&history), []);
}

#[test]
fn an_overwrite_is_not_refused_for_the_number_of_keys() {
    let mut history = of(1);
    did(&mut history, (0, 10), set("a", None), stored(1));
    refused(&mut history, (20, 30), set("a", None));
    assert_eq!(found(&history), [Anomaly::RefusedWithRoom]);
}

#[test]
fn expiry_makes_room_within_a_second() {
    let history_with = |at: u64, keys: u64| {
        let mut history = of(1);
        did(&mut history, (0, 10), set("a", Some(500)), stored(1));
        refused(&mut history, (400, 410), set("b", None));
        counted(&mut history, at, keys);
        history
    };
    for (at, keys, expected) in [
        (490, 1, None),
        (490, 0, Some(Anomaly::KeysMiscounted)),
        (600, 1, None),
        (600, 0, None),
        (1600, 0, None),
        (1600, 1, Some(Anomaly::KeysMiscounted)),
    ] {
        assert_eq!(found(&history_with(at, keys)), Vec::from_iter(expected), "{keys} keys at {at} ms");
    }
    let mut history = history_with(490, 1);
    did(&mut history, (700, 710), set("b", None), stored(2));
    assert_eq!(found(&history), []);
    let mut history = history_with(490, 2);
    did(&mut history, (420, 430), set("b", None), stored(2));
    assert_eq!(found(&history), [Anomaly::QuotaOverrun]);
}

#[test]
fn a_get_leaves_what_will_expire_as_it_is() {
    let mut history = of(1);
    did(&mut history, (0, 10), set("a", Some(500)), stored(1));
    did(&mut history, (20, 30), Call::Get { key: b"a".to_vec() }, super::story::value("0123456789", 1));
    refused(&mut history, (50, 60), set("b", None));
    counted(&mut history, 2000, 1);
    assert_eq!(found(&history), [Anomaly::KeysMiscounted]);
}

#[test]
fn the_count_of_keys_is_held_to_the_replies() {
    for (keys, expected) in
        [(0, Some(Anomaly::KeysMiscounted)), (1, None), (2, None), (3, Some(Anomaly::KeysMiscounted))]
    {
        let mut history = of(2);
        did(&mut history, (0, 10), set("a", None), stored(1));
        did(&mut history, (20, 40), set("b", None), stored(2));
        refused(&mut history, (50, 60), set("c", None));
        counted(&mut history, 30, keys);
        assert_eq!(found(&history), Vec::from_iter(expected), "{keys} keys");
    }
}

#[test]
fn a_lowered_quota_counts_from_then_on() {
    let lowered = |from, to| {
        let mut history = of(10);
        did(&mut history, (0, 10), set("a", None), stored(1));
        history.quotas.push(Quota { at_ns: ms(100), max_keys: 1, max_bytes: u64::MAX });
        history.quotas.push(Quota { at_ns: ms(200), max_keys: 10, max_bytes: u64::MAX });
        refused(&mut history, (150, 155), set("c", None));
        did(&mut history, (from, to), set("b", None), stored(2));
        found(&history)
    };
    assert_eq!(lowered(90, 95), []);
    assert_eq!(lowered(95, 105), []);
    assert_eq!(lowered(110, 120), [Anomaly::QuotaOverrun]);
    assert_eq!(lowered(190, 210), []);
}

#[test]
fn bytes_have_a_quota_of_their_own() {
    let with = |max_bytes: u64| {
        let mut history = of(10);
        history.quotas[0].max_bytes = max_bytes;
        history
    };
    // Eleven bytes of key and value each, and 136 beside them.
    let mut history = with(2 * 147 - 1);
    did(&mut history, (0, 10), set("a", None), stored(1));
    refused(&mut history, (20, 30), set("b", None));
    assert_eq!(found(&history), []);
    let mut history = with(2 * 147);
    did(&mut history, (0, 10), set("a", None), stored(1));
    refused(&mut history, (20, 30), set("b", None));
    assert_eq!(found(&history), [Anomaly::RefusedWithRoom]);
    let mut history = with(2 * 147 - 1);
    did(&mut history, (0, 10), set("a", None), stored(1));
    did(&mut history, (20, 30), set("b", None), stored(2));
    refused(&mut history, (40, 50), set("c", None));
    assert_eq!(found(&history), [Anomaly::QuotaOverrun]);
}

#[test]
fn without_a_refusal_nothing_was_judged() {
    let mut history = of(2);
    did(&mut history, (0, 10), set("a", None), stored(1));
    let report = check(CheckerName::Quota, &history);
    assert!(matches!(report.verdict, Verdict::Undecided { .. }), "{report:?}");
}
