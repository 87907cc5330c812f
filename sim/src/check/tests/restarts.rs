//! Restarts of the broker: what must be gone, and what only looks like a survivor.

use super::story::{ALICE, BOB, Story, del, deleted, get, ms, set, set_if, stored, value};
use crate::check::{Anomaly, CheckerName, Verdict};
use crate::history::{Condition, OperationId, Reply};

/// A write before a restart, and a read after it.
fn around_a_restart(read: Reply) -> Story {
    Story::new().did(ALICE, 0, 10, set("a-1"), stored(1)).restarted(100, 200).did(BOB, 300, 310, get(), read)
}

#[test]
fn a_value_with_its_old_version_is_resurrected() {
    let survived = around_a_restart(value("a-1", 1));
    survived.is(Some(Anomaly::ResurrectedValue));
    assert_eq!(survived.first(CheckerName::LossOnRestart), Some(Anomaly::ResurrectedValue));
    // A request that is made while the broker is down waits for the empty store.
    Story::new()
        .did(ALICE, 0, 10, set("a-1"), stored(1))
        .restarted(100, 200)
        .did(BOB, 150, 250, get(), value("a-1", 1))
        .is(Some(Anomaly::ResurrectedValue));
    let lost = around_a_restart(Reply::Missing);
    lost.is(None);
    assert_eq!(lost.first(CheckerName::LossOnRestart), None);
}

#[test]
fn without_the_restart_the_same_replies_are_judged_the_other_way_round() {
    Story::new().did(ALICE, 0, 10, set("a-1"), stored(1)).did(BOB, 300, 310, get(), value("a-1", 1)).is(None);
    Story::new()
        .did(ALICE, 0, 10, set("a-1"), stored(1))
        .did(BOB, 300, 310, get(), Reply::Missing)
        .is(Some(Anomaly::LostWrite));
}

#[test]
fn a_request_sent_again_is_a_new_write_and_no_survivor() {
    // Executed before the restart, where bob sees it, and again after it, which alice is told.
    let story = |second_read| {
        Story::new()
            .did(ALICE, 10, 20, set("a-0"), stored(1))
            .did(ALICE, 50, 400, set("a-1"), stored(9))
            .sent_again(250)
            .did(BOB, 60, 70, get(), value("a-1", 3))
            .restarted(100, 200)
            .did(BOB, 500, 510, get(), second_read)
    };
    let again = story(value("a-1", 9));
    again.is(None);
    let report = again.check(CheckerName::LossOnRestart);
    assert_eq!(report.verdict, Verdict::Valid);
    assert!(
        report.notes.iter().any(|note| note.contains("#1") && note.contains("not survivors")),
        "{report:?}"
    );
    // With the version from before it would be a survivor.
    let survivor = story(value("a-1", 3));
    assert_eq!(survivor.first(CheckerName::LossOnRestart), Some(Anomaly::ResurrectedValue));
}

#[test]
fn what_was_sent_again_is_judged_from_its_last_sending_on() {
    // Known before the GET was sent again, so its reply is stale; before its invocation nobody knew.
    let story = |sent_again| {
        let story = Story::new()
            .restarted(100, 200)
            .did(BOB, 210, 220, set("b-1"), stored(211))
            .did(BOB, 230, 240, set("b-2"), stored(231))
            .did(BOB, 250, 260, get(), value("b-2", 231))
            .did(ALICE, 50, 400, get(), value("b-1", 211));
        if sent_again { story.sent_again(300) } else { story }
    };
    story(true).is(Some(Anomaly::StaleRead));
    story(false).is(None);
    // The reply tells of the new store alone; what is stored is not from before.
    Story::new()
        .did(BOB, 10, 20, set("b-1"), stored(15))
        .did(ALICE, 50, 400, set_if(Condition::Nx, "a-1"), stored(305))
        .sent_again(300)
        .restarted(100, 200)
        .did(BOB, 500, 510, get(), value("a-1", 305))
        .is(None);
}

