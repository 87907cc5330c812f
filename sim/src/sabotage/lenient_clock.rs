//! Takes requests from any clock: a timestamp, or a fencing token, that is too far ahead it takes for one that is not.

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::Hlc;

use super::chance::Chance;
use super::exchange::command;
use super::lie::Lie;
use super::restamp::handle_dated;

/// How far ahead a timestamp may be, in ms.
const MAX_AHEAD_MS: u64 = 60_000;

/// See the module.
#[derive(Debug)]
pub struct LenientClock {
    chance: Chance,
    /// The user property that may show any time.
    property: &'static str,
    /// How far ahead the broker takes it to be, in ms.
    taken_ms: u64,
}

impl LenientClock {
    /// Takes any `__ts`, where `chance` says so.
    pub fn of_timestamps(chance: Chance) -> Self {
        Self { chance, property: "__ts", taken_ms: 0 }
    }

    /// Takes any `__ft`, where `chance` says so.
    pub fn of_tokens(chance: Chance) -> Self {
        // As far as it may be: it must not become lower than those that the keys have.
        Self { chance, property: "__ft", taken_ms: MAX_AHEAD_MS }
    }
}

impl Lie for LenientClock {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let now_ms = now.wall.as_millis();
        let request = command(input).and_then(|(connection, publish, arguments)| {
            let timestamp = Hlc::parse(publish.properties.user_properties.first(self.property)?).ok()?;
            let dated = Hlc { wall_clock_ms: now_ms + self.taken_ms, ..timestamp };
            let is_ahead = timestamp.wall_clock_ms > now_ms + MAX_AHEAD_MS;
            (is_ahead && self.chance.strikes(&arguments)).then(|| (connection, publish, dated.to_string()))
        });
        match request {
            Some((connection, publish, timestamp)) => {
                handle_dated(broker, now, (connection, &publish), (self.property, &timestamp));
            }
            None => broker.handle(now, input),
        }
    }
}
