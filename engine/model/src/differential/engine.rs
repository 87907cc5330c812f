//! The engine in memory: one broker, a connection for each client, and a clock that is moved by hand.
//!
//! Clients take everything that is written to them at once, so all that follows from an input is seen before the next.

use mayfly_core::{
    Broker, BrokerConfig, CloseCause, Connection, ConnectionConfig, ConnectionId, Input, Limits, Monotonic,
    Now, StateMachine, Statistics, WallClock,
};
use mayfly_wire::split_frame;

use super::wire;
use crate::specification::{ConnectionNumber, FromServer, Time, Version};

/// What the wall clock shows at time zero, in milliseconds.
const START_MS: u64 = 1_700_000_000_000;

/// What a client saw on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Sight {
    /// A packet of this length in bytes.
    Packet(FromServer, usize),
    /// Bytes that are no packet.
    Garbage(String),
    /// The end of the connection.
    Closed,
}

pub(super) struct Engine {
    broker: Broker,
    now: Now,
    peers: Vec<Peer>,
    config: ConnectionConfig,
    /// What was seen since the last look.
    sights: Vec<(ConnectionNumber, Sight)>,
}

struct Peer {
    connection: Connection,
    version: Version,
    /// Bytes of a packet that is not whole.
    arrived: Vec<u8>,
    is_gone: bool,
}

impl Engine {
    pub(super) fn new(limits: Limits, config: ConnectionConfig) -> Self {
        let now = Now { monotonic: Monotonic::ZERO, wall: WallClock::from_millis(START_MS) };
        let broker = Broker::new(BrokerConfig { limits, hash_seed: 7 });
        Self { broker, now, peers: Vec::new(), config, sights: Vec::new() }
    }

    /// When the engine wants to be called next.
    pub(super) fn next_deadline(&self) -> Option<Time> {
        // Up, so that the deadline has passed.
        Some(Time(self.next_deadline_nanos()?.div_ceil(1_000_000)))
    }

    /// The same, in nanoseconds.
    pub(super) fn next_deadline_nanos(&self) -> Option<u64> {
        let peers = self.peers.iter().filter(|peer| !peer.is_gone);
        let deadlines = peers.filter_map(|peer| peer.connection.next_deadline());
        deadlines.chain(self.broker.next_deadline()).min().map(Monotonic::as_nanos)
    }

    /// Moves the clock to `to` and serves what is due.
    pub(super) fn advance(&mut self, to: Time) {
        self.set_clocks(to.0 * 1_000_000, START_MS + to.0);
        self.tick();
    }

    /// Sets both clocks: nanoseconds since the beginning, and what the wall clock shows in milliseconds. Serves nothing.
    pub(super) fn set_clocks(&mut self, nanos: u64, wall_ms: u64) {
        self.now = Now { monotonic: Monotonic::from_nanos(nanos), wall: WallClock::from_millis(wall_ms) };
    }

    /// Serves what is due.
    pub(super) fn tick(&mut self) {
        for number in 0..self.peers.len() {
            let peer = &mut self.peers[number];
            if peer.is_gone {
                continue;
            }
            if let Some(cause) = peer.connection.expire(self.now.monotonic) {
                self.handle(&Input::Closed { connection: connection_id(number), cause });
            }
        }
        self.handle(&Input::Tick);
    }

    /// A client opened a network connection.
    pub(super) fn accept(&mut self, version: Version) -> ConnectionNumber {
        self.peers.push(Peer {
            connection: Connection::new(self.config.clone(), self.now.monotonic),
            version,
            arrived: Vec::new(),
            is_gone: false,
        });
        self.peers.len() - 1
    }

    /// A client sent whole packets.
    pub(super) fn receive(&mut self, number: ConnectionNumber, bytes: &[u8]) {
        let mut done = 0;
        while done < bytes.len() && !self.peers[number].is_gone {
            let peer = &mut self.peers[number];
            let received = peer.connection.receive(self.now.monotonic, &bytes[done..]);
            done += received.consumed;
            let connection = connection_id(number);
            match received.event.map(|event| event.into_input(connection, || number as u128)) {
                None if received.consumed == 0 => break,
                None => {}
                Some(Ok(input)) => self.broker.handle(self.now, &input),
                Some(Err(_)) => unreachable!("no connection here has to authenticate"),
            }
            self.settle();
        }
    }

    /// A client's connection broke.
    pub(super) fn lose(&mut self, number: ConnectionNumber) {
        self.peers[number].is_gone = true;
        self.handle(&Input::Closed { connection: connection_id(number), cause: CloseCause::NetworkLost });
    }

    /// Other limits hold from now on.
    pub(super) fn limit(&mut self, limits: Limits) {
        self.handle(&Input::Limits(limits));
    }

    /// What the broker counts.
    pub(super) fn statistics(&self) -> Statistics {
        self.broker.statistics()
    }

    /// What was seen since the last look, in the order in which each connection saw it.
    pub(super) fn take_sights(&mut self) -> Vec<(ConnectionNumber, Sight)> {
        std::mem::take(&mut self.sights)
    }

    fn handle(&mut self, input: &Input<'_>) {
        self.broker.handle(self.now, input);
        self.settle();
    }

    /// Carries outputs to the clients.
    fn settle(&mut self) {
        while let Some(output) = self.broker.poll_output() {
            let number = usize::try_from(output.connection.sequence).expect("an index");
            self.peers[number].connection.send(self.now.monotonic, &output.action);
        }
        for (number, peer) in self.peers.iter_mut().enumerate().filter(|(_, peer)| !peer.is_gone) {
            let bytes = peer.connection.outgoing().to_vec();
            if !bytes.is_empty() {
                peer.connection.written(self.now.monotonic, bytes.len());
                peer.arrived.extend_from_slice(&bytes);
                peer.read(|sight| self.sights.push((number, sight)));
            }
            if peer.connection.is_closing() {
                peer.is_gone = true;
                self.sights.push((number, Sight::Closed));
            }
        }
    }
}

impl Peer {
    /// Takes the whole packets out of what arrived.
    fn read(&mut self, mut see: impl FnMut(Sight)) {
        let mut done = 0;
        loop {
            let rest = &self.arrived[done..];
            let frame = match split_frame(rest, u32::MAX) {
                Ok(Some(frame)) => frame,
                Ok(None) => break,
                Err(error) => return see(Sight::Garbage(format!("{error}: {rest:02x?}"))),
            };
            match frame.decode(wire::protocol_version(self.version)) {
                Ok(packet) => see(Sight::Packet(wire::from_server(&packet), frame.len)),
                Err(error) => return see(Sight::Garbage(format!("{error}: {rest:02x?}"))),
            }
            done += frame.len;
        }
        self.arrived.drain(..done);
    }
}

fn connection_id(number: ConnectionNumber) -> ConnectionId {
    ConnectionId { node: 1, sequence: number as u64 }
}
