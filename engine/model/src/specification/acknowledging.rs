//! The exchanges that follow a PUBLISH [4.3], as far as they are not PUBLISH themselves.

use super::packet::{Ack, FromServer, Version};
use super::session::Session;
use super::{ConnectionNumber, Model, Reply, Violation};

/// Packet Identifier not found.
const NOT_FOUND: u8 = 0x92;

impl Model {
    /// PUBACK ends the delivery of a QoS 1 message, whatever it says [MQTT-4.3.2-3]. One that fits nothing was repeated.
    pub(super) fn pub_ack(&mut self, number: ConnectionNumber, ack: Ack) {
        self.session_of(number).complete(ack.packet_id, |qos, _| qos == 1);
    }

    pub(super) fn pub_rec(&mut self, number: ConnectionNumber, ack: Ack) {
        let session = self.session_of(number);
        let found =
            session.in_flight.iter_mut().find(|sent| sent.packet_id == ack.packet_id && sent.owed.qos == 2);
        let Some(sent) = found else {
            self.reply(number, Reply::PubRel(ack.packet_id, NOT_FOUND)); // [3.6.2.1]
            return;
        };
        if ack.reason >= 0x80 {
            // The receiver refused it: the identifier is free again, and there is no PUBREL [4.3.3].
            session.complete(ack.packet_id, |qos, _| qos == 2);
            return;
        }
        sent.is_released = true; // [MQTT-4.3.3-6] From here on the PUBLISH is not sent again.
        sent.sent_on = number;
        self.reply(number, Reply::PubRel(ack.packet_id, 0));
    }

    pub(super) fn pub_rel(&mut self, number: ConnectionNumber, ack: Ack) {
        let was_received = self.session_of(number).received.remove(&ack.packet_id);
        self.answered(number);
        self.reply(number, Reply::PubComp(ack.packet_id, if was_received { 0 } else { NOT_FOUND }));
    }

    pub(super) fn pub_comp(&mut self, number: ConnectionNumber, ack: Ack) {
        self.session_of(number).complete(ack.packet_id, |qos, is_released| qos == 2 && is_released);
    }

    /// Whether a PUBREL is one that is sent again after a reconnect [MQTT-4.4.0-1], and not an answer to PUBREC. Their
    /// order among each other, and among the PUBLISH packets that are sent again, is free. What was sent on an earlier
    /// connection and is too large for this one counts as sent [MQTT-3.1.2-25]; a PUBREL for it makes a client that has
    /// its identifier give it up.
    pub(super) fn resends_release(&mut self, number: ConnectionNumber, ack: Ack) -> bool {
        let connection = &self.connections[&number];
        let is_answer = connection
            .replies
            .iter()
            .any(|reply| matches!(reply, Reply::PubRel(id, _) if *id == ack.packet_id));
        if is_answer || !connection.replies.is_empty() || ack.reason != 0 {
            return false;
        }
        let session = self.sessions.get_mut(&connection.client_id).expect("an open connection has a session");
        let is_due = |sent: &&mut super::session::InFlight| {
            let counts_as_sent = sent.owed.qos == 2 && connection.is_too_large(&sent.owed);
            sent.packet_id == ack.packet_id && sent.sent_on != number && (sent.is_released || counts_as_sent)
        };
        let Some(sent) = session.in_flight.iter_mut().find(is_due) else { return false };
        (sent.is_released, sent.sent_on) = (true, number);
        true
    }

    /// Whether a packet is the reply that is due.
    pub(super) fn sees_reply(
        &mut self,
        number: ConnectionNumber,
        packet: &FromServer,
    ) -> Result<(), Violation> {
        let connection = self.connection(number);
        let is_v5 = connection.version == Version::V5;
        let Some(due) = connection.replies.pop_front() else {
            return Err(Violation::new(format!("a reply that nothing asks for: {packet:?}"), "4.13"));
        };
        let reason_is = |reason: u8, wanted: u8| !is_v5 || reason == wanted;
        let is_due = match (packet, &due) {
            (FromServer::ConnAck(ack), _) => return self.sees_conn_ack(number, &due, ack),
            (FromServer::PubAck(ack), Reply::PubAck(id, reasons))
            | (FromServer::PubRec(ack), Reply::PubRec(id, reasons)) => {
                ack.packet_id == *id && reasons.contains(&ack.reason)
            }
            (FromServer::PubRel(ack), Reply::PubRel(id, reason))
            | (FromServer::PubComp(ack), Reply::PubComp(id, reason)) => {
                ack.packet_id == *id && reason_is(ack.reason, *reason)
            }
            (FromServer::SubAck { packet_id, reasons }, Reply::SubAck(id, due))
            | (FromServer::UnsubAck { packet_id, reasons }, Reply::UnsubAck(id, due)) => {
                packet_id == id && reasons == due
            }
            (FromServer::PingResp, Reply::PingResp) => true,
            _ => false,
        };
        if is_due {
            Ok(())
        } else {
            Err(Violation::new(format!("{packet:?}"), due.clause()).allowing([due.to_string()]))
        }
    }
}

impl Session {
    /// Ends the delivery of the message with this identifier, if it is of the kind that the acknowledgement is for.
    fn complete(&mut self, packet_id: u16, is_for: impl Fn(u8, bool) -> bool) {
        self.in_flight.retain(|sent| sent.packet_id != packet_id || !is_for(sent.owed.qos, sent.is_released));
    }
}
