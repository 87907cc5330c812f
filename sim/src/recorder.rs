//! Where all hosts of a run write down what happens: the history and the trace.
//!
//! One run has one thread; the lock is there because the MQTT client asks for callbacks that are `Sync`, and is never
//! waited for.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::history::breach::Breach;
use crate::history::clocks::{ClockOf, Step};
use crate::history::lock::HoldEnd;
use crate::history::mqtt::{End, Ended, EventId, MqttEvent, What};
use crate::history::store::{Request, Response, Sent};
use crate::history::{
    BrokerChange, BrokerEvent, Call, ClientIndex, CutOff, History, KeyCount, OperationId, Quota, Reply,
    SessionChange, SessionEvent, UnknownReason, Version,
};
use crate::trace::{EventKind, Trace};

/// A handle to the records of one run.
#[derive(Clone, Debug)]
pub struct Recorder(Arc<Mutex<Records>>);

/// What a run leaves behind.
#[derive(Clone, Debug)]
pub struct Records {
    /// What the checkers see.
    pub history: History,
    /// The proof that a repetition did the same.
    pub trace: Trace,
    /// How many sessions the broker held, over time: (simulated nanoseconds, sessions).
    pub session_counts: Vec<(u64, u64)>,
    /// How many bytes the broker held by its own account, over time; for the report alone.
    pub memory: Vec<(u64, u64)>,
    /// Why connections were lost: for the report, beside [`History::sessions`].
    pub loss_reasons: Vec<(ClientIndex, u64, String)>,
    /// Versions that steps of scripts gave names to.
    named: BTreeMap<String, Version>,
    /// Operations that were invoked and whose clients still wait.
    open: BTreeMap<OperationId, ClientIndex>,
}

impl Recorder {
    /// Empty records.
    pub fn new(history: History, trace: Trace) -> Self {
        Self(Arc::new(Mutex::new(Records {
            history,
            trace,
            session_counts: Vec::new(),
            memory: Vec::new(),
            loss_reasons: Vec::new(),
            named: BTreeMap::new(),
            open: BTreeMap::new(),
        })))
    }

    /// A copy of everything so far.
    pub fn records(&self) -> Records {
        self.lock().clone()
    }

    /// How many operations have their outcome.
    pub fn settled(&self) -> usize {
        let records = self.lock();
        records.history.operations.len() - records.open.len()
    }

    /// Adds an event to the trace alone.
    pub fn trace(&self, at_ns: u64, kind: EventKind, host: &str, content: &[u8]) {
        self.lock().trace.record(at_ns, kind, host, content);
    }

    /// A client asks for an operation.
    pub fn invoke(&self, client: ClientIndex, call: Call, at_ns: u64) -> OperationId {
        let mut records = self.lock();
        let text = format!("{call:?}");
        let id = records.history.invoke(client, call, at_ns);
        records.open.insert(id, client);
        records.trace_client(at_ns, EventKind::Invoke, client, &text);
        id
    }

    /// A client asks for an operation with a fencing token.
    pub fn invoke_fenced(
        &self,
        client: ClientIndex,
        (call, token): (Call, Option<Version>),
        at_ns: u64,
    ) -> OperationId {
        let id = self.invoke(client, call, at_ns);
        if let Some(token) = token {
            let mut records = self.lock();
            records.trace_client(at_ns, EventKind::Invoke, client, &token.to_string());
            records.history.fence(id, token);
        }
        id
    }

    /// A client sends an operation's request again.
    pub fn sent_again(&self, id: OperationId, at_ns: u64) {
        let mut records = self.lock();
        let Some(&client) = records.open.get(&id) else { return };
        records.history.send_again(id, at_ns);
        records.trace_client(at_ns, EventKind::SentAgain, client, &id.to_string());
    }

    /// An operation has a reply.
    pub fn complete(&self, id: OperationId, reply: Reply, at_ns: u64) {
        self.settle(id, at_ns, |history| history.complete(id, reply, at_ns));
    }

    /// An operation was certainly not executed.
    pub fn fail(&self, id: OperationId, error: String, at_ns: u64) {
        self.settle(id, at_ns, |history| history.fail(id, error, at_ns));
    }

