//! rumqttc's codec as a second opinion, over generated packets and mutations of them.
//!
//! What we accept, it reads as the same fields; what it refuses, we refuse; what only it accepts breaks a
//! rule that it is known not to check. Each fault of rumqttc's has a packet below that shows it, so that the
//! list shrinks when it is mended.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod generate;
#[path = "rumqttc/translate.rs"]
mod translate;

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::BytesMut;
use mayfly_wire::ProtocolVersion::{V3_1_1, V5};
use mayfly_wire::{DecodeError, DisconnectProperties, Packet, ProtocolVersion, ReasonCode, split_frame};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rumqttc_upstream::mqttbytes::v4;
use rumqttc_upstream::v5::mqttbytes::v5;

use generate::{mutate_body, mutations, packet, version};

/// What rumqttc reads, or why it reads nothing.
fn theirs(bytes: &[u8], version: ProtocolVersion) -> Result<Packet<'static>, String> {
    let read = || match version {
        V3_1_1 => v4::Packet::read(&mut BytesMut::from(bytes), usize::MAX)
            .map(translate::from_v4)
            .map_err(|error| error.to_string()),
        V5 => v5::Packet::read(&mut BytesMut::from(bytes), None)
            .map(translate::from_v5)
            .map_err(|error| error.to_string()),
    };
    let packet = catch_unwind(AssertUnwindSafe(read)).map_err(|_| "it panicked".to_owned())??;
    packet.map_err(|reason| format!("it kept what has no meaning: {reason}"))
}

fn ours(bytes: &[u8], version: ProtocolVersion) -> Result<Packet<'_>, DecodeError> {
    split_frame(bytes, u32::MAX)?.expect("the packet is whole").decode(version)
}

/// Valid packets that rumqttc refuses or misreads.
fn known_fault(packet: &Packet<'_>, version: ProtocolVersion) -> Option<&'static str> {
    match packet {
        Packet::Disconnect(disconnect) if version == V5 => match disconnect.reason {
            ReasonCode::BadAuthenticationMethod => Some("0x8C is a reason of DISCONNECT [table 2-6]"),
            _ if disconnect.properties == DisconnectProperties::default() => {
                Some("reason and property length may be left out [sections 3.14.2.1, 3.14.2.2.1]")
            }
            _ => None,
        },
        Packet::Auth(_) => Some("it cannot read AUTH [section 3.15]"),
        Packet::Connect(connect)
            if connect.password.is_some_and(|data| std::str::from_utf8(data).is_err()) =>
        {
            Some("a password is Binary Data, not a string [section 3.1.3.6]")
        }
        packet if has_subscription_identifiers(packet) => {
            Some("it counts a byte too many for each Subscription Identifier [section 3.3.2.3.8]")
        }
        _ => None,
    }
}

/// Whether the miscount is as long as the shortest property.
fn has_subscription_identifiers(packet: &Packet<'_>) -> bool {
    let Packet::Publish(publish) = packet else { return false };
    publish.properties.subscription_identifiers.iter().count() > 1
}

/// Rules that rumqttc does not check; the texts of [`DecodeError`] name their clauses.
fn known_leniency(error: DecodeError, theirs: &Packet<'_>) -> bool {
    // The miscount makes a payload of the properties that follow, whatever is wrong with them.
    has_subscription_identifiers(theirs)
        || matches!(
            error,
            DecodeError::Flags
                | DecodeError::DupWithQoS0
                // It reads properties past their end, and stops reading where it has what it needs.
                | DecodeError::Truncated
                | DecodeError::TrailingBytes
                | DecodeError::VariableByteInteger
                | DecodeError::NullCharacter
                | DecodeError::TopicName(_)
                | DecodeError::TopicMissing
                | DecodeError::PropertyRepeated
                | DecodeError::PropertyNotZeroOrOne
                | DecodeError::AuthenticationDataWithoutMethod
                | DecodeError::ConnectFlags
                | DecodeError::PasswordWithoutUserName
                | DecodeError::ClientIdEmpty
                | DecodeError::ConnAckFlags
                | DecodeError::SessionPresentWithError
                | DecodeError::SubscriptionOptions
                | DecodeError::NoFilters
                | DecodeError::NoLocalOnShared
        )
}

/// Compares the two on one packet.
fn compare(bytes: &[u8], version: ProtocolVersion) {
    let ours = ours(bytes, version);
    // CONNECT says which of rumqttc's two codecs is meant.
    let version = if let Ok(Packet::Connect(connect)) = ours { connect.version } else { version };
    match (ours, theirs(bytes, version)) {
        (Ok(packet), _) if known_fault(&packet, version).is_some() => {}
        (Ok(packet), Ok(theirs)) => {
            assert_eq!(translate::comparable(&packet), theirs, "{bytes:02x?}");
        }
        (Ok(packet), Err(why)) => panic!("only we accept {packet:?}\n{why}\n{bytes:02x?}"),
        (Err(error), Ok(theirs)) => {
            assert!(
                known_leniency(error, &theirs),
                "only rumqttc accepts {theirs:?}\n{error:?}\n{bytes:02x?}"
            );
        }
        (Err(_), Err(_)) => {}
    }
}

proptest! {
    // Always the same packets: what rumqttc lets pass in one case of a million is not what a change of ours
    // is judged by.
    #![proptest_config(ProptestConfig {
        cases: 5_000,
        rng_seed: RngSeed::Fixed(1),
        ..ProptestConfig::default()
    })]

    #[test]
    fn agrees_on_packets_and_their_mutations(
        (version, packet) in version().prop_flat_map(|version| (Just(version), packet(version))),
        mutations in mutations(),
        flag in prop::sample::select(vec![0_u8, 0, 0, 1, 2, 4, 8]),
    ) {
        let mut bytes = Vec::new();
        packet.encode(version, &mut bytes).unwrap();
        compare(&bytes, version);
        let mut mutated = mutate_body(&bytes, &mutations);
        mutated[0] ^= flag;
        compare(&mutated, version);
    }

    #[test]
    fn agrees_on_random_bodies(
        version in version(),
        header in 0x10..=0xFF_u8,
        body in prop::collection::vec(prop_oneof![0..=4_u8, any::<u8>()], 0..24),
    ) {
        compare(&[&[header, body.len() as u8], &body[..]].concat(), version);
    }
}

#[test]
fn the_known_faults_of_rumqttc_are_still_there() {
    let faults: [(&str, &[u8]); 6] = [
        ("DISCONNECT without reason", b"\xE0\x00"),
        ("DISCONNECT without property length", b"\xE0\x01\x8E"),
        ("DISCONNECT with 0x8C", b"\xE0\x06\x8C\x04\x1F\x00\x01r"),
        ("AUTH", b"\xF0\x00"),
        (
            "a password that is not UTF-8",
            b"\x10\x12\x00\x04MQTT\x05\xC2\x00\x00\x00\x00\x00\x00\x00\x00\x01\xFF",
        ),
        ("two Subscription Identifiers", b"\x30\x0A\x00\x01a\x06\x0B\x01\x0B\x01\x01\x00"),
    ];
    for (name, bytes) in faults {
        let packet = ours(bytes, V5).unwrap();
        assert!(known_fault(&packet, V5).is_some(), "{name}");
        if let Ok(theirs) = theirs(bytes, V5) {
            assert_ne!(packet, theirs, "{name} is read as it should be");
        }
    }
}
