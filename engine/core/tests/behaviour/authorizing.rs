//! What no rule allows is denied, and how the client is told.

use mayfly_core::{Input, RuleSet};
use mayfly_wire::{Packet, ProtocolVersion, QoS, ReasonCode, SubAck};

use crate::harness::packets::{self, id, lasting, qos_0, qos_1, subscription, will};
use crate::harness::rules::{everyone, user};
use crate::harness::{Client, World};

const NOT_AUTHORIZED: ReasonCode = ReasonCode::NotAuthorized;

fn assert_refused(world: &mut World, client: Client) {
    assert_eq!(world.conn_ack(client).reason, NOT_AUTHORIZED);
    assert!(world.received(client).is_empty());
    assert!(world.is_closed(client));
}

#[test]
fn without_a_policy_everything_is_allowed() {
    let mut world = World::new();
    world.set_rules([]);
    let client = world.connect("a");
    world.subscribe(client, "#", QoS::AtMostOnce);
    world.publish(client, qos_0("t", "x"));
    assert_eq!(world.payloads(client), ["x"]);
}

#[test]
fn a_policy_that_does_not_exist_allows_nothing() {
    let mut world = World::ruled([everyone().connect()]);
    world.handle(&Input::Rules(RuleSet::default().as_rules()));
    let client = world.open(packets::connect("a"));
    assert_refused(&mut world, client);
    assert_eq!(world.broker.statistics().sessions, 0);
    assert_eq!(world.broker.statistics().denied_connections, 1);
}

#[test]
fn connecting_is_allowed_by_client_identifier() {
    let mut world = World::ruled([everyone().connect_as("{principal.attributes.building}-*")]);
    world.come_as(None, &[("building", "17")]);
    world.connect("17-a");
    for client_id in ["18-a", "17", "*-a"] {
        let client = world.open(packets::connect(client_id));
        assert_refused(&mut world, client);
    }
}

#[test]
fn an_assigned_client_identifier_counts_like_any_other() {
    let mut world = World::ruled([everyone().connect_as("mayfly-*")]);
    world.connect("");
    let mut world = World::ruled([everyone().connect_as("a*")]);
    let client = world.open(packets::connect(""));
    assert_refused(&mut world, client);
}

#[test]
fn mqtt_3_1_1_is_told_by_return_code() {
    let mut world = World::ruled([]);
    let connect = mayfly_wire::Connect { version: ProtocolVersion::V3_1_1, ..packets::connect("a") };
    let client = world.accept();
    let mut bytes = Vec::new();
    Packet::Connect(connect).encode(ProtocolVersion::V3_1_1, &mut bytes).unwrap();
    world.send_bytes(client, &bytes);
    // Return code 5: not authorized [MQTT-3.2.2.3 of 3.1.1].
    let mut ack = Vec::new();
    world.next(client).encode(ProtocolVersion::V3_1_1, &mut ack).unwrap();
    assert_eq!(ack, [0x20, 2, 0, 5]);
}

#[test]
fn whoever_may_not_connect_takes_nothing_over() {
    let mut world = World::ruled([user("owner").connect()]);
    world.come_as(Some("owner"), &[]);
    let (owner, _) = world.connect_with("a", lasting);
    world.come_as(Some("thief"), &[]);
    let thief = world.open(packets::connect("a"));
    assert_refused(&mut world, thief);
    assert!(!world.is_closed(owner));
    world.lose(owner);
    world.come_as(Some("owner"), &[]);
    assert!(world.resume("a").1.session_present);
}

#[test]
fn a_will_needs_the_permission_to_publish_it() {
    let mut world = World::ruled([everyone().connect().publish(&["wills/{principal.clientId}"])]);
    let mut connect = packets::connect("a");
    connect.will = Some(will("wills/b"));
    let client = world.open(connect);
    assert_refused(&mut world, client);
    connect.will = Some(will("wills/a"));
    let client = world.open(connect);
    assert_eq!(world.conn_ack(client).reason, ReasonCode::Success);
}

