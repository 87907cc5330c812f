//! AUTH [MQTT 5, section 3.15].

use std::fmt;

use crate::packet_type::PacketType;
use crate::property::{self, PropertyReader};
use crate::reader::Reader;
use crate::sink::{Encode, Sink};
use crate::{DecodeError, EncodeError, ProtocolVersion, ReasonCode, Redacted, UserProperties};

/// One step of an extended authentication; MQTT 5 only.
///
/// The standard demands an Authentication Method and still allows the empty packet that means Success without
/// properties [section 3.15.2.1]. That one is taken and written; every other one has a method.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Auth<'a> {
    /// Success, Continue authentication or Re-authenticate.
    pub reason: ReasonCode,
    /// Properties.
    pub properties: AuthProperties<'a>,
}

impl<'a> Auth<'a> {
    const EMPTY: Auth<'static> = Auth { reason: ReasonCode::Success, properties: AuthProperties::EMPTY };

    pub(crate) fn decode(mut body: Reader<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        if version == ProtocolVersion::V3_1_1 {
            return Err(DecodeError::PacketType);
        }
        if body.is_empty() {
            return Ok(Self::EMPTY);
        }
        let reason = ReasonCode::decode(&mut body, PacketType::Auth)?;
        let properties = AuthProperties::decode(PropertyReader::take(&mut body)?)?;
        body.finish()?;
        Ok(Self { reason, properties })
    }
}

impl Encode for Auth<'_> {
    fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        if version == ProtocolVersion::V3_1_1 {
            return Err(EncodeError::NotInVersion);
        }
        if !self.reason.belongs_to(PacketType::Auth) {
            return Err(EncodeError::ReasonCode);
        }
        if *self == Self::EMPTY {
            return Ok(());
        }
        sink.u8(self.reason as u8);
        sink.properties(version, &self.properties)
    }
}

/// The properties of AUTH.
#[derive(Clone, Copy, PartialEq)]
pub struct AuthProperties<'a> {
    /// Name of the method.
    pub authentication_method: Option<&'a str>,
    /// Data of that method.
    pub authentication_data: Option<&'a [u8]>,
    /// For a person who reads a log.
    pub reason_string: Option<&'a str>,
    /// User properties, in order.
    pub user_properties: UserProperties<'a>,
}

impl fmt::Debug for AuthProperties<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Without `..`: a new field has to be shown, or redacted.
        let Self { authentication_method, authentication_data, reason_string, user_properties } = self;
        f.debug_struct("AuthProperties")
            .field("authentication_method", authentication_method)
            .field("authentication_data", &authentication_data.map(Redacted))
            .field("reason_string", reason_string)
            .field("user_properties", user_properties)
            .finish()
    }
}

impl<'a> AuthProperties<'a> {
    const EMPTY: AuthProperties<'static> = AuthProperties {
        authentication_method: None,
        authentication_data: None,
        reason_string: None,
        user_properties: UserProperties::from_pairs(&[]),
    };

    fn decode(mut properties: PropertyReader<'a>) -> Result<Self, DecodeError> {
        let mut found = Self::EMPTY;
        while let Some(id) = properties.next_id()? {
            match id {
                property::AUTHENTICATION_METHOD => {
                    found.authentication_method = Some(properties.values.text()?);
                }
                property::AUTHENTICATION_DATA => {
                    found.authentication_data = Some(properties.values.binary()?);
                }
                property::REASON_STRING => found.reason_string = Some(properties.values.text()?),
                property::USER_PROPERTY => properties.user_property()?,
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        if found.authentication_method.is_none() {
            return Err(DecodeError::AuthenticationMethodMissing);
        }
        found.user_properties = properties.user_properties();
        Ok(found)
    }
}

impl Default for AuthProperties<'_> {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl Encode for AuthProperties<'_> {
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        if self.authentication_method.is_none() {
            return Err(EncodeError::AuthenticationMethodMissing);
        }
        property::write_text(sink, property::AUTHENTICATION_METHOD, self.authentication_method)?;
        property::write_binary(sink, property::AUTHENTICATION_DATA, self.authentication_data)?;
        property::write_text(sink, property::REASON_STRING, self.reason_string)?;
        self.user_properties.encode_to(sink)
    }
}
