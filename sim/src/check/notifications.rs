//! A watcher is told of every change of its key while it is registered: in order, once, and of its own before its write's
//! response.
//!
//! A registration belongs to a connection, on which the broker's packets arrive in the order in which it sent them. On one
//! connection therefore:
//! - notifications come in the order of the changes' versions, which is the order of the store's outputs, and each once;
//! - none comes before KEYNOTIFY was sent, and none after the response to STOP;
//! - the notification of an own write comes before the write's response;
//! - what the client was told last is what a GET shows it then, so that after registering anew and asking for the value it
//!   knows the final one;
//! - no change is missing that lies between two that arrived, or that somebody knew of before the client sent a request that
//!   was answered there.
//!
//! A connection is made with one life of the broker, and what another life did is no concern of it: versions of two lives have
//! no order. What came with DUP belongs to the connection before; it is left out, but for what it says. Every notification tells of a
//! change that somebody can have made, with its version. Two passes over the packets of each connection, and one over a
//! key's changes for each time in which it was registered.

mod changes;
mod channel;

use std::collections::{BTreeMap, BTreeSet};

use super::report::{Anomaly, CheckReport, CounterExample};
use super::timeline::Timeline;
use super::{Checker, CheckerName, words};
use crate::history::mqtt::EventId;
use crate::history::watch::{Answered, Notified, Watch, WatchAnswer};
use crate::history::{Call, History, Operation, OperationId, Reply, Version};
use changes::{Change, Changes};
use channel::{Channel, Item, channels};

/// See the module.
#[derive(Debug)]
pub(super) struct Notifications;

impl Checker for Notifications {
    fn check(&self, history: &History) -> CheckReport {
        let timeline = Timeline::new(history);
        let changes = Changes::new(&timeline);
        let channels = channels(&timeline);
        let mut found =
            Found { history, examples: Vec::new(), notifications: 0, registrations: 0, changes: 0 };
        for channel in &channels {
            Walk::new(&changes, channel, &mut found).run();
        }
        found.report()
    }
}

/// What was found on all connections.
struct Found<'h> {
    history: &'h History,
    examples: Vec<CounterExample>,
    notifications: usize,
    registrations: usize,
    /// Changes that certainly had to be told of, by registration.
    changes: usize,
}

/// Whether a key is registered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    No,
    /// Nobody can say.
    Perhaps,
    Yes,
}

/// A key on one connection.
struct Key<'h> {
    state: State,
    /// STOPs without a response.
    stopping: usize,
    /// While it is certainly registered.
    period: Option<Period<'h>>,
    /// What the client knows the key to be: its version, and its value if it has one.
    known: Option<(Option<&'h Version>, Option<&'h [u8]>)>,
}

/// A time in which a key is certainly registered.
struct Period<'h> {
    /// From the response to KEYNOTIFY.
    from_ns: u64,
    /// What arrived before that is below this.
    from: EventId,
    /// Every change above this came after the registration.
    floor: Option<&'h Version>,
}

struct Walk<'w, 'h> {
    changes: &'w Changes<'w, 'h>,
    channel: &'w Channel<'h>,
    found: &'w mut Found<'h>,
    keys: BTreeMap<&'h str, Key<'h>>,
    /// What was told without DUP, of any key.
    told: BTreeMap<&'h Version, EventId>,
    /// What was perhaps told.
    perhaps: BTreeSet<&'h Version>,
    last: Option<(&'h Version, EventId)>,
    /// When the latest request was sent that was answered here.
    answered_ns: u64,
}

impl<'w, 'h> Walk<'w, 'h> {
    fn new(changes: &'w Changes<'w, 'h>, channel: &'w Channel<'h>, found: &'w mut Found<'h>) -> Self {
        let keys = BTreeMap::new();
        let perhaps = channel.items.iter().filter_map(|(_, item)| match item {
            Item::Perhaps(notified) => Some(&notified.version),
            _ => None,
        });
        let perhaps = perhaps.collect();
        Self { changes, channel, found, keys, told: BTreeMap::new(), perhaps, last: None, answered_ns: 0 }
    }

