//! Executes requests that are sent again once more: it does not know them again, or not those that register.

use std::collections::BTreeSet;

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::Hlc;

use super::chance::Chance;
use super::exchange::command;
use super::lie::Lie;
use super::restamp::handle_dated;

/// See the module.
#[derive(Debug)]
pub struct ForgottenReplay {
    chance: Chance,
    /// The correlation data of every request so far. Those of the simulated clients are unique.
    known: BTreeSet<Vec<u8>>,
    /// It forgets nothing but KEYNOTIFY.
    only_registrations: bool,
}

impl ForgottenReplay {
    /// One that executes those once more that `chance` picks.
    pub fn new(chance: Chance) -> Self {
        Self { chance, known: BTreeSet::new(), only_registrations: false }
    }

    /// One that executes no other requests once more than those that register for notifications. Their second responses are
    /// the first ones' again.
    pub fn of_registrations(chance: Chance) -> Self {
        Self { only_registrations: true, ..Self::new(chance) }
    }
}

impl Lie for ForgottenReplay {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let request = command(input).filter(|(_, publish, arguments)| {
            let is_candidate = !self.only_registrations || matches!(arguments.as_slice(), [b"KEYNOTIFY", _]);
            let correlation_data = publish.properties.correlation_data.filter(|_| is_candidate);
            correlation_data.is_some_and(|data| !self.known.insert(data.to_vec()))
                && self.chance.strikes(arguments)
        });
        let timestamp = request.as_ref().and_then(|(_, publish, _)| {
            let timestamp = Hlc::parse(publish.properties.user_properties.first("__ts")?).ok()?;
            Some(Hlc { counter: timestamp.counter + 1, ..timestamp }.to_string())
        });
        match (request, timestamp) {
            // With another timestamp it is another request to the engine.
            (Some((connection, publish, _)), Some(timestamp)) => {
                handle_dated(broker, now, (connection, &publish), ("__ts", &timestamp));
            }
            _ => broker.handle(now, input),
        }
    }
}
