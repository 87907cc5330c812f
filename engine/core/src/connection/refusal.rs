//! How refusals are worded: the version and the code that a client understands, and what it asked not to be told.

use mayfly_wire::{
    AckProperties, AuthProperties, ConnAckProperties, DisconnectProperties, Frame, Packet, ProtocolVersion,
    ReasonCode, UserProperties,
};

/// The first byte of a CONNECT.
pub(super) const CONNECT_HEADER: u8 = 0x10;

/// The body of a CONNECT has its protocol level within so many bytes: behind the longer of the two protocol names.
pub(super) const LONGEST_LEVEL_END: usize = 9;

/// The version in which to refuse a CONNECT with `reason`: its own; for an unknown one the nearest that has a word
/// for it [MQTT-3.1.2-2].
pub(super) fn answerable(frame: &Frame<'_>, reason: ReasonCode) -> Option<ProtocolVersion> {
    if frame.header != CONNECT_HEADER {
        return None;
    }
    let ([0, 4, b'M', b'Q', b'T', b'T', level, ..] | [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', level, ..]) =
        frame.body
    else {
        return None;
    };
    match level {
        5.. => Some(ProtocolVersion::V5),
        // The return codes of 3.1.1 [MQTT-3.2.2-4 of 3.1.1].
        _ => matches!(reason, ReasonCode::UnsupportedProtocolVersion | ReasonCode::ClientIdentifierNotValid)
            .then_some(ProtocolVersion::V3_1_1),
    }
}

/// The reason whose return code of MQTT 3.1.1 says the most of `reason`. One that none says anything of stays as it is,
/// and closes the connection without an answer [MQTT 3.1.1, section 3.2.2.3].
pub(super) fn in_3_1_1(reason: ReasonCode) -> ReasonCode {
    match reason {
        ReasonCode::ServerBusy
        | ReasonCode::ServerShuttingDown
        | ReasonCode::QuotaExceeded
        | ReasonCode::UseAnotherServer
        | ReasonCode::ServerMoved
        | ReasonCode::ConnectionRateExceeded => ReasonCode::ServerUnavailable,
        ReasonCode::Banned | ReasonCode::BadAuthenticationMethod => ReasonCode::NotAuthorized,
        other => other,
    }
}

/// The reason that CONNACK can carry and that says the most of `reason` [MQTT 5, table 3.1].
pub(super) fn in_conn_ack(reason: ReasonCode) -> ReasonCode {
    match reason {
        ReasonCode::ServerShuttingDown => ReasonCode::ServerUnavailable,
        other => other,
    }
}

/// The reason that DISCONNECT can carry and that says the most of `reason` [MQTT 5, table 3.13].
pub(super) fn in_disconnect(reason: ReasonCode) -> ReasonCode {
    match reason {
        ReasonCode::BadUserNameOrPassword | ReasonCode::Banned => ReasonCode::NotAuthorized,
        ReasonCode::ServerUnavailable => ReasonCode::ServerBusy,
        other => other,
    }
}

/// Whether Request Problem Information 0 forbids Reason String and User Properties in this packet [MQTT-3.1.2-29].
pub(super) fn may_be_unwanted(packet: &Packet<'_>) -> bool {
    !matches!(packet, Packet::Publish(_) | Packet::ConnAck(_) | Packet::Disconnect(_))
}

/// The packet without Reason String and User Properties, which the server may always leave out; `None` where it has
/// neither.
pub(super) fn without_problem_information<'a>(packet: &Packet<'a>) -> Option<Packet<'a>> {
    let mut bare = *packet;
    match &mut bare {
        Packet::ConnAck(ack) => strip_conn_ack(&mut ack.properties),
        Packet::PubAck(ack) => strip_ack(&mut ack.properties),
        Packet::PubRec(ack) => strip_ack(&mut ack.properties),
        Packet::PubRel(ack) => strip_ack(&mut ack.properties),
        Packet::PubComp(ack) => strip_ack(&mut ack.properties),
        Packet::SubAck(ack) => strip_ack(&mut ack.properties),
        Packet::UnsubAck(ack) => strip_ack(&mut ack.properties),
        Packet::Disconnect(disconnect) => strip_disconnect(&mut disconnect.properties),
        Packet::Auth(auth) => strip_auth(&mut auth.properties),
        _ => return None,
    }
    (bare != *packet).then_some(bare)
}

fn strip_ack(properties: &mut AckProperties<'_>) {
    *properties = AckProperties::default();
}

fn strip_conn_ack(properties: &mut ConnAckProperties<'_>) {
    properties.reason_string = None;
    properties.user_properties = UserProperties::default();
}

fn strip_disconnect(properties: &mut DisconnectProperties<'_>) {
    properties.reason_string = None;
    properties.user_properties = UserProperties::default();
}

fn strip_auth(properties: &mut AuthProperties<'_>) {
    properties.reason_string = None;
    properties.user_properties = UserProperties::default();
}