#[test]
fn a_denied_message_goes_nowhere() {
    let mut world = World::ruled([everyone().connect().publish(&["a/+"]).subscribe(&["#"])]);
    let client = world.connect("a");
    world.subscribe(client, "#", QoS::AtLeastOnce);
    assert_eq!(world.publish(client, qos_1("b", "x")), Some(NOT_AUTHORIZED));
    assert_eq!(world.publish(client, qos_0("a/b/c", "x")), None);
    assert!(world.received(client).is_empty());
    assert_eq!(world.broker.statistics().denied_publications, 2);
    world.publish(client, qos_0("a/b", "y"));
    assert_eq!(world.payloads(client), ["y"]);
}

#[test]
fn mqtt_3_1_1_gets_a_plain_puback_for_a_denied_message() {
    let mut world = World::ruled([everyone().connect().subscribe(&["#"])]);
    let client = world.connect_3_1_1("a");
    world.subscribe(client, "#", QoS::AtMostOnce);
    assert_eq!(world.publish(client, qos_1("t", "x")), Some(ReasonCode::Success));
    assert!(world.received(client).is_empty());
    assert_eq!(world.broker.statistics().denied_publications, 1);
}

#[test]
fn a_denied_message_of_qos_2_ends_with_its_refusal() {
    let mut world = World::ruled([everyone().connect().subscribe(&["#"])]);
    let (client, old) = (world.connect("a"), world.connect_3_1_1("b"));
    world.subscribe(client, "#", QoS::AtMostOnce);
    let message = packets::qos_2("t", "x");
    assert_eq!(world.publish(client, message), Some(NOT_AUTHORIZED));
    // The exchange of 3.1.1 can't say so, and goes on to its end.
    assert_eq!(world.publish(old, message), Some(ReasonCode::Success));
    world.send(old, packets::pub_rel(id(1), ReasonCode::Success));
    assert!(matches!(world.only(old), Packet::PubComp(_)));
    assert!(world.received(client).is_empty());
    assert_eq!(world.broker.statistics().denied_publications, 2);
}

#[test]
fn each_filter_is_allowed_or_denied() {
    let rules = || [everyone().connect().subscribe(&["a/+", "own/{principal.clientId}/#"])];
    let filters = ["a/b", "a/+", "a/#", "#", "own/a/#", "own/+/x", "own/b/#"];
    let filters = filters.map(|filter| subscription(filter, QoS::AtMostOnce));
    let ask = |world: &mut World, client| {
        world.send(client, packets::subscribe(id(1), &filters));
        match world.only(client) {
            Packet::SubAck(SubAck { reasons, .. }) => reasons.to_vec(),
            other => panic!("expected SUBACK, got {other:?}"),
        }
    };
    let mut world = World::ruled(rules());
    let client = world.connect("a");
    assert_eq!(ask(&mut world, client), [0, 0, 0x87, 0x87, 0, 0x87, 0x87]);
    assert_eq!(world.broker.statistics().denied_subscriptions, 4);
    let mut world = World::ruled(rules());
    let client = world.connect_3_1_1("a");
    assert_eq!(ask(&mut world, client), [0, 0, 0x80, 0x80, 0, 0x80, 0x80]);
}

#[test]
fn a_client_identifier_with_wildcards_opens_nothing() {
    let own = &["own/{principal.clientId}/#"];
    let mut world = World::ruled([everyone().connect().publish(own).subscribe(own)]);
    for client_id in ["+", "#", "a/b"] {
        let client = world.connect(client_id);
        for filter in ["own/+/#", "own/#", "own/a/b/#", "own/a/#"] {
            assert_eq!(
                world.ask_subscribe(client, filter, QoS::AtMostOnce),
                NOT_AUTHORIZED as u8,
                "{filter}"
            );
        }
        assert_eq!(world.publish(client, qos_1("own/a/b/x", "x")), Some(NOT_AUTHORIZED), "{client_id}");
    }
}

#[test]
fn a_rule_is_about_who_it_names() {
    let mut world = World::ruled([everyone().connect(), user("writer").publish(&["t"])]);
    let stranger = world.connect("writer");
    world.come_as(Some("writer"), &[]);
    let writer = world.connect("b");
    assert_eq!(world.publish(stranger, qos_1("t", "x")), Some(NOT_AUTHORIZED), "a client id is no user name");
    assert_eq!(world.publish(writer, qos_1("t", "x")), Some(ReasonCode::NoMatchingSubscribers));
}