    /// Nobody knows what became of an operation.
    pub fn unknown(&self, id: OperationId, reason: UnknownReason, at_ns: u64) {
        self.settle(id, at_ns, |history| history.unknown(id, reason, at_ns));
    }

    /// A response broke the state store protocol.
    pub fn protocol_error(&self, id: OperationId, error: &str, at_ns: u64) {
        {
            let mut records = self.lock();
            let client = records.history.operation(id).client;
            let breach = Breach { client, operation: Some(id), at_ns, what: error.to_owned() };
            records.history.breaches.push(breach);
        }
        self.unknown(id, UnknownReason::BadResponse, at_ns);
    }

    /// Something else arrived that breaks the state store protocol.
    pub fn protocol_breach(&self, client: ClientIndex, error: &str, at_ns: u64) {
        let mut records = self.lock();
        records.history.breaches.push(Breach { client, operation: None, at_ns, what: error.to_owned() });
        records.trace_client(at_ns, EventKind::Notification, client, error);
    }

    /// An operation's request goes out for the first time, with this `__ts`.
    pub fn request_sent(&self, id: OperationId, timestamp: &Version, dup: bool, at_ns: u64) {
        let mut records = self.lock();
        let client = records.history.operation(id).client;
        records.trace_client(at_ns, EventKind::Invoke, client, &format!("{id} at {timestamp}"));
        let sent = vec![Sent { at_ns, dup }];
        let request = Request { timestamp: timestamp.clone(), sent, responses: Vec::new() };
        records.history.requests.insert(id, request);
    }

    /// An operation's request goes out again, on the resumed session.
    pub fn request_sent_again(&self, id: OperationId, dup: bool, at_ns: u64) {
        let mut records = self.lock();
        let Some(request) = records.history.requests.get_mut(&id) else { return };
        request.sent.push(Sent { at_ns, dup });
        let client = records.history.operation(id).client;
        records.trace_client(at_ns, EventKind::SentAgain, client, &format!("{id} DUP {dup}"));
    }

    /// A response to an operation's request arrived, perhaps not the first.
    pub fn responded(&self, id: OperationId, response: Response, at_ns: u64) {
        let mut records = self.lock();
        let client = records.history.operation(id).client;
        records.trace_client(at_ns, EventKind::Outcome, client, &format!("{id} {response:?}"));
        if let Some(request) = records.history.requests.get_mut(&id) {
            request.responses.push((at_ns, response));
        }
    }

    /// A step of a script was given a version that others refer to by name. It follows from outcomes, and is no event.
    pub fn name(&self, name: &str, version: Version) {
        self.lock().named.insert(name.to_owned(), version);
    }

    /// The version of that name, if it is known by now.
    pub fn named(&self, name: &str) -> Option<Version> {
        self.lock().named.get(name).cloned()
    }

    /// The run is over.
    pub fn ended(&self, at_ns: u64) {
        self.lock().history.ended_ns = at_ns;
    }

    /// A client's host was killed: what it waited for it will never learn.
    pub fn client_crashed(&self, client: ClientIndex, at_ns: u64) {
        let waiting: Vec<_> = {
            let records = self.lock();
            records.open.iter().filter(|(_, owner)| **owner == client).map(|(id, _)| *id).collect()
        };
        for id in waiting {
            self.unknown(id, UnknownReason::ConnectionLost, at_ns);
        }
        let mut records = self.lock();
        for event in records.history.mqtt.iter_mut().filter(|event| event.client == client) {
            match &mut event.what {
                What::Hold(hold) => {
                    hold.end.get_or_insert((at_ns, HoldEnd::Crashed));
                }
                What::Connect(connect) => {
                    let how = Ended::Lost("the client was killed".to_owned());
                    connect.end.get_or_insert(End { at_ns, how });
                }
                _ => {}
            }
        }
    }

    /// A client does or sees something in MQTT.
    pub fn mqtt(&self, client: ClientIndex, what: What, at_ns: u64) -> EventId {
        let mut records = self.lock();
        let id = EventId(records.history.mqtt.len());
        let text = format!("{what:?}");
        records.history.mqtt.push(MqttEvent { client, at_ns, what });
        records.trace_client(at_ns, EventKind::Mqtt, client, &text);
        id
    }

