//! Any bytes on several connections to one broker: nothing panics, everything that goes out is a valid packet, and a replica
//! that reads the inputs from the log has the same outputs and state.
//!
//! The fuzzer's bytes are a script. Each step begins with a byte whose upper half names a deed and whose lower half a
//! connection; some deeds take one byte more.

#![no_main]

use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use mayfly_core::{
    Broker, BrokerConfig, CloseCause, Connection, ConnectionConfig, ConnectionId, Input, Limits, Monotonic,
    Now, StateMachine, WallClock, log,
};
use mayfly_wire::{ProtocolVersion, split_frame};

/// So many connections are open at once, at most.
const CONNECTIONS: usize = 4;
/// What the wall clock shows at the start.
const START_MS: u64 = 1_700_000_000_000;
/// Versions that clients speak, which decide how their packets are read.
const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V5, ProtocolVersion::V3_1_1];

fuzz_target!(|script: &[u8]| {
    let mut world = World::new();
    let mut rest = script;
    while let Some((&step, after)) = rest.split_first() {
        let index = usize::from(step & 0x0F) % CONNECTIONS;
        rest = match step >> 4 {
            0..=7 => world.receive(index, after),
            8 | 9 => world.advance(after),
            10 => world.lose(index, after),
            11 => world.stop_reading(index, after),
            _ => world.read(index, after),
        };
    }
});

struct World {
    twins: Twins,
    now: Now,
    peers: [Peer; CONNECTIONS],
    next_sequence: u64,
}

/// A broker, and one that is fed from the log alone.
struct Twins {
    broker: Broker,
    replica: Broker,
}

impl Twins {
    /// Hands an input to the broker, and through the log to the replica.
    fn handle(&mut self, now: Now, input: &Input<'_>) {
        let mut entry = Vec::new();
        log::encode(now, input, &mut entry).expect("what arrived has a form in the log");
        let (logged_now, logged) = log::decode(&entry).expect("what was written is read");
        assert_eq!((logged_now, &logged), (now, input));
        self.broker.handle(now, input);
        self.replica.handle(logged_now, &logged);
    }
}

struct Peer {
    id: ConnectionId,
    connection: Connection,
    partial: Vec<u8>,
    reads: bool,
}

impl Peer {
    fn new(sequence: u64, now: Monotonic) -> Self {
        let id = ConnectionId { node: 1, sequence };
        Self { id, connection: Connection::new(config(), now), partial: Vec::new(), reads: true }
    }
}

/// Bounds small enough to be reached.
fn config() -> ConnectionConfig {
    ConnectionConfig { max_outgoing_bytes: 4096, ..ConnectionConfig::default() }
}

fn limits() -> Limits {
    Limits {
        max_queued_messages: 8,
        max_queued_bytes: 1024,
        max_subscriptions: 8,
        max_watched_keys: 2,
        max_remembered_requests: 4,
        ..Limits::default()
    }
}

impl World {
    fn new() -> Self {
        let now = Now { monotonic: Monotonic::from_nanos(1), wall: WallClock::from_millis(START_MS) };
        let broker =
            |hash_seed| Broker::new(BrokerConfig { limits: limits(), hash_seed, ..BrokerConfig::default() });
        let peer = |sequence| Peer::new(sequence, now.monotonic);
        // Replicas may differ in the seed, and in nothing that can be seen.
        Self {
            twins: Twins { broker: broker(1), replica: broker(2) },
            now,
            peers: [peer(0), peer(1), peer(2), peer(3)],
            next_sequence: CONNECTIONS as u64,
        }
    }

