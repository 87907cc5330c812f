//! Shared subscriptions: each message to one member, and what becomes of it when that member leaves.

use std::num::NonZeroU16;
use std::time::Duration;

use mayfly_wire::{Packet, Publish, QoS, ReasonCode, Subscription, SubscriptionOptions};

use crate::harness::packets::{
    self, disconnect, id, lasting, pub_ack, qos_0, qos_1, qos_2, retained, subscription,
};
use crate::harness::{Client, World};

const SHARED: &str = "$share/g/t";

/// A member of `$share/g/t`, granted QoS 1, whose session lasts for an hour.
fn member(world: &mut World, client_id: &'static str) -> Client {
    member_with(world, client_id, u16::MAX, QoS::AtLeastOnce)
}

fn member_with(world: &mut World, client_id: &'static str, receive_maximum: u16, qos: QoS) -> Client {
    let client = returning(world, client_id, receive_maximum);
    world.subscribe(client, SHARED, qos);
    client
}

fn returning(world: &mut World, client_id: &'static str, receive_maximum: u16) -> Client {
    let change = |connect: &mut mayfly_wire::Connect<'_>| {
        lasting(connect);
        connect.properties.receive_maximum = NonZeroU16::new(receive_maximum);
    };
    world.connect_with(client_id, change).0
}

/// Ends a client's session together with its connection.
fn end(world: &mut World, client: Client) {
    world.send(client, packets::disconnect_with_expiry(0));
}

fn publish_all(world: &mut World, payloads: &[&str]) {
    let publisher = world.connect("publisher");
    for payload in payloads {
        assert_eq!(world.publish(publisher, qos_1("t", payload)), Some(ReasonCode::Success));
    }
    world.send(publisher, disconnect(ReasonCode::Success));
}

#[test]
fn members_take_turns() {
    let mut world = World::new();
    let members = ["a", "b", "c"].map(|client_id| member(&mut world, client_id));
    publish_all(&mut world, &["1", "2", "3", "4", "5", "6"]);
    for (member, payloads) in members.into_iter().zip([["1", "4"], ["2", "5"], ["3", "6"]]) {
        assert_eq!(world.payloads(member), payloads);
    }
}

#[test]
fn each_group_and_each_other_subscription_gets_its_own() {
    let mut world = World::new();
    let (a, b) = (world.connect("a"), world.connect("b"));
    world.subscribe(a, "$share/g/t", QoS::AtMostOnce);
    world.subscribe(b, "$share/h/t", QoS::AtMostOnce);
    world.subscribe(b, "$share/g/+", QoS::AtMostOnce);
    world.subscribe(b, "t", QoS::AtMostOnce);
    publish_all(&mut world, &["x"]);
    assert_eq!(world.payloads(a), ["x"]);
    assert_eq!(world.payloads(b), ["x"; 3], "the same name with another filter is another one");
}

#[test]
fn mqtt_3_1_1_can_share_too() {
    let mut world = World::new();
    let (a, b) = (world.connect("a"), world.connect_3_1_1("b"));
    for client in [a, b] {
        world.subscribe(client, SHARED, QoS::AtMostOnce);
    }
    publish_all(&mut world, &["1", "2"]);
    assert_eq!((world.payloads(a), world.payloads(b)), (vec!["1"], vec!["2"]));
}

#[test]
fn an_absent_member_is_passed_over_while_another_is_there() {
    let mut world = World::new();
    let (a, b) = (member(&mut world, "a"), member(&mut world, "b"));
    world.lose(a);
    publish_all(&mut world, &["1", "2"]);
    assert_eq!(world.payloads(b), ["1", "2"]);
    world.lose(b);
    publish_all(&mut world, &["3", "4"]);
    for client_id in ["a", "b"] {
        let client = returning(&mut world, client_id, 10);
        assert!(world.payloads(client).iter().filter(|payload| ["3", "4"].contains(payload)).count() == 1);
    }
}

#[test]
fn a_member_that_is_busy_is_passed_over_while_another_is_not() {
    let mut world = World::new();
    let (a, b) = (member_with(&mut world, "a", 1, QoS::AtLeastOnce), member(&mut world, "b"));
    publish_all(&mut world, &["1", "2", "3", "4"]);
    let messages = world.messages(a);
    assert_eq!(messages.len(), 1);
    assert_eq!(world.payloads(b), ["2", "3", "4"]);
    world.ack_all(a, &messages);
    publish_all(&mut world, &["5"]);
    assert_eq!(world.payloads(a), ["5"]);
}

