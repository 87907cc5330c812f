//! SUBSCRIBE [MQTT 5, section 3.8].

use std::fmt;

use crate::property::{self, PropertyReader};
use crate::reader::Reader;
use crate::sink::{Encode, Sink};
use crate::{
    DecodeError, EncodeError, PacketId, ProtocolVersion, QoS, TopicFilter, UserProperties,
    subscription_identifiers,
};

/// A client's request for subscriptions.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Subscribe<'a> {
    /// Comes back in SUBACK.
    pub packet_id: PacketId,
    /// Empty in MQTT 3.1.1.
    pub properties: SubscribeProperties<'a>,
    /// One or more subscriptions [MQTT-3.8.3-2].
    pub filters: SubscribeFilters<'a>,
}

impl<'a> Subscribe<'a> {
    pub(crate) fn decode(mut body: Reader<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let packet_id = body.packet_id()?;
        let properties = match version {
            ProtocolVersion::V3_1_1 => SubscribeProperties::default(),
            ProtocolVersion::V5 => SubscribeProperties::decode(PropertyReader::take(&mut body)?)?,
        };
        Ok(Self { packet_id, properties, filters: SubscribeFilters::decode(body, version)? })
    }
}

impl Encode for Subscribe<'_> {
    fn encode_to<S: Sink>(&self, version: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        sink.u16(self.packet_id.get());
        sink.properties(version, &self.properties)?;
        if self.filters.is_empty() {
            return Err(EncodeError::NoFilters);
        }
        for Subscription { filter, options } in self.filters.iter() {
            if options.no_local && filter.share_name().is_some() {
                return Err(EncodeError::NoLocalOnShared);
            }
            sink.text(filter.as_str())?;
            sink.u8(options.to_byte(version));
        }
        Ok(())
    }
}

/// The properties of SUBSCRIBE.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct SubscribeProperties<'a> {
    /// Sent with every message that these subscriptions match; 1 to 268,435,455.
    pub subscription_identifier: Option<u32>,
    /// User properties, in order.
    pub user_properties: UserProperties<'a>,
}

impl<'a> SubscribeProperties<'a> {
    fn decode(mut properties: PropertyReader<'a>) -> Result<Self, DecodeError> {
        let mut found = Self::default();
        while let Some(id) = properties.next_id()? {
            match id {
                property::SUBSCRIPTION_IDENTIFIER if found.subscription_identifier.is_some() => {
                    return Err(DecodeError::PropertyRepeated);
                }
                property::SUBSCRIPTION_IDENTIFIER => {
                    found.subscription_identifier = Some(properties.subscription_identifier()?);
                }
                property::USER_PROPERTY => properties.user_property()?,
                _ => return Err(DecodeError::PropertyNotAllowed),
            }
        }
        found.user_properties = properties.user_properties();
        Ok(found)
    }
}

impl Encode for SubscribeProperties<'_> {
    fn encode_to<S: Sink>(&self, _: ProtocolVersion, sink: &mut S) -> Result<(), EncodeError> {
        if let Some(identifier) = self.subscription_identifier {
            subscription_identifiers::encode_one(identifier, sink)?;
        }
        self.user_properties.encode_to(sink)
    }
}

/// A topic filter with its options.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subscription<'a> {
    /// What is asked for.
    pub filter: TopicFilter<'a>,
    /// How it is to be delivered.
    pub options: SubscriptionOptions,
}

/// Subscription Options [MQTT 5, section 3.8.3.1]. All but the QoS are at their defaults in MQTT 3.1.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SubscriptionOptions {
    /// Highest QoS of a delivery.
    pub qos: QoS,
    /// Not to be sent what this client publishes; never on a shared subscription [MQTT-3.8.3-4].
    pub no_local: bool,
    /// Forward the RETAIN flag as it was published.
    pub retain_as_published: bool,
    /// Whether retained messages are sent at subscribing.
    pub retain_handling: RetainHandling,
}

