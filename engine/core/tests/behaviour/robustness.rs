//! Random and mutated bytes: nothing panics, and no other connection is disturbed.

use std::time::Duration;

use mayfly_core::REQUEST_TOPIC;
use mayfly_wire::{
    AckProperties, Packet, ProtocolVersion, PubAck, Publish, PublishProperties, QoS, ReasonCode,
    UserProperties,
};
use proptest::prelude::*;

use crate::harness::packets::{self, id, qos_1};
use crate::harness::{World, store::Request};

/// Packets that a client may send, as bytes of MQTT 5.
fn valid_packets() -> Vec<Vec<u8>> {
    let subscriptions =
        [packets::subscription("#", QoS::AtLeastOnce), packets::subscription("a/+/b", QoS::AtMostOnce)];
    let filters = [packets::filter("#")];
    let mut connect = packets::connect("fuzz");
    connect.keep_alive_s = 5;
    connect.will = Some(packets::will("w"));
    packets::lasting(&mut connect);
    let mut old = packets::connect("fuzz");
    old.version = ProtocolVersion::V3_1_1;
    let pairs = [("__ts", "1:0:c"), ("__ft", "1:0:c")];
    let properties = PublishProperties {
        message_expiry_interval_s: Some(10),
        response_topic: Some(packets::topic("a/r/b")),
        correlation_data: Some(b"1234"),
        user_properties: UserProperties::from_pairs(&pairs),
        ..PublishProperties::default()
    };
    let commands: [&[&[u8]]; 5] = [
        &[b"SET", b"k", b"v", b"NX", b"PX", b"5"],
        &[b"GET", b"k"],
        &[b"VDEL", b"k", b"v"],
        &[b"KEYNOTIFY", b"k"],
        &[b"KEYNOTIFY", b"k", b"STOP"],
    ];
    let payloads = commands.map(|items| Request::new(items).payload);
    let requests = payloads.iter().map(|payload| {
        Packet::Publish(Publish { packet_id: Some(id(5)), properties, payload, ..qos_1(REQUEST_TOPIC, "") })
    });
    let ack = PubAck { packet_id: id(1), reason: ReasonCode::Success, properties: AckProperties::default() };
    let packets = [
        Packet::Connect(connect),
        Packet::Connect(old),
        Packet::Publish(Publish { packet_id: Some(id(3)), properties, ..qos_1("a/x/b", "payload") }),
        packets::subscribe(id(1), &subscriptions),
        packets::unsubscribe(id(2), &filters),
        Packet::PubAck(ack),
        Packet::PingReq,
        packets::disconnect_with_expiry(9),
    ];
    let encode = |packet: Packet<'_>| {
        let mut bytes = Vec::new();
        packet.encode(ProtocolVersion::V5, &mut bytes).unwrap();
        bytes
    };
    packets.into_iter().chain(requests).map(encode).collect()
}

/// What one client sends at once: valid packets, some of their bytes changed, or bytes from anywhere.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let valid = prop::sample::select(valid_packets());
    let mutated = (valid.clone(), prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4))
        .prop_map(|(mut bytes, changes)| {
            for (index, byte) in changes {
                let position = index.index(bytes.len());
                bytes[position] = byte;
            }
            bytes
        });
    prop_oneof![4 => valid, 3 => mutated, 1 => prop::collection::vec(any::<u8>(), 0..40)]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn nothing_panics_and_nobody_else_is_disturbed(
        connections in prop::collection::vec(
            (any::<bool>(), any::<u8>(), prop::collection::vec(bytes(), 1..12)),
            1..8,
        ),
    ) {
        let mut world = World::new();
        let witness = world.store_client("witness");
        let connect = &valid_packets()[0];
        for (is_open, pause, sent) in connections {
            let client = world.accept();
            if is_open {
                world.send_bytes(client, connect);
            }
            for bytes in sent {
                world.set_reads(client, pause % 3 != 0);
                world.send_bytes(client, &bytes);
                world.advance(Duration::from_millis(u64::from(pause) * 10));
            }
            if pause % 2 == 0 {
                world.lose(client);
            }
            prop_assert_eq!(world.reply(witness, &[b"SET", b"mine", b"v"]), "+OK\r\n");
            prop_assert_eq!(world.reply(witness, &[b"GET", b"mine"]), "$1\r\nv\r\n");
            prop_assert!(!world.is_closed(witness));
        }
    }
}
