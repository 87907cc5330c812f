//! What the checkers of versions, expiry, replays and clocks find on hand-made histories, and their nearest innocent neighbours.

use super::story::{ALICE, BOB, Story, at, del, deleted, get, ms, set, set_if, set_px, stored, value, vdel};
use crate::check::{Anomaly, CheckerName, Verdict};
use crate::history::clocks::{Clocks, EPOCH_MS, Step, WallClock};
use crate::history::store::{Notification, Request, Response, Sent, Watch};
use crate::history::{Call, Condition, CutOff, OperationId, Outcome, Reply, UnknownReason, WorldRecord};

/// A story with packets, times in milliseconds. The network takes 1 to 5 ms.
struct Tale(Story);

impl Tale {
    fn new() -> Self {
        let mut story = Story::new();
        let client = || WallClock { offset_ms: -EPOCH_MS.cast_signed(), ..WallClock::default() };
        // The clocks show the run's own milliseconds, as the versions of stories do.
        story.history.clocks = Clocks { broker: client(), clients: vec![client(), client(), client()] };
        story.history.world = WorldRecord {
            latency_min_ns: ms(1),
            latency_max_ns: ms(5),
            tick_ns: ms(1),
            ..WorldRecord::default()
        };
        story.history.ended_ns = ms(60_000);
        Self(story)
    }

    /// bob's connection watches the key from the beginning.
    fn watched(mut self) -> Self {
        let (client, connection, key) = (BOB, 0, b"k".to_vec());
        self.0.history.watches.push(Watch { client, connection, key, from_ns: 0, until_ns: u64::MAX });
        self
    }

    /// alice's operation, from when to when, with a request of its own time.
    fn did(mut self, from: u64, to: u64, call: Call, reply: Reply) -> Self {
        self.0 = self.0.did(ALICE, from, to, call, reply.clone());
        self.dated(at(from)).answered(to, Response::Reply(reply))
    }

    /// alice's operation that got no reply.
    fn asked(mut self, from: u64, call: Call) -> Self {
        self.0 = self.0.asked(ALICE, from, call);
        self.dated(at(from))
    }

    /// alice's operation that was refused.
    fn failed(mut self, from: u64, to: u64, call: Call, error: &str) -> Self {
        let id = self.0.history.invoke(ALICE, call, ms(from));
        self.0.history.fail(id, error, ms(to));
        self.dated(at(from))
    }

    /// The last operation's request has this timestamp.
    fn dated(mut self, timestamp: crate::history::Version) -> Self {
        let operation = self.0.history.operations.last().unwrap();
        let sent = vec![Sent { at_ns: operation.invoked_ns, dup: false }];
        let request = Request { timestamp, sent, responses: Vec::new() };
        self.0.history.requests.insert(operation.id, request);
        self
    }

    fn last_request(&mut self) -> &mut Request {
        self.0.history.requests.last_entry().unwrap().into_mut()
    }

    /// A response to the last operation's request.
    fn answered(mut self, to: u64, response: Response) -> Self {
        self.last_request().responses.push((ms(to), response));
        self
    }

    /// The last operation's request was sent again.
    fn replayed(mut self, at: u64) -> Self {
        self.last_request().sent.push(Sent { at_ns: ms(at), dup: true });
        self
    }

    fn fenced(mut self, token: u64) -> Self {
        self.0.history.operations.last_mut().unwrap().fencing_token = Some(at(token));
        self
    }

    /// bob is notified.
    fn told(mut self, when: u64, value: Option<&str>, version: u64) -> Self {
        self.0.history.notifications.push(Notification {
            client: BOB,
            connection: 0,
            at_ns: ms(when),
            key: b"k".to_vec(),
            value: value.map(|value| value.as_bytes().to_vec()),
            version: at(version),
            dup: false,
        });
        self
    }

    fn first(&self, checker: CheckerName) -> Option<Anomaly> {
        self.0.first(checker)
    }

    fn is_undecided(&self, checker: CheckerName) {
        let report = self.0.check(checker);
        assert!(matches!(report.verdict, Verdict::Undecided { .. }), "{report:?}");
    }
}

const TIMESTAMP: &str = "the request timestamp is too far in the future; ensure that the client and broker system clocks are \
     synchronized";
const TOKEN: &str = "the request fencing token timestamp is too far in the future; ensure that the client and broker system \
     clocks are synchronized";

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
    again.0.history.notifications[2].dup = true;
    assert_eq!(again.first(CheckerName::Versions), None, "what comes with DUP may have come before");
}

