//! Takes a session over and leaves the old connection open.

use mayfly_core::{Action, Output};
use mayfly_wire::{Packet, ReasonCode};

use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct SecondConnection;

impl Lie for SecondConnection {
    fn tell<'o>(&mut self, output: Output<'o>) -> Output<'o> {
        match output.action {
            // An output must go out; a PINGRESP means nothing to the client.
            Action::Close(ReasonCode::SessionTakenOver) => {
                Output { action: Action::Send(Packet::PingResp), ..output }
            }
            _ => output,
        }
    }
}
