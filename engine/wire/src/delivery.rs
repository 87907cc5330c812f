//! The PUBLISH that a server sends to a subscriber, with its shared part encoded already.

use std::num::NonZeroU16;

use crate::packet_type::publish_header;
use crate::property;
use crate::publish::{check_flags, may_be_empty};
use crate::sink::{MAX_VARIABLE_BYTE_INTEGER, Sink, variable_byte_integer_len};
use crate::{
    DecodeError, EncodeError, PacketId, ProtocolVersion, PublishProperties, QoS, SubscriptionIdentifiers,
    TopicError,
};

/// A PUBLISH whose forwarded properties are encoded once and shared by all receivers of the message.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// Whether this is a repeated delivery.
    pub dup: bool,
    /// Quality of service of this delivery.
    pub qos: QoS,
    /// The RETAIN flag as this receiver sees it.
    pub retain: bool,
    /// A valid topic name; empty only with a topic alias.
    pub topic: &'a str,
    /// Present exactly when the QoS is 1 or 2.
    pub packet_id: Option<PacketId>,
    /// The receiver's alias for the topic.
    pub topic_alias: Option<NonZeroU16>,
    /// What is left of the message's life, in seconds.
    pub message_expiry_interval_s: Option<u32>,
    /// The identifiers of the receiver's matching subscriptions, each 1 to 268,435,455.
    pub subscription_identifiers: &'a [u32],
    /// The output of [`PublishProperties::encode_forwarded`].
    pub forwarded_properties: &'a [u8],
    /// The message itself.
    pub payload: &'a [u8],
}
impl<'a> Delivery<'a> {
    /// The length of the whole packet in bytes, fixed header included: what is compared with the receiver's
    /// Maximum Packet Size.
    #[inline]
    pub fn encoded_len(&self, version: ProtocolVersion) -> usize {
        let body = self.body_len(version, self.properties_len(version));
        1 + variable_byte_integer_len(u32::try_from(body).unwrap_or(u32::MAX)) + body
    }

    /// Appends the packet. On an error `out` is as it was. MQTT 3.1.1 has no properties; they are left out.
    #[inline]
    pub fn encode(&self, version: ProtocolVersion, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        self.check(version)?;
        let properties_len = self.properties_len(version);
        let body_len = u32::try_from(self.body_len(version, properties_len))
            .ok()
            .filter(|len| *len <= MAX_VARIABLE_BYTE_INTEGER)
            .ok_or(EncodeError::PacketTooLarge)?;
        out.reserve(1 + variable_byte_integer_len(body_len) + body_len as usize);
        out.push(publish_header(self.dup, self.qos, self.retain));
        out.variable_byte_integer(body_len);
        out.binary(self.topic.as_bytes())?;
        if let Some(packet_id) = self.packet_id {
            out.u16(packet_id.get());
        }
        if version == ProtocolVersion::V5 {
            // No more than the body, which is no more than the largest Variable Byte Integer.
            out.variable_byte_integer(properties_len as u32);
            property::write_u16(out, property::TOPIC_ALIAS, self.topic_alias.map(NonZeroU16::get));
            property::write_u32(out, property::MESSAGE_EXPIRY_INTERVAL, self.message_expiry_interval_s);
            for identifier in self.subscription_identifiers {
                out.u8(property::SUBSCRIPTION_IDENTIFIER);
                out.variable_byte_integer(*identifier);
            }
            out.bytes(self.forwarded_properties);
        }
        out.bytes(self.payload);
        Ok(())
    }

