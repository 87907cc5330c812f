//! What a watcher is owed, on hand-made histories: each breach and its nearest innocent neighbour.

use super::story::{ALICE, BOB, Story, at, del, deleted, get, ms, set, set_if, set_px, stored, value};
use crate::check::{Anomaly, CheckerName, Verdict};
use crate::history::mqtt::{EventId, MqttEvent, What};
use crate::history::watch::{Answered, Notified, Watch, WatchAnswer};
use crate::history::{Call, ClientIndex, Condition, OperationId, Reply, UnknownReason, Version};

/// Alice watches `k`, times in milliseconds. Bob writes without watching.
struct Watching {
    story: Story,
    connection: EventId,
}

impl Watching {
    /// Alice connects at 1 and is registered since 10.
    fn new() -> Self {
        let mut watching = Self { story: Story::new(), connection: EventId(0) };
        watching.connect(1, false);
        watching.registers(5, 10);
        watching
    }

    fn event(&mut self, at: u64, what: What) -> EventId {
        self.story.history.mqtt.push(MqttEvent { client: ALICE, at_ns: ms(at), what });
        EventId(self.story.history.mqtt.len() - 1)
    }

    fn connect(&mut self, at: u64, session_present: bool) {
        self.connection = self.story.history.connects(ALICE, at, session_present);
    }

    fn asks(&mut self, at: u64, stop: bool) -> EventId {
        let watch = self.story.history.asks_to_watch((ALICE, self.connection), at, stop);
        self.event(at, What::Watch(watch))
    }

    fn told_so(&mut self, asked: EventId, at: u64, was_registered: bool) {
        let position = EventId(self.story.history.mqtt.len());
        let (connection, dup) = (self.connection, false);
        let answer = WatchAnswer { at_ns: ms(at), connection, position, dup, was_registered };
        let What::Watch(watch) = &mut self.story.history.mqtt[asked.0].what else { panic!("a watch") };
        watch.answer = Some(answer);
        watch.sent_again_on.extend((watch.connection != connection).then_some(connection));
    }

    fn registers(&mut self, at: u64, answered: u64) {
        let asked = self.asks(at, false);
        self.told_so(asked, answered, true);
    }

    fn stops(&mut self, at: u64, answered: u64, was_registered: bool) {
        let asked = self.asks(at, true);
        self.told_so(asked, answered, was_registered);
    }

    fn is_told(&mut self, at_ms: u64, version: u64, value: Option<&str>) -> &mut Self {
        self.is_told_with(at_ms, version, value, false)
    }

    fn is_told_with(&mut self, at_ms: u64, version: u64, value: Option<&str>, dup: bool) -> &mut Self {
        let value = value.map(|value| value.as_bytes().to_vec());
        let (connection, key, version) = (self.connection, "k".to_owned(), at(version));
        self.event(at_ms, What::Notified(Notified { connection, key, value, version, dup }));
        self
    }

    fn did(&mut self, client: ClientIndex, from: u64, to: u64, call: Call, reply: Reply) -> OperationId {
        let id = self.story.history.invoke(client, call, ms(from));
        self.story.history.complete(id, reply, ms(to));
        id
    }

    /// Alice's operation, with the place of its response.
    fn does(&mut self, from: u64, to: u64, call: Call, reply: Reply) -> &mut Self {
        let asked_at = EventId(self.story.history.mqtt.len());
        let operation = self.did(ALICE, from, to, call, reply);
        let (connection, asked_on, sent_again) = (self.connection, self.connection, false);
        self.event(to, What::Answered(Answered { connection, operation, asked_on, asked_at, sent_again }));
        self
    }

    /// Bob sets values, at each time the version of that time.
    fn bob_sets(&mut self, times: &[u64]) -> &mut Self {
        for &time in times {
            self.did(BOB, time, time + 1, set(&format!("b-{time}")), stored(time));
        }
        self
    }

