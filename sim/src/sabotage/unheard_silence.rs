//! Never hears of connections that fell silent: their wills wait for the clients' return.

use std::collections::BTreeSet;

use mayfly_core::{Broker, CloseCause, ConnectionId, Input, Now, StateMachine};

use super::chance::Chance;
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct UnheardSilence {
    chance: Chance,
    silent: BTreeSet<ConnectionId>,
}

impl UnheardSilence {
    /// A lie about the connections that `chance` picks.
    pub fn new(chance: Chance) -> Self {
        Self { chance, silent: BTreeSet::new() }
    }
}

impl Lie for UnheardSilence {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if let Input::Closed { connection, cause } = input {
            if *cause == CloseCause::KeepAliveTimeout && self.chance.strikes(&[]) {
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
