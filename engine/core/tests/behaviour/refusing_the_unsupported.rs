//! What CONNACK says that this broker does not do, done all the same.

use mayfly_wire::{
    Auth, AuthProperties, Packet, Publish, PublishProperties, QoS, ReasonCode, SubscriptionIdentifiers,
};

use crate::harness::World;
use crate::harness::packets::qos_0;

fn assert_refused(packet: Packet<'_>, reason: ReasonCode) {
    let mut world = World::new();
    let (client, witness) = (world.connect("a"), world.connect("w"));
    world.subscribe(witness, "#", QoS::AtMostOnce);
    world.send(client, packet);
    world.assert_disconnected(client, reason);
    assert!(world.received(witness).is_empty(), "nothing is routed");
    assert_eq!(world.broker.statistics().connections, 1);
}

#[test]
fn subscription_identifiers_from_a_client() {
    let properties = PublishProperties {
        subscription_identifiers: SubscriptionIdentifiers::from_slice(&[1]),
        ..PublishProperties::default()
    };
    assert_refused(Packet::Publish(Publish { properties, ..qos_0("t", "x") }), ReasonCode::ProtocolError);
}

#[test]
fn packets_that_only_servers_send() {
    let auth = Auth {
        reason: ReasonCode::ReAuthenticate,
        properties: AuthProperties { authentication_method: Some("x"), ..AuthProperties::default() },
    };
    assert_refused(Packet::Auth(auth), ReasonCode::ProtocolError);
    assert_refused(Packet::PingResp, ReasonCode::ProtocolError);
}

#[test]
fn mqtt_3_1_1_is_closed_without_words() {
    let mut world = World::new();
    let client = world.connect_3_1_1("a");
    world.send(client, Packet::PingResp);
    assert!(world.received(client).is_empty() && world.is_closed(client));
}
