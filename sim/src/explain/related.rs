//! What else of a history has to do with a few items of it: the same keys, locks, topics, messages, connections.

use std::collections::BTreeSet;

use super::weaken::Item;
use crate::check::{CheckerName, CounterExample, matches, shared};
use crate::history::mqtt::{EventId, What};
use crate::history::{Call, ClientIndex, History, OperationId, Reply, SessionChange};

/// What items are about.
#[derive(Default)]
struct Subjects<'h> {
    keys: BTreeSet<&'h [u8]>,
    payloads: BTreeSet<&'h str>,
    topics: BTreeSet<&'h str>,
    connections: BTreeSet<EventId>,
    clients: BTreeSet<ClientIndex>,
    scans: BTreeSet<(ClientIndex, u64)>,
    operations: BTreeSet<OperationId>,
}

/// Everything that is about what these items and the counter-example are about, themselves included.
pub(super) fn related(history: &History, items: &BTreeSet<Item>, example: &CounterExample) -> Vec<Item> {
    let mut subjects = Subjects::default();
    let named = example.operations.iter().map(|id| Item::Shown(*id));
    for item in items.iter().copied().chain(named) {
        subjects.add(history, item);
    }
    let events = history.mqtt.iter().enumerate();
    let events = events
        .filter(|(index, event)| subjects.meet(EventId(*index), event.client, &event.what))
        .map(|(index, _)| Item::Shown(history.shown_as(EventId(index))));
    let operations = history
        .operations
        .iter()
        .filter(|operation| subjects.keys.contains(operation.call.key()))
        .map(|operation| Item::Shown(operation.id));
    let sessions = history.sessions.iter().enumerate().filter(|(_, event)| {
        let is_seen = matches!(event.change, SessionChange::Connected { .. } | SessionChange::Lost);
        is_seen
            && event.at_ns <= example.at_ns
            && (subjects.clients.contains(&event.client) || items.is_empty())
    });
    let sessions = sessions.map(|(index, _)| Item::Session(index));
    let at_once = |at_ns: &u64| *at_ns == example.at_ns;
    let counts = history.key_counts.iter().map(|count| count.at_ns).filter(at_once);
    let breaches = history.breaches.iter().map(|breach| breach.at_ns).filter(at_once);
    // The latest first, which decide most.
    let mut related: Vec<Item> = operations
        .chain(events)
        .chain(sessions)
        .chain(counts.map(Item::KeyCount))
        .chain(breaches.map(Item::Breach))
        .collect();
    related.sort_by_key(|item| {
        let at_ns = item.from_ns(history);
        (at_ns > example.at_ns, at_ns.abs_diff(example.at_ns), *item)
    });
    related
}

/// What a violation may rest on by having been asked at its time, beside these items: what the checker names, the writes and
/// publications of what was seen, and the connects, subscriptions and registrations of those who saw it.
pub(super) fn asked(
    history: &History,
    items: &BTreeSet<Item>,
    checker: CheckerName,
    example: &CounterExample,
) -> Vec<Item> {
    let mut subjects = Subjects::default();
    let mut values: BTreeSet<&[u8]> = BTreeSet::new();
    for item in items {
        subjects.add(history, *item);
        if let Some(id) = item.operation(history)
            && let Some((Reply::Value { value, .. }, _)) = history.operation(id).reply()
        {
            values.insert(value);
        }
        if let Some(id) = item.event(history)
            && let What::Notified(notified) = &history.mqtt_event(id).what
        {
            values.extend(notified.value.as_deref());
        }
    }
    // The search for an order names what is around a reply, whether it matters or not.
    let named = example.operations.iter().filter(|_| checker != CheckerName::Linearizability);
    let mut asked: Vec<Item> = named.map(|id| Item::Shown(*id)).collect();
    for operation in &history.operations {
        if let Call::Set { key, value, .. } = &operation.call
            && values.contains(value.as_slice())
            && subjects.keys.contains(key.as_slice())
        {
            asked.push(Item::Shown(operation.id));
        }
    }
    asked.extend(related(history, items, example).into_iter().filter(|item| match item {
        Item::Session(_) => true,
        Item::KeyCount(_) | Item::Breach(_) => false,
        Item::Shown(_) => item.event(history).is_some_and(|id| {
            let event = history.mqtt_event(id);
            match &event.what {
                What::Publish(publish) => subjects.payloads.contains(publish.payload.as_str()),
                What::Subscribe(subscribe) => subjects.is_for(event.client, &subscribe.filter),
                What::Connect(_) | What::Watch(_) => true,
                _ => false,
            }
        }),
    }));
    asked
}

