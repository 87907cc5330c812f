//! Why bytes are not a packet: the rule that they break, its clause, and the reason code for the peer.

use crate::{ReasonCode, TopicError};

/// A rule of the standard that some received bytes break. Clauses are those of MQTT 5 where no version is
/// named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Packet type 0, or AUTH on an MQTT 3.1.1 connection.
    #[error("the packet type is reserved [section 2.1.2]")]
    PacketType,
    /// Flags of the fixed header are not what the packet type prescribes.
    #[error("reserved flags of the fixed header are wrong [MQTT-2.1.3-1]")]
    Flags,
    /// PUBLISH with both QoS bits set.
    #[error("PUBLISH has QoS 3 [MQTT-3.3.1-4]")]
    PublishQoS,
    /// PUBLISH with DUP and QoS 0.
    #[error("PUBLISH has DUP set with QoS 0 [MQTT-3.3.1-2]")]
    DupWithQoS0,
    /// The packet is larger than its receiver allows.
    #[error("the packet is larger than the Maximum Packet Size [MQTT-3.1.2-24, MQTT-3.2.2-15]")]
    PacketTooLarge,
    /// The packet ends within a field.
    #[error("the packet ends within a field [section 1.2, Malformed Packet]")]
    Truncated,
    /// The packet goes on after its last field.
    #[error("bytes follow the last field [section 1.2, Malformed Packet]")]
    TrailingBytes,
    /// More than four bytes, or more than needed.
    #[error("a Variable Byte Integer is longer than four bytes or than needed [MQTT-1.5.5-1]")]
    VariableByteInteger,
    /// A string is not UTF-8; surrogates and overlong forms are not.
    #[error("a string is not well-formed UTF-8 [MQTT-1.5.4-1]")]
    Utf8,
    /// A string contains U+0000.
    #[error("a string contains U+0000 [MQTT-1.5.4-2]")]
    NullCharacter,
    /// Packet Identifier 0.
    #[error("the Packet Identifier is zero [MQTT-2.2.1-3]")]
    PacketIdZero,
    /// A property that does not exist, or that this packet may not have.
    #[error("a property does not exist or does not belong to this packet [section 2.2.2.2]")]
    PropertyNotAllowed,
    /// A property that may come once comes again.
    #[error("a property comes more than once [section 2.2.2.2]")]
    PropertyRepeated,
    /// A property that is 0 or 1 has another value.
    #[error("a property has a value other than 0 or 1 [section 2.2.2.2]")]
    PropertyNotZeroOrOne,
    /// Receive Maximum 0.
    #[error("the Receive Maximum is zero [section 3.1.2.11.3]")]
    ReceiveMaximumZero,
    /// Maximum Packet Size 0.
    #[error("the Maximum Packet Size is zero [section 3.1.2.11.4]")]
    MaximumPacketSizeZero,
    /// Topic Alias 0.
    #[error("the Topic Alias is zero [MQTT-3.3.2-8]")]
    TopicAliasZero,
    /// Subscription Identifier 0.
    #[error("a Subscription Identifier is zero [section 3.8.2.1.2]")]
    SubscriptionIdentifierZero,
    /// Authentication Data without Authentication Method.
    #[error("Authentication Data comes without Authentication Method [section 3.1.2.11.10]")]
    AuthenticationDataWithoutMethod,
    /// AUTH without Authentication Method.
    #[error("AUTH has no Authentication Method [section 3.15.2.2.2]")]
    AuthenticationMethodMissing,
    /// A topic name that is none.
    #[error("invalid topic name: {0}")]
    TopicName(TopicError),
    /// A topic filter that is none.
    #[error("invalid topic filter: {0}")]
    TopicFilter(TopicError),
    /// Neither Topic Name nor Topic Alias.
    #[error("PUBLISH has neither a topic name nor a Topic Alias [section 3.3.2.1]")]
    TopicMissing,
    /// The protocol name is not `MQTT`.
    #[error("the protocol name is not MQTT [MQTT-3.1.2-1]")]
    ProtocolName,
    /// A protocol level other than 4 and 5.
    #[error("the protocol level is neither 4 nor 5 [MQTT-3.1.2-2]")]
    ProtocolLevel,
    /// Bit 0 of the connect flags is set.
    #[error("the reserved connect flag is set [MQTT-3.1.2-3]")]
    ConnectFlags,
    /// Will QoS or Will Retain without Will Flag.
    #[error("Will QoS or Will Retain is set without Will Flag [MQTT-3.1.2-11, MQTT-3.1.2-13]")]
    WillFlags,
    /// Will QoS 3.
    #[error("the Will QoS is 3 [MQTT-3.1.2-12]")]
    WillQoS,
    /// Password without User Name in MQTT 3.1.1.
    #[error("a password comes without a user name [MQTT 3.1.1, MQTT-3.1.2-22]")]
    PasswordWithoutUserName,
    /// An empty client identifier without Clean Session in MQTT 3.1.1.
    #[error("the client identifier is empty without Clean Session [MQTT 3.1.1, MQTT-3.1.3-8]")]
    ClientIdEmpty,
    /// Reserved bits of the Connect Acknowledge Flags are set.
    #[error("reserved Connect Acknowledge Flags are set [MQTT-3.2.2-1]")]
    ConnAckFlags,
    /// Session Present with a failure.
    #[error("Session Present is set with a reason other than Success [MQTT-3.2.2-6]")]
    SessionPresentWithError,
    /// A reason or return code that this packet may not carry.
    #[error("the reason code does not belong to this packet [section 2.4]")]
    ReasonCode,
    /// SUBSCRIBE or UNSUBSCRIBE without a topic filter.
    #[error("there is no topic filter [MQTT-3.8.3-2, MQTT-3.10.3-2]")]
    NoFilters,
    /// SUBACK or UNSUBACK without a reason code.
    #[error("there is no reason code [MQTT-3.9.3-1, MQTT-3.11.3-1]")]
    NoReasonCodes,
    /// Reserved bits of the Subscription Options are set.
    #[error("reserved Subscription Options are set [MQTT-3.8.3-5]")]
    SubscriptionOptions,
    /// Maximum QoS 3 in the Subscription Options.
    #[error("the QoS of a subscription is 3 [section 3.8.3.1]")]
    SubscriptionQoS,
    /// Retain Handling 3.
    #[error("the Retain Handling is 3 [section 3.8.3.1]")]
    RetainHandling,
    /// No Local on a shared subscription.
    #[error("No Local is set on a shared subscription [MQTT-3.8.3-4]")]
    NoLocalOnShared,
}

