//! SUBACK [MQTT 5, section 3.9].

use crate::packet_type::PacketType;
use crate::property::PropertyReader;
use crate::reader::Reader;
use crate::sink::{Encode, Sink};
use crate::{AckProperties, DecodeError, EncodeError, PacketId, ProtocolVersion, ReasonCode};

/// The server's answer to SUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SubAck<'a> {
    /// The SUBSCRIBE that this answers.
    pub packet_id: PacketId,
    /// Empty in MQTT 3.1.1.
    pub properties: AckProperties<'a>,
    /// One valid reason code for each subscription, in order [MQTT-3.9.3-1].
    pub reasons: &'a [u8],
}

impl<'a> SubAck<'a> {
    pub(crate) fn decode(mut body: Reader<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_id = body.packet_id()?;
        let properties = match version {
            ProtocolVersion::V3_1_1 => AckProperties::default(),
            ProtocolVersion::V5 => AckProperties::decode(PropertyReader::take(&mut body)?)?,
        };
        let reasons = body.rest();
        if reasons.is_empty() {
            return Err(DecodeError::NoReasonCodes);
        }
        if !reasons.iter().all(|code| may_carry(*code, version)) {
            return Err(DecodeError::ReasonCode);
        }
        Ok(Self { packet_id, properties, reasons })
    }
}

impl Encode for SubAck<'_> {
    /// MQTT 3.1.1 has one code for all failures [MQTT 3.1.1, MQTT-3.9.3-2].
    fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        sink.u16(self.packet_id.get());
        sink.properties(version, &self.properties)?;
        if self.reasons.is_empty() {
            return Err(EncodeError::NoReasonCodes);
        }
        if !self.reasons.iter().all(|code| may_carry(*code, ProtocolVersion::V5)) {
            return Err(EncodeError::ReasonCode);
        }
        match version {
            ProtocolVersion::V5 => sink.bytes(self.reasons),
            ProtocolVersion::V3_1_1 => self.reasons.iter().for_each(|code| sink.u8((*code).min(0x80))),
        }
        Ok(())
    }
}

fn may_carry(code: u8, version: ProtocolVersion) -> bool {
    match version {
        ProtocolVersion::V3_1_1 => matches!(code, 0x00..=0x02 | 0x80),
        ProtocolVersion::V5 => {
            ReasonCode::from_u8(code).is_some_and(|code| code.belongs_to(PacketType::SubAck))
        }
    }
}
