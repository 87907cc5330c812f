//! Acknowledges some KEYNOTIFYs and registers nobody.

use mayfly_core::{Broker, Input, Now, Output, StateMachine};
use mayfly_wire::resp3::Reply;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::exchange::{Forgery, Pending, answer_pending, command, get_instead};
use super::lie::Lie;

/// One KEYNOTIFY in so many registers nobody.
const ONE_IN: u32 = 4;

/// See the module.
#[derive(Debug)]
pub struct Unregistered {
    rng: ChaCha8Rng,
    pending: Pending<()>,
    forgery: Forgery,
}

impl Unregistered {
    /// A lie that `rng` picks the moments of.
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self { rng, pending: Pending::default(), forgery: Forgery::default() }
    }
}

impl Lie for Unregistered {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let struck = command(input).and_then(|(connection, publish, arguments)| match arguments.as_slice() {
            [b"KEYNOTIFY", key] if self.rng.random_ratio(1, ONE_IN) => Some((connection, publish, *key)),
            _ => None,
        });
        let Some((connection, publish, key)) = struck else { return broker.handle(now, input) };
        self.pending.insert(connection, &publish, ());
        get_instead(broker, now, (connection, publish), key);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        answer_pending(&mut self.pending, &mut self.forgery, &Reply::Ok, output)
    }
}
