//! A broker that is honest but for one [`Lie`] about what goes in or what comes out.

use mayfly_core::{Broker, ConnectionId, Input, Monotonic, Now, Output, Pressure, StateMachine, Statistics};

use super::chance::Chance;
use crate::world::Machine;

/// What a broker does instead of the right thing.
pub trait Lie: 'static {
    /// Hands an input to the broker, or something else.
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        broker.handle(now, input);
    }

    /// The next output, the broker's or another.
    fn utter<'o>(&'o mut self, broker: &'o mut Broker) -> Option<Output<'o>> {
        broker.poll_output().map(|output| self.tell(output))
    }

    /// What it says of itself.
    fn count(&self, statistics: Statistics) -> Statistics {
        statistics
    }

    /// Lets an output pass, or something else.
    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        output
    }
}

/// A broker with a lie.
#[derive(Debug)]
pub struct Liar<L> {
    broker: Broker,
    lie: L,
    chance: Chance,
}

impl<L: Lie> Liar<L> {
    /// Wraps `broker` in a lie that is told when `chance` says so.
    pub fn new(broker: Broker, chance: Chance, lie: impl FnOnce(Chance) -> L) -> Self {
        Self { broker, lie: lie(chance.clone()), chance }
    }
}

impl<L: Lie> StateMachine for Liar<L> {
    fn handle(&mut self, now: Now, input: &Input<'_>) {
        self.chance.is_now(now);
        self.lie.take(&mut self.broker, now, input);
    }

    fn poll_output(&mut self) -> Option<Output<'_>> {
        self.lie.utter(&mut self.broker)
    }

    fn pressure(&self) -> Pressure {
        self.broker.pressure()
    }

    fn connection_of(&self, client_id: &str) -> Option<ConnectionId> {
        self.broker.connection_of(client_id)
    }

    fn next_deadline(&self) -> Option<Monotonic> {
        self.broker.next_deadline()
    }
}

impl<L: Lie> Machine for Liar<L> {
    fn statistics(&self) -> Statistics {
        self.lie.count(self.broker.statistics())
    }
}
