//! Messages that go out otherwise than they should: with a wrong flag, QoS, content, packet identifier or property.

use std::collections::BTreeMap;

use mayfly_core::{Action, ConnectionId, NOTIFY_TOPIC_PREFIX, Output};
use mayfly_wire::{Delivery, PacketId, PublishProperties, QoS, UserProperties};

use super::chance::Chance;
use super::lie::Lie;

/// Which messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Those of clients.
    Clients,
    /// The store's notifications.
    Notifications,
    /// The store's responses.
    Responses,
}

/// What is wrong with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alteration {
    /// DUP on a first delivery.
    Dup,
    /// QoS 1 instead of 2, or 0 instead of 1. Of those with QoS 0 none.
    Qos,
    /// A payload that nobody published, or a value that nobody stored.
    Payload,
    /// The packet identifier of the QoS 2 message before it; of QoS 2 messages.
    PacketId,
    /// A Content Type that is not the store's.
    ContentType,
    /// Its first user property comes twice.
    DoubledProperty,
}

/// See the module.
#[derive(Debug)]
pub struct FalseMessage {
    of: Of,
    alteration: Alteration,
    chance: Chance,
    /// The packet identifier of the last QoS 2 message to each connection.
    last: BTreeMap<ConnectionId, PacketId>,
    altered: u64,
    properties: Vec<u8>,
    payload: Vec<u8>,
}

impl FalseMessage {
    /// A lie about the messages that `chance` picks.
    pub fn new(of: Of, alteration: Alteration, chance: Chance) -> Self {
        let (properties, payload) = (Vec::new(), Vec::new());
        Self { of, alteration, chance, last: BTreeMap::new(), altered: 0, properties, payload }
    }

    fn is_candidate(&self, delivery: &Delivery<'_>) -> bool {
        let of = if delivery.topic.starts_with(NOTIFY_TOPIC_PREFIX) {
            Of::Notifications
        } else if delivery.properties().is_ok_and(|properties| properties.correlation_data.is_some()) {
            Of::Responses
        } else {
            Of::Clients
        };
        let can_be = match self.alteration {
            Alteration::Dup => delivery.qos != QoS::AtMostOnce && !delivery.dup,
            Alteration::Qos => delivery.qos != QoS::AtMostOnce,
            Alteration::PacketId => delivery.qos == QoS::ExactlyOnce && !delivery.dup,
            // What is deleted has no value.
            Alteration::Payload => of != Of::Notifications || delivery.payload.starts_with(b"*4\r\n"),
            Alteration::ContentType | Alteration::DoubledProperty => true,
        };
        of == self.of && can_be
    }

    /// Writes other properties than a message has.
    fn other_properties(
        &mut self,
        delivery: &Delivery<'_>,
        change: impl for<'p> FnOnce(&mut PublishProperties<'p>, &mut Vec<(&'p str, &'p str)>),
    ) {
        let Ok(mut properties) = delivery.properties() else { return };
        let mut user_properties: Vec<_> = properties.user_properties.iter().collect();
        change(&mut properties, &mut user_properties);
        let properties =
            PublishProperties { user_properties: UserProperties::from_pairs(&user_properties), ..properties };
        self.properties.clear();
        properties.encode_forwarded(&mut self.properties);
    }

    fn other_payload(&mut self) {
        self.altered += 1;
        let text = format!("nobody-{}", self.altered);
        self.payload = match self.of {
            Of::Notifications => {
                let length = text.len();
                format!("*4\r\n$6\r\nNOTIFY\r\n$3\r\nSET\r\n$5\r\nVALUE\r\n${length}\r\n{text}\r\n")
            }
            Of::Clients | Of::Responses => text,
        }
        .into_bytes();
    }

    fn alter<'o>(&'o mut self, delivery: Delivery<'o>, before: Option<PacketId>) -> Delivery<'o> {
        match self.alteration {
            Alteration::Dup => Delivery { dup: true, ..delivery },
            Alteration::Qos if delivery.qos == QoS::ExactlyOnce => {
                Delivery { qos: QoS::AtLeastOnce, ..delivery }
            }
            Alteration::Qos => Delivery { qos: QoS::AtMostOnce, packet_id: None, dup: false, ..delivery },
            Alteration::PacketId => Delivery { packet_id: before.or(delivery.packet_id), ..delivery },
            Alteration::Payload => {
                self.other_payload();
                Delivery { payload: &self.payload, ..delivery }
            }
            Alteration::ContentType => {
                self.other_properties(&delivery, |properties, _| {
                    properties.content_type = Some("text/plain");
                });
                Delivery { forwarded_properties: &self.properties, ..delivery }
            }
            Alteration::DoubledProperty => {
                self.other_properties(&delivery, |_, pairs| pairs.extend(pairs.first().copied()));
                Delivery { forwarded_properties: &self.properties, ..delivery }
            }
        }
    }
}

impl Lie for FalseMessage {
    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let Action::Deliver(delivery) = output.action else { return output };
        let connection = output.connection;
        let is_struck = self.is_candidate(&delivery)
            && self.chance.strikes(&[delivery.topic.as_bytes(), delivery.payload]);
        let before = match delivery.packet_id {
            Some(id) if delivery.qos == QoS::ExactlyOnce => self.last.insert(connection, id),
            _ => None,
        };
        let delivery = if is_struck { self.alter(delivery, before) } else { delivery };
        Output { connection, action: Action::Deliver(delivery) }
    }
}
