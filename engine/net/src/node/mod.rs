//! The broker with its connections, shared by the tasks of one thread.
//!
//! # Layout
//! - [`NodeConfig`]: what it is created with.
//! - `state`: the broker, and a slot for each connection.

mod config;
mod state;

use std::cell::{RefCell, RefMut};
use std::convert::Infallible;
use std::fmt;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use mayfly_auth::{Grant, Peer, Step};
use mayfly_core::{
    CloseCause, Connection, ConnectionId, Event, Identity, Input, Now, Pressure, StateMachine, has_priority,
};
use mayfly_wire::{Packet, ReasonCode};
use tokio::sync::Notify;

use crate::admission::{Capacity, Place};
use crate::authenticate::{Desk, examine};
use crate::clock::Clock;
use crate::counters::{Traffic, TrafficCounters};
use crate::endpoint::Endpoint;
use crate::entrance::{open, refuse};
use crate::latency::{Latency, LatencyCounter};
use crate::report::{Ending, Report};
use crate::standing::Standing;

pub use config::NodeConfig;
pub(crate) use state::{Slot, State};

/// While memory runs short, a client is not read from for so long after each message that it publishes.
const PUBLISHER_PAUSE: Duration = Duration::from_millis(100);

/// The broker is told what all connections hold when that has changed by so many bytes.
const MEMORY_STEP: usize = 1024 * 1024;

/// While memory has run out, a connection that holds more than this of a packet that is not whole is closed (0x97).
const MAX_PARTIAL_WITHOUT_MEMORY: usize = 64 * 1024;

/// As much is read from a stream at once. The buffer is shared by all connections.
pub(crate) const READ_CHUNK: usize = 64 * 1024;

/// A broker, or what stands in its place, with its connections.
pub struct Node<M, C> {
    clock: C,
    capacity: Rc<Capacity>,
    traffic: TrafficCounters,
    latency: LatencyCounter,
    report: Box<dyn Fn(&Report<'_>)>,
    state: RefCell<State<M>>,
    /// Holds what one read brought, until it is handed on.
    scratch: RefCell<Box<[u8]>>,
    desk: Desk,
    /// Rings when the broker's next deadline has moved nearer.
    deadline_moved: Notify,
    /// Rings when a connection has gone.
    connection_gone: Notify,
}

impl<M: StateMachine + 'static, C: Clock> Node<M, C> {
    /// A node without connections.
    pub fn new(machine: M, clock: C, config: NodeConfig) -> Rc<Self> {
        let NodeConfig { node_id, workers, entropy, max_connections, report } = config;
        Rc::new(Self {
            clock,
            capacity: Capacity::new(max_connections),
            traffic: TrafficCounters::default(),
            latency: LatencyCounter::default(),
            report,
            state: RefCell::new(State::new(machine, node_id, entropy)),
            scratch: RefCell::new(vec![0; READ_CHUNK].into_boxed_slice()),
            desk: Desk::new(workers),
            deadline_moved: Notify::new(),
            connection_gone: Notify::new(),
        })
    }

    /// Looks at the broker.
    pub fn inspect<T>(&self, look: impl FnOnce(&M) -> T) -> T {
        look(&self.state.borrow().machine)
    }

    /// How many connections are open, or being closed.
    pub fn connection_count(&self) -> usize {
        self.state.borrow().connections.len()
    }

    /// QoS 0 messages that were dropped since too many bytes waited to be written to their receiver.
    pub fn dropped_messages(&self) -> u64 {
        let state = self.state.borrow();
        let open: u64 = state.connections.values().map(|slot| slot.connection.dropped()).sum();
        state.dropped + open
    }

    /// Bytes and packets of all connections.
    pub fn traffic(&self) -> Traffic {
        self.traffic.snapshot()
    }

    /// Sets the most connections of all listeners. None is closed for it.
    pub fn set_max_connections(&self, maximum: usize) {
        self.capacity.set_maximum(maximum);
    }

