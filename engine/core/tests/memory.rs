//! What an idle client costs the broker.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::alloc::System;

use mayfly_core::{Broker, BrokerConfig, ConnectionId, Identity, Input, Now, StateMachine};
use mayfly_wire::{
    Connect, ConnectProperties, Packet, PacketId, ProtocolVersion, QoS, RetainHandling, Subscribe,
    SubscribeFilters, SubscribeProperties, Subscription, SubscriptionOptions, TopicFilter,
};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Just beyond a power of two, where tables that double their size are emptiest.
const CLIENTS: u64 = 8200;
/// Of 4 KiB for an idle connection, what the session, its subscription and the broker's tables may take.
const MAX_BYTES_PER_CLIENT: usize = 2048;

fn connect(broker: &mut Broker, sequence: u64) {
    let connection = ConnectionId { node: 0, sequence };
    let client_id = format!("client-{sequence:016}");
    let connect = Connect {
        version: ProtocolVersion::V5,
        clean_start: true,
        keep_alive_s: 60,
        client_id: &client_id,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties {
            session_expiry_interval_s: Some(3600),
            ..ConnectProperties::default()
        },
    };
    let identity = Identity::default();
    handle(broker, &Input::Opened { connection, identity, entropy: 0, connect });
    let options = SubscriptionOptions {
        qos: QoS::ExactlyOnce,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::DoNotSend,
    };
    let topic = format!("clients/{client_id}/commands");
    let filters = [Subscription { filter: TopicFilter::parse(&topic).unwrap(), options }];
    let packet = Packet::Subscribe(Subscribe {
        packet_id: PacketId::new(1).unwrap(),
        properties: SubscribeProperties::default(),
        filters: SubscribeFilters::from_slice(&filters),
    });
    handle(broker, &Input::Packet { connection, packet });
}

fn handle(broker: &mut Broker, input: &Input<'_>) {
    broker.handle(Now::default(), input);
    while broker.poll_output().is_some() {}
}

#[test]
fn an_idle_client_is_cheap() {
    let region = Region::new(ALLOCATOR);
    let mut broker = Broker::new(BrokerConfig::default());
    for sequence in 0..CLIENTS {
        connect(&mut broker, sequence);
    }
    let change = region.change();
    let held = change.bytes_allocated - change.bytes_deallocated;
    let per_client = held / usize::try_from(CLIENTS).unwrap();
    println!("{per_client} bytes for an idle connected client with one subscription");
    assert_eq!(broker.statistics().connections as u64, CLIENTS);
    assert!(per_client <= MAX_BYTES_PER_CLIENT, "{per_client} bytes per client");
}
