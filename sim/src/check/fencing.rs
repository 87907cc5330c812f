//! A lock has one holder at a time, and its fencing token keeps everybody else from what it protects.
//!
//! On a key that is written with fencing tokens, in the order of the versions that the store gave: no write or deletion is
//! accepted under a lower token than the one that was accepted last, none without a token after one with, and none of a
//! holder after a write of a later holder. Deleting the key takes its token away, so the order begins anew there. A request
//! is refused for its token only where somebody asked with a higher one before.
//!
//! The clients' own view of their locks is judged as well: a lease is over at its holder no later than at the store, so no
//! two clients hold one lock at the same time, and each holder's token is above those of the holders before.
//!
//! Speaks only where the truth is certain: not across a restart, which empties the store, nor where a deletion whose outcome
//! nobody knows, or the end of a value's life, may have taken the token away between the two. One pass over each key's
//! operations and each lock's holders, and one over a key's operations for each that is suspect.

use std::collections::BTreeMap;

use super::report::{Anomaly, CheckReport, CounterExample};
use super::timeline::{Epochs, Timeline};
use super::words;
use super::{Checker, CheckerName};
use crate::history::lock::Hold;
use crate::history::mqtt::{EventId, MqttEvent, What};
use crate::history::{Call, ClientIndex, History, Operation, Outcome, Reply, Version};

/// What the store says to a token that is too low, and to a request without one.
const LOWER: &str =
    "the request fencing token is a lower version than the fencing token protecting the resource";
const REQUIRED: &str = "a fencing token is required for this request";

/// See the module.
#[derive(Debug)]
pub(super) struct Fencing;

impl Checker for Fencing {
    fn check(&self, history: &History) -> CheckReport {
        let timeline = Timeline::new(history);
        let mut search = Search::new(&timeline);
        search.locks();
        for (key, operations) in timeline.keys() {
            if operations.iter().any(|operation| operation.fencing_token.is_some()) {
                search.keys += 1;
                search.key(key, &operations);
                search.refusals(&operations);
            }
        }
        search.report()
    }
}

/// A lock as its client saw it.
#[derive(Clone, Copy)]
struct Held<'h> {
    id: EventId,
    event: &'h MqttEvent,
    hold: &'h Hold,
    /// The life of the broker that granted it, if that is certain.
    epoch: Option<u32>,
    /// Its place in the lock's order.
    place: usize,
}

/// A write or deletion that the store accepted.
#[derive(Clone, Copy)]
struct Accepted<'h> {
    epoch: u32,
    version: &'h Version,
    operation: &'h Operation,
}

struct Search<'t, 'h> {
    timeline: &'t Timeline<'h>,
    /// By the lock's key, in the order in which the clients were told.
    holds: BTreeMap<&'h str, Vec<Held<'h>>>,
    /// The locks of each client with each token, in the same order.
    tokens: BTreeMap<(ClientIndex, &'h Version), Vec<Held<'h>>>,
    keys: usize,
    accepted: usize,
    refused: usize,
    found: Vec<CounterExample>,
}

impl<'t, 'h> Search<'t, 'h> {
    fn new(timeline: &'t Timeline<'h>) -> Self {
        let mut holds: BTreeMap<&str, Vec<Held<'h>>> = BTreeMap::new();
        for (index, event) in timeline.history.mqtt.iter().enumerate() {
            if let What::Hold(hold) = &event.what {
                let epoch = timeline.between(hold.asked_ns, event.at_ns).certain();
                let held = Held { id: EventId(index), event, hold, epoch, place: 0 };
                holds.entry(&hold.key).or_default().push(held);
            }
        }
        let mut tokens: BTreeMap<_, Vec<Held<'h>>> = BTreeMap::new();
        for holds in holds.values_mut() {
            holds.sort_by_key(|held| (held.event.at_ns, held.id));
            for (place, held) in holds.iter_mut().enumerate() {
                held.place = place;
                tokens.entry((held.event.client, &held.hold.token)).or_default().push(*held);
            }
        }
        Self { timeline, holds, tokens, keys: 0, accepted: 0, refused: 0, found: Vec::new() }
    }

    /// One holder at a time in a life of the broker, each with a token above those before.
    fn locks(&mut self) {
        let mut found = Vec::new();
        for holds in self.holds.values() {
            let mut before: BTreeMap<u32, (Held<'h>, Held<'h>)> = BTreeMap::new();
            for &held in holds {
                let Some(epoch) = held.epoch else { continue };
                let Some((longest, highest)) = before.get_mut(&epoch) else {
                    before.insert(epoch, (held, held));
                    continue;
                };
                if held.event.at_ns + self.timeline.history.world.tick_ns < longest.hold.end_ns() {
                    found.push(self.two_holders(*longest, held));
                }
                if highest.hold.end_ns() <= held.event.at_ns && held.hold.token <= highest.hold.token {
                    found.push(self.lower_grant(*highest, held));
                }
                if longest.hold.end_ns() <= held.hold.end_ns() {
                    *longest = held;
                }
                if highest.hold.token < held.hold.token {
                    *highest = held;
                }
            }
        }
        self.found.extend(found);
    }

