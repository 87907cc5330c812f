//! From a PUBLISH to the sessions that it is for.

use mayfly_wire::{PacketId, Publish, QoS, ReasonCode};

use super::Broker;
use super::messages::{Envelope, MessageId, Messages};
use super::outbox::Item;
use super::session::{Kind, OpenConnection, Queued, Session, SessionKey};
use crate::machine::ConnectionId;
use crate::store::{NOTIFY_TOPIC_PREFIX, REQUEST_TOPIC};
use crate::time::WallClock;

impl Broker {
    pub(super) fn publish(&mut self, key: SessionKey, connection: ConnectionId, publish: &Publish<'_>) {
        if publish.topic == REQUEST_TOPIC && self.refuse_qos_2_request(key, connection, publish) {
            return;
        }
        if let Some(reason) = forbidden(publish) {
            self.condemn(connection, reason);
            return;
        }
        if publish.topic == REQUEST_TOPIC {
            self.request(key, connection, publish);
            return;
        }
        self.identifier_used(key, publish.packet_id, None);
        let reason = if is_reserved_topic(publish.topic) {
            ReasonCode::NotAuthorized
        } else {
            let message = self.messages.hold_published(
                publish.topic,
                &publish.properties,
                publish.payload,
                self.now.wall,
            );
            let receivers = self.route(Some(key), publish.topic, message, publish.qos, Kind::Published);
            self.messages.release(message);
            if receivers == 0 { ReasonCode::NoMatchingSubscribers } else { ReasonCode::Success }
        };
        self.answer_publish(connection, publish.packet_id, reason);
    }

    /// Sends PUBACK where the QoS wants one.
    pub(super) fn answer_publish(
        &mut self,
        connection: ConnectionId,
        id: Option<PacketId>,
        reason: ReasonCode,
    ) {
        if let Some(packet_id) = id {
            self.outbox.push(connection, Item::PubAck { packet_id, reason });
        }
    }

    /// Hands a message to every session with a matching subscription and returns how many there are.
    pub(super) fn route(
        &mut self,
        publisher: Option<SessionKey>,
        topic: &str,
        message: MessageId,
        qos: QoS,
        kind: Kind,
    ) -> usize {
        let mut matches = std::mem::take(&mut self.matches);
        self.subscriptions.find(topic, publisher, &mut matches);
        for subscriber in &matches {
            self.deliver(subscriber.session, message, qos.min(subscriber.qos), kind);
        }
        let receivers = matches.len();
        self.matches = matches;
        receivers
    }

    /// Sends a message to a session, or queues it.
    pub(super) fn deliver(&mut self, key: SessionKey, message: MessageId, qos: QoS, kind: Kind) {
        let session = self.session(key);
        let is_connected = session.connection.is_some();
        let goes_at_once = is_connected
            && match (qos, kind) {
                // QoS 0 does not wait for the window, but the store's answers keep their order.
                (QoS::AtMostOnce, Kind::Published) => true,
                (QoS::AtMostOnce, _) => !session.has_backlog(),
                _ => !session.has_backlog() && session.may_send(),
            };
        if goes_at_once {
            self.messages.retain(message);
            self.send(key, Queued { message, qos, kind });
        } else if qos > QoS::AtMostOnce || is_connected {
            self.enqueue(key, Queued { message, qos, kind });
        }
    }

    /// Queues a message within the session's bound.
    fn enqueue(&mut self, key: SessionKey, queued: Queued) {
        let max_queued_messages = self.limits.max_queued_messages as usize;
        let max_queued_bytes = self.limits.max_queued_bytes as usize;
        let len = self.messages.len_of(queued.message);
        let session = self.session(key);
        if session.queue.len() < max_queued_messages && session.queued_bytes + len <= max_queued_bytes {
            session.queue.push_back(queued);
            session.queued_bytes += len;
            self.messages.retain(queued.message);
        } else {
            self.counters.dropped_queue_full += 1;
            self.skipped(key, queued.kind);
        }
    }

    /// A message to this session was dropped. A watcher must not miss a change without knowing.
    fn skipped(&mut self, key: SessionKey, kind: Kind) {
        let connection = self.sessions[key.index()].connection.as_ref().map(|connection| connection.id);
        if let (Kind::Notification, Some(connection)) = (kind, connection) {
            self.condemn(connection, ReasonCode::QuotaExceeded);
        }
    }

