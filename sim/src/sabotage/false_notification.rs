//! Notifications, or messages of clients, that are lost, come twice, change places, or come after the response that they should precede.

use mayfly_core::{Action, Broker, ConnectionId, Input, NOTIFY_TOPIC_PREFIX, Now, Output, StateMachine};
use mayfly_wire::{Delivery, Packet, PacketId};

use super::chance::Chance;
use super::lie::Lie;

/// What becomes of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It is never sent.
    Dropped,
    /// It is sent twice.
    Repeated,
    /// It is sent after the next one of its connection.
    Swapped,
    /// One of an own write is sent after the write's response.
    Late,
}

/// Of which messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// Notifications of the store.
    Notifications,
    /// Messages of clients.
    Messages,
    /// Wills, each of them.
    Wills,
}

impl Of {
    fn includes(self, delivery: &Delivery<'_>) -> bool {
        let is_notification = delivery.topic.starts_with(NOTIFY_TOPIC_PREFIX);
        match self {
            Self::Notifications => is_notification,
            Self::Messages => {
                !is_notification
                    && delivery.properties().is_ok_and(|properties| properties.correlation_data.is_none())
            }
            Self::Wills => delivery.payload.starts_with(b"will-of-"),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub struct FalseNotification {
    fate: Fate,
    of: Of,
    chance: Chance,
    /// Who sent the input whose outputs come now.
    sender: Option<ConnectionId>,
    /// Held back until its time has come.
    held: Option<Held>,
    /// To be sent before anything else.
    due: Option<Held>,
    /// What goes out now.
    told: Option<Held>,
}

/// A notification that the broker let go of.
#[derive(Debug)]
struct Held {
    connection: ConnectionId,
    topic: String,
    packet_id: Option<PacketId>,
    properties: Vec<u8>,
    payload: Vec<u8>,
    delivery: Delivery<'static>,
}

impl FalseNotification {
    /// A lie about the notifications that `chance` picks.
    pub fn new(fate: Fate, chance: Chance) -> Self {
        Self::of(Of::Notifications, fate, chance)
    }

    /// A lie about other messages that `chance` picks.
    pub fn of(of: Of, fate: Fate, chance: Chance) -> Self {
        Self { fate, of, chance, sender: None, held: None, due: None, told: None }
    }
}

impl Held {
    fn new(connection: ConnectionId, delivery: &Delivery<'_>) -> Self {
        Self {
            connection,
            topic: delivery.topic.to_owned(),
            packet_id: delivery.packet_id,
            properties: delivery.forwarded_properties.to_vec(),
            payload: delivery.payload.to_vec(),
            delivery: Delivery {
                topic: "",
                subscription_identifiers: &[],
                forwarded_properties: &[],
                payload: &[],
                ..*delivery
            },
        }
    }

    fn output(&self) -> Output<'_> {
        let delivery = Delivery {
            topic: &self.topic,
            packet_id: self.packet_id,
            forwarded_properties: &self.properties,
            payload: &self.payload,
            ..self.delivery
        };
        Output { connection: self.connection, action: Action::Deliver(delivery) }
    }
}

impl Lie for FalseNotification {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        self.sender = match input {
            Input::Packet { connection, .. } => Some(*connection),
            _ => None,
        };
        broker.handle(now, input);
    }

    fn utter<'o>(&'o mut self, broker: &'o mut Broker) -> Option<Output<'o>> {
        if let Some(due) = self.due.take() {
            return Some(self.told.insert(due).output());
        }
        let output = broker.poll_output()?;
        let connection = output.connection;
        let Action::Deliver(delivery) = &output.action else {
            // A connection that ends takes with it what was held back.
            let ends = matches!(output.action, Action::Close(_));
            self.held.take_if(|held| ends && held.connection == connection);
            return Some(output);
        };
        let is_notification = self.of.includes(delivery);
        let frees = match self.fate {
            Fate::Swapped => is_notification,
            Fate::Late => !is_notification,
            Fate::Dropped | Fate::Repeated => false,
        };
        if frees && self.held.as_ref().is_some_and(|held| held.connection == connection) {
            self.due = self.held.take();
            return Some(output);
        }
        let is_candidate = is_notification
            && !delivery.dup
            && self.held.is_none()
            && (self.fate != Fate::Late || self.sender == Some(connection));
        if !is_candidate || !self.chance.strikes(&[delivery.topic.as_bytes(), delivery.payload]) {
            return Some(output);
        }
        let picked = Held::new(connection, delivery);
        match self.fate {
            Fate::Repeated => {
                self.due = Some(picked);
                return Some(output);
            }
            Fate::Swapped | Fate::Late => self.held = Some(picked),
            Fate::Dropped => {}
        }
        // An output must go out; a PINGRESP means nothing to the client.
        Some(Output { connection, action: Action::Send(Packet::PingResp) })
    }
}
