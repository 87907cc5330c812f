//! The named bounds of the broker's memory and of what a client may ask for.

use std::num::NonZeroU16;

use serde::Deserialize;

/// Bounds that can change while the broker runs; a change is an input, so that every replica applies it at the same
/// place in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Unacknowledged QoS 1 and 2 messages to one client: its Receive Maximum is capped at this. A change is for new
    /// connections.
    pub max_in_flight: NonZeroU16,
    /// Bytes of unacknowledged QoS 1 and 2 messages to one connection (topic, properties and payload). Beyond it the next
    /// one waits, so a client that takes nothing holds this much and one message more. A change is for new connections.
    pub max_in_flight_bytes: u32,
    /// Messages that wait for one session, beyond those in flight. Beyond it `queue_overflow` decides, and each drop is
    /// counted; a client that would miss a notification of a key is disconnected instead (0x97). QoS 0 does not wait for
    /// a client that is away.
    pub max_queued_messages: u32,
    /// Bytes of the messages that wait for one session, with the same consequence.
    pub max_queued_bytes: u32,
    /// What becomes of a message for a full queue.
    pub queue_overflow: QueueOverflow,
    /// QoS 2 messages that one client has published and not yet released with PUBREL, over all its connections. A
    /// further one is refused (0x97); a client of MQTT 3.1.1, which can't be told, is disconnected.
    pub max_unreleased_messages: u32,
    /// The longest Session Expiry Interval in seconds; `u32::MAX` means that sessions may live for ever.
    pub max_session_expiry_interval_s: u32,
    /// Subscriptions of one session. A further one is refused (0x97).
    pub max_subscriptions: u32,
    /// Levels of one session's filters with wildcards, all together: `a/+/#` has three. A further filter is refused (0x97).
    /// To find a message's receivers takes at most a step for each of them.
    pub max_wildcard_levels: u32,
    /// Subscriptions of all sessions. A further one is refused (0x97).
    pub max_total_subscriptions: u32,
    /// Sessions, of connected clients and of those away. A client without one is not let in (0x97).
    pub max_sessions: u32,
    /// Retained messages. A further one of QoS 1 or 2 is refused (0x97); one of QoS 0, or a will, is routed and not
    /// retained, and counted. One in place of an earlier one of its topic that takes no more bytes always passes.
    pub max_retained_messages: u32,
    /// What retained messages may occupy in bytes (topic, properties, payload, index), with the same consequence.
    pub max_retained_bytes: u32,
    /// Keys that one connection may watch. A further KEYNOTIFY is refused (`the quota has been exceeded`).
    pub max_watched_keys: u32,
    /// Executed requests that are remembered so that a replay is answered from memory. The oldest goes first.
    pub max_remembered_requests: u32,
    /// Keys in the store. A SET of a further one is refused (`the quota has been exceeded`); what is stored stays, and can
    /// be overwritten. A key counts until it is deleted or its time is over. Where the time of very many ends at once, some
    /// count for a moment longer; but before a SET is refused, so many of them make room: 1,024, and one more for each 136
    /// bytes of its key and value, where each watcher that is told of one counts as one more.
    pub max_keys: u32,
    /// What keys may occupy in bytes, with the same consequence for a SET that takes more than what it replaces. A key
    /// counts with its bytes, those of its value and 136 more; with a further 40 if it has an expiry; and with a further 32
    /// and the bytes of the token's node id if it has a fencing token.
    pub max_store_bytes: u64,
    /// What all may occupy in bytes, as [`MemoryUse`](crate::MemoryUse) counts: what connections have to write and what was
    /// read of packets that are not whole is a part of it. Where it is reached, nothing is accepted
    /// that takes more: no session (0x97), subscription (0x97), message (0x97), SET or KEYNOTIFY (`the quota has been
    /// exceeded`). What is answered and told then may go beyond it, by as much as connected clients leave unacknowledged:
    /// 64 KiB each, as much waiting, and a message more where one alone is larger. Further responses are dropped and counted,
    /// as all are for a client that is away; a client that would miss a notification is disconnected (0x97).
    pub max_memory_bytes: u64,
    /// From this part of `max_memory_bytes` on, in percent, publishers are read from more slowly.
    pub slow_publishers_percent: u8,
    /// From this part on messages are refused: with 0x97 for QoS 1 and 2, by dropping and counting for QoS 0. A client of
    /// MQTT 3.1.1, which can't be told, is disconnected for QoS 1 and 2. The rest of `max_memory_bytes` is kept for
    /// requests to the store and for messages with the user property `$high_priority`. A message that deletes a retained
    /// one, and is no larger, always passes.
    pub refuse_publishers_percent: u8,
}

/// What becomes of a message for a session whose queue is full. What has expired in it goes first in any case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema, serde::Serialize))]
#[serde(rename_all = "snake_case")]
pub enum QueueOverflow {
    /// It is dropped. Where no receiver took it, its publisher is told so with 0x97 in PUBACK or PUBREC; a publisher of
    /// MQTT 3.1.1, which has no word for it, has a plain acknowledgement.
    #[default]
    Refuse,
    /// The oldest message that a subscription brought makes room for it.
    DropOldest,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_in_flight: NonZeroU16::new(1024).expect("1024 is not zero"),
            max_in_flight_bytes: 4 * 1024 * 1024,
            max_queued_messages: 10_000,
            max_queued_bytes: 64 * 1024 * 1024,
            queue_overflow: QueueOverflow::Refuse,
            // MQTT 3.1.1 knows no Receive Maximum: as many as there are identifiers.
            max_unreleased_messages: 65_535,
            max_session_expiry_interval_s: u32::MAX,
            max_subscriptions: 10_000,
            max_wildcard_levels: 100_000,
            max_total_subscriptions: 10_000_000,
            max_sessions: 1_000_000,
            max_retained_messages: 1_000_000,
            max_retained_bytes: 512 * 1024 * 1024,
            max_watched_keys: 10_000,
            max_remembered_requests: 100_000,
            max_keys: 10_000_000,
            max_store_bytes: 1024 * 1024 * 1024,
            max_memory_bytes: 4 * 1024 * 1024 * 1024,
            slow_publishers_percent: 80,
            refuse_publishers_percent: 90,
        }
    }
}
