//! PUBLISH [MQTT 5, section 3.3].

use std::num::NonZeroU16;

use crate::property::{self, PropertyReader};
use crate::reader::Reader;
use crate::sink::{Encode, Length, Sink};
use crate::{
    DecodeError, EncodeError, PacketId, ProtocolVersion, QoS, SubscriptionIdentifiers, TopicError, TopicName,
    UserProperties,
};

/// A message on its way to or from the server.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Publish<'a> {
    /// Whether this may be a repeated delivery; never with QoS 0 [MQTT-3.3.1-2].
    pub dup: bool,
    /// Quality of service.
    pub qos: QoS,
    /// Whether the message is or was retained.
    pub retain: bool,
    /// A valid topic name; empty only with a topic alias.
    pub topic: &'a str,
    /// Present exactly when the QoS is 1 or 2 [MQTT-2.2.1-2].
    pub packet_id: Option<PacketId>,
    /// Empty in MQTT 3.1.1.
    pub properties: PublishProperties<'a>,
    /// The message itself; may be empty.
    pub payload: &'a [u8],
}

impl<'a> Publish<'a> {
    /// `header` is that of a PUBLISH and was checked.
    #[inline]
    pub(crate) fn decode(
        header: u8,
        mut body: Reader<'a>,
        version: ProtocolVersion,
    ) -> Result<Self, DecodeError> {
        let qos = QoS::from_u8(header >> 1 & 0b11).ok_or(DecodeError::PublishQoS)?;
        let topic = body.binary()?;
        let packet_id = if qos == QoS::AtMostOnce { None } else { Some(body.packet_id()?) };
        let properties = match version {
            ProtocolVersion::V3_1_1 => PublishProperties::default(),
            ProtocolVersion::V5 => {
                let len = body.variable_byte_integer()?;
                PublishProperties::parse(body.take(len as usize)?)?
            }
        };
        let topic = if topic.is_empty() && version == ProtocolVersion::V5 {
            properties.topic_alias.map(|_| "").ok_or(DecodeError::TopicMissing)?
        } else {
            TopicName::decode(topic)?.as_str()
        };
        Ok(Self {
            dup: header & 0b1000 != 0,
            qos,
            retain: header & 1 != 0,
            topic,
            packet_id,
            properties,
            payload: body.rest(),
        })
    }
}

impl Publish<'_> {
    fn check(&self, version: ProtocolVersion) -> Result<(), EncodeError> {
        check_flags(self.dup, self.qos, self.packet_id)?;
        match TopicName::parse(self.topic) {
            Err(TopicError::Empty) if may_be_empty(version, self.properties.topic_alias) => Ok(()),
            Err(error) => Err(EncodeError::TopicName(error)),
            Ok(_) => Ok(()),
        }
    }
}

impl Encode for Publish<'_> {
    #[inline]
    fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        if S::CHECKS {
            self.check(version)?;
        }
        sink.binary(self.topic.as_bytes())?;
        if let Some(packet_id) = self.packet_id {
            sink.u16(packet_id.get());
        }
        sink.properties(version, &self.properties)?;
        sink.bytes(self.payload);
        Ok(())
    }
}

/// Whether the flags of a PUBLISH go with its packet identifier.
#[inline]
pub(crate) fn check_flags(dup: bool, qos: QoS, packet_id: Option<PacketId>) -> Result<(), EncodeError> {
    match (qos, packet_id) {
        (QoS::AtMostOnce, None) if dup => Err(EncodeError::DupWithQoS0),
        (QoS::AtMostOnce, Some(_)) | (QoS::AtLeastOnce | QoS::ExactlyOnce, None) => {
            Err(EncodeError::PacketId)
        }
        _ => Ok(()),
    }
}

/// Whether a PUBLISH needs no topic name.
#[inline]
pub(crate) fn may_be_empty(version: ProtocolVersion, topic_alias: Option<NonZeroU16>) -> bool {
    version == ProtocolVersion::V5 && topic_alias.is_some()
}

