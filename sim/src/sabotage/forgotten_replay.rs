//! Executes requests that are sent again once more: it does not know them again.

use std::collections::BTreeSet;

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::Hlc;

use super::exchange::command;
use super::lie::Lie;
use super::restamp::handle_dated;

/// See the module.
#[derive(Debug, Default)]
pub struct ForgottenReplay {
    /// The correlation data of every request so far. Those of the simulated clients are unique.
    known: BTreeSet<Vec<u8>>,
}

impl Lie for ForgottenReplay {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let request = command(input).filter(|(_, publish, _)| {
            let correlation_data = publish.properties.correlation_data;
            correlation_data.is_some_and(|data| !self.known.insert(data.to_vec()))
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
