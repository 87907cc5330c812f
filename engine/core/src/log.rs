//! Inputs of the broker as bytes: what a replica would receive.
//!
//! An entry is a fixed header and a body. Packets are in MQTT 5's form, whatever version the connection speaks, since
//! that form can say all that 3.1.1's can; a CONNECT is in its own. All numbers are little endian.
//!
//! ```text
//! offset  size
//!      0     1  format version, 1
//!      1     1  kind of input
//!      2     8  monotonic time in nanoseconds
//!     10     8  wall clock in milliseconds
//!     18     8  connection: node (or the node of NodeDown and ConnectionMemory)
//!     26     8  connection: sequence
//!     34     …  body
//! ```

use std::num::NonZeroU16;

use mayfly_wire::{DecodeError, EncodeError, Packet, PacketId, ProtocolVersion, ReasonCode, split_frame};
use thiserror::Error;

use crate::authorization::Rules;
use crate::byte_reader::ByteReader;
use crate::identity::{Attributes, Identity};
use crate::limits::{Limits, QueueOverflow};
use crate::machine::{CloseCause, ConnectionId, Input};
use crate::time::{Monotonic, Now, WallClock};

/// The format that this build writes, and the only one that it reads.
pub const FORMAT_VERSION: u8 = 1;

const OPENED: u8 = 1;
const PACKET: u8 = 2;
const CLOSED: u8 = 3;
const TICK: u8 = 4;
const LIMITS: u8 = 5;
const NODE_DOWN: u8 = 6;
const CONNECTION_MEMORY: u8 = 11;
const RULES: u8 = 7;
const PUBLISH: u8 = 8;
const REAUTHENTICATED: u8 = 9;
const REFUSED: u8 = 10;

/// Why bytes are not an entry.
#[derive(Debug, Error)]
pub enum LogError {
    /// Fewer or more bytes than the entry needs.
    #[error("a log entry of {len} bytes is cut short, or has bytes to spare")]
    Length {
        /// Its length in bytes.
        len: usize,
    },
    /// Written by another version of Mayfly.
    #[error("a log entry has format version {found}, this build reads {FORMAT_VERSION}")]
    FormatVersion {
        /// What the entry says.
        found: u8,
    },
    /// A value that stands for nothing.
    #[error("a log entry has {value} for its {field}, which has no meaning")]
    Value {
        /// Which field.
        field: &'static str,
        /// Its value.
        value: u8,
    },
    /// The packet in the entry.
    #[error("the packet in a log entry is malformed: {0}")]
    Packet(#[from] DecodeError),
}

/// Appends an entry to `out`. On an error `out` is as it was.
pub fn encode(now: Now, input: &Input<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let start = out.len();
    let (kind, connection) = match *input {
        Input::Opened { connection, .. } => (OPENED, connection),
        Input::Reauthenticated { connection, .. } => (REAUTHENTICATED, connection),
        Input::Packet { connection, .. } => (PACKET, connection),
        Input::Refused { connection, .. } => (REFUSED, connection),
        Input::Closed { connection, .. } => (CLOSED, connection),
        Input::Publish(_) => (PUBLISH, ConnectionId { node: 0, sequence: 0 }),
        Input::Tick => (TICK, ConnectionId { node: 0, sequence: 0 }),
        Input::Limits(_) => (LIMITS, ConnectionId { node: 0, sequence: 0 }),
        Input::Rules(_) => (RULES, ConnectionId { node: 0, sequence: 0 }),
        Input::NodeDown { node } => (NODE_DOWN, ConnectionId { node, sequence: 0 }),
        Input::ConnectionMemory { node, .. } => (CONNECTION_MEMORY, ConnectionId { node, sequence: 0 }),
    };
    out.extend_from_slice(&[FORMAT_VERSION, kind]);
    for number in [now.monotonic.as_nanos(), now.wall.as_millis(), connection.node, connection.sequence] {
        out.extend_from_slice(&number.to_le_bytes());
    }
    let encoded = encode_body(input, out);
    if encoded.is_err() {
        out.truncate(start);
    }
    encoded
}

fn encode_body(input: &Input<'_>, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match input {
        Input::Opened { identity, entropy, connect, .. } => {
            out.extend_from_slice(&entropy.to_le_bytes());
            push_identity(*identity, out);
            Packet::Connect(*connect).encode(connect.version, out)
        }
        Input::Reauthenticated { identity, .. } => {
            push_identity(*identity, out);
            Ok(())
        }
        Input::Refused { packet_id, .. } => {
            out.extend_from_slice(&packet_id.get().to_le_bytes());
            Ok(())
        }
        Input::Packet { packet, .. } => packet.encode(ProtocolVersion::V5, out),
        Input::Publish(publish) => Packet::Publish(*publish).encode(ProtocolVersion::V5, out),
        Input::Closed { cause, .. } => {
            let (cause, reason) = match *cause {
                CloseCause::NetworkLost => (1, ReasonCode::Success),
                CloseCause::KeepAliveTimeout => (2, ReasonCode::Success),
                CloseCause::Rejected(reason) => (3, reason),
                CloseCause::WriteStalled => (4, ReasonCode::Success),
                CloseCause::ServerShutdown => (5, ReasonCode::Success),
            };
            out.extend_from_slice(&[cause, reason as u8]);
            Ok(())
        }
        Input::Limits(limits) => {
            out.extend_from_slice(&limits.max_in_flight.get().to_le_bytes());
            out.push(match limits.queue_overflow {
                QueueOverflow::Refuse => 0,
                QueueOverflow::DropOldest => 1,
            });
            for limit in [
                limits.max_in_flight_bytes,
                limits.max_queued_messages,
                limits.max_queued_bytes,
                limits.max_unreleased_messages,
                limits.max_session_expiry_interval_s,
                limits.max_subscriptions,
                limits.max_retained_messages,
                limits.max_retained_bytes,
                limits.max_watched_keys,
                limits.max_remembered_requests,
                limits.max_total_subscriptions,
                limits.max_sessions,
                limits.max_keys,
                limits.max_wildcard_levels,
            ] {
                out.extend_from_slice(&limit.to_le_bytes());
            }
            for limit in [limits.max_store_bytes, limits.max_memory_bytes] {
                out.extend_from_slice(&limit.to_le_bytes());
            }
            out.extend_from_slice(&[limits.slow_publishers_percent, limits.refuse_publishers_percent]);
            Ok(())
        }
        Input::Rules(rules) => {
            push_bytes(rules.as_bytes(), out);
            Ok(())
        }
        Input::Tick | Input::NodeDown { .. } => Ok(()),
        Input::ConnectionMemory { bytes, .. } => {
            out.extend_from_slice(&bytes.to_le_bytes());
            Ok(())
        }
    }
}

