//! What `[expect.events]` can demand: what must have happened beside the operations of the state store, and how it is counted.
//! A new one is a line in the table.

use std::collections::BTreeMap;

use super::lock::{Hold, HoldEnd};
use super::mqtt::{Deliver, Ended, MqttEvent, What};
use super::store::Request;
use super::watch::{Notified, Watch};
use super::{Call, ClientIndex, History, Operation, Outcome, SessionChange, Sizes};
use crate::scenario::Vocabulary;

/// The key, its words in a report, and how often it happened.
type Event = (&'static str, &'static str, fn(&History) -> u64);

const EVENTS: [Event; 34] = [
    ("published", "publications that the broker acknowledged with success", |history| {
        count(history, |what| matches!(what, What::Publish(publish) if publish.accepted_ns().is_some()))
    }),
    ("delivered", "messages that subscribers took", |history| {
        count(history, |what| matches!(what, What::Deliver(deliver) if is_taken(deliver)))
    }),
    ("repeated", "deliveries with DUP", |history| {
        count(history, |what| matches!(what, What::Deliver(deliver) if deliver.dup))
    }),
    ("sent_again", "publications that were sent again after a reconnect", |history| {
        count(history, |what| matches!(what, What::Publish(publish) if !publish.sent_again_ns.is_empty()))
    }),
    ("resumed", "connects that found their session", |history| {
        let resumed = history
            .sessions
            .iter()
            .filter(|event| matches!(event.change, SessionChange::Connected { session_present: true, .. }));
        resumed.count() as u64
    }),
    ("taken_over", "connections that the broker ended with 0x8e", |history| {
        count(history, |what| match what {
            What::Connect(connect) => {
                connect.end.as_ref().is_some_and(|end| end.how == Ended::ByBroker(0x8e))
            }
            _ => false,
        })
    }),
    ("wills", "wills that were seen", |history| {
        count(
            history,
            |what| matches!(what, What::Deliver(deliver) if deliver.payload.starts_with("will-of-")),
        )
    }),
    ("retained", "retained messages given to new subscriptions", |history| {
        count(history, |what| matches!(what, What::Deliver(deliver) if deliver.retain))
    }),
    ("shared", "messages that came through shared subscriptions", shared),
    ("dropped", "messages that the broker counted as dropped", |history| {
        history.drops.last().map_or(0, |(_, dropped)| *dropped)
    }),
    ("expired", "expiries that somebody was notified of", History::expiries_seen),
    ("renewed_px", "SET NEX that renewed a value that was there", History::renewals),
    ("replayed", "requests that were sent again on the resumed session", |history| {
        history.requests.values().filter(|request| request.was_replayed()).count() as u64
    }),
    ("replayed_without_dup", "requests that were sent again without DUP", |history| {
        let again = |request: &&Request| request.sent.iter().skip(1).any(|sent| !sent.dup);
        history.requests.values().filter(again).count() as u64
    }),
    (
        "answered_again",
        "requests, GETs aside, that were answered again when they were sent again",
        |history| {
            let again = history.requests.iter().filter(|(id, request)| {
                let is_get = matches!(history.operation(**id).call, Call::Get { .. });
                request.responses.len() > 1 && !is_get
            });
            again.count() as u64
        },
    ),
    ("refused_timestamps", "requests that were refused for their timestamp from the future", |history| {
        history.refused_with("the request timestamp is too far in the future")
    }),
    (
        "refused_fencing_tokens",
        "requests that were refused for their fencing token from the future",
        |history| history.refused_with("the request fencing token timestamp is too far in the future"),
    ),
    ("keys", "keys that the broker held at a time", |history| Sizes::peak("keys", history)),
    ("locked", "locks that were acquired", |history| holds(history).count() as u64),
    ("renewed", "locks that were held for longer than their lease", |history| {
        let is_renewed =
            |hold: &(&MqttEvent, &Hold)| hold.1.end_ns().saturating_sub(hold.0.at_ns) > hold.1.lease_ns;
        holds(history).filter(is_renewed).count() as u64
    }),
    ("holders_killed", "locks whose holders were killed while they held them", |history| {
        holds(history).filter(|(_, hold)| matches!(hold.end, Some((_, HoldEnd::Crashed)))).count() as u64
    }),
    ("lock_takeovers", "locks that were lost and went to another client", lock_takeovers),
    (
        "stalled",
        "times that a lock's holder stood still between a look at its lock and the write",
        |history| holds(history).map(|(_, hold)| u64::from(hold.stalls)).sum(),
    ),
    ("fenced_off", "requests that were refused for their fencing token", |history| {
        let refused = |operation: &&Operation| match &operation.outcome {
            Outcome::Failed { error, .. } => error.contains("fencing token"),
            _ => false,
        };
        history.operations.iter().filter(refused).count() as u64
    }),
    ("registered", "registrations for notifications", |history| {
        count(history, |what| matches!(what, What::Watch(Watch { stop: false, answer: Some(_), .. })))
    }),
    ("stopped", "registrations that were stopped", |history| {
        let was_registered = |watch: &Watch| watch.answer.is_some_and(|answer| answer.was_registered);
        count(history, |what| matches!(what, What::Watch(watch) if watch.stop && was_registered(watch)))
    }),
    ("notified", "notifications of changes", |history| history.fresh_notifications().count() as u64),
    ("notified_deletion", "notifications of deletions", |history| {
        count(history, |what| matches!(what, What::Notified(Notified { dup: false, value: None, .. })))
    }),
    ("notified_again", "notifications with DUP", |history| {
        count(history, |what| matches!(what, What::Notified(Notified { dup: true, .. })))
    }),
    ("scans", "scans that came to their end", |history| {
        history.pages().filter(|(_, page)| page.is_last() && !page.is_forged()).count() as u64
    }),
    ("pages", "pages of scans", |history| {
        history.pages().filter(|(_, page)| page.keys().is_some()).count() as u64
    }),
    ("refused_tokens", "tokens of scans that the store no longer took", |history| {
        history.pages().filter(|(_, page)| page.was_refused() && !page.is_forged()).count() as u64
    }),
    ("forged_tokens", "forged tokens of scans that were answered", |history| {
        history.pages().filter(|(_, page)| page.answer.is_some() && page.is_forged()).count() as u64
    }),
    ("hostile", "hostile deeds", |history| count(history, |what| matches!(what, What::Hostile(_)))),
];

