//! What a correct service would be like after each item of a core: the value of a key, the holder of a lock, what a subscriber
//! is owed.
//!
//! Owns a naive model that goes through the items in order of time and knows nothing but them. Where an answer contradicts the
//! model, the model stays as it was: the table shows both.

use std::collections::{BTreeMap, BTreeSet};

use super::weaken::Item;
use crate::check::{matches, shared, shown_time, shown_value};
use crate::history::lock::Hold;
use crate::history::mqtt::{MqttEvent, What};
use crate::history::{
    BrokerChange, Call, Condition, History, Operation, OperationId, Outcome, Reply, SessionChange, Version,
};

/// A key as far as it is known: the version that says so, and the value or its absence.
type Content<'h> = (Option<&'h Version>, Option<&'h [u8]>);

#[derive(Default)]
struct Model<'h> {
    keys: BTreeMap<&'h [u8], Content<'h>>,
    locks: BTreeMap<&'h str, (&'h str, &'h Hold)>,
    /// By payload: who is owed the message.
    owed: BTreeMap<&'h str, BTreeSet<&'h str>>,
    /// When each client was last seen to connect.
    sessions: BTreeMap<&'h str, u64>,
}

/// The model's state after each item, in words; `–` where it has none.
pub(super) fn states(history: &History, items: &[Item]) -> Vec<String> {
    let mut model = Model::default();
    items.iter().map(|item| model.after(history, *item).unwrap_or_else(|| "–".to_owned())).collect()
}

impl<'h> Model<'h> {
    fn after(&mut self, history: &'h History, item: Item) -> Option<String> {
        if let Some(id) = item.operation(history) {
            return self.operation(history, id);
        }
        if let Item::Session(index) = item {
            return self.session(history, index);
        }
        let event = history.mqtt_event(item.event(history)?);
        match &event.what {
            What::Hold(hold) => Some(self.hold(history, event, hold)),
            What::Publish(publish) => {
                let owed = self.owed.entry(&publish.payload).or_default();
                if publish.accepted_ns().is_some() {
                    owed.extend(subscribers(history, event.at_ns, &publish.topic));
                }
                Some(self.owes(&publish.payload))
            }
            What::Deliver(deliver) => {
                if !self.owed.contains_key(deliver.payload.as_str()) {
                    let published = history.mqtt.iter().find_map(|event| match &event.what {
                        What::Publish(publish) if publish.payload == deliver.payload => {
                            Some((event.at_ns, publish))
                        }
                        _ => None,
                    });
                    match published {
                        Some((at_ns, publish)) => {
                            self.owed.insert(&deliver.payload, subscribers(history, at_ns, &publish.topic));
                        }
                        None => return Some(self.owes(&deliver.payload)),
                    }
                }
                if let Some(owed) = self.owed.get_mut(deliver.payload.as_str()) {
                    owed.remove(history.client_name(event.client));
                }
                Some(self.owes(&deliver.payload))
            }
            What::Notified(notified) => {
                let content = (Some(&notified.version), notified.value.as_deref());
                Some(self.shown(notified.key.as_bytes(), content))
            }
            What::Answered(answered) => Some(self.is(history.operation(answered.operation).call.key())),
            _ => None,
        }
    }

    /// What a client sees of its session.
    fn session(&mut self, history: &'h History, index: usize) -> Option<String> {
        let event = &history.sessions[index];
        let SessionChange::Connected { attempted_ns, .. } = event.change else { return None };
        let name = history.client_name(event.client);
        let before_ns = self.sessions.insert(name, event.at_ns);
        let Some(before_ns) = before_ns else { return Some(format!("{name} has a session from here on")) };
        let restart = history.broker.iter().rfind(|broker| {
            broker.change == BrokerChange::Stopped && (before_ns..=attempted_ns).contains(&broker.at_ns)
        });
        Some(match restart {
            None => format!("{name} has the session of {}", shown_time(before_ns)),
            Some(restart) => {
                format!("{name} has a new session: the restart at {} took the old", shown_time(restart.at_ns))
            }
        })
    }

    fn operation(&mut self, history: &'h History, id: OperationId) -> Option<String> {
        let operation = history.operation(id);
        let key = operation.call.key();
        match &operation.outcome {
            Outcome::Ok { reply, .. } => Some(self.replied(operation, reply)),
            Outcome::Failed { .. } => Some(self.is(key)),
            Outcome::Unknown { .. } => None,
        }
    }