fn push_identity(identity: Identity<'_>, out: &mut Vec<u8>) {
    for text in [identity.user_name, identity.policy] {
        out.push(u8::from(text.is_some()));
        push_bytes(text.unwrap_or_default().as_bytes(), out);
    }
    push_bytes(identity.attributes.as_bytes(), out);
}

fn push_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
    out.extend_from_slice(bytes);
}

/// Reads one entry, which is all of `entry`. The input borrows from it.
pub fn decode(entry: &[u8]) -> Result<(Now, Input<'_>), LogError> {
    let mut reader = Reader { bytes: ByteReader::new(entry), len: entry.len() };
    let [format_version, kind] = reader.array()?;
    if format_version != FORMAT_VERSION {
        return Err(LogError::FormatVersion { found: format_version });
    }
    let monotonic = Monotonic::from_nanos(reader.u64()?);
    let wall = WallClock::from_millis(reader.u64()?);
    let connection = ConnectionId { node: reader.u64()?, sequence: reader.u64()? };
    let input = match kind {
        OPENED => decode_opened(connection, &mut reader)?,
        REAUTHENTICATED => Input::Reauthenticated { connection, identity: reader.identity()? },
        REFUSED => Input::Refused { connection, packet_id: reader.packet_id()? },
        PACKET => Input::Packet { connection, packet: reader.packet()? },
        CLOSED => Input::Closed { connection, cause: reader.close_cause()? },
        PUBLISH => match reader.packet()? {
            Packet::Publish(publish) => Input::Publish(publish),
            _ => return Err(LogError::Value { field: "packet of the server itself", value: 0 }),
        },
        TICK => Input::Tick,
        LIMITS => Input::Limits(reader.limits()?),
        RULES => {
            let rules = Rules::from_bytes(reader.bytes()?);
            Input::Rules(rules.ok_or(LogError::Value { field: "rules", value: 0 })?)
        }
        NODE_DOWN => Input::NodeDown { node: connection.node },
        CONNECTION_MEMORY => Input::ConnectionMemory { node: connection.node, bytes: reader.u64()? },
        value => return Err(LogError::Value { field: "kind", value }),
    };
    reader.finish()?;
    Ok((Now { monotonic, wall }, input))
}

fn decode_opened<'a>(connection: ConnectionId, reader: &mut Reader<'a>) -> Result<Input<'a>, LogError> {
    let entropy = u128::from_le_bytes(reader.array()?);
    let identity = reader.identity()?;
    match reader.packet()? {
        Packet::Connect(connect) => Ok(Input::Opened { connection, identity, entropy, connect }),
        _ => Err(LogError::Value { field: "packet of an opened connection", value: 0 }),
    }
}

