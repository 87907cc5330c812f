//! What a connection may keep waiting: the keep-alive, CONNECT, and the writes.

use std::num::NonZeroU16;
use std::time::Duration;

use mayfly_core::{ConnectionConfig, Limits, MIN_WRITE_RATE};
use mayfly_wire::{Packet, ProtocolVersion, QoS, ReasonCode};

use crate::harness::packets::qos_0;
use crate::harness::{Client, World};

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn connect(world: &mut World, keep_alive_s: u16) -> Client {
    world.connect_with("a", |connect| connect.keep_alive_s = keep_alive_s).0
}

#[test]
fn a_silent_client_is_closed_after_one_and_a_half_intervals() {
    let mut world = World::new();
    let client = connect(&mut world, 10);
    world.advance(ms(14_999));
    assert!(!world.is_closed(client));
    world.advance(ms(1));
    world.assert_disconnected(client, ReasonCode::KeepAliveTimeout);
    assert_eq!(world.broker.statistics().connections, 0, "the broker knows");
}

#[test]
fn any_packet_keeps_the_connection_and_half_a_packet_does_not() {
    let mut world = World::new();
    let client = connect(&mut world, 10);
    for _ in 0..5 {
        world.advance(ms(14_000));
        world.send(client, Packet::PingReq);
        assert_eq!(world.only(client), Packet::PingResp);
    }
    world.advance(ms(14_000));
    world.send_bytes(client, &[0xC0]);
    world.advance(ms(1000));
    world.assert_disconnected(client, ReasonCode::KeepAliveTimeout);
}

#[test]
fn what_is_sent_to_the_client_does_not_keep_it() {
    let mut world = World::new();
    let client = connect(&mut world, 10);
    world.subscribe(client, "t", QoS::AtMostOnce);
    let other = world.connect("b");
    for _ in 0..15 {
        world.advance(ms(999));
        world.publish(other, qos_0("t", "x"));
    }
    world.advance(ms(15));
    assert!(world.is_closed(client));
}

#[test]
fn zero_turns_it_off() {
    let mut world = World::new();
    let client = connect(&mut world, 0);
    world.advance(Duration::from_hours(48));
    assert!(!world.is_closed(client));
}

#[test]
fn mqtt_3_1_1_is_closed_without_a_disconnect() {
    let mut world = World::new();
    let (client, _) = world.connect_with("a", |connect| {
        connect.version = ProtocolVersion::V3_1_1;
        connect.keep_alive_s = 2;
    });
    world.advance(ms(3000));
    assert!(world.received(client).is_empty() && world.is_closed(client));
}

#[test]
fn connect_has_to_come_whole_in_time() {
    let config = ConnectionConfig { connect_timeout: ms(5000), ..ConnectionConfig::default() };
    let mut world = World::with(config, Limits::default());
    let silent = world.accept();
    let trickling = world.accept();
    for byte in [0x10, 14, 0, 4, b'M'] {
        world.advance(ms(900));
        world.send_bytes(trickling, &[byte]);
    }
    assert!(!world.is_closed(silent) && !world.is_closed(trickling));
    world.advance(ms(500));
    assert!(world.is_closed(silent) && world.is_closed(trickling));
    assert!(world.received(silent).is_empty(), "nobody is told anything before CONNECT");
}

#[test]
fn a_client_that_takes_nothing_is_given_up() {
    let config = ConnectionConfig { write_timeout: ms(30_000), ..ConnectionConfig::default() };
    let mut world = World::with(config, Limits::default());
    let client = connect(&mut world, 0);
    world.set_reads(client, false);
    world.advance(ms(100_000));
    assert!(!world.connection(client).is_closing(), "nothing waits for it");
    world.send(client, Packet::PingReq);
    world.advance(ms(29_999));
    assert!(!world.connection(client).is_closing());
    world.send(client, Packet::PingReq);
    world.advance(ms(1));
    assert!(world.connection(client).is_closing(), "a later packet does not give it more time");
    assert!(world.connection(client).outgoing().is_empty(), "what waited is given up");
    assert_eq!(world.broker.statistics().connections, 0);
}

#[test]
fn a_client_that_trickles_is_given_up() {
    let config = ConnectionConfig { write_timeout: ms(10_000), ..ConnectionConfig::default() };
    let rate = usize::try_from(MIN_WRITE_RATE).unwrap();
    for (bytes_a_second, is_given_up) in [(1, true), (rate * 9 / 10, true), (rate * 6 / 5, false)] {
        let mut world = World::with(config.clone(), Limits::default());
        let (client, publisher) = (connect(&mut world, 0), world.connect("b"));
        world.subscribe(client, "t", QoS::AtMostOnce);
        world.set_reads(client, false);
        world.publish(publisher, qos_0("t", &"x".repeat(100_000)));
        for _ in 0..50 {
            world.take_bytes(client, bytes_a_second);
            world.advance(ms(1000));
        }
        assert_eq!(world.connection(client).is_closing(), is_given_up, "{bytes_a_second} bytes a second");
    }
}

