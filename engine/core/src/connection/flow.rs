//! Flow control of what a client publishes: its messages of QoS 1 and 2 that are not acknowledged yet
//! [MQTT 5, section 4.9].

use std::num::NonZeroU16;

use mayfly_wire::{Packet, ProtocolVersion};

use super::config::{ConnectionConfig, ReceiveExcess};

/// Counts what is unacknowledged on one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Inbound {
    excess: ReceiveExcess,
    /// PUBLISH packets that wait for PUBACK, or for PUBCOMP (for PUBREC, where the client is held back).
    unacknowledged: u32,
}

/// The client exceeds the Receive Maximum and is to be told so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Exceeded;

impl Inbound {
    /// Nothing is unacknowledged on a new connection, whatever the session remembers.
    pub(super) fn new(config: &ConnectionConfig, version: ProtocolVersion) -> Self {
        let excess = match version {
            ProtocolVersion::V3_1_1 => ReceiveExcess::HoldBack,
            ProtocolVersion::V5 => config.receive_excess,
        };
        Self { excess, unacknowledged: 0 }
    }

    /// A PUBLISH of QoS 1 or 2 arrived.
    pub(super) fn arrived(&mut self, maximum: NonZeroU16) -> Result<(), Exceeded> {
        self.unacknowledged += 1;
        let is_over = self.unacknowledged > u32::from(maximum.get());
        if is_over && self.excess == ReceiveExcess::Disconnect { Err(Exceeded) } else { Ok(()) }
    }

    /// This packet is sent: perhaps the last that a message waited for.
    pub(super) fn sent(&mut self, packet: &Packet<'_>) {
        let ends = match packet {
            Packet::PubAck(_) => true,
            // What is held back may be the PUBREL that PUBCOMP waits for.
            Packet::PubRec(ack) => ack.reason.is_error() || self.excess == ReceiveExcess::HoldBack,
            Packet::PubComp(_) => self.excess == ReceiveExcess::Disconnect,
            _ => false,
        };
        if ends {
            // Never beyond what it began with: PUBCOMP may answer for a message of an earlier connection.
            self.unacknowledged = self.unacknowledged.saturating_sub(1);
        }
    }

    /// Whether the client is to be held back.
    pub(super) fn is_full(self, maximum: NonZeroU16) -> bool {
        self.excess == ReceiveExcess::HoldBack && self.unacknowledged >= u32::from(maximum.get())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use mayfly_wire::{AckProperties, PacketId, PubRec, ReasonCode};

    use super::*;

    /// A broker that answers later than at once holds its clients back.
    #[test]
    fn a_client_is_held_back_until_an_answer_is_sent() {
        let config =
            ConnectionConfig { receive_excess: ReceiveExcess::HoldBack, ..ConnectionConfig::default() };
        let two = NonZeroU16::new(2).unwrap();
        let mut inbound = Inbound::new(&config, ProtocolVersion::V5);
        assert_eq!((inbound.arrived(two), inbound.is_full(two)), (Ok(()), false));
        assert_eq!((inbound.arrived(two), inbound.is_full(two)), (Ok(()), true));
        let (packet_id, properties) = (PacketId::new(1).unwrap(), AckProperties::default());
        inbound.sent(&Packet::PubRec(PubRec { packet_id, reason: ReasonCode::Success, properties }));
        assert!(!inbound.is_full(two));
        let mut strict = Inbound::new(&ConnectionConfig::default(), ProtocolVersion::V5);
        assert_eq!([strict.arrived(two), strict.arrived(two)], [Ok(()); 2]);
        assert!(!strict.is_full(two), "what is over is to be seen");
        assert_eq!(strict.arrived(two), Err(Exceeded));
    }
}
