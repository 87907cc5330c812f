//! Now and then grants a lock that another holds: the condition of a SET with NX or NEX and an expiry counts for nothing.

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::{Packet, Publish, resp3};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::exchange::command;
use super::lie::Lie;

/// One attempt in so many is granted whatever the key holds.
const ONE_IN: u32 = 4;

/// See the module.
#[derive(Debug)]
pub struct DoubleGrant {
    rng: ChaCha8Rng,
}

impl DoubleGrant {
    /// A lie that `rng` picks the moments of.
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self { rng }
    }
}

impl Lie for DoubleGrant {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let Some((connection, publish, arguments)) = command(input) else { return broker.handle(now, input) };
        let [b"SET", key, value, b"NX" | b"NEX", b"PX", lease] = arguments.as_slice() else {
            return broker.handle(now, input);
        };
        if !self.rng.random_ratio(1, ONE_IN) {
            return broker.handle(now, input);
        }
        let mut payload = Vec::new();
        resp3::encode_array(&[b"SET", key, value, b"PX", lease], &mut payload);
        let packet = Packet::Publish(Publish { payload: &payload, ..publish });
        broker.handle(now, &Input::Packet { connection, packet });
    }
}
