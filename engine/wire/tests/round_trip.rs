//! Properties of the codec over generated packets: what is encoded is decoded again, and no bytes make it
//! panic.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod generate;

use mayfly_wire::{DecodeError, Packet, ProtocolVersion, split_frame};
use proptest::prelude::*;

use generate::{Mutation, mutate, mutate_body, mutations, packet, version};

fn with_version() -> impl Strategy<Value = (ProtocolVersion, Packet<'static>)> {
    version().prop_flat_map(|version| (Just(version), packet(version)))
}

fn encode(packet: &Packet<'_>, version: ProtocolVersion) -> Vec<u8> {
    let mut out = Vec::new();
    packet.encode(version, &mut out).unwrap();
    out
}

/// Decodes the first packet, if there is a whole one.
fn decode(bytes: &[u8], version: ProtocolVersion) -> Option<Result<Packet<'_>, DecodeError>> {
    split_frame(bytes, u32::MAX).transpose().map(|frame| frame?.decode(version))
}

/// Whatever the bytes are, nothing panics, and what is accepted is encoded to a packet that means the same.
fn holds_for_any_bytes(bytes: &[u8], version: ProtocolVersion) {
    let Some(Ok(packet)) = decode(bytes, version) else { return };
    // Debug reads all that is left to iterate over.
    let text = format!("{packet:?}");
    let version = if let Packet::Connect(connect) = packet { connect.version } else { version };
    let again = encode(&packet, version);
    assert_eq!(decode(&again, version), Some(Ok(packet)), "{bytes:x?}");
    assert_eq!(format!("{:?}", decode(&again, version).unwrap().unwrap()), text);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_encoded_is_decoded_again((version, packet) in with_version(), limit in 0..400_u32) {
        let bytes = encode(&packet, version);
        let frame = split_frame(&bytes, u32::MAX).unwrap().unwrap();
        prop_assert_eq!(frame.len, bytes.len());
        prop_assert_eq!(frame.decode(version), Ok(packet));
        let limited = split_frame(&bytes, limit);
        if bytes.len() > limit as usize {
            prop_assert_eq!(limited, Err(DecodeError::PacketTooLarge));
        } else {
            prop_assert_eq!(limited, Ok(Some(frame)));
        }
    }

    #[test]
    fn every_prefix_of_a_packet_waits_for_more((version, packet) in with_version()) {
        let bytes = encode(&packet, version);
        for len in 0..bytes.len() {
            prop_assert_eq!(split_frame(&bytes[..len], u32::MAX), Ok(None));
        }
    }

    #[test]
    fn every_prefix_of_a_body_is_decoded_or_refused((version, packet) in with_version()) {
        let bytes = encode(&packet, version);
        let body = split_frame(&bytes, u32::MAX).unwrap().unwrap().body.len();
        for cut in 1..=body.min(200) {
            holds_for_any_bytes(&mutate_body(&bytes[..bytes.len() - cut], &[]), version);
        }
    }

    #[test]
    fn mutated_packets_are_decoded_or_refused(
        (version, packet) in with_version(),
        mutations in mutations(),
    ) {
        let bytes = encode(&packet, version);
        for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
            holds_for_any_bytes(&mutate(&bytes, &mutations), version);
            holds_for_any_bytes(&mutate_body(&bytes, &mutations), version);
        }
    }

    #[test]
    fn random_bodies_are_decoded_or_refused(header: u8, body in prop::collection::vec(any::<u8>(), 0..60)) {
        let header = [header, 0];
        let packet = mutate_body(&[&header[..], &body].concat(), &[] as &[Mutation]);
        for version in [ProtocolVersion::V3_1_1, ProtocolVersion::V5] {
            holds_for_any_bytes(&packet, version);
        }
    }
}
