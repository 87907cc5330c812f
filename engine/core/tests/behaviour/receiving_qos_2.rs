//! QoS 2 from publishers: a message is routed once, however often it and its PUBREL arrive [MQTT 5, section 4.3.3].

use mayfly_wire::{Packet, ProtocolVersion, Publish, QoS, ReasonCode};

use crate::harness::packets::{self, id, pub_comp, pub_rec, pub_rel, qos_1, qos_2};
use crate::harness::{Client, World};

const SUCCESS: ReasonCode = ReasonCode::Success;

/// A world with somebody who is subscribed to everything, and a publisher with a session that outlives its connection.
fn world() -> (World, Client, Client) {
    let mut world = World::new();
    let witness = world.connect("witness");
    world.subscribe(witness, "#", QoS::AtMostOnce);
    let (publisher, _) = world.resume("p");
    (world, witness, publisher)
}

fn publish(number: u16, payload: &str) -> Packet<'_> {
    Packet::Publish(Publish { packet_id: Some(id(number)), ..qos_2("t", payload) })
}

fn again(number: u16, payload: &str) -> Packet<'_> {
    Packet::Publish(Publish { dup: true, packet_id: Some(id(number)), ..qos_2("t", payload) })
}

#[test]
fn the_exchange_has_four_packets() {
    let (mut world, witness, publisher) = world();
    world.send(publisher, publish(7, "x"));
    assert_eq!(world.only(publisher), pub_rec(id(7), SUCCESS));
    assert_eq!(world.payloads(witness), ["x"]);
    world.send(publisher, pub_rel(id(7), SUCCESS));
    assert_eq!(world.only(publisher), pub_comp(id(7), SUCCESS));
    assert!(world.received(witness).is_empty());
    world.send(publisher, publish(7, "y"));
    assert_eq!(world.only(publisher), pub_rec(id(7), SUCCESS), "the identifier is free again");
    assert_eq!(world.payloads(witness), ["y"]);
}

#[test]
fn what_arrives_again_before_pubrel_is_acknowledged_and_not_routed() {
    for repeat in [publish, again] {
        let (mut world, witness, publisher) = world();
        world.send(publisher, publish(7, "x"));
        world.send(publisher, repeat(7, "x"));
        assert_eq!(world.received(publisher), [pub_rec(id(7), SUCCESS), pub_rec(id(7), SUCCESS)]);
        assert_eq!(world.payloads(witness), ["x"]);
    }
}

#[test]
fn identifiers_are_kept_over_connections_and_takeovers() {
    let (mut world, witness, lost) = world();
    world.send(lost, publish(7, "x"));
    world.lose(lost);
    let (old, _) = world.resume("p");
    world.send(old, again(7, "x"));
    assert_eq!(world.only(old), pub_rec(id(7), SUCCESS));
    let (back, _) = world.resume("p");
    world.send(back, again(7, "x"));
    assert_eq!(world.only(back), pub_rec(id(7), SUCCESS));
    world.send(back, pub_rel(id(7), SUCCESS));
    assert_eq!(world.only(back), pub_comp(id(7), SUCCESS));
    assert_eq!(world.payloads(witness), ["x"]);
}

#[test]
fn identifiers_end_with_their_session() {
    let (mut world, witness, lost) = world();
    world.send(lost, publish(7, "x"));
    world.lose(lost);
    let back = world.connect("p");
    world.send(back, publish(7, "x"));
    assert_eq!(world.only(back), pub_rec(id(7), SUCCESS));
    assert_eq!(world.payloads(witness), ["x", "x"]);
}

#[test]
fn a_pubrel_of_nothing_is_completed_and_told_so() {
    let (mut world, _, publisher) = world();
    world.send(publisher, pub_rel(id(7), SUCCESS));
    assert_eq!(world.only(publisher), pub_comp(id(7), ReasonCode::PacketIdentifierNotFound));
    world.send(publisher, publish(7, "x"));
    world.send(publisher, pub_rel(id(7), SUCCESS));
    world.send(publisher, pub_rel(id(7), SUCCESS));
    let expected = [
        pub_rec(id(7), SUCCESS),
        pub_comp(id(7), SUCCESS),
        pub_comp(id(7), ReasonCode::PacketIdentifierNotFound),
    ];
    assert_eq!(world.received(publisher), expected);
}