    /// The next bytes arrive on a connection: as many as a length byte says.
    fn receive<'s>(&mut self, index: usize, script: &'s [u8]) -> &'s [u8] {
        let Some((&len, after)) = script.split_first() else { return script };
        let (bytes, rest) = after.split_at(usize::from(len).min(after.len()));
        let mut buffer = std::mem::take(&mut self.peers[index].partial);
        buffer.extend_from_slice(bytes);
        let mut done = 0;
        while self.peers[index].connection.wants_input() {
            let peer = &mut self.peers[index];
            let received = peer.connection.receive(self.now.monotonic, &buffer[done..]);
            let id = peer.id;
            if received.consumed == 0 && received.event.is_none() {
                break;
            }
            done += received.consumed;
            assert!(done <= buffer.len(), "a packet lies within the buffer");
            let Some(event) = received.event else { continue };
            let input = event.into_input(id, || u128::from(id.sequence));
            let input = input.expect("no connection here has to authenticate");
            self.twins.handle(self.now, &input);
            self.drain();
        }
        buffer.drain(..done);
        self.peers[index].partial = buffer;
        self.write(index);
        rest
    }

    fn handle(&mut self, input: &Input<'_>) {
        self.twins.handle(self.now, input);
        self.drain();
    }

    /// Carries outputs to the connections. The replica must have the same, and end in the same state.
    fn drain(&mut self) {
        let Twins { broker, replica } = &mut self.twins;
        while let Some(output) = broker.poll_output() {
            let same = replica.poll_output().expect("the replica has the same outputs");
            assert_eq!(output.connection, same.connection);
            assert_eq!(format!("{:?}", output.action), format!("{:?}", same.action));
            if let Some(peer) = self.peers.iter_mut().find(|peer| peer.id == output.connection) {
                peer.connection.send(self.now.monotonic, &output.action);
            }
        }
        assert!(replica.poll_output().is_none(), "the replica has the same outputs");
        assert_eq!(broker.state_hash(), replica.state_hash());
    }

    /// What waits for clients that read goes out.
    fn write(&mut self, woken: usize) {
        for index in 0..CONNECTIONS {
            let peer = &mut self.peers[index];
            if peer.reads || index == woken && peer.connection.is_closing() {
                let bytes = peer.connection.outgoing().to_vec();
                assert_valid(&bytes);
                peer.connection.written(self.now.monotonic, bytes.len());
            }
            if peer.connection.is_closing() && peer.connection.outgoing().is_empty() {
                self.replace(index);
            }
        }
    }

    /// Time passes: the square of a byte, in milliseconds.
    fn advance<'s>(&mut self, script: &'s [u8]) -> &'s [u8] {
        let Some((&by, rest)) = script.split_first() else { return script };
        let millis = u64::from(by) * u64::from(by);
        self.now.monotonic = self.now.monotonic.after(Duration::from_millis(millis));
        self.now.wall = WallClock::from_millis(self.now.wall.as_millis() + millis);
        for index in 0..CONNECTIONS {
            let peer = &mut self.peers[index];
            if let Some(cause) = peer.connection.expire(self.now.monotonic) {
                let connection = peer.id;
                self.handle(&Input::Closed { connection, cause });
            }
        }
        if self.twins.broker.next_deadline().is_some_and(|deadline| deadline <= self.now.monotonic) {
            self.handle(&Input::Tick);
        }
        self.write(CONNECTIONS);
        rest
    }

    fn lose<'s>(&mut self, index: usize, rest: &'s [u8]) -> &'s [u8] {
        self.replace(index);
        self.write(CONNECTIONS);
        rest
    }

    /// The connection is gone; a fresh one takes its place.
    fn replace(&mut self, index: usize) {
        let connection = self.peers[index].id;
        self.peers[index] = Peer::new(self.next_sequence, self.now.monotonic);
        self.next_sequence += 1;
        self.handle(&Input::Closed { connection, cause: CloseCause::NetworkLost });
    }

    fn stop_reading<'s>(&mut self, index: usize, rest: &'s [u8]) -> &'s [u8] {
        self.peers[index].reads = false;
        rest
    }

    fn read<'s>(&mut self, index: usize, rest: &'s [u8]) -> &'s [u8] {
        self.peers[index].reads = true;
        self.write(index);
        rest
    }
}

/// Whole packets, valid in one of the versions.
fn assert_valid(bytes: &[u8]) {
    let is_valid = |version: ProtocolVersion| {
        let mut rest = bytes;
        while !rest.is_empty() {
            let Ok(Some(frame)) = split_frame(rest, u32::MAX) else { return false };
            if frame.decode(version).is_err() {
                return false;
            }
            rest = &rest[frame.len..];
        }
        true
    };
    assert!(VERSIONS.into_iter().any(is_valid), "not valid packets: {bytes:02x?}");
}