    /// The writes and deletions that the store accepted on a key, in the order in which it did.
    fn key(&mut self, key: &[u8], operations: &[&'h Operation]) {
        let mut accepted: Vec<(u32, &'h Version, &'h Operation)> = Vec::new();
        for &operation in operations {
            let Some((Reply::Stored { version } | Reply::Deleted { version }, _)) = operation.reply() else {
                continue;
            };
            if let Some(epoch) = self.timeline.epochs(operation).certain() {
                accepted.push((epoch, version, operation));
            }
        }
        accepted.sort_by_key(|(epoch, version, operation)| (*epoch, *version, operation.id));
        let mut guard: Option<Accepted<'h>> = None;
        for (epoch, version, operation) in accepted {
            self.accepted += usize::from(operation.fencing_token.is_some());
            let now = Accepted { epoch, version, operation };
            if let Some(before) = guard
                && before.epoch == epoch
                && let Some(anomaly) = self.breaks(before.operation, operation)
                && !self.may_have_been_removed(operations, before, now)
            {
                self.found.push(self.accepted_too_late(key, anomaly, before.operation, operation));
            }
            match operation.call {
                Call::Del { .. } | Call::Vdel { .. } => guard = None,
                _ if operation.fencing_token.is_some() => guard = Some(now),
                _ => {}
            }
        }
    }

    /// What was wrong with accepting `operation` after `before`, which had a fencing token.
    fn breaks(&self, before: &Operation, operation: &Operation) -> Option<Anomaly> {
        let held = before.fencing_token.as_ref()?;
        let Some(token) = &operation.fencing_token else { return Some(Anomaly::UnfencedWriteAccepted) };
        if token < held {
            return Some(Anomaly::LowerTokenAccepted);
        }
        // Also where the tokens are in the wrong order themselves. Those of two lives of the broker have none.
        let (earlier, later) = (self.holder(operation)?, self.holder(before)?);
        let is_same =
            earlier.hold.key == later.hold.key && earlier.epoch.is_some() && earlier.epoch == later.epoch;
        (is_same && earlier.place < later.place).then_some(Anomaly::WriteAfterTakeover)
    }

    /// Whether something may have taken away the token that `before` left, so that `operation` found the key without: a
    /// deletion that no reply tells of, or the end of a value's life.
    fn may_have_been_removed(
        &self,
        operations: &[&'h Operation],
        before: Accepted<'h>,
        now: Accepted<'h>,
    ) -> bool {
        let Some((_, by_ns)) = now.operation.reply() else { return true };
        let since_ns = before.operation.last_sent_ns();
        let is_between = |version: &Version| before.version < version && version < now.version;
        let has_removed = |other: &&Operation| {
            let removes_ns = match &other.call {
                Call::Del { .. } | Call::Vdel { .. } => other.invoked_ns,
                // One that `before` replaced ends no more.
                Call::Set { px_ms: Some(px_ms), .. } => {
                    other.invoked_ns.max(since_ns).saturating_add(px_ms.saturating_mul(1_000_000))
                }
                Call::Set { .. } | Call::Get { .. } | Call::KeyNotify { .. } => return false,
            };
            // One that the store would have refused is no excuse.
            let may_be_between = || {
                other.fencing_token >= before.operation.fencing_token
                    && other.until_ns() >= since_ns
                    && self.timeline.may_have_version(other, Epochs::one(before.epoch), is_between)
            };
            removes_ns <= by_ns && (other.id == before.operation.id || may_be_between())
        };
        operations.iter().any(has_removed)
    }

    /// Nothing is refused for its token unless a higher one can have been there.
    fn refusals(&mut self, operations: &[&'h Operation]) {
        for operation in operations {
            let Outcome::Failed { error, completed_ns } = &operation.outcome else { continue };
            let (is_lower, is_required) = (error.contains(LOWER), error.contains(REQUIRED));
            if !is_lower && !is_required {
                continue;
            }
            self.refused += 1;
            let epochs = self.timeline.epochs(operation);
            let is_cause = |other: &&Operation| {
                other.invoked_ns <= *completed_ns
                    && self.timeline.epochs(other).latest >= epochs.earliest
                    && match (&other.fencing_token, &operation.fencing_token) {
                        (Some(other), Some(token)) => is_lower && other > token,
                        (Some(_), None) => is_required,
                        (None, _) => false,
                    }
            };
            if !operations.iter().copied().any(|other| is_cause(&other)) {
                self.found.push(self.refused_without_cause(operation, *completed_ns));
            }
        }
    }

    fn two_holders(&self, before: Held<'h>, held: Held<'h>) -> CounterExample {
        let name = |held: Held<'h>| self.timeline.history.client_name(held.event.client);
        let (first, second, key) = (name(before), name(held), &held.hold.key);
        let at = words::seconds(held.event.at_ns);
        let until = match before.hold.end {
            Some((at_ns, _)) => format!("until {}", words::seconds(at_ns)),
            None => "until the run ended".to_owned(),
        };
        self.example(
            Anomaly::TwoHolders,
            format!("{second} was given {key} at {at}, while {first} held it"),
            vec![
                format!(
                    "{first} held it from {} {until}, under token {}.",
                    words::seconds(before.event.at_ns),
                    before.hold.token
                ),
                format!("{second} was given it at {at}, under token {}.", held.hold.token),
                "A holder counts its lease from before its request and so knows of its end no later than the store."
                    .to_owned(),
            ],
            (&[], &[before.id, held.id]),
            held.event.at_ns,
        )
    }

    fn lower_grant(&self, before: Held<'h>, held: Held<'h>) -> CounterExample {
        let name = |held: Held<'h>| self.timeline.history.client_name(held.event.client);
        let headline = format!(
            "{} was given {} under token {}, which is not above {}'s token {} before",
            name(held),
            held.hold.key,
            held.hold.token,
            name(before),
            before.hold.token
        );
        let explanation =
            vec!["The writes of the later holder would be refused, or the earlier's accepted.".to_owned()];
        let events = (&[][..], &[before.id, held.id][..]);
        self.example(Anomaly::TokenRegression, headline, explanation, events, held.event.at_ns)
    }

    fn accepted_too_late(
        &self,
        key: &[u8],
        anomaly: Anomaly,
        before: &Operation,
        operation: &Operation,
    ) -> CounterExample {
        let history = self.timeline.history;
        let headline = format!(
            "{} {} was accepted after {} {} on the same key",
            words::operation(history, operation),
            under(operation),
            words::operation(history, before),
            under(before),
        );
        let mut explanation = vec![
            format!("{}, {}", words::line(history, before), under(before)),
            format!("{}, {}", words::line(history, operation), under(operation)),
            format!(
                "The versions say which came first, and nothing that was asked between the two can have taken the \
                 token of {} away.",
                key.escape_ascii()
            ),
        ];
        let holders: Vec<Held<'h>> =
            [operation, before].into_iter().filter_map(|operation| self.holder(operation)).collect();
        for held in &holders {
            explanation.push(format!(
                "{} held {} under token {} from {} to {}.",
                history.client_name(held.event.client),
                held.hold.key,
                held.hold.token,
                words::seconds(held.event.at_ns),
                words::seconds(held.hold.end_ns()),
            ));
        }
        let events: Vec<EventId> = holders.iter().map(|held| held.id).collect();
        let at_ns = operation.reply().map_or(operation.invoked_ns, |(_, at_ns)| at_ns);
        self.example(anomaly, headline, explanation, (&[before, operation], &events), at_ns)
    }

    fn refused_without_cause(&self, operation: &Operation, at_ns: u64) -> CounterExample {
        let history = self.timeline.history;
        let headline = format!(
            "{} {} was refused for its fencing token, and nobody had asked with a higher one",
            words::operation(history, operation),
            under(operation)
        );
        let explanation = vec![words::line(history, operation)];
        self.example(Anomaly::RefusedWithoutCause, headline, explanation, (&[operation], &[]), at_ns)
    }

    /// The lock whose token an operation of its holder carries.
    fn holder(&self, operation: &Operation) -> Option<Held<'h>> {
        let holds = self.tokens.get(&(operation.client, operation.fencing_token.as_ref()?))?;
        holds.iter().rfind(|held| held.event.at_ns <= operation.invoked_ns).copied()
    }

    fn example(
        &self,
        anomaly: Anomaly,
        headline: String,
        explanation: Vec<String>,
        (operations, events): (&[&Operation], &[EventId]),
        at_ns: u64,
    ) -> CounterExample {
        let events = events.iter().map(|event| self.timeline.history.shown_as(*event));
        let operations = operations.iter().map(|operation| operation.id).chain(events).collect();
        CounterExample { anomaly, headline, explanation, operations, at_ns }
    }

    fn report(self) -> CheckReport {
        let held: usize = self.holds.values().map(Vec::len).sum();
        let judged = format!(
            "{} writes and deletions under fencing tokens on {} keys, {} refused for their token, {held} locks held",
            self.accepted, self.keys, self.refused
        );
        let nothing = (self.accepted == 0).then_some("nothing was written under a fencing token");
        CheckReport::of_findings(CheckerName::Fencing, self.found, judged, nothing)
    }
}

/// `under token …`, or `without a token`.
fn under(operation: &Operation) -> String {
    operation
        .fencing_token
        .as_ref()
        .map_or_else(|| "without a token".to_owned(), |token| format!("under token {token}"))
}