/// The properties of PUBLISH [MQTT 5, section 3.3.2.3].
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct PublishProperties<'a> {
    /// `true`: the payload is UTF-8, which is not checked here.
    pub payload_format_indicator: Option<bool>,
    /// Life of the message in seconds.
    pub message_expiry_interval_s: Option<u32>,
    /// Stands for the topic.
    pub topic_alias: Option<NonZeroU16>,
    /// Where a response is expected.
    pub response_topic: Option<TopicName<'a>>,
    /// Identifies the request that a response belongs to.
    pub correlation_data: Option<&'a [u8]>,
    /// Content Type.
    pub content_type: Option<&'a str>,
    /// User properties, in order [MQTT-3.3.2-18].
    pub user_properties: UserProperties<'a>,
    /// The subscriptions that the message matched; only from a server [MQTT-3.3.4-6].
    pub subscription_identifiers: SubscriptionIdentifiers<'a>,
}

impl<'a> PublishProperties<'a> {
    /// Reads and checks the properties of a PUBLISH, given without their length.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        let mut properties = PropertyReader::new(bytes);
        while let Some(id) = properties.next_id()? {
            match id {
                property::USER_PROPERTY => properties.user_property()?,
                property::RESPONSE_TOPIC => found.response_topic = Some(properties.values.topic_name()?),
                property::CORRELATION_DATA => found.correlation_data = Some(properties.values.binary()?),
                property::CONTENT_TYPE => found.content_type = Some(properties.values.text()?),
                property::PAYLOAD_FORMAT_INDICATOR => {
                    found.payload_format_indicator = Some(properties.flag()?);
                }
                property::MESSAGE_EXPIRY_INTERVAL => {
                    found.message_expiry_interval_s = Some(properties.values.u32()?);
                }
                property::TOPIC_ALIAS => {
                    found.topic_alias = Some(properties.values.non_zero_u16(DecodeError::TopicAliasZero)?);
                }
                property::SUBSCRIPTION_IDENTIFIER => {
                    properties.subscription_identifier()?;
                }
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        found.user_properties = properties.user_properties();
        found.subscription_identifiers = properties.subscription_identifiers();
        Ok(found)
    }

    /// Appends the properties that a server forwards unaltered, without a length before them: Payload Format
    /// Indicator [MQTT-3.3.2-4], Response Topic [MQTT-3.3.2-15], Correlation Data [MQTT-3.3.2-16], User
    /// Properties in their order [MQTT-3.3.2-17, MQTT-3.3.2-18] and Content Type [MQTT-3.3.2-20].
    ///
    /// # Panics
    /// If a string that the caller made is longer than 65,535 bytes or contains U+0000. Decoded ones never
    /// are or do.
    pub fn encode_forwarded(&self, out: &mut Vec<u8>) {
        self.encode_forwarded_to(&mut Length::default())
            .and_then(|()| self.encode_forwarded_to(out))
            .expect("properties that the caller made hold strings that MQTT can carry");
    }

    #[inline]
    fn encode_forwarded_to<S: Sink>(&self, sink: &mut S) -> Result<(), EncodeError> {
        property::write_flag(sink, property::PAYLOAD_FORMAT_INDICATOR, self.payload_format_indicator);
        property::write_text(sink, property::CONTENT_TYPE, self.content_type)?;
        property::write_text(sink, property::RESPONSE_TOPIC, self.response_topic.map(TopicName::as_str))?;
        property::write_binary(sink, property::CORRELATION_DATA, self.correlation_data)?;
        self.user_properties.encode_to(sink)
    }
}

impl Encode for PublishProperties<'_> {
    #[inline]
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        property::write_u16(sink, property::TOPIC_ALIAS, self.topic_alias.map(NonZeroU16::get));
        property::write_u32(sink, property::MESSAGE_EXPIRY_INTERVAL, self.message_expiry_interval_s);
        self.subscription_identifiers.encode_to(sink)?;
        self.encode_forwarded_to(sink)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "strings that MQTT can carry")]
    fn forwards_no_string_that_mqtt_cannot_carry() {
        let user_properties = UserProperties::from_pairs(&[("a\0", "")]);
        PublishProperties { user_properties, ..PublishProperties::default() }
            .encode_forwarded(&mut Vec::new());
    }
}
