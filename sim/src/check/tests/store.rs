//! What the checkers of versions and expiry find on hand-made histories, and their nearest innocent neighbours.

use super::story::{ALICE, BOB, at, del, deleted, get, ms, set, set_if, set_px, stored, value, vdel};
use super::tale::Tale;
use crate::check::{Anomaly, CheckerName, Verdict};
use crate::history::mqtt::{End, Ended, EventId, What};
use crate::history::{Call, Condition, CutOff, Reply};

/// What a history of versions needs to be judged: a write whose version is in its response and in a notification.
fn agreed() -> Tale {
    Tale::new().did(10, 20, set("a"), stored(11)).told(15, Some("a"), 11)
}

#[test]
fn a_version_is_above_its_requests_timestamp() {
    let story = |version| agreed().did(30, 40, set("b"), stored(version));
    assert_eq!(story(31).first(CheckerName::Versions), None);
    assert_eq!(story(30).first(CheckerName::Versions), Some(Anomaly::VersionNotAboveRequest));
    assert_eq!(story(29).first(CheckerName::Versions), Some(Anomaly::VersionNotAboveRequest));
    // What a read shows is older than the read.
    assert_eq!(agreed().did(30, 40, get(), value("a", 11)).first(CheckerName::Versions), None);
}

#[test]
fn a_version_is_the_same_in_response_and_notification() {
    let of_set = |told| agreed().did(30, 40, set("b"), stored(31)).told(35, Some("b"), told);
    assert_eq!(of_set(31).first(CheckerName::Versions), None);
    assert_eq!(of_set(32).first(CheckerName::Versions), Some(Anomaly::VersionMismatch));
    let of_del = |value| agreed().did(30, 40, del(), deleted(31)).told(35, value, 31);
    assert_eq!(of_del(None).first(CheckerName::Versions), None);
    assert_eq!(of_del(Some("b")).first(CheckerName::Versions), Some(Anomaly::VersionMismatch));
    let of_get = |shown| agreed().did(30, 40, get(), value(shown, 11));
    assert_eq!(of_get("b").first(CheckerName::Versions), Some(Anomaly::VersionMismatch));
    // A renewal writes the same value again, with a version of its own.
    let renewed = agreed().did(30, 40, set_if(Condition::Nex, "a"), stored(31)).told(35, Some("a"), 31);
    assert_eq!(renewed.first(CheckerName::Versions), None);
}

#[test]
fn versions_grow_from_one_notification_to_the_next() {
    let story = |second| agreed().told(30, None, second);
    assert_eq!(story(12).first(CheckerName::Versions), None);
    assert_eq!(story(10).first(CheckerName::Versions), Some(Anomaly::VersionRegression));
    let mut again = agreed().told(30, None, 12).told(40, Some("a"), 11);
    assert_eq!(again.first(CheckerName::Versions), Some(Anomaly::VersionRegression));
    again.last_notified().dup = true;
    assert_eq!(again.first(CheckerName::Versions), None, "what comes with DUP may have come before");
}

#[test]
fn a_version_is_given_once() {
    let mut story = agreed().told(30, Some("x"), 31).told(40, Some("x"), 31);
    let alices = story.0.history.connects(ALICE, 1, false);
    let mut told = story.0.history.mqtt.remove(alices.0 - 1);
    told.client = ALICE;
    story.0.history.mqtt.push(told);
    story.last_notified().connection = EventId(alices.0 - 1);
    assert_eq!(story.first(CheckerName::Versions), None, "two watchers are told the same");
    story.last_notified().key = "other".to_owned();
    assert_eq!(story.first(CheckerName::Versions), Some(Anomaly::DuplicateVersion));
}

#[test]
fn a_broker_that_was_started_anew_may_give_a_version_again() {
    let mut story = agreed();
    story.0 = story.0.restarted(100, 200);
    let story = story.reconnected(210, false).did(300, 310, set("b"), stored(11));
    assert_eq!(story.told(305, Some("b"), 11).dated(at(1)).first(CheckerName::Versions), None);
}

#[test]
fn a_notification_is_of_the_life_that_its_connection_was_made_with_whenever_it_arrives() {
    // The network held it back until the broker had started anew and given its version again.
    let story = |value| {
        let mut story = agreed().did(80, 90, set("late"), stored(81));
        story.0 = story.0.restarted(100, 110);
        let story = story.told(150, Some(value), 81).reconnected(160, false);
        story.did(170, 180, set("new"), stored(81)).dated(at(1)).told(175, Some("new"), 81)
    };
    assert_eq!(story("late").first(CheckerName::Versions), None);
    assert_eq!(story("new").first(CheckerName::Versions), Some(Anomaly::VersionMismatch));
}

