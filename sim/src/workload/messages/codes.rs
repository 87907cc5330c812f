//! Numbers on the wire, and what rumqttc has for them.

use rumqttc::{ConnectReturnCode, QoS, SubscribeReasonCode};

pub(super) fn qos(level: u8) -> QoS {
    match level {
        0 => QoS::AtMostOnce,
        1 => QoS::AtLeastOnce,
        _ => QoS::ExactlyOnce,
    }
}

/// 0 for success. rumqttc does not tell the number of a refusal.
pub(super) fn refused(code: ConnectReturnCode) -> u8 {
    if code == ConnectReturnCode::Success { 0 } else { 0x80 }
}

/// The reason code on the wire.
pub(super) fn granted(code: SubscribeReasonCode) -> u8 {
    match code {
        SubscribeReasonCode::Success(qos) => qos as u8,
        SubscribeReasonCode::NotAuthorized => 0x87,
        SubscribeReasonCode::TopicFilterInvalid => 0x8f,
        SubscribeReasonCode::PkidInUse => 0x91,
        SubscribeReasonCode::QuotaExceeded => 0x97,
        SubscribeReasonCode::SharedSubscriptionsNotSupported => 0x9e,
        SubscribeReasonCode::SubscriptionIdNotSupported => 0xa1,
        SubscribeReasonCode::WildcardSubscriptionsNotSupported => 0xa2,
        SubscribeReasonCode::ImplementationSpecific => 0x83,
        SubscribeReasonCode::Failure | SubscribeReasonCode::Unspecified => 0x80,
    }
}
