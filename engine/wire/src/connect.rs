//! CONNECT [MQTT 5, section 3.1].

use std::fmt;
use std::num::{NonZeroU16, NonZeroU32};

use crate::property::{self, PropertyReader};
use crate::reader::Reader;
use crate::sink::{Encode, Sink};
use crate::{DecodeError, EncodeError, ProtocolVersion, QoS, Redacted, UserProperties, Will};

const PROTOCOL_NAME: &[u8] = b"MQTT";

/// Connect Flags [MQTT 5, section 3.1.2.3].
mod flag {
    pub(super) const RESERVED: u8 = 0b0000_0001;
    pub(super) const CLEAN_START: u8 = 0b0000_0010;
    pub(super) const WILL: u8 = 0b0000_0100;
    pub(super) const WILL_QOS_SHIFT: u32 = 3;
    pub(super) const WILL_RETAIN: u8 = 0b0010_0000;
    pub(super) const PASSWORD: u8 = 0b0100_0000;
    pub(super) const USER_NAME: u8 = 0b1000_0000;
}

/// A client's request for a connection.
#[derive(Clone, Copy, PartialEq)]
pub struct Connect<'a> {
    /// The standard that the connection will speak.
    pub version: ProtocolVersion,
    /// Clean Start; Clean Session in MQTT 3.1.1.
    pub clean_start: bool,
    /// Longest pause between two packets in seconds; 0 turns the mechanism off.
    pub keep_alive_s: u16,
    /// May be empty: the server then assigns one.
    pub client_id: &'a str,
    /// What to publish when the connection ends without DISCONNECT.
    pub will: Option<Will<'a>>,
    /// User Name.
    pub user_name: Option<&'a str>,
    /// Password; needs a user name in MQTT 3.1.1 [MQTT-3.1.2-22 of 3.1.1].
    pub password: Option<&'a [u8]>,
    /// Empty in MQTT 3.1.1.
    pub properties: ConnectProperties<'a>,
}

/// The properties of CONNECT [MQTT 5, section 3.1.2.11]. `None` is absent: the standard's default applies.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct ConnectProperties<'a> {
    /// How long the session outlives the connection, in seconds; 0xFFFFFFFF is forever.
    pub session_expiry_interval_s: Option<u32>,
    /// How many QoS 1 and 2 publications the client takes at once.
    pub receive_maximum: Option<NonZeroU16>,
    /// Longest packet that the client takes, in bytes.
    pub maximum_packet_size: Option<NonZeroU32>,
    /// Highest topic alias that the client takes.
    pub topic_alias_maximum: Option<u16>,
    /// Whether the client asks for Response Information in CONNACK.
    pub request_response_information: Option<bool>,
    /// Whether the server may send reason strings and user properties with failures.
    pub request_problem_information: Option<bool>,
    /// User properties, in order.
    pub user_properties: UserProperties<'a>,
    /// Name of the extended authentication method.
    pub authentication_method: Option<&'a str>,
    /// Data of that method; never without it.
    pub authentication_data: Option<&'a [u8]>,
}

impl<'a> Connect<'a> {
    pub(crate) fn decode(mut body: Reader<'a>) -> Result<Self, DecodeError> {
        if body.binary()? != PROTOCOL_NAME {
            return Err(DecodeError::ProtocolName);
        }
        let version = match body.u8()? {
            4 => ProtocolVersion::V3_1_1,
            5 => ProtocolVersion::V5,
            _ => return Err(DecodeError::ProtocolLevel),
        };
        let flags = body.u8()?;
        if flags & flag::RESERVED != 0 {
            return Err(DecodeError::ConnectFlags);
        }
        let will_qos = QoS::from_u8(flags >> flag::WILL_QOS_SHIFT & 0b11).ok_or(DecodeError::WillQoS)?;
        let has_will = flags & flag::WILL != 0;
        let will_retain = flags & flag::WILL_RETAIN != 0;
        if !has_will && (will_retain || will_qos != QoS::AtMostOnce) {
            return Err(DecodeError::WillFlags);
        }
        let has_user_name = flags & flag::USER_NAME != 0;
        let has_password = flags & flag::PASSWORD != 0;
        if version == ProtocolVersion::V3_1_1 && has_password && !has_user_name {
            return Err(DecodeError::PasswordWithoutUserName);
        }
        let clean_start = flags & flag::CLEAN_START != 0;
        let keep_alive_s = body.u16()?;
        let properties = match version {
            ProtocolVersion::V3_1_1 => ConnectProperties::default(),
            ProtocolVersion::V5 => ConnectProperties::decode(PropertyReader::take(&mut body)?)?,
        };
        let client_id = body.text()?;
        if version == ProtocolVersion::V3_1_1 && client_id.is_empty() && !clean_start {
            return Err(DecodeError::ClientIdEmpty);
        }
        let will =
            if has_will { Some(Will::decode(will_qos, will_retain, &mut body, version)?) } else { None };
        let user_name = if has_user_name { Some(body.text()?) } else { None };
        let password = if has_password { Some(body.binary()?) } else { None };
        body.finish()?;
        Ok(Self { version, clean_start, keep_alive_s, client_id, will, user_name, password, properties })
    }