    fn run(mut self) {
        for &(id, item) in &self.channel.items {
            match item {
                Item::Asked(watch) => self.asked(&watch.key, watch.stop),
                Item::Settled { watch, asked_ns, answer } => {
                    self.answered_ns = self.answered_ns.max(asked_ns);
                    self.settled(id, watch, answer);
                }
                Item::Notified(notified) => self.notified(id, notified),
                Item::Perhaps(notified) => self.perhaps(notified),
                Item::Answered(answered) => self.answered(id, answered),
            }
        }
        for key in self.keys.keys().copied().collect::<Vec<_>>() {
            self.end_period(key);
        }
    }

    fn key(&mut self, key: &'h str) -> &mut Key<'h> {
        let is_uncertain = self.channel.uncertain.contains(key) || self.channel.forgotten.contains(key);
        let state = if is_uncertain { State::Perhaps } else { State::No };
        self.keys.entry(key).or_insert(Key { state, stopping: 0, period: None, known: None })
    }

    /// A notification arrived, or did not: its client knows the key no more.
    fn perhaps(&mut self, notified: &'h Notified) {
        self.key(&notified.key).known = None;
    }

    fn asked(&mut self, key: &'h str, stop: bool) {
        if stop {
            self.end_period(key);
        }
        let key = self.key(key);
        key.stopping += usize::from(stop);
        match (key.state, stop) {
            (State::No, false) => key.state = State::Perhaps,
            // Until the response it may be registered still.
            (State::Yes, true) => key.known = None,
            _ => {}
        }
    }

    fn settled(&mut self, id: EventId, watch: &'h Watch, answer: WatchAnswer) {
        let (name, at_ns) = (watch.key.as_str(), answer.at_ns);
        // One that was left out may have come in between.
        if self.channel.forgotten.contains(name) {
            return;
        }
        let key = self.key(name);
        let before = key.state;
        if !watch.stop {
            // One that was sent after it has taken effect already.
            if key.stopping > 0 {
                return;
            }
            if key.period.is_none() {
                key.period = Some(Period { from_ns: at_ns, from: answer.position, floor: None });
                key.known = None;
            }
            key.state = State::Yes;
            self.found.registrations += 1;
            return;
        }
        key.state = State::No;
        key.stopping -= 1;
        if before == State::Yes && !answer.was_registered {
            let headline = format!(
                "{} was told that it was not registered for {name}, although it was and had not stopped",
                self.client()
            );
            self.find(Anomaly::LostRegistration, headline, Vec::new(), &[], &[id], at_ns);
        }
    }

    fn notified(&mut self, id: EventId, notified: &'h Notified) {
        let at_ns = self.found.history.mqtt_event(id).at_ns;
        let told = told(notified);
        if let Some((why, writer)) = self.changes.contradiction(notified, self.channel.epochs, at_ns) {
            let headline = format!("{} was told that {told}, but {why}", self.client());
            let explanation =
                writer.map(|writer| words::line(self.found.history, writer)).into_iter().collect();
            let operations: Vec<OperationId> = writer.map(|writer| writer.id).into_iter().collect();
            self.find(Anomaly::PhantomNotification, headline, explanation, &operations, &[id], at_ns);
        }
        if notified.dup {
            if !self.channel.connect.answer.is_some_and(|answer| answer.session_present) {
                let headline =
                    format!("{} was told with DUP that {told}, on a session that began anew", self.client());
                self.find(Anomaly::WrongDup, headline, Vec::new(), &[], &[id], at_ns);
            }
            return;
        }
        self.found.notifications += 1;
        self.order(id, notified, at_ns);
        self.told.entry(&notified.version).or_insert(id);
        if self.last.is_none_or(|(last, _)| *last < notified.version) {
            self.last = Some((&notified.version, id));
        }
        let key = self.key(&notified.key);
        if key.state == State::No {
            let headline = format!(
                "{} was told that {told}, although it was not registered for the key on this connection",
                self.client()
            );
            self.find(Anomaly::UnwantedNotification, headline, Vec::new(), &[], &[id], at_ns);
            return;
        }
        key.known = Some((Some(&notified.version), notified.value.as_deref()));
        if let Some(period) = &mut key.period {
            period.floor.get_or_insert(&notified.version);
        }
    }

    /// Versions grow, and each comes once.
    fn order(&mut self, id: EventId, notified: &'h Notified, at_ns: u64) {
        let Some((last, last_id)) = self.last else { return };
        if let Some(&first) = self.told.get(&notified.version) {
            let headline =
                format!("{} was told twice on one connection that {}", self.client(), told(notified));
            self.find(Anomaly::RepeatedNotification, headline, Vec::new(), &[], &[first, id], at_ns);
        } else if notified.version < *last {
            let headline = format!(
                "{} was told that {} after it had been told of version {last}",
                self.client(),
                told(notified)
            );
            let explanation = vec![
                "On one connection changes are told in the order in which the store made them.".to_owned(),
            ];
            self.find(Anomaly::NotificationOutOfOrder, headline, explanation, &[], &[last_id, id], at_ns);
        }
    }

    /// The response to an operation arrived.
    fn answered(&mut self, id: EventId, answered: &'h Answered) {
        // What was asked earlier may have been executed and answered on an earlier connection.
        if answered.asked_on != self.channel.id || answered.sent_again {
            return;
        }
        let history = self.found.history;
        let operation = history.operation(answered.operation);
        self.answered_ns = self.answered_ns.max(operation.invoked_ns);
        let Some((reply, at_ns)) = operation.reply() else { return };
        let Ok(name) = std::str::from_utf8(operation.call.key()) else { return };
        let Some(key) = self.keys.get_mut(name) else { return };
        let Some(period) = &mut key.period else { return };
        if operation.invoked_ns < period.from_ns || answered.asked_at < period.from {
            return;
        }
        match (&operation.call, reply) {
            (Call::Get { .. }, Reply::Value { value, version }) => {
                let shown = (Some(version), Some(value.as_slice()));
                if period.floor.is_none_or(|floor| version < floor) {
                    period.floor = Some(version);
                }
                let known = key.known.replace(shown);
                self.compare(id, operation, known, shown, at_ns);
            }
            (Call::Get { .. }, Reply::Missing) => {
                let version = key.known.and_then(|(version, _)| version);
                let known = key.known.replace((version, None));
                self.compare(id, operation, known, (None, None), at_ns);
            }
            (_, Reply::Stored { version } | Reply::Deleted { version })
                if !self.told.contains_key(version) && !self.perhaps.contains(version) =>
            {
                self.untold_own_write(id, operation, version, at_ns);
            }
            _ => {}
        }
    }

    /// What a GET showed must be what the client knew.
    fn compare(
        &mut self,
        id: EventId,
        operation: &'h Operation,
        known: Option<(Option<&'h Version>, Option<&'h [u8]>)>,
        shown: (Option<&'h Version>, Option<&'h [u8]>),
        at_ns: u64,
    ) {
        let Some((known_version, known_value)) = known else { return };
        let is_same = match (known_value, shown) {
            (Some(known), (version, Some(shown))) => known == shown && known_version == version,
            (None, (_, None)) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        let is_older = matches!((known_version, shown.0), (Some(known), Some(shown)) if shown < known);
        let anomaly = if is_older { Anomaly::StaleRead } else { Anomaly::MissedNotification };
        let in_words = |(version, value): (Option<&Version>, Option<&[u8]>)| match (version, value) {
            (Some(version), Some(value)) => format!("{}, version {version}", words::quoted(value)),
            (Some(version), None) => format!("no value since version {version}"),
            (None, _) => "no value".to_owned(),
        };
        let history = self.found.history;
        let headline = format!(
            "{} showed {}, while the last that its client was told of the key was {}",
            words::operation(history, operation),
            in_words(shown),
            in_words((known_version, known_value)),
        );
        let explanation = vec![
            words::line(history, operation),
            "The client was registered for the key before it asked, and what the broker sent arrived in order.".to_owned(),
        ];
        self.find(anomaly, headline, explanation, &[operation.id], &[id], at_ns);
    }

    fn untold_own_write(&mut self, id: EventId, operation: &'h Operation, version: &'h Version, at_ns: u64) {
        let later = self.channel.items.iter().find_map(|(later, item)| match item {
            Item::Notified(notified) if notified.version == *version => Some(*later),
            _ => None,
        });
        let history = self.found.history;
        let what = words::operation(history, operation);
        let (anomaly, headline) = match later {
            Some(_) => (
                Anomaly::LateNotification,
                format!(
                    "{what} was answered before its client was notified of that change, version {version}"
                ),
            ),
            None => (
                Anomaly::MissedNotification,
                format!("{what} was answered and its client not notified of that change, version {version}"),
            ),
        };
        let explanation = vec![
            words::line(history, operation),
            "Its client was registered for the key before it sent the request.".to_owned(),
        ];
        let events: Vec<EventId> = [id].into_iter().chain(later).collect();
        self.find(anomaly, headline, explanation, &[operation.id], &events, at_ns);
    }

    /// No change is missing between what certainly came after the registration and what certainly came before its end.
    fn end_period(&mut self, name: &'h str) {
        let (last, answered_ns) = (self.last.map(|(last, _)| last), self.answered_ns);
        let Some(key) = self.keys.get_mut(name) else { return };
        let Some(period) = key.period.take() else { return };
        let had_to_be_told = |change: &Change<'h>| {
            let came_after =
                period.floor.is_some_and(|floor| change.version > floor) || change.begun_ns > period.from_ns;
            let came_before = last.is_some_and(|last| change.version < last) || change.known_ns < answered_ns;
            came_after && came_before
        };
        let changes = self.changes.of(name.as_bytes(), self.channel.epochs);
        let due: Vec<Change<'h>> = changes.iter().copied().filter(had_to_be_told).collect();
        self.found.changes += due.len();
        let is_untold = |change: &Change<'h>| {
            !self.told.contains_key(change.version) && !self.perhaps.contains(change.version)
        };
        let missed = due.into_iter().find(is_untold);
        if let Some(change) = missed {
            self.missed(name, &change, period.from_ns);
        }
    }