impl<'h> Subjects<'h> {
    /// Whether a client that is among these, if any is, subscribes to one of the topics.
    fn is_for(&self, client: ClientIndex, filter: &str) -> bool {
        let plain = shared(filter).map_or(filter, |(_, plain)| plain);
        (self.clients.is_empty() || self.clients.contains(&client))
            && (self.topics.is_empty() || self.topics.iter().any(|topic| matches(plain, topic)))
    }

    fn add(&mut self, history: &'h History, item: Item) {
        if let Some(id) = item.operation(history) {
            let operation = history.operation(id);
            self.keys.insert(operation.call.key());
            self.operations.insert(id);
            if matches!(operation.call, Call::KeyNotify { .. }) {
                self.clients.insert(operation.client);
            }
            return;
        }
        if let Item::Session(index) = item {
            self.clients.insert(history.sessions[index].client);
        }
        let Some(id) = item.event(history) else { return };
        let event = history.mqtt_event(id);
        match &event.what {
            What::Connect(connect) => {
                self.connections.insert(id);
                self.clients.insert(event.client);
                self.payloads.extend(connect.will.as_ref().map(|will| will.payload.as_str()));
            }
            What::Subscribe(subscribe) => {
                self.connections.insert(subscribe.connection);
                self.clients.insert(event.client);
            }
            What::Publish(publish) => {
                self.payloads.insert(&publish.payload);
                self.topics.insert(&publish.topic);
            }
            What::Deliver(deliver) => {
                self.payloads.insert(&deliver.payload);
                self.topics.insert(&deliver.topic);
                self.connections.insert(deliver.connection);
                self.clients.insert(event.client);
            }
            What::Hold(hold) => {
                self.keys.insert(hold.key.as_bytes());
                self.clients.insert(event.client);
            }
            What::Watch(watch) => {
                self.keys.insert(watch.key.as_bytes());
                self.connections.insert(watch.connection);
            }
            What::Notified(notified) => {
                self.keys.insert(notified.key.as_bytes());
                self.connections.insert(notified.connection);
            }
            What::Answered(answered) => {
                self.operations.insert(answered.operation);
                self.connections.insert(answered.connection);
                self.keys.insert(history.operation(answered.operation).call.key());
            }
            What::Page(page) => {
                self.scans.insert((event.client, page.scan));
            }
            What::Hostile(_) | What::Forgotten(_) => {}
        }
    }

    fn meet(&self, id: EventId, client: ClientIndex, what: &What) -> bool {
        match what {
            What::Connect(connect) => {
                self.connections.contains(&id)
                    || connect.will.as_ref().is_some_and(|will| self.payloads.contains(will.payload.as_str()))
            }
            What::Subscribe(subscribe) => {
                self.connections.contains(&subscribe.connection) || !self.topics.is_empty()
            }
            What::Publish(publish) => {
                self.payloads.contains(publish.payload.as_str())
                    || self.topics.contains(publish.topic.as_str())
            }
            What::Deliver(deliver) => {
                self.payloads.contains(deliver.payload.as_str())
                    || self.topics.contains(deliver.topic.as_str()) && self.clients.contains(&client)
                    || self.connections.contains(&deliver.connection)
            }
            What::Hold(hold) => self.keys.contains(hold.key.as_bytes()) || self.clients.contains(&client),
            What::Watch(watch) => {
                self.keys.contains(watch.key.as_bytes()) && self.connections.contains(&watch.connection)
            }
            What::Notified(notified) => self.keys.contains(notified.key.as_bytes()),
            What::Answered(answered) => self.operations.contains(&answered.operation),
            What::Page(page) => self.scans.contains(&(client, page.scan)),
            What::Hostile(_) | What::Forgotten(_) => false,
        }
    }
}
