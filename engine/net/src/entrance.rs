//! The last step of a CONNECT before the broker: whether there is room for its connection, and what it hears if not.

use mayfly_core::{Action, Connection, Input, Now, StateMachine};
use mayfly_wire::{ConnAck, ConnAckProperties, Packet, ReasonCode};

use crate::admission::Place;
use crate::clock::Clock;
use crate::node::{Node, Slot};
use crate::report::Report;
use crate::standing::Life;

/// Hands the broker a CONNECT, if there is room for its connection or it takes the place of the one that it takes over.
pub(crate) fn open<M: StateMachine>(
    machine: &mut M,
    place: &mut Place,
    now: Now,
    opened: &Input<'_>,
) -> Result<(), ReasonCode> {
    let Input::Opened { connection, connect, .. } = opened else { unreachable!("the caller has a CONNECT") };
    let taken_over = machine.connection_of(connect.client_id);
    if let Some(reason) = place.refusal(taken_over) {
        return Err(reason);
    }
    machine.handle(now, opened);
    // Unless the broker refused it and the old one stays.
    if let Some(old) = taken_over
        && machine.connection_of(connect.client_id) == Some(*connection)
    {
        place.succeed(*connection, old);
    }
    Ok(())
}

/// Answers a CONNECT for which there is no room.
pub(crate) fn refuse(connection: &mut Connection, now: Now, reason: ReasonCode) {
    let ack = ConnAck { session_present: false, reason, properties: ConnAckProperties::default() };
    connection.send(now.monotonic, &Action::Send(Packet::ConnAck(ack)));
}

impl<M: StateMachine + 'static, C: Clock> Node<M, C> {
    /// Counts and reports a CONNECT for which there was no room.
    pub(crate) fn note_no_room(&self, slot: &mut Slot, reason: ReasonCode) {
        slot.life = Life::Over;
        slot.endpoint.count(|admissions| match reason {
            ReasonCode::QuotaExceeded => admissions.refused_listener_full += 1,
            _ => admissions.refused_node_full += 1,
        });
        let (listener, address) = (&slot.endpoint.settings().name, slot.peer.address);
        self.report(&Report::Refused { listener, address, reason: Some(reason) });
    }
}