#[test]
fn a_client_that_takes_all_that_waits_need_not_take_much() {
    let config = ConnectionConfig { write_timeout: ms(10_000), ..ConnectionConfig::default() };
    let mut world = World::with(config, Limits::default());
    let client = connect(&mut world, 0);
    world.set_reads(client, false);
    for _ in 0..20 {
        world.send(client, Packet::PingReq);
        world.advance(ms(9000));
        world.take_bytes(client, 2);
    }
    assert!(!world.connection(client).is_closing());
}

#[test]
fn less_waits_for_a_client_while_memory_has_run_out() {
    let mut world = World::new();
    let slow = connect(&mut world, 0);
    world.subscribe(slow, "#", QoS::AtMostOnce);
    world.set_reads(slow, false);
    let publisher = world.connect("b");
    let payload = "x".repeat(1000);
    world.connection_mut(slow).set_short_of_memory(true);
    for _ in 0..200 {
        world.publish(publisher, qos_0("t", &payload));
    }
    let held = world.connection(slow).outgoing().len();
    assert!((64_000..70_000).contains(&held), "{held}");
    assert!(world.connection(slow).held_bytes() >= held);
    assert!(world.connection(slow).wants_input(), "its own requests are answered within a little more");
    while world.connection(slow).wants_input() {
        world.send(slow, Packet::PingReq);
    }
    let held = world.connection(slow).outgoing().len();
    assert!((320_000..340_000).contains(&held), "{held}");
    world.connection_mut(slow).set_short_of_memory(false);
    assert!(world.connection(slow).wants_input());
}

#[test]
fn keep_alive_stands_still_while_the_client_is_not_read_from() {
    let config = ConnectionConfig {
        write_timeout: ms(60_000),
        max_outgoing_bytes: 1000,
        ..ConnectionConfig::default()
    };
    let mut world = World::with(config, Limits::default());
    let client = connect(&mut world, 10);
    world.set_reads(client, false);
    while world.connection(client).wants_input() {
        world.send(client, Packet::PingReq);
    }
    world.advance(ms(40_000));
    assert!(!world.connection(client).is_closing(), "the broker did not read, so the client was not silent");
    world.set_reads(client, true);
    world.advance(ms(14_999));
    assert!(!world.is_closed(client));
    world.advance(ms(1));
    assert!(world.is_closed(client), "from then on it counts again");
}

#[test]
fn qos_0_messages_are_dropped_and_counted_while_too_much_waits() {
    let config = ConnectionConfig { max_outgoing_bytes: 1000, ..ConnectionConfig::default() };
    let mut world = World::with(config, Limits::default());
    let slow = connect(&mut world, 0);
    world.subscribe(slow, "#", QoS::AtLeastOnce);
    let publisher = world.connect("b");
    world.set_reads(slow, false);
    let payload = "x".repeat(100);
    for _ in 0..100 {
        world.publish(publisher, qos_0("t", &payload));
    }
    assert!(world.connection(slow).outgoing().len() < 1200);
    let dropped = world.connection(slow).dropped();
    let reason = world.publish(publisher, crate::harness::packets::qos_1("t", "kept"));
    assert_eq!(reason, Some(ReasonCode::Success));
    world.set_reads(slow, true);
    let payloads = world.payloads(slow);
    assert_eq!(payloads.len() as u64 + dropped, 101);
    assert_eq!(payloads.last(), Some(&"kept"), "QoS 1 is not dropped");
}

fn capped(cap_s: u16) -> World {
    let config = ConnectionConfig { max_keep_alive_s: NonZeroU16::new(cap_s), ..ConnectionConfig::default() };
    World::with(config, Limits::default())
}

#[test]
fn a_cap_is_told_and_applies_to_those_who_ask_for_more_or_for_none() {
    for (asked_s, told_s, patience_ms) in [
        (0, Some(10), 15_000),
        (11, Some(10), 15_000),
        (u16::MAX, Some(10), 15_000),
        (10, None, 15_000),
        (4, None, 6000),
    ] {
        let mut world = capped(10);
        let (client, ack) = world.connect_with("a", |connect| connect.keep_alive_s = asked_s);
        assert_eq!(ack.properties.server_keep_alive_s, told_s, "asked for {asked_s} s");
        world.advance(ms(patience_ms - 1));
        assert!(!world.is_closed(client), "asked for {asked_s} s");
        world.advance(ms(1));
        world.assert_disconnected(client, ReasonCode::KeepAliveTimeout);
    }
}

#[test]
fn a_cap_does_not_bind_those_who_cannot_be_told() {
    let mut world = capped(10);
    let (client, _) = world.connect_with("a", |connect| {
        connect.version = ProtocolVersion::V3_1_1;
        connect.keep_alive_s = 20;
    });
    world.advance(ms(29_999));
    assert!(!world.is_closed(client));
    world.advance(ms(1));
    assert!(world.is_closed(client));
}
