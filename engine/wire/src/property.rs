//! Property identifiers and the rules that all properties share [MQTT 5, section 2.2.2].
//!
//! [`PropertyReader`] walks over the properties of one packet and refuses what comes twice. Which properties
//! a packet may have, the packet's own file says. [`Walk`] goes over properties that were checked before.

use std::num::{NonZeroU16, NonZeroU32};

use crate::reader::Reader;
use crate::sink::Sink;
use crate::{DecodeError, EncodeError, SubscriptionIdentifiers, UserProperties};

pub(crate) const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
pub(crate) const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
pub(crate) const CONTENT_TYPE: u8 = 0x03;
pub(crate) const RESPONSE_TOPIC: u8 = 0x08;
pub(crate) const CORRELATION_DATA: u8 = 0x09;
pub(crate) const SUBSCRIPTION_IDENTIFIER: u8 = 0x0B;
pub(crate) const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
pub(crate) const ASSIGNED_CLIENT_IDENTIFIER: u8 = 0x12;
pub(crate) const SERVER_KEEP_ALIVE: u8 = 0x13;
pub(crate) const AUTHENTICATION_METHOD: u8 = 0x15;
pub(crate) const AUTHENTICATION_DATA: u8 = 0x16;
pub(crate) const REQUEST_PROBLEM_INFORMATION: u8 = 0x17;
pub(crate) const WILL_DELAY_INTERVAL: u8 = 0x18;
pub(crate) const REQUEST_RESPONSE_INFORMATION: u8 = 0x19;
pub(crate) const RESPONSE_INFORMATION: u8 = 0x1A;
pub(crate) const SERVER_REFERENCE: u8 = 0x1C;
pub(crate) const REASON_STRING: u8 = 0x1F;
pub(crate) const RECEIVE_MAXIMUM: u8 = 0x21;
pub(crate) const TOPIC_ALIAS_MAXIMUM: u8 = 0x22;
pub(crate) const TOPIC_ALIAS: u8 = 0x23;
pub(crate) const MAXIMUM_QOS: u8 = 0x24;
pub(crate) const RETAIN_AVAILABLE: u8 = 0x25;
pub(crate) const USER_PROPERTY: u8 = 0x26;
pub(crate) const MAXIMUM_PACKET_SIZE: u8 = 0x27;
pub(crate) const WILDCARD_SUBSCRIPTION_AVAILABLE: u8 = 0x28;
pub(crate) const SUBSCRIPTION_IDENTIFIERS_AVAILABLE: u8 = 0x29;
pub(crate) const SHARED_SUBSCRIPTION_AVAILABLE: u8 = 0x2A;

/// Those that may come more than once. SUBSCRIBE takes one subscription identifier only and looks for itself.
const REPEATABLE: u64 = 1 << USER_PROPERTY | 1 << SUBSCRIPTION_IDENTIFIER;

/// Reads the properties of one packet.
#[derive(Debug)]
pub(crate) struct PropertyReader<'a> {
    bytes: &'a [u8],
    /// Reads the value after an identifier.
    pub(crate) values: Reader<'a>,
    /// One bit for each identifier that was read.
    seen: u64,
    user_properties: Span,
    subscription_identifiers: Span,
}

impl<'a> PropertyReader<'a> {
    /// Reads properties without their length.
    #[inline]
    pub(crate) const fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            values: Reader::new(bytes),
            seen: 0,
            user_properties: Span::EMPTY,
            subscription_identifiers: Span::EMPTY,
        }
    }

    /// Takes the properties with their length from a packet.
    #[inline]
    pub(crate) fn take(packet: &mut Reader<'a>) -> Result<Self, DecodeError> {
        let len = packet.variable_byte_integer()?;
        Ok(Self::new(packet.take(len as usize)?))
    }

    /// The next identifier, known or not; `None` at the end.
    #[inline]
    pub(crate) fn next_id(&mut self) -> Result<Option<u8>, DecodeError> {
        if self.values.is_empty() {
            return Ok(None);
        }
        let id = self.values.u8()?;
        // Identifiers are Variable Byte Integers, but all that exist are below 64.
        let bit = 1_u64.checked_shl(u32::from(id)).ok_or(DecodeError::PropertyNotAllowed)?;
        if self.seen & bit & !REPEATABLE != 0 {
            return Err(DecodeError::PropertyRepeated);
        }
        self.seen |= bit;
        Ok(Some(id))
    }

    /// A byte that is 0 or 1.
    #[inline]
    pub(crate) fn flag(&mut self) -> Result<bool, DecodeError> {
        match self.values.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(DecodeError::PropertyNotZeroOrOne),
        }
    }

    pub(crate) fn receive_maximum(&mut self) -> Result<NonZeroU16, DecodeError> {
        self.values.non_zero_u16(DecodeError::ReceiveMaximumZero)
    }

    pub(crate) fn maximum_packet_size(&mut self) -> Result<NonZeroU32, DecodeError> {
        NonZeroU32::new(self.values.u32()?).ok_or(DecodeError::MaximumPacketSizeZero)
    }

    /// One subscription identifier, also kept in [`Self::subscription_identifiers`].
    #[inline]
    pub(crate) fn subscription_identifier(&mut self) -> Result<u32, DecodeError> {
        let start = self.position() - 1;
        let value = self.values.variable_byte_integer()?;
        if value == 0 {
            return Err(DecodeError::SubscriptionIdentifierZero);
        }
        self.subscription_identifiers.add(start, self.position());
        Ok(value)
    }

    /// Checks one user property and keeps it for [`Self::user_properties`].
    #[inline]
    pub(crate) fn user_property(&mut self) -> Result<(), DecodeError> {
        let start = self.position() - 1;
        self.values.skip_text()?;
        self.values.skip_text()?;
        self.user_properties.add(start, self.position());
        Ok(())
    }

    /// All user properties read so far.
    #[inline]
    pub(crate) fn user_properties(&self) -> UserProperties<'a> {
        let Span { start, end, used } = self.user_properties;
        UserProperties::from_checked(&self.bytes[start..end], used == end - start)
    }

    /// All subscription identifiers read so far.
    #[inline]
    pub(crate) fn subscription_identifiers(&self) -> SubscriptionIdentifiers<'a> {
        let Span { start, end, .. } = self.subscription_identifiers;
        SubscriptionIdentifiers::from_checked(&self.bytes[start..end])
    }

    #[inline]
    fn position(&self) -> usize {
        self.bytes.len() - self.values.len()
    }
}