    /// How long it took from a read to the moment when all that it brought was handled and its answers waited to be
    /// written.
    pub fn latency(&self) -> Latency {
        self.latency.snapshot()
    }

    /// Hands an input to the broker that does not come from a connection, such as new limits.
    pub fn handle(&self, input: &Input<'_>) {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        state.machine.handle(now, input);
        self.drain(&mut state, now);
    }

    /// Tells all clients why they are disconnected, and closes their connections once that is written.
    pub fn shut_down(&self, reason: ReasonCode, server_reference: Option<&str>) {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let connections: Vec<_> = state.connections.keys().copied().collect();
        for id in connections {
            let slot = &mut state.connections[&id];
            self.note_end(slot, Ending::Noticed(CloseCause::ServerShutdown));
            self.traffic.sending(&mut slot.connection, |connection| {
                connection.shut_down_for(now.monotonic, reason, server_reference);
            });
            slot.wake();
            state.machine.handle(now, &Input::Closed { connection: id, cause: CloseCause::ServerShutdown });
            self.drain(&mut state, now);
        }
    }

    /// Waits until every connection has gone.
    pub async fn drained(&self) {
        while self.connection_count() > 0 {
            self.connection_gone.notified().await;
        }
    }

    /// Ticks the broker at its deadlines, for ever.
    pub async fn tick(&self) -> Infallible {
        loop {
            let deadline = self.state.borrow().machine.next_deadline();
            self.state.borrow_mut().armed = deadline;
            let moved = self.deadline_moved.notified();
            match deadline {
                None => moved.await,
                Some(deadline) => {
                    let wait = deadline.since(self.clock.now().monotonic);
                    if !wait.is_zero() {
                        // Not for what is due at once: a sleep of no length takes up to a millisecond, and a crowd of
                        // deadlines many of them.
                        tokio::select! {
                            biased;
                            () = tokio::time::sleep(wait) => {}
                            () = moved => continue,
                        }
                    }
                    self.handle(&Input::Tick);
                    // The broker serves only so much at once; what is left must not hold up the packets.
                    tokio::task::yield_now().await;
                }
            }
        }
    }

    /// Answers a client after a job.
    pub(crate) fn resume(self: &Rc<Self>, id: ConnectionId, step: Step) {
        let now = self.clock.now();
        self.follow(&mut self.state.borrow_mut(), now, id, step);
    }

