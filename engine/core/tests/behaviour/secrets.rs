//! What a connection and its events write with `Debug` ends up in logs: it has no secrets.

use mayfly_core::{Connection, ConnectionConfig, Evidence, Monotonic};
use mayfly_wire::{Connect, Packet, ProtocolVersion};

use crate::authenticating::with_method;
use crate::harness::packets;

/// How `Debug` writes the beginning of the secret as numbers, and as text.
const TRACES: [&str; 2] = ["119, 111, 110", "won"];

#[test]
fn a_held_connect_and_its_evidence_show_none() {
    let secret = b"wonderland";
    let mut enhanced = with_method("a");
    enhanced.properties.authentication_data = Some(secret);
    let plain = Connect { user_name: Some("alice"), password: Some(secret), ..packets::connect("a") };
    for connect in [plain, enhanced] {
        let mut bytes = Vec::new();
        Packet::Connect(connect).encode(ProtocolVersion::V5, &mut bytes).unwrap();
        let mut connection =
            Connection::authenticating(ConnectionConfig::default(), Monotonic::from_nanos(0));
        let received = format!("{:?}", connection.receive(Monotonic::from_nanos(0), &bytes));
        assert!(received.contains("Some(<10 bytes>)"), "{received}");
        let answer = format!("{:?}", Evidence::Continue { data: Some(secret) });
        for shown in [received, format!("{connection:?}"), answer] {
            assert!(TRACES.iter().all(|trace| !shown.contains(trace)), "{shown}");
        }
    }
}
