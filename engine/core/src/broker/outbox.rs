//! Outputs that wait to be polled, without a buffer of their own each.

use std::collections::VecDeque;
use std::ops::Range;

use mayfly_wire::{
    AckProperties, ConnAck, ConnAckProperties, Packet, PacketId, PubAck, PubComp, PubRec, PubRel, ReasonCode,
    SubAck, UnsubAck,
};

use super::messages::{Envelope, MessageId, Messages};
use crate::machine::{Action, ConnectionId, Output};
use crate::time::WallClock;

/// One output. What varies in length lies in the outbox's bytes or among the messages.
#[derive(Clone, Debug)]
pub(super) enum Item {
    ConnAck { session_present: bool, reason: ReasonCode, details: Option<Box<ConnAckDetails>> },
    PubAck { packet_id: PacketId, reason: ReasonCode },
    PubRec { packet_id: PacketId, reason: ReasonCode },
    PubRel { packet_id: PacketId, reason: ReasonCode },
    PubComp { packet_id: PacketId, reason: ReasonCode },
    SubAck { packet_id: PacketId, reasons: Range<usize> },
    UnsubAck { packet_id: PacketId, reasons: Range<usize> },
    Deliver { message: MessageId, envelope: Envelope },
    Close(ReasonCode),
}

/// What only a successful CONNACK of MQTT 5 says.
#[derive(Clone, Debug)]
pub(super) struct ConnAckDetails {
    pub(super) assigned_client_id: Option<Box<str>>,
    /// Said only where it differs from what the client asked for [MQTT-3.2.2.3.2].
    pub(super) session_expiry_interval_s: Option<u32>,
}

/// Outputs in the order in which they came about.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    items: VecDeque<(ConnectionId, Item)>,
    /// Reason codes of waiting SUBACKs and UNSUBACKs; emptied with the last item.
    bytes: Vec<u8>,
    /// What the output that was polled last borrows from. The outbox holds a reference to its message until the next poll.
    current: Option<Item>,
}

impl Outbox {
    /// Adds an output. A `Deliver` brings a reference to its message along.
    pub(super) fn push(&mut self, connection: ConnectionId, item: Item) {
        self.items.push_back((connection, item));
    }

    /// Adds reason codes for an item to refer to.
    pub(super) fn push_reasons(&mut self, reasons: impl Iterator<Item = u8>) -> Range<usize> {
        let start = self.bytes.len();
        self.bytes.extend(reasons);
        start..self.bytes.len()
    }

    /// The next output.
    pub(super) fn poll<'a>(&'a mut self, messages: &'a mut Messages, wall: WallClock) -> Option<Output<'a>> {
        if let Some(Item::Deliver { message, .. }) = self.current.take() {
            messages.release(message);
        }
        let Some((connection, item)) = self.items.pop_front() else {
            self.bytes.clear();
            return None;
        };
        let action = match self.current.insert(item) {
            Item::ConnAck { session_present, reason, details } => {
                Action::Send(Packet::ConnAck(conn_ack(*session_present, *reason, details.as_deref())))
            }
            Item::PubAck { packet_id, reason } => Action::Send(Packet::PubAck(PubAck {
                packet_id: *packet_id,
                reason: *reason,
                properties: AckProperties::default(),
            })),
            Item::PubRec { packet_id, reason } => Action::Send(Packet::PubRec(PubRec {
                packet_id: *packet_id,
                reason: *reason,
                properties: AckProperties::default(),
            })),
            Item::PubRel { packet_id, reason } => Action::Send(Packet::PubRel(PubRel {
                packet_id: *packet_id,
                reason: *reason,
                properties: AckProperties::default(),
            })),
            Item::PubComp { packet_id, reason } => Action::Send(Packet::PubComp(PubComp {
                packet_id: *packet_id,
                reason: *reason,
                properties: AckProperties::default(),
            })),
            Item::SubAck { packet_id, reasons } => Action::Send(Packet::SubAck(SubAck {
                packet_id: *packet_id,
                properties: AckProperties::default(),
                reasons: &self.bytes[reasons.clone()],
            })),
            Item::UnsubAck { packet_id, reasons } => Action::Send(Packet::UnsubAck(UnsubAck {
                packet_id: *packet_id,
                properties: AckProperties::default(),
                reasons: &self.bytes[reasons.clone()],
            })),
            Item::Deliver { message, envelope } => {
                Action::Deliver(messages.delivery(*message, *envelope, wall))
            }
            Item::Close(reason) => Action::Close(*reason),
        };
        Some(Output { connection, action })
    }
}

fn conn_ack(session_present: bool, reason: ReasonCode, details: Option<&ConnAckDetails>) -> ConnAck<'_> {
    let mut properties = ConnAckProperties::default();
    if let Some(details) = details {
        properties.assigned_client_identifier = details.assigned_client_id.as_deref();
        properties.session_expiry_interval_s = details.session_expiry_interval_s;
    }
    ConnAck { session_present, reason, properties }
}
