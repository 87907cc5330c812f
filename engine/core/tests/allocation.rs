//! The hot path allocates nothing: a GET answered, bytes to bytes, and a QoS 0 message forwarded.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::large_types_passed_by_value, reason = "tests build a packet where they send it")]

#[path = "harness/packets.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod packets;

use std::alloc::System;

use mayfly_core::{
    Broker, BrokerConfig, Connection, ConnectionConfig, ConnectionId, Event, Monotonic, Now, REQUEST_TOPIC,
    StateMachine, WallClock,
};
use mayfly_wire::{
    Packet, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, UserProperties, resp3,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const WARM_UP: usize = 1000;
const MEASURED: usize = 1000;

/// A broker with a few connections, driven with as little as the shell needs.
struct Wire {
    broker: Broker,
    connections: Vec<Connection>,
    now: Now,
}

impl Wire {
    fn new(clients: usize) -> Self {
        let now = Now { monotonic: Monotonic::ZERO, wall: WallClock::from_millis(1_700_000_000_000) };
        let connection = || Connection::new(ConnectionConfig::default(), now.monotonic);
        let connections = std::iter::repeat_with(connection).take(clients).collect();
        let mut wire = Self { broker: Broker::new(BrokerConfig::default()), connections, now };
        for client in 0..clients {
            let connect = packets::connect(["a", "b"][client]);
            wire.receive(client, &encoded(Packet::Connect(connect)));
            let mut subscription =
                packets::subscription(["a/+/responses", "data/#"][client], QoS::AtLeastOnce);
            subscription.options.no_local = true;
            wire.receive(client, &encoded(packets::subscribe(packets::id(1), &[subscription])));
            wire.sent(client);
        }
        wire
    }

    fn receive(&mut self, client: usize, bytes: &[u8]) {
        let mut rest = bytes;
        while !rest.is_empty() {
            let received = self.connections[client].receive(self.now.monotonic, rest);
            rest = &rest[received.consumed..];
            let connection = ConnectionId { node: 0, sequence: client as u64 };
            let input = match received.event.unwrap() {
                Event::Closed(cause) => panic!("closed: {cause:?}"),
                event => event.into_input(connection, || 0).expect("nobody has to authenticate"),
            };
            self.broker.handle(self.now, &input);
            while let Some(output) = self.broker.poll_output() {
                let index = usize::try_from(output.connection.sequence).unwrap();
                self.connections[index].send(self.now.monotonic, &output.action);
            }
        }
    }

    /// Takes what a client was sent; returns how many bytes.
    fn sent(&mut self, client: usize) -> usize {
        let len = self.connections[client].outgoing().len();
        self.connections[client].written(self.now.monotonic, len);
        len
    }
}

fn encoded(packet: Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(ProtocolVersion::V5, &mut bytes).unwrap();
    bytes
}

fn request(items: &[&[u8]]) -> Vec<u8> {
    let mut payload = Vec::new();
    resp3::encode_array(items, &mut payload);
    let properties = PublishProperties {
        response_topic: Some(packets::topic("a/x/responses")),
        correlation_data: Some(b"0123456789abcdef"),
        message_expiry_interval_s: Some(10),
        user_properties: UserProperties::from_pairs(&[("__ts", "1700000000000:0:c"), ("__invId", "x")]),
        ..PublishProperties::default()
    };
    let packet_id = Some(packets::id(7));
    let request = packets::qos_1(REQUEST_TOPIC, "");
    encoded(Packet::Publish(Publish { packet_id, properties, payload: &payload, ..request }))
}

/// Runs `turn` until nothing grows any more, then counts its allocations.
fn allocations(mut turn: impl FnMut(usize)) -> usize {
    (0..WARM_UP).for_each(&mut turn);
    let region = Region::new(ALLOCATOR);
    (WARM_UP..WARM_UP + MEASURED).for_each(&mut turn);
    let change = region.change();
    change.allocations + change.reallocations
}

/// One test, since another thread would be counted too.
#[test]
fn the_hot_path_allocates_nothing() {
    let mut wire = Wire::new(1);
    wire.receive(0, &request(&[b"SET", b"key", b"value"]));
    let get = request(&[b"GET", b"key"]);
    // The identifiers of the responses, the SET's first.
    let acks: Vec<_> = (1..=u16::try_from(WARM_UP + MEASURED + 1).unwrap())
        .map(|id| encoded(packets::pub_ack(packets::id(id), ReasonCode::Success)))
        .collect();
    wire.receive(0, &acks[0]);
    wire.sent(0);
    let count = allocations(|turn| {
        wire.receive(0, &get);
        wire.receive(0, &acks[turn + 1]);
        assert!(wire.sent(0) > 50, "PUBACK and a response");
    });
    assert_eq!(count, 0, "GET");
    assert_eq!(wire.broker.statistics().messages, 0, "every response was acknowledged");

    let mut wire = Wire::new(2);
    let message = encoded(Packet::Publish(Publish {
        properties: PublishProperties {
            content_type: Some("text/plain"),
            user_properties: UserProperties::from_pairs(&[("a", "b")]),
            ..PublishProperties::default()
        },
        payload: &[7; 128],
        ..packets::qos_0("data/room/1", "")
    }));
    let count = allocations(|_| {
        wire.receive(0, &message);
        assert_eq!(wire.sent(1), message.len());
    });
    assert_eq!(count, 0, "QoS 0");
}
