//! Hand-made histories with packets: what the store's requests carried and its watchers were told.

use super::story::{ALICE, BOB, Story, at, ms};
use crate::check::{Anomaly, CheckerName, Verdict};
use crate::history::clocks::{Clocks, EPOCH_MS, WallClock};
use crate::history::mqtt::{EventId, MqttEvent, What};
use crate::history::store::{Request, Response, Sent};
use crate::history::watch::{Notified, Watch, WatchAnswer};
use crate::history::{Call, Reply, WorldRecord};

/// A story with packets, times in milliseconds. The network takes 1 to 5 ms.
pub(super) struct Tale(pub(super) Story);

impl Tale {
    pub(super) fn new() -> Self {
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
        story.history.connects(BOB, 0, false);
        Self(story)
    }

    /// bob's connection watches the key from the beginning.
    pub(super) fn watched(self) -> Self {
        self.watches(0, 0)
    }

    /// bob's connection asks for notifications at one time, and is told at another that it gets them.
    pub(super) fn watches(mut self, from: u64, to: u64) -> Self {
        let (connection, position) = (self.connection(), EventId(self.0.history.mqtt.len() + 1));
        let (dup, was_registered) = (false, true);
        let answer = WatchAnswer { at_ns: ms(to), connection, position, dup, was_registered };
        let watch = self.0.history.asks_to_watch((BOB, connection), from, false);
        self.event(from, What::Watch(Watch { answer: Some(answer), ..watch }))
    }

    /// bob's connection asks for an end of notifications.
    pub(super) fn stops(mut self, at: u64) -> Self {
        let watch = self.0.history.asks_to_watch((BOB, self.connection()), at, true);
        self.event(at, What::Watch(watch))
    }

    /// bob connects once more.
    pub(super) fn reconnected(mut self, at: u64, session_present: bool) -> Self {
        self.0.history.connects(BOB, at, session_present);
        self
    }

    /// bob's last connection.
    pub(super) fn connection(&self) -> EventId {
        let is_connect = |event: &MqttEvent| matches!(event.what, What::Connect(_));
        EventId(self.0.history.mqtt.iter().rposition(is_connect).unwrap())
    }

    pub(super) fn event(mut self, at: u64, what: What) -> Self {
        self.0.history.mqtt.push(MqttEvent { client: BOB, at_ns: ms(at), what });
        self
    }

    /// alice's operation, from when to when, with a request of its own time.
    pub(super) fn did(mut self, from: u64, to: u64, call: Call, reply: Reply) -> Self {
        self.0 = self.0.did(ALICE, from, to, call, reply.clone());
        self.dated(at(from)).answered(to, Response::Reply(reply))
    }

    /// alice's operation that got no reply.
    pub(super) fn asked(mut self, from: u64, call: Call) -> Self {
        self.0 = self.0.asked(ALICE, from, call);
        self.dated(at(from))
    }

    /// alice's operation that was refused.
    pub(super) fn failed(mut self, from: u64, to: u64, call: Call, error: &str) -> Self {
        let id = self.0.history.invoke(ALICE, call, ms(from));
        self.0.history.fail(id, error, ms(to));
        self.dated(at(from))
    }

    /// The last operation's request has this timestamp.
    pub(super) fn dated(mut self, timestamp: crate::history::Version) -> Self {
        let operation = self.0.history.operations.last().unwrap();
        let sent = vec![Sent { at_ns: operation.invoked_ns, dup: false }];
        let request = Request { timestamp, sent, responses: Vec::new() };
        self.0.history.requests.insert(operation.id, request);
        self
    }

    pub(super) fn last_request(&mut self) -> &mut Request {
        self.0.history.requests.last_entry().unwrap().into_mut()
    }

    /// A response to the last operation's request.
    pub(super) fn answered(mut self, to: u64, response: Response) -> Self {
        self.last_request().responses.push((ms(to), response));
        self
    }

    /// The last operation's request was sent again.
    pub(super) fn replayed(mut self, at: u64) -> Self {
        self.last_request().sent.push(Sent { at_ns: ms(at), dup: true });
        self
    }

    pub(super) fn fenced(mut self, token: u64) -> Self {
        self.0.history.operations.last_mut().unwrap().fencing_token = Some(at(token));
        self
    }

    /// bob is notified.
    pub(super) fn told(self, when: u64, value: Option<&str>, version: u64) -> Self {
        let value = value.map(|value| value.as_bytes().to_vec());
        let (connection, key, version) = (self.connection(), "k".to_owned(), at(version));
        self.event(when, What::Notified(Notified { connection, key, value, version, dup: false }))
    }

    /// The last event, which is a notification.
    pub(super) fn last_notified(&mut self) -> &mut Notified {
        match &mut self.0.history.mqtt.last_mut().unwrap().what {
            What::Notified(notified) => notified,
            other => panic!("{other:?} is no notification"),
        }
    }

    pub(super) fn first(&self, checker: CheckerName) -> Option<Anomaly> {
        self.0.first(checker)
    }

    pub(super) fn is_undecided(&self, checker: CheckerName) {
        let report = self.0.check(checker);
        assert!(matches!(report.verdict, Verdict::Undecided { .. }), "{report:?}");
    }
}