#[test]
fn without_a_notification_to_compare_versions_are_undecided() {
    Tale::new().did(10, 20, set("a"), stored(11)).is_undecided(CheckerName::Versions);
}

/// A value that lives for 100 ms, seen while it did, and its end told in time: what a history of expiries needs to be judged.
fn lived() -> Tale {
    Tale::new().watched().did(10, 20, set_px("a", 100), stored(11)).told(16, Some("a"), 11).did(
        30,
        40,
        get(),
        value("a", 11),
    )
}

#[test]
fn a_value_is_gone_a_second_after_its_end() {
    // Executed by 16 ms, when it was told; gone by 1,116 ms at the latest.
    let story = |from| lived().told(1110, None, 12).did(from, from + 5, get(), value("a", 11));
    assert_eq!(story(1116).first(CheckerName::Expiry), None);
    assert_eq!(story(1117).first(CheckerName::Expiry), Some(Anomaly::ExpiredVisible));
    let refused = |from| {
        let reply = Reply::Refused { version: at(11) };
        lived().told(1110, None, 12).did(from, from + 5, set_if(Condition::Nx, "b"), reply)
    };
    assert_eq!(refused(1116).first(CheckerName::Expiry), None);
    assert_eq!(refused(1117).first(CheckerName::Expiry), Some(Anomaly::ExpiredVisible));
}

#[test]
fn a_value_without_px_or_with_a_new_one_outlives_the_old_end() {
    let renewed = lived()
        .did(50, 60, set_if_px(Condition::Nex, "a", 5000), stored(51))
        .told(55, Some("a"), 51)
        .did(2000, 2010, get(), value("a", 51));
    assert_eq!(renewed.told(5060, None, 52).first(CheckerName::Expiry), None);
    let kept =
        || lived().told(111, None, 12).did(150, 160, set_px("b", 100), stored(151)).told(155, Some("b"), 151);
    let kept = |gone_ms| {
        let story = kept().did(170, 180, set("c"), stored(171)).told(175, Some("c"), 171);
        if gone_ms > 0 { story.told(gone_ms, None, gone_ms) } else { story }
    };
    assert_eq!(kept(0).first(CheckerName::Expiry), None);
    assert_eq!(kept(260).first(CheckerName::Expiry), Some(Anomaly::ExpiredEarly), "its end was taken away");
}

fn set_if_px(condition: Condition, value: &str, px_ms: u64) -> Call {
    Call::Set { key: b"k".to_vec(), value: value.into(), condition, px_ms: Some(px_ms) }
}

#[test]
fn a_value_is_there_until_its_end() {
    let missed = |to| lived().told(111, None, 12).did(to - 5, to, get(), Reply::Missing);
    assert_eq!(missed(109).first(CheckerName::Expiry), Some(Anomaly::ExpiredEarly));
    assert_eq!(missed(110).first(CheckerName::Expiry), None);
    let taken = |to| lived().told(111, None, 12).did(to - 5, to, set_if(Condition::Nx, "b"), stored(to - 1));
    assert_eq!(taken(109).first(CheckerName::Expiry), Some(Anomaly::ExpiredEarly));
    assert_eq!(taken(110).first(CheckerName::Expiry), None);
    let deleted_before =
        |call, reply| lived().told(111, None, 12).did(50, 60, call, reply).did(80, 90, get(), Reply::Missing);
    assert_eq!(deleted_before(del(), deleted(55)).first(CheckerName::Expiry), None);
    assert_eq!(
        deleted_before(vdel("x"), Reply::ValueDiffers).first(CheckerName::Expiry),
        Some(Anomaly::ExpiredEarly)
    );
    let perhaps = lived().told(111, None, 12).asked(50, del()).did(80, 90, get(), Reply::Missing);
    // The DEL may have been executed, and the DELETE be the word of it.
    perhaps.is_undecided(CheckerName::Expiry);
}

#[test]
fn who_watches_is_told_within_a_second() {
    let told = |when| lived().told(when, None, 12);
    assert_eq!(told(109).first(CheckerName::Expiry), Some(Anomaly::ExpiredEarly));
    assert_eq!(told(110).first(CheckerName::Expiry), None);
    // Gone by 1,116 ms, 5 ms on the way, 2 ticks.
    assert_eq!(told(1123).first(CheckerName::Expiry), None);
    assert_eq!(told(1124).first(CheckerName::Expiry), Some(Anomaly::ExpiryLate));
    assert_eq!(lived().first(CheckerName::Expiry), Some(Anomaly::ExpiryLate), "never");
    let mut cut_off = told(3000);
    cut_off.0.history.cut_offs.push(CutOff { client: BOB, from_ns: ms(500), until_ns: ms(2990) });
    assert_eq!(cut_off.first(CheckerName::Expiry), None, "the network held it back");
}