#[test]
fn a_busy_member_comes_before_an_absent_one() {
    let mut world = World::new();
    let a = member(&mut world, "a");
    let b = member_with(&mut world, "b", 1, QoS::AtLeastOnce);
    world.lose(a);
    publish_all(&mut world, &["1", "2", "3"]);
    let mut came = Vec::new();
    while let [message] = world.messages(b)[..] {
        came.push(message.payload);
        world.ack(b, message.packet_id);
    }
    assert_eq!(came, [b"1", b"2", b"3"]);
}

#[test]
fn what_a_session_leaves_goes_to_the_others_in_order() {
    let mut world = World::new();
    let a = member_with(&mut world, "a", 2, QoS::AtLeastOnce);
    publish_all(&mut world, &["1", "2", "3", "4"]);
    let b = member(&mut world, "b");
    let messages = world.messages(a);
    world.ack(a, messages[0].packet_id);
    assert_eq!(world.payloads(a), ["3"]);
    assert!(world.received(b).is_empty(), "what is queued stays with a session that lasts");
    end(&mut world, a);
    let messages = world.messages(b);
    let told: Vec<_> = messages.iter().map(|message| (message.payload, message.dup, message.qos)).collect();
    assert_eq!(told, [b"2", b"3", b"4"].map(|payload| (&payload[..], false, QoS::AtLeastOnce)));
    world.ack_all(b, &messages);
    let statistics = world.broker.statistics();
    assert_eq!((statistics.messages, statistics.dropped.total()), (0, 0));
}

#[test]
fn a_lost_connection_alone_passes_nothing_on_until_the_session_expires() {
    let mut world = World::new();
    let (a, b) = (member(&mut world, "a"), member(&mut world, "b"));
    publish_all(&mut world, &["1"]);
    let sent = world.message(a);
    world.lose(a);
    assert!(world.received(b).is_empty());
    let a = returning(&mut world, "a", 10);
    let again = world.message(a);
    assert_eq!((again.payload, again.packet_id, again.dup), (sent.payload, sent.packet_id, true));
    world.lose(a);
    world.advance(Duration::from_secs(3599));
    assert!(world.received(b).is_empty());
    world.advance(Duration::from_secs(1));
    assert_eq!(world.payloads(b), ["1"]);
}

#[test]
fn a_clean_start_passes_on_what_the_old_session_had() {
    let mut world = World::new();
    let (a, b) = (member(&mut world, "a"), member(&mut world, "b"));
    publish_all(&mut world, &["1"]);
    world.lose(a);
    world.connect("a");
    assert_eq!(world.payloads(b), ["1"]);
}

#[test]
fn a_qos_2_delivery_that_has_begun_is_not_passed_on() {
    let mut world = World::new();
    let a = member_with(&mut world, "a", 1, QoS::ExactlyOnce);
    let publisher = world.connect("p");
    for payload in ["begun", "queued"] {
        world.publish(publisher, qos_2("t", payload));
    }
    assert_eq!(world.payloads(a), ["begun"]);
    let b = member_with(&mut world, "b", 9, QoS::ExactlyOnce);
    end(&mut world, a);
    let message = world.message(b);
    assert_eq!((message.payload, message.qos), (&b"queued"[..], QoS::ExactlyOnce));
    assert_eq!(world.broker.statistics().dropped.session_ended, 1, "the one that was begun");
}

