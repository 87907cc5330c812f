//! Forgets evidence: what a history still says when a part of what its clients saw is left out.
//!
//! A history is *weakened* in a way that takes away what contradicts a promise and never adds to it. There are two
//! depths:
//!
//! - [`forget_answers`](Weakening::forget_answers): what was asked, and when, stays; what came of it is unknown. A request was
//!   executed while it was under way or never, whatever its condition; a publication was accepted in that time or never; a
//!   delivery, a notification, a lock or a page of a scan came or did not.
//! - [`forget_wholly`](Weakening::forget_wholly): a request may also have been executed at any other time, and a connect, a
//!   subscription or a registration may have been or not.
//!
//! So a value stays explained by the write of it that was left out, and a client that perhaps got a message can't be said to
//! have missed it. What the simulated world did (restarts, outages, quotas, clocks) is never forgotten.
//!
//! Every checker holds to that: a history that it takes for valid stays so, whatever is forgotten of it.

use std::collections::BTreeSet;

use crate::history::mqtt::{EventId, PublishOutcome, What};
use crate::history::{History, OperationId, Outcome, SessionChange, UnknownReason};

/// A piece of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Item {
    /// An operation of the state store, or an event of a client in MQTT: by the number under which
    /// [reports show it](History::shown_as).
    Shown(OperationId),
    /// What a client saw of its session: an index into [`History::sessions`].
    Session(usize),
    /// How many keys the store held at this time: [`History::key_counts`].
    KeyCount(u64),
    /// What broke the protocol by itself at this time: [`History::breaches`].
    Breach(u64),
}

/// What is to be forgotten.
#[derive(Clone, Debug, Default)]
pub struct Weakening {
    answers: BTreeSet<Item>,
    wholly: BTreeSet<Item>,
}

impl Item {
    /// Everything that a client or the broker's own counters saw, and that can be forgotten without a loss of what the rest
    /// means: connects, subscriptions and registrations are not in it.
    pub fn all(history: &History) -> Vec<Self> {
        let is_evidence = |outcome: &Outcome| {
            let is_nothing = |reason| matches!(reason, UnknownReason::Unfinished | UnknownReason::Forgotten);
            !matches!(outcome, Outcome::Unknown { reason, .. } if is_nothing(*reason))
        };
        let operations = history.operations.iter().filter(|operation| is_evidence(&operation.outcome));
        let seen = history.mqtt.iter().enumerate().filter(|(_, event)| match &event.what {
            What::Publish(publish) => !matches!(
                publish.outcome,
                PublishOutcome::Sent | PublishOutcome::Open | PublishOutcome::Forgotten { .. }
            ),
            What::Deliver(_) | What::Notified(_) | What::Page(_) | What::Hold(_) => true,
            _ => false,
        });
        let lost = history.sessions.iter().enumerate();
        let lost = lost.filter(|(_, event)| event.change == SessionChange::Lost);
        operations
            .map(|operation| Self::Shown(operation.id))
            .chain(seen.map(|(index, _)| Self::Shown(history.shown_as(EventId(index)))))
            .chain(lost.map(|(index, _)| Self::Session(index)))
            .chain(history.key_counts.iter().map(|count| Self::KeyCount(count.at_ns)))
            .chain(history.breaches.iter().map(|breach| Self::Breach(breach.at_ns)))
            .collect()
    }

    /// The event in MQTT that it is, if it is one.
    pub fn event(self, history: &History) -> Option<EventId> {
        let Self::Shown(id) = self else { return None };
        let index = (id.0 as usize).checked_sub(history.operations.len())?;
        (index < history.mqtt.len()).then_some(EventId(index))
    }

    /// The operation of the state store that it is, if it is one.
    pub fn operation(self, history: &History) -> Option<OperationId> {
        let Self::Shown(id) = self else { return None };
        ((id.0 as usize) < history.operations.len()).then_some(id)
    }

    /// When it began.
    pub fn from_ns(self, history: &History) -> u64 {
        match self {
            Self::Shown(id) => match self.event(history) {
                Some(event) => history.mqtt_event(event).at_ns,
                None => history.operation(id).invoked_ns,
            },
            _ => self.known_ns(history),
        }
    }

    /// When somebody knew it: a reply had arrived, a message, a count.
    pub fn known_ns(self, history: &History) -> u64 {
        match self {
            Self::Session(index) => history.sessions[index].at_ns,
            Self::KeyCount(at_ns) | Self::Breach(at_ns) => at_ns,
            Self::Shown(id) => match self.event(history) {
                Some(event) => known_ns(history, event),
                None => match history.operation(id).outcome {
                    Outcome::Unknown { at_ns, .. } => at_ns,
                    Outcome::Ok { completed_ns, .. } | Outcome::Failed { completed_ns, .. } => completed_ns,
                },
            },
        }
    }
}

