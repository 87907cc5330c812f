//! Publishes wills at once, whatever their delay.

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::{Will, WillProperties};

use super::chance::Chance;
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct HastyWill {
    chance: Chance,
}

impl HastyWill {
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance }
    }
}

impl Lie for HastyWill {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let mut input = input.clone();
        if let Input::Opened { connect, .. } = &mut input
            && let Some(will) = &mut connect.will
            && will.properties.delay_interval_s.is_some_and(|delay_s| delay_s > 0)
            && self.chance.strikes(&[connect.client_id.as_bytes()])
        {
            let properties = WillProperties { delay_interval_s: None, ..will.properties };
            *will = Will { properties, ..*will };
        }
        broker.handle(now, &input);
    }
}