#[test]
fn what_a_member_refuses_is_discarded() {
    let mut world = World::new();
    let (a, b) = (member(&mut world, "a"), member(&mut world, "b"));
    publish_all(&mut world, &["1"]);
    let message = world.message(a);
    let packet_id = message.packet_id.expect("QoS 1 has one");
    world.send(a, pub_ack(packet_id, ReasonCode::ImplementationSpecificError));
    end(&mut world, a);
    assert!(world.received(b).is_empty());
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn with_its_last_member_it_ends_and_what_was_not_delivered_too() {
    let mut world = World::new();
    let a = member_with(&mut world, "a", 1, QoS::AtLeastOnce);
    publish_all(&mut world, &["1", "2"]);
    end(&mut world, a);
    let statistics = world.broker.statistics();
    assert_eq!((statistics.messages, statistics.dropped.session_ended), (0, 2));
    let b = member(&mut world, "b");
    assert!(world.received(b).is_empty());
}

#[test]
fn what_was_sent_for_one_that_ended_does_not_come_to_its_successor() {
    let mut world = World::new();
    let a = member(&mut world, "a");
    publish_all(&mut world, &["1"]);
    world.send(a, packets::unsubscribe(id(9), &[packets::filter(SHARED)]));
    let b = member(&mut world, "b");
    end(&mut world, a);
    assert!(world.received(b).is_empty());
}

#[test]
fn unsubscribing_ends_the_turns_and_completes_what_was_sent() {
    let mut world = World::new();
    let (a, b) = (member(&mut world, "a"), member(&mut world, "b"));
    publish_all(&mut world, &["1"]);
    let message = world.message(a);
    world.send(a, packets::unsubscribe(id(9), &[packets::filter(SHARED), packets::filter(SHARED)]));
    assert!(matches!(world.only(a), Packet::UnsubAck(ack) if ack.reasons == [0x00, 0x11]));
    publish_all(&mut world, &["2", "3"]);
    world.ack(a, message.packet_id);
    assert_eq!((world.payloads(a), world.payloads(b)), (vec![], vec!["2", "3"]));
}

#[test]
fn each_member_gets_its_own_qos_also_of_what_another_left() {
    let mut world = World::new();
    let a = member_with(&mut world, "a", 1, QoS::AtLeastOnce);
    let publisher = world.connect("p");
    world.publish(publisher, qos_2("t", "x"));
    assert_eq!(world.message(a).qos, QoS::AtLeastOnce);
    let b = member_with(&mut world, "b", 9, QoS::ExactlyOnce);
    end(&mut world, a);
    assert_eq!(world.message(b).qos, QoS::ExactlyOnce);
    world.subscribe(b, SHARED, QoS::AtMostOnce);
    world.publish(publisher, qos_2("t", "x"));
    assert_eq!(world.message(b).qos, QoS::AtMostOnce, "subscribing again replaces the options");
}

#[test]
fn retained_messages_do_not_come_and_marks_and_identifiers_do() {
    let mut world = World::new();
    let client = world.connect("a");
    world.publish(client, retained(qos_0("t", "old")));
    let plain = subscription(SHARED, QoS::AtMostOnce);
    let options = SubscriptionOptions { retain_as_published: true, ..plain.options };
    world.send(client, packets::identified(id(1), 5, &[Subscription { options, ..plain }]));
    assert!(matches!(world.only(client), Packet::SubAck(ack) if ack.reasons == [0]));
    for is_retained in [true, false] {
        world.publish(client, Publish { retain: is_retained, ..qos_0("t", "new") });
        let message = world.message(client);
        let identifiers: Vec<_> = message.properties.subscription_identifiers.iter().collect();
        assert_eq!((message.retain, identifiers), (is_retained, vec![5]));
    }
}

#[test]
fn whose_turn_it_is_is_state() {
    let mut world = World::new();
    let members = ["a", "b"].map(|client_id| world.connect(client_id));
    for member in members {
        world.subscribe(member, SHARED, QoS::AtMostOnce);
    }
    world.publish(members[0], qos_0("t", "1"));
    let first = world.broker.state_hash();
    world.publish(members[0], qos_0("t", "2"));
    let second = world.broker.state_hash();
    world.publish(members[0], qos_0("t", "3"));
    assert_ne!(first, second);
    assert_eq!(first, world.broker.state_hash());
}

#[test]
fn what_is_no_shared_subscription_is_refused() {
    // Packet identifier 1, then one filter with its options.
    let subscribe = |filter: &str, options: u8| {
        let len = u8::try_from(filter.len()).unwrap();
        let head = [0x82, len + 6, 0, 1, 0, 0, len];
        [&head[..], filter.as_bytes(), &[options]].concat()
    };
    for (filter, options, reason) in [
        ("$share//t", 0, ReasonCode::MalformedPacket),
        ("$share/+/t", 0, ReasonCode::MalformedPacket),
        ("$share/g", 0, ReasonCode::MalformedPacket),
        ("$share/g/", 0, ReasonCode::MalformedPacket),
        // No Local [MQTT-3.8.3-4].
        ("$share/g/t", 4, ReasonCode::ProtocolError),
    ] {
        let mut world = World::new();
        let client = world.connect("a");
        world.send_bytes(client, &subscribe(filter, options));
        world.assert_disconnected(client, reason);
    }
}

#[test]
fn what_was_sent_with_qos_2_goes_to_nobody_else() {
    let mut world = World::new();
    let first = member_with(&mut world, "a", 1, QoS::ExactlyOnce);
    let publisher = world.connect("p");
    for payload in ["1", "2"] {
        world.publish(publisher, qos_2("t", payload));
    }
    assert_eq!(world.payloads(first), ["1"]);
    let second = member_with(&mut world, "b", 1, QoS::ExactlyOnce);
    end(&mut world, first);
    assert_eq!(world.payloads(second), ["2"], "1 may have arrived");
}
