//! What a client remembers, as far as it decides what it sends next: its connection, and the exchanges that are open.

use crate::specification::{Ack, ConnectionNumber, FromClient, FromServer, Publish, Version};

/// A client of a program.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) connection: Option<ConnectionNumber>,
    pub(super) version: Version,
    next_packet_id: u16,
    /// Messages from the server that the client has not acknowledged: identifier and QoS.
    unacknowledged: Vec<(u16, u8)>,
    /// Messages from the server that the client has to complete when their PUBREL has come.
    uncompleted: Vec<u16>,
    /// QoS 2 messages to the server that were received and not released.
    unreleased: Vec<u16>,
    /// The last messages to the server, to be sent again.
    published: Vec<Publish>,
}

/// So many messages are remembered to be sent again.
const MAX_PUBLISHED: usize = 4;

impl Client {
    pub(super) fn new() -> Self {
        Self {
            connection: None,
            version: Version::V5,
            next_packet_id: 1,
            unacknowledged: Vec::new(),
            uncompleted: Vec::new(),
            unreleased: Vec::new(),
            published: Vec::new(),
        }
    }

    pub(super) fn take_packet_id(&mut self) -> u16 {
        let id = self.next_packet_id;
        self.next_packet_id = self.next_packet_id.checked_add(1).unwrap_or(1);
        id
    }

    pub(super) fn sent(&mut self, publish: Publish) {
        if publish.qos > 0 {
            self.published.push(publish);
            if self.published.len() > MAX_PUBLISHED {
                self.published.remove(0);
            }
        }
    }

    pub(super) fn sees(&mut self, packet: &FromServer) {
        match packet {
            FromServer::ConnAck(ack) if !ack.session_present => {
                // The state of both sides is gone.
                let (connection, version) = (self.connection, self.version);
                *self = Self { connection, version, next_packet_id: self.next_packet_id, ..Self::new() };
            }
            FromServer::Publish(publish) => {
                if let Some(packet_id) = publish.packet_id {
                    let entry = (packet_id, publish.qos);
                    if !self.unacknowledged.contains(&entry) {
                        self.unacknowledged.push(entry);
                    }
                }
            }
            FromServer::PubRec(ack) if ack.reason < 0x80 && !self.unreleased.contains(&ack.packet_id) => {
                self.unreleased.push(ack.packet_id);
            }
            FromServer::PubRel(ack) if !self.uncompleted.contains(&ack.packet_id) => {
                self.uncompleted.push(ack.packet_id);
            }
            _ => {}
        }
    }

    /// The acknowledgement of the `which`-th message that lacks one, with an error reason where `refuses`.
    pub(super) fn acknowledge(&mut self, which: usize, refuses: bool) -> Option<FromClient> {
        let position = position(which, self.unacknowledged.len())?;
        let (packet_id, qos) = self.unacknowledged.remove(position);
        let reason = if refuses && self.version == Version::V5 { 0x80 } else { 0 };
        let ack = Ack { packet_id, reason };
        Some(if qos == 1 { FromClient::PubAck(ack) } else { FromClient::PubRec(ack) })
    }

    /// PUBCOMP for the `which`-th PUBREL that lacks one.
    pub(super) fn complete(&mut self, which: usize) -> Option<FromClient> {
        let position = position(which, self.uncompleted.len())?;
        let packet_id = self.uncompleted.remove(position);
        Some(FromClient::PubComp(Ack { packet_id, reason: 0 }))
    }

    /// PUBREL for the `which`-th QoS 2 message that lacks one.
    pub(super) fn release(&mut self, which: usize) -> Option<FromClient> {
        let position = position(which, self.unreleased.len())?;
        let packet_id = self.unreleased.remove(position);
        Some(FromClient::PubRel(Ack { packet_id, reason: 0 }))
    }

    /// The `which`-th of the last messages, again.
    pub(super) fn repeat(&self, which: usize) -> Option<Publish> {
        let publish = &self.published[position(which, self.published.len())?];
        Some(Publish { dup: true, ..publish.clone() })
    }
}

fn position(which: usize, len: usize) -> Option<usize> {
    (len > 0).then(|| which % len)
}
