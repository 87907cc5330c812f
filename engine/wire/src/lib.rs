//! Bytes to packets and back: MQTT 5 and 3.1.1, the store's RESP3 subset, hybrid logical clocks in text.
//!
//! This crate owns the formats and nothing else: no I/O, no clock, no session, no decision that depends on an
//! earlier packet. Decoding borrows from the read buffer and allocates nothing; encoding appends to a
//! caller's buffer and leaves it as it was on an error.
//!
//! Decoding is strict: what a clause of the standard forbids is refused, and [`DecodeError`] names the
//! clause. It does not know which side sent a packet, so rules that depend on the direction are left to the
//! caller.
//!
//! # Layout
//! - [`split_frame`] finds one packet in a buffer; [`Frame::decode`] makes a [`Packet`] of it.
//! - Each packet has a file of its own, with its type, its decoding and its encoding.
//! - [`Delivery`] is the PUBLISH that a server fans out, with the shared part encoded already.
//! - [`Redacted`] keeps passwords out of what `Debug` writes.
//! - [`resp3`] is the store's payload format, [`Hlc`] its version format.

mod acknowledgement;
mod auth;
mod connack;
mod connect;
mod decimal;
mod decode_error;
mod delivery;
mod disconnect;
mod encode_error;
mod frame;
mod hlc;
mod packet;
mod packet_id;
mod packet_type;
mod property;
mod protocol_version;
mod publish;
mod qos;
mod reader;
mod reason_code;
mod redacted;
pub mod resp3;
mod sink;
mod suback;
mod subscribe;
mod subscription_identifiers;
mod text;
mod topic;
mod unsuback;
mod unsubscribe;
mod user_properties;
mod will;

pub use acknowledgement::{AckProperties, PubAck, PubComp, PubRec, PubRel};
pub use auth::{Auth, AuthProperties};
pub use connack::{ConnAck, ConnAckProperties};
pub use connect::{Connect, ConnectProperties};
pub use decode_error::DecodeError;
pub use delivery::Delivery;
pub use disconnect::{Disconnect, DisconnectProperties};
pub use encode_error::EncodeError;
pub use frame::{Frame, split_frame};
pub use hlc::{Hlc, HlcError};
pub use packet::Packet;
pub use packet_id::PacketId;
pub use protocol_version::ProtocolVersion;
pub use publish::{Publish, PublishProperties};
pub use qos::QoS;
pub use reason_code::ReasonCode;
pub use redacted::Redacted;
pub use suback::SubAck;
pub use subscribe::{
    RetainHandling, Subscribe, SubscribeFilters, SubscribeProperties, Subscription, SubscriptionOptions,
};
pub use subscription_identifiers::SubscriptionIdentifiers;
pub use topic::{TopicError, TopicFilter, TopicName};
pub use unsuback::UnsubAck;
pub use unsubscribe::{Unsubscribe, UnsubscribeFilters, UnsubscribeProperties};
pub use user_properties::UserProperties;
pub use will::{Will, WillProperties};
