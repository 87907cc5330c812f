//! Takes a session over and leaves the old connection open, or ends it for another reason than the standard's.

use mayfly_core::{Action, Output};
use mayfly_wire::{Packet, ReasonCode};

use super::chance::Chance;
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct SecondConnection {
    chance: Chance,
    /// What the old connection is told; `None` where it stays open.
    reason: Option<ReasonCode>,
}

impl SecondConnection {
    /// The old connection stays open.
    pub fn left_open(chance: Chance) -> Self {
        Self { chance, reason: None }
    }

    /// The old connection is told that the server is busy.
    pub fn ended_as_busy(chance: Chance) -> Self {
        Self { chance, reason: Some(ReasonCode::ServerBusy) }
    }
}

impl Lie for SecondConnection {
    fn tell<'o>(&mut self, output: Output<'o>) -> Output<'o> {
        match output.action {
            // An output must go out; a PINGRESP means nothing to the client.
            Action::Close(ReasonCode::SessionTakenOver) if self.chance.strikes(&[]) => {
                let action = self.reason.map_or(Action::Send(Packet::PingResp), Action::Close);
                Output { action, ..output }
            }
            _ => output,
        }
    }
}
