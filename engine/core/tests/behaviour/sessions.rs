//! Sessions that outlive their connections: what is kept, what is sent again, when they end.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use mayfly_core::{ConnectionConfig, Input, Limits};
use mayfly_wire::{Packet, ProtocolVersion, Publish, QoS, ReasonCode};

use crate::harness::World;
use crate::harness::packets::{self, disconnect_with_expiry, id, qos_0, qos_1, subscription};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn ids(messages: &[Publish<'_>]) -> Vec<u16> {
    messages.iter().map(|message| message.packet_id.unwrap().get()).collect()
}

#[test]
fn subscriptions_and_qos_1_messages_survive_a_lost_connection() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let (lost, ack) = world.resume("a");
    assert!(!ack.session_present);
    world.subscribe(lost, "t", QoS::AtLeastOnce);
    world.lose(lost);
    assert_eq!(world.publish(publisher, qos_1("t", "kept")), Some(ReasonCode::Success));
    world.publish(publisher, qos_0("t", "not kept"));
    let (back, ack) = world.resume("a");
    assert!(ack.session_present);
    assert_eq!(world.message(back), Publish { packet_id: Some(id(1)), ..qos_1("t", "kept") });
}

#[test]
fn unacknowledged_messages_come_again_with_dup_in_order_under_the_same_identifiers() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let (lost, _) = world.resume("a");
    world.subscribe(lost, "t", QoS::AtLeastOnce);
    for payload in ["1", "2", "3"] {
        world.publish(publisher, qos_1("t", payload));
    }
    let first = world.messages(lost);
    assert_eq!(ids(&first), [1, 2, 3]);
    world.ack(lost, first[1].packet_id);
    world.lose(lost);
    world.publish(publisher, qos_1("t", "4"));
    for _ in 0..2 {
        let (back, _) = world.resume("a");
        let again = world.messages(back);
        assert_eq!(ids(&again), [1, 3, 4]);
        assert_eq!((again[0].dup, again[1].dup), (true, true));
        assert_eq!([again[0].payload, again[1].payload, again[2].payload], [b"1", b"3", b"4"]);
        world.lose(back);
    }
    let (back, _) = world.resume("a");
    let again = world.messages(back);
    assert!(again[2].dup, "4 was sent before, too");
    world.ack_all(back, &again);
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn a_smaller_receive_maximum_spreads_what_comes_again() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let (lost, _) = world.resume("a");
    world.subscribe(lost, "t", QoS::AtLeastOnce);
    for payload in ["1", "2", "3", "4", "5"] {
        world.publish(publisher, qos_1("t", payload));
    }
    world.lose(lost);
    let (back, _) = world.connect_with("a", |connect| {
        packets::lasting(connect);
        connect.properties.receive_maximum = NonZeroU16::new(2);
    });
    world.publish(publisher, qos_1("t", "new"));
    let mut seen = Vec::new();
    loop {
        let messages = world.messages(back);
        let Some(first) = messages.first() else { break };
        assert_eq!(seen.len() < 6, !messages.is_empty());
        assert!(messages.len() <= 2);
        seen.extend(messages.iter().map(|message| (message.payload, message.dup)));
        if seen.len() > 1 {
            // Only now one of the two in flight is acknowledged.
            world.ack_all(back, &messages);
        } else {
            world.ack(back, first.packet_id);
        }
    }
    let expected: Vec<(&[u8], bool)> =
        vec![(b"1", true), (b"2", true), (b"3", true), (b"4", true), (b"5", true), (b"new", false)];
    assert_eq!(seen, expected);
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn a_late_acknowledgement_spares_the_resending() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let (lost, _) = world.resume("a");
    world.subscribe(lost, "t", QoS::AtLeastOnce);
    for payload in ["1", "2", "3"] {
        world.publish(publisher, qos_1("t", payload));
    }
    world.lose(lost);
    let (back, _) = world.connect_with("a", |connect| {
        packets::lasting(connect);
        connect.properties.receive_maximum = NonZeroU16::new(1);
    });
    world.ack(back, Some(id(2)));
    let first = world.message(back);
    assert_eq!(first.payload, b"1");
    world.ack(back, first.packet_id);
    assert_eq!(world.payloads(back), ["3"]);
}

