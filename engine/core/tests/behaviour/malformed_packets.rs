//! Malformed packets close the connection that they came on, with the right words, and no other.

use mayfly_core::{ConnectionConfig, Limits};
use mayfly_wire::{Packet, QoS, ReasonCode};

use crate::harness::World;
use crate::harness::packets::{disconnect, qos_0};

#[test]
fn each_closes_its_own_connection_only() {
    for (bytes, reason) in [
        (&[0x00, 0x00][..], ReasonCode::MalformedPacket),
        (&[0x36, 0x00], ReasonCode::MalformedPacket),
        (&[0xC1, 0x00], ReasonCode::MalformedPacket),
        (&[0xC0, 0x01, 0x00], ReasonCode::MalformedPacket),
        (&[0x30, 0x80, 0x80, 0x80, 0x80], ReasonCode::MalformedPacket),
        (&[0x30, 0x04, 0, 1, 0xFF, 0], ReasonCode::MalformedPacket),
        (&[0x30, 0x04, 0, 1, b'#', 0], ReasonCode::MalformedPacket),
        (&[0x30, 0x03, 0, 0, 0], ReasonCode::ProtocolError),
        (&[0x32, 0x06, 0, 1, b't', 0, 0, 0], ReasonCode::ProtocolError),
        (&[0x82, 0x03, 0, 1, 0], ReasonCode::ProtocolError),
        (&[0x82, 0x08, 0, 1, 0, 0, 2, b'a', b'#', 0], ReasonCode::MalformedPacket),
        (&[0x82, 0x07, 0, 1, 0, 0, 1, b'a', 0xC0], ReasonCode::MalformedPacket),
        (&[0x40, 0x03, 0, 1, 0x55], ReasonCode::ProtocolError),
    ] {
        let mut world = World::new();
        let (client, witness) = (world.connect("a"), world.connect("w"));
        world.subscribe(witness, "#", QoS::AtMostOnce);
        world.send_bytes(client, bytes);
        assert_eq!(world.received(client), [disconnect(reason)], "{bytes:x?}");
        assert!(world.is_closed(client));
        let other = world.connect("other");
        world.publish(other, qos_0("t", "alive"));
        assert_eq!(world.payloads(witness), ["alive"]);
    }
}

#[test]
fn too_large_a_packet_is_refused_at_its_length() {
    let config = ConnectionConfig {
        max_packet_size: std::num::NonZeroU32::new(200).unwrap(),
        ..ConnectionConfig::default()
    };
    let mut world = World::with(config, Limits::default());
    let client = world.connect("a");
    world.send_bytes(client, &[0x30, 0xC7, 0x01]);
    world.assert_disconnected(client, ReasonCode::PacketTooLarge);
}

#[test]
fn packets_before_the_malformed_one_count() {
    let mut world = World::new();
    let (client, witness) = (world.connect("a"), world.connect("w"));
    world.subscribe(witness, "#", QoS::AtMostOnce);
    let mut bytes = Vec::new();
    let good = Packet::Publish(qos_0("t", "good"));
    good.encode(mayfly_wire::ProtocolVersion::V5, &mut bytes).unwrap();
    bytes.extend_from_slice(&[0xFF, 0xFF]);
    good.encode(mayfly_wire::ProtocolVersion::V5, &mut bytes).unwrap();
    world.send_bytes(client, &bytes);
    assert_eq!(world.payloads(witness), ["good"]);
    world.assert_disconnected(client, ReasonCode::MalformedPacket);
}

#[test]
fn mqtt_3_1_1_is_closed_without_words() {
    let mut world = World::new();
    let client = world.connect_3_1_1("a");
    world.send_bytes(client, &[0xF0, 0x00]);
    assert!(world.received(client).is_empty() && world.is_closed(client));
}
