//! The broker's account of its memory against the allocator's: each kind by itself is filled, compared, and drained.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::large_types_passed_by_value, reason = "tests build a packet where they send it")]

use std::alloc::System;

use mayfly_core::{
    AttributeList, Broker, BrokerConfig, CloseCause, ConnectionId, Identity, Input, Limits, MemoryUse,
    Monotonic, Now, REQUEST_TOPIC, StateMachine, WallClock,
};
use mayfly_wire::{
    AckProperties, Connect, ConnectProperties, Packet, PacketId, ProtocolVersion, PubAck, Publish,
    PublishProperties, QoS, ReasonCode, RetainHandling, Subscribe, SubscribeFilters, SubscribeProperties,
    Subscription, SubscriptionOptions, TopicFilter, TopicName, Unsubscribe, UnsubscribeFilters,
    UnsubscribeProperties, UserProperties, resp3,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The account is at least this part of what the allocator gave, and at most that, in percent. Tables grow by doubling, so
/// an entry's share varies by a factor of two between one growth and the next.
const AT_LEAST_PERCENT: usize = 75;
const AT_MOST_PERCENT: usize = 135;

struct World {
    broker: Broker,
    limits: Limits,
    now: Now,
    sequence: u64,
    packet_id: u16,
}

impl World {
    fn new() -> Self {
        let limits = Limits {
            max_subscriptions: u32::MAX,
            max_watched_keys: u32::MAX,
            max_queued_messages: u32::MAX,
            ..Limits::default()
        };
        let now = Now { monotonic: Monotonic::ZERO, wall: WallClock::from_millis(1_700_000_000_000) };
        Self {
            broker: Broker::new(BrokerConfig { limits, hash_seed: 1 }),
            limits,
            now,
            sequence: 0,
            packet_id: 0,
        }
    }

    fn handle(&mut self, input: &Input<'_>) {
        self.broker.handle(self.now, input);
        while self.broker.poll_output().is_some() {}
    }

    fn connect(&mut self, client_id: &str) -> ConnectionId {
        self.sequence += 1;
        let connection = ConnectionId { node: 1, sequence: self.sequence };
        let connect = Connect {
            version: ProtocolVersion::V5,
            clean_start: false,
            keep_alive_s: 0,
            client_id,
            will: None,
            user_name: None,
            password: None,
            properties: ConnectProperties {
                session_expiry_interval_s: Some(if client_id == "away" { u32::MAX } else { 100 }),
                ..ConnectProperties::default()
            },
        };
        let attributes: AttributeList = [("site", "north"), ("floor", "3")].into_iter().collect();
        let identity = Identity { attributes: attributes.as_attributes(), ..Identity::default() };
        self.handle(&Input::Opened { connection, identity, entropy: 0, connect });
        connection
    }

    fn lose(&mut self, connection: ConnectionId) {
        self.handle(&Input::Closed { connection, cause: CloseCause::NetworkLost });
    }

    fn packet(&mut self, connection: ConnectionId, packet: Packet<'_>) {
        self.handle(&Input::Packet { connection, packet });
    }

    fn fresh_id(&mut self) -> PacketId {
        self.packet_id = self.packet_id % 60_000 + 1;
        PacketId::new(self.packet_id).unwrap()
    }

    fn subscribe(&mut self, connection: ConnectionId, filter: &str) {
        let options = SubscriptionOptions {
            qos: QoS::AtLeastOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::DoNotSend,
        };
        let filters = [Subscription { filter: TopicFilter::parse(filter).unwrap(), options }];
        let (packet_id, filters) = (self.fresh_id(), SubscribeFilters::from_slice(&filters));
        let properties = SubscribeProperties::default();
        self.packet(connection, Packet::Subscribe(Subscribe { packet_id, properties, filters }));
    }

    fn unsubscribe(&mut self, connection: ConnectionId, filter: &str) {
        let filters = [TopicFilter::parse(filter).unwrap()];
        let (packet_id, filters) = (self.fresh_id(), UnsubscribeFilters::from_slice(&filters));
        let properties = UnsubscribeProperties::default();
        self.packet(connection, Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }));
    }

    fn publish(&mut self, connection: ConnectionId, topic: &str, retain: bool, payload: &[u8]) {
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain,
            topic,
            packet_id: Some(self.fresh_id()),
            properties: PublishProperties::default(),
            payload,
        };
        self.packet(connection, Packet::Publish(publish));
    }

    fn ask(&mut self, connection: ConnectionId, items: &[&[u8]]) {
        let mut payload = Vec::new();
        resp3::encode_array(items, &mut payload);
        let properties = PublishProperties {
            response_topic: Some(TopicName::parse("nobody").unwrap()),
            correlation_data: Some(b"c"),
            user_properties: UserProperties::from_pairs(&[("__ts", "1700000000000:0:c")]),
            ..PublishProperties::default()
        };
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: REQUEST_TOPIC,
            packet_id: Some(self.fresh_id()),
            properties,
            payload: &payload,
        };
        self.packet(connection, Packet::Publish(publish));
    }

    /// Makes the broker forget all requests that it remembers, and the packet identifiers that stand for them.
    fn forget(&mut self, connection: ConnectionId) {
        let limits = self.limits;
        self.handle(&Input::Limits(Limits { max_remembered_requests: 0, ..limits }));
        self.ask(connection, &[b"DEL", b"nothing"]);
        self.handle(&Input::Limits(limits));
        for _ in 0..std::mem::take(&mut self.packet_id) {
            self.ask(connection, &[b"GET", b"nothing"]);
        }
        self.packet_id = 0;
    }

    fn ack(&mut self, connection: ConnectionId, packet_id: u16) {
        let (packet_id, reason) = (PacketId::new(packet_id).unwrap(), ReasonCode::Success);
        self.packet(
            connection,
            Packet::PubAck(PubAck { packet_id, reason, properties: AckProperties::default() }),
        );
    }

    fn memory(&self) -> MemoryUse {
        self.broker.statistics().memory
    }
}

