//! Ends an innocent connection now and then when it rejects a guilty one.

use mayfly_core::{Action, Broker, CloseCause, ConnectionId, Input, Now, Output, StateMachine};
use mayfly_wire::ReasonCode;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::lie::Lie;

/// One rejection in so many has a victim.
const ONE_IN: u32 = 20;

/// See the module.
#[derive(Debug)]
pub struct Collateral {
    rng: ChaCha8Rng,
    /// The next delivery costs its receiver the connection.
    strikes: bool,
    /// Closed behind the broker's back: it is told with its next input.
    struck: Option<ConnectionId>,
}

impl Collateral {
    /// Draws its victims with `rng`.
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self { rng, strikes: false, struck: None }
    }
}

impl Lie for Collateral {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if let Some(connection) = self.struck.take() {
            broker.handle(now, &Input::Closed { connection, cause: CloseCause::NetworkLost });
        }
        if matches!(input, Input::Closed { cause: CloseCause::Rejected(_), .. }) {
            self.strikes |= self.rng.random_ratio(1, ONE_IN);
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
