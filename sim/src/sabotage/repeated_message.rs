//! Routes a QoS 2 message that a publisher sends again once more: its memory of packet identifiers does not survive the
//! reconnect. The lie shows only where a connection was lost in the midst of an exchange.

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::{Packet, Publish, QoS};

use super::chance::Chance;
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct RepeatedMessage {
    chance: Chance,
}

impl RepeatedMessage {
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance }
    }
}

impl Lie for RepeatedMessage {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        broker.handle(now, input);
        if let Input::Packet { connection, packet: Packet::Publish(publish) } = input
            && publish.dup
            && publish.qos == QoS::ExactlyOnce
            && self.chance.strikes(&[publish.topic.as_bytes(), publish.payload])
        {
            let again = Publish { dup: false, qos: QoS::AtMostOnce, packet_id: None, ..*publish };
            let packet = Packet::Publish(again);
            broker.handle(now, &Input::Packet { connection: *connection, packet });
        }
    }
}
