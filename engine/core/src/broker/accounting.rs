//! What the broker holds in memory, in bytes, by kind; and how near that is to its bound.
//!
//! An account is a function of the state, never of the allocator: replicas must come to the same decisions. So an entry of
//! a table is counted with a fixed cost, and a text or payload with its bytes. `tests/accounting.rs` compares the sum with
//! what the allocator gave.

use mayfly_wire::{Publish, QoS, TopicFilter};

use super::Broker;
use super::filter_index::is_exact;
use super::session::Session;
use crate::limits::Limits;
use crate::store::REQUEST_TOPIC;

/// A session with its entries in the directory. These costs are the sizes of what tables hold, with some half as much
/// again for empty slots and for the allocator.
const SESSION: usize = 3 * size_of::<Session>() / 2 + 80;
/// The entry of an open connection.
const CONNECTION: usize = 80;
/// A filter in its session and, without wildcards, in the index.
const SUBSCRIPTION: usize = 135;
/// A level of a filter with wildcards in the index. Levels that filters share are counted for each.
const LEVEL: usize = 75;
/// A watched key in its connection and among the watchers.
const WATCH: usize = 350;
/// A remembered request.
const REMEMBERED: usize = 150;
/// A packet identifier that stands for a remembered request.
const UNSETTLED: usize = 64;

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
}

impl MemoryUse {
    /// All kinds together.
    pub fn total(&self) -> usize {
        let Self { sessions, subscriptions, messages, retained, store, replays, watches } = *self;
        sessions + subscriptions + messages + retained + store + replays + watches
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
    /// Messages are refused: QoS 1 and 2 with 0x97, QoS 0 by dropping them.
    Refuse,
    /// Nothing that takes memory is accepted: no session, subscription or SET either.
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
    watch_bytes: usize,
}

impl Ledger {
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

fn subscription_bytes(filter: TopicFilter<'_>) -> usize {
    let levels = if is_exact(filter) { 0 } else { filter.levels().count() };
    SUBSCRIPTION + 2 * filter.as_str().len() + levels * LEVEL
}

impl Broker {
    /// What is in memory now.
    pub(super) fn memory_use(&self) -> MemoryUse {
        let Ledger { session_texts, subscription_bytes, unsettled, watch_bytes, .. } = self.ledger;
        let connections = self.directory.by_connection.len() * CONNECTION;
        MemoryUse {
            sessions: self.sessions.len() * SESSION + connections + session_texts,
            subscriptions: subscription_bytes,
            messages: self.messages.bytes(),
            retained: self.retained.index_bytes(),
            store: self.store.bytes(),
            replays: self.replays.len() * REMEMBERED + unsettled * UNSETTLED,
            watches: watch_bytes,
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
        let holds_back = self.pressure() >= Pressure::Refuse && !has_priority(publish);
        if holds_back && publish.qos == QoS::AtMostOnce {
            self.counters.dropped_memory += 1;
        }
        holds_back
    }
}

/// Whether a message passes however little memory there is: a request to the store, or what is marked as the traffic of a
/// control plane.
pub fn has_priority(publish: &Publish<'_>) -> bool {
    publish.topic == REQUEST_TOPIC || publish.properties.user_properties.first(HIGH_PRIORITY).is_some()
}
