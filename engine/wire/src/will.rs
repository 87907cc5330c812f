//! The will message within CONNECT [MQTT 5, section 3.1.3.2].

use crate::property::{self, PropertyReader};
use crate::reader::Reader;
use crate::sink::{Encode, Sink};
use crate::{DecodeError, EncodeError, ProtocolVersion, QoS, TopicName, UserProperties};

/// The message that the server publishes when a connection ends without DISCONNECT.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Will<'a> {
    /// The publication's QoS.
    pub qos: QoS,
    /// Whether the publication is retained.
    pub retain: bool,
    /// The publication's topic.
    pub topic: TopicName<'a>,
    /// At most 65,535 bytes.
    pub payload: &'a [u8],
    /// Empty in MQTT 3.1.1.
    pub properties: WillProperties<'a>,
}

/// The properties of a will.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct WillProperties<'a> {
    /// Seconds between the end of the connection and the publication.
    pub delay_interval_s: Option<u32>,
    /// `true`: the payload is UTF-8.
    pub payload_format_indicator: Option<bool>,
    /// Life of the publication in seconds.
    pub message_expiry_interval_s: Option<u32>,
    /// Content Type.
    pub content_type: Option<&'a str>,
    /// Where a response is expected.
    pub response_topic: Option<TopicName<'a>>,
    /// Identifies the request that a response belongs to.
    pub correlation_data: Option<&'a [u8]>,
    /// User properties, in order.
    pub user_properties: UserProperties<'a>,
}

impl<'a> Will<'a> {
    /// Reads the will's part of CONNECT's payload; QoS and Retain are in the connect flags.
    pub(crate) fn decode(
        qos: QoS,
        retain: bool,
        connect: &mut Reader<'a>,
        version: ProtocolVersion,
    ) -> Result<Self, DecodeError> {
        let properties = match version {
            ProtocolVersion::V3_1_1 => WillProperties::default(),
            ProtocolVersion::V5 => WillProperties::decode(PropertyReader::take(connect)?)?,
        };
        Ok(Self { qos, retain, topic: connect.topic_name()?, payload: connect.binary()?, properties })
    }
}

impl Encode for Will<'_> {
    fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        sink.properties(version, &self.properties)?;
        sink.text(self.topic.as_str())?;
        sink.binary(self.payload)
    }
}

impl<'a> WillProperties<'a> {
    fn decode(mut properties: PropertyReader<'a>) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        while let Some(id) = properties.next_id()? {
            match id {
                property::WILL_DELAY_INTERVAL => found.delay_interval_s = Some(properties.values.u32()?),
                property::PAYLOAD_FORMAT_INDICATOR => {
                    found.payload_format_indicator = Some(properties.flag()?);
                }
                property::MESSAGE_EXPIRY_INTERVAL => {
                    found.message_expiry_interval_s = Some(properties.values.u32()?);
                }
                property::CONTENT_TYPE => found.content_type = Some(properties.values.text()?),
                property::RESPONSE_TOPIC => found.response_topic = Some(properties.values.topic_name()?),
                property::CORRELATION_DATA => found.correlation_data = Some(properties.values.binary()?),
                property::USER_PROPERTY => properties.user_property()?,
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        found.user_properties = properties.user_properties();
        Ok(found)
    }
}

impl Encode for WillProperties<'_> {
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        property::write_u32(sink, property::WILL_DELAY_INTERVAL, self.delay_interval_s);
        property::write_flag(sink, property::PAYLOAD_FORMAT_INDICATOR, self.payload_format_indicator);
        property::write_u32(sink, property::MESSAGE_EXPIRY_INTERVAL, self.message_expiry_interval_s);
        property::write_text(sink, property::CONTENT_TYPE, self.content_type)?;
        property::write_text(sink, property::RESPONSE_TOPIC, self.response_topic.map(TopicName::as_str))?;
        property::write_binary(sink, property::CORRELATION_DATA, self.correlation_data)?;
        self.user_properties.encode_to(sink)
    }
}