    /// Puts out a message that the caller holds a reference to; the reference goes with it.
    fn send(&mut self, key: SessionKey, Queued { message, qos, kind }: Queued) {
        // The size does not depend on which identifier it gets, only on whether it gets one.
        let placeholder = if qos > QoS::AtMostOnce { PacketId::new(1) } else { None };
        let envelope = Envelope { qos, packet_id: placeholder, dup: false };
        let session = &mut self.sessions[key.index()];
        let connection = session.connection.as_mut().expect("only a connected session is sent to");
        if !fits(&self.messages, connection, message, envelope, self.now.wall) {
            // Discarded as if it had been sent and acknowledged [MQTT-3.1.2-25].
            self.counters.dropped_too_large += 1;
            self.messages.release(message);
            self.skipped(key, kind);
            return;
        }
        let packet_id = (qos > QoS::AtMostOnce).then(|| {
            self.messages.retain(message);
            connection.in_flight_bytes += self.messages.len_of(message);
            session.window.send(message)
        });
        self.outbox
            .push(connection.id, Item::Deliver { message, envelope: Envelope { packet_id, ..envelope } });
    }

    pub(super) fn acknowledged(&mut self, key: SessionKey, packet_id: PacketId) {
        let Session { window, connection, .. } = &mut self.sessions[key.index()];
        if let Some(OpenConnection { to_resend, in_flight_bytes, .. }) = connection {
            // In the order of the window, as `pump` left it.
            let distance = window.distance(packet_id);
            if let Ok(position) = to_resend.binary_search_by_key(&distance, |id| window.distance(*id)) {
                to_resend.remove(position);
            } else if let Some(message) = window.find(packet_id) {
                *in_flight_bytes -= self.messages.len_of(message);
            }
        }
        // One that is not in flight was acknowledged before, on an earlier connection perhaps: nothing is left to do.
        if let Some(message) = window.acknowledge(packet_id) {
            self.messages.release(message);
            self.pump(key);
        }
    }

    /// Sends what waits, as far as the client's Receive Maximum allows: first again what was in flight on an earlier
    /// connection, in the order of first sending [MQTT-4.6.0-1], then the queue.
    pub(super) fn pump(&mut self, key: SessionKey) {
        loop {
            let session = &mut self.sessions[key.index()];
            let has_quota = session.has_quota();
            let Some(connection) = &mut session.connection else { return };
            if let Some(&packet_id) = connection.to_resend.front() {
                if !has_quota {
                    return;
                }
                connection.to_resend.pop_front();
                self.resend(key, packet_id);
                continue;
            }
            let Some(&queued) = session.queue.front() else { return };
            if queued.qos > QoS::AtMostOnce && !session.may_send() {
                return;
            }
            session.queue.pop_front();
            session.queued_bytes -= self.messages.len_of(queued.message);
            if self.messages.is_expired(queued.message, self.now.wall) {
                self.counters.dropped_expired += 1;
                self.messages.release(queued.message);
            } else {
                self.send(key, queued);
            }
        }
    }

    /// Sends again what was in flight on an earlier connection [MQTT-4.4.0-1], unless it is too large for this one.
    fn resend(&mut self, key: SessionKey, packet_id: PacketId) {
        let session = &mut self.sessions[key.index()];
        let message = session.window.find(packet_id).expect("what waits to be sent again is in flight");
        let envelope = Envelope { qos: QoS::AtLeastOnce, packet_id: Some(packet_id), dup: true };
        let connection = session.connection.as_mut().expect("only a connected session is sent to");
        if fits(&self.messages, connection, message, envelope, self.now.wall) {
            self.messages.retain(message);
            connection.in_flight_bytes += self.messages.len_of(message);
            self.outbox.push(connection.id, Item::Deliver { message, envelope });
        } else {
            session.window.acknowledge(packet_id);
            self.counters.dropped_too_large += 1;
            self.messages.release(message);
        }
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

/// What this broker said in CONNACK that it does not take, and what no [`Connection`](crate::Connection) hands on.
fn forbidden(publish: &Publish<'_>) -> Option<ReasonCode> {
    if publish.topic.is_empty() {
        Some(ReasonCode::TopicAliasInvalid)
    } else if publish.qos > QoS::AtLeastOnce {
        Some(ReasonCode::QoSNotSupported)
    } else if publish.retain {
        Some(ReasonCode::RetainNotSupported)
    } else {
        None
    }
}

/// Whether only the store itself publishes to `topic`, or reads from it.
pub(super) fn is_reserved_topic(topic: &str) -> bool {
    let below = topic.strip_prefix(NOTIFY_TOPIC_PREFIX);
    topic == REQUEST_TOPIC || below.is_some_and(|rest| rest.starts_with('/'))
}
