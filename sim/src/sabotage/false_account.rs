//! An account of the store's bytes that is wrong after some deletions: what a key occupied is not given back as a whole, or more
//! than that is. The engine is told a quota that is off by as much.

use mayfly_core::{Broker, Input, Limits, Now, StateMachine};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::exchange::command;
use super::lie::Lie;

/// One deletion in so many is booked wrongly.
const ONE_IN: u32 = 3;

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
    rng: ChaCha8Rng,
    /// The limits that hold.
    limits: Limits,
    wrong_bytes: u64,
}

impl FalseAccount {
    /// A lie to a broker with these limits, about the deletions that `rng` picks.
    pub fn new(leak: Leak, limits: Limits, rng: ChaCha8Rng) -> Self {
        Self { leak, rng, limits, wrong_bytes: 0 }
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
        let is_deletion =
            command(input).is_some_and(|(.., arguments)| matches!(arguments.as_slice(), [b"DEL", _]));
        if is_deletion && self.rng.random_ratio(1, ONE_IN) {
            self.wrong_bytes += ERROR_BYTES;
            self.limit(broker, now);
        }
    }
}