    fn flags(&self) -> u8 {
        let set = |flag: u8, on: bool| if on { flag } else { 0 };
        set(flag::CLEAN_START, self.clean_start)
            | set(flag::PASSWORD, self.password.is_some())
            | set(flag::USER_NAME, self.user_name.is_some())
            | self.will.map_or(0, |will| {
                flag::WILL | (will.qos as u8) << flag::WILL_QOS_SHIFT | set(flag::WILL_RETAIN, will.retain)
            })
    }
}

impl fmt::Debug for Connect<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without `..`: a new field has to be shown, or redacted.
        let Self { version, clean_start, keep_alive_s, client_id, will, user_name, password, properties } =
            self;
        f.debug_struct("Connect")
            .field("version", version)
            .field("clean_start", clean_start)
            .field("keep_alive_s", keep_alive_s)
            .field("client_id", client_id)
            .field("will", will)
            .field("user_name", user_name)
            .field("password", &password.map(Redacted))
            .field("properties", properties)
            .finish()
    }
}

impl Encode for Connect<'_> {
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        if self.version == ProtocolVersion::V3_1_1 {
            if self.password.is_some() && self.user_name.is_none() {
                return Err(EncodeError::PasswordWithoutUserName);
            }
            if self.client_id.is_empty() && !self.clean_start {
                return Err(EncodeError::ClientIdEmpty);
            }
        }
        sink.binary(PROTOCOL_NAME)?;
        sink.u8(self.version.level());
        sink.u8(self.flags());
        sink.u16(self.keep_alive_s);
        sink.properties(self.version, &self.properties)?;
        sink.text(self.client_id)?;
        if let Some(will) = &self.will {
            will.encode_to(self.version, sink)?;
        }
        self.user_name.map_or(Ok(()), |user_name| sink.text(user_name))?;
        self.password.map_or(Ok(()), |password| sink.binary(password))
    }
}

impl<'a> ConnectProperties<'a> {
    fn decode(mut properties: PropertyReader<'a>) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        while let Some(id) = properties.next_id()? {
            match id {
                property::SESSION_EXPIRY_INTERVAL => {
                    found.session_expiry_interval_s = Some(properties.values.u32()?);
                }
                property::RECEIVE_MAXIMUM => found.receive_maximum = Some(properties.receive_maximum()?),
                property::MAXIMUM_PACKET_SIZE => {
                    found.maximum_packet_size = Some(properties.maximum_packet_size()?);
                }
                property::TOPIC_ALIAS_MAXIMUM => found.topic_alias_maximum = Some(properties.values.u16()?),
                property::REQUEST_RESPONSE_INFORMATION => {
                    found.request_response_information = Some(properties.flag()?);
                }
                property::REQUEST_PROBLEM_INFORMATION => {
                    found.request_problem_information = Some(properties.flag()?);
                }
                property::USER_PROPERTY => properties.user_property()?,
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

impl fmt::Debug for ConnectProperties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without `..`: a new field has to be shown, or redacted.
        let Self {
            session_expiry_interval_s,
            receive_maximum,
            maximum_packet_size,
            topic_alias_maximum,
            request_response_information,
            request_problem_information,
            user_properties,
            authentication_method,
            authentication_data,
        } = self;
        f.debug_struct("ConnectProperties")
            .field("session_expiry_interval_s", session_expiry_interval_s)
            .field("receive_maximum", receive_maximum)
            .field("maximum_packet_size", maximum_packet_size)
            .field("topic_alias_maximum", topic_alias_maximum)
            .field("request_response_information", request_response_information)
            .field("request_problem_information", request_problem_information)
            .field("user_properties", user_properties)
            .field("authentication_method", authentication_method)
            .field("authentication_data", &authentication_data.map(Redacted))
            .finish()
    }
}

impl Encode for ConnectProperties<'_> {
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        if self.authentication_data.is_some() && self.authentication_method.is_none() {
            return Err(EncodeError::AuthenticationMethodMissing);
        }
        property::write_u32(sink, property::SESSION_EXPIRY_INTERVAL, self.session_expiry_interval_s);
        property::write_u16(sink, property::RECEIVE_MAXIMUM, self.receive_maximum.map(NonZeroU16::get));
        property::write_u32(
            sink,
            property::MAXIMUM_PACKET_SIZE,
            self.maximum_packet_size.map(NonZeroU32::get),
        );
        property::write_u16(sink, property::TOPIC_ALIAS_MAXIMUM, self.topic_alias_maximum);
        property::write_flag(sink, property::REQUEST_RESPONSE_INFORMATION, self.request_response_information);
        property::write_flag(sink, property::REQUEST_PROBLEM_INFORMATION, self.request_problem_information);
        self.user_properties.encode_to(sink)?;
        property::write_text(sink, property::AUTHENTICATION_METHOD, self.authentication_method)?;
        property::write_binary(sink, property::AUTHENTICATION_DATA, self.authentication_data)
    }
}