    pub(crate) fn state(&self) -> RefMut<'_, State<M>> {
        self.state.borrow_mut()
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.desk
    }

    pub(crate) fn clock(&self) -> &C {
        &self.clock
    }

    pub(crate) fn scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.borrow_mut()
    }

    pub(crate) fn traffic_counters(&self) -> &TrafficCounters {
        &self.traffic
    }

    pub(crate) fn report(&self, report: &Report<'_>) {
        (self.report)(report);
    }

    /// A place for a connection that was accepted, if there is one.
    pub(crate) fn take_place(&self, endpoint: &Endpoint, address: Option<SocketAddr>) -> Option<Place> {
        let settings = endpoint.settings();
        let place = Place::take(endpoint.capacity(), &self.capacity);
        if place.is_none() {
            endpoint.count(|admissions| admissions.refused_at_once += 1);
            self.report(&Report::Refused { listener: &settings.name, address, reason: None });
        }
        place
    }

    /// Adds a connection whose handshake is done.
    pub(crate) fn open(&self, endpoint: &Rc<Endpoint>, peer: Peer, mut place: Place) -> ConnectionId {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let id = state.next_id();
        place.admit(id);
        let connection = Connection::new(Rc::clone(&endpoint.settings().connection), now.monotonic);
        let slot = Slot::new(connection, Rc::clone(endpoint), place, peer);
        state.connections.insert(id, slot);
        id
    }

    /// Removes a connection whose stream has ended; the broker hears of it if it does not know yet.
    pub(crate) fn remove(&self, id: ConnectionId) {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        if let Some(mut slot) = state.connections.swap_remove(&id) {
            self.note_end(&mut slot, Ending::Noticed(CloseCause::NetworkLost));
            state.dropped += slot.connection.dropped();
            state.held_bytes -= slot.counted_bytes;
        }
        state.machine.handle(now, &Input::Closed { connection: id, cause: CloseCause::NetworkLost });
        self.drain(&mut state, now);
        self.connection_gone.notify_waiters();
    }

    /// Hands the packets in `buffer` to the broker, as long as the client takes what comes back. Returns how many bytes
    /// are done with.
    pub(crate) fn receive(self: &Rc<Self>, id: ConnectionId, buffer: &[u8]) -> usize {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let mut done = 0;
        while state.wants_input(id) {
            let State { machine, connections, entropy, .. } = &mut *state;
            let Some(slot) = connections.get_mut(&id) else { break };
            let unwritten = slot.connection.outgoing().len();
            let settings = slot.endpoint.settings();
            // The settings may have changed since the connection was accepted.
            slot.connection.require_authentication(settings.authenticator.is_some());
            let received = slot.connection.receive(now.monotonic, &buffer[done..]);
            if received.consumed == 0 && received.event.is_none() {
                break;
            }
            if !matches!(received.event, Some(Event::Closed(_))) {
                self.traffic.received(&buffer[done..done + received.consumed]);
            }
            done += received.consumed;
            let event = received.event.map(|event| match event {
                Event::Open { identity, connect } => {
                    let identity = Identity { policy: settings.policy.as_deref(), ..identity };
                    let standing = Standing::new(connect.client_id, Grant::default(), &settings);
                    slot.standing = Some(Box::new(standing));
                    Event::Open { identity, connect }
                }
                event => event,
            });
            match event.map(|event| event.into_input(id, &mut *entropy)) {
                None => {}
                Some(Err(evidence)) => {
                    let taken_over = evidence.client_id().and_then(|client| machine.connection_of(client));
                    // For want of room nobody need be known.
                    let refusal = slot.place.refusal(taken_over).filter(|_| evidence.client_id().is_some());
                    let step = match refusal {
                        None => examine(&settings, &mut slot.exchange, &slot.peer, &evidence, entropy()),
                        Some(reason) => {
                            self.note_no_room(slot, reason);
                            Step::Refuse(reason)
                        }
                    };
                    self.follow(&mut state, now, id, step);
                    continue;
                }
                Some(Ok(input @ Input::Opened { .. })) => {
                    if let Err(reason) = open(machine, &mut slot.place, now, &input) {
                        refuse(&mut slot.connection, now, reason);
                        self.note_no_room(slot, reason);
                    }
                }
                Some(Ok(input)) => {
                    machine.handle(now, &input);
                    if let Input::Closed { cause, .. } = input {
                        self.note_end(slot, Ending::Noticed(cause));
                    } else if is_plain_message(&input) && machine.pressure() >= Pressure::Slow {
                        slot.connection.pause_input(now.monotonic, PUBLISHER_PAUSE);
                    }
                }
            }
            self.traffic.sent(slot.connection.outgoing(), unwritten);
            self.drain(&mut state, now);
        }
        if done > 0 {
            self.latency.record(self.clock.now().monotonic.since(now.monotonic));
        }
        done
    }

    /// Runs `with` on a connection.
    pub(crate) fn connection<T>(
        &self,
        id: ConnectionId,
        with: impl FnOnce(&mut Connection) -> T,
    ) -> Option<T> {
        self.state.borrow_mut().connections.get_mut(&id).map(|slot| with(&mut slot.connection))
    }

    /// Whether more may be read from a connection.
    pub(crate) fn wants_input(&self, id: ConnectionId) -> bool {
        self.state.borrow().wants_input(id)
    }

    /// Closes a connection that waited too long for its client, or ends its pause. Returns whether there is something to
    /// do for its stream since.
    pub(crate) fn expire(&self, id: ConnectionId) -> bool {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let Some(slot) = state.connections.get_mut(&id) else { return false };
        let wanted_input = slot.connection.wants_input();
        let Some(cause) = self.expire_one(&mut slot.connection, now) else {
            return slot.connection.wants_input() && !wanted_input;
        };
        self.note_end(slot, Ending::Noticed(cause));
        state.machine.handle(now, &Input::Closed { connection: id, cause });
        self.drain(&mut state, now);
        true
    }

    fn expire_one(&self, connection: &mut Connection, now: Now) -> Option<CloseCause> {
        self.traffic.sending(connection, |connection| connection.expire(now.monotonic))
    }

    /// Notes that a connection's task runs: until it sleeps again, nothing need wake it.
    pub(crate) fn rise(&self, id: ConnectionId) {
        let mut state = self.state.borrow_mut();
        let is_short = state.machine.pressure() == Pressure::Full;
        if let Some(slot) = state.connections.get_mut(&id) {
            slot.rise();
            slot.connection.set_short_of_memory(is_short);
        }
    }

    /// Notes how much of a packet that is not whole a connection's task holds. The connection is closed if that is more than
    /// there is memory for.
    pub(crate) fn hold_partial(&self, id: ConnectionId, bytes: usize) {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let State { machine, connections, held_bytes, .. } = &mut *state;
        let Some(slot) = connections.get_mut(&id) else { return };
        slot.partial_bytes = bytes;
        slot.recount(held_bytes);
        if bytes > MAX_PARTIAL_WITHOUT_MEMORY
            && machine.pressure() == Pressure::Full
            && !slot.connection.is_closing()
        {
            let reason = ReasonCode::QuotaExceeded;
            self.traffic
                .sending(&mut slot.connection, |connection| connection.shut_down(now.monotonic, reason));
            self.note_end(slot, Ending::Told(reason));
            machine.handle(now, &Input::Closed { connection: id, cause: CloseCause::Rejected(reason) });
        }
        self.drain(&mut state, now);
    }

    /// Has `waker` woken when something is to be written to a connection.
    pub(crate) fn sleep(&self, id: ConnectionId, waker: &Waker) {
        let mut state = self.state.borrow_mut();
        let State { connections, held_bytes, .. } = &mut *state;
        if let Some(slot) = connections.get_mut(&id) {
            slot.recount(held_bytes);
            slot.sleep(waker);
        }
    }

    /// Carries the broker's outputs to the connections they are for.
    pub(crate) fn drain(&self, state: &mut State<M>, now: Now) {
        let State { machine, connections, armed, held_bytes, told_bytes, node_id, .. } = state;
        let is_short = machine.pressure() == Pressure::Full;
        loop {
            while let Some(output) = machine.poll_output() {
                // The connection may have gone while the broker was writing to it.
                if let Some(slot) = connections.get_mut(&output.connection) {
                    self.note_output(slot, &output.action);
                    slot.connection.set_short_of_memory(is_short);
                    self.traffic.sending(&mut slot.connection, |connection| {
                        connection.send(now.monotonic, &output.action);
                    });
                    slot.recount(held_bytes);
                    slot.wake();
                }
            }
            if held_bytes.abs_diff(*told_bytes) < MEMORY_STEP {
                break;
            }
            *told_bytes = *held_bytes;
            let bytes = *held_bytes as u64;
            machine.handle(now, &Input::ConnectionMemory { node: *node_id, bytes });
        }
        let deadline = machine.next_deadline();
        if deadline.is_some_and(|deadline| armed.is_none_or(|armed| deadline < armed)) {
            *armed = deadline;
            self.deadline_moved.notify_one();
        }
    }
}

/// Whether an input is a message that may be slowed down while memory runs short.
fn is_plain_message(input: &Input<'_>) -> bool {
    matches!(input, Input::Packet { packet: Packet::Publish(publish), .. } if !has_priority(publish))
}

impl<M: fmt::Debug, C: fmt::Debug> fmt::Debug for Node<M, C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.state.borrow();
        f.debug_struct("Node")
            .field("clock", &self.clock)
            .field("machine", &state.machine)
            .field("connections", &state.connections)
            .finish_non_exhaustive()
    }
}
