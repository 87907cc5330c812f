//! The packet that all codec benchmarks measure: a PUBLISH of QoS 1 as a request to the state store has it.

use std::error::Error;

use bytes::BytesMut;
use mayfly_wire::{
    Delivery, Packet, PacketId, ProtocolVersion, Publish, PublishProperties, QoS, TopicName, UserProperties,
    split_frame,
};
use rumqttc_upstream::v5::mqttbytes::v5 as rumqttc;

pub(crate) const VERSION: ProtocolVersion = ProtocolVersion::V5;

const TOPIC: &str = "sensors/plant-07/line-2/temp-1";
const RESPONSE_TOPIC: &str = "clients/plant-07-line/replies";
const CORRELATION_DATA: [u8; 16] = *b"\x01\x90\x7F\x3C\x00\xFFq\x7A\x8B\x00\x9C\xAE\xFE\x10\x02\x7D";
const USER_PROPERTIES: [(&str, &str); 2] = [("__ts", "001696374425000:00000:client-0"), ("__protVer", "1.0")];
const PAYLOAD: [u8; 128] = [0x5A; 128];

/// The packet as our codec knows it.
pub(crate) fn ours() -> Result<Packet<'static>, Box<dyn Error>> {
    Ok(Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: TOPIC,
        packet_id: PacketId::new(4_711),
        properties: forwarded()?,
        payload: &PAYLOAD,
    }))
}

fn forwarded() -> Result<PublishProperties<'static>, Box<dyn Error>> {
    Ok(PublishProperties {
        response_topic: Some(TopicName::parse(RESPONSE_TOPIC)?),
        correlation_data: Some(&CORRELATION_DATA),
        user_properties: UserProperties::from_pairs(&USER_PROPERTIES),
        ..PublishProperties::default()
    })
}

/// The packet's bytes.
pub(crate) fn encoded() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    ours()?.encode(VERSION, &mut bytes)?;
    Ok(bytes)
}

/// The properties as a server that forwards the packet holds them.
pub(crate) fn encoded_properties() -> Result<Vec<u8>, Box<dyn Error>> {
    let mut bytes = Vec::new();
    forwarded()?.encode_forwarded(&mut bytes);
    Ok(bytes)
}

/// The packet as a server forwards it.
pub(crate) fn delivery(forwarded_properties: &[u8]) -> Delivery<'_> {
    Delivery {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: TOPIC,
        packet_id: PacketId::new(4_711),
        topic_alias: None,
        message_expiry_interval_s: None,
        subscription_identifiers: &[],
        forwarded_properties,
        payload: &PAYLOAD,
    }
}

/// The packet as rumqttc's codec knows it, read from our bytes.
pub(crate) fn theirs() -> Result<rumqttc::Packet, Box<dyn Error>> {
    Ok(rumqttc::Packet::read(&mut BytesMut::from(&encoded()?[..]), None)?)
}

/// Reads all packets of `stream` with our codec, from the fixed header on, as a server does.
pub(crate) fn decode_ours<'a>(mut stream: &'a [u8], mut each: impl FnMut(&Packet<'a>)) {
    while let Ok(Some(frame)) = split_frame(stream, u32::MAX) {
        match frame.decode(VERSION) {
            Ok(packet) => each(&packet),
            Err(error) => panic!("our codec refuses the packet: {error}"),
        }
        stream = &stream[frame.len..];
    }
}

/// Reads all packets of `stream` with rumqttc's codec.
pub(crate) fn decode_theirs(mut stream: BytesMut, mut each: impl FnMut(&rumqttc::Packet)) {
    while !stream.is_empty() {
        match rumqttc::Packet::read(&mut stream, None) {
            Ok(packet) => each(&packet),
            Err(error) => panic!("rumqttc's codec refuses the packet: {error}"),
        }
    }
}