    fn replied(&mut self, operation: &'h Operation, reply: &'h Reply) -> String {
        let key = operation.call.key();
        let known = self.keys.get(key).copied();
        match (reply, &operation.call) {
            (Reply::Stored { version }, Call::Set { value, condition, .. }) => {
                let stands = known.and_then(|(_, value)| value);
                let is_refused = match condition {
                    Condition::None => false,
                    Condition::Nx => stands.is_some(),
                    Condition::Nex => stands.is_some_and(|stands| stands != value.as_slice()),
                };
                if is_refused {
                    format!("{}, so it is refused", self.is(key))
                } else {
                    self.write(key, version, Some(value))
                }
            }
            (Reply::Deleted { version }, _) => self.write(key, version, None),
            (Reply::Value { value, version }, _) => self.shown(key, (Some(version), Some(value))),
            (Reply::Missing | Reply::NotFound, _) => self.shown(key, (None, None)),
            _ => self.is(key),
        }
    }

    /// A write took effect: the highest version tells what is there.
    fn write(&mut self, key: &'h [u8], version: &'h Version, value: Option<&'h [u8]>) -> String {
        match self.keys.get(key) {
            Some((Some(known), _)) if *known >= version => {
                format!("{}; the next version is above that", self.is(key))
            }
            _ => {
                self.keys.insert(key, (Some(version), value));
                self.is(key)
            }
        }
    }

    /// Somebody was shown that. The first that is seen of a key is believed, and what is newer.
    fn shown(&mut self, key: &'h [u8], content: Content<'h>) -> String {
        match self.keys.get(key) {
            Some((known, _)) if content.0.is_none() || *known >= content.0 => {}
            _ => {
                self.keys.insert(key, content);
            }
        }
        self.is(key)
    }

    fn is(&self, key: &[u8]) -> String {
        let name = key.escape_ascii();
        match self.keys.get(key) {
            None => format!("{name}: nothing is known"),
            Some((None, None)) => format!("{name} absent"),
            Some((Some(version), None)) => format!("{name} absent since {version}"),
            Some((None, Some(value))) => format!("{name} = {}", shown_value(value)),
            Some((Some(version), Some(value))) => {
                format!("{name} = {}, version {version}", shown_value(value))
            }
        }
    }

    fn hold(&mut self, history: &'h History, event: &'h MqttEvent, hold: &'h Hold) -> String {
        let name = history.client_name(event.client);
        if let Some((holder, held)) = self.locks.get(hold.key.as_str())
            && held.end_ns() > event.at_ns
        {
            let until = match held.end {
                Some((at_ns, _)) => format!("until {}", shown_time(at_ns)),
                None => "to the end".to_owned(),
            };
            return format!("{} held by {holder} {until}, token {}", hold.key, held.token);
        }
        let before = self.locks.insert(&hold.key, (name, hold));
        match before {
            Some((_, before)) if before.token >= hold.token => {
                format!("{} free, and the next token above {}", hold.key, before.token)
            }
            _ => format!("{} held by {name}, token {}", hold.key, hold.token),
        }
    }

    fn owes(&self, payload: &str) -> String {
        let owed = self.owed.get(payload).map(|owed| owed.iter().copied().collect::<Vec<_>>().join(", "));
        match owed {
            None => format!("{payload}: nobody published it"),
            Some(owed) if owed.is_empty() => format!("{payload} is owed to nobody"),
            Some(owed) => format!("{payload} is owed to {owed}"),
        }
    }
}

/// Who was granted a subscription that matches a topic by then: a client, or a group of which one is owed the message.
fn subscribers<'h>(history: &'h History, by_ns: u64, topic: &str) -> BTreeSet<&'h str> {
    let granted = history.mqtt.iter().filter_map(|event| match &event.what {
        What::Subscribe(subscribe) => {
            let is_granted = subscribe.answer.is_some_and(|(at_ns, reason)| at_ns <= by_ns && reason <= 2);
            is_granted.then_some((event.client, subscribe.filter.as_str()))
        }
        _ => None,
    });
    let owed = granted.filter_map(|(client, filter)| match shared(filter) {
        Some((_, plain)) => matches(plain, topic).then_some(filter),
        None => matches(filter, topic).then(|| history.client_name(client)),
    });
    owed.collect()
}