    /// The number that the next event in MQTT gets: all that was recorded before is below it.
    pub fn next_event(&self) -> EventId {
        EventId(self.lock().history.mqtt.len())
    }

    /// A client learns more of what it did or saw.
    pub fn mqtt_amend(&self, id: EventId, at_ns: u64, change: impl FnOnce(&mut What)) {
        let mut records = self.lock();
        let Some(event) = records.history.mqtt.get_mut(id.0) else { return };
        change(&mut event.what);
        let (client, text) = (event.client, format!("{} {:?}", id.0, event.what));
        records.trace_client(at_ns, EventKind::Mqtt, client, &text);
    }

    /// The network holds back everything between a client and the broker.
    pub fn cut_off(&self, client: ClientIndex, at_ns: u64) {
        self.lock().history.cut_offs.push(CutOff { client, from_ns: at_ns, until_ns: u64::MAX });
    }

    /// The network delivers again.
    pub fn reunited(&self, client: ClientIndex, at_ns: u64) {
        let mut records = self.lock();
        let open = records.history.cut_offs.iter_mut().filter(|cut_off| cut_off.client == client);
        open.filter(|cut_off| cut_off.until_ns == u64::MAX).for_each(|cut_off| cut_off.until_ns = at_ns);
    }

    /// A client's process started.
    pub fn client_started(&self, client: ClientIndex, at_ns: u64) {
        let mut records = self.lock();
        records.history.sessions.push(SessionEvent { client, at_ns, change: SessionChange::ProcessStarted });
        records.trace_client(at_ns, EventKind::Session, client, "started");
    }

    /// A client begins to connect.
    pub fn attempt(&self, client: ClientIndex, at_ns: u64) {
        let mut records = self.lock();
        records.history.sessions.push(SessionEvent { client, at_ns, change: SessionChange::Attempted });
        records.trace_client(at_ns, EventKind::Session, client, "attempt");
    }

    /// An attempt to connect has its stream.
    pub fn reached(&self, client: ClientIndex, at_ns: u64) {
        let mut records = self.lock();
        records.history.sessions.push(SessionEvent { client, at_ns, change: SessionChange::Reached });
        records.trace_client(at_ns, EventKind::Session, client, "reached");
    }

    /// CONNACK arrived.
    pub fn connected(&self, client: ClientIndex, session_present: bool, at_ns: u64) {
        let mut records = self.lock();
        let is_attempt =
            |event: &&SessionEvent| event.client == client && event.change == SessionChange::Attempted;
        let attempt = records.history.sessions.iter().rev().find(is_attempt);
        let attempted_ns = attempt.map_or(at_ns, |attempt| attempt.at_ns);
        let change = SessionChange::Connected { attempted_ns, session_present };
        records.history.sessions.push(SessionEvent { client, at_ns, change });
        records.trace_client(at_ns, EventKind::Session, client, &format!("connected {session_present}"));
    }

    /// An established connection ended.
    pub fn connection_lost(&self, client: ClientIndex, reason: String, at_ns: u64) {
        let mut records = self.lock();
        records.history.sessions.push(SessionEvent { client, at_ns, change: SessionChange::Lost });
        records.trace_client(at_ns, EventKind::Session, client, &reason);
        records.loss_reasons.push((client, at_ns, reason));
    }

    /// The broker's process came or went.
    pub fn broker(&self, change: BrokerChange, at_ns: u64) {
        let mut records = self.lock();
        records.history.broker.push(BrokerEvent { at_ns, change });
        records.trace.record(at_ns, EventKind::Broker, "broker", format!("{change:?}").as_bytes());
    }

    /// The broker runs and was looked at before anyone could connect.
    pub fn broker_started(&self, keys: u64, sessions: u64, at_ns: u64) {
        self.broker(BrokerChange::Started, at_ns);
        let mut records = self.lock();
        // Also where nothing changed: that the store began empty is what a checker wants to see.
        records.history.key_counts.push(KeyCount { at_ns, keys });
        records.session_counts.push((at_ns, sessions));
    }

