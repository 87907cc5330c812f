//! Acknowledgements: the packets that follow a PUBLISH of QoS 1 or 2, in both directions [MQTT 5, section 4.3].
//!
//! An acknowledgement of what is in flight, but of the wrong kind, is a Protocol Error and changes nothing. One of what is
//! not in flight may belong to an earlier connection; it changes nothing either, and where the client waits for an answer
//! it gets one.

use mayfly_wire::{PacketId, PubAck, PubRec, QoS, ReasonCode};

use super::Broker;
use super::outbox::Item;
use super::session::SessionKey;
use super::window::Stage;
use crate::machine::ConnectionId;

impl Broker {
    /// A publisher releases a QoS 2 message: its identifier may stand for another one now [MQTT-4.3.3-11].
    pub(super) fn pub_rel(&mut self, key: SessionKey, connection: ConnectionId, packet_id: PacketId) {
        let was_known = self.session(key).unreleased.release(packet_id);
        self.ledger.unreleased -= usize::from(was_known);
        // A client whose PUBCOMP was lost with an earlier connection asks again.
        let reason = if was_known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
        self.outbox.push(connection, Item::PubComp { packet_id, reason });
    }

    /// A subscriber has a QoS 1 message.
    pub(super) fn pub_ack(&mut self, key: SessionKey, connection: ConnectionId, ack: &PubAck<'_>) {
        match self.in_flight(key, ack.packet_id) {
            Some((position, Stage::Published { qos: QoS::AtLeastOnce, .. })) => {
                self.counters.dropped.by_client += u64::from(ack.reason.is_error());
                self.complete(key, position);
            }
            Some(_) => self.condemn(connection, ReasonCode::ProtocolError),
            None => {}
        }
    }

    /// A subscriber has a QoS 2 message, or refuses it, which ends the exchange [MQTT-4.3.3-4].
    pub(super) fn pub_rec(&mut self, key: SessionKey, connection: ConnectionId, rec: &PubRec<'_>) {
        let packet_id = rec.packet_id;
        match self.in_flight(key, packet_id) {
            Some((_, Stage::Published { qos: QoS::AtMostOnce | QoS::AtLeastOnce, .. })) => {
                self.condemn(connection, ReasonCode::ProtocolError);
            }
            Some((position, stage)) if rec.reason.is_error() => {
                self.counters.dropped.by_client += u64::from(stage != Stage::Released);
                self.complete(key, position);
            }
            Some((position, stage)) => {
                self.forget_message(key, position, stage);
                self.release_identifier(key, position);
                self.outbox.push(connection, Item::PubRel { packet_id, reason: ReasonCode::Success });
                self.pump(key);
            }
            None if rec.reason.is_error() => {}
            None => {
                let reason = ReasonCode::PacketIdentifierNotFound;
                self.outbox.push(connection, Item::PubRel { packet_id, reason });
            }
        }
    }

    /// A subscriber has forgotten a QoS 2 identifier, which is free again.
    pub(super) fn pub_comp(&mut self, key: SessionKey, connection: ConnectionId, packet_id: PacketId) {
        match self.in_flight(key, packet_id) {
            Some((position, Stage::Released)) => self.complete(key, position),
            Some((_, Stage::Published { .. })) => self.condemn(connection, ReasonCode::ProtocolError),
            None => {}
        }
    }

    fn in_flight(&self, key: SessionKey, packet_id: PacketId) -> Option<(usize, Stage)> {
        let window = &self.sessions[key.index()].window;
        let position = window.position(packet_id)?;
        window.get(position).map(|(_, stage)| (position, stage))
    }

    /// Ends an exchange: its identifier is free, and the next message may go out.
    fn complete(&mut self, key: SessionKey, position: usize) {
        let session = self.session(key);
        let Some((_, stage)) = session.window.get(position) else { return };
        let is_sent = self.forget_message(key, position, stage);
        self.ledger.released -= usize::from(stage == Stage::Released);
        let session = self.session(key);
        session.window.complete(position);
        if let Some(connection) = &mut session.connection
            && !is_sent
        {
            connection.to_resend -= 1;
        }
        self.pump(key);
    }

    /// Notes that an exchange goes on without its message: only the identifier stays in use.
    pub(super) fn release_identifier(&mut self, key: SessionKey, position: usize) {
        self.ledger.released += usize::from(self.session(key).window.release(position));
    }

    /// Gives up the message of an exchange, if it still has one. Returns whether the client was sent it on this connection.
    fn forget_message(&mut self, key: SessionKey, position: usize, stage: Stage) -> bool {
        let session = &mut self.sessions[key.index()];
        let is_sent = position < session.sent();
        if let Stage::Published { message, .. } = stage {
            if let Some(connection) = &mut session.connection
                && is_sent
            {
                connection.in_flight_bytes -= self.messages.len_of(message);
            }
            self.messages.release(message);
        }
        is_sent
    }
}