impl SubscriptionOptions {
    fn decode(byte: u8, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let reserved = match version {
            ProtocolVersion::V3_1_1 => 0b1111_1100,
            ProtocolVersion::V5 => 0b1100_0000,
        };
        if byte & reserved != 0 {
            return Err(DecodeError::SubscriptionOptions);
        }
        Ok(Self {
            qos: QoS::from_u8(byte & 0b11).ok_or(DecodeError::SubscriptionQoS)?,
            no_local: byte & 0b0100 != 0,
            retain_as_published: byte & 0b1000 != 0,
            retain_handling: match byte >> 4 {
                0 => RetainHandling::SendAtSubscribe,
                1 => RetainHandling::SendIfNew,
                2 => RetainHandling::DoNotSend,
                _ => return Err(DecodeError::RetainHandling),
            },
        })
    }

    fn to_byte(self, version: ProtocolVersion) -> u8 {
        let qos = self.qos as u8;
        match version {
            ProtocolVersion::V3_1_1 => qos,
            ProtocolVersion::V5 => {
                qos | u8::from(self.no_local) << 2
                    | u8::from(self.retain_as_published) << 3
                    | (self.retain_handling as u8) << 4
            }
        }
    }
}

/// When retained messages are sent for a new subscription.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RetainHandling {
    /// At every SUBSCRIBE.
    #[default]
    SendAtSubscribe = 0,
    /// Only if the subscription did not exist.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// The subscriptions of one SUBSCRIBE, borrowed: from the read buffer after decoding, from a slice for
/// encoding.
#[derive(Clone, Copy)]
pub struct SubscribeFilters<'a>(Source<'a>);

#[derive(Clone, Copy)]
enum Source<'a> {
    /// The checked payload of a packet.
    Checked {
        bytes: &'a [u8],
        len: usize,
        version: ProtocolVersion,
    },
    Subscriptions(&'a [Subscription<'a>]),
}

impl<'a> SubscribeFilters<'a> {
    /// Subscriptions to encode.
    pub const fn from_slice(subscriptions: &'a [Subscription<'a>]) -> Self {
        Self(Source::Subscriptions(subscriptions))
    }

    fn decode(payload: Reader<'a>, version: ProtocolVersion) -> Result<Self, DecodeError> {
        let mut entries = payload;
        let mut len = 0;
        while !entries.is_empty() {
            let filter = entries.topic_filter()?;
            let options = SubscriptionOptions::decode(entries.u8()?, version)?;
            if options.no_local && filter.share_name().is_some() {
                return Err(DecodeError::NoLocalOnShared);
            }
            len += 1;
        }
        if len == 0 {
            return Err(DecodeError::NoFilters);
        }
        Ok(Self(Source::Checked { bytes: payload.rest(), len, version }))
    }

    /// The subscriptions, in order.
    pub fn iter(&self) -> impl Iterator<Item = Subscription<'a>> + Clone + use<'a> {
        match self.0 {
            Source::Checked { bytes, version, .. } => Iter::Checked(Reader::new(bytes), version),
            Source::Subscriptions(subscriptions) => Iter::Subscriptions(subscriptions.iter()),
        }
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        match self.0 {
            Source::Checked { len, .. } => len,
            Source::Subscriptions(subscriptions) => subscriptions.len(),
        }
    }

    /// Whether there is none, which only a packet that was not decoded can have.
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Equal if the same subscriptions come in the same order, wherever they are borrowed from.
impl PartialEq for SubscribeFilters<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for SubscribeFilters<'_> {}

impl fmt::Debug for SubscribeFilters<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[derive(Clone)]
enum Iter<'a> {
    Checked(Reader<'a>, ProtocolVersion),
    Subscriptions(std::slice::Iter<'a, Subscription<'a>>),
}

impl<'a> Iterator for Iter<'a> {
    type Item = Subscription<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Checked(entries, version) => Some(Subscription {
                filter: TopicFilter::from_checked(entries.binary().ok()?)?,
                options: SubscriptionOptions::decode(entries.u8().ok()?, *version).ok()?,
            }),
            Self::Subscriptions(subscriptions) => subscriptions.next().copied(),
        }
    }
}
