//! Words for people: Reason Strings, Response Information, and who is told what.

use std::num::NonZeroU32;

use mayfly_core::{ConnectionConfig, Limits};
use mayfly_wire::{
    ConnAck, ConnAckProperties, Disconnect, Packet, ProtocolVersion, Publish, PublishProperties, QoS,
    ReasonCode, UserProperties,
};

use crate::harness::packets::{self, id, qos_0};
use crate::harness::{Client, World};

fn talkative() -> World {
    let config =
        ConnectionConfig { reason_strings: true, checks_payload_format: true, ..ConnectionConfig::default() };
    World::with(config, Limits::default())
}

/// A message that is refused with its acknowledgement.
fn refused(qos: QoS) -> Packet<'static> {
    let properties =
        PublishProperties { payload_format_indicator: Some(true), ..PublishProperties::default() };
    Packet::Publish(Publish { qos, packet_id: Some(id(1)), properties, payload: &[0xFF], ..qos_0("t", "") })
}

fn only_disconnect(world: &mut World, client: Client) -> Disconnect<'static> {
    match world.only(client) {
        Packet::Disconnect(disconnect) => disconnect,
        other => panic!("expected DISCONNECT, got {other:?}"),
    }
}

#[test]
fn refusals_say_why() {
    let mut world = talkative();
    let client = world.connect("a");
    world.send_bytes(client, &[0x30, 3, 0, 0, 0]);
    let disconnect = only_disconnect(&mut world, client);
    assert_eq!(disconnect.reason, ReasonCode::ProtocolError);
    let words = disconnect.properties.reason_string.unwrap();
    assert!(words.contains("neither a topic name nor a Topic Alias"), "{words}");

    let mut connect = packets::connect("a");
    connect.properties.authentication_method = Some("x");
    let client = world.open(connect);
    let ack = world.conn_ack(client);
    assert_eq!(ack.reason, ReasonCode::BadAuthenticationMethod);
    assert!(ack.properties.reason_string.unwrap().contains("Authentication Method"));
}

#[test]
fn nobody_is_told_where_the_listener_does_not_want_it() {
    let mut world = World::new();
    let client = world.connect("a");
    world.send_bytes(client, &[0x30, 3, 0, 0, 0]);
    assert_eq!(only_disconnect(&mut world, client).properties.reason_string, None);
}

#[test]
fn words_that_make_a_packet_too_large_are_left_out() {
    let mut world = talkative();
    let (client, _) =
        world.connect_with("a", |connect| connect.properties.maximum_packet_size = NonZeroU32::new(60));
    world.send_bytes(client, &[0x30, 3, 0, 0, 0]);
    world.assert_disconnected(client, ReasonCode::ProtocolError);

    let mut connect = packets::connect("a");
    connect.properties.maximum_packet_size = NonZeroU32::new(5);
    connect.properties.authentication_method = Some("x");
    let client = world.open(connect);
    let ack = world.conn_ack(client);
    assert_eq!(
        (ack.reason, ack.properties),
        (ReasonCode::BadAuthenticationMethod, ConnAckProperties::default())
    );
}

/// [MQTT-3.1.2-29]
#[test]
fn a_client_that_asks_for_no_problem_information_gets_it_with_conn_ack_and_disconnect_only() {
    for (asked, is_told) in [(None, true), (Some(true), true), (Some(false), false)] {
        for qos in [QoS::AtLeastOnce, QoS::ExactlyOnce] {
            let mut world = talkative();
            let (client, _) = world.connect_with("a", |connect| {
                connect.properties.request_problem_information = asked;
            });
            world.send(client, refused(qos));
            let properties = match world.only(client) {
                Packet::PubAck(ack) => ack.properties,
                Packet::PubRec(ack) => ack.properties,
                other => panic!("expected an acknowledgement, got {other:?}"),
            };
            assert_eq!(properties.reason_string.is_some(), is_told, "{asked:?}");
            world.send_bytes(client, &[0x30, 3, 0, 0, 0]);
            assert!(only_disconnect(&mut world, client).properties.reason_string.is_some());
        }
    }
}

#[test]
fn messages_keep_their_user_properties_all_the_same() {
    let mut world = World::new();
    let (client, _) =
        world.connect_with("a", |connect| connect.properties.request_problem_information = Some(false));
    world.subscribe(client, "t", QoS::AtMostOnce);
    let pairs = [("a", "b")];
    let properties = PublishProperties {
        user_properties: UserProperties::from_pairs(&pairs),
        ..PublishProperties::default()
    };
    let publisher = world.connect("p");
    world.publish(publisher, Publish { properties, ..qos_0("t", "x") });
    assert_eq!(world.message(client).properties.user_properties.first("a"), Some("b"));
}

#[test]
fn response_information_is_for_those_who_ask() {
    let config =
        ConnectionConfig { response_information: Some("responses/".into()), ..ConnectionConfig::default() };
    let mut world = World::with(config, Limits::default());
    let mut told = |asked| -> ConnAck<'static> {
        world.connect_with("a", |connect| connect.properties.request_response_information = asked).1
    };
    assert_eq!(told(Some(true)).properties.response_information, Some("responses/"));
    assert_eq!(told(Some(false)).properties.response_information, None);
    assert_eq!(told(None).properties.response_information, None);
}

#[test]
fn mqtt_3_1_1_is_told_nothing() {
    let mut world = talkative();
    let client = world.connect_3_1_1("a");
    world.send_bytes(client, &[0xF0, 0x00]);
    assert!(world.received(client).is_empty() && world.is_closed(client));
    let mut connect = packets::connect(&*"x".repeat(2000).leak());
    connect.version = ProtocolVersion::V3_1_1;
    let client = world.open(connect);
    assert_eq!(world.conn_ack(client).reason, ReasonCode::ClientIdentifierNotValid);
}
