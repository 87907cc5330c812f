//! Messages of the server itself, and the topics that are its own.

use mayfly_core::Input;
use mayfly_wire::{Packet, Publish, QoS, ReasonCode};

use crate::harness::World;
use crate::harness::packets::{self, id, qos_0, qos_1, retained};

#[test]
fn they_go_to_their_subscribers_and_are_retained() {
    let mut world = World::new();
    let (early, everything) = (world.connect("a"), world.connect("b"));
    world.subscribe(early, "$SYS/#", QoS::AtLeastOnce);
    world.subscribe(everything, "#", QoS::AtMostOnce);
    world.handle(&Input::Publish(retained(qos_0("$SYS/broker/uptime", "1"))));
    let uptime = Publish { packet_id: Some(id(1)), ..retained(qos_1("$SYS/broker/uptime", "2")) };
    world.handle(&Input::Publish(uptime));
    let messages = world.messages(early);
    let told: Vec<_> =
        messages.iter().map(|message| (message.payload, message.qos, message.retain)).collect();
    assert_eq!(told, [(&b"1"[..], QoS::AtMostOnce, false), (&b"2"[..], QoS::AtLeastOnce, false)]);
    assert!(world.received(everything).is_empty(), "it begins with `$`");
    let late = world.connect("c");
    world.send(late, packets::subscribe(id(1), &[packets::subscription("$SYS/+/uptime", QoS::AtMostOnce)]));
    world.next(late);
    assert_eq!(world.payloads(late), ["2"]);
}

#[test]
fn one_without_a_topic_is_ignored() {
    let mut world = World::new();
    let client = world.connect("a");
    world.subscribe(client, "#", QoS::AtMostOnce);
    world.handle(&Input::Publish(retained(qos_0("", "x"))));
    assert!(world.received(client).is_empty());
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn clients_may_not_publish_there() {
    let mut world = World::new();
    let (client, old, witness) = (world.connect("a"), world.connect_3_1_1("b"), world.connect("c"));
    world.subscribe(witness, "$SYS/#", QoS::AtMostOnce);
    for topic in ["$SYS", "$SYS/broker/uptime"] {
        assert_eq!(world.publish(client, retained(qos_1(topic, "x"))), Some(ReasonCode::NotAuthorized));
        world.publish(client, retained(qos_0(topic, "x")));
        let publish = Publish { packet_id: Some(id(9)), ..retained(qos_1(topic, "x")) };
        world.send(old, Packet::Publish(publish));
        assert!(
            matches!(world.only(old), Packet::PubAck(ack) if ack.packet_id == id(9)),
            "3.1.1 has no words for it"
        );
    }
    assert!(world.received(witness).is_empty());
    assert_eq!(world.broker.statistics().retained_messages, 0);
    world.subscribe(witness, "$SYSTEM/#", QoS::AtMostOnce);
    world.publish(client, qos_0("$SYSTEM/x", "another root"));
    assert_eq!(world.payloads(witness), ["another root"]);
}
