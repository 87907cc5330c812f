//! Lets queues grow far beyond their bound.

use mayfly_core::{Broker, Input, Limits, Now, StateMachine};

use super::chance::Chance;
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct HoardedQueue {
    chance: Chance,
    is_unbound: bool,
}

impl HoardedQueue {
    /// A lie in the lives that `chance` picks.
    pub fn new(chance: Chance) -> Self {
        Self { chance, is_unbound: false }
    }
}

impl Lie for HoardedQueue {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if !std::mem::replace(&mut self.is_unbound, true) && self.chance.strikes(&[]) {
            broker.handle(now, &Input::Limits(Limits::default()));
        }
        broker.handle(now, input);
    }
}
