//! Sessions: what the broker keeps for a client, connected or not [MQTT-4.1.0-1].

use std::hash::{Hash, Hasher};
use std::time::Duration;

use foldhash::fast::FixedState;
use indexmap::{IndexMap, IndexSet};
use mayfly_wire::{PacketId, ProtocolVersion, QoS};

use super::messages::{MessageId, Messages};
use super::permissions::Subject;
use super::queue::Queue;
use super::replay::RequestId;
use super::retained_delivery::Awaited;
use super::unreleased::Unreleased;
use super::window::Window;
use crate::machine::ConnectionId;
use crate::time::Monotonic;

/// Names a session of this broker. Given again after the session has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct SessionKey(u32);

impl SessionKey {
    pub(super) fn from_index(index: u32) -> Self {
        Self(index)
    }

    pub(super) fn index(self) -> usize {
        self.0 as usize
    }
}

/// The value of a Session Expiry Interval that never ends [MQTT-3.1.2-23].
pub(super) const NEVER: u32 = u32::MAX;

/// A client's session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) client_id: Box<str>,
    /// Whose it is: the user name that its client was authenticated as, `None` for an anonymous one. Nobody else goes on
    /// with it.
    pub(super) user_name: Option<Box<str>>,
    /// Who its client is under the rules, or was when it was last here; `None`: it may do everything.
    pub(super) subject: Option<Box<Subject>>,
    /// The connection in use; `None` while the client is away.
    pub(super) connection: Option<OpenConnection>,
    /// Session Expiry Interval in seconds; zero ends the session with its connection.
    pub(super) expiry_interval_s: u32,
    /// When the session ends, while the client is away.
    pub(super) expires_at: Option<Monotonic>,
    /// Filters, so that they can be taken out of the index with the session.
    pub(super) filters: IndexSet<Box<str>, FixedState>,
    /// The levels of those of them that have wildcards.
    pub(super) wildcard_levels: usize,
    /// Retained messages that its latest subscriptions have still to bring.
    pub(super) awaited: Option<Box<Awaited>>,
    pub(super) window: Window,
    pub(super) queue: Queue,
    /// QoS 2 messages from the client that it may send again.
    pub(super) unreleased: Unreleased,
    /// Executed requests to the store whose PUBACK the client may lack, by their packet identifier.
    pub(super) unsettled_requests: IndexMap<PacketId, RequestId, FixedState>,
    /// To be published when the connection is gone and the delay has passed.
    pub(super) will: Option<HeldWill>,
    /// When `will` is due, once the connection is gone.
    pub(super) will_due_at: Option<Monotonic>,
}

/// What belongs to the connection and ends with it.
#[derive(Debug)]
pub(super) struct OpenConnection {
    pub(super) id: ConnectionId,
    pub(super) version: ProtocolVersion,
    /// Whether CONNECT asked for a session that outlives the connection, whatever was granted.
    pub(super) asked_to_last: bool,
    /// The client's Receive Maximum.
    pub(super) receive_maximum: u16,
    /// The client's Maximum Packet Size in bytes; what is larger is not sent [MQTT-3.1.2-24].
    pub(super) maximum_packet_size: usize,
    /// Keys that the connection watches.
    pub(super) watched_keys: IndexSet<Box<[u8]>, FixedState>,
    /// So many messages at the end of the window were in flight when the client came back, and are not yet sent again.
    pub(super) to_resend: usize,
    /// The bytes of what was sent on this connection and is not yet acknowledged.
    pub(super) in_flight_bytes: usize,
    /// At this many `in_flight_bytes` the next message waits.
    pub(super) max_in_flight_bytes: usize,
}

/// Why a message goes to a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    /// A subscription matched.
    Published,
    /// The store's answer to this client's request.
    Response,
    /// The client watches a key. Dropped with the connection while it waits, and never skipped in silence.
    Notification,
}

/// A Will Message, held as it will be published.
#[derive(Debug)]
pub(super) struct HeldWill {
    pub(super) topic: Box<str>,
    pub(super) message: MessageId,
    pub(super) qos: QoS,
    pub(super) retain: bool,
    pub(super) delay: Duration,
    /// Its Message Expiry Interval in seconds, counted from the publication.
    pub(super) expiry_interval_s: Option<u32>,
}