#[test]
fn each_sending_may_be_executed_in_one_life_of_the_broker_too() {
    // The session was lost, the store was not. What alice sent first deleted b-1, and what she sent again found nothing.
    let deleted_unseen = |story: Story| {
        story.did(BOB, 70, 80, get(), Reply::Missing).did(BOB, 400, 410, get(), Reply::Missing)
    };
    let before =
        || Story::new().did(BOB, 10, 20, set("b-1"), stored(15)).did(ALICE, 50, 300, del(), Reply::NotFound);
    deleted_unseen(before().sent_again(200)).is(None);
    // A SET has an unseen version from each sending but the last.
    let twice = |again: bool| {
        let story = Story::new().did(ALICE, 50, 300, set("a-1"), stored(205));
        let story = if again { story.sent_again(200) } else { story };
        story.did(BOB, 60, 70, get(), value("a-1", 55)).did(BOB, 400, 410, get(), value("a-1", 205))
    };
    twice(true).is(None);
    assert_eq!(twice(false).first(CheckerName::VersionOrder), Some(Anomaly::VersionMismatch));
    // But no more often than it was sent.
    let thrice = Story::new()
        .did(ALICE, 50, 300, set("a-1"), stored(205))
        .sent_again(200)
        .did(BOB, 60, 70, get(), value("a-1", 55))
        .did(BOB, 80, 90, del(), deleted(85))
        .did(BOB, 100, 110, get(), value("a-1", 105))
        .did(BOB, 120, 130, del(), deleted(125));
    assert_eq!(thrice.first(CheckerName::Linearizability), Some(Anomaly::NotLinearizable));
    // Nor by a store that began after it was sent again.
    let late = Story::new()
        .did(ALICE, 50, 300, set("a-1"), stored(205))
        .sent_again(200)
        .restarted(400, 500)
        .did(BOB, 600, 610, get(), value("a-1", 605));
    assert_eq!(late.first(CheckerName::Linearizability), Some(Anomaly::NotLinearizable));
}

#[test]
fn a_failure_of_the_last_sending_says_nothing_of_those_before() {
    let story = |again: bool| {
        let mut story = Story::new().asked(ALICE, 50, set("a-1"));
        if again {
            story = story.sent_again(200);
        }
        story.history.fail(OperationId(0), "not sent", ms(300));
        story.did(BOB, 60, 70, get(), value("a-1", 55))
    };
    assert_eq!(story(true).first(CheckerName::Linearizability), None);
    assert_eq!(story(false).first(CheckerName::Linearizability), Some(Anomaly::PhantomValue));
}

#[test]
fn an_unanswered_write_may_be_executed_in_each_life_of_the_broker() {
    Story::new()
        .asked(ALICE, 50, set("a-1"))
        .did(BOB, 60, 70, get(), value("a-1", 3))
        .restarted(100, 200)
        .did(BOB, 300, 310, get(), Reply::Missing)
        .did(BOB, 500, 510, get(), value("a-1", 9))
        .is(None);
    // But in each only once.
    let thrice = Story::new()
        .asked(ALICE, 50, set("a-1"))
        .restarted(100, 200)
        .did(BOB, 300, 310, get(), value("a-1", 3))
        .did(BOB, 320, 330, del(), deleted(4))
        .did(BOB, 500, 510, get(), value("a-1", 9));
    assert_eq!(thrice.first(CheckerName::Linearizability), Some(Anomaly::NotLinearizable));
}

#[test]
fn a_reply_that_arrives_while_the_broker_is_down_was_given_before() {
    let story = |read| {
        Story::new()
            .did(ALICE, 0, 10, set("a-1"), stored(1))
            .did(BOB, 95, 150, get(), read)
            .restarted(100, 200)
    };
    story(value("a-1", 1)).is(None);
    story(Reply::Missing).is(Some(Anomaly::LostWrite));
}

#[test]
fn versions_may_start_lower_after_a_restart() {
    Story::new()
        .did(ALICE, 0, 10, set("a-1"), stored(5000))
        .restarted(100, 200)
        .did(BOB, 300, 310, set("b-1"), stored(301))
        .did(BOB, 400, 410, get(), value("b-1", 301))
        .is(None);
}

#[test]
fn keys_that_nobody_can_have_written_survived() {
    let story = |keys| around_a_restart(Reply::Missing).counted(90, 1).counted(200, keys);
    assert_eq!(story(1).first(CheckerName::LossOnRestart), Some(Anomaly::KeysSurvived));
    let emptied = story(0);
    assert_eq!(emptied.first(CheckerName::LossOnRestart), None);
    let notes = emptied.check(CheckerName::LossOnRestart).notes.join("\n");
    assert!(notes.contains("held 1 keys before it and 0 after"), "{notes}");
}

#[test]
fn a_session_that_survives_a_restart_is_caught_by_both_checkers_that_look() {
    let story = |present| {
        around_a_restart(Reply::Missing).connected(ALICE, 0, 5, false).connected(ALICE, 210, 220, present)
    };
    for checker in [CheckerName::LossOnRestart, CheckerName::Session] {
        assert_eq!(story(true).first(checker), Some(Anomaly::SessionSurvived));
        assert_eq!(story(false).first(checker), None);
    }
}