    fn is_told_of(&mut self, times: &[u64]) -> &mut Self {
        for &time in times {
            self.is_told(time + 2, time, Some(&format!("b-{time}")));
        }
        self
    }

    fn found(&self) -> Option<Anomaly> {
        self.story.first(CheckerName::Notifications)
    }
}

#[test]
fn who_is_told_of_everything_in_order_is_served_well() {
    let mut watching = Watching::new();
    watching.bob_sets(&[20, 30, 40]).is_told_of(&[20, 30, 40]);
    watching.does(50, 53, get(), value("b-40", 40));
    assert_eq!(watching.found(), None);
}

#[test]
fn a_gap_between_two_notifications_is_a_change_that_was_missed() {
    let mut watching = Watching::new();
    watching.bob_sets(&[20, 30, 40]).is_told_of(&[20, 40]);
    assert_eq!(watching.found(), Some(Anomaly::MissedNotification));
    let report = watching.story.check(CheckerName::Notifications);
    assert!(report.counter_examples[0].headline.contains("b-30"), "{report:?}");
    // Before the first and after the last nothing is certain, unless time tells.
    let mut watching = Watching::new();
    watching.did(BOB, 8, 12, set("b-8"), stored(8));
    watching.bob_sets(&[20, 25, 30]).is_told_of(&[20, 25]);
    assert_eq!(watching.found(), None);
}

#[test]
fn what_was_known_before_an_answered_request_had_to_be_told_before_the_answer() {
    // The answer to a request on another key says that the broker was done with all before.
    let other = || Call::Get { key: b"other".to_vec() };
    let after = |asked| {
        let mut watching = Watching::new();
        watching.bob_sets(&[20, 30]).is_told_of(&[20]);
        watching.does(asked, asked + 3, other(), Reply::Missing);
        watching.found()
    };
    assert_eq!(after(31), None, "nobody knew of the change when it was asked");
    assert_eq!(after(32), Some(Anomaly::MissedNotification));
    // Once it has asked for the end, nothing more is certain.
    let mut watching = Watching::new();
    watching.bob_sets(&[20]).is_told_of(&[20]);
    watching.stops(25, 28, true);
    watching.bob_sets(&[30]);
    watching.does(40, 43, other(), Reply::Missing);
    assert!(matches!(watching.story.check(CheckerName::Notifications).verdict, Verdict::Undecided { .. }));
}

#[test]
fn the_same_change_twice_and_changes_out_of_order_are_told_apart() {
    let mut watching = Watching::new();
    watching.bob_sets(&[20, 30, 40]).is_told_of(&[20, 30, 20, 40]);
    assert_eq!(watching.found(), Some(Anomaly::RepeatedNotification));
    let mut watching = Watching::new();
    watching.bob_sets(&[20, 30, 40]).is_told_of(&[20, 40, 30]);
    assert_eq!(watching.found(), Some(Anomaly::NotificationOutOfOrder));
}

#[test]
fn dup_belongs_to_the_connection_before() {
    let again = |session_present, dup| {
        let mut watching = Watching::new();
        watching.bob_sets(&[20, 30]).is_told_of(&[20, 30]);
        watching.connect(100, session_present);
        watching.is_told_with(102, 30, Some("b-30"), dup);
        watching.registers(105, 110);
        watching.bob_sets(&[120]).is_told_of(&[120]);
        watching.found()
    };
    assert_eq!(again(true, true), None);
    assert_eq!(again(false, true), Some(Anomaly::WrongDup));
    assert_eq!(again(true, false), Some(Anomaly::UnwantedNotification));
}

#[test]
fn an_own_write_is_told_before_its_response() {
    let mut watching = Watching::new();
    watching.is_told(22, 20, Some("a-1")).does(20, 22, set("a-1"), stored(20));
    watching.bob_sets(&[30]).is_told_of(&[30]);
    assert_eq!(watching.found(), None);
    let mut watching = Watching::new();
    watching.does(20, 22, set("a-1"), stored(20)).is_told(22, 20, Some("a-1"));
    assert_eq!(watching.found(), Some(Anomaly::LateNotification));
    let mut watching = Watching::new();
    watching.does(20, 22, set("a-1"), stored(20));
    assert_eq!(watching.found(), Some(Anomaly::MissedNotification));
}

