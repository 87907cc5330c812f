//! UNSUBACK [MQTT 5, section 3.11].

use crate::packet_type::PacketType;
use crate::property::PropertyReader;
use crate::reader::Reader;
use crate::sink::{Encode, Sink};
use crate::{AckProperties, DecodeError, EncodeError, PacketId, ProtocolVersion, ReasonCode};

/// The server's answer to UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct UnsubAck<'a> {
    /// The UNSUBSCRIBE that this answers.
    pub packet_id: PacketId,
    /// Empty in MQTT 3.1.1.
    pub properties: AckProperties<'a>,
    /// One valid reason code for each filter, in order [MQTT-3.11.3-1]; empty in MQTT 3.1.1.
    pub reasons: &'a [u8],
}

impl<'a> UnsubAck<'a> {
    pub(crate) fn decode(mut body: Reader<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_id = body.packet_id()?;
        if version == ProtocolVersion::V3_1_1 {
            body.finish()?;
            return Ok(Self { packet_id, properties: AckProperties::default(), reasons: &[] });
        }
        let properties = AckProperties::decode(PropertyReader::take(&mut body)?)?;
        let reasons = body.rest();
        if reasons.is_empty() {
            return Err(DecodeError::NoReasonCodes);
        }
        if !reasons.iter().all(|code| may_carry(*code)) {
            return Err(DecodeError::ReasonCode);
        }
        Ok(Self { packet_id, properties, reasons })
    }
}

impl Encode for UnsubAck<'_> {
    fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        sink.u16(self.packet_id.get());
        if version == ProtocolVersion::V3_1_1 {
            return Ok(());
        }
        sink.properties(version, &self.properties)?;
        if self.reasons.is_empty() {
            return Err(EncodeError::NoReasonCodes);
        }
        if !self.reasons.iter().all(|code| may_carry(*code)) {
            return Err(EncodeError::ReasonCode);
        }
        sink.bytes(self.reasons);
        Ok(())
    }
}

fn may_carry(code: u8) -> bool {
    ReasonCode::from_u8(code).is_some_and(|code| code.belongs_to(PacketType::UnsubAck))
}