#[test]
fn a_session_must_survive_its_connection() {
    let story = |present| Story::new().connected(BOB, 0, 5, false).connected(BOB, 1000, 1010, present);
    assert_eq!(story(false).first(CheckerName::Session), Some(Anomaly::SessionLost));
    assert_eq!(story(true).first(CheckerName::Session), None);
    // Nobody can tell whether this one expired: its client was last heard of 2 s before.
    let mut expired = Story::new().connected(BOB, 0, 5, false).connected(BOB, 2000, 2010, false);
    expired.history.clients[BOB.0].session_expiry_s = 1;
    assert_eq!(expired.first(CheckerName::Session), None);
}

#[test]
fn a_connect_that_was_under_way_at_the_stop_proves_nothing() {
    for present in [true, false] {
        let story =
            Story::new().connected(BOB, 0, 5, false).restarted(100, 110).connected(BOB, 95, 120, present);
        assert_eq!(story.first(CheckerName::Session), None);
    }
    // It may have been answered before the stop.
    let delayed = around_a_restart(Reply::Missing).connected(BOB, 0, 5, false).connected(BOB, 95, 220, true);
    assert_eq!(delayed.first(CheckerName::LossOnRestart), None);
    // It may have begun a session with the new broker, which the next connect then finds.
    let next = around_a_restart(Reply::Missing)
        .connected(BOB, 0, 5, false)
        .connected(BOB, 95, 220, false)
        .connected(BOB, 300, 310, true);
    assert_eq!(next.first(CheckerName::LossOnRestart), None);
    assert_eq!(next.first(CheckerName::Session), None);
}

#[test]
fn a_clients_process_begins_without_a_session_and_then_keeps_it() {
    let story = |first, second| {
        Story::new()
            .started(BOB, 0)
            .connected(BOB, 1, 5, false)
            .started(BOB, 500)
            .attempted(BOB, 501)
            .attempted(BOB, 600)
            .connected(BOB, 600, 610, first)
            .connected(BOB, 700, 710, second)
    };
    // Clean Start holds until the first CONNACK, so that an unanswered attempt makes no difference.
    assert_eq!(story(false, true).first(CheckerName::Session), None);
    assert_eq!(story(true, true).first(CheckerName::Session), Some(Anomaly::SessionSurvived));
    assert_eq!(story(false, false).first(CheckerName::Session), Some(Anomaly::SessionLost));
    let first_ever = Story::new().started(BOB, 0).connected(BOB, 1, 5, true);
    assert_eq!(first_ever.first(CheckerName::Session), Some(Anomaly::SessionSurvived));
}

#[test]
fn an_unanswered_attempt_that_reached_the_new_broker_may_have_begun_the_session_that_is_found() {
    let begun = || around_a_restart(Reply::Missing).started(BOB, 0).connected(BOB, 1, 5, false);
    let found = |story: Story, present| story.reached(BOB, 300).connected(BOB, 300, 310, present);
    for checker in [CheckerName::Session, CheckerName::LossOnRestart] {
        for present in [true, false] {
            assert_eq!(found(begun().reached(BOB, 210), present).first(checker), None);
            // It may have been under way when the broker stopped, and still when it started.
            assert_eq!(found(begun().reached(BOB, 50), present).first(checker), None);
            assert_eq!(found(begun().reached(BOB, 210).attempted(BOB, 250), present).first(checker), None);
        }
        let survived = Some(Anomaly::SessionSurvived);
        assert_eq!(found(begun(), true).first(checker), survived);
        // The broker never heard of these.
        assert_eq!(found(begun().attempted(BOB, 150).attempted(BOB, 250), true).first(checker), survived);
        // It was over before the stop.
        let answered = begun().reached(BOB, 50).reached(BOB, 60).connected(BOB, 60, 65, true);
        assert_eq!(found(answered, true).first(checker), survived);
    }
}

#[test]
fn each_of_several_restarts_ends_the_sessions() {
    let story = |present| {
        Story::new()
            .restarted(100, 110)
            .restarted(500, 510)
            .connected(BOB, 0, 5, false)
            .connected(BOB, 200, 210, present)
            .connected(BOB, 300, 310, true)
            .connected(BOB, 600, 610, false)
    };
    assert_eq!(story(false).first(CheckerName::Session), None);
    assert_eq!(story(true).first(CheckerName::Session), Some(Anomaly::SessionSurvived));
}

#[test]
fn without_evidence_the_loss_is_undecided() {
    let undecided =
        |story: Story| matches!(story.check(CheckerName::LossOnRestart).verdict, Verdict::Undecided { .. });
    assert!(undecided(Story::new().did(ALICE, 0, 10, set("a-1"), stored(1))), "no restart");
    let nobody_looked = Story::new().did(ALICE, 0, 10, set("a-1"), stored(1)).restarted(100, 200);
    assert!(undecided(nobody_looked), "nobody looked");
    let nothing_to_lose = Story::new().restarted(100, 200).did(BOB, 300, 310, get(), Reply::Missing);
    assert!(undecided(nothing_to_lose), "nothing to lose");
}
