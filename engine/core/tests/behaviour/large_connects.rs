//! A client that is not let in yet may send less than others: it is anybody, and what it sends is held.

use std::num::NonZeroU32;

use mayfly_core::{ConnectionConfig, Limits};
use mayfly_wire::{Connect, Packet, ProtocolVersion, ReasonCode};

use crate::authenticating::{METHOD, auth, with_method};
use crate::harness::World;
use crate::harness::packets::{self, qos_0};

fn world_with(change: impl FnOnce(&mut ConnectionConfig)) -> World {
    let mut config = ConnectionConfig::default();
    change(&mut config);
    World::with(config, Limits::default())
}

/// The beginning of a CONNECT of `len` bytes.
fn beginning(len: usize, level: u8) -> Vec<u8> {
    let mut bytes = vec![0x10];
    let mut rest = len - 4; // The type, and a Remaining Length of three bytes.
    for more in [0x80, 0x80, 0] {
        bytes.push((rest % 128) as u8 | more);
        rest /= 128;
    }
    bytes.extend([0, 4, b'M', b'Q', b'T', b'T', level, 0b10, 0, 0]);
    bytes
}

#[test]
fn one_that_is_too_large_is_refused_before_it_has_come() {
    let mut world = World::new();
    let client = world.accept();
    world.send_bytes(client, &beginning(128 * 1024 + 1, 5));
    assert_eq!(world.conn_ack(client).reason, ReasonCode::PacketTooLarge);
    assert!(world.is_closed(client));
    // By one byte it is not.
    let client = world.accept();
    world.send_bytes(client, &beginning(128 * 1024, 5));
    assert!(!world.is_closed(client));
}

#[test]
fn its_version_is_waited_for() {
    for at in 5..13 {
        let mut world = World::new();
        let client = world.accept();
        let bytes = beginning(200_000, 5);
        world.send_bytes(client, &bytes[..at]);
        assert!(!world.is_closed(client), "{at}");
        world.send_bytes(client, &bytes[at..]);
        assert_eq!(world.conn_ack(client).reason, ReasonCode::PacketTooLarge, "{at}");
        assert!(world.is_closed(client));
    }
}

#[test]
fn mqtt_3_1_1_has_no_word_for_it_and_other_protocols_none_at_all() {
    let mut large = beginning(200_000, 4);
    let mut publish = large.clone();
    publish[0] = 0x30;
    let mut foreign = large.clone();
    foreign[6..10].copy_from_slice(b"HTTP");
    large.truncate(13);
    for bytes in [large, publish, foreign] {
        let mut world = World::new();
        let client = world.accept();
        world.send_bytes(client, &bytes);
        assert!(world.raw(client).is_empty() && world.is_closed(client), "{bytes:x?}");
    }
}

#[test]
fn a_small_bound_needs_no_more_than_the_packet() {
    let mut world = world_with(|config| config.max_connect_size = NonZeroU32::new(5).unwrap());
    let client = world.accept();
    world.send_bytes(client, &[0x10, 4, 0, 0, 0, 0]);
    assert!(world.is_closed(client), "nothing more will come");
}

#[test]
fn the_smaller_bound_counts() {
    let mut world = world_with(|config| config.max_packet_size = NonZeroU32::new(100_000).unwrap());
    let client = world.accept();
    world.send_bytes(client, &beginning(100_001, 5));
    assert_eq!(world.conn_ack(client).reason, ReasonCode::PacketTooLarge);
}

#[test]
fn once_let_in_a_client_may_send_more() {
    let mut world = world_with(|config| config.max_connect_size = NonZeroU32::new(100).unwrap());
    let client = world.connect("a");
    let payload = "x".repeat(1000);
    world.subscribe(client, "t", mayfly_wire::QoS::AtMostOnce);
    world.send(client, Packet::Publish(qos_0("t", &payload)));
    assert_eq!(world.payloads(client), [payload.as_str()]);
}

/// What it sends with its CONNECT is held, and measured once it is let in.
#[test]
fn an_exchange_before_that_is_bounded_too() {
    for (len, is_let_in) in [(40, true), (100, false)] {
        let mut world = world_with(|config| config.max_connect_size = NonZeroU32::new(100).unwrap());
        world.authenticates = true;
        let client = world.open(Connect { version: ProtocolVersion::V5, ..with_method("a") });
        world.challenge(client, b"who?");
        assert!(matches!(world.next(client), Packet::Auth(_)));
        let data = vec![7; len].leak();
        world.send(client, auth(ReasonCode::ContinueAuthentication, METHOD, data));
        if is_let_in {
            let payload = "x".repeat(1000);
            world.send(
                client,
                packets::subscribe(
                    packets::id(1),
                    &[packets::subscription("t", mayfly_wire::QoS::AtMostOnce)],
                ),
            );
            world.send(client, Packet::Publish(qos_0("t", &payload)));
            world.accept_as(client, None, None);
            assert_eq!(world.conn_ack(client).reason, ReasonCode::Success);
            assert!(matches!(world.next(client), Packet::SubAck(_)));
            assert_eq!(world.message(client).payload, payload.as_bytes());
        } else {
            assert_eq!(world.conn_ack(client).reason, ReasonCode::PacketTooLarge);
            assert!(world.is_closed(client));
        }
    }
}
