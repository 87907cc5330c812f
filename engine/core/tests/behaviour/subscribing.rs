//! SUBSCRIBE and UNSUBSCRIBE: what is granted, what matches.

use mayfly_wire::{Packet, QoS, ReasonCode, SubAck, Subscription, SubscriptionOptions, UnsubAck};

use crate::harness::packets::{self, id, qos_0, qos_1, subscription};
use crate::harness::{Client, World};

fn no_local(filter: &str, qos: QoS) -> Subscription<'_> {
    let plain = subscription(filter, qos);
    Subscription { options: SubscriptionOptions { no_local: true, ..plain.options }, ..plain }
}

fn sub_ack(packet: &Packet<'static>) -> &'static [u8] {
    match packet {
        Packet::SubAck(SubAck { reasons, .. }) => reasons,
        other => panic!("expected SUBACK, got {other:?}"),
    }
}

fn unsubscribe(world: &mut World, client: Client, filters: &[&str]) -> &'static [u8] {
    let filters: Vec<_> = filters.iter().map(|text| packets::filter(text)).collect();
    world.send(client, packets::unsubscribe(id(77), &filters));
    match world.only(client) {
        Packet::UnsubAck(UnsubAck { packet_id, reasons, .. }) if packet_id == id(77) => reasons,
        other => panic!("expected UNSUBACK, got {other:?}"),
    }
}

#[test]
fn each_filter_gets_a_reason_code_in_order() {
    let mut world = World::new();
    let client = world.connect("a");
    let filters = [
        subscription("a", QoS::AtMostOnce),
        subscription("$share/group/a", QoS::AtLeastOnce),
        subscription("b/#", QoS::AtLeastOnce),
        subscription("c", QoS::ExactlyOnce),
    ];
    world.send(client, packets::subscribe(id(1), &filters));
    assert_eq!(sub_ack(&world.only(client)), [0x00, 0x01, 0x01, 0x02]);
}

#[test]
fn mqtt_3_1_1_has_one_code_for_all_failures() {
    let mut world = World::with_limits(|limits| limits.max_wildcard_levels = 0);
    let client = world.connect_3_1_1("a");
    let filters = [subscription("+", QoS::AtLeastOnce), subscription("b", QoS::AtLeastOnce)];
    world.send(client, packets::subscribe(id(1), &filters));
    assert_eq!(sub_ack(&world.only(client)), [0x80, 0x01]);
}

#[test]
fn wildcards_match_levels() {
    for (filter, topic, matches) in [
        ("a/+/c", "a/b/c", true),
        ("a/+/c", "a//c", true),
        ("a/+/c", "a/b/d/c", false),
        ("a/+", "a", false),
        ("a/+", "a/", true),
        ("+", "a", true),
        ("+", "/a", false),
        ("+/+", "/a", true),
        ("a/#", "a", true),
        ("a/#", "a/b/c", true),
        ("a/#", "ab", false),
        ("#", "a/b/c", true),
        ("#", "$own/a", false),
        ("+/a", "$own/a", false),
        ("$own/#", "$own/a", true),
        ("a/b", "a/b", true),
        ("a/b", "A/b", false),
    ] {
        let mut world = World::new();
        let client = world.connect("a");
        world.subscribe(client, filter, QoS::AtMostOnce);
        world.publish(client, qos_0(topic, "x"));
        assert_eq!(world.messages(client).len(), usize::from(matches), "{filter} {topic}");
    }
}

#[test]
fn overlapping_subscriptions_bring_one_message_with_the_highest_qos() {
    let mut world = World::new();
    let client = world.connect("a");
    for (filter, qos) in [("a/b", QoS::AtMostOnce), ("a/#", QoS::AtLeastOnce), ("+/b", QoS::AtMostOnce)] {
        world.subscribe(client, filter, qos);
    }
    world.publish(client, qos_1("a/b", "once"));
    assert_eq!(world.message(client).qos, QoS::AtLeastOnce);
}

