//! What the broker holds in memory, in bytes, by kind; and how near that is to its bound.
//!
//! An account is a function of the state, never of the allocator: replicas must come to the same decisions. So an entry of
//! a table is counted with a fixed cost, and a text or payload with its bytes. `tests/accounting.rs` compares the sum with
//! what the allocator gave.

use std::collections::BTreeMap;

use mayfly_wire::{Publish, QoS, TopicFilter};

use super::Broker;
use super::filter_index::is_exact;
use super::messages::REFERENCE_COST;
use super::session::{Kind, SessionKey};
use crate::limits::Limits;
use crate::store::REQUEST_TOPIC;

/// A session with its entries in the directory. These costs are the sizes of what tables hold, with some half as much
/// again for empty slots and for the allocator. They are fixed numbers, since replicas that were built differently must
/// decide alike; tests hold them to the sizes on this machine.
const SESSION: usize = 3 * SESSION_ENTRY / 2 + 80;
/// A session.
const SESSION_ENTRY: usize = 512;
/// The entry of an open connection.
const CONNECTION: usize = 80;
/// A filter in its session and, without wildcards, in the index.
const SUBSCRIPTION: usize = 135;
/// A level of a filter with wildcards in the index. Levels that filters share are counted for each.
const LEVEL: usize = 75;
/// A shared subscription, with its member. One that members share is counted for each.
const SHARED: usize = 180;
/// A watched key in its connection and among the watchers.
const WATCH: usize = 350;
/// A remembered request.
const REMEMBERED: usize = 150;
/// A packet identifier that stands for a remembered request.
const UNSETTLED: usize = 64;
/// A packet identifier that waits for its PUBREL.
const UNRELEASED: usize = 3;
/// A pending search for retained messages, beside its filter and its position.
const SEARCH: usize = 180;

/// At the bound of memory a connected client may leave answers and notifications of so many bytes unacknowledged, and
/// as much waiting; a message more where one alone is larger.
const FULL_ALLOWANCE: usize = 64 * 1024;

/// The user property that marks control-plane traffic; its value does not matter.
const HIGH_PRIORITY: &str = "$high_priority";

/// Bytes in memory by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryUse {
    /// Sessions and open connections.
    pub sessions: usize,
    /// Subscriptions.
    pub subscriptions: usize,
    /// Messages in flight, queued, retained and of wills, each once however many sessions it is for.
    pub messages: usize,
    /// What it takes to find retained messages, beside the messages.
    pub retained: usize,
    /// Keys and values of the store.
    pub store: usize,
    /// What is remembered of executed requests.
    pub replays: usize,
    /// Registrations for notifications.
    pub watches: usize,
    /// What a node's connections hold beside the broker, as [`Input::ConnectionMemory`](crate::Input::ConnectionMemory)
    /// told; of several nodes the most.
    pub connections: usize,
}

impl MemoryUse {
    /// All kinds together.
    pub fn total(&self) -> usize {
        let Self { sessions, subscriptions, messages, retained, store, replays, watches, connections } =
            *self;
        let held = sessions + subscriptions + messages + retained + store + replays + watches;
        held.saturating_add(connections) // What was told can be any number.
    }
}

/// How near the broker is to the bound of its memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Pressure {
    /// Nothing is held back.
    #[default]
    None,
    /// Publishers are to be read from more slowly.
    Slow,
    /// Messages are refused: QoS 1 and 2 with 0x97, QoS 0 by dropping them. What [has priority](has_priority) passes.
    Refuse,
    /// Nothing that takes memory is accepted: no session, subscription, registration or SET, nor a message marked
    /// `$high_priority`. What makes room passes, and what only reads.
    Full,
}

/// What the accounts are made of, where nothing else counts it.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    /// Texts of sessions: client identifiers, identities, topics of wills.
    pub(super) session_texts: usize,
    /// How many subscriptions all sessions have.
    pub(super) subscriptions: usize,
    subscription_bytes: usize,
    /// Packet identifiers that stand for remembered requests.
    pub(super) unsettled: usize,
    /// Packet identifiers of QoS 2 messages from clients that wait for PUBREL.
    pub(super) unreleased: usize,
    /// Packet identifiers of QoS 2 messages to clients that wait for PUBCOMP, and stand for no message any more.
    pub(super) released: usize,
    /// Pending searches for retained messages.
    pub(super) search_bytes: usize,
    watch_bytes: usize,
    /// What the connections of each node hold, where that is anything.
    pub(super) connection_bytes: BTreeMap<u64, u64>,
}

impl Ledger {
    /// Notes what the connections of a node hold.
    pub(super) fn connections_hold(&mut self, node: u64, bytes: u64) {
        if bytes == 0 {
            self.connection_bytes.remove(&node);
        } else {
            self.connection_bytes.insert(node, bytes);
        }
    }

    pub(super) fn subscribed(&mut self, filter: TopicFilter<'_>) {
        self.subscriptions += 1;
        self.subscription_bytes += subscription_bytes(filter);
    }

    pub(super) fn unsubscribed(&mut self, filter: TopicFilter<'_>) {
        self.subscriptions -= 1;
        self.subscription_bytes -= subscription_bytes(filter);
    }

