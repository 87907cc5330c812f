//! Acknowledges some DELs and keeps the keys: a store whose room is never given back.

use mayfly_core::{Action, Broker, Input, Now, Output, StateMachine};
use mayfly_wire::resp3::Reply;

use super::chance::Chance;
use super::exchange::{Forgery, Pending, command, get_instead, version_of};
use super::lie::Lie;

/// Some keys stay.
#[derive(Debug)]
pub struct Undeleted {
    chance: Chance,
    pending: Pending<()>,
    forgery: Forgery,
}

impl Undeleted {
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance, pending: Pending::default(), forgery: Forgery::default() }
    }
}

impl Lie for Undeleted {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let kept = command(input).and_then(|(connection, publish, arguments)| match arguments.as_slice() {
            [b"DEL", key] if self.pending.has(&publish) || self.chance.strikes(&[key]) => {
                Some((connection, publish, *key))
            }
            _ => None,
        });
        let Some((connection, publish, key)) = kept else { return broker.handle(now, input) };
        self.pending.insert(&publish, ());
        get_instead(broker, now, (connection, publish), key);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let Action::Deliver(delivery) = output.action else { return output };
        let connection = output.connection;
        let action = match (self.pending.get(&delivery), version_of(&delivery)) {
            (Some(()), Some(version)) => self.forgery.forge(delivery, &Reply::Integer(1), Some(&version)),
            // There was no such key.
            (Some(()), None) => self.forgery.forge(delivery, &Reply::Integer(0), None),
            (None, _) => delivery,
        };
        Output { connection, action: Action::Deliver(action) }
    }
}
