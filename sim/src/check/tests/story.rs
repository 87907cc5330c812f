//! Hand-made histories, in a notation short enough to read a story from it.

use crate::check::{Anomaly, CheckReport, CheckerName, Verdict, check};
use crate::history::mqtt::{ConnAck, Connect, EventId, MqttEvent, What};
use crate::history::watch::Watch;
use crate::history::{
    BrokerChange, BrokerEvent, Call, ClientIndex, ClientRecord, Condition, History, KeyCount, Operation,
    OperationId, Outcome, Reply, SessionChange, SessionEvent, UnknownReason, Version,
};

pub(super) const ALICE: ClientIndex = ClientIndex(0);
pub(super) const BOB: ClientIndex = ClientIndex(1);

/// A history of one key, times in milliseconds.
pub(super) struct Story {
    pub(super) history: History,
}

impl Story {
    pub(super) fn new() -> Self {
        let client = |name: &str| ClientRecord {
            name: name.to_owned(),
            session_expiry_s: 3600,
            ..ClientRecord::default()
        };
        let mut history = History::new(["alice", "bob", "carol"].map(client).to_vec());
        history.broker.push(BrokerEvent { at_ns: 0, change: BrokerChange::Started });
        Self { history }
    }

    /// An operation that ran from `from` to `to` and got a reply.
    pub(super) fn did(mut self, client: ClientIndex, from: u64, to: u64, call: Call, reply: Reply) -> Self {
        let id = self.history.invoke(client, call, ms(from));
        self.history.complete(id, reply, ms(to));
        self
    }

    /// An operation that got no reply.
    pub(super) fn asked(mut self, client: ClientIndex, from: u64, call: Call) -> Self {
        let id = self.history.invoke(client, call, ms(from));
        self.history.unknown(id, UnknownReason::TimedOut, ms(from + 1000));
        self
    }

    /// The operation before was sent again, perhaps before its reply.
    pub(super) fn sent_again(mut self, at: u64) -> Self {
        let last = OperationId(self.history.operations.len() as u64 - 1);
        self.history.send_again(last, ms(at));
        self
    }

    pub(super) fn restarted(mut self, stopped: u64, started: u64) -> Self {
        self.history.broker.push(BrokerEvent { at_ns: ms(stopped), change: BrokerChange::Stopped });
        self.history.broker.push(BrokerEvent { at_ns: ms(started), change: BrokerChange::Started });
        self
    }

    pub(super) fn connected(
        mut self,
        client: ClientIndex,
        attempted: u64,
        at: u64,
        session_present: bool,
    ) -> Self {
        let change = SessionChange::Connected { attempted_ns: ms(attempted), session_present };
        self.history.sessions.push(SessionEvent { client, at_ns: ms(at), change });
        self
    }

    /// An attempt to connect, of which nothing more is said.
    pub(super) fn attempted(mut self, client: ClientIndex, at: u64) -> Self {
        let change = SessionChange::Attempted;
        self.history.sessions.push(SessionEvent { client, at_ns: ms(at), change });
        self
    }

    /// An attempt to connect that reached the broker, of which nothing more is said.
    pub(super) fn reached(mut self, client: ClientIndex, at: u64) -> Self {
        self = self.attempted(client, at);
        self.history.sessions.push(SessionEvent { client, at_ns: ms(at), change: SessionChange::Reached });
        self
    }

    /// A client's process started.
    pub(super) fn started(mut self, client: ClientIndex, at: u64) -> Self {
        let change = SessionChange::ProcessStarted;
        self.history.sessions.push(SessionEvent { client, at_ns: ms(at), change });
        self
    }

    pub(super) fn counted(mut self, at: u64, keys: u64) -> Self {
        self.history.key_counts.push(KeyCount { at_ns: ms(at), keys });
        self
    }

    pub(super) fn check(&self, checker: CheckerName) -> CheckReport {
        check(checker, &self.history)
    }

    /// The anomaly that a checker names first, or `None` for a valid history.
    pub(super) fn first(&self, checker: CheckerName) -> Option<Anomaly> {
        let report = self.check(checker);
        assert_eq!(report.verdict == Verdict::Violated, !report.counter_examples.is_empty(), "{report:?}");
        assert!(!matches!(report.verdict, Verdict::Undecided { .. }), "{report:?}");
        report.counter_examples.first().map(|example| example.anomaly)
    }

