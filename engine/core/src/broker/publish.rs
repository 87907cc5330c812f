//! PUBLISH: what is taken, and its answer.

use mayfly_wire::{PacketId, ProtocolVersion, Publish, QoS, ReasonCode};

use super::Broker;
use super::accounting::Pressure;
use super::outbox::Item;
use super::routing::Publication;
use super::session::{Kind, SessionKey};
use crate::machine::ConnectionId;
use crate::store::{NOTIFY_TOPIC_PREFIX, REQUEST_TOPIC};

/// The root of what a server tells about itself [MQTT 5, section 4.7.2].
const SYSTEM_TOPIC: &str = "$SYS";

impl Broker {
    pub(super) fn publish(&mut self, key: SessionKey, connection: ConnectionId, publish: &Publish<'_>) {
        if self.is_known_identifier(key, connection, publish) {
            return;
        }
        if publish.topic == REQUEST_TOPIC {
            self.request(key, connection, publish);
            return;
        }
        self.identifier_used(key, publish.packet_id, None);
        if is_reserved_topic(publish.topic) {
            self.answer_publish(key, connection, publish, ReasonCode::NotAuthorized);
            return;
        }
        if !self.may_publish(key, publish.topic) {
            self.counters.denied_publications += 1;
            self.answer_publish(key, connection, publish, ReasonCode::NotAuthorized);
            return;
        }
        if self.is_held_back(publish) {
            if publish.qos > QoS::AtMostOnce {
                self.refuse_publish(key, connection, publish, ReasonCode::QuotaExceeded);
            }
            return;
        }
        match self.take_message(Some(key), publish) {
            ReasonCode::QuotaExceeded => {
                self.refuse_publish(key, connection, publish, ReasonCode::QuotaExceeded);
            }
            reason => self.answer_publish(key, connection, publish, reason),
        }
    }

    /// A connection refused a PUBLISH by itself: its Packet Identifier is free again, whatever it stood for before.
    pub(super) fn refused(&mut self, connection: ConnectionId, packet_id: PacketId) {
        let Some(&key) = self.directory.by_connection.get(&connection) else { return };
        self.identifier_used(key, Some(packet_id), None);
        let was_known = self.session(key).unreleased.release(packet_id);
        self.ledger.unreleased -= usize::from(was_known);
    }

    /// Publishes a message of the server itself. At the bound of memory it goes to who takes it at once, and waits for nobody.
    pub(super) fn publish_own(&mut self, publish: &Publish<'_>) {
        let qos = if self.pressure() == Pressure::Full { QoS::AtMostOnce } else { publish.qos };
        if !publish.topic.is_empty() {
            self.take_message(None, &Publish { qos, ..*publish });
        }
    }

    /// Retains a message if it says so, and hands it to its subscribers. Where there is no room for it, and its publisher
    /// can be told so, it is not handed on either.
    fn take_message(&mut self, publisher: Option<SessionKey>, publish: &Publish<'_>) -> ReasonCode {
        let Publish { topic, qos, retain, .. } = *publish;
        let message =
            self.messages.hold_published(topic, &publish.properties, publish.payload, self.now.wall);
        let is_told = publisher.is_some() && qos > QoS::AtMostOnce;
        let is_refused = retain && !self.retain(publisher, message, qos) && is_told;
        let reason = if is_refused {
            ReasonCode::QuotaExceeded
        } else {
            let kind = Kind::Published;
            let routed =
                self.route(Publication { publisher, topic, message, qos, retain, kind, only_for: None });
            let is_v5 = |key| self.version(key) == ProtocolVersion::V5;
            if routed.receivers == 0 {
                ReasonCode::NoMatchingSubscribers
            } else if routed.is_refused() && !retain && publisher.is_some_and(is_v5) {
                // A publisher of MQTT 3.1.1 can't be told, and is not to suffer for those who don't read.
                ReasonCode::QuotaExceeded
            } else {
                ReasonCode::Success
            }
        };
        self.messages.release(message);
        reason
    }

    /// Answers a PUBLISH whose Packet Identifier a QoS 2 message still has, or that can't get one, and says whether it
    /// did. Such a message is not routed.
    fn is_known_identifier(
        &mut self,
        key: SessionKey,
        connection: ConnectionId,
        publish: &Publish<'_>,
    ) -> bool {
        let Some(packet_id) = publish.packet_id else { return false };
        let max_unreleased = self.limits.max_unreleased_messages as usize;
        let unreleased = &self.sessions[key.index()].unreleased;
        let is_full = unreleased.len() >= max_unreleased;
        match (publish.qos, unreleased.contains(packet_id)) {
            // The same message again, whether or not the client says so with DUP [MQTT-4.3.3-10].
            (QoS::ExactlyOnce, true) => {
                self.outbox.push(connection, Item::PubRec { packet_id, reason: ReasonCode::Success });
            }
            (QoS::ExactlyOnce, false) if is_full => {
                self.identifier_used(key, Some(packet_id), None);
                self.refuse_publish(key, connection, publish, ReasonCode::QuotaExceeded);
            }
            // Another message under an identifier that is in use [MQTT-2.2.1-3].
            (QoS::AtLeastOnce, true) => {
                self.refuse_publish(key, connection, publish, ReasonCode::PacketIdentifierInUse);
            }
            _ => return false,
        }
        true
    }

    /// Answers a message that was not taken and is not to be lost: MQTT 3.1.1 can't be told so in an acknowledgement, and
    /// is disconnected [MQTT-3.3.5-2 of 3.1.1].
    fn refuse_publish(
        &mut self,
        key: SessionKey,
        connection: ConnectionId,
        publish: &Publish<'_>,
        reason: ReasonCode,
    ) {
        match self.version(key) {
            ProtocolVersion::V5 => self.answer_publish(key, connection, publish, reason),
            ProtocolVersion::V3_1_1 => self.condemn(connection, reason),
        }
    }

    /// Sends PUBACK or PUBREC where the QoS wants one. An error ends the exchange; otherwise a QoS 2 message is this
    /// broker's from now on [MQTT-4.3.3-9].
    pub(super) fn answer_publish(
        &mut self,
        key: SessionKey,
        connection: ConnectionId,
        publish: &Publish<'_>,
        reason: ReasonCode,
    ) {
        let Some(packet_id) = publish.packet_id else { return };
        if publish.qos == QoS::AtLeastOnce {
            self.outbox.push(connection, Item::PubAck { packet_id, reason });
            return;
        }
        if !reason.is_error() && self.session(key).unreleased.insert(packet_id) {
            self.ledger.unreleased += 1;
        }
        self.outbox.push(connection, Item::PubRec { packet_id, reason });
    }
}

/// Whether only the store or the server itself publishes to `topic`.
pub(super) fn is_reserved_topic(topic: &str) -> bool {
    let is_below = |prefix: &str| topic.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
    topic == REQUEST_TOPIC || is_below(NOTIFY_TOPIC_PREFIX) || topic == SYSTEM_TOPIC || is_below(SYSTEM_TOPIC)
}
