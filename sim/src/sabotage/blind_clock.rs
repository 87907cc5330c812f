//! Does not look at what clients' clocks show: it takes every request for one from long ago, so that the versions that it gives
//! follow its own clock alone.

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::Hlc;

use super::chance::Chance;
use super::exchange::command;
use super::lie::Lie;
use super::restamp::handle_dated;

/// See the module.
#[derive(Debug)]
pub struct BlindClock {
    chance: Chance,
}

impl BlindClock {
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance }
    }
}

impl Lie for BlindClock {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let request = command(input).and_then(|(connection, publish, arguments)| {
            let timestamp = Hlc::parse(publish.properties.user_properties.first("__ts")?).ok()?;
            self.chance
                .strikes(&arguments)
                .then(|| (connection, publish, Hlc { wall_clock_ms: 1, ..timestamp }.to_string()))
        });
        match request {
            Some((connection, publish, timestamp)) => {
                handle_dated(broker, now, (connection, &publish), ("__ts", &timestamp));
            }
            None => broker.handle(now, input),
        }
    }
}
