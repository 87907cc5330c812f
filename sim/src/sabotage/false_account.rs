//! An account of the store's bytes that is wrong after some deletions: what a key occupied is not given back as a whole, or more
//! than that is. The engine is told a quota that is off by as much.

use mayfly_core::{Broker, Input, Limits, Now, StateMachine};

use super::chance::Chance;
use super::exchange::command;
use super::lie::Lie;

/// By so many bytes.
const ERROR_BYTES: u64 = 300;

/// Which way the account goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leak {
    /// It counts bytes that are free.
    Leaks,
    /// It does not count bytes that are occupied.
    Loses,
}

/// See the module.
#[derive(Debug)]
pub struct FalseAccount {
    leak: Leak,
    chance: Chance,
    /// The limits that hold.
    limits: Limits,
    wrong_bytes: u64,
}

impl FalseAccount {
    /// A lie to a broker with these limits, about the deletions that `chance` picks.
    pub fn new(leak: Leak, limits: Limits, chance: Chance) -> Self {
        Self { leak, chance, limits, wrong_bytes: 0 }
    }

    fn limit(&self, broker: &mut Broker, now: Now) {
        let max_store_bytes = match self.leak {
            Leak::Leaks => self.limits.max_store_bytes.saturating_sub(self.wrong_bytes),
            Leak::Loses => self.limits.max_store_bytes.saturating_add(self.wrong_bytes),
        };
        broker.handle(now, &Input::Limits(Limits { max_store_bytes, ..self.limits }));
    }
}

impl Lie for FalseAccount {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if let Input::Limits(limits) = input {
            self.limits = *limits;
            return self.limit(broker, now);
        }
        broker.handle(now, input);
        if let Some((.., arguments)) = command(input)
            && let [b"DEL", key] = arguments.as_slice()
            && self.chance.strikes(&[key])
        {
            self.wrong_bytes += ERROR_BYTES;
            self.limit(broker, now);
        }
    }
}
