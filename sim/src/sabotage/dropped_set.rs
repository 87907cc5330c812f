//! Acknowledges some SETs and stores nothing: a write that was lost after its acknowledgement.

use mayfly_core::{Action, Broker, Input, Now, Output, StateMachine};
use mayfly_wire::resp3::Reply;
use mayfly_wire::{Hlc, Publish};

use super::chance::Chance;
use super::exchange::{Forgery, Pending, command, get_instead};
use super::lie::Lie;

/// Above the counters that the engine reaches within a millisecond, so that a forged version is one of its own.
const FORGED_COUNTER: u32 = 50_000;

/// Some writes are lost.
#[derive(Debug)]
pub struct DropAcknowledgedSet {
    chance: Chance,
    /// Lost SETs, with the version that their response will claim.
    pending: Pending<String>,
    lost: u32,
    forgery: Forgery,
}

impl DropAcknowledgedSet {
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance, pending: Pending::default(), lost: 0, forgery: Forgery::default() }
    }

    /// A version that such a SET might have got.
    fn claimed_version(&mut self, now: Now, publish: &Publish<'_>) -> String {
        self.lost += 1;
        let request = publish.properties.user_properties.first("__ts").and_then(|text| Hlc::parse(text).ok());
        let wall_clock_ms = request.map_or(0, |hlc| hlc.wall_clock_ms).max(now.wall.as_millis());
        Hlc { wall_clock_ms, counter: FORGED_COUNTER + self.lost, node_id: "StateStore" }.to_string()
    }
}

impl Lie for DropAcknowledgedSet {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let lost = match command(input) {
            Some((connection, publish, arguments)) => match arguments.as_slice() {
                // Unconditional SETs only: the answer to another would have to be guessed.
                [b"SET", key, value] if self.pending.has(&publish) || self.chance.strikes(&[key, value]) => {
                    Some((connection, publish, *key))
                }
                _ => None,
            },
            None => None,
        };
        let Some((connection, publish, key)) = lost else { return broker.handle(now, input) };
        if !self.pending.has(&publish) {
            let version = self.claimed_version(now, &publish);
            self.pending.insert(&publish, version);
        }
        get_instead(broker, now, (connection, publish), key);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let Action::Deliver(delivery) = output.action else { return output };
        let connection = output.connection;
        let action = match self.pending.get(&delivery) {
            Some(version) => self.forgery.forge(delivery, &Reply::Ok, Some(version)),
            None => delivery,
        };
        Output { connection, action: Action::Deliver(action) }
    }
}