    /// Both checkers of replies find this, or nothing.
    pub(super) fn is(&self, anomaly: Option<Anomaly>) {
        for checker in [CheckerName::VersionOrder, CheckerName::Linearizability] {
            assert_eq!(self.first(checker), anomaly, "{checker}: {:#?}", self.check(checker));
        }
    }
}

impl History {
    /// A client asks on a connection for the notifications of `k`, or for an end of them.
    pub(super) fn asks_to_watch(
        &mut self,
        (client, connection): (ClientIndex, EventId),
        at: u64,
        stop: bool,
    ) -> Watch {
        let operation = self.invoke(client, Call::KeyNotify { key: b"k".to_vec(), stop }, ms(at));
        let (sent_again_on, answer) = (Vec::new(), None);
        Watch { operation, connection, key: "k".to_owned(), stop, sent_again_on, answer }
    }

    /// A client connects at one time, and has its CONNACK a millisecond later.
    pub(super) fn connects(&mut self, client: ClientIndex, at: u64, session_present: bool) -> EventId {
        let connect = Connect {
            client_id: self.client_name(client).to_owned(),
            clean_start: !session_present,
            session_expiry_s: 3600,
            will: None,
            answer: Some(ConnAck { at_ns: ms(at + 1), reason: 0, session_present }),
            end: None,
        };
        self.mqtt.push(MqttEvent { client, at_ns: ms(at), what: What::Connect(connect) });
        EventId(self.mqtt.len() - 1)
    }
}

pub(super) fn get() -> Call {
    Call::Get { key: b"k".to_vec() }
}

pub(super) fn set(value: &str) -> Call {
    Call::Set { key: b"k".to_vec(), value: value.into(), condition: Condition::None, px_ms: None }
}

pub(super) fn set_if(condition: Condition, value: &str) -> Call {
    Call::Set { key: b"k".to_vec(), value: value.into(), condition, px_ms: None }
}

pub(super) fn set_px(value: &str, px_ms: u64) -> Call {
    Call::Set { key: b"k".to_vec(), value: value.into(), condition: Condition::None, px_ms: Some(px_ms) }
}

pub(super) fn del() -> Call {
    Call::Del { key: b"k".to_vec() }
}

pub(super) fn vdel(value: &str) -> Call {
    Call::Vdel { key: b"k".to_vec(), value: value.into() }
}

pub(super) fn value(value: &str, version: u64) -> Reply {
    Reply::Value { value: value.into(), version: at(version) }
}

pub(super) fn stored(version: u64) -> Reply {
    Reply::Stored { version: at(version) }
}

pub(super) fn refused(version: u64) -> Reply {
    Reply::Refused { version: at(version) }
}

pub(super) fn deleted(version: u64) -> Reply {
    Reply::Deleted { version: at(version) }
}

pub(super) fn at(wall_clock_ms: u64) -> Version {
    Version { wall_clock_ms, counter: 0, node_id: "StateStore".to_owned() }
}

pub(super) fn ms(ms: u64) -> u64 {
    ms * 1_000_000
}

/// Who, from when, until when and with what reply (`None` without one), what.
pub(super) type Line = (usize, u64, Option<(u64, Reply)>, Call);

/// A history from such lines.
pub(super) fn history_of(operations: Vec<Line>) -> History {
    let mut story = Story::new();
    for (id, (client, invoked_ns, end, call)) in operations.into_iter().enumerate() {
        let outcome = match end {
            Some((completed_ns, reply)) => Outcome::Ok { reply, completed_ns },
            None => Outcome::Unknown { reason: UnknownReason::TimedOut, at_ns: invoked_ns },
        };
        let (id, client) = (OperationId(id as u64), ClientIndex(client));
        let (fencing_token, sent_again_ns) = (None, Vec::new());
        story.history.operations.push(Operation {
            id,
            client,
            call,
            fencing_token,
            invoked_ns,
            sent_again_ns,
            outcome,
        });
    }
    story.history
}