#[test]
fn no_local_spares_the_publisher_and_nobody_else() {
    let mut world = World::new();
    let (client, other) = (world.connect("a"), world.connect("b"));
    for client in [client, other] {
        world.send(client, packets::subscribe(id(1), &[no_local("t", QoS::AtMostOnce)]));
        world.received(client);
    }
    assert_eq!(world.publish(client, qos_1("t", "x")), Some(ReasonCode::Success));
    assert!(world.received(client).is_empty());
    assert_eq!(world.payloads(other), ["x"]);
}

#[test]
fn no_local_counts_for_its_own_filter_only() {
    let mut world = World::new();
    let client = world.connect("a");
    let filters = [no_local("t", QoS::AtMostOnce), subscription("#", QoS::AtMostOnce)];
    world.send(client, packets::subscribe(id(1), &filters));
    world.received(client);
    world.publish(client, qos_0("t", "x"));
    assert_eq!(world.payloads(client), ["x"]);
}

#[test]
fn subscribing_again_replaces_the_options() {
    let mut world = World::new();
    let client = world.connect("a");
    world.subscribe(client, "t", QoS::AtLeastOnce);
    world.subscribe(client, "t", QoS::AtMostOnce);
    world.publish(client, qos_1("t", "x"));
    assert_eq!(world.message(client).qos, QoS::AtMostOnce);
}

#[test]
fn unsubscribing_ends_what_existed_and_says_what_did_not() {
    let mut world = World::new();
    let client = world.connect("a");
    world.subscribe(client, "a/+", QoS::AtMostOnce);
    world.subscribe(client, "b", QoS::AtMostOnce);
    assert_eq!(unsubscribe(&mut world, client, &["a/+", "c", "a/+"]), [0x00, 0x11, 0x11]);
    world.publish(client, qos_0("a/x", "gone"));
    world.publish(client, qos_0("b", "still"));
    assert_eq!(world.payloads(client), ["still"]);
}

#[test]
fn unsuback_of_3_1_1_has_no_payload() {
    let mut world = World::new();
    let client = world.connect_3_1_1("a");
    world.subscribe(client, "b", QoS::AtMostOnce);
    assert!(unsubscribe(&mut world, client, &["b", "c"]).is_empty());
    world.publish(client, qos_0("b", "x"));
    assert!(world.received(client).is_empty());
}

#[test]
fn the_number_of_subscriptions_is_bounded() {
    let mut world = World::with_limits(|limits| limits.max_subscriptions = 2);
    let client = world.connect("a");
    world.subscribe(client, "a", QoS::AtMostOnce);
    world.subscribe(client, "b", QoS::AtMostOnce);
    let refused = ReasonCode::QuotaExceeded as u8;
    assert_eq!(world.ask_subscribe(client, "c", QoS::AtMostOnce), refused);
    assert_eq!(world.ask_subscribe(client, "a", QoS::AtLeastOnce), 1, "a replacement needs no room");
    world.publish(client, qos_0("c", "x"));
    assert!(world.received(client).is_empty());
}

#[test]
fn the_levels_of_wildcard_filters_are_bounded_together() {
    let mut world = World::with_limits(|limits| limits.max_wildcard_levels = 7);
    let client = world.connect("a");
    let refused = ReasonCode::QuotaExceeded as u8;
    world.subscribe(client, "a/+/#", QoS::AtMostOnce);
    world.subscribe(client, "$share/g/b/+", QoS::AtMostOnce);
    assert_eq!(world.ask_subscribe(client, "+/b/c", QoS::AtMostOnce), refused);
    world.subscribe(client, "+/b", QoS::AtMostOnce);
    assert_eq!(world.ask_subscribe(client, "#", QoS::AtMostOnce), refused);
    assert_eq!(world.ask_subscribe(client, "a/+/#", QoS::AtLeastOnce), 1, "a replacement needs no room");
    let deep = vec!["x"; 1000].join("/");
    assert_eq!(world.ask_subscribe(client, &deep, QoS::AtMostOnce), 0, "without wildcards it is flat");
    assert_eq!(unsubscribe(&mut world, client, &["$share/g/b/+", &deep]), [0, 0]);
    assert_eq!(world.ask_subscribe(client, "+/b/c", QoS::AtMostOnce), refused);
    world.subscribe(client, "b/+", QoS::AtMostOnce);
    let other = world.connect("b");
    world.subscribe(other, "1/2/3/4/5/6/#", QoS::AtMostOnce);
}