#[test]
fn nothing_is_told_after_stop_was_answered() {
    let mut watching = Watching::new();
    watching.bob_sets(&[20, 30]).is_told_of(&[20, 30]);
    let asked = watching.asks(40, true);
    // Until the answer it may still be told.
    watching.bob_sets(&[41]).is_told_of(&[41]);
    watching.told_so(asked, 45, true);
    assert_eq!(watching.found(), None);
    watching.bob_sets(&[50]).is_told_of(&[50]);
    assert_eq!(watching.found(), Some(Anomaly::UnwantedNotification));
}

#[test]
fn a_stop_that_follows_before_the_answer_ends_it_at_once() {
    let mut watching = Watching::new();
    watching.bob_sets(&[20, 30]).is_told_of(&[20, 30]);
    watching.stops(40, 45, true);
    let (registered, stopped) = (watching.asks(50, false), watching.asks(51, true));
    watching.told_so(registered, 55, true);
    watching.told_so(stopped, 55, true);
    watching.bob_sets(&[60]);
    watching.does(70, 75, set("a-1"), stored(71));
    assert_eq!(watching.found(), None);
    watching.registers(80, 85);
    watching.bob_sets(&[90, 100]).is_told_of(&[100]);
    assert_eq!(watching.found(), Some(Anomaly::MissedNotification));
}

#[test]
fn a_registration_stays_until_it_is_stopped() {
    let mut watching = Watching::new();
    watching.bob_sets(&[20, 30]).is_told_of(&[20, 30]);
    watching.stops(40, 45, false);
    assert_eq!(watching.found(), Some(Anomaly::LostRegistration));
}

#[test]
fn what_was_registered_before_a_connection_is_not_registered_on_it() {
    let mut watching = Watching::new();
    watching.bob_sets(&[20, 30]).is_told_of(&[20, 30]);
    watching.connect(100, true);
    watching.bob_sets(&[120]).is_told_of(&[120]);
    assert_eq!(watching.found(), Some(Anomaly::UnwantedNotification));
    // Unless the KEYNOTIFY was on its way, and was sent again and executed there.
    let sent_again = |dup| {
        let mut watching = Watching::new();
        watching.bob_sets(&[20, 30]).is_told_of(&[20, 30]);
        let asked = watching.asks(40, false);
        watching.connect(100, true);
        watching.told_so(asked, 110, true);
        let What::Watch(watch) = &mut watching.story.history.mqtt[asked.0].what else { panic!("a watch") };
        watch.answer.as_mut().unwrap().dup = dup;
        watching.bob_sets(&[120]).is_told_of(&[120]);
        watching.found()
    };
    assert_eq!(sent_again(false), None);
    assert_eq!(sent_again(true), Some(Anomaly::UnwantedNotification), "it had been answered before");
}

#[test]
fn a_get_shows_what_was_told_last() {
    let after = |shown: Reply| {
        let mut watching = Watching::new();
        watching.bob_sets(&[20, 30]).is_told_of(&[20, 30]);
        watching.does(40, 43, get(), shown);
        watching.found()
    };
    assert_eq!(after(value("b-30", 30)), None);
    assert_eq!(after(value("b-20", 20)), Some(Anomaly::StaleRead));
    assert_eq!(after(Reply::Missing), Some(Anomaly::MissedNotification));
    assert_eq!(after(value("b-35", 35)), Some(Anomaly::MissedNotification));
}