    /// The broker was looked at: it holds so many keys and sessions, and has dropped so many messages in all. Only changes
    /// are kept.
    pub fn sample(&self, keys: u64, sessions: u64, dropped: u64, at_ns: u64) {
        let mut records = self.lock();
        if records.history.drops.last().map_or(0, |&(_, last)| last) != dropped {
            records.history.drops.push((at_ns, dropped));
        }
        if records.history.key_counts.last().is_none_or(|last| last.keys != keys) {
            records.history.key_counts.push(KeyCount { at_ns, keys });
            records.trace.record(at_ns, EventKind::Broker, "broker", &keys.to_le_bytes());
        }
        if records.session_counts.last().is_none_or(|&(_, last)| last != sessions) {
            records.session_counts.push((at_ns, sessions));
        }
    }

    /// The broker was seen to hold so many bytes. Only changes are kept.
    pub fn memory(&self, bytes: u64, at_ns: u64) {
        let memory = &mut self.lock().memory;
        if memory.last().is_none_or(|&(_, last)| last != bytes) {
            memory.push((at_ns, bytes));
        }
    }

    /// From now on the store may hold so much.
    pub fn quota(&self, quota: Quota) {
        let mut records = self.lock();
        records.trace.record(quota.at_ns, EventKind::Broker, "broker", format!("{quota:?}").as_bytes());
        records.history.quotas.push(quota);
    }

    /// The broker was seen to hold so much.
    pub fn peaks(&self, connections: u64, messages: u64) {
        let peaks = &mut self.lock().history.peaks;
        peaks.connections = peaks.connections.max(connections);
        peaks.messages = peaks.messages.max(messages);
    }

    /// What a host's wall clock shows, to that host, in ms since the Unix epoch.
    pub fn wall_clock_ms(&self, whose: ClockOf, at_ns: u64) -> u64 {
        let mut records = self.lock();
        let clock = records.history.clocks.of_mut(whose);
        for step in clock.steps.iter_mut().rev().take_while(|step| step.first_read_ns.is_none()) {
            step.first_read_ns = Some(at_ns);
        }
        clock.reading_ms(at_ns)
    }

    /// The wall clock of `host` is set by `by_ms`.
    pub fn clock_stepped(&self, whose: ClockOf, host: &str, by_ms: i64, at_ns: u64) {
        let mut records = self.lock();
        records.history.clocks.of_mut(whose).steps.push(Step { at_ns, by_ms, first_read_ns: None });
        records.trace.record(at_ns, EventKind::Clock, host, &by_ms.to_le_bytes());
    }

    fn settle(&self, id: OperationId, at_ns: u64, outcome: impl FnOnce(&mut History)) {
        let mut records = self.lock();
        let Some(client) = records.open.remove(&id) else { return };
        outcome(&mut records.history);
        let text = format!("{id} {:?}", records.history.operation(id).outcome);
        records.trace_client(at_ns, EventKind::Outcome, client, &text);
    }

