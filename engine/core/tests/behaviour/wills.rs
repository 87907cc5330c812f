//! Will Messages: when they are published, and when they are not.

use std::time::Duration;

use mayfly_wire::{Connect, Publish, QoS, ReasonCode, UserProperties, Will, WillProperties};

use crate::harness::packets::{self, disconnect, id, qos_1};
use crate::harness::{Client, World};

const fn s(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn delayed(delay_s: u32) -> Will<'static> {
    let properties = WillProperties { delay_interval_s: Some(delay_s), ..WillProperties::default() };
    Will { properties, ..packets::will("w") }
}

fn at_qos_2() -> Will<'static> {
    Will { qos: QoS::ExactlyOnce, ..packets::will("w") }
}

/// A world with a witness that is subscribed to the will's topic, and a client with this will.
fn with_will(will: Will<'static>, change: impl FnOnce(&mut Connect<'static>)) -> (World, Client, Client) {
    let mut world = World::new();
    let witness = world.connect("witness");
    world.subscribe(witness, "w", QoS::AtLeastOnce);
    let (client, _) = world.connect_with("a", |connect| {
        connect.will = Some(will);
        change(connect);
    });
    (world, witness, client)
}

#[test]
fn a_lost_connection_publishes_it() {
    let properties = WillProperties {
        payload_format_indicator: Some(true),
        content_type: Some("text/plain"),
        user_properties: UserProperties::from_pairs(&[("a", "b")]),
        ..WillProperties::default()
    };
    let (mut world, witness, client) = with_will(Will { properties, ..packets::will("w") }, |_| ());
    world.lose(client);
    let message = world.message(witness);
    assert_eq!((message.payload, message.qos, message.retain), (&b"gone"[..], QoS::AtLeastOnce, false));
    assert_eq!(message.properties.payload_format_indicator, Some(true));
    assert_eq!(message.properties.content_type, Some("text/plain"));
    assert_eq!(message.properties.user_properties.first("a"), Some("b"));
    assert_eq!(message.properties.message_expiry_interval_s, None);
    world.ack(witness, message.packet_id);
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn a_normal_disconnection_discards_it() {
    let (mut world, witness, client) = with_will(packets::will("w"), |_| ());
    world.send(client, disconnect(ReasonCode::Success));
    assert!(world.received(witness).is_empty());
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn a_disconnection_can_ask_for_it() {
    let (mut world, witness, client) = with_will(packets::will("w"), |_| ());
    world.send(client, disconnect(ReasonCode::DisconnectWithWillMessage));
    assert_eq!(world.payloads(witness), ["gone"]);
}

#[test]
fn what_closes_the_connection_publishes_it() {
    let (mut world, witness, client) = with_will(packets::will("w"), |connect| connect.keep_alive_s = 1);
    world.advance(s(2));
    assert!(world.is_closed(client));
    assert_eq!(world.payloads(witness), ["gone"]);
    let (mut world, witness, client) = with_will(packets::will("w"), |_| ());
    world.send_bytes(client, &[0, 0]);
    assert_eq!(world.payloads(witness), ["gone"]);
    let (mut world, witness, _) = with_will(packets::will("w"), |_| ());
    world.connect("a");
    assert_eq!(world.payloads(witness), ["gone"], "a taken-over connection is closed, too");
}

#[test]
fn its_delay_is_waited_for() {
    let (mut world, witness, client) = with_will(delayed(10), packets::lasting);
    world.lose(client);
    world.advance(Duration::from_millis(9999));
    assert!(world.received(witness).is_empty());
    world.advance(Duration::from_millis(1));
    assert_eq!(world.payloads(witness), ["gone"]);
    world.advance(s(10_000));
    assert!(world.received(witness).is_empty(), "it comes once");
}

#[test]
fn coming_back_in_time_cancels_it() {
    let (mut world, witness, client) = with_will(delayed(10), packets::lasting);
    world.lose(client);
    world.advance(s(9));
    let (back, ack) = world.resume("a");
    assert!(ack.session_present);
    world.advance(s(100));
    world.lose(back);
    world.advance(s(100));
    assert!(world.received(witness).is_empty(), "the new connection has no will");
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn the_end_of_the_session_does_not_wait_for_its_delay() {
    let short = |connect: &mut Connect<'_>| connect.properties.session_expiry_interval_s = Some(5);
    let (mut world, witness, client) = with_will(delayed(10), short);
    world.lose(client);
    world.advance(Duration::from_millis(4999));
    assert!(world.received(witness).is_empty());
    world.advance(Duration::from_millis(1));
    assert_eq!(world.payloads(witness), ["gone"]);
    world.advance(s(100));
    assert!(world.received(witness).is_empty(), "it comes once");
}

#[test]
fn a_clean_start_ends_the_session_and_publishes_it() {
    let (mut world, witness, client) = with_will(delayed(10), packets::lasting);
    world.lose(client);
    world.connect("a");
    assert_eq!(world.payloads(witness), ["gone"]);
}

#[test]
fn its_expiry_counts_from_the_publication() {
    let mut will = delayed(10);
    will.properties.message_expiry_interval_s = Some(60);
    let (mut world, witness, client) = with_will(will, packets::lasting);
    world.advance(s(1000));
    world.lose(client);
    world.advance(s(10));
    assert_eq!(world.message(witness).properties.message_expiry_interval_s, Some(60));
}

#[test]
fn a_client_that_is_away_gets_its_own_will() {
    let (mut world, _, client) = with_will(packets::will("w"), packets::lasting);
    world.subscribe(client, "w", QoS::AtLeastOnce);
    world.lose(client);
    let (back, _) = world.resume("a");
    assert_eq!(world.message(back), Publish { packet_id: Some(id(1)), ..qos_1("w", "gone") });
}

/// A will of QoS 2 is a message of QoS 2 like any other: it is delivered once, whatever becomes of the connections.
#[test]
fn at_qos_2_it_comes_exactly_once() {
    let (mut world, _, client) = with_will(at_qos_2(), |_| ());
    let (watcher, _) = world.resume("exact");
    world.subscribe(watcher, "w", QoS::ExactlyOnce);
    world.lose(client);
    let message = world.message(watcher);
    assert_eq!((message.qos, message.dup, message.payload), (QoS::ExactlyOnce, false, &b"gone"[..]));
    world.lose(watcher);
    let (watcher, _) = world.resume("exact");
    let again = world.message(watcher);
    assert_eq!((again.packet_id, again.dup), (message.packet_id, true));
    let packet_id = again.packet_id.unwrap();
    world.send(watcher, packets::pub_rec(packet_id, ReasonCode::Success));
    assert_eq!(world.only(watcher), packets::pub_rel(packet_id, ReasonCode::Success));
    world.lose(watcher);
    let (watcher, _) = world.resume("exact");
    assert_eq!(world.only(watcher), packets::pub_rel(packet_id, ReasonCode::Success), "not the message");
    world.send(watcher, packets::pub_comp(packet_id, ReasonCode::Success));
    assert!(world.received(watcher).is_empty());
}

#[test]
fn at_qos_2_it_goes_at_the_lower_qos_of_each_subscription() {
    let (mut world, at_least_once, client) = with_will(at_qos_2(), |_| ());
    let [at_most_once, exactly_once] =
        [(QoS::AtMostOnce, "0"), (QoS::ExactlyOnce, "2")].map(|(qos, client_id)| {
            let watcher = world.connect(client_id);
            world.subscribe(watcher, "w", qos);
            watcher
        });
    world.lose(client);
    let qos = [at_most_once, at_least_once, exactly_once].map(|watcher| world.message(watcher).qos);
    assert_eq!(qos, [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
}

#[test]
fn at_qos_2_it_waits_for_a_client_that_is_away() {
    let (mut world, _, client) = with_will(Will { qos: QoS::ExactlyOnce, ..delayed(10) }, packets::lasting);
    let (watcher, _) = world.resume("exact");
    world.subscribe(watcher, "w", QoS::ExactlyOnce);
    world.lose(watcher);
    world.lose(client);
    world.advance(s(10));
    let (watcher, _) = world.resume("exact");
    let message = world.message(watcher);
    assert_eq!((message.qos, message.dup, message.payload), (QoS::ExactlyOnce, false, &b"gone"[..]));
}

#[test]
fn at_qos_2_it_is_retained_with_its_qos() {
    let (mut world, _, client) = with_will(Will { retain: true, ..at_qos_2() }, |_| ());
    world.lose(client);
    let late = world.connect("late");
    let packet_id = world.fresh_id(late);
    let subscriptions = [packets::subscription("w", QoS::ExactlyOnce)];
    world.send(late, packets::subscribe(packet_id, &subscriptions));
    assert!(matches!(world.next(late), mayfly_wire::Packet::SubAck(_)));
    let message = world.message(late);
    assert_eq!((message.qos, message.retain, message.payload), (QoS::ExactlyOnce, true, &b"gone"[..]));
}