/// Writes a property of one byte, if there is one.
#[inline]
pub(crate) fn write_flag<S: Sink>(sink: &mut S, id: u8, value: Option<bool>) {
    write_u8(sink, id, value.map(u8::from));
}

/// Writes a property of one byte, if there is one.
#[inline]
pub(crate) fn write_u8<S: Sink>(sink: &mut S, id: u8, value: Option<u8>) {
    if let Some(value) = value {
        sink.bytes(&[id, value]);
    }
}

/// Writes a Two Byte Integer property, if there is one.
#[inline]
pub(crate) fn write_u16<S: Sink>(sink: &mut S, id: u8, value: Option<u16>) {
    if let Some(value) = value {
        sink.u8(id);
        sink.u16(value);
    }
}

/// Writes a Four Byte Integer property, if there is one.
#[inline]
pub(crate) fn write_u32<S: Sink>(sink: &mut S, id: u8, value: Option<u32>) {
    if let Some(value) = value {
        sink.u8(id);
        sink.u32(value);
    }
}

/// Writes a string property, if there is one.
#[inline]
pub(crate) fn write_text<S: Sink>(sink: &mut S, id: u8, value: Option<&str>) -> Result<(), EncodeError> {
    value.map_or(Ok(()), |value| {
        sink.u8(id);
        sink.text(value)
    })
}

/// Writes a Binary Data property, if there is one.
#[inline]
pub(crate) fn write_binary<S: Sink>(sink: &mut S, id: u8, value: Option<&[u8]>) -> Result<(), EncodeError> {
    value.map_or(Ok(()), |value| {
        sink.u8(id);
        sink.binary(value)
    })
}

/// Where the properties of one kind lie: from the first to the last.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: usize,
    end: usize,
    /// Bytes of this kind; fewer than `end - start` if others lie between.
    used: usize,
}

impl Span {
    const EMPTY: Self = Self { start: 0, end: 0, used: 0 };

    #[inline]
    fn add(&mut self, start: usize, end: usize) {
        if self.used == 0 {
            self.start = start;
        }
        self.end = end;
        self.used += end - start;
    }
}

/// Goes over properties that a [`PropertyReader`] accepted, of which some are wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walk<'a>(Reader<'a>);

impl<'a> Walk<'a> {
    #[inline]
    pub(crate) const fn new(checked: &'a [u8]) -> Self {
        Self(Reader::new(checked))
    }

    /// Moves behind the next identifier `wanted` and gives the reader of its value.
    #[inline]
    pub(crate) fn find(&mut self, wanted: u8) -> Option<&mut Reader<'a>> {
        loop {
            let id = self.0.u8().ok()?;
            if id == wanted {
                return Some(&mut self.0);
            }
            self.skip(id)?;
        }
    }

    /// Passes over the value of a property that PUBLISH or any other packet may carry beside the wanted ones.
    fn skip(&mut self, id: u8) -> Option<()> {
        match id {
            PAYLOAD_FORMAT_INDICATOR
            | REQUEST_PROBLEM_INFORMATION
            | REQUEST_RESPONSE_INFORMATION
            | MAXIMUM_QOS
            | RETAIN_AVAILABLE
            | WILDCARD_SUBSCRIPTION_AVAILABLE
            | SUBSCRIPTION_IDENTIFIERS_AVAILABLE
            | SHARED_SUBSCRIPTION_AVAILABLE => self.0.u8().map(|_| ()),
            SERVER_KEEP_ALIVE | RECEIVE_MAXIMUM | TOPIC_ALIAS_MAXIMUM | TOPIC_ALIAS => {
                self.0.u16().map(|_| ())
            }
            MESSAGE_EXPIRY_INTERVAL | SESSION_EXPIRY_INTERVAL | WILL_DELAY_INTERVAL | MAXIMUM_PACKET_SIZE => {
                self.0.u32().map(|_| ())
            }
            SUBSCRIPTION_IDENTIFIER => self.0.variable_byte_integer().map(|_| ()),
            USER_PROPERTY => self.0.binary().and_then(|_| self.0.binary()).map(|_| ()),
            // All others begin with their length.
            _ => self.0.binary().map(|_| ()),
        }
        .ok()
    }
}
