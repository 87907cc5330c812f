//! Answers KEYNOTIFY STOP and goes on notifying.

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::{Packet, Publish, resp3};

use super::chance::Chance;
use super::exchange::command;
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct DeafStop {
    chance: Chance,
}

impl DeafStop {
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance }
    }
}

impl Lie for DeafStop {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let Some((connection, publish, arguments)) = command(input) else { return broker.handle(now, input) };
        let [b"KEYNOTIFY", key, b"STOP"] = arguments.as_slice() else { return broker.handle(now, input) };
        if !self.chance.strikes(&[key]) {
            return broker.handle(now, input);
        }
        // Registering once more gets the same answer.
        let mut payload = Vec::new();
        resp3::encode_array(&[b"KEYNOTIFY", key], &mut payload);
        let packet = Packet::Publish(Publish { payload: &payload, ..publish });
        broker.handle(now, &Input::Packet { connection, packet });
    }
}
