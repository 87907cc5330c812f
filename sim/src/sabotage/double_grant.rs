//! Now and then grants a lock that another holds: the condition of a SET with NX or NEX and an expiry counts for nothing; or that
//! of one without an expiry.

use mayfly_core::{Broker, Input, Now, StateMachine};

use super::chance::Chance;
use super::exchange::{command, handle_command};
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct DoubleGrant {
    of: Of,
    chance: Chance,
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
    /// A lie about locks that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { of: Of::Locks, chance }
    }

    /// The same lie about values without a life.
    pub fn of_values(chance: Chance) -> Self {
        Self { of: Of::Values, chance }
    }
}

impl Lie for DoubleGrant {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let Some((connection, publish, arguments)) = command(input) else { return broker.handle(now, input) };
        let (about, unconditional) = match (self.of, arguments.as_slice()) {
            (Of::Locks, [b"SET", key, value, b"NX" | b"NEX", b"PX", lease]) => {
                ([*key, *value], vec![&b"SET"[..], key, value, b"PX", lease])
            }
            (Of::Values, [b"SET", key, value, b"NX" | b"NEX"]) => {
                ([*key, *value], vec![&b"SET"[..], key, value])
            }
            _ => return broker.handle(now, input),
        };
        if self.chance.strikes(&about) {
            handle_command(broker, now, (connection, publish), &unconditional);
        } else {
            broker.handle(now, input);
        }
    }
}
