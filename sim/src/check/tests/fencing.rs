//! What fencing tokens and locks must prevent, each with its nearest innocent neighbour.

use super::story::{ALICE, BOB, Story, at, del, deleted, ms, set, set_px, stored};
use crate::check::{Anomaly, CheckerName, Verdict};
use crate::history::lock::{Hold, HoldEnd};
use crate::history::mqtt::{MqttEvent, What};
use crate::history::{Call, ClientIndex, OperationId, Reply};

const LOWER: &str = "the store answered: the request fencing token is a lower version than the fencing token protecting \
                     the resource";
const REQUIRED: &str = "the store answered: a fencing token is required for this request";

impl Story {
    /// The operation before carried this token.
    fn under(mut self, token: u64) -> Self {
        let last = OperationId(self.history.operations.len() as u64 - 1);
        self.history.fence(last, at(token));
        self
    }

    /// An operation that the store refused.
    fn denied(mut self, client: ClientIndex, from: u64, to: u64, call: Call, error: &str) -> Self {
        let id = self.history.invoke(client, call, ms(from));
        self.history.fail(id, error, ms(to));
        self
    }

    fn held(mut self, client: ClientIndex, from: u64, until: Option<u64>, token: u64, how: HoldEnd) -> Self {
        let hold = Hold {
            key: "lock".to_owned(),
            lease_ns: ms(100),
            asked_ns: ms(from - 1),
            token: at(token),
            stalls: 0,
            end: until.map(|until| (ms(until), how)),
        };
        self.history.mqtt.push(MqttEvent { client, at_ns: ms(from), what: What::Hold(hold) });
        self
    }

    fn fencing(&self) -> Option<Anomaly> {
        self.first(CheckerName::Fencing)
    }
}

/// Alice wrote under token 10, Bob under 20.
fn taken_over() -> Story {
    Story::new()
        .held(ALICE, 10, Some(110), 10, HoldEnd::Lost("it ran out".to_owned()))
        .did(ALICE, 20, 21, set("a-1"), stored(11))
        .under(10)
        .held(BOB, 120, Some(300), 20, HoldEnd::Released)
        .did(BOB, 130, 131, set("b-1"), stored(21))
        .under(20)
}

#[test]
fn holders_that_write_one_after_the_other_are_innocent() {
    assert_eq!(taken_over().fencing(), None);
    let again = taken_over().did(BOB, 140, 141, set("b-2"), stored(22)).under(20);
    assert_eq!(again.denied(ALICE, 150, 151, set("a-2"), LOWER).under(10).fencing(), None);
}

#[test]
fn a_lower_token_that_is_accepted_is_found_by_versions_whenever_the_reply_came() {
    let late = taken_over().did(ALICE, 140, 141, set("a-2"), stored(22)).under(10);
    assert_eq!(late.fencing(), Some(Anomaly::LowerTokenAccepted));
    let report = late.check(CheckerName::Fencing);
    let words = report.counter_examples[0].explanation.join(" ");
    assert!(words.contains("bob held lock under token"), "{words}");
    // Executed before Bob's, and answered long after.
    let delayed = taken_over().did(ALICE, 25, 400, set("a-2"), stored(12)).under(10);
    assert_eq!(delayed.fencing(), None);
    let deletion = taken_over().did(ALICE, 140, 141, del(), deleted(22)).under(10);
    assert_eq!(deletion.fencing(), Some(Anomaly::LowerTokenAccepted));
}

#[test]
fn a_request_without_a_token_passes_only_where_there_is_none() {
    let unfenced = taken_over().did(ALICE, 140, 141, set("a-2"), stored(22));
    assert_eq!(unfenced.fencing(), Some(Anomaly::UnfencedWriteAccepted));
    let first = Story::new().did(ALICE, 1, 2, set("a-0"), stored(1));
    assert_eq!(first.did(ALICE, 20, 21, set("a-1"), stored(11)).under(10).fencing(), None);
    assert_eq!(taken_over().denied(ALICE, 140, 141, set("a-2"), REQUIRED).fencing(), None);
}

#[test]
fn a_deletion_takes_the_token_away() {
    let deleted = taken_over().did(BOB, 140, 141, del(), deleted(22)).under(20);
    let lower = deleted.did(ALICE, 150, 151, set("a-2"), stored(23)).under(10);
    assert_eq!(lower.fencing(), None);
}

