//! Lets queues grow far beyond their bound.

use mayfly_core::{Broker, Input, Limits, Now, StateMachine};

use super::lie::Lie;

/// See the module.
#[derive(Debug, Default)]
pub struct HoardedQueue {
    is_unbound: bool,
}

impl Lie for HoardedQueue {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if !std::mem::replace(&mut self.is_unbound, true) {
            broker.handle(now, &Input::Limits(Limits::default()));
        }
        broker.handle(now, input);
    }
}