/// Takes values off the front of an entry, and says how long that is where one is not there.
struct Reader<'a> {
    bytes: ByteReader<'a>,
    len: usize,
}

impl<'a> Reader<'a> {
    fn present<T>(&self, value: Option<T>) -> Result<T, LogError> {
        value.ok_or(LogError::Length { len: self.len })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], LogError> {
        let value = self.bytes.array();
        self.present(value)
    }

    fn u8(&mut self) -> Result<u8, LogError> {
        let value = self.bytes.u8();
        self.present(value)
    }

    fn u16(&mut self) -> Result<u16, LogError> {
        let value = self.bytes.u16();
        self.present(value)
    }

    fn u32(&mut self) -> Result<u32, LogError> {
        let value = self.bytes.u32();
        self.present(value)
    }

    fn u64(&mut self) -> Result<u64, LogError> {
        let value = self.bytes.u64();
        self.present(value)
    }

    fn bytes(&mut self) -> Result<&'a [u8], LogError> {
        let len = usize::try_from(self.u64()?).ok();
        let value = len.and_then(|len| self.bytes.take(len));
        self.present(value)
    }

    fn optional_text(&mut self) -> Result<Option<&'a str>, LogError> {
        let is_present = self.u8()?;
        let text = std::str::from_utf8(self.bytes()?);
        let text = text.map_err(|_| LogError::Value { field: "text of an identity", value: 0 })?;
        match is_present {
            0 => Ok(None),
            1 => Ok(Some(text)),
            value => Err(LogError::Value { field: "presence of a text", value }),
        }
    }

    fn identity(&mut self) -> Result<Identity<'a>, LogError> {
        let (user_name, policy) = (self.optional_text()?, self.optional_text()?);
        let attributes = Attributes::from_bytes(self.bytes()?);
        let attributes = attributes.ok_or(LogError::Value { field: "attributes", value: 0 })?;
        Ok(Identity { user_name, attributes, policy })
    }

    fn packet_id(&mut self) -> Result<PacketId, LogError> {
        let packet_id = PacketId::new(self.u16()?);
        packet_id.ok_or(LogError::Value { field: "packet identifier", value: 0 })
    }

    fn packet(&mut self) -> Result<Packet<'a>, LogError> {
        let frame = self.present(split_frame(self.bytes.rest(), u32::MAX)?)?;
        self.bytes.take(frame.len);
        Ok(frame.decode(ProtocolVersion::V5)?)
    }

    fn close_cause(&mut self) -> Result<CloseCause, LogError> {
        let [cause, reason] = self.array()?;
        match cause {
            1 => Ok(CloseCause::NetworkLost),
            2 => Ok(CloseCause::KeepAliveTimeout),
            3 => ReasonCode::from_u8(reason)
                .map(CloseCause::Rejected)
                .ok_or(LogError::Value { field: "reason code", value: reason }),
            4 => Ok(CloseCause::WriteStalled),
            5 => Ok(CloseCause::ServerShutdown),
            value => Err(LogError::Value { field: "cause of closing", value }),
        }
    }

    fn limits(&mut self) -> Result<Limits, LogError> {
        let max_in_flight = NonZeroU16::new(self.u16()?);
        let queue_overflow = match self.u8()? {
            0 => QueueOverflow::Refuse,
            1 => QueueOverflow::DropOldest,
            value => return Err(LogError::Value { field: "queue_overflow", value }),
        };
        Ok(Limits {
            max_in_flight: max_in_flight.ok_or(LogError::Value { field: "max_in_flight", value: 0 })?,
            max_in_flight_bytes: self.u32()?,
            max_queued_messages: self.u32()?,
            max_queued_bytes: self.u32()?,
            queue_overflow,
            max_unreleased_messages: self.u32()?,
            max_session_expiry_interval_s: self.u32()?,
            max_subscriptions: self.u32()?,
            max_retained_messages: self.u32()?,
            max_retained_bytes: self.u32()?,
            max_watched_keys: self.u32()?,
            max_remembered_requests: self.u32()?,
            max_total_subscriptions: self.u32()?,
            max_sessions: self.u32()?,
            max_keys: self.u32()?,
            max_wildcard_levels: self.u32()?,
            max_store_bytes: self.u64()?,
            max_memory_bytes: self.u64()?,
            slow_publishers_percent: self.u8()?,
            refuse_publishers_percent: self.u8()?,
        })
    }

    fn finish(self) -> Result<(), LogError> {
        self.present(self.bytes.is_empty().then_some(()))
    }
}