#[test]
fn a_connection_that_ended_before_owes_no_word() {
    let mut story = lived().told(111, None, 12).did(200, 210, set_px("b", 100), stored(201));
    story = story.told(205, Some("b"), 201);
    assert_eq!(story.first(CheckerName::Expiry), Some(Anomaly::ExpiryLate));
    let stopped = story.stops(1300);
    assert_eq!(stopped.first(CheckerName::Expiry), None);
    let mut ended = stopped;
    ended.0.history.mqtt.pop();
    assert_eq!(ended.first(CheckerName::Expiry), Some(Anomaly::ExpiryLate));
    let connection = ended.connection();
    let What::Connect(connect) = &mut ended.0.history.mqtt[connection.0].what else { panic!("a connect") };
    connect.end = Some(End { at_ns: ms(1300), how: Ended::Cut });
    assert_eq!(ended.first(CheckerName::Expiry), None);
}

#[test]
fn a_connection_may_register_twice_and_again_after_stop() {
    let starts = |story: Tale| {
        let history = &story.0.history;
        history.registrations().iter().map(|is| (is.from_ns, is.until_ns)).collect::<Vec<_>>()
    };
    let once = [(ms(10), u64::MAX)];
    assert_eq!(starts(Tale::new().watches(5, 10)), once);
    assert_eq!(starts(Tale::new().watches(5, 10).watches(20, 25)), once);
    let twice = Tale::new().watches(5, 10).stops(30).watches(40, 45);
    assert_eq!(starts(twice), [(ms(10), ms(30)), (ms(45), u64::MAX)]);
    // STOP may have been executed before the answer to KEYNOTIFY came.
    assert_eq!(starts(Tale::new().watches(5, 10).stops(7)), []);
    // Executed on the one connection or the other.
    let mut resumed = Tale::new().watches(5, 10).reconnected(8, true);
    let connection = resumed.connection();
    let What::Watch(watch) = &mut resumed.0.history.mqtt[1].what else { panic!("a watch") };
    watch.answer.as_mut().unwrap().connection = connection;
    assert_eq!(starts(resumed), []);
}

#[test]
fn a_new_value_long_after_the_end_does_not_replace_the_word_of_it() {
    let story = |from| {
        let end = lived().did(from, from + 10, set("b"), stored(from + 1));
        end.told(from + 5, Some("b"), from + 1).did(from + 20, from + 30, set_px("c", 100), stored(from + 21))
    };
    let story = |from| story(from).told(from + 25, Some("c"), from + 21).told(from + 130, None, from + 130);
    assert_eq!(story(1116).first(CheckerName::Expiry), None);
    assert_eq!(story(1117).first(CheckerName::Expiry), Some(Anomaly::ExpiryLate));
}

#[test]
fn a_deletion_is_no_expiry() {
    let story = |call, reply| {
        lived()
            .told(111, None, 12)
            .did(200, 210, set_px("b", 5000), stored(201))
            .told(205, Some("b"), 201)
            .did(300, 310, call, reply)
            .told(305, None, 301)
    };
    assert_eq!(story(del(), deleted(301)).first(CheckerName::Expiry), None);
    assert_eq!(story(get(), value("b", 201)).first(CheckerName::Expiry), Some(Anomaly::ExpiredEarly));
}

#[test]
fn a_value_whose_set_got_no_reply_lives_from_when_it_was_seen() {
    let story = |from| {
        let set = lived().told(111, None, 12).asked(200, set_px("b", 100)).told(300, Some("b"), 201);
        set.told(1390, None, 202).did(from, from + 5, get(), value("b", 201))
    };
    assert_eq!(story(1400).first(CheckerName::Expiry), None);
    assert_eq!(story(1401).first(CheckerName::Expiry), Some(Anomaly::ExpiredVisible));
}

#[test]
fn steps_that_run_out_are_no_pass() {
    let story = lived().told(111, None, 12).did(300, 310, get(), Reply::Missing);
    assert!(matches!(crate::check::expiry::check(&story.0.history, 1).verdict, Verdict::Undecided { .. }));
    assert_eq!(crate::check::expiry::check(&story.0.history, 1000).verdict, Verdict::Valid);
    Tale::new().did(10, 20, get(), Reply::Missing).is_undecided(CheckerName::Expiry);
}