    fn lock(&self) -> MutexGuard<'_, Records> {
        // A panic of a host ends the run; what it recorded before is still whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Records {
    fn trace_client(&mut self, at_ns: u64, kind: EventKind, client: ClientIndex, content: &str) {
        let name = self.history.client_name(client).to_owned();
        self.trace.record(at_ns, kind, &name, content.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::ClientRecord;
    use crate::history::Outcome;

    const ALICE: ClientIndex = ClientIndex(0);
    const BOB: ClientIndex = ClientIndex(1);

    fn recorder() -> Recorder {
        let client = |name: &str| ClientRecord {
            name: name.to_owned(),
            session_expiry_s: 60,
            ..ClientRecord::default()
        };
        Recorder::new(History::new(["alice", "bob"].map(client).to_vec()), Trace::new("", 0))
    }

    fn get() -> Call {
        Call::Get { key: b"k".to_vec() }
    }

    #[test]
    fn what_a_crashed_client_waited_for_is_unknown() {
        let recorder = recorder();
        let answered = recorder.invoke(ALICE, get(), 1);
        recorder.complete(answered, Reply::Missing, 2);
        let (open, others) = (recorder.invoke(ALICE, get(), 3), recorder.invoke(BOB, get(), 4));
        assert_eq!(recorder.settled(), 1);
        recorder.client_crashed(ALICE, 5);
        assert_eq!(recorder.settled(), 2);
        let history = recorder.records().history;
        assert!(history.operation(answered).reply().is_some());
        let unknown = Outcome::Unknown { reason: UnknownReason::ConnectionLost, at_ns: 5 };
        assert_eq!(history.operation(open).outcome, unknown);
        let unfinished = Outcome::Unknown { reason: UnknownReason::Unfinished, at_ns: 4 };
        assert_eq!(history.operation(others).outcome, unfinished);
    }

    #[test]
    fn the_first_outcome_stands() {
        let recorder = recorder();
        let id = recorder.invoke(ALICE, get(), 1);
        recorder.unknown(id, UnknownReason::TimedOut, 2);
        let before = recorder.records();
        recorder.complete(id, Reply::Missing, 3);
        recorder.fail(id, "late".to_owned(), 4);
        let after = recorder.records();
        assert_eq!(after.history, before.history);
        assert_eq!(after.trace.hash(), before.trace.hash());
    }

    #[test]
    fn a_connect_knows_when_it_was_tried() {
        let recorder = recorder();
        recorder.attempt(ALICE, 10);
        recorder.attempt(BOB, 15);
        recorder.attempt(ALICE, 20);
        recorder.connected(ALICE, true, 25);
        let change = SessionChange::Connected { attempted_ns: 20, session_present: true };
        let event = SessionEvent { client: ALICE, at_ns: 25, change };
        assert_eq!(recorder.records().history.sessions.last(), Some(&event));
    }

    #[test]
    fn key_counts_are_kept_where_they_change_and_at_each_start() {
        let recorder = recorder();
        recorder.broker_started(0, 0, 0);
        for (at_ns, keys) in [(1, 0), (2, 3), (3, 3), (4, 0)] {
            recorder.sample(keys, 0, 0, at_ns);
        }
        recorder.broker_started(0, 0, 5);
        let counts: Vec<_> =
            recorder.records().history.key_counts.iter().map(|count| (count.at_ns, count.keys)).collect();
        assert_eq!(counts, [(0, 0), (2, 3), (4, 0), (5, 0)]);
    }

    #[test]
    fn a_look_at_a_clock_sees_every_step_since_the_look_before() {
        let recorder = recorder();
        let whose = ClockOf::Broker;
        recorder.clock_stepped(whose, "broker", 5, 1);
        recorder.wall_clock_ms(whose, 2);
        recorder.clock_stepped(whose, "broker", 6, 3);
        recorder.clock_stepped(whose, "broker", -7, 4);
        recorder.wall_clock_ms(whose, 5);
        recorder.wall_clock_ms(whose, 6);
        let history = recorder.records().history;
        let read: Vec<_> = history.clocks.broker.steps.iter().map(|step| step.first_read_ns).collect();
        assert_eq!(read, [Some(2), Some(5), Some(5)]);
    }

    #[test]
    fn whatever_is_recorded_changes_the_hash() {
        let deeds: [fn(&Recorder); 13] = [
            |recorder| {
                recorder.invoke(ALICE, get(), 1);
            },
            |recorder| recorder.sent_again(recorder.invoke(ALICE, get(), 1), 2),
            |recorder| recorder.reached(ALICE, 1),
            |recorder| recorder.trace(1, EventKind::Read, "alice", b"x"),
            |recorder| recorder.trace(1, EventKind::Write, "alice", b"x"),
            |recorder| recorder.client_started(ALICE, 1),
            |recorder| recorder.attempt(ALICE, 1),
            |recorder| recorder.connected(ALICE, true, 1),
            |recorder| recorder.connected(ALICE, false, 1),
            |recorder| recorder.connection_lost(ALICE, "reset".to_owned(), 1),
            |recorder| recorder.broker(BrokerChange::Stopped, 1),
            |recorder| recorder.clock_stepped(ClockOf::Broker, "broker", 1, 1),
            |recorder| recorder.clock_stepped(ClockOf::Broker, "broker", -1, 1),
        ];
        let mut hashes = vec![recorder().records().trace.hash().to_string()];
        for deed in deeds {
            let recorder = recorder();
            deed(&recorder);
            hashes.push(recorder.records().trace.hash().to_string());
        }
        hashes.sort();
        hashes.dedup();
        assert_eq!(hashes.len(), deeds.len() + 1);
    }
}
