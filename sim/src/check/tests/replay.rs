//! What the checker of replays finds on hand-made histories, and its nearest innocent neighbours.

use super::story::{BOB, at, del, deleted, get, set, set_if, set_px, stored, value};
use super::tale::Tale;
use crate::check::{Anomaly, CheckerName};
use crate::history::mqtt::What;
use crate::history::store::Response;
use crate::history::{Call, Condition, Reply};

/// A request that was executed, sent again and answered again.
fn replayed(call: Call, first: Reply, second: Reply) -> Tale {
    Tale::new().did(10, 20, call, first).replayed(100).answered(110, Response::Reply(second))
}

#[test]
fn a_replay_gets_the_first_answer() {
    let nx = |second| replayed(set_if(Condition::Nx, "a"), stored(11), second).first(CheckerName::Replay);
    assert_eq!(nx(stored(11)), None);
    assert_eq!(nx(stored(12)), Some(Anomaly::ExecutedTwice));
    assert_eq!(nx(Reply::Refused { version: at(11) }), Some(Anomaly::ExecutedTwice));
    let stop = Call::KeyNotify { key: b"k".to_vec(), stop: true };
    let stopped = |second| replayed(stop.clone(), Reply::WatchChanged, second).first(CheckerName::Replay);
    assert_eq!(stopped(Reply::WatchChanged), None);
    assert_eq!(stopped(Reply::NotWatched), Some(Anomaly::ExecutedTwice));
    // A GET is executed again, as it should.
    let story = replayed(get(), value("a", 1), Reply::Missing);
    story.is_undecided(CheckerName::Replay);
}

#[test]
fn a_second_execution_shows_in_what_is_told_of_the_key() {
    // The DEL was executed; bob wrote; it was sent again and deleted that too. Its first response is lost.
    let story = |deletions: &[u64], reply: Reply| {
        let judged = replayed(set_if(Condition::Nx, "a"), stored(11), stored(11)).told(15, Some("a"), 11);
        let mut story = judged.did(30, 210, del(), reply).replayed(200).told(35, None, deletions[0]);
        story.0 = story.0.did(BOB, 100, 110, set("b"), stored(101));
        story = story.told(105, Some("b"), 101);
        if let Some(second) = deletions.get(1) { story.told(205, None, *second) } else { story }
    };
    assert_eq!(story(&[31], deleted(31)).first(CheckerName::Replay), None);
    assert_eq!(story(&[31, 201], deleted(201)).first(CheckerName::Replay), Some(Anomaly::ExecutedTwice));
    assert_eq!(story(&[31], Reply::NotFound).first(CheckerName::Replay), Some(Anomaly::ExecutedTwice));
}

/// bob's KEYNOTIFY is sent again on his next connection, and answered there first.
fn watch_sent_again(dup: bool) -> Tale {
    let judged = replayed(set_if(Condition::Nx, "z"), stored(11), stored(11));
    let mut story = judged.watches(120, 135).reconnected(130, true);
    let connection = story.connection();
    let events = story.0.history.mqtt.iter_mut();
    let watch = events.rev().find_map(|event| match &mut event.what {
        What::Watch(watch) => Some(watch),
        _ => None,
    });
    let watch = watch.unwrap();
    watch.sent_again_on.push(connection);
    let answer = watch.answer.as_mut().unwrap();
    (answer.connection, answer.dup) = (connection, dup);
    story
}

#[test]
fn a_registration_that_comes_back_with_a_replay_was_executed_twice() {
    let told = |story: Tale| story.did(140, 145, set("b"), stored(141)).told(143, Some("b"), 141);
    // The response had been sent before, and so the request was executed before.
    let twice = told(watch_sent_again(true));
    assert_eq!(twice.first(CheckerName::Replay), Some(Anomaly::ExecutedTwice));
    assert_eq!(told(watch_sent_again(false)).first(CheckerName::Replay), None, "here for the first time");
    assert_eq!(told(watch_sent_again(true).watches(136, 139)).first(CheckerName::Replay), None);
    let mut resent = twice;
    resent.last_notified().dup = true;
    assert_eq!(resent.first(CheckerName::Replay), None, "of the connection before");
}

#[test]
fn a_deletion_of_unknown_outcome_or_an_expiry_may_explain_it() {
    let judged = || replayed(set_if(Condition::Nx, "a"), stored(11), stored(11)).told(15, Some("a"), 11);
    let twice = |story: Tale| story.did(30, 210, del(), deleted(201)).replayed(200).told(35, None, 31);
    assert_eq!(twice(judged()).first(CheckerName::Replay), Some(Anomaly::ExecutedTwice));
    assert_eq!(twice(judged().asked(25, del())).first(CheckerName::Replay), None);
    assert_eq!(twice(judged().did(25, 28, set_px("c", 5), stored(26))).first(CheckerName::Replay), None);
}

#[test]
fn a_refused_set_whose_value_is_there_was_executed_before() {
    let story = |reply| {
        let judged = replayed(
            set_if(Condition::Nx, "z"),
            Reply::Refused { version: at(1) },
            Reply::Refused { version: at(1) },
        );
        let set = judged.did(30, 210, set_if(Condition::Nx, "a"), reply).replayed(200);
        set.did(300, 310, get(), value("a", 31))
    };
    assert_eq!(story(stored(31)).first(CheckerName::Replay), None);
    assert_eq!(
        story(Reply::Refused { version: at(31) }).first(CheckerName::Replay),
        Some(Anomaly::ExecutedTwice)
    );
}

#[test]
fn replays_that_came_before_any_execution_prove_nothing() {
    let story = Tale::new().did(10, 200, del(), deleted(150)).replayed(100);
    story.is_undecided(CheckerName::Replay);
}