    pub(super) fn watched(&mut self, key: &[u8]) {
        self.watch_bytes += WATCH + 2 * key.len();
    }

    pub(super) fn unwatched(&mut self, key: &[u8]) {
        self.watch_bytes -= WATCH + 2 * key.len();
    }
}

/// What a pending search for retained messages takes, its position excepted.
pub(super) fn search_bytes(filter: &str) -> usize {
    SEARCH + 2 * filter.len()
}

fn subscription_bytes(filter: TopicFilter<'_>) -> usize {
    let levels = if is_exact(filter) { 0 } else { filter.levels().count() };
    let shared = filter.share_name().map_or(0, |_| SHARED + filter.as_str().len());
    SUBSCRIPTION + 2 * filter.as_str().len() + levels * LEVEL + shared
}

impl Broker {
    /// What is in memory now.
    pub(super) fn memory_use(&self) -> MemoryUse {
        let Ledger {
            session_texts,
            subscriptions: _,
            subscription_bytes,
            unsettled,
            unreleased,
            released,
            search_bytes,
            watch_bytes,
            ref connection_bytes,
        } = self.ledger;
        let connection_bytes = connection_bytes.values().max().copied().unwrap_or_default();
        let connections = self.directory.by_connection.len() * CONNECTION;
        MemoryUse {
            sessions: self.sessions.len() * SESSION + connections + session_texts + unreleased * UNRELEASED,
            subscriptions: subscription_bytes + search_bytes,
            messages: self.messages.bytes() + released * REFERENCE_COST,
            retained: self.retained.index_bytes(),
            store: self.store.bytes(),
            replays: self.replays.len() * REMEMBERED + unsettled * UNSETTLED,
            watches: watch_bytes,
            connections: usize::try_from(connection_bytes).unwrap_or(usize::MAX),
        }
    }

    /// How near the broker is to [`Limits::max_memory_bytes`].
    pub fn pressure(&self) -> Pressure {
        let Limits { max_memory_bytes, slow_publishers_percent, refuse_publishers_percent, .. } = self.limits;
        let used = self.memory_use().total() as u128 * 100;
        let reaches = |percent: u8| used >= u128::from(max_memory_bytes) * u128::from(percent);
        if reaches(100) {
            Pressure::Full
        } else if reaches(refuse_publishers_percent) {
            Pressure::Refuse
        } else if reaches(slow_publishers_percent) {
            Pressure::Slow
        } else {
            Pressure::None
        }
    }

    /// Whether a message is not taken since memory runs out. It is counted then.
    pub(super) fn is_held_back(&mut self, publish: &Publish<'_>) -> bool {
        let holds_back = match self.pressure() {
            Pressure::None | Pressure::Slow => false,
            Pressure::Refuse => !has_priority(publish) && !self.makes_room(publish),
            Pressure::Full => !self.makes_room(publish),
        };
        if holds_back && publish.qos == QoS::AtMostOnce {
            self.counters.dropped.memory += 1;
        }
        holds_back
    }

    /// Whether a message deletes a retained one that is no smaller than itself.
    fn makes_room(&self, publish: &Publish<'_>) -> bool {
        let deletes = publish.retain && publish.payload.is_empty();
        let Some(kept) = self.retained.message(publish.topic).filter(|_| deletes) else { return false };
        let mut properties = Vec::new();
        publish.properties.encode_forwarded(&mut properties);
        publish.topic.len() + properties.len() <= self.messages.len_of(kept)
    }

    /// Whether a further answer or notification may go out that its client has to acknowledge: at the bound of memory only
    /// within [`FULL_ALLOWANCE`].
    pub(super) fn may_leave_unacknowledged(&self, key: SessionKey, kind: Kind) -> bool {
        let connection = self.sessions[key.index()].connection.as_ref();
        kind == Kind::Published
            || connection.is_some_and(|connection| connection.in_flight_bytes < FULL_ALLOWANCE)
            || self.pressure() < Pressure::Full
    }

    /// Whether a further answer or notification may wait for a session: at the bound of memory only for a connected client,
    /// and within [`FULL_ALLOWANCE`].
    pub(super) fn may_hold(&self, key: SessionKey, kind: Kind, len: usize) -> bool {
        let session = &self.sessions[key.index()];
        kind == Kind::Published
            || self.pressure() < Pressure::Full
            || session.connection.is_some() && session.queue.bytes() + len <= FULL_ALLOWANCE
    }
}

/// Whether a message passes until the bound of memory is reached: a request to the store, or what is marked as the traffic
/// of a control plane. What lies between [`Limits::refuse_publishers_percent`] and the bound is kept free for these.
pub fn has_priority(publish: &Publish<'_>) -> bool {
    publish.topic == REQUEST_TOPIC || publish.properties.user_properties.first(HIGH_PRIORITY).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::session::Session;

    #[test]
    fn the_fixed_costs_fit_this_machine() {
        let size = size_of::<Session>();
        assert!((size..=size * 5 / 4).contains(&SESSION_ENTRY), "a session is {size}");
    }
}
