//! Now and then grants a lock that another holds: the condition of a SET with NX or NEX and an expiry counts for nothing; or that
//! of one without an expiry.

use mayfly_core::{Broker, Input, Now, StateMachine};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::exchange::{command, handle_command};
use super::lie::Lie;

/// One attempt in so many is granted whatever the key holds.
const ONE_IN: u32 = 4;

/// See the module.
#[derive(Debug)]
pub struct DoubleGrant {
    of: Of,
    rng: ChaCha8Rng,
}

/// Which conditions count for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    /// Those of values with a life.
    Locks,
    /// Those of values without one.
    Values,
}

impl DoubleGrant {
    /// A lie about locks that `rng` picks the moments of.
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self { of: Of::Locks, rng }
    }

    /// The same lie about values without a life.
    pub fn of_values(rng: ChaCha8Rng) -> Self {
        Self { of: Of::Values, rng }
    }
}

impl Lie for DoubleGrant {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let Some((connection, publish, arguments)) = command(input) else { return broker.handle(now, input) };
        let unconditional = match (self.of, arguments.as_slice()) {
            (Of::Locks, [b"SET", key, value, b"NX" | b"NEX", b"PX", lease]) => {
                vec![&b"SET"[..], key, value, b"PX", lease]
            }
            (Of::Values, [b"SET", key, value, b"NX" | b"NEX"]) => vec![&b"SET"[..], key, value],
            _ => return broker.handle(now, input),
        };
        if self.rng.random_ratio(1, ONE_IN) {
            handle_command(broker, now, (connection, publish), &unconditional);
        } else {
            broker.handle(now, input);
        }
    }
}