#[test]
fn what_may_have_taken_the_token_away_excuses() {
    let late = |story: Story| story.did(ALICE, 150, 151, set("a-2"), stored(23)).under(10).fencing();
    assert_eq!(late(taken_over()), Some(Anomaly::LowerTokenAccepted));
    assert_eq!(late(taken_over().asked(BOB, 140, del()).under(20)), None);
    // The store refuses a deletion under a lower token, so it is no excuse.
    assert_eq!(late(taken_over().asked(ALICE, 140, del()).under(10)), Some(Anomaly::LowerTokenAccepted));
    let expiring = |px| taken_over().did(BOB, 135, 136, set_px("b-2", px), stored(22)).under(20);
    assert_eq!(late(expiring(10)), None);
    assert_eq!(late(expiring(100)), Some(Anomaly::LowerTokenAccepted));
    // A restart empties the store.
    assert_eq!(late(taken_over().restarted(140, 145)), None);
}

#[test]
fn a_write_after_a_later_holders_is_found_although_the_tokens_are_in_order() {
    let story = Story::new()
        .held(ALICE, 10, Some(110), 30, HoldEnd::Lost("it ran out".to_owned()))
        .held(BOB, 120, Some(300), 20, HoldEnd::Released)
        .did(BOB, 130, 131, set("b-1"), stored(31))
        .under(20)
        .did(ALICE, 140, 141, set("a-1"), stored(32))
        .under(30);
    let report = story.check(CheckerName::Fencing);
    let found: Vec<_> = report.counter_examples.iter().map(|example| example.anomaly).collect();
    assert_eq!(found, [Anomaly::TokenRegression, Anomaly::WriteAfterTakeover]);
}

#[test]
fn only_what_really_may_have_expired_excuses() {
    let late = |story: Story| story.did(ALICE, 150, 151, set("a-2"), stored(23)).under(10).fencing();
    // Replaced by what Bob wrote, so that it ended then.
    let replaced = Story::new()
        .did(BOB, 100, 101, set_px("b-0", 10), stored(15))
        .under(20)
        .did(BOB, 130, 131, set("b-1"), stored(21))
        .under(20);
    assert_eq!(late(replaced), Some(Anomaly::LowerTokenAccepted));
    // Executed afterwards.
    let later = taken_over().did(BOB, 135, 160, set_px("b-2", 10), stored(24)).under(20);
    assert_eq!(late(later), Some(Anomaly::LowerTokenAccepted));
    // Never executed.
    let refused = taken_over().did(BOB, 132, 133, set_px("b-2", 10), Reply::Refused { version: at(21) });
    assert_eq!(late(refused.under(20)), Some(Anomaly::LowerTokenAccepted));
    let failed = taken_over().denied(BOB, 132, 133, set_px("b-2", 10), "the quota has been exceeded");
    assert_eq!(late(failed.under(20)), Some(Anomaly::LowerTokenAccepted));
    // Nobody knows: it counts from when it replaced what Bob had written, and only if the store took it.
    let perhaps = |px, token| late(taken_over().asked(BOB, 125, set_px("b-2", px)).under(token));
    assert_eq!(perhaps(21, 20), None);
    assert_eq!(perhaps(22, 20), Some(Anomaly::LowerTokenAccepted));
    assert_eq!(perhaps(10, 10), Some(Anomaly::LowerTokenAccepted));
    // What was sent again may have been executed before the time that its reply tells of.
    let again = |to, version| {
        let story = taken_over().did(BOB, 132, to, set_px("b-2", 10), stored(version)).sent_again(155);
        late(story.under(20))
    };
    assert_eq!(again(160, 24), None);
}

#[test]
fn a_deletion_that_was_under_way_at_a_restart_may_have_been_executed_after_it() {
    let story = |call, reply| {
        let story = Story::new().did(BOB, 90, 133, call, reply).under(20).restarted(100, 110);
        let story = story.did(BOB, 130, 131, set("b-1"), stored(21)).under(20);
        story.did(ALICE, 140, 141, set("a-2"), stored(23)).under(10).fencing()
    };
    assert_eq!(story(del(), deleted(22)), None);
    assert_eq!(story(set("b-0"), stored(20)), Some(Anomaly::LowerTokenAccepted));
}

