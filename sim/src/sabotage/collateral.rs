//! Ends an innocent connection now and then when it rejects a guilty one.

use mayfly_core::{Action, Broker, CloseCause, ConnectionId, Input, Now, Output, StateMachine};
use mayfly_wire::ReasonCode;

use super::chance::Chance;
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct Collateral {
    chance: Chance,
    /// The next delivery costs its receiver the connection.
    strikes: bool,
    /// Closed behind the broker's back: it is told with its next input.
    struck: Option<ConnectionId>,
}

impl Collateral {
    /// Draws its victims with `chance`.
    pub fn new(chance: Chance) -> Self {
        Self { chance, strikes: false, struck: None }
    }
}

impl Lie for Collateral {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if let Some(connection) = self.struck.take() {
            broker.handle(now, &Input::Closed { connection, cause: CloseCause::NetworkLost });
        }
        if matches!(input, Input::Closed { cause: CloseCause::Rejected(_), .. }) {
            self.strikes |= self.chance.strikes(&[]);
        }
        broker.handle(now, input);
    }

    fn tell<'o>(&mut self, output: Output<'o>) -> Output<'o> {
        if !matches!(output.action, Action::Deliver(_)) || !std::mem::take(&mut self.strikes) {
            return output;
        }
        self.struck = Some(output.connection);
        Output { connection: output.connection, action: Action::Close(ReasonCode::ServerBusy) }
    }
}