    /// All properties in one, as the receiver reads them.
    pub fn properties(&self) -> Result<PublishProperties<'a>, DecodeError> {
        Ok(PublishProperties {
            topic_alias: self.topic_alias,
            message_expiry_interval_s: self.message_expiry_interval_s,
            subscription_identifiers: SubscriptionIdentifiers::from_slice(self.subscription_identifiers),
            ..PublishProperties::parse(self.forwarded_properties)?
        })
    }

    /// Finds every error but that of the whole length, so that nothing is written on an error. The topic and
    /// the forwarded properties come from a decoded packet; only the topic's length is looked at again.
    #[inline]
    fn check(&self, version: ProtocolVersion) -> Result<(), EncodeError> {
        check_flags(self.dup, self.qos, self.packet_id)?;
        if self.topic.is_empty() && !may_be_empty(version, self.topic_alias) {
            return Err(EncodeError::TopicName(TopicError::Empty));
        }
        if self.topic.len() > usize::from(u16::MAX) {
            return Err(EncodeError::TopicName(TopicError::TooLong));
        }
        let in_range = |identifier: &u32| (1..=MAX_VARIABLE_BYTE_INTEGER).contains(identifier);
        if self.subscription_identifiers.iter().all(in_range) {
            Ok(())
        } else {
            Err(EncodeError::SubscriptionIdentifier)
        }
    }

    /// The length of the properties without the length before them, in bytes.
    #[inline]
    fn properties_len(&self, version: ProtocolVersion) -> usize {
        match version {
            ProtocolVersion::V3_1_1 => 0,
            ProtocolVersion::V5 => {
                let identifiers = self.subscription_identifiers.iter();
                self.topic_alias.map_or(0, |_| 3)
                    + self.message_expiry_interval_s.map_or(0, |_| 5)
                    + identifiers.map(|identifier| 1 + variable_byte_integer_len(*identifier)).sum::<usize>()
                    + self.forwarded_properties.len()
            }
        }
    }

    /// The length of all after the fixed header, in bytes.
    #[inline]
    fn body_len(&self, version: ProtocolVersion, properties_len: usize) -> usize {
        let properties = match version {
            ProtocolVersion::V3_1_1 => 0,
            ProtocolVersion::V5 => {
                variable_byte_integer_len(u32::try_from(properties_len).unwrap_or(u32::MAX)) + properties_len
            }
        };
        2 + self.topic.len() + self.packet_id.map_or(0, |_| 2) + properties + self.payload.len()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;
    use crate::{Packet, Publish, TopicName, UserProperties, split_frame};

    fn forwarded(out: &mut Vec<u8>) -> PublishProperties<'static> {
        let properties = PublishProperties {
            payload_format_indicator: Some(true),
            response_topic: Some(TopicName::parse("r").unwrap()),
            correlation_data: Some(b"12"),
            content_type: Some("t"),
            user_properties: UserProperties::from_pairs(&[("k", "v")]),
            ..PublishProperties::default()
        };
        properties.encode_forwarded(out);
        properties
    }

    #[test]
    fn is_the_publish_that_it_stands_for() {
        let mut tail = Vec::new();
        let properties = forwarded(&mut tail);
        let identifiers = [1, 268_435_455];
        for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
            for payload_len in [0, 100, 128, 20_000] {
                let payload = vec![7; payload_len];
                let delivery = Delivery {
                    dup: true,
                    qos: QoS::AtLeastOnce,
                    retain: true,
                    topic: "a/b",
                    packet_id: PacketId::new(9),
                    topic_alias: NonZeroU16::new(3),
                    message_expiry_interval_s: Some(60),
                    subscription_identifiers: &identifiers,
                    forwarded_properties: &tail,
                    payload: &payload,
                };
                let publish = Packet::Publish(Publish {
                    dup: true,
                    qos: QoS::AtLeastOnce,
                    retain: true,
                    topic: "a/b",
                    packet_id: PacketId::new(9),
                    properties: PublishProperties {
                        topic_alias: NonZeroU16::new(3),
                        message_expiry_interval_s: Some(60),
                        subscription_identifiers: SubscriptionIdentifiers::from_slice(&identifiers),
                        ..properties
                    },
                    payload: &payload,
                });
                let (mut ours, mut theirs) = (b"before".to_vec(), b"before".to_vec());
                delivery.encode(version, &mut ours).unwrap();
                publish.encode(version, &mut theirs).unwrap();
                assert_eq!(ours, theirs);
                assert_eq!(delivery.encoded_len(version), ours.len() - 6);
                let frame = split_frame(&ours[6..], u32::MAX).unwrap().unwrap();
                let Packet::Publish(read) = frame.decode(version).unwrap() else { panic!("not a PUBLISH") };
                if version == ProtocolVersion::V5 {
                    assert_eq!(read.properties, delivery.properties().unwrap());
                }
            }
        }
    }

    #[test]
    fn refuses_what_no_receiver_accepts_and_writes_nothing() {
        let good = Delivery {
            dup: false,
            qos: QoS::AtMostOnce,
            retain: false,
            topic: "a",
            packet_id: None,
            topic_alias: None,
            message_expiry_interval_s: None,
            subscription_identifiers: &[],
            forwarded_properties: &[],
            payload: &[],
        };
        let too_long = "a".repeat(65_536);
        let huge = vec![0; 268_435_456];
        let alias = NonZeroU16::new(1);
        for (bad, error) in [
            (Delivery { dup: true, ..good }, EncodeError::DupWithQoS0),
            (Delivery { packet_id: PacketId::new(1), ..good }, EncodeError::PacketId),
            (Delivery { qos: QoS::AtLeastOnce, ..good }, EncodeError::PacketId),
            (Delivery { topic: "", ..good }, EncodeError::TopicName(TopicError::Empty)),
            (Delivery { topic: &too_long, ..good }, EncodeError::TopicName(TopicError::TooLong)),
            (Delivery { subscription_identifiers: &[0], ..good }, EncodeError::SubscriptionIdentifier),
            (
                Delivery { subscription_identifiers: &[1, 268_435_456], ..good },
                EncodeError::SubscriptionIdentifier,
            ),
            (Delivery { payload: &huge, ..good }, EncodeError::PacketTooLarge),
        ] {
            let mut out = b"before".to_vec();
            assert_eq!(bad.encode(ProtocolVersion::V5, &mut out), Err(error));
            assert_eq!(out, b"before");
        }
        let mut out = Vec::new();
        let aliased = Delivery { topic: "", topic_alias: alias, ..good };
        assert_eq!(aliased.encode(ProtocolVersion::V5, &mut out), Ok(()));
        assert_eq!(
            aliased.encode(ProtocolVersion::V3_1_1, &mut out),
            Err(EncodeError::TopicName(TopicError::Empty))
        );
    }
}
