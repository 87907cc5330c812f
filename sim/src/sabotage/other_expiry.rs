//! Gives each value with a life more of it, or less.

use mayfly_core::{Broker, Input, Now, StateMachine};

use super::chance::Chance;
use super::exchange::{command, handle_command};
use super::lie::Lie;

/// How much longer values live, in ms.
const MORE_MS: u64 = 2000;

/// See the module.
#[derive(Debug)]
pub struct OtherExpiry {
    chance: Chance,
    /// A life in ms for one in ms.
    change: fn(u64) -> u64,
}

impl OtherExpiry {
    /// Values live two seconds longer.
    pub fn late(chance: Chance) -> Self {
        Self { chance, change: |px_ms| px_ms.saturating_add(MORE_MS) }
    }

    /// Values live half as long.
    pub fn early(chance: Chance) -> Self {
        Self { chance, change: |px_ms| px_ms.div_ceil(2) }
    }
}

impl Lie for OtherExpiry {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let Some((connection, publish, mut arguments)) = command(input) else {
            return broker.handle(now, input);
        };
        let px = match arguments.as_slice() {
            [b"SET", .., b"PX", px] => std::str::from_utf8(px).ok().and_then(|px| px.parse::<u64>().ok()),
            _ => None,
        };
        let Some(px) = px.filter(|_| self.chance.strikes(&arguments)) else {
            return broker.handle(now, input);
        };
        let other = (self.change)(px).to_string();
        arguments.pop();
        arguments.push(other.as_bytes());
        handle_command(broker, now, (connection, publish), &arguments);
    }
}
