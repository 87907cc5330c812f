//! Bounds over all clients, and what is held back when memory runs out.

use mayfly_core::{Input, Limits, Pressure, StateMachine};
use mayfly_wire::{Publish, PublishProperties, QoS, ReasonCode, UserProperties};

use crate::harness::packets::{self, lasting, qos_0, qos_1, qos_2};
use crate::harness::{Client, World};

pub(crate) const QUOTA: &str = "-ERR the quota has been exceeded\r\n";

#[test]
fn sessions_are_bounded_and_old_ones_still_resume() {
    let mut world = World::with_limits(|limits| limits.max_sessions = 2);
    let (first, _) = world.connect_with("a", lasting);
    world.lose(first);
    world.connect("b");
    let refused = world.open(packets::connect("c"));
    assert_eq!(world.conn_ack(refused).reason, ReasonCode::QuotaExceeded);
    assert!(world.is_closed(refused));
    assert!(world.resume("a").1.session_present);
    world.connect("b");
    assert_eq!(world.broker.statistics().sessions, 2);
}

#[test]
fn subscriptions_of_all_sessions_are_bounded() {
    let mut world = World::with_limits(|limits| limits.max_total_subscriptions = 2);
    let (a, b) = (world.connect("a"), world.connect("b"));
    world.subscribe(a, "x", QoS::AtMostOnce);
    world.subscribe(b, "x", QoS::AtMostOnce);
    let refused = ReasonCode::QuotaExceeded as u8;
    assert_eq!(world.ask_subscribe(b, "y", QoS::AtMostOnce), refused);
    world.subscribe(b, "x", QoS::AtLeastOnce);
    world.send(a, packets::disconnect(ReasonCode::Success));
    world.subscribe(b, "y", QoS::AtMostOnce);
}

/// Sets the bound of memory so that what is in use is this part of it.
pub(crate) fn use_percent(world: &mut World, percent: u64) {
    let used = world.broker.statistics().memory.total() as u64;
    world.handle(&Input::Limits(Limits { max_memory_bytes: used * 100 / percent, ..Limits::default() }));
}

/// A client that is subscribed to everything, and another one; and so much in memory that a session more is little.
pub(crate) fn world() -> (World, Client, Client) {
    let mut world = World::new();
    let (witness, client) = (world.connect("w"), world.store_client("a"));
    world.subscribe(witness, "#", QoS::AtMostOnce);
    assert_eq!(world.reply(client, &[b"SET", b"ballast", &vec![0; 200_000]]), "+OK\r\n");
    world.received(witness);
    (world, witness, client)
}

#[test]
fn pressure_rises_in_named_steps() {
    let (mut world, ..) = world();
    for (percent, pressure) in [
        (50, Pressure::None),
        (79, Pressure::None),
        (81, Pressure::Slow),
        (89, Pressure::Slow),
        (91, Pressure::Refuse),
        (99, Pressure::Refuse),
        (101, Pressure::Full),
    ] {
        use_percent(&mut world, percent);
        assert_eq!(StateMachine::pressure(&world.broker), pressure, "{percent} %");
    }
}

#[test]
fn messages_are_refused_near_the_bound_unless_they_have_priority() {
    let (mut world, witness, client) = world();
    use_percent(&mut world, 85);
    assert_eq!(world.publish(client, qos_1("t", "slow")), Some(ReasonCode::Success));
    use_percent(&mut world, 95);
    assert_eq!(world.publish(client, qos_1("t", "x")), Some(ReasonCode::QuotaExceeded));
    assert_eq!(world.publish(client, qos_2("t", "x")), Some(ReasonCode::QuotaExceeded));
    world.publish(client, qos_0("t", "x"));
    assert_eq!(world.broker.statistics().dropped.memory, 1);
    let marked = [("$high_priority", "")];
    let properties = PublishProperties {
        user_properties: UserProperties::from_pairs(&marked),
        ..PublishProperties::default()
    };
    let marked = Publish { properties, ..qos_1("t", "marked") };
    assert_eq!(world.publish(client, marked), Some(ReasonCode::Success));
    assert_eq!(world.payloads(witness), ["slow", "marked"]);
    assert_eq!(world.reply(client, &[b"SET", b"k", b"v"]), "+OK\r\n");
    world.connect("late");
    use_percent(&mut world, 50);
    assert_eq!(world.publish(client, qos_1("t", "x")), Some(ReasonCode::Success));
}

#[test]
fn a_client_of_3_1_1_that_is_refused_a_message_is_disconnected() {
    let (mut world, witness, _) = world();
    let old = world.connect_3_1_1("old");
    use_percent(&mut world, 95);
    world.publish(old, qos_0("t", "x"));
    assert!(!world.is_closed(old));
    let packet_id = Some(packets::id(9));
    world.send(old, mayfly_wire::Packet::Publish(Publish { packet_id, ..qos_1("t", "x") }));
    assert!(world.is_closed(old));
    assert!(world.received(witness).is_empty());
}

#[test]
fn at_the_bound_nothing_is_added() {
    let (mut world, _, client) = world();
    assert_eq!(world.reply(client, &[b"SET", b"k", b"value"]), "+OK\r\n");
    let (away, _) = world.connect_with("away", lasting);
    world.lose(away);
    use_percent(&mut world, 101);
    let refused = world.open(packets::connect("late"));
    assert_eq!(world.conn_ack(refused).reason, ReasonCode::QuotaExceeded);
    assert_eq!(world.ask_subscribe(client, "more", QoS::AtMostOnce), ReasonCode::QuotaExceeded as u8);
    assert_eq!(world.reply(client, &[b"SET", b"l", b"v"]), QUOTA);
    assert_eq!(world.reply(client, &[b"GET", b"k"]), "$5\r\nvalue\r\n");
    assert_eq!(world.reply(client, &[b"SET", b"k", b"other"]), "+OK\r\n", "it takes no more than before");
    assert_eq!(world.reply(client, &[b"DEL", b"k"]), ":1\r\n");
    assert!(world.resume("away").1.session_present);
}