#[test]
fn what_is_too_large_for_the_resumed_connection_does_not_come_again() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let (lost, _) = world.resume("a");
    world.subscribe(lost, "t", QoS::AtLeastOnce);
    let long = "x".repeat(1000);
    world.publish(publisher, qos_1("t", &long));
    world.publish(publisher, qos_1("t", "short"));
    world.lose(lost);
    let (back, _) = world.connect_with("a", |connect| {
        packets::lasting(connect);
        connect.properties.maximum_packet_size = NonZeroU32::new(500);
    });
    let message = world.message(back);
    assert_eq!((message.payload, message.dup, message.packet_id), (&b"short"[..], true, Some(id(2))));
    world.ack(back, message.packet_id);
    assert_eq!(world.broker.statistics().messages, 0);
    assert_eq!(world.broker.statistics().dropped.too_large, 1);
}

#[test]
fn a_clean_start_ends_the_earlier_session() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let (lost, _) = world.resume("a");
    world.subscribe(lost, "t", QoS::AtLeastOnce);
    world.lose(lost);
    world.publish(publisher, qos_1("t", "x"));
    let (back, ack) = world.connect_with("a", |connect| {
        connect.properties.session_expiry_interval_s = Some(3600);
    });
    assert!(!ack.session_present);
    assert_eq!(world.publish(publisher, qos_1("t", "y")), Some(ReasonCode::NoMatchingSubscribers));
    assert!(world.received(back).is_empty());
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn a_session_ends_when_its_interval_has_passed_and_not_before() {
    for (away_s, present) in [(59, true), (60, false)] {
        let mut world = World::new();
        let connect = |world: &mut World| {
            world.connect_with("a", |connect| {
                connect.clean_start = false;
                connect.properties.session_expiry_interval_s = Some(60);
            })
        };
        let (client, _) = connect(&mut world);
        world.advance(s(1000));
        world.lose(client);
        world.advance(s(away_s));
        assert_eq!(world.broker.statistics().sessions, usize::from(present));
        assert_eq!(connect(&mut world).1.session_present, present);
    }
}

#[test]
fn coming_back_stops_the_clock() {
    let mut world = World::new();
    let (client, _) = world.resume("a");
    world.lose(client);
    world.advance(s(3000));
    let (client, _) = world.resume("a");
    world.advance(s(100_000));
    world.lose(client);
    world.advance(s(3599));
    assert!(world.resume("a").1.session_present);
}

#[test]
fn a_session_without_interval_ends_with_its_connection() {
    let mut world = World::new();
    let client = world.connect("a");
    world.lose(client);
    assert_eq!(world.broker.statistics().sessions, 0);
    assert!(!world.resume("a").1.session_present);
}

#[test]
fn a_session_may_live_for_ever() {
    let mut world = World::new();
    let (client, _) =
        world.connect_with("a", |connect| connect.properties.session_expiry_interval_s = Some(u32::MAX));
    world.lose(client);
    world.advance(Duration::from_hours(24 * 365 * 100));
    assert!(world.resume("a").1.session_present);
}

#[test]
fn sessions_of_3_1_1_live_for_ever_or_end_at_once() {
    let mut world = World::new();
    let connect = |world: &mut World, clean_start| {
        world.connect_with("a", |connect| {
            connect.version = ProtocolVersion::V3_1_1;
            connect.clean_start = clean_start;
        })
    };
    let (client, _) = connect(&mut world, false);
    world.lose(client);
    world.advance(Duration::from_hours(24 * 365));
    let (client, ack) = connect(&mut world, false);
    assert!(ack.session_present);
    world.lose(client);
    let (client, ack) = connect(&mut world, true);
    assert!(!ack.session_present);
    world.lose(client);
    assert_eq!(world.broker.statistics().sessions, 0);
}

#[test]
fn disconnect_changes_the_interval() {
    let mut world = World::new();
    let (shortened, _) = world.resume("a");
    world.send(shortened, disconnect_with_expiry(10));
    let (ended, _) = world.resume("b");
    world.send(ended, disconnect_with_expiry(0));
    assert_eq!(world.broker.statistics().sessions, 1);
    world.advance(s(9));
    assert_eq!(world.broker.statistics().sessions, 1);
    world.advance(s(1));
    assert_eq!(world.broker.statistics().sessions, 0);
}

