//! What happened on one connection that has to do with notifications, in the order in which its client sent and got it.

use std::collections::{BTreeMap, BTreeSet};

use super::super::timeline::{Epochs, Timeline};
use crate::history::mqtt::{Connect, EventId, What};
use crate::history::watch::{Answered, Notified, Watch, WatchAnswer};
use crate::history::{ClientIndex, History};

/// A connection.
#[derive(Debug)]
pub(super) struct Channel<'h> {
    pub(super) client: ClientIndex,
    pub(super) id: EventId,
    pub(super) connect: &'h Connect,
    /// The lives of the broker that it may have been made with.
    pub(super) epochs: Epochs,
    /// Keys of which a registration, or its end, was sent again on it: nobody knows whether it took effect here.
    pub(super) uncertain: BTreeSet<&'h str>,
    /// Keys of which a registration, or its end, was left out of the history.
    pub(super) forgotten: BTreeSet<&'h str>,
    pub(super) items: Vec<(EventId, Item<'h>)>,
}

/// See [`Channel`].
#[derive(Clone, Copy, Debug)]
pub(super) enum Item<'h> {
    /// KEYNOTIFY was sent.
    Asked(&'h Watch),
    /// Its response arrived. It had been sent on this connection and no other.
    Settled { watch: &'h Watch, asked_ns: u64, answer: WatchAnswer },
    /// A notification arrived.
    Notified(&'h Notified),
    /// This one arrived, or did not.
    Perhaps(&'h Notified),
    /// The response to an operation arrived.
    Answered(&'h Answered),
}

/// Every connection on which something was registered or told, in the order in which they were tried.
pub(super) fn channels<'h>(timeline: &Timeline<'h>) -> Vec<Channel<'h>> {
    let history = timeline.history;
    // What arrived before a position comes before it: responses to KEYNOTIFY have no event of their own.
    let mut items: BTreeMap<EventId, Vec<(EventId, bool, EventId, Item<'_>)>> = BTreeMap::new();
    for (index, event) in history.mqtt.iter().enumerate() {
        let id = EventId(index);
        let mut add = |connection: EventId, position: EventId, is_event: bool, item| {
            items.entry(connection).or_default().push((position, is_event, id, item));
        };
        match &event.what {
            What::Watch(watch) => {
                add(watch.connection, id, true, Item::Asked(watch));
                if let Some(answer) = watch.answer
                    && answer.connection == watch.connection
                {
                    let settled = Item::Settled { watch, asked_ns: event.at_ns, answer };
                    add(watch.connection, answer.position, false, settled);
                }
            }
            What::Notified(notified) => add(notified.connection, id, true, Item::Notified(notified)),
            What::Forgotten(what) => {
                if let What::Notified(notified) = &**what {
                    add(notified.connection, id, true, Item::Perhaps(notified));
                }
            }
            What::Answered(answered) => add(answered.connection, id, true, Item::Answered(answered)),
            _ => {}
        }
    }
    let mut channels = Vec::new();
    for (connection, mut items) in items {
        let event = history.mqtt_event(connection);
        let What::Connect(connect) = &event.what else { continue };
        items.sort_by_key(|(position, is_event, id, _)| (*position, *is_event, *id));
        channels.push(Channel {
            client: event.client,
            id: connection,
            connect,
            epochs: timeline.of_connection(connection),
            uncertain: uncertain(history, connection),
            forgotten: forgotten(history, connection),
            items: items.into_iter().map(|(_, _, id, item)| (id, item)).collect(),
        });
    }
    channels
}

/// The keys whose registration, or its end, was perhaps asked for on a connection.
fn forgotten(history: &History, connection: EventId) -> BTreeSet<&str> {
    let watches = history.forgotten().filter_map(|(.., what)| match what {
        What::Watch(watch) => Some(watch),
        _ => None,
    });
    let here = |watch: &&Watch| watch.connection == connection || watch.sent_again_on.contains(&connection);
    watches.filter(here).map(|watch| watch.key.as_str()).collect()
}

/// The keys whose registration, or its end, was sent again on a connection and may have been executed there: not before.
fn uncertain(history: &History, connection: EventId) -> BTreeSet<&str> {
    let may_have =
        |watch: &Watch| watch.sent_again_on.contains(&connection) && !watch.was_executed_before(connection);
    history.watches().filter(|(_, watch)| may_have(watch)).map(|(_, watch)| watch.key.as_str()).collect()
}
