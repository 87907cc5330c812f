//! From a message to one session: at once, or through its queue, within what the client takes.
//!
//! Invariant: messages of QoS 1 and 2 go out in the order in which they came, first those that are sent again
//! [MQTT-4.6.0-1], [MQTT-4.6.0-5].

use mayfly_wire::{PacketId, QoS, ReasonCode};

use super::Broker;
use super::messages::{Envelope, MessageId, Messages};
use super::outbox::Item;
use super::queue::Queued;
use super::session::{Kind, OpenConnection, Session, SessionKey};
use super::window::Stage;
use crate::limits::QueueOverflow;
use crate::time::WallClock;

impl Broker {
    /// Sends a message to a session, or queues it. QoS 0 is not kept for a client that is away. Returns false where the
    /// queue had no room for it.
    pub(super) fn deliver(&mut self, key: SessionKey, message: MessageId, qos: QoS, kind: Kind) -> bool {
        let session = &self.sessions[key.index()];
        let is_connected = session.connection.is_some();
        let goes_at_once = is_connected
            && match (qos, kind) {
                // QoS 0 does not wait for the window, but the store's answers keep their order.
                (QoS::AtMostOnce, Kind::Published) if session.awaited.is_some() => {
                    self.send_behind_retained(key, message);
                    return true;
                }
                (QoS::AtMostOnce, Kind::Published) => true,
                (QoS::AtMostOnce, _) => !session.has_backlog(),
                _ => !session.has_backlog() && session.may_send() && self.may_leave_unacknowledged(key, kind),
            };
        if goes_at_once {
            self.messages.retain(message);
            self.send(key, Queued { message, qos, kind });
            return true;
        }
        if qos > QoS::AtMostOnce || is_connected {
            return self.enqueue(key, Queued { message, qos, kind });
        }
        self.counters.dropped.away += 1;
        true
    }

    /// Queues a message within the session's bounds. Returns whether there was room.
    fn enqueue(&mut self, key: SessionKey, queued: Queued) -> bool {
        let len = self.messages.len_of(queued.message);
        if !self.may_hold(key, queued.kind, len) {
            self.counters.dropped.memory += 1;
            self.skipped(key, queued.kind);
            return false;
        }
        if !self.make_room(key, len) {
            self.counters.dropped.queue_full += 1;
            self.skipped(key, queued.kind);
            return false;
        }
        self.sessions[key.index()].queue.push(&mut self.messages, queued);
        true
    }

    /// Makes room for `len` bytes in a session's queue, as far as [`QueueOverflow`] allows. Answers of the store and
    /// notifications make room for nothing.
    fn make_room(&mut self, key: SessionKey, len: usize) -> bool {
        if self.has_room(key, len) {
            return true;
        }
        let queue = &mut self.sessions[key.index()].queue;
        self.counters.dropped.expired += queue.drop_expired(&mut self.messages, self.now.wall);
        let is_possible = len <= self.limits.max_queued_bytes as usize;
        while self.limits.queue_overflow == QueueOverflow::DropOldest
            && is_possible
            && !self.has_room(key, len)
            && self.sessions[key.index()].queue.drop_oldest_published(&mut self.messages)
        {
            self.counters.dropped.oldest += 1;
        }
        self.has_room(key, len)
    }

    fn has_room(&self, key: SessionKey, len: usize) -> bool {
        let queue = &self.sessions[key.index()].queue;
        queue.len() < self.limits.max_queued_messages as usize
            && queue.bytes() + len <= self.limits.max_queued_bytes as usize
    }

    /// A message to this session was dropped. A watcher must not miss a change without knowing.
    fn skipped(&mut self, key: SessionKey, kind: Kind) {
        let connection = self.sessions[key.index()].connection.as_ref().map(|connection| connection.id);
        if let (Kind::Notification, Some(connection)) = (kind, connection) {
            self.condemn(connection, ReasonCode::QuotaExceeded);
        }
    }

