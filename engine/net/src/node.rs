//! The broker with its connections, shared by the tasks of one thread.

use std::cell::{RefCell, RefMut};
use std::fmt;
use std::rc::Rc;
use std::task::Waker;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use mayfly_auth::Peer;
use mayfly_core::{
    CloseCause, Connection, ConnectionId, Event, Identity, Input, Monotonic, Now, StateMachine,
};
use mayfly_wire::ReasonCode;
use tokio::sync::Notify;

use crate::clock::Clock;
use crate::endpoint::Endpoint;

/// As much is read from a stream at once. The buffer is shared by all connections.
const READ_CHUNK: usize = 64 * 1024;

/// What a node is created with.
pub struct NodeConfig {
    /// The node's part of every [`ConnectionId`].
    pub node_id: u64,
    /// Draws random bits, for what the broker must not draw itself. From the operating system, or seeded in a
    /// simulation.
    pub entropy: Box<dyn FnMut() -> u128>,
}

impl fmt::Debug for NodeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeConfig").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}

/// A broker, or what stands in its place, with its connections.
#[derive(Debug)]
pub struct Node<M, C> {
    clock: C,
    state: RefCell<State<M>>,
    /// Holds what one read brought, until it is handed on.
    scratch: RefCell<Box<[u8]>>,
    /// Rings when the broker's next deadline has moved nearer.
    deadline_moved: Notify,
    /// Rings when a connection has gone.
    connection_gone: Notify,
}

#[derive(Debug)]
struct State<M> {
    machine: M,
    connections: IndexMap<ConnectionId, Slot, FixedState>,
    next_sequence: u64,
    /// QoS 0 messages that were dropped for connections that are gone.
    dropped: u64,
    /// The deadline that the ticker sleeps for.
    armed: Option<Monotonic>,
    config: NodeConfig,
}

#[derive(Debug)]
struct Slot {
    connection: Connection,
    /// The listener that it came from.
    endpoint: Rc<Endpoint>,
    #[expect(dead_code, reason = "for the authenticator")]
    peer: Peer,
    /// Wakes the connection's task. Kept from turn to turn, since it is nearly always the same.
    waker: Option<Waker>,
    /// Whether the task wants to be woken: not while it runs.
    is_asleep: bool,
}

