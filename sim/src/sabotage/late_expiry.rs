//! Gives each value with a life two seconds more.

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::{Packet, Publish, resp3};

use super::exchange::command;
use super::lie::Lie;

/// How much longer values live, in ms.
const MORE_MS: u64 = 2000;

/// See the module.
#[derive(Debug)]
pub struct LateExpiry;

impl Lie for LateExpiry {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let Some((connection, publish, mut arguments)) = command(input) else {
            return broker.handle(now, input);
        };
        let px = match arguments.as_slice() {
            [b"SET", .., b"PX", px] => std::str::from_utf8(px).ok().and_then(|px| px.parse::<u64>().ok()),
            _ => None,
        };
        let Some(px) = px else { return broker.handle(now, input) };
        let longer = (px + MORE_MS).to_string();
        arguments.pop();
        arguments.push(longer.as_bytes());
        let mut payload = Vec::new();
        resp3::encode_array(&arguments, &mut payload);
        let packet = Packet::Publish(Publish { payload: &payload, ..publish });
        broker.handle(now, &Input::Packet { connection, packet });
    }
}
