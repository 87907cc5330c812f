//! Metrics in the OpenMetrics text format, made of one look at the node.
//!
//! The engine counts in plain integers; here they get their names. A count that the engine has and this module does not
//! export does not compile.

mod page;
mod shell;
mod state_store;

use std::fmt;

use mayfly_core::{Backlog, MemoryUse, QUEUE_DEPTHS, Statistics};
use mayfly_net::{Admissions, AuthenticationStatistics, Latency, Traffic};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::registry::Registry;

use page::Page;
use state_store::StateStore;

/// What a scrape looks at.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    /// The broker's counts and sizes.
    pub(crate) broker: Statistics,
    /// What clients have still to get.
    pub(crate) backlog: Backlog,
    /// Bytes and packets.
    pub(crate) traffic: Traffic,
    /// How long the engine takes for what it reads.
    pub(crate) latency: Latency,
    /// Who was let in, and who was not.
    pub(crate) authentications: AuthenticationStatistics,
    /// QoS 0 messages that were dropped since their receiver took too little of what was written to it.
    pub(crate) dropped_slow_receiver: u64,
    /// The listeners.
    pub(crate) listeners: Vec<ListenerSnapshot>,
}

/// One listener.
#[derive(Clone, Debug)]
pub(crate) struct ListenerSnapshot {
    pub(crate) name: String,
    pub(crate) open_connections: usize,
    pub(crate) admissions: Admissions,
}

impl Snapshot {
    /// The text of the metrics.
    pub(crate) fn encode(self) -> String {
        let mut registry = Registry::with_prefix("mayfly");
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("a String takes every write");
        text
    }
}

impl Collector for Snapshot {
    fn encode(&self, encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let mut page = Page { encoder };
        self.broker(&mut page)?;
        self.backlog(&mut page)?;
        self.traffic(&mut page)?;
        page.latency(
            "handling_seconds",
            "Time from a read to the moment when all that it brought was handled and its answers waited to be written",
            &self.latency,
        )?;
        self.authentications(&mut page)?;
        self.listeners(&mut page)
    }
}

impl Snapshot {
    fn broker(&self, page: &mut Page<'_>) -> fmt::Result {
        // Without `..`: a new count has to be exported.
        let Statistics {
            keys,
            sessions,
            connections,
            messages,
            retained_messages,
            retained_bytes,
            memory,
            dropped,
            retained_refused,
            requests_refused,
            requests_malformed,
            requests_replayed,
            operations,
            insertions,
            expirations,
            quota_refusals,
            notifications_sent,
            denied_connections,
            denied_publications,
            denied_subscriptions,
            denied_requests,
            revoked_subscriptions,
            replays_displaced,
        } = self.broker;
        page.size("sessions", "Sessions, of connected clients and of those away", sessions)?;
        page.size("connections_open", "Open connections", connections)?;
        page.size("messages_held", "Messages in memory: in flight, queued, retained, wills", messages)?;
        page.size("retained_messages", "Retained messages", retained_messages)?;
        page.size("retained_bytes", "What retained messages occupy in bytes, nearly", retained_bytes)?;
        page.counter(
            "retained_refused",
            "Messages that were not retained since that would have exceeded the bounds",
            retained_refused,
        )?;
        let MemoryUse { sessions, subscriptions, messages, retained, store, replays, watches, connections } =
            memory;
        page.sizes(
            "memory_bytes",
            "Bytes in memory as the limits count them, by kind",
            "kind",
            &[
                ("sessions", sessions),
                ("subscriptions", subscriptions),
                ("messages", messages),
                ("retained", retained),
                ("store", store),
                ("replays", replays),
                ("watches", watches),
                ("connections", connections),
            ],
        )?;
        page.counters(
            "messages_dropped",
            "Messages that a receiver did not get, by cause",
            "cause",
            &[&dropped.by_cause()[..], &[("slow_receiver", self.dropped_slow_receiver)]].concat(),
        )?;
        page.counters(
            "denied",
            "What the authorization rules did not allow, by operation",
            "operation",
            &[
                ("connect", denied_connections),
                ("publish", denied_publications),
                ("subscribe", denied_subscriptions),
                ("store_request", denied_requests),
            ],
        )?;
        page.counter(
            "subscriptions_revoked",
            "Subscriptions and registrations that ended since new rules do not allow them",
            revoked_subscriptions,
        )?;
        let store = StateStore {
            keys,
            bytes: memory.store,
            requests_refused,
            requests_malformed,
            requests_replayed,
            replays_displaced,
            operations,
            insertions,
            expirations,
            quota_refusals,
            notifications_sent,
        };
        store.encode(page)
    }
}

impl Snapshot {
    fn backlog(&self, page: &mut Page<'_>) -> fmt::Result {
        let Backlog {
            queued_messages,
            queued_bytes,
            in_flight_messages,
            in_flight_bytes,
            messages_to_resend,
            deepest_queue_messages,
            sessions_by_depth,
        } = self.backlog;
        page.sizes(
            "messages_pending",
            "Messages that clients have still to get, one for each client: queued were not sent yet, in_flight wait for an \
             acknowledgement, to_resend were in flight on a connection that has ended",
            "state",
            &[
                ("queued", queued_messages),
                ("in_flight", in_flight_messages),
                ("to_resend", messages_to_resend),
            ],
        )?;
        page.sizes(
            "messages_pending_bytes",
            "Topics, properties and payloads of pending messages in bytes, counted for each client",
            "state",
            &[("queued", queued_bytes), ("in_flight", in_flight_bytes)],
        )?;
        page.size(
            "deepest_queue_messages",
            "Messages in the deepest queue of a session",
            deepest_queue_messages,
        )?;
        let depths = QUEUE_DEPTHS.map(|depth| depth.to_string());
        let sessions: Vec<_> = depths.iter().map(String::as_str).zip(sessions_by_depth).collect();
        page.sizes(
            "sessions_by_queue_depth",
            "Sessions with at least so many messages in their queue",
            "at_least",
            &sessions,
        )
    }
}