#[test]
fn a_notification_tells_of_what_somebody_did() {
    let told = |value: Option<&str>, version| {
        let mut watching = Watching::new();
        watching.bob_sets(&[20, 40]);
        watching.did(BOB, 30, 31, set_px("b-30", 5), stored(30));
        watching.did(BOB, 50, 51, del(), deleted(50));
        watching.is_told_of(&[20]);
        watching.is_told(60, version, value);
        watching.story.check(CheckerName::Notifications)
    };
    let is_phantom = |value, version| {
        let report = told(value, version);
        report.counter_examples.iter().any(|example| example.anomaly == Anomaly::PhantomNotification)
    };
    assert!(!is_phantom(Some("b-40"), 40));
    assert!(is_phantom(Some("b-40"), 41), "its writer was given 40");
    assert!(is_phantom(Some("b-99"), 99));
    assert!(!is_phantom(None, 50));
    assert!(!is_phantom(None, 36), "an expiry has a version that nobody else is told");
    assert!(is_phantom(None, 29), "it is above the value's");
}

#[test]
fn an_expiry_that_another_was_told_of_is_a_change_as_any_other() {
    let mut watching = Watching::new();
    watching.did(BOB, 20, 21, set_px("b-20", 10), stored(20));
    watching.bob_sets(&[40]).is_told_of(&[20, 40]);
    assert_eq!(watching.found(), None);
    let (connection, key, version): (_, _, Version) = (EventId(0), "k".to_owned(), at(31));
    let mut other = watching.story.history.mqtt[0].clone();
    other.client = BOB;
    watching.story.history.mqtt.push(other);
    let bobs = EventId(watching.story.history.mqtt.len() - 1);
    let (position, was_registered) = (EventId(bobs.0 + 2), true);
    let answer = WatchAnswer { at_ns: ms(6), connection: bobs, position, dup: false, was_registered };
    let watch = watching.story.history.asks_to_watch((BOB, bobs), 5, false);
    let what = What::Watch(Watch { answer: Some(answer), ..watch });
    watching.story.history.mqtt.push(MqttEvent { client: BOB, at_ns: ms(5), what });
    let notified = Notified { connection: bobs, key, value: None, version, dup: false };
    assert_ne!(notified.connection, connection);
    watching.story.history.mqtt.push(MqttEvent {
        client: BOB,
        at_ns: ms(33),
        what: What::Notified(notified),
    });
    assert_eq!(watching.found(), Some(Anomaly::MissedNotification));
}

#[test]
fn a_change_of_an_earlier_life_of_the_broker_is_owed_to_nobody_in_a_later_one() {
    // The clock before the restart was ahead: its versions lie among those after it.
    let after_a_restart = |middle: Option<u64>| {
        let mut watching = Watching { story: Story::new(), connection: EventId(0) };
        watching.bob_sets(&[30, 40]);
        watching.did(BOB, 50, 51, del(), deleted(35));
        watching.story = watching.story.restarted(100, 200);
        watching.connect(201, false);
        watching.registers(205, 210);
        for version in [20].into_iter().chain(middle).chain([60]) {
            let from = 220 + version;
            watching.did(BOB, from, from + 1, set(&format!("b-{version}")), stored(version));
        }
        watching.is_told(290, 20, Some("b-20")).is_told(291, 60, Some("b-60"));
        watching.found()
    };
    assert_eq!(after_a_restart(None), None);
    assert_eq!(after_a_restart(Some(40)), Some(Anomaly::MissedNotification));
}

#[test]
fn a_version_that_two_lives_of_the_broker_gave_belongs_to_two_changes() {
    let story = |was_told: bool| {
        let mut watching = Watching { story: Story::new(), connection: EventId(0) };
        watching.did(BOB, 30, 31, set("b-0"), stored(40));
        watching.story = watching.story.restarted(100, 200);
        watching.connect(201, false);
        watching.registers(205, 210);
        for version in [20, 40, 60] {
            let from = 220 + version;
            watching.did(BOB, from, from + 1, set(&format!("b-{version}")), stored(version));
        }
        watching.is_told(241, 20, Some("b-20"));
        if was_told {
            watching.is_told(261, 40, Some("b-40"));
        }
        watching.is_told(281, 60, Some("b-60"));
        watching.found()
    };
    assert_eq!(story(true), None);
    assert_eq!(story(false), Some(Anomaly::MissedNotification));
}