fn allocated() -> usize {
    let stats = ALLOCATOR.stats();
    stats.bytes_allocated - stats.bytes_deallocated
}

/// Fills with `fill`, compares, drains with `drain`, and asserts that nothing is left in the accounts.
fn check(
    name: &str,
    kind: impl Fn(&MemoryUse) -> usize,
    fill: impl FnOnce(&mut World, ConnectionId),
    drain: impl FnOnce(&mut World, ConnectionId),
) {
    let world = &mut World::new();
    let away = world.connect("away");
    world.subscribe(away, "queue");
    world.lose(away);
    let client = world.connect("client");
    let (before, allocated_before) = (world.memory(), allocated());
    fill(world, client);
    let (after, taken) = (world.memory(), allocated() - allocated_before);
    let counted = after.total() - before.total();
    let percent = counted * 100 / taken;
    println!("{name}: {counted} bytes counted, {taken} taken, {percent} %");
    assert!(taken > 1_000_000, "{name}: too little to measure");
    assert!((AT_LEAST_PERCENT..=AT_MOST_PERCENT).contains(&percent), "{name}: {percent} %");
    assert!(kind(&after) - kind(&before) > counted * 9 / 10, "{name} is counted under its name: {after:?}");
    drain(world, client);
    assert_eq!(world.memory(), before, "{name}: drained");
}

/// One test, since another thread would be counted too.
#[test]
fn the_account_agrees_with_the_allocator() {
    let numbers = 0..10_000;
    let names: Vec<String> = numbers.clone().map(|number| format!("some/name/{number:08}")).collect();
    let wild: Vec<String> = numbers.map(|number| format!("{number:08}/some/+/#")).collect();
    let value = vec![b'v'; 200];

    check(
        "sessions",
        |memory| memory.sessions,
        |world, _| {
            for name in &names {
                world.connect(name);
            }
        },
        |world, _| {
            (3..=world.sequence).for_each(|sequence| world.lose(ConnectionId { node: 1, sequence }));
            world.now.monotonic = Monotonic::from_nanos(1_000_000_000_000);
            (0..50).for_each(|_| world.handle(&Input::Tick));
        },
    );
    for (name, filters) in [("exact subscriptions", &names), ("subscriptions with wildcards", &wild)] {
        check(
            name,
            |memory| memory.subscriptions,
            |world, client| filters.iter().for_each(|filter| world.subscribe(client, filter)),
            |world, client| filters.iter().for_each(|filter| world.unsubscribe(client, filter)),
        );
    }
    check(
        "retained messages",
        |memory| memory.retained + memory.messages,
        |world, client| names.iter().for_each(|name| world.publish(client, name, true, &value)),
        |world, client| names.iter().for_each(|name| world.publish(client, name, true, b"")),
    );
    check(
        "registrations",
        |memory| memory.watches + memory.replays,
        |world, client| names.iter().for_each(|name| world.ask(client, &[b"KEYNOTIFY", name.as_bytes()])),
        |world, client| {
            for name in &names {
                world.ask(client, &[b"KEYNOTIFY", name.as_bytes(), b"STOP"]);
            }
            world.forget(client);
        },
    );
    check(
        "keys",
        |memory| memory.store + memory.replays,
        |world, client| names.iter().for_each(|name| world.ask(client, &[b"SET", name.as_bytes(), &value])),
        |world, client| {
            for name in &names {
                world.ask(client, &[b"DEL", name.as_bytes()]);
            }
            world.forget(client);
        },
    );
    check(
        "messages",
        |memory| memory.messages,
        |world, client| (0..10_000).for_each(|_| world.publish(client, "queue", false, &value)),
        |world, _| {
            let away = world.connect("away");
            (0..10_000).for_each(|number| world.ack(away, number + 1));
            world.lose(away);
        },
    );
}
