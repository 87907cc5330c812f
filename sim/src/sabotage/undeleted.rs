//! Acknowledges some DELs and keeps the keys: a store whose room is never given back.

use mayfly_core::{Action, Broker, Input, Now, Output, StateMachine};
use mayfly_wire::resp3::Reply;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::exchange::{Forgery, Pending, command, get_instead, version_of};
use super::lie::Lie;

/// One DEL in so many deletes nothing.
const ONE_IN: u32 = 20;

/// Some keys stay.
#[derive(Debug)]
pub struct Undeleted {
    rng: ChaCha8Rng,
    pending: Pending<()>,
    forgery: Forgery,
}

impl Undeleted {
    /// A lie that `rng` picks the moments of.
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self { rng, pending: Pending::default(), forgery: Forgery::default() }
    }
}

impl Lie for Undeleted {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let kept = command(input).and_then(|(connection, publish, arguments)| match arguments.as_slice() {
            [b"DEL", key] if self.rng.random_ratio(1, ONE_IN) => Some((connection, publish, *key)),
            _ => None,
        });
        let Some((connection, publish, key)) = kept else { return broker.handle(now, input) };
        self.pending.insert(connection, &publish, ());
        get_instead(broker, now, (connection, publish), key);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let Action::Deliver(delivery) = output.action else { return output };
        let connection = output.connection;
        let action = match (self.pending.take(connection, &delivery), version_of(&delivery)) {
            (Some(()), Some(version)) => self.forgery.forge(delivery, &Reply::Integer(1), Some(&version)),
            // There was no such key.
            (Some(()), None) => self.forgery.forge(delivery, &Reply::Integer(0), None),
            (None, _) => delivery,
        };
        Output { connection, action: Action::Deliver(action) }
    }
}