    fn missed(&mut self, key: &str, change: &Change<'h>, from_ns: u64) {
        let history = self.found.history;
        let what = match change.value {
            Some(value) => format!("{key} was set to {}", words::quoted(value)),
            None => format!("{key} was deleted"),
        };
        let client = self.client();
        let headline = format!("{client} was not told that {what}, version {}", change.version);
        let mut explanation = vec![format!(
            "{client} was registered for the key since {}, and got packets on the same connection that the broker sent \
             after the change.",
            words::seconds(from_ns)
        )];
        explanation.extend(change.operation.map(|operation| words::line(history, operation)));
        let operations: Vec<OperationId> =
            change.operation.map(|operation| operation.id).into_iter().collect();
        let events: Vec<EventId> = [self.channel.id].into_iter().chain(change.notified).collect();
        self.find(Anomaly::MissedNotification, headline, explanation, &operations, &events, change.known_ns);
    }

    fn client(&self) -> &'h str {
        self.found.history.client_name(self.channel.client)
    }

    fn find(
        &mut self,
        anomaly: Anomaly,
        headline: String,
        explanation: Vec<String>,
        operations: &[OperationId],
        events: &[EventId],
        at_ns: u64,
    ) {
        let history = self.found.history;
        let events = events.iter().map(|event| history.shown_as(*event));
        let operations = operations.iter().copied().chain(events).collect();
        self.found.examples.push(CounterExample { anomaly, headline, explanation, operations, at_ns });
    }
}

/// `k was set to 'a', version …`.
fn told(notified: &Notified) -> String {
    let Notified { key, version, .. } = notified;
    match &notified.value {
        Some(value) => format!("{key} was set to {}, version {version}", words::quoted(value)),
        None => format!("{key} was deleted, version {version}"),
    }
}

impl Found<'_> {
    fn report(self) -> CheckReport {
        let judged = format!(
            "{} notifications, {} registrations, which had to be told of {} changes",
            self.notifications, self.registrations, self.changes
        );
        let nothing = (self.changes == 0).then_some("nobody was registered while a key changed");
        CheckReport::of_findings(CheckerName::Notifications, self.examples, judged, nothing)
    }
}
