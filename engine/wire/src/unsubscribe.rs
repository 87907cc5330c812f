//! UNSUBSCRIBE [MQTT 5, section 3.10].

use std::fmt;

use crate::property::{self, PropertyReader};
use crate::reader::Reader;
use crate::sink::{Encode, Sink};
use crate::{DecodeError, EncodeError, PacketId, ProtocolVersion, TopicFilter, UserProperties};

/// A client's request to end subscriptions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unsubscribe<'a> {
    /// Comes back in UNSUBACK.
    pub packet_id: PacketId,
    /// Empty in MQTT 3.1.1.
    pub properties: UnsubscribeProperties<'a>,
    /// One or more filters [MQTT-3.10.3-2].
    pub filters: UnsubscribeFilters<'a>,
}

impl<'a> Unsubscribe<'a> {
    pub(crate) fn decode(mut body: Reader<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_id = body.packet_id()?;
        let properties = match version {
            ProtocolVersion::V3_1_1 => UnsubscribeProperties::default(),
            ProtocolVersion::V5 => UnsubscribeProperties::decode(PropertyReader::take(&mut body)?)?,
        };
        Ok(Self { packet_id, properties, filters: UnsubscribeFilters::decode(body)? })
    }
}

impl Encode for Unsubscribe<'_> {
    fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        sink.u16(self.packet_id.get());
        sink.properties(version, &self.properties)?;
        if self.filters.is_empty() {
            return Err(EncodeError::NoFilters);
        }
        self.filters.iter().try_for_each(|filter| sink.text(filter.as_str()))
    }
}

/// The properties of UNSUBSCRIBE.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct UnsubscribeProperties<'a> {
    /// User properties, in order.
    pub user_properties: UserProperties<'a>,
}

impl<'a> UnsubscribeProperties<'a> {
    fn decode(mut properties: PropertyReader<'a>) -> Result<Self, DecodeError> {
        while let Some(id) = properties.next_id()? {
            match id {
                property::USER_PROPERTY => properties.user_property()?,
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        Ok(Self { user_properties: properties.user_properties() })
    }
}

impl Encode for UnsubscribeProperties<'_> {
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        self.user_properties.encode_to(sink)
    }
}

/// The filters of one UNSUBSCRIBE, borrowed: from the read buffer after decoding, from a slice for encoding.
#[derive(Clone, Copy)]
pub struct UnsubscribeFilters<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// The checked payload of a packet.
    Checked {
        bytes: &'a [u8],
        len: usize,
    },
    Filters(&'a [TopicFilter<'a>]),
}

impl<'a> UnsubscribeFilters<'a> {
    /// Filters to encode.
    pub const fn from_slice(filters: &'a [TopicFilter<'a>]) -> Self {
        Self(Source::Filters(filters))
    }

    fn decode(payload: Reader<'a>) -> Result<Self, DecodeError> {
        let mut entries = payload;
        let mut len = 0;
        while !entries.is_empty() {
            entries.topic_filter()?;
            len += 1;
        }
        if len == 0 {
            Err(DecodeError::NoFilters)
        } else {
            Ok(Self(Source::Checked { bytes: payload.rest(), len }))
        }
    }

    /// The filters, in order.
    pub fn iter(&self) -> impl Iterator<Item = TopicFilter<'a>> + Clone + use<'a> {
        match self.0 {
            Source::Checked { bytes, .. } => Iter::Checked(Reader::new(bytes)),
            Source::Filters(filters) => Iter::Filters(filters.iter()),
        }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Checked { len, .. } => len,
            Source::Filters(filters) => filters.len(),
        }
    }

    /// Whether there is none, which only a packet that was not decoded can have.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Equal if the same filters come in the same order, wherever they are borrowed from.
impl PartialEq for UnsubscribeFilters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for UnsubscribeFilters<'_> {}

impl fmt::Debug for UnsubscribeFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[derive(Clone)]
enum Iter<'a> {
    Checked(Reader<'a>),
    Filters(std::slice::Iter<'a, TopicFilter<'a>>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = TopicFilter<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Checked(entries) => TopicFilter::from_checked(entries.binary().ok()?),
            Self::Filters(filters) => filters.next().copied(),
        }
    }
}
