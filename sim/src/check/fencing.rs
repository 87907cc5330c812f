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
//! nobody knows, or an expiry, may have taken the token away. One pass over each key's operations and each lock's holders.

use std::collections::BTreeMap;

use super::report::{Anomaly, CheckReport, CounterExample};
use super::timeline::Timeline;
use super::words;
use super::{Checker, CheckerName};
use crate::history::lock::Hold;
use crate::history::mqtt::{EventId, MqttEvent, What};
use crate::history::{Call, History, Operation, Outcome, Reply, Version};

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
}

struct Search<'t, 'h> {
    timeline: &'t Timeline<'h>,
    /// By the lock's key, in the order in which the clients were told.
    holds: BTreeMap<&'h str, Vec<Held<'h>>>,
    /// The place in its lock's order, by token.
    places: BTreeMap<&'h Version, (&'h str, usize)>,
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
                holds.entry(&hold.key).or_default().push(Held { id: EventId(index), event, hold });
            }
        }
        let mut places = BTreeMap::new();
        for (key, holds) in &mut holds {
            holds.sort_by_key(|held| (held.event.at_ns, held.id));
            for (place, held) in holds.iter().enumerate() {
                places.insert(&held.hold.token, (*key, place));
            }
        }
        Self { timeline, holds, places, keys: 0, accepted: 0, refused: 0, found: Vec::new() }
    }

    /// One holder at a time, each with a token above those before.
    fn locks(&mut self) {
        let mut found = Vec::new();
        for holds in self.holds.values() {
            let mut longest: Option<Held<'h>> = None;
            let mut highest: Option<Held<'h>> = None;
            for &held in holds {
                if let Some(before) = longest
                    && held.event.at_ns + self.timeline.history.world.tick_ns < before.hold.end_ns()
                    && !self.restarted_between(before.hold.asked_ns, held.event.at_ns)
                {
                    found.push(self.two_holders(before, held));
                }
                if let Some(before) = highest
                    && before.hold.end_ns() <= held.event.at_ns
                    && held.hold.token <= before.hold.token
                    && !self.restarted_between(before.hold.asked_ns, held.event.at_ns)
                {
                    found.push(self.lower_grant(before, held));
                }
                if longest.is_none_or(|before| before.hold.end_ns() <= held.hold.end_ns()) {
                    longest = Some(held);
                }
                if highest.is_none_or(|before| before.hold.token < held.hold.token) {
                    highest = Some(held);
                }
            }
        }
        self.found.extend(found);
    }

    fn restarted_between(&self, from_ns: u64, until_ns: u64) -> bool {
        let mut restarts = self.timeline.restarts.iter();
        restarts.any(|restart| restart.stopped_ns <= until_ns && restart.started_ns >= from_ns)
    }

    /// The writes and deletions that the store accepted on a key, in the order in which it did.
    fn key(&mut self, key: &[u8], operations: &[&'h Operation]) {
        let mut accepted: Vec<(u32, &Version, &Operation)> = Vec::new();
        for &operation in operations {
            let Some((Reply::Stored { version } | Reply::Deleted { version }, _)) = operation.reply() else {
                continue;
            };
            if let Some(epoch) = self.timeline.epochs(operation).certain() {
                accepted.push((epoch, version, operation));
            }
        }
        accepted.sort_by_key(|(epoch, version, operation)| (*epoch, *version, operation.id));
        let mut guard: Option<(u32, &Operation)> = None;
        for (epoch, _, operation) in accepted {
            self.accepted += usize::from(operation.fencing_token.is_some());
            if let Some((guarded, before)) = guard
                && guarded == epoch
                && let Some(anomaly) = self.breaks(before, operation)
                && !may_have_been_removed(operations, before, operation)
            {
                self.found.push(self.accepted_too_late(key, anomaly, before, operation));
            }
            match operation.call {
                Call::Del { .. } | Call::Vdel { .. } => guard = None,
                _ if operation.fencing_token.is_some() => guard = Some((epoch, operation)),
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
        // Also where the tokens are in the wrong order themselves.
        let (lock, place) = self.places.get(token)?;
        let (same, later) = self.places.get(held)?;
        (lock == same && place < later).then_some(Anomaly::WriteAfterTakeover)
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
            let is_cause = |other: &&Operation| {
                other.invoked_ns <= *completed_ns
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

    /// The lock whose token an operation carries.
    fn holder(&self, operation: &Operation) -> Option<Held<'h>> {
        let (key, place) = self.places.get(operation.fencing_token.as_ref()?)?;
        self.holds.get(key)?.get(*place).copied()
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

/// Whether something that nobody knows the outcome of may have taken away the token that `before` left, and `operation` found
/// the key without.
fn may_have_been_removed(operations: &[&Operation], before: &Operation, operation: &Operation) -> bool {
    let Some((_, by_ns)) = operation.reply() else { return true };
    operations.iter().filter(|other| other.invoked_ns <= by_ns).any(|other| match &other.call {
        Call::Del { .. } | Call::Vdel { .. } => {
            // One that the store would have refused is no excuse.
            let is_allowed = other.fencing_token >= before.fencing_token;
            let is_known = matches!(other.outcome, Outcome::Ok { .. } | Outcome::Failed { .. });
            is_allowed && (!is_known || other.was_sent_again())
        }
        Call::Set { px_ms: Some(px_ms), .. } => {
            other.invoked_ns.saturating_add(px_ms.saturating_mul(1_000_000)) <= by_ns
        }
        Call::Set { .. } | Call::Get { .. } | Call::KeyNotify { .. } => false,
    })
}

/// `under token …`, or `without a token`.
fn under(operation: &Operation) -> String {
    operation
        .fencing_token
        .as_ref()
        .map_or_else(|| "without a token".to_owned(), |token| format!("under token {token}"))
}
