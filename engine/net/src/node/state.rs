//! What a node keeps: the broker, and a slot for each connection.

use std::rc::Rc;
use std::task::Waker;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use mayfly_auth::{Exchange, Peer};
use mayfly_core::{Connection, ConnectionId, Monotonic};

use crate::admission::Place;
use crate::endpoint::Endpoint;
use crate::standing::{Life, Standing};

/// The broker with the connections.
pub(crate) struct State<M> {
    pub(super) machine: M,
    pub(super) connections: IndexMap<ConnectionId, Slot, FixedState>,
    pub(super) next_sequence: u64,
    /// QoS 0 messages that were dropped for connections that are gone.
    pub(super) dropped: u64,
    /// What all connections hold in memory, in bytes, and what the broker was last told of that.
    pub(super) held_bytes: usize,
    pub(super) told_bytes: usize,
    /// The deadline that the ticker sleeps for.
    pub(super) armed: Option<Monotonic>,
    pub(super) node_id: u64,
    pub(super) entropy: Box<dyn FnMut() -> u128>,
}

/// A connection, and what the node has to know of it.
#[derive(Debug)]
pub(crate) struct Slot {
    pub(crate) connection: Connection,
    /// The listener that it came from.
    pub(crate) endpoint: Rc<Endpoint>,
    pub(crate) place: Place,
    pub(crate) peer: Peer,
    /// The authentication that waits for the client's answer.
    pub(crate) exchange: Option<Box<dyn Exchange>>,
    /// Who its client is, once that is known.
    pub(crate) standing: Option<Box<Standing>>,
    pub(crate) life: Life,
    /// Wakes the connection's task. Kept from turn to turn, since it is nearly always the same.
    waker: Option<Waker>,
    /// Whether the task wants to be woken: not while it runs.
    is_asleep: bool,
    /// What was read of a packet that is not whole, in bytes.
    pub(super) partial_bytes: usize,
    /// Its part of [`State::held_bytes`].
    pub(super) counted_bytes: usize,
}

impl<M> State<M> {
    pub(super) fn new(machine: M, node_id: u64, entropy: Box<dyn FnMut() -> u128>) -> Self {
        Self {
            machine,
            connections: IndexMap::with_hasher(FixedState::default()),
            next_sequence: 0,
            dropped: 0,
            held_bytes: 0,
            told_bytes: 0,
            armed: None,
            node_id,
            entropy,
        }
    }

    /// The identifier of the next connection. None has it again.
    pub(super) fn next_id(&mut self) -> ConnectionId {
        let id = ConnectionId { node: self.node_id, sequence: self.next_sequence };
        self.next_sequence += 1;
        id
    }

    /// A connection, if it has not gone.
    pub(crate) fn slot(&mut self, id: ConnectionId) -> Option<&mut Slot> {
        self.connections.get_mut(&id)
    }

    /// The broker, a connection, and what draws random bits, each by itself.
    pub(crate) fn parts(
        &mut self,
        id: ConnectionId,
    ) -> (&mut M, Option<&mut Slot>, &mut dyn FnMut() -> u128) {
        (&mut self.machine, self.connections.get_mut(&id), &mut self.entropy)
    }

    /// The connections of a listener, in the order in which they are kept.
    pub(crate) fn connections_of(&self, endpoint: &Rc<Endpoint>) -> Vec<ConnectionId> {
        let of_it = self.connections.iter().filter(|(_, slot)| Rc::ptr_eq(&slot.endpoint, endpoint));
        of_it.map(|(id, _)| *id).collect()
    }

    pub(super) fn wants_input(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|slot| slot.connection.wants_input())
    }
}

impl Slot {
    pub(super) fn new(connection: Connection, endpoint: Rc<Endpoint>, place: Place, peer: Peer) -> Self {
        Self {
            connection,
            endpoint,
            place,
            peer,
            exchange: None,
            standing: None,
            life: Life::Beginning,
            waker: None,
            is_asleep: false,
            partial_bytes: 0,
            counted_bytes: 0,
        }
    }

    /// Notes that the connection's task runs.
    pub(super) fn rise(&mut self) {
        self.is_asleep = false;
    }

    /// Notes that the connection's task sleeps, until `waker` is woken.
    pub(super) fn sleep(&mut self, waker: &Waker) {
        self.is_asleep = true;
        if !self.waker.as_ref().is_some_and(|present| present.will_wake(waker)) {
            self.waker = Some(waker.clone());
        }
    }

    /// Brings what all connections hold up to date with what this one holds.
    pub(super) fn recount(&mut self, held_bytes: &mut usize) {
        let bytes = self.connection.held_bytes() + self.partial_bytes;
        *held_bytes -= self.counted_bytes;
        *held_bytes += bytes;
        self.counted_bytes = bytes;
    }

    pub(crate) fn wake(&mut self) {
        if let (true, Some(waker)) = (self.is_asleep, &self.waker) {
            self.is_asleep = false;
            waker.wake_by_ref();
        }
    }
}
