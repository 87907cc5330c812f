//! Never hears of connections that fell silent: their wills wait for the clients' return.

use std::collections::BTreeSet;

use mayfly_core::{Broker, CloseCause, ConnectionId, Input, Now, StateMachine};

use super::lie::Lie;

/// See the module.
#[derive(Debug, Default)]
pub struct UnheardSilence {
    silent: BTreeSet<ConnectionId>,
}

impl Lie for UnheardSilence {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if let Input::Closed { connection, cause } = input {
            if *cause == CloseCause::KeepAliveTimeout {
                self.silent.insert(*connection);
            }
            // The shell says it again when the stream is gone.
            if self.silent.contains(connection) {
                return;
            }
        }
        broker.handle(now, input);
    }
}
