//! Acknowledgements: the packets that follow a PUBLISH of QoS 1 or 2, in both directions [MQTT 5, section 4.3].

use mayfly_wire::{PacketId, ReasonCode};

use super::Broker;
use super::outbox::Item;
use super::session::{OpenConnection, Session, SessionKey};
use crate::machine::ConnectionId;

impl Broker {
    /// A publisher releases a QoS 2 message: its identifier may stand for another one now [MQTT-4.3.3-11].
    pub(super) fn pub_rel(&mut self, key: SessionKey, connection: ConnectionId, packet_id: PacketId) {
        let was_known = self.session(key).unreleased.release(packet_id);
        // A client whose PUBCOMP was lost with an earlier connection asks again.
        let reason = if was_known { ReasonCode::Success } else { ReasonCode::PacketIdentifierNotFound };
        self.outbox.push(connection, Item::PubComp { packet_id, reason });
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
}
