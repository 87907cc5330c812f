//! Any bytes as a stream of packets, in both versions: nothing panics, and what is accepted is written and
//! read again as the same packet.

#![no_main]

use libfuzzer_sys::fuzz_target;
use mayfly_wire::{Delivery, Packet, ProtocolVersion, PublishProperties, split_frame};

fuzz_target!(|stream: &[u8]| {
    for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
        let mut rest = stream;
        while let Ok(Some(frame)) = split_frame(rest, u32::MAX) {
            assert!(frame.len <= rest.len(), "a frame lies within the buffer");
            if let Ok(packet) = frame.decode(version) {
                again(&packet, version);
            }
            rest = &rest[frame.len..];
        }
    }
});

fn again(packet: &Packet<'_>, version: ProtocolVersion) {
    let version = if let Packet::Connect(connect) = packet { connect.version } else { version };
    let mut bytes = Vec::new();
    packet.encode(version, &mut bytes).expect("what was decoded has a form on the wire");
    let frame = split_frame(&bytes, u32::MAX).expect("our packets are valid").expect("our packets are whole");
    assert_eq!(frame.len, bytes.len());
    let read = frame.decode(version).expect("our packets are valid");
    assert_eq!(read, *packet);
    // Debug goes through every iterator.
    assert_eq!(format!("{read:?}"), format!("{packet:?}"));
    forwarded(packet);
}

/// A PUBLISH keeps its properties when a server forwards it.
fn forwarded(packet: &Packet<'_>) {
    let Packet::Publish(publish) = packet else { return };
    let mut properties = Vec::new();
    publish.properties.encode_forwarded(&mut properties);
    let identifiers: Vec<u32> = publish.properties.subscription_identifiers.iter().collect();
    let delivery = Delivery {
        dup: publish.dup,
        qos: publish.qos,
        retain: publish.retain,
        topic: publish.topic,
        packet_id: publish.packet_id,
        topic_alias: publish.properties.topic_alias,
        message_expiry_interval_s: publish.properties.message_expiry_interval_s,
        subscription_identifiers: &identifiers,
        forwarded_properties: &properties,
        payload: publish.payload,
    };
    let read: PublishProperties<'_> = delivery.properties().expect("forwarded properties are valid");
    assert_eq!(read, publish.properties);
    let mut bytes = Vec::new();
    delivery.encode(ProtocolVersion::V5, &mut bytes).expect("what was decoded has a form on the wire");
    assert_eq!(bytes.len(), delivery.encoded_len(ProtocolVersion::V5));
    let mut same = Vec::new();
    packet.encode(ProtocolVersion::V5, &mut same).expect("what was decoded has a form on the wire");
    assert_eq!(bytes, same);
}
