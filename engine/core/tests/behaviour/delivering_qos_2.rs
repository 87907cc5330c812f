//! QoS 2 to subscribers: PUBLISH, PUBREC, PUBREL, PUBCOMP, over several connections if need be.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use mayfly_wire::{Connect, Packet, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode};

use crate::harness::packets::{self, id, pub_ack, pub_comp, pub_rec, pub_rel, qos_1, qos_2};
use crate::harness::{Client, World};

const SUCCESS: ReasonCode = ReasonCode::Success;

/// A world with a publisher, and a subscriber whose session outlives its connection.
fn world() -> (World, Client, Client) {
    let mut world = World::new();
    let publisher = world.connect("p");
    let subscriber = subscribe(&mut world, |_| ());
    (world, publisher, subscriber)
}

fn subscribe(world: &mut World, change: impl FnOnce(&mut Connect<'static>)) -> Client {
    let (subscriber, _) = world.connect_with("s", |connect| {
        packets::lasting(connect);
        change(connect);
    });
    world.subscribe(subscriber, "t", QoS::ExactlyOnce);
    subscriber
}

fn publish_all(world: &mut World, publisher: Client, payloads: &[&str]) {
    for payload in payloads {
        assert_eq!(world.publish(publisher, qos_2("t", payload)), Some(SUCCESS));
    }
}

/// The subscriber's side of an exchange after PUBLISH.
fn complete(world: &mut World, subscriber: Client, number: u16) {
    world.send(subscriber, pub_rec(id(number), SUCCESS));
    assert_eq!(world.next(subscriber), pub_rel(id(number), SUCCESS));
    world.send(subscriber, pub_comp(id(number), SUCCESS));
}

fn message(number: u16, payload: &'static str) -> Packet<'static> {
    Packet::Publish(Publish { packet_id: Some(id(number)), ..qos_2("t", payload) })
}

fn again(number: u16, payload: &'static str) -> Packet<'static> {
    Packet::Publish(Publish { dup: true, packet_id: Some(id(number)), ..qos_2("t", payload) })
}

#[test]
fn qos_is_the_lower_of_published_and_granted() {
    for (published, granted, expected) in [
        (QoS::ExactlyOnce, QoS::AtMostOnce, QoS::AtMostOnce),
        (QoS::ExactlyOnce, QoS::AtLeastOnce, QoS::AtLeastOnce),
        (QoS::AtLeastOnce, QoS::ExactlyOnce, QoS::AtLeastOnce),
        (QoS::AtMostOnce, QoS::ExactlyOnce, QoS::AtMostOnce),
        (QoS::ExactlyOnce, QoS::ExactlyOnce, QoS::ExactlyOnce),
    ] {
        let mut world = World::new();
        let (publisher, subscriber) = (world.connect("p"), world.connect("s"));
        world.subscribe(subscriber, "t", granted);
        world.publish(publisher, Publish { qos: published, ..qos_2("t", "x") });
        assert_eq!(world.message(subscriber).qos, expected);
    }
}

#[test]
fn the_exchange_has_four_packets() {
    let (mut world, publisher, subscriber) = world();
    publish_all(&mut world, publisher, &["x"]);
    assert_eq!(world.only(subscriber), message(1, "x"));
    world.send(subscriber, pub_rec(id(1), SUCCESS));
    assert_eq!(world.only(subscriber), pub_rel(id(1), SUCCESS));
    assert_eq!(world.broker.statistics().messages, 0, "the client has it");
    world.send(subscriber, pub_comp(id(1), SUCCESS));
    assert!(world.received(subscriber).is_empty());
    publish_all(&mut world, publisher, &["y"]);
    assert_eq!(world.only(subscriber), message(2, "y"));
}

#[test]
fn mqtt_3_1_1_has_the_same_exchange_without_reason_codes() {
    let mut world = World::new();
    let (publisher, subscriber) = (world.connect("p"), world.connect_3_1_1("s"));
    world.subscribe(subscriber, "t", QoS::ExactlyOnce);
    world.set_reads(subscriber, false);
    publish_all(&mut world, publisher, &["x"]);
    world.send(subscriber, pub_rec(id(1), SUCCESS));
    world.send(subscriber, pub_rec(id(9), SUCCESS));
    let expected = [0x34, 6, 0, 1, b't', 0, 1, b'x', 0x62, 2, 0, 1, 0x62, 2, 0, 9];
    assert_eq!(world.connection(subscriber).outgoing(), expected);
}

#[test]
fn what_was_in_flight_is_taken_up_where_it_stood_in_the_order_of_sending() {
    let (mut world, publisher, lost) = world();
    publish_all(&mut world, publisher, &["1", "2", "3"]);
    world.publish(publisher, qos_1("t", "4"));
    publish_all(&mut world, publisher, &["5"]);
    world.received(lost);
    complete(&mut world, lost, 1);
    world.send(lost, pub_rec(id(2), SUCCESS));
    world.lose(lost);
    publish_all(&mut world, publisher, &["6"]);
    for _ in 0..2 {
        let (back, _) = world.resume("s");
        let qos_1_again = Publish { dup: true, packet_id: Some(id(4)), ..qos_1("t", "4") };
        let received = world.received(back);
        let expected = [pub_rel(id(2), SUCCESS), again(3, "3"), Packet::Publish(qos_1_again), again(5, "5")];
        assert_eq!(received[..4], expected);
        assert!(matches!(received[4], Packet::Publish(Publish { payload: b"6", .. })));
        world.lose(back);
    }
    let (back, _) = world.resume("s");
    world.received(back);
    world.send(back, pub_comp(id(2), SUCCESS));
    world.ack(back, Some(id(4)));
    for number in [3, 5, 6] {
        complete(&mut world, back, number);
    }
    world.lose(back);
    let (back, _) = world.resume("s");
    assert!(world.received(back).is_empty());
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn an_identifier_stays_in_use_until_pubcomp() {
    let (mut world, publisher, subscriber) = world();
    publish_all(&mut world, publisher, &["first"]);
    world.send(subscriber, pub_rec(id(1), SUCCESS));
    world.received(subscriber);
    for number in 2..=u16::MAX {
        world.send(publisher, Packet::Publish(Publish { packet_id: Some(id(1)), ..qos_1("t", "x") }));
        assert_eq!(world.message(subscriber).packet_id, Some(id(number)));
        world.ack(subscriber, Some(id(number)));
    }
    world.received(publisher);
    publish_all(&mut world, publisher, &["waits"]);
    assert!(world.received(subscriber).is_empty(), "no identifier is free");
    world.send(subscriber, pub_comp(id(1), SUCCESS));
    assert_eq!(world.only(subscriber), message(1, "waits"));
}

#[test]
fn the_receive_maximum_counts_until_pubcomp() {
    let mut world = World::new();
    let publisher = world.connect("p");
    let receive_two = |connect: &mut Connect<'_>| connect.properties.receive_maximum = NonZeroU16::new(2);
    let subscriber = subscribe(&mut world, receive_two);
    publish_all(&mut world, publisher, &["1", "2", "3", "4"]);
    assert_eq!(world.received(subscriber), [message(1, "1"), message(2, "2")]);
    world.send(subscriber, pub_rec(id(1), SUCCESS));
    assert_eq!(world.only(subscriber), pub_rel(id(1), SUCCESS), "no room yet");
    world.send(subscriber, pub_comp(id(1), SUCCESS));
    assert_eq!(world.only(subscriber), message(3, "3"));
    world.send(subscriber, pub_rec(id(2), ReasonCode::QuotaExceeded));
    assert_eq!(world.only(subscriber), message(4, "4"), "a refusal makes room, and has no PUBREL");
}

#[test]
fn pubrel_goes_out_again_without_room() {
    let (mut world, publisher, lost) = world();
    publish_all(&mut world, publisher, &["1", "2", "3", "4", "5"]);
    for number in [1, 2, 5] {
        world.send(lost, pub_rec(id(number), SUCCESS));
    }
    world.lose(lost);
    let (back, _) = world.connect_with("s", |connect| {
        packets::lasting(connect);
        connect.properties.receive_maximum = NonZeroU16::new(1);
    });
    assert_eq!(world.received(back), [1, 2, 5].map(|number| pub_rel(id(number), SUCCESS)));
    world.send(back, pub_comp(id(1), SUCCESS));
    assert!(world.received(back).is_empty());
    world.send(back, pub_comp(id(2), SUCCESS));
    assert_eq!(world.only(back), again(3, "3"));
    complete(&mut world, back, 3);
    assert_eq!(world.only(back), again(4, "4"));
    world.send(back, pub_comp(id(5), SUCCESS));
    complete(&mut world, back, 4);
    publish_all(&mut world, publisher, &["6"]);
    assert_eq!(world.only(back), message(6, "6"));
}

#[test]
fn a_late_pubrec_spares_the_resending_and_is_answered_at_once() {
    let (mut world, publisher, lost) = world();
    publish_all(&mut world, publisher, &["1", "2", "3", "4"]);
    world.lose(lost);
    let (back, _) = world.connect_with("s", |connect| {
        packets::lasting(connect);
        connect.properties.receive_maximum = NonZeroU16::new(1);
    });
    assert_eq!(world.only(back), again(1, "1"));
    world.send(back, pub_rec(id(3), SUCCESS));
    world.send(back, pub_rec(id(4), ReasonCode::UnspecifiedError));
    assert_eq!(world.only(back), pub_rel(id(3), SUCCESS));
    complete(&mut world, back, 1);
    assert_eq!(world.only(back), again(2, "2"), "3 is not released a second time");
    complete(&mut world, back, 2);
    publish_all(&mut world, publisher, &["5"]);
    assert!(world.received(back).is_empty(), "3 takes the room");
    world.send(back, pub_comp(id(3), SUCCESS));
    assert_eq!(world.only(back), message(5, "5"));
    complete(&mut world, back, 5);
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn a_refusal_ends_the_exchange_and_is_counted() {
    let (mut world, publisher, subscriber) = world();
    publish_all(&mut world, publisher, &["1", "2"]);
    world.publish(publisher, qos_1("t", "3"));
    world.received(subscriber);
    world.send(subscriber, pub_rec(id(1), ReasonCode::NotAuthorized));
    world.send(subscriber, pub_ack(id(3), ReasonCode::QuotaExceeded));
    assert!(world.received(subscriber).is_empty());
    let statistics = world.broker.statistics();
    assert_eq!((statistics.dropped.by_client, statistics.messages), (2, 1));
    world.lose(subscriber);
    let (back, _) = world.resume("s");
    assert_eq!(world.only(back), again(2, "2"));
}

#[test]
fn acknowledgements_of_nothing_are_answered_where_an_answer_is_due() {
    let (mut world, _, subscriber) = world();
    world.send(subscriber, pub_rec(id(7), SUCCESS));
    assert_eq!(world.only(subscriber), pub_rel(id(7), ReasonCode::PacketIdentifierNotFound));
    world.send(subscriber, pub_rec(id(7), ReasonCode::UnspecifiedError));
    world.send(subscriber, pub_comp(id(7), SUCCESS));
    world.send(subscriber, pub_comp(id(7), ReasonCode::PacketIdentifierNotFound));
    world.send(subscriber, pub_ack(id(7), SUCCESS));
    assert!(world.received(subscriber).is_empty() && !world.is_closed(subscriber));
}

#[test]
fn a_repeated_pubrec_is_answered_again() {
    let (mut world, publisher, subscriber) = world();
    publish_all(&mut world, publisher, &["x"]);
    world.received(subscriber);
    world.send(subscriber, pub_rec(id(1), SUCCESS));
    world.send(subscriber, pub_rec(id(1), SUCCESS));
    assert_eq!(world.received(subscriber), [pub_rel(id(1), SUCCESS), pub_rel(id(1), SUCCESS)]);
    world.send(subscriber, pub_comp(id(1), SUCCESS));
    world.send(subscriber, pub_comp(id(1), SUCCESS));
    assert!(world.received(subscriber).is_empty() && !world.is_closed(subscriber));
}

#[test]
fn acknowledgements_of_the_wrong_kind_are_protocol_errors_and_free_nothing() {
    let is_released = [false, true];
    for (wrong, qos, is_released) in [
        (pub_ack(id(1), SUCCESS), QoS::ExactlyOnce, is_released[0]),
        (pub_ack(id(1), SUCCESS), QoS::ExactlyOnce, is_released[1]),
        (pub_comp(id(1), SUCCESS), QoS::ExactlyOnce, is_released[0]),
        (pub_rec(id(1), SUCCESS), QoS::AtLeastOnce, is_released[0]),
        (pub_rec(id(1), ReasonCode::UnspecifiedError), QoS::AtLeastOnce, is_released[0]),
        (pub_comp(id(1), SUCCESS), QoS::AtLeastOnce, is_released[0]),
    ] {
        for version in [ProtocolVersion::V5, ProtocolVersion::V3_1_1] {
            let mut world = World::new();
            let publisher = world.connect("p");
            let connect = |connect: &mut Connect<'_>| match version {
                ProtocolVersion::V5 => packets::lasting(connect),
                ProtocolVersion::V3_1_1 => {
                    connect.version = version;
                    connect.clean_start = false;
                }
            };
            let (subscriber, _) = world.connect_with("s", connect);
            world.subscribe(subscriber, "t", QoS::ExactlyOnce);
            world.publish(publisher, Publish { qos, ..qos_2("t", "x") });
            if is_released {
                world.send(subscriber, pub_rec(id(1), SUCCESS));
            }
            world.received(subscriber);
            world.send(subscriber, wrong);
            // What 3.1.1 can't say in a PUBREC is no refusal there, and wrong all the same.
            match version {
                ProtocolVersion::V5 => world.assert_disconnected(subscriber, ReasonCode::ProtocolError),
                ProtocolVersion::V3_1_1 => assert!(world.is_closed(subscriber)),
            }
            let (back, _) = world.connect_with("s", connect);
            let expected = if is_released {
                pub_rel(id(1), SUCCESS)
            } else {
                Packet::Publish(Publish { dup: true, qos, packet_id: Some(id(1)), ..qos_2("t", "x") })
            };
            assert_eq!(world.only(back), expected, "{wrong:?}");
        }
    }
}

#[test]
fn what_is_too_large_for_the_resumed_connection_is_released() {
    let (mut world, publisher, lost) = world();
    let long = "x".repeat(1000);
    publish_all(&mut world, publisher, &[&long, "short"]);
    world.lose(lost);
    let (back, _) = world.connect_with("s", |connect| {
        packets::lasting(connect);
        connect.properties.maximum_packet_size = NonZeroU32::new(500);
    });
    assert_eq!(world.received(back), [pub_rel(id(1), SUCCESS), again(2, "short")]);
    world.send(back, pub_comp(id(1), ReasonCode::PacketIdentifierNotFound));
    complete(&mut world, back, 2);
    let statistics = world.broker.statistics();
    assert_eq!((statistics.dropped.too_large, statistics.messages), (1, 0));
    publish_all(&mut world, publisher, &[&long]);
    assert!(world.received(back).is_empty(), "a first sending is dropped, too");
    publish_all(&mut world, publisher, &["y"]);
    assert_eq!(world.only(back), message(3, "y"), "and takes no identifier");
}

#[test]
fn what_expires_in_flight_is_completed() {
    let (mut world, publisher, lost) = world();
    let properties =
        PublishProperties { message_expiry_interval_s: Some(10), ..PublishProperties::default() };
    world.publish(publisher, Publish { properties, ..qos_2("t", "x") });
    world.lose(lost);
    world.publish(publisher, Publish { properties, ..qos_2("t", "never sent") });
    world.advance(Duration::from_secs(20));
    let (back, _) = world.resume("s");
    let again = world.message(back);
    assert_eq!((again.payload, again.dup, again.packet_id), (&b"x"[..], true, Some(id(1))));
    assert_eq!(again.properties.message_expiry_interval_s, Some(0));
    assert_eq!(world.broker.statistics().dropped.expired, 1);
}