#[test]
fn a_version_is_given_once() {
    let mut story = agreed().told(30, Some("x"), 31).told(40, Some("x"), 31);
    story.0.history.notifications[2].client = ALICE;
    assert_eq!(story.first(CheckerName::Versions), None, "two watchers are told the same");
    story.0.history.notifications[2].key = b"other".to_vec();
    assert_eq!(story.first(CheckerName::Versions), Some(Anomaly::DuplicateVersion));
}

#[test]
fn a_broker_that_was_started_anew_may_give_a_version_again() {
    let mut story = agreed();
    story.0 = story.0.restarted(100, 200);
    let mut story = story.did(300, 310, set("b"), stored(11)).told(305, Some("b"), 11).dated(at(1));
    story.0.history.notifications[1].connection = 1;
    assert_eq!(story.first(CheckerName::Versions), None);
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
    story.0.history.watches[0].until_ns = ms(1300);
    assert_eq!(story.first(CheckerName::Expiry), None);
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

/// One request executed, and one refused for its timestamp: what a history of clocks needs to be judged.
fn judged_clocks() -> Tale {
    Tale::new().did(10, 20, set("a"), stored(11)).failed(30, 40, set("b"), TIMESTAMP).dated(at(70_000))
}

#[test]
fn a_timestamp_is_refused_exactly_when_it_is_over_a_minute_ahead() {
    assert_eq!(judged_clocks().first(CheckerName::Skew), None);
    let executed = |timestamp| judged_clocks().did(50, 60, get(), Reply::Missing).dated(at(timestamp));
    // The broker's clock may have shown 61 ms, a tick after the reply.
    assert_eq!(executed(60_061).first(CheckerName::Skew), None);
    assert_eq!(executed(60_062).first(CheckerName::Skew), Some(Anomaly::SkewAccepted));
    let refused = |timestamp| judged_clocks().failed(50, 60, get(), TIMESTAMP).dated(at(timestamp));
    assert_eq!(refused(60_051).first(CheckerName::Skew), None);
    assert_eq!(refused(60_050).first(CheckerName::Skew), Some(Anomaly::SkewRefused));
}

#[test]
fn a_clock_that_is_set_meanwhile_allows_either() {
    let mut story = judged_clocks().did(50, 60, get(), Reply::Missing).dated(at(80_000));
    assert_eq!(story.first(CheckerName::Skew), Some(Anomaly::SkewAccepted));
    let step = Step { at_ns: ms(55), by_ms: 20_000, first_read_ns: None };
    story.0.history.clocks.broker.steps.push(step);
    assert_eq!(story.first(CheckerName::Skew), None);
}

#[test]
fn a_token_from_the_future_has_an_error_of_its_own() {
    let refused = |token, error| judged_clocks().failed(50, 60, set("c"), error).fenced(token);
    assert_eq!(refused(60_062, TOKEN).first(CheckerName::Skew), None);
    assert_eq!(refused(60_050, TOKEN).first(CheckerName::Skew), Some(Anomaly::SkewRefused));
    let executed = |token| judged_clocks().did(50, 60, set("c"), stored(51)).fenced(token);
    assert_eq!(executed(60_061).first(CheckerName::Skew), None);
    assert_eq!(executed(60_062).first(CheckerName::Skew), Some(Anomaly::SkewAccepted));
    // Nor is one that the store gave before, however far its clock has gone back since.
    let given = |version| {
        let story = judged_clocks().did(42, 45, set("d"), stored(version));
        story.did(50, 60, set("c"), stored(51)).fenced(60_062).first(CheckerName::Skew)
    };
    assert_eq!((given(60_061), given(60_062)), (Some(Anomaly::SkewAccepted), None));
    let afterwards = executed(60_062).did(70, 80, set("d"), stored(60_062));
    assert_eq!(afterwards.first(CheckerName::Skew), Some(Anomaly::SkewAccepted));
    // The timestamp comes first.
    let both = refused(60_062, TOKEN).dated(at(70_000));
    assert_eq!(both.first(CheckerName::Skew), Some(Anomaly::SkewRefused));
}

#[test]
fn any_other_error_is_unexpected() {
    let story = judged_clocks().failed(50, 60, get(), "syntax error");
    assert_eq!(story.first(CheckerName::Skew), Some(Anomaly::UnexpectedError));
    let story = judged_clocks().failed(50, 60, get(), "the quota has been exceeded");
    assert_eq!(story.first(CheckerName::Skew), None);
    Tale::new().did(10, 20, set("a"), stored(11)).is_undecided(CheckerName::Skew);
    let mut unknown = judged_clocks().failed(50, 60, get(), "x");
    unknown.0.history.operations[2].outcome =
        Outcome::Unknown { reason: UnknownReason::TimedOut, at_ns: ms(60) };
    assert_eq!(unknown.0.history.operations[2].id, OperationId(2));
    assert_eq!(unknown.first(CheckerName::Skew), None);
}
