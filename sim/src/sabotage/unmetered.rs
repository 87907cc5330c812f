//! Never hears that its quotas are lowered: it accepts writes that go beyond them.

use mayfly_core::{Broker, Input, Now, StateMachine};

use super::chance::Chance;
use super::lie::Lie;

/// Changes of the limits are lost.
#[derive(Debug)]
pub struct Unmetered {
    chance: Chance,
}

impl Unmetered {
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance }
    }
}

impl Lie for Unmetered {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if !matches!(input, Input::Limits(_)) || !self.chance.strikes(&[]) {
            broker.handle(now, input);
        }
    }
}