impl<M: StateMachine + 'static, C: Clock> Node<M, C> {
    /// A node without connections.
    pub fn new(machine: M, clock: C, config: NodeConfig) -> Rc<Self> {
        let state = State {
            machine,
            connections: IndexMap::with_hasher(FixedState::default()),
            next_sequence: 0,
            dropped: 0,
            armed: None,
            config,
        };
        Rc::new(Self {
            clock,
            state: RefCell::new(state),
            scratch: RefCell::new(vec![0; READ_CHUNK].into_boxed_slice()),
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

    /// Hands an input to the broker that does not come from a connection, such as new limits.
    pub fn handle(&self, input: &Input<'_>) {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        state.machine.handle(now, input);
        self.drain(&mut state, now);
    }

    /// Tells all clients that the server stops, and closes their connections once that is written.
    pub fn shut_down(&self) {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let connections: Vec<_> = state.connections.keys().copied().collect();
        for id in connections {
            let slot = &mut state.connections[&id];
            slot.connection.shut_down(now.monotonic, ReasonCode::ServerShuttingDown);
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
    pub async fn tick(&self) {
        loop {
            let deadline = self.state.borrow().machine.next_deadline();
            self.state.borrow_mut().armed = deadline;
            let moved = self.deadline_moved.notified();
            match deadline {
                None => moved.await,
                Some(deadline) => {
                    let wait = deadline.since(self.clock.now().monotonic);
                    tokio::select! {
                        biased;
                        () = tokio::time::sleep(wait) => {
                            self.handle(&Input::Tick);
                            // The broker serves only so much at once; what is left must not hold up the packets.
                            tokio::task::yield_now().await;
                        }
                        () = moved => {}
                    }
                }
            }
        }
    }

    pub(crate) fn clock(&self) -> &C {
        &self.clock
    }

    pub(crate) fn scratch(&self) -> RefMut<'_, Box<[u8]>> {
        self.scratch.borrow_mut()
    }

    /// Adds a connection whose handshake is done.
    pub(crate) fn open(&self, endpoint: &Rc<Endpoint>, peer: Peer) -> ConnectionId {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let id = ConnectionId { node: state.config.node_id, sequence: state.next_sequence };
        state.next_sequence += 1;
        let connection = Connection::new(Rc::clone(&endpoint.settings().connection), now.monotonic);
        let endpoint = Rc::clone(endpoint);
        state.connections.insert(id, Slot { connection, endpoint, peer, waker: None, is_asleep: false });
        id
    }

    /// Removes a connection whose stream has ended; the broker hears of it if it does not know yet.
    pub(crate) fn remove(&self, id: ConnectionId) {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        if let Some(slot) = state.connections.swap_remove(&id) {
            state.dropped += slot.connection.dropped();
        }
        state.machine.handle(now, &Input::Closed { connection: id, cause: CloseCause::NetworkLost });
        self.drain(&mut state, now);
        self.connection_gone.notify_waiters();
    }

    /// Hands the packets in `buffer` to the broker, as long as the client takes what comes back. Returns how many bytes
    /// are done with.
    pub(crate) fn receive(&self, id: ConnectionId, buffer: &[u8]) -> usize {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let mut done = 0;
        while state.wants_input(id) {
            let State { machine, connections, config, .. } = &mut *state;
            let Some(slot) = connections.get_mut(&id) else { break };
            let received = slot.connection.receive(now.monotonic, &buffer[done..]);
            if received.consumed == 0 && received.event.is_none() {
                break;
            }
            done += received.consumed;
            let settings = slot.endpoint.settings();
            let input = match received.event {
                None => continue,
                Some(Event::Open { identity, connect }) => {
                    let identity = Identity { policy: settings.policy.as_deref(), ..identity };
                    Input::Opened { connection: id, identity, entropy: (config.entropy)(), connect }
                }
                Some(Event::Packet(packet)) => Input::Packet { connection: id, packet },
                Some(Event::Closed(cause)) => Input::Closed { connection: id, cause },
            };
            machine.handle(now, &input);
            self.drain(&mut state, now);
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

    /// Closes a connection that waited too long for its client. Returns whether it did.
    pub(crate) fn expire(&self, id: ConnectionId) -> bool {
        let now = self.clock.now();
        let mut state = self.state.borrow_mut();
        let slot = state.connections.get_mut(&id);
        let Some(cause) = slot.and_then(|slot| slot.connection.expire(now.monotonic)) else { return false };
        state.machine.handle(now, &Input::Closed { connection: id, cause });
        self.drain(&mut state, now);
        true
    }

    /// Notes that a connection's task runs: until it sleeps again, nothing need wake it.
    pub(crate) fn rise(&self, id: ConnectionId) {
        if let Some(slot) = self.state.borrow_mut().connections.get_mut(&id) {
            slot.is_asleep = false;
        }
    }

    /// Has `waker` woken when something is to be written to a connection.
    pub(crate) fn sleep(&self, id: ConnectionId, waker: &Waker) {
        if let Some(slot) = self.state.borrow_mut().connections.get_mut(&id) {
            slot.is_asleep = true;
            if !slot.waker.as_ref().is_some_and(|present| present.will_wake(waker)) {
                slot.waker = Some(waker.clone());
            }
        }
    }

    /// Carries the broker's outputs to the connections they are for.
    fn drain(&self, state: &mut State<M>, now: Now) {
        let State { machine, connections, armed, .. } = state;
        while let Some(output) = machine.poll_output() {
            // The connection may have gone while the broker was writing to it.
            if let Some(slot) = connections.get_mut(&output.connection) {
                slot.connection.send(now.monotonic, &output.action);
                slot.wake();
            }
        }
        let deadline = machine.next_deadline();
        if deadline.is_some_and(|deadline| armed.is_none_or(|armed| deadline < armed)) {
            *armed = deadline;
            self.deadline_moved.notify_one();
        }
    }
}

impl<M> State<M> {
    fn wants_input(&self, id: ConnectionId) -> bool {
        self.connections.get(&id).is_some_and(|slot| slot.connection.wants_input())
    }
}

impl Slot {
    fn wake(&mut self) {
        if let (true, Some(waker)) = (self.is_asleep, &self.waker) {
            self.is_asleep = false;
            waker.wake_by_ref();
        }
    }
}
