//! Publishes wills at once, whatever their delay.

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::{Will, WillProperties};

use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct HastyWill;

impl Lie for HastyWill {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let mut input = input.clone();
        if let Input::Opened { connect, .. } = &mut input
            && let Some(will) = &mut connect.will
        {
            let properties = WillProperties { delay_interval_s: None, ..will.properties };
            *will = Will { properties, ..*will };
        }
        broker.handle(now, &input);
    }
}