impl Session {
    pub(super) fn new(client_id: &str, user_name: Option<&str>, hash_state: FixedState) -> Self {
        Self {
            client_id: client_id.into(),
            user_name: user_name.map(Into::into),
            subject: None,
            connection: None,
            expiry_interval_s: 0,
            expires_at: None,
            filters: IndexSet::with_hasher(hash_state.clone()),
            wildcard_levels: 0,
            awaited: None,
            window: Window::default(),
            queue: Queue::default(),
            unreleased: Unreleased::default(),
            unsettled_requests: IndexMap::with_hasher(hash_state),
            will: None,
            will_due_at: None,
        }
    }

    /// The bytes of its client identifier, which the directory has too, and of who its client is.
    pub(super) fn text_bytes(&self) -> usize {
        let names = 2 * self.client_id.len() + self.user_name.as_ref().map_or(0, |name| name.len());
        names + self.subject.as_ref().map_or(0, |subject| subject.bytes())
    }

    /// So many messages at the front of the window were sent on this connection; those behind are to be sent again.
    pub(super) fn sent(&self) -> usize {
        self.window.len() - self.connection.as_ref().map_or(0, |connection| connection.to_resend)
    }

    /// Whether one more message of QoS 1 or 2 may go out on this connection: within the client's Receive Maximum
    /// [MQTT-4.9.0-2], and within what it may leave unacknowledged in bytes.
    pub(super) fn has_quota(&self) -> bool {
        let Some(connection) = &self.connection else { return false };
        self.sent() < usize::from(connection.receive_maximum)
            && connection.in_flight_bytes < connection.max_in_flight_bytes
    }

    /// Whether the client still has to be sent again what was in flight on an earlier connection.
    pub(super) fn has_resends(&self) -> bool {
        self.connection.as_ref().is_some_and(|connection| connection.to_resend > 0)
    }

    /// Whether something waits that the next message has to stay behind.
    pub(super) fn has_backlog(&self) -> bool {
        !self.queue.is_empty() || self.has_resends() || self.awaited.is_some()
    }

    /// Whether a new message of QoS 1 or 2 may be sent: behind all that is to be sent again, and with an identifier of its
    /// own.
    pub(super) fn may_send(&self) -> bool {
        !self.has_resends() && self.has_quota() && !self.window.is_exhausted()
    }

    /// Feeds everything that later outputs depend on.
    pub(super) fn hash_state<H: Hasher>(&self, messages: &Messages, state: &mut H) {
        (&self.client_id, &self.user_name, &self.subject).hash(state);
        (&self.connection, self.expiry_interval_s, self.expires_at).hash(state);
        self.filters.len().hash(state);
        self.awaited.is_some().hash(state);
        if let Some(awaited) = &self.awaited {
            awaited.hash_state(messages, state);
        }
        self.window.hash_state(messages, state);
        self.queue.hash_state(messages, state);
        self.unreleased.hash(state);
        self.unsettled_requests.as_slice().hash(state);
        if let Some(will) = &self.will {
            (&will.topic, will.qos, will.retain, will.delay, will.expiry_interval_s, self.will_due_at)
                .hash(state);
            messages.hash_content(will.message, state);
        }
    }
}

impl Hash for OpenConnection {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.id, self.version, self.asked_to_last, self.receive_maximum, self.maximum_packet_size)
            .hash(state);
        self.watched_keys.len().hash(state);
        self.watched_keys.iter().for_each(|key| key.hash(state));
        (self.to_resend, self.in_flight_bytes, self.max_in_flight_bytes).hash(state);
    }
}

/// Sessions by client identifier, and the connections in use.
#[derive(Debug)]
pub(super) struct Directory {
    pub(super) by_client_id: IndexMap<Box<str>, SessionKey, FixedState>,
    pub(super) by_connection: IndexMap<ConnectionId, SessionKey, FixedState>,
}

impl Directory {
    pub(super) fn new(hash_state: FixedState) -> Self {
        Self {
            by_client_id: IndexMap::with_hasher(hash_state.clone()),
            by_connection: IndexMap::with_hasher(hash_state),
        }
    }
}