#[test]
fn a_notification_is_of_the_life_of_the_broker_that_its_connection_was_made_with() {
    // Held back by the network until the next life had begun.
    let story = |value: &str, version| {
        let mut watching = Watching::new();
        watching.bob_sets(&[20, 30]).is_told_of(&[20, 30]);
        watching.did(BOB, 80, 81, set("late"), stored(80));
        watching.story = watching.story.restarted(100, 110);
        watching.did(BOB, 120, 121, set("new"), stored(80));
        watching.is_told(130, version, Some(value));
        watching.found()
    };
    assert_eq!(story("late", 80), None);
    assert_eq!(story("new", 80), Some(Anomaly::PhantomNotification), "the earlier life knew nothing of it");
    let deletion = |connected_anew: bool| {
        let mut watching = Watching::new();
        watching.bob_sets(&[20, 30]).is_told_of(&[20, 30]);
        watching.did(BOB, 40, 41, del(), deleted(40));
        watching.story = watching.story.restarted(100, 110);
        if connected_anew {
            watching.connect(111, false);
            watching.registers(112, 113);
        }
        watching.is_told(130, 40, None);
        watching.found()
    };
    assert_eq!(deletion(false), None);
    assert_eq!(deletion(true), Some(Anomaly::PhantomNotification));
}

#[test]
fn a_value_may_have_several_writers() {
    // Bob renews his value, and alice is told of both.
    let story = |told: u64| {
        let mut watching = Watching::new();
        watching.did(BOB, 20, 21, set("b"), stored(20));
        watching.did(BOB, 30, 34, set_if(Condition::Nex, "b"), stored(30));
        watching.is_told(22, 20, Some("b")).is_told(32, told, Some("b"));
        watching.bob_sets(&[40]).is_told_of(&[40]);
        watching.found()
    };
    assert_eq!(story(30), None);
    assert_eq!(story(31), Some(Anomaly::PhantomNotification));
    // A renewal of unknown outcome may have been given any version, one that was refused none.
    let unknown = |outcome: Option<Reply>| {
        let mut watching = Watching::new();
        watching.did(BOB, 20, 21, set("b"), stored(20));
        let renewal = watching.story.history.invoke(BOB, set_if(Condition::Nex, "b"), ms(30));
        match outcome {
            Some(reply) => watching.story.history.complete(renewal, reply, ms(33)),
            None => watching.story.history.unknown(renewal, UnknownReason::TimedOut, ms(33)),
        }
        watching.is_told(22, 20, Some("b")).is_told(32, 31, Some("b"));
        watching.bob_sets(&[40]).is_told_of(&[40]);
        watching.found()
    };
    assert_eq!(unknown(None), None);
    assert_eq!(unknown(Some(Reply::Refused { version: at(20) })), Some(Anomaly::PhantomNotification));
}

#[test]
fn what_was_sent_again_may_have_been_done_before_with_another_version() {
    let story = |again: bool, deletion: Reply| {
        let mut watching = Watching::new();
        watching.bob_sets(&[20]).is_told_of(&[20]);
        let id = watching.did(BOB, 30, 90, del(), deletion);
        if again {
            watching.story.history.send_again(id, ms(60));
        }
        watching.is_told(35, 31, None).is_told(65, 61, None);
        watching.bob_sets(&[95]).is_told_of(&[95]);
        watching.found()
    };
    assert_eq!(story(true, Reply::NotFound), None);
    assert_eq!(story(true, deleted(61)), None);
    assert_eq!(story(false, Reply::NotFound), Some(Anomaly::PhantomNotification));
    assert_eq!(story(false, deleted(61)), Some(Anomaly::PhantomNotification));
}