#[test]
fn a_message_that_nobody_gets_is_acknowledged_so_and_released() {
    let mut world = World::new();
    let publisher = world.connect("p");
    world.send(publisher, publish(7, "x"));
    assert_eq!(world.only(publisher), pub_rec(id(7), ReasonCode::NoMatchingSubscribers));
    world.send(publisher, pub_rel(id(7), SUCCESS));
    assert_eq!(world.only(publisher), pub_comp(id(7), SUCCESS), "0x10 is no error: the exchange goes on");
}

#[test]
fn a_refusal_ends_the_exchange() {
    let (mut world, witness, publisher) = world();
    let topic = "clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/61/command/notify/6B";
    world.send(publisher, Packet::Publish(Publish { packet_id: Some(id(7)), ..qos_2(topic, "x") }));
    assert_eq!(world.only(publisher), pub_rec(id(7), ReasonCode::NotAuthorized));
    world.send(publisher, publish(7, "y"));
    assert_eq!(world.only(publisher), pub_rec(id(7), SUCCESS), "the identifier was free at once");
    assert_eq!(world.payloads(witness), ["y"]);
}

#[test]
fn mqtt_3_1_1_has_the_same_exchange_without_reason_codes() {
    let mut world = World::new();
    let witness = world.connect("witness");
    let (publisher, _) = world.connect_with("p", |connect| connect.version = ProtocolVersion::V3_1_1);
    world.set_reads(publisher, false);
    world.send(publisher, publish(7, "nobody"));
    world.subscribe(witness, "t", QoS::AtMostOnce);
    world.send(publisher, again(7, "nobody"));
    world.send(publisher, pub_rel(id(7), SUCCESS));
    world.send(publisher, pub_rel(id(7), SUCCESS));
    let expected = [0x50, 2, 0, 7, 0x50, 2, 0, 7, 0x70, 2, 0, 7, 0x70, 2, 0, 7];
    assert_eq!(world.connection(publisher).outgoing(), expected);
    assert!(world.received(witness).is_empty(), "it was routed when nobody was there");
}

#[test]
fn an_identifier_in_use_stands_for_no_other_message() {
    let (mut world, witness, publisher) = world();
    world.send(publisher, publish(7, "x"));
    world.send(publisher, Packet::Publish(Publish { packet_id: Some(id(7)), ..qos_1("t", "y") }));
    let in_use = packets::pub_ack(id(7), ReasonCode::PacketIdentifierInUse);
    assert_eq!(world.received(publisher), [pub_rec(id(7), SUCCESS), in_use]);
    assert_eq!(world.payloads(witness), ["x"]);
    let old = world.connect_3_1_1("old");
    world.send(old, publish(7, "x"));
    world.send(old, Packet::Publish(Publish { packet_id: Some(id(7)), ..qos_1("t", "y") }));
    assert!(world.is_closed(old), "3.1.1 has no word for it");
    assert_eq!(world.payloads(witness), ["x"]);
}

#[test]
fn unreleased_messages_are_bounded() {
    let mut world = World::with_limits(|limits| limits.max_unreleased_messages = 2);
    let witness = world.connect("witness");
    world.subscribe(witness, "#", QoS::AtMostOnce);
    let (publisher, old) = (world.connect("p"), world.connect_3_1_1("old"));
    for number in [1, 2, 1, 3] {
        world.send(publisher, publish(number, "x"));
        world.send(old, publish(number, "x"));
    }
    let reasons = [SUCCESS, SUCCESS, SUCCESS, ReasonCode::QuotaExceeded];
    let expected: Vec<_> =
        [1, 2, 1, 3].into_iter().zip(reasons).map(|(number, reason)| pub_rec(id(number), reason)).collect();
    assert_eq!(world.received(publisher), expected);
    assert_eq!(world.payloads(witness), ["x"; 4], "no third message of either is routed");
    assert!(world.is_closed(old), "a refusal that 3.1.1 can't be told");
    world.send(publisher, pub_rel(id(1), SUCCESS));
    world.send(publisher, publish(3, "y"));
    assert_eq!(world.received(publisher), [pub_comp(id(1), SUCCESS), pub_rec(id(3), SUCCESS)]);
    assert_eq!(world.payloads(witness), ["y"]);
}

#[test]
fn a_will_may_have_qos_2() {
    let (mut world, witness, _) = world();
    let (client, _) = world.connect_with("a", |connect| {
        connect.will = Some(mayfly_wire::Will { qos: QoS::ExactlyOnce, ..packets::will("w") });
    });
    world.lose(client);
    assert_eq!(world.payloads(witness), ["gone"]);
}
