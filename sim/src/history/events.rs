//! What `[expect.events]` can demand: what must have happened beside the operations of the state store, and how it is counted.
//! A new one is a line in the table.

use super::mqtt::{Deliver, Ended, MqttEvent, What};
use super::store::Request;
use super::{Call, ClientIndex, History, SessionChange};
use crate::scenario::Vocabulary;

/// The key, its words in a report, and how often it happened.
type Event = (&'static str, &'static str, fn(&History) -> u64);

const EVENTS: [Event; 18] = [
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
    ("notified", "notifications that arrived", |history| history.fresh_notifications().count() as u64),
    ("expired", "expiries that somebody was notified of", History::expiries_seen),
    ("renewed_px", "renewals with SET NEX PX that were stored", History::renewals),
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
    (
        "refused_timestamps",
        "requests that were refused for their timestamp or token from the future",
        |history| history.refused_with("too far in the future"),
    ),
    ("hostile", "hostile deeds", |history| count(history, |what| matches!(what, What::Hostile(_)))),
];

fn count(history: &History, is: impl Fn(&What) -> bool) -> u64 {
    history.mqtt.iter().filter(|event| is(&event.what)).count() as u64
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
    /// What is counted under a key.
    pub fn words_for(word: &str) -> &'static str {
        EVENTS.iter().find(|(known, ..)| *known == word).map_or("", |(_, words, _)| words)
    }

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
}