#[test]
fn disconnect_cannot_extend_a_session_that_was_to_end() {
    let mut world = World::new();
    let client = world.connect("a");
    world.send(client, disconnect_with_expiry(10));
    world.assert_disconnected(client, ReasonCode::ProtocolError);
    assert_eq!(world.broker.statistics().sessions, 0);
    let client = world.connect("a");
    world.send(client, disconnect_with_expiry(0));
    assert!(world.received(client).is_empty(), "zero extends nothing");
}

/// CONNECT's own interval decides, not what was granted of it.
#[test]
fn disconnect_extends_a_session_that_the_cap_alone_made_short() {
    let capped = Limits { max_session_expiry_interval_s: 0, ..Limits::default() };
    let mut world = World::with(ConnectionConfig::default(), capped);
    let (client, _) = world.resume("a");
    world.handle(&Input::Limits(Limits::default()));
    world.send(client, disconnect_with_expiry(10));
    assert!(world.received(client).is_empty());
    assert_eq!(world.broker.statistics().sessions, 1);
    world.handle(&Input::Limits(capped));
    let (client, _) = world.resume("b");
    world.send(client, disconnect_with_expiry(10));
    assert!(world.received(client).is_empty(), "what is not granted is no error");
    let client = world.connect("c");
    world.send(client, disconnect_with_expiry(10));
    world.assert_disconnected(client, ReasonCode::ProtocolError);
    world.advance(s(10));
    assert_eq!(world.broker.statistics().sessions, 0);
}

#[test]
fn a_node_takes_its_connections_along_and_no_session() {
    let mut world = World::new();
    let (client, _) = world.resume("a");
    world.connect("b");
    world.handle(&Input::NodeDown { node: 2 });
    assert_eq!(world.broker.statistics().connections, 2);
    world.handle(&Input::NodeDown { node: 1 });
    let statistics = world.broker.statistics();
    assert_eq!((statistics.connections, statistics.sessions), (0, 1));
    world.send(client, Packet::Publish(qos_0("t", "x")));
    assert!(world.received(client).is_empty(), "input for a closed connection is ignored");
}

/// So many clients with these subscriptions, which go away for an hour at most.
fn left(world: &mut World, clients: &[&'static str], filters: usize) {
    for client_id in clients {
        let (client, _) = world.connect_with(client_id, packets::lasting);
        let filters: Vec<_> = (0..filters).map(|number| format!("{client_id}/{number}/+")).collect();
        let filters: Vec<_> = filters.iter().map(|filter| subscription(filter, QoS::AtMostOnce)).collect();
        world.send(client, packets::subscribe(id(1), &filters));
        world.lose(client);
    }
}

#[test]
fn a_crowd_of_sessions_ends_in_steps_of_bounded_work() {
    let clients: Vec<&'static str> =
        (0..60).map(|number| &*Box::leak(format!("c{number}").into_boxed_str())).collect();
    let mut world = World::new();
    left(&mut world, &clients, 100);
    world.sleep(Duration::from_hours(1));
    for left in [49, 38, 27, 16, 5, 0] {
        assert!(world.is_due(), "the rest is due at once");
        world.handle(&Input::Tick);
        assert_eq!(world.broker.statistics().sessions, left);
    }
    assert!(!world.is_due());
    assert_eq!(world.broker.statistics().memory.subscriptions, 0);
}

#[test]
fn a_crowd_of_wills_is_published_in_steps_of_bounded_work() {
    let mut world = World::new();
    let names: Vec<&'static str> =
        (0..200).map(|number| &*Box::leak(format!("w{number}").into_boxed_str())).collect();
    let watchers: Vec<_> = names.iter().map(|name| world.connect(name)).collect();
    for &watcher in &watchers {
        world.subscribe(watcher, "wills", QoS::AtMostOnce);
    }
    for client_id in ["a", "b", "c", "d", "e", "f", "g"] {
        let (client, _) = world.connect_with(client_id, |connect| {
            packets::lasting(connect);
            let mut will = packets::will("wills");
            will.properties.delay_interval_s = Some(5);
            connect.will = Some(will);
        });
        world.lose(client);
    }
    world.sleep(Duration::from_secs(5));
    world.handle(&Input::Tick);
    assert_eq!(world.payloads(watchers[0]).len(), 6, "each counts for its 200 receivers");
    assert!(world.is_due());
    world.handle(&Input::Tick);
    assert_eq!(world.payloads(watchers[0]).len(), 1);
}
