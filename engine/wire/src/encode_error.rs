//! Why a packet has no form on the wire.

use crate::TopicError;

/// A packet that no receiver would accept. Nothing was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The packet is longer than a Remaining Length of 268,435,455 bytes can say.
    #[error("the packet is longer than 268,435,455 bytes [section 2.1.4]")]
    PacketTooLarge,
    /// A string or binary data longer than 65,535 bytes.
    #[error("a string or binary data is longer than 65,535 bytes [sections 1.5.4, 1.5.6]")]
    TooLong,
    /// A string contains U+0000.
    #[error("a string contains U+0000 [MQTT-1.5.4-2]")]
    NullCharacter,
    /// QoS 0 with a Packet Identifier, or QoS 1 or 2 without.
    #[error("a Packet Identifier must come with QoS 1 and 2 and only then [MQTT-2.2.1-2, MQTT-2.2.1-3]")]
    PacketId,
    /// DUP with QoS 0.
    #[error("DUP is set with QoS 0 [MQTT-3.3.1-2]")]
    DupWithQoS0,
    /// The topic name is invalid, or empty without a topic alias.
    #[error("invalid topic name: {0}")]
    TopicName(TopicError),
    /// A subscription identifier outside 1 to 268,435,455.
    #[error("a Subscription Identifier is not in 1 to 268,435,455 [section 3.8.2.1.2]")]
    SubscriptionIdentifier,
    /// Maximum QoS 2 in CONNACK: it is said by leaving the property out.
    #[error("the Maximum QoS is neither 0 nor 1 [section 3.2.2.3.4]")]
    MaximumQoS,
    /// Authentication Data without Authentication Method, or AUTH without a method.
    #[error("the Authentication Method is missing [sections 3.1.2.11.10, 3.15.2.2.2]")]
    AuthenticationMethodMissing,
    /// Password without User Name in MQTT 3.1.1.
    #[error("a password comes without a user name [MQTT 3.1.1, MQTT-3.1.2-22]")]
    PasswordWithoutUserName,
    /// An empty client identifier without Clean Session in MQTT 3.1.1.
    #[error("the client identifier is empty without Clean Session [MQTT 3.1.1, MQTT-3.1.3-7]")]
    ClientIdEmpty,
    /// Session Present with a failure.
    #[error("Session Present is set with a reason other than Success [MQTT-3.2.2-6]")]
    SessionPresentWithError,
    /// A reason code that this packet may not carry in this version.
    #[error("the reason code does not belong to this packet [section 2.4]")]
    ReasonCode,
    /// SUBSCRIBE or UNSUBSCRIBE without a topic filter.
    #[error("there is no topic filter [MQTT-3.8.3-2, MQTT-3.10.3-2]")]
    NoFilters,
    /// SUBACK or UNSUBACK without a reason code.
    #[error("there is no reason code [MQTT-3.9.3-1, MQTT-3.11.3-1]")]
    NoReasonCodes,
    /// No Local on a shared subscription.
    #[error("No Local is set on a shared subscription [MQTT-3.8.3-4]")]
    NoLocalOnShared,
    /// AUTH on an MQTT 3.1.1 connection.
    #[error("MQTT 3.1.1 has no AUTH packet")]
    NotInVersion,
}
