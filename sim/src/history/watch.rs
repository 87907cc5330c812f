//! Registrations for notifications, and what came of them: the order of a client's events is the order in which they arrived.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::mqtt::{Connect, EventId, What};
use super::{ClientIndex, History, OperationId, Version, byte_strings};

/// A KEYNOTIFY, with or without STOP.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Watch {
    /// The operation that it is.
    pub operation: OperationId,
    /// The connect whose connection it was first sent on.
    pub connection: EventId,
    /// The key.
    pub key: String,
    /// With STOP.
    pub stop: bool,
    /// The connects whose connections it was sent again on.
    pub sent_again_on: Vec<EventId>,
    /// The first response, if one came.
    pub answer: Option<WatchAnswer>,
}

/// The response to a KEYNOTIFY.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchAnswer {
    /// When it arrived.
    pub at_ns: u64,
    /// On which connection.
    pub connection: EventId,
    /// What arrived before it is below this.
    pub position: EventId,
    /// The DUP flag: the broker had sent it on a connection before.
    pub dup: bool,
    /// STOP: whether the key was registered.
    pub was_registered: bool,
}

/// A notification that arrived.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notified {
    /// The connect whose connection it came on.
    pub connection: EventId,
    /// The key that changed.
    pub key: String,
    /// The value that was set; `None` if the key was deleted or expired.
    #[serde(with = "byte_strings::perhaps")]
    pub value: Option<Vec<u8>>,
    /// The version of the change.
    pub version: Version,
    /// The DUP flag: it may have come before.
    pub dup: bool,
}

/// The response to an operation of the state store arrived: says where it stands among what else did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// The connect whose connection it came on.
    pub connection: EventId,
    /// The operation.
    pub operation: OperationId,
    /// The connect whose connection the request was first sent on.
    pub asked_on: EventId,
    /// What arrived before the request was sent is below this.
    pub asked_at: EventId,
    /// The request was sent again on a later connection.
    pub sent_again: bool,
}

/// A notification, and who got it when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told<'h> {
    /// Which event it is.
    pub id: EventId,
    /// Who.
    pub client: ClientIndex,
    /// When.
    pub at_ns: u64,
    /// What.
    pub is: &'h Notified,
}

/// A time in which a connection was certainly registered for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Registration<'h> {
    /// Whose.
    pub client: ClientIndex,
    /// The connect whose connection it belongs to.
    pub connection: EventId,
    /// The key.
    pub key: &'h str,
    /// When the response to KEYNOTIFY came.
    pub from_ns: u64,
    /// When STOP was sent, or the client saw its connection end; `u64::MAX` if neither.
    pub until_ns: u64,
}

impl Watch {
    /// Whether the broker had certainly executed it before it accepted `connection`, a later one than the first: its response
    /// came on an earlier one, or came there with DUP.
    pub fn was_executed_before(&self, connection: EventId) -> bool {
        self.answer.is_some_and(|answer| {
            answer.connection < connection || answer.connection == connection && answer.dup
        })
    }
}

impl History {
    /// Every notification, in the order of arrival.
    pub fn notified(&self) -> impl Iterator<Item = Told<'_>> {
        self.mqtt.iter().enumerate().filter_map(|(index, event)| match &event.what {
            What::Notified(is) => {
                Some(Told { id: EventId(index), client: event.client, at_ns: event.at_ns, is })
            }
            _ => None,
        })
    }

    /// The notifications without DUP, in the order of arrival.
    pub fn fresh_notifications(&self) -> impl Iterator<Item = Told<'_>> {
        self.notified().filter(|told| !told.is.dup)
    }

    /// Every KEYNOTIFY, with or without STOP, in the order of first sending.
    pub fn watches(&self) -> impl Iterator<Item = (EventId, &Watch)> {
        self.mqtt.iter().enumerate().filter_map(|(index, event)| match &event.what {
            What::Watch(watch) => Some((EventId(index), watch)),
            _ => None,
        })
    }

    /// The times in which a connection was certainly registered for a key, in the order of the requests. A KEYNOTIFY that was
    /// answered on another connection than the one it was first sent on begins none: nobody knows which it was executed on.
    pub fn registrations(&self) -> Vec<Registration<'_>> {
        let mut registrations: Vec<Registration<'_>> = Vec::new();
        let mut open: BTreeMap<(EventId, &str), usize> = BTreeMap::new();
        for (id, watch) in self.watches() {
            let (event, place) = (self.mqtt_event(id), (watch.connection, watch.key.as_str()));
            if watch.stop {
                if let Some(place) = open.remove(&place) {
                    let until_ns = &mut registrations[place].until_ns;
                    *until_ns = event.at_ns.min(*until_ns);
                }
                continue;
            }
            let answer = watch.answer.filter(|answer| answer.connection == watch.connection);
            let (Some(answer), false) = (answer, open.contains_key(&place)) else { continue };
            let until_ns = match &self.mqtt_event(watch.connection).what {
                What::Connect(Connect { end: Some(end), .. }) => end.at_ns,
                What::Forgotten(_) => 0,
                _ => u64::MAX,
            };
            open.insert(place, registrations.len());
            let (client, (connection, key), from_ns) = (event.client, place, answer.at_ns);
            registrations.push(Registration { client, connection, key, from_ns, until_ns });
        }
        // A STOP that was left out may have ended it at any time.
        let forgotten: BTreeSet<(EventId, &str)> = self
            .forgotten()
            .filter_map(|(.., what)| match what {
                What::Watch(watch) => Some((watch.connection, watch.key.as_str())),
                _ => None,
            })
            .collect();
        registrations.retain(|registration| {
            registration.from_ns < registration.until_ns
                && !forgotten.contains(&(registration.connection, registration.key))
        });
        registrations
    }
}
