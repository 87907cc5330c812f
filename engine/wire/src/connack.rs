//! CONNACK [MQTT 5, section 3.2].

use std::num::{NonZeroU16, NonZeroU32};

use crate::packet_type::PacketType;
use crate::property::{self, PropertyReader};
use crate::reader::Reader;
use crate::sink::{Encode, Sink};
use crate::{DecodeError, EncodeError, ProtocolVersion, QoS, ReasonCode, UserProperties};

/// The reason codes that the return codes 0 to 5 of MQTT 3.1.1 stand for [MQTT 3.1.1, table 3.1].
const RETURN_CODES: [ReasonCode; 6] = [
    ReasonCode::Success,
    ReasonCode::UnsupportedProtocolVersion,
    ReasonCode::ClientIdentifierNotValid,
    ReasonCode::ServerUnavailable,
    ReasonCode::BadUserNameOrPassword,
    ReasonCode::NotAuthorized,
];

/// The server's answer to CONNECT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ConnAck<'a> {
    /// Whether the server had state for this client; only with [`ReasonCode::Success`] [MQTT-3.2.2-6].
    pub session_present: bool,
    /// The outcome. The return codes 1 to 5 of MQTT 3.1.1 are 0x84, 0x85, 0x88, 0x86 and 0x87.
    pub reason: ReasonCode,
    /// Empty in MQTT 3.1.1.
    pub properties: ConnAckProperties<'a>,
}

/// The properties of CONNACK [MQTT 5, section 3.2.2.3]. `None` is absent: the standard's default applies.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ConnAckProperties<'a> {
    /// The session's life after the connection in seconds, where it differs from what the client asked for.
    pub session_expiry_interval_s: Option<u32>,
    /// How many QoS 1 and 2 publications the server takes at once.
    pub receive_maximum: Option<NonZeroU16>,
    /// Highest QoS that the server supports: 0 or 1, never 2.
    pub maximum_qos: Option<QoS>,
    /// Whether retained messages are supported.
    pub retain_available: Option<bool>,
    /// Longest packet that the server takes, in bytes.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// The client identifier that the server chose.
    pub assigned_client_identifier: Option<&'a str>,
    /// Highest topic alias that the server takes.
    pub topic_alias_maximum: Option<u16>,
    /// For a person who reads a log.
    pub reason_string: Option<&'a str>,
    /// User properties, in order.
    pub user_properties: UserProperties<'a>,
    /// Whether filters with wildcards are supported.
    pub wildcard_subscription_available: Option<bool>,
    /// Whether subscription identifiers are supported.
    pub subscription_identifiers_available: Option<bool>,
    /// Whether shared subscriptions are supported.
    pub shared_subscription_available: Option<bool>,
    /// The keep-alive in seconds that replaces the client's.
    pub server_keep_alive_s: Option<u16>,
    /// Basis for response topics.
    pub response_information: Option<&'a str>,
    /// Another server to use.
    pub server_reference: Option<&'a str>,
    /// Name of the extended authentication method.
    pub authentication_method: Option<&'a str>,
    /// Data of that method.
    pub authentication_data: Option<&'a [u8]>,
}

impl<'a> ConnAck<'a> {
    pub(crate) fn decode(mut body: Reader<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let session_present = match body.u8()? {
            0 => false,
            1 => true,
            _ => return Err(DecodeError::ConnAckFlags),
        };
        let reason = match version {
            ProtocolVersion::V3_1_1 => {
                *RETURN_CODES.get(usize::from(body.u8()?)).ok_or(DecodeError::ReasonCode)?
            }
            ProtocolVersion::V5 => ReasonCode::decode(&mut body, PacketType::ConnAck)?,
        };
        if session_present && reason != ReasonCode::Success {
            return Err(DecodeError::SessionPresentWithError);
        }
        let properties = match version {
            ProtocolVersion::V3_1_1 => ConnAckProperties::default(),
            ProtocolVersion::V5 => ConnAckProperties::decode(PropertyReader::take(&mut body)?)?,
        };
        body.finish()?;
        Ok(Self { session_present, reason, properties })
    }
}

impl Encode for ConnAck<'_> {
    fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        if self.session_present && self.reason != ReasonCode::Success {
            return Err(EncodeError::SessionPresentWithError);
        }
        let code = match version {
            ProtocolVersion::V3_1_1 => {
                RETURN_CODES.iter().position(|code| *code == self.reason).map(|code| code as u8)
            }
            ProtocolVersion::V5 => self.reason.belongs_to(PacketType::ConnAck).then_some(self.reason as u8),
        };
        sink.u8(u8::from(self.session_present));
        sink.u8(code.ok_or(EncodeError::ReasonCode)?);
        sink.properties(version, &self.properties)
    }
}

