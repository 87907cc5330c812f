//! DISCONNECT [MQTT 5, section 3.14].

use crate::packet_type::PacketType;
use crate::property::{self, PropertyReader};
use crate::reader::Reader;
use crate::sink::{Encode, Sink};
use crate::{DecodeError, EncodeError, ProtocolVersion, ReasonCode, UserProperties};

/// The last packet of a connection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Disconnect<'a> {
    /// Why the connection ends; always Success (Normal disconnection) in MQTT 3.1.1.
    pub reason: ReasonCode,
    /// Empty in MQTT 3.1.1.
    pub properties: DisconnectProperties<'a>,
}

impl<'a> Disconnect<'a> {
    /// MQTT 5 may leave out the properties, and the reason code before them if it is Success.
    pub(crate) fn decode(mut body: Reader<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let mut found = Self { reason: ReasonCode::Success, properties: DisconnectProperties::default() };
        if version == ProtocolVersion::V5 && !body.is_empty() {
            found.reason = ReasonCode::decode(&mut body, PacketType::Disconnect)?;
            if !body.is_empty() {
                found.properties = DisconnectProperties::decode(PropertyReader::take(&mut body)?)?;
            }
        }
        body.finish()?;
        Ok(found)
    }
}

impl Encode for Disconnect<'_> {
    fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        if !self.reason.belongs_to(PacketType::Disconnect) {
            return Err(EncodeError::ReasonCode);
        }
        let no_properties = self.properties == DisconnectProperties::default();
        if version == ProtocolVersion::V3_1_1 || (self.reason == ReasonCode::Success && no_properties) {
            return Ok(());
        }
        sink.u8(self.reason as u8);
        // The length of no properties could be left out [MQTT 5, 3.14.2.2.1]. It is written all the same: a client in
        // wide use (rumqttc) takes a DISCONNECT without it for a broken connection, and never learns the reason.
        sink.properties(version, &self.properties)
    }
}

/// The properties of DISCONNECT.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct DisconnectProperties<'a> {
    /// Replaces the interval of CONNECT, in seconds; only from a client [MQTT-3.14.2-2].
    pub session_expiry_interval_s: Option<u32>,
    /// For a person who reads a log.
    pub reason_string: Option<&'a str>,
    /// User properties, in order.
    pub user_properties: UserProperties<'a>,
    /// Another server to use; only from a server.
    pub server_reference: Option<&'a str>,
}

impl<'a> DisconnectProperties<'a> {
    fn decode(mut properties: PropertyReader<'a>) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        while let Some(id) = properties.next_id()? {
            match id {
                property::SESSION_EXPIRY_INTERVAL => {
                    found.session_expiry_interval_s = Some(properties.values.u32()?);
                }
                property::REASON_STRING => found.reason_string = Some(properties.values.text()?),
                property::USER_PROPERTY => properties.user_property()?,
                property::SERVER_REFERENCE => found.server_reference = Some(properties.values.text()?),
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        found.user_properties = properties.user_properties();
        Ok(found)
    }
}

impl Encode for DisconnectProperties<'_> {
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        property::write_u32(sink, property::SESSION_EXPIRY_INTERVAL, self.session_expiry_interval_s);
        property::write_text(sink, property::REASON_STRING, self.reason_string)?;
        self.user_properties.encode_to(sink)?;
        property::write_text(sink, property::SERVER_REFERENCE, self.server_reference)
    }
}
