//! The sum of all packets, and the choice of encoding by packet type.

use crate::packet_type::{PacketType, publish_header};
use crate::sink::{Encode, Sink, encode_packet};
use crate::{
    Auth, ConnAck, Connect, Disconnect, EncodeError, ProtocolVersion, PubAck, PubComp, PubRec, PubRel,
    Publish, SubAck, Subscribe, UnsubAck, Unsubscribe,
};

/// Any MQTT control packet [MQTT 5, section 2.1.2], borrowed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Packet<'a> {
    /// A client's request for a connection.
    Connect(Connect<'a>),
    /// The answer to CONNECT.
    ConnAck(ConnAck<'a>),
    /// A message.
    Publish(Publish<'a>),
    /// The answer to a PUBLISH of QoS 1.
    PubAck(PubAck<'a>),
    /// The first answer to a PUBLISH of QoS 2.
    PubRec(PubRec<'a>),
    /// The answer to PUBREC.
    PubRel(PubRel<'a>),
    /// The answer to PUBREL.
    PubComp(PubComp<'a>),
    /// A request for subscriptions.
    Subscribe(Subscribe<'a>),
    /// The answer to SUBSCRIBE.
    SubAck(SubAck<'a>),
    /// A request to end subscriptions.
    Unsubscribe(Unsubscribe<'a>),
    /// The answer to UNSUBSCRIBE.
    UnsubAck(UnsubAck<'a>),
    /// The question whether the server is there.
    PingReq,
    /// The answer to PINGREQ.
    PingResp,
    /// The last packet of a connection.
    Disconnect(Disconnect<'a>),
    /// A step of an extended authentication.
    Auth(Auth<'a>),
}

impl Packet<'_> {
    /// Appends the packet as a connection that speaks `version` carries it; CONNECT says its own version. On
    /// an error `out` is as it was.
    ///
    /// MQTT 3.1.1 has no properties, and no reason codes but those of CONNACK and SUBACK; they are left out.
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let header = PacketType::header;
        match self {
            Self::Publish(packet) => {
                encode_packet(publish_header(packet.dup, packet.qos, packet.retain), packet, version, out)
            }
            Self::Connect(packet) => encode_packet(header(PacketType::Connect), packet, packet.version, out),
            Self::ConnAck(packet) => encode_packet(header(PacketType::ConnAck), packet, version, out),
            Self::PubAck(packet) => encode_packet(header(PacketType::PubAck), packet, version, out),
            Self::PubRec(packet) => encode_packet(header(PacketType::PubRec), packet, version, out),
            Self::PubRel(packet) => encode_packet(header(PacketType::PubRel), packet, version, out),
            Self::PubComp(packet) => encode_packet(header(PacketType::PubComp), packet, version, out),
            Self::Subscribe(packet) => encode_packet(header(PacketType::Subscribe), packet, version, out),
            Self::SubAck(packet) => encode_packet(header(PacketType::SubAck), packet, version, out),
            Self::Unsubscribe(packet) => encode_packet(header(PacketType::Unsubscribe), packet, version, out),
            Self::UnsubAck(packet) => encode_packet(header(PacketType::UnsubAck), packet, version, out),
            Self::PingReq => encode_packet(header(PacketType::PingReq), &Nothing, version, out),
            Self::PingResp => encode_packet(header(PacketType::PingResp), &Nothing, version, out),
            Self::Disconnect(packet) => encode_packet(header(PacketType::Disconnect), packet, version, out),
            Self::Auth(packet) => encode_packet(header(PacketType::Auth), packet, version, out),
        }
    }
}

/// The body of a packet that has none.
struct Nothing;

impl Encode for Nothing {
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, _: &mut S) -> Result<(), EncodeError> {
        Ok(())
    }
}