impl<'a> ConnAckProperties<'a> {
    fn decode(mut properties: PropertyReader<'a>) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        while let Some(id) = properties.next_id()? {
            match id {
                property::SESSION_EXPIRY_INTERVAL => {
                    found.session_expiry_interval_s = Some(properties.values.u32()?);
                }
                property::RECEIVE_MAXIMUM => found.receive_maximum = Some(properties.receive_maximum()?),
                property::MAXIMUM_QOS => {
                    let at_least_once = properties.flag()?;
                    found.maximum_qos = Some(if at_least_once { QoS::AtLeastOnce } else { QoS::AtMostOnce });
                }
                property::RETAIN_AVAILABLE => found.retain_available = Some(properties.flag()?),
                property::MAXIMUM_PACKET_SIZE => {
                    found.maximum_packet_size = Some(properties.maximum_packet_size()?);
                }
                property::ASSIGNED_CLIENT_IDENTIFIER => {
                    found.assigned_client_identifier = Some(properties.values.text()?);
                }
                property::TOPIC_ALIAS_MAXIMUM => found.topic_alias_maximum = Some(properties.values.u16()?),
                property::REASON_STRING => found.reason_string = Some(properties.values.text()?),
                property::USER_PROPERTY => properties.user_property()?,
                property::WILDCARD_SUBSCRIPTION_AVAILABLE => {
                    found.wildcard_subscription_available = Some(properties.flag()?);
                }
                property::SUBSCRIPTION_IDENTIFIERS_AVAILABLE => {
                    found.subscription_identifiers_available = Some(properties.flag()?);
                }
                property::SHARED_SUBSCRIPTION_AVAILABLE => {
                    found.shared_subscription_available = Some(properties.flag()?);
                }
                property::SERVER_KEEP_ALIVE => found.server_keep_alive_s = Some(properties.values.u16()?),
                property::RESPONSE_INFORMATION => {
                    found.response_information = Some(properties.values.text()?);
                }
                property::SERVER_REFERENCE => found.server_reference = Some(properties.values.text()?),
                property::AUTHENTICATION_METHOD => {
                    found.authentication_method = Some(properties.values.text()?);
                }
                property::AUTHENTICATION_DATA => {
                    found.authentication_data = Some(properties.values.binary()?);
                }
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        if found.authentication_data.is_some() && found.authentication_method.is_none() {
            return Err(DecodeError::AuthenticationDataWithoutMethod);
        }
        found.user_properties = properties.user_properties();
        Ok(found)
    }
}

impl Encode for ConnAckProperties<'_> {
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        if self.maximum_qos == Some(QoS::ExactlyOnce) {
            return Err(EncodeError::MaximumQoS);
        }
        if self.authentication_data.is_some() && self.authentication_method.is_none() {
            return Err(EncodeError::AuthenticationMethodMissing);
        }
        property::write_u32(sink, property::SESSION_EXPIRY_INTERVAL, self.session_expiry_interval_s);
        property::write_u16(sink, property::RECEIVE_MAXIMUM, self.receive_maximum.map(NonZeroU16::get));
        property::write_u8(sink, property::MAXIMUM_QOS, self.maximum_qos.map(|qos| qos as u8));
        property::write_flag(sink, property::RETAIN_AVAILABLE, self.retain_available);
        property::write_u32(
            sink,
            property::MAXIMUM_PACKET_SIZE,
            self.maximum_packet_size.map(NonZeroU32::get),
        );
        property::write_text(sink, property::ASSIGNED_CLIENT_IDENTIFIER, self.assigned_client_identifier)?;
        property::write_u16(sink, property::TOPIC_ALIAS_MAXIMUM, self.topic_alias_maximum);
        property::write_text(sink, property::REASON_STRING, self.reason_string)?;
        self.user_properties.encode_to(sink)?;
        property::write_flag(
            sink,
            property::WILDCARD_SUBSCRIPTION_AVAILABLE,
            self.wildcard_subscription_available,
        );
        property::write_flag(
            sink,
            property::SUBSCRIPTION_IDENTIFIERS_AVAILABLE,
            self.subscription_identifiers_available,
        );
        property::write_flag(
            sink,
            property::SHARED_SUBSCRIPTION_AVAILABLE,
            self.shared_subscription_available,
        );
        property::write_u16(sink, property::SERVER_KEEP_ALIVE, self.server_keep_alive_s);
        property::write_text(sink, property::RESPONSE_INFORMATION, self.response_information)?;
        property::write_text(sink, property::SERVER_REFERENCE, self.server_reference)?;
        property::write_text(sink, property::AUTHENTICATION_METHOD, self.authentication_method)?;
        property::write_binary(sink, property::AUTHENTICATION_DATA, self.authentication_data)
    }
}