impl DecodeError {
    /// What to tell the peer in CONNACK or DISCONNECT.
    pub const fn reason(self) -> ReasonCode {
        match self {
            Self::PacketType
            | Self::Flags
            | Self::PublishQoS
            | Self::Truncated
            | Self::TrailingBytes
            | Self::VariableByteInteger
            | Self::Utf8
            | Self::NullCharacter
            | Self::PropertyNotAllowed
            | Self::ConnectFlags
            | Self::WillFlags
            | Self::WillQoS
            | Self::PasswordWithoutUserName
            | Self::ConnAckFlags
            | Self::SubscriptionOptions
            // 0x90 and 0x8F are for names and filters that are correctly formed and not accepted [table 2-6].
            | Self::TopicName(_)
            | Self::TopicFilter(_) => ReasonCode::MalformedPacket,
            Self::DupWithQoS0
            | Self::PacketIdZero
            | Self::PropertyRepeated
            | Self::PropertyNotZeroOrOne
            | Self::ReceiveMaximumZero
            | Self::MaximumPacketSizeZero
            | Self::SubscriptionIdentifierZero
            | Self::AuthenticationDataWithoutMethod
            | Self::AuthenticationMethodMissing
            | Self::TopicMissing
            | Self::SessionPresentWithError
            | Self::ReasonCode
            | Self::NoFilters
            | Self::NoReasonCodes
            | Self::SubscriptionQoS
            | Self::RetainHandling
            | Self::NoLocalOnShared => ReasonCode::ProtocolError,
            Self::ProtocolName | Self::ProtocolLevel => ReasonCode::UnsupportedProtocolVersion,
            Self::ClientIdEmpty => ReasonCode::ClientIdentifierNotValid,
            Self::TopicAliasZero => ReasonCode::TopicAliasInvalid,
            Self::PacketTooLarge => ReasonCode::PacketTooLarge,
        }
    }
}