fn count(history: &History, is: impl Fn(&What) -> bool) -> u64 {
    history.mqtt.iter().filter(|event| is(&event.what)).count() as u64
}

fn holds(history: &History) -> impl Iterator<Item = (&MqttEvent, &Hold)> {
    history.mqtt.iter().filter_map(|event| match &event.what {
        What::Hold(hold) => Some((event, hold)),
        _ => None,
    })
}

fn lock_takeovers(history: &History) -> u64 {
    let mut last: BTreeMap<&str, (ClientIndex, &Hold)> = BTreeMap::new();
    let mut takeovers = 0;
    for (event, hold) in holds(history) {
        if let Some((client, before)) = last.insert(&hold.key, (event.client, hold)) {
            takeovers += u64::from(before.was_lost() && client != event.client);
        }
    }
    takeovers
}

fn is_taken(deliver: &Deliver) -> bool {
    !deliver.known && !deliver.late
}

fn shared(history: &History) -> u64 {
    let shares = |client: ClientIndex| {
        history.mqtt.iter().any(|event| match &event.what {
            What::Subscribe(subscribe) => event.client == client && subscribe.filter.starts_with("$share/"),
            _ => false,
        })
    };
    let sharing: Vec<bool> = (0..history.clients.len()).map(|index| shares(ClientIndex(index))).collect();
    let is_shared = |event: &&MqttEvent| match &event.what {
        What::Deliver(deliver) => is_taken(deliver) && sharing[event.client.0],
        _ => false,
    };
    history.mqtt.iter().filter(is_shared).count() as u64
}

/// The keys of `[expect.events]`.
#[derive(Debug)]
pub struct Events;

impl Events {
    /// How often it happened.
    pub fn count(word: &str, history: &History) -> u64 {
        EVENTS.iter().find(|(known, ..)| *known == word).map_or(0, |(_, _, count)| count(history))
    }
}

impl Vocabulary for Events {
    const NAME: &'static str = "EventFloor";

    fn words() -> &'static [&'static str] {
        const WORDS: [&str; EVENTS.len()] = {
            let mut words = [""; EVENTS.len()];
            let mut index = 0;
            while index < EVENTS.len() {
                words[index] = EVENTS[index].0;
                index += 1;
            }
            words
        };
        &WORDS
    }

    fn about(word: &str) -> &'static str {
        EVENTS.iter().find(|(known, ..)| *known == word).map_or("", |(_, words, _)| words)
    }
}