#[test]
fn locks_of_two_lives_of_the_broker_do_not_succeed_each_other() {
    // Alice has her lock from before the restart, with a higher token than Bob, since the clock was ahead.
    let story = |restarted: bool| {
        let story = Story::new().held(ALICE, 10, Some(110), 30, HoldEnd::Lost("it ran out".to_owned()));
        let story = if restarted { story.restarted(112, 115) } else { story };
        story
            .held(BOB, 120, Some(300), 20, HoldEnd::Released)
            .did(BOB, 130, 131, set("b-1"), stored(31))
            .under(20)
            .did(ALICE, 140, 141, set("a-1"), stored(32))
            .under(30)
            .fencing()
    };
    assert_eq!(story(true), None);
    assert_eq!(story(false), Some(Anomaly::TokenRegression));
    // The same token twice: of Alice's lock before, and of Bob's after the restart.
    let same = Story::new()
        .held(ALICE, 10, Some(110), 20, HoldEnd::Lost("it ran out".to_owned()))
        .restarted(112, 115)
        .held(BOB, 120, Some(130), 20, HoldEnd::Released)
        .held(BOB, 140, Some(150), 22, HoldEnd::Released)
        .did(BOB, 145, 146, set("b-1"), stored(31))
        .under(22)
        .did(ALICE, 160, 161, set("a-1"), stored(32))
        .under(20);
    assert_eq!(same.fencing(), Some(Anomaly::LowerTokenAccepted), "the store compares tokens alone");
    // What a life grants is judged whatever lives before granted.
    let regression = Story::new()
        .held(ALICE, 10, None, 50, HoldEnd::Crashed)
        .restarted(112, 115)
        .held(BOB, 120, Some(130), 20, HoldEnd::Released)
        .held(ALICE, 140, Some(150), 19, HoldEnd::Released)
        .did(ALICE, 145, 146, set("a-1"), stored(31))
        .under(19);
    assert_eq!(regression.fencing(), Some(Anomaly::TokenRegression));
}

#[test]
fn a_token_from_before_a_restart_is_no_cause_after_it() {
    let story = |started| {
        let story = Story::new().did(BOB, 10, 11, set("b-1"), stored(11)).under(30).restarted(20, started);
        let story = story.did(BOB, 130, 131, set("b-2"), stored(131)).under(20);
        story.denied(BOB, 15, 141, set("b-2"), LOWER).under(20).fencing()
    };
    // It may have been answered before.
    assert_eq!(story(25), None);
    let after = Story::new().did(BOB, 10, 11, set("b-1"), stored(11)).under(30).restarted(20, 25);
    let after = after.did(BOB, 130, 131, set("b-2"), stored(131)).under(20);
    assert_eq!(
        after.denied(BOB, 140, 141, set("b-3"), LOWER).under(20).fencing(),
        Some(Anomaly::RefusedWithoutCause)
    );
}

#[test]
fn two_holders_at_a_time_are_one_too_many() {
    let meanwhile = |until| {
        let story = Story::new().held(ALICE, 10, until, 10, HoldEnd::Released);
        let story = story.held(BOB, 120, Some(300), 20, HoldEnd::Released);
        story.did(BOB, 130, 131, set("b-1"), stored(21)).under(20)
    };
    assert_eq!(meanwhile(Some(119)).fencing(), None);
    assert_eq!(meanwhile(Some(150)).fencing(), Some(Anomaly::TwoHolders));
    assert_eq!(meanwhile(None).fencing(), Some(Anomaly::TwoHolders));
    assert_eq!(meanwhile(Some(150)).restarted(50, 60).fencing(), None, "the first has yet to hear of it");
}

#[test]
fn a_refusal_needs_a_higher_token() {
    let refused = taken_over().denied(BOB, 140, 141, set("b-2"), LOWER).under(20);
    assert_eq!(refused.fencing(), Some(Anomaly::RefusedWithoutCause));
    let required = Story::new().denied(BOB, 1, 2, set("b-1"), REQUIRED);
    let required = required.did(BOB, 130, 131, set("b-2"), stored(21)).under(20);
    assert_eq!(required.fencing(), Some(Anomaly::RefusedWithoutCause));
}

#[test]
fn nothing_under_a_token_is_nothing_to_judge() {
    let report = Story::new().did(ALICE, 1, 2, set("a"), stored(1)).check(CheckerName::Fencing);
    assert!(matches!(report.verdict, Verdict::Undecided { .. }), "{report:?}");
}