fn known_ns(history: &History, id: EventId) -> u64 {
    let event = history.mqtt_event(id);
    let answered_ns = match &event.what {
        What::Connect(connect) => connect.answer.map(|answer| answer.at_ns),
        What::Subscribe(subscribe) => subscribe.answer.map(|(at_ns, _)| at_ns),
        What::Watch(watch) => watch.answer.map(|answer| answer.at_ns),
        What::Page(page) => page.answer.as_ref().map(|answer| answer.at_ns),
        What::Publish(publish) => match publish.outcome {
            PublishOutcome::Acknowledged { at_ns, .. }
            | PublishOutcome::Unknown { at_ns }
            | PublishOutcome::Forgotten { at_ns } => Some(at_ns),
            PublishOutcome::Sent | PublishOutcome::Open => None,
        },
        _ => None,
    };
    answered_ns.unwrap_or(event.at_ns)
}

impl Weakening {
    /// What came of these is forgotten.
    #[must_use]
    pub fn forget_answers(mut self, items: impl IntoIterator<Item = Item>) -> Self {
        self.answers.extend(items);
        self
    }

    /// All of these is forgotten.
    #[must_use]
    pub fn forget_wholly(mut self, items: impl IntoIterator<Item = Item>) -> Self {
        self.wholly.extend(items);
        self
    }

    /// The history without that. What stays keeps its number.
    pub fn of(&self, history: &History) -> History {
        let mut weak = history.clone();
        for item in self.answers.difference(&self.wholly) {
            match (item.operation(history), item.event(history)) {
                (Some(id), _) => forget_reply(&mut weak, id),
                (None, Some(id)) => forget_event(&mut weak, id),
                (None, None) => {}
            }
        }
        for item in &self.wholly {
            match (item.operation(history), item.event(history)) {
                (Some(id), _) => forget_operation(&mut weak, id),
                (None, Some(id)) => forget_occurrence(&mut weak, id),
                (None, None) => {}
            }
        }
        let is_forgotten = |item: Item| self.answers.contains(&item) || self.wholly.contains(&item);
        for (index, event) in weak.sessions.iter_mut().enumerate() {
            if is_forgotten(Item::Session(index)) {
                let is_connect = matches!(
                    event.change,
                    SessionChange::Connected { .. } | SessionChange::Forgotten { is_connect: true }
                );
                event.change = SessionChange::Forgotten { is_connect };
            }
        }
        weak.key_counts.retain(|count| !is_forgotten(Item::KeyCount(count.at_ns)));
        weak.breaches.retain(|breach| !is_forgotten(Item::Breach(breach.at_ns)));
        weak
    }
}

fn forget_reply(history: &mut History, id: OperationId) {
    let operation = &mut history.operations[id.0 as usize];
    let at_ns = operation.until_ns();
    operation.outcome = Outcome::Unknown { reason: UnknownReason::Forgotten, at_ns };
    if let Some(request) = history.requests.get_mut(&id) {
        request.responses.clear();
    }
}

fn forget_operation(history: &mut History, id: OperationId) {
    forget_reply(history, id);
    let operation = &mut history.operations[id.0 as usize];
    operation.invoked_ns = 0;
    operation.sent_again_ns.fill(0);
    operation.outcome = Outcome::Unknown { reason: UnknownReason::Forgotten, at_ns: u64::MAX };
    // What else was recorded of it.
    for index in 0..history.mqtt.len() {
        let is_of_it = match &history.mqtt[index].what {
            What::Watch(watch) => watch.operation == id,
            What::Answered(answered) => answered.operation == id,
            _ => false,
        };
        if is_of_it {
            forget_occurrence(history, EventId(index));
        }
    }
}

fn forget_event(history: &mut History, id: EventId) {
    if let What::Publish(publish) = &mut history.mqtt[id.0].what {
        let at_ns = match publish.outcome {
            PublishOutcome::Acknowledged { at_ns, .. } | PublishOutcome::Forgotten { at_ns } => at_ns,
            PublishOutcome::Sent | PublishOutcome::Open | PublishOutcome::Unknown { .. } => u64::MAX,
        };
        publish.outcome = PublishOutcome::Forgotten { at_ns };
        return;
    }
    forget_occurrence(history, id);
}

fn forget_occurrence(history: &mut History, id: EventId) {
    let what = &mut history.mqtt[id.0].what;
    if !matches!(what, What::Forgotten(_)) {
        *what = What::Forgotten(Box::new(what.clone()));
    }
}
