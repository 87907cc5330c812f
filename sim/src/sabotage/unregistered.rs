//! Acknowledges some KEYNOTIFYs and registers nobody.

use mayfly_core::{Broker, Input, Now, Output, StateMachine};
use mayfly_wire::resp3::Reply;

use super::chance::Chance;
use super::exchange::{Forgery, Pending, answer_pending, command, get_instead};
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct Unregistered {
    chance: Chance,
    pending: Pending<()>,
    forgery: Forgery,
}

impl Unregistered {
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance, pending: Pending::default(), forgery: Forgery::default() }
    }
}

impl Lie for Unregistered {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let struck = command(input).and_then(|(connection, publish, arguments)| match arguments.as_slice() {
            [b"KEYNOTIFY", key] if self.pending.has(&publish) || self.chance.strikes(&[key]) => {
                Some((connection, publish, *key))
            }
            _ => None,
        });
        let Some((connection, publish, key)) = struck else { return broker.handle(now, input) };
        self.pending.insert(&publish, ());
        get_instead(broker, now, (connection, publish), key);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        answer_pending(&self.pending, &mut self.forgery, &Reply::Ok, output)
    }
}
