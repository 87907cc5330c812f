//! What an idle client costs the broker.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

#[path = "harness/packets.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod packets;

use std::alloc::System;

use mayfly_core::{Broker, BrokerConfig, ConnectionId, Identity, Input, Now, StateMachine};
use mayfly_wire::QoS;
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
    let mut connect = packets::connect(&client_id);
    packets::lasting(&mut connect);
    let identity = Identity::default();
    handle(broker, &Input::Opened { connection, identity, entropy: 0, connect });
    let topic = format!("clients/{client_id}/commands");
    let subscriptions = [packets::subscription(&topic, QoS::ExactlyOnce)];
    let packet = packets::subscribe(packets::id(1), &subscriptions);
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
