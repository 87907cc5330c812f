//! PUBACK, PUBREC, PUBREL and PUBCOMP [MQTT 5, sections 3.4 to 3.7]: four names of one shape.

use crate::packet_type::PacketType;
use crate::property::{self, PropertyReader};
use crate::reader::Reader;
use crate::sink::{Encode, Sink};
use crate::{DecodeError, EncodeError, PacketId, ProtocolVersion, ReasonCode, UserProperties};

macro_rules! acknowledgement {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq)]
        pub struct $name<'a> {
            /// The message that this is about.
            pub packet_id: PacketId,
            /// The outcome; always Success in MQTT 3.1.1.
            pub reason: ReasonCode,
            /// Empty in MQTT 3.1.1.
            pub properties: AckProperties<'a>,
        }

        impl<'a> $name<'a> {
            pub(crate) fn decode(body: Reader<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
                let (packet_id, reason, properties) = decode(body, version, PacketType::$name)?;
                Ok(Self { packet_id, reason, properties })
            }
        }

        impl Encode for $name<'_> {
            fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
                if !self.reason.belongs_to(PacketType::$name) {
                    return Err(EncodeError::ReasonCode);
                }
                encode(self.packet_id, self.reason, &self.properties, version, sink)
            }
        }
    };
}

acknowledgement! {
    /// The answer to a PUBLISH of QoS 1.
    PubAck
}

acknowledgement! {
    /// The first answer to a PUBLISH of QoS 2.
    PubRec
}

acknowledgement! {
    /// The answer to PUBREC.
    PubRel
}

acknowledgement! {
    /// The answer to PUBREL.
    PubComp
}

/// MQTT 5 may leave out the properties, and the reason code before them if it is Success.
fn decode(
    mut body: Reader<'_>,
    version: ProtocolVersion,
    packet_type: PacketType,
) -> Result<(PacketId, ReasonCode, AckProperties<'_>), DecodeError> {
    let packet_id = body.packet_id()?;
    if version == ProtocolVersion::V3_1_1 || body.is_empty() {
        body.finish()?;
        return Ok((packet_id, ReasonCode::Success, AckProperties::default()));
    }
    let reason = ReasonCode::decode(&mut body, packet_type)?;
    if body.is_empty() {
        return Ok((packet_id, reason, AckProperties::default()));
    }
    let properties = AckProperties::decode(PropertyReader::take(&mut body)?)?;
    body.finish()?;
    Ok((packet_id, reason, properties))
}

fn encode<S: Sink>(
    packet_id: PacketId,
    reason: ReasonCode,
    properties: &AckProperties<'_>,
    version: ProtocolVersion,
    sink: &mut S,
) -> Result<(), EncodeError> {
    sink.u16(packet_id.get());
    if version == ProtocolVersion::V3_1_1 || (reason == ReasonCode::Success && properties.is_empty()) {
        return Ok(());
    }
    sink.u8(reason as u8);
    if properties.is_empty() { Ok(()) } else { sink.properties(version, properties) }
}

/// Properties of the four acknowledgements of PUBLISH, of SUBACK and of UNSUBACK.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct AckProperties<'a> {
    /// For a person who reads a log.
    pub reason_string: Option<&'a str>,
    /// User properties, in order.
    pub user_properties: UserProperties<'a>,
}

impl<'a> AckProperties<'a> {
    pub(crate) fn decode(mut properties: PropertyReader<'a>) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        while let Some(id) = properties.next_id()? {
            match id {
                property::REASON_STRING => found.reason_string = Some(properties.values.text()?),
                property::USER_PROPERTY => properties.user_property()?,
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        found.user_properties = properties.user_properties();
        Ok(found)
    }

    fn is_empty(&self) -> bool {
        self.reason_string.is_none() && self.user_properties.is_empty()
    }
}

impl Encode for AckProperties<'_> {
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        property::write_text(sink, property::REASON_STRING, self.reason_string)?;
        self.user_properties.encode_to(sink)
    }
}