    /// Puts out a message that the caller holds a reference to; the reference goes with it.
    pub(super) fn send(&mut self, key: SessionKey, Queued { message, qos, kind }: Queued) {
        // The size does not depend on which identifier it gets, only on whether it gets one.
        let placeholder = if qos > QoS::AtMostOnce { PacketId::new(1) } else { None };
        let envelope = Envelope { qos, packet_id: placeholder, dup: false };
        let session = &mut self.sessions[key.index()];
        let connection = session.connection.as_mut().expect("only a connected session is sent to");
        if !fits(&self.messages, connection, message, envelope, self.now.wall) {
            // Discarded as if it had been sent and acknowledged [MQTT-3.1.2-25].
            self.counters.dropped.too_large += 1;
            self.messages.release(message);
            self.skipped(key, kind);
            return;
        }
        self.counters.notifications_sent += u64::from(kind == Kind::Notification);
        let packet_id = (qos > QoS::AtMostOnce).then(|| {
            self.messages.retain(message);
            self.messages.shrink(message);
            connection.in_flight_bytes += self.messages.len_of(message);
            session.window.send(message, qos)
        });
        self.outbox
            .push(connection.id, Item::Deliver { message, envelope: Envelope { packet_id, ..envelope } });
    }

    /// Sends what waits, as far as the client's Receive Maximum allows: first again what was in flight on an earlier
    /// connection, in the order of first sending [MQTT-4.6.0-1], then retained messages, then the queue.
    pub(super) fn pump(&mut self, key: SessionKey) {
        loop {
            let session = &mut self.sessions[key.index()];
            if session.connection.is_none() {
                return;
            }
            if session.has_resends() {
                if !self.resend_next(key) {
                    return;
                }
                continue;
            }
            if !self.send_retained(key) {
                return;
            }
            let session = &mut self.sessions[key.index()];
            let Some(&queued) = session.queue.front() else { return };
            if queued.qos > QoS::AtMostOnce && !session.may_send() {
                return;
            }
            session.queue.pop(&self.messages);
            if self.messages.is_expired(queued.message, self.now.wall) {
                self.counters.dropped.expired += 1;
                self.messages.release(queued.message);
            } else {
                self.send(key, queued);
            }
        }
    }

    /// Takes up what was in flight on an earlier connection [MQTT-4.4.0-1]: first each PUBREL, which takes no room
    /// [MQTT-4.9.0-3], then what has no PUBREC yet.
    pub(super) fn resume(&mut self, key: SessionKey) {
        let Session { window, connection, .. } = &mut self.sessions[key.index()];
        let connection = connection.as_mut().expect("a session is resumed with its connection");
        connection.to_resend = window.len();
        for packet_id in window.released() {
            self.outbox.push(connection.id, Item::PubRel { packet_id, reason: ReasonCode::Success });
        }
        self.pump(key);
    }

    /// Sends the next message again. Returns false where it has to wait.
    fn resend_next(&mut self, key: SessionKey) -> bool {
        let session = &mut self.sessions[key.index()];
        let (has_quota, position) = (session.has_quota(), session.sent());
        let connection = session.connection.as_mut().expect("only a connected session is sent to");
        let (packet_id, stage) = session.window.get(position).expect("what is to be sent again is in flight");
        let Stage::Published { message, qos } = stage else {
            connection.to_resend -= 1; // Its PUBREL was sent at once.
            return true;
        };
        if !has_quota {
            return false;
        }
        connection.to_resend -= 1;
        // It may have expired meanwhile: a delivery that has begun is completed [MQTT-3.3.2-5].
        let envelope = Envelope { qos, packet_id: Some(packet_id), dup: true };
        if fits(&self.messages, connection, message, envelope, self.now.wall) {
            self.messages.retain(message);
            connection.in_flight_bytes += self.messages.len_of(message);
            self.outbox.push(connection.id, Item::Deliver { message, envelope });
            return true;
        }
        // Too large for this connection. Whether it arrived on the earlier one nobody knows: PUBREL makes a client that
        // has its QoS 2 identifier give it up, before it stands for another message.
        self.counters.dropped.too_large += 1;
        self.messages.release(message);
        if qos == QoS::ExactlyOnce {
            let connection = connection.id;
            self.release_identifier(key, position);
            self.outbox.push(connection, Item::PubRel { packet_id, reason: ReasonCode::Success });
        } else {
            session.window.complete(position);
        }
        true
    }
}

/// Whether a message is within the client's Maximum Packet Size [MQTT-3.1.2-24].
fn fits(
    messages: &Messages,
    connection: &OpenConnection,
    message: MessageId,
    envelope: Envelope,
    now: WallClock,
) -> bool {
    // Nearly always the bound tells.
    messages.max_encoded_len(message) <= connection.maximum_packet_size
        || messages.delivery(message, envelope, now).encoded_len(connection.version)
            <= connection.maximum_packet_size
}
