//! CONNECT: what is accepted and how, what is refused and with which words.

use std::num::{NonZeroU16, NonZeroU32};

use mayfly_wire::{ConnAckProperties, Packet, ProtocolVersion, ReasonCode};

use crate::harness::{World, packets};

/// A CONNECT with this protocol name and level, an empty client identifier and no properties.
fn connect_bytes(name: &[u8], level: u8, tail: &[u8]) -> Vec<u8> {
    let mut body = vec![0, name.len() as u8];
    body.extend_from_slice(name);
    body.extend_from_slice(&[level, 0b10, 0, 0]);
    body.extend_from_slice(tail);
    let mut bytes = vec![0x10, body.len() as u8];
    bytes.append(&mut body);
    bytes
}

#[test]
fn conn_ack_says_what_this_broker_does_not_do() {
    let mut world = World::new();
    let (_, ack) = world.connect_with("a", |_| ());
    let expected = ConnAckProperties {
        maximum_packet_size: NonZeroU32::new(1024 * 1024),
        receive_maximum: NonZeroU16::new(1024),
        topic_alias_maximum: Some(16),
        ..ConnAckProperties::default()
    };
    assert_eq!((ack.session_present, ack.properties), (false, expected));
}

#[test]
fn an_empty_client_identifier_is_assigned_one() {
    let mut world = World::new();
    let (_, first) = world.connect_with("", |_| ());
    let (_, second) = world.connect_with("", |_| ());
    let assigned = |ack: mayfly_wire::ConnAck<'static>| ack.properties.assigned_client_identifier.unwrap();
    assert!(assigned(first).starts_with("mayfly-"));
    assert_ne!(assigned(first), assigned(second));
    assert_eq!(world.broker.statistics().sessions, 2);
}

#[test]
fn a_session_expiry_beyond_the_limit_is_shortened_and_said() {
    let mut world = World::with_limits(|limits| limits.max_session_expiry_interval_s = 60);
    let (_, capped) = world.resume("a");
    assert_eq!(capped.properties.session_expiry_interval_s, Some(60));
    let (_, granted) =
        world.connect_with("b", |connect| connect.properties.session_expiry_interval_s = Some(60));
    assert_eq!(granted.properties.session_expiry_interval_s, None);
}

#[test]
fn mqtt_3_1_1_is_accepted_without_properties() {
    let mut world = World::new();
    let client = world.accept();
    world.set_reads(client, false);
    world.send_bytes(client, &connect_bytes(b"MQTT", 4, &[0, 1, b'a']));
    assert_eq!(world.connection(client).outgoing(), [0x20, 2, 0, 0]);
    assert_eq!(world.broker.statistics().connections, 1);
}

#[test]
fn authentication_methods_are_refused() {
    let mut world = World::new();
    let mut connect = packets::connect("a");
    connect.properties.authentication_method = Some("SCRAM-SHA-256");
    let client = world.open(connect);
    assert_eq!(world.conn_ack(client).reason, ReasonCode::BadAuthenticationMethod);
    assert!(world.received(client).is_empty(), "no DISCONNECT follows a CONNACK that refuses");
    assert!(world.is_closed(client));
    assert_eq!(world.broker.statistics().sessions, 0);
}

#[test]
fn wills_that_could_not_be_published_are_refused() {
    let request_topic = packets::will(mayfly_core::REQUEST_TOPIC);
    let forged =
        packets::will("clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/61/command/notify/6B");
    for will in [request_topic, forged, packets::will("$SYS/uptime")] {
        let mut world = World::new();
        let mut connect = packets::connect("a");
        connect.will = Some(will);
        let client = world.open(connect);
        assert_eq!(world.conn_ack(client).reason, ReasonCode::NotAuthorized);
        assert!(world.received(client).is_empty() && world.is_closed(client));
        assert_eq!(world.broker.statistics().sessions, 0);
    }
}

#[test]
fn mqtt_3_1_1_is_told_so_by_its_return_code() {
    let mut world = World::new();
    let mut connect = packets::connect("a");
    connect.version = ProtocolVersion::V3_1_1;
    connect.will = Some(packets::will(mayfly_core::REQUEST_TOPIC));
    let forbidden = world.open(connect);
    assert_eq!(world.conn_ack(forbidden).reason, ReasonCode::NotAuthorized, "return code 5");
    assert!(world.is_closed(forbidden));
}

#[test]
fn unknown_protocol_levels_are_refused_in_the_nearest_version() {
    for (name, level, answer) in [
        (&b"MQTT"[..], 6, &[0x20, 3, 0, 0x84, 0][..]),
        (b"MQTT", 255, &[0x20, 3, 0, 0x84, 0]),
        (b"MQTT", 3, &[0x20, 2, 0, 1]),
        (b"MQIsdp", 3, &[0x20, 2, 0, 1]),
        (b"HTTP", 5, &[]),
    ] {
        let mut world = World::new();
        let client = world.accept();
        world.set_reads(client, false);
        world.send_bytes(client, &connect_bytes(name, level, &[0, 0]));
        assert_eq!(world.connection(client).outgoing(), answer, "{name:?} {level}");
        assert!(world.connection(client).is_closing());
    }
}

#[test]
fn an_empty_client_identifier_of_3_1_1_needs_a_clean_session() {
    let mut world = World::new();
    let client = world.accept();
    world.set_reads(client, false);
    world.send_bytes(client, &[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T', 4, 0, 0, 0, 0, 0]);
    assert_eq!(world.connection(client).outgoing(), [0x20, 2, 0, 2]);
    assert!(world.connection(client).is_closing());
}

#[test]
fn a_malformed_connect_is_answered_in_version_5_and_closed_in_3_1_1() {
    for (level, answer) in [(5, &[0x20, 3, 0, 0x81, 0][..]), (4, &[])] {
        let mut world = World::new();
        let client = world.accept();
        world.set_reads(client, false);
        // The client identifier is cut short.
        world.send_bytes(client, &connect_bytes(b"MQTT", level, &[0, 0, 9, b'a']));
        assert_eq!(world.connection(client).outgoing(), answer, "level {level}");
        assert!(world.connection(client).is_closing());
    }
}

#[test]
fn anything_before_connect_closes_without_an_answer() {
    for bytes in [&[0xC0, 0][..], &[0x30, 3, 0, 1, b'a'], b"GET / HTTP/1.1\r\n\r\n", &[0x00, 0x00]] {
        let mut world = World::new();
        let client = world.accept();
        world.send_bytes(client, bytes);
        assert!(world.received(client).is_empty() && world.is_closed(client), "{bytes:x?}");
    }
}

#[test]
fn a_second_connect_is_a_protocol_error_whatever_it_says() {
    for second in [
        connect_bytes(b"MQTT", 5, &[0, 0, 1, b'a']),
        connect_bytes(b"MQTT", 9, &[0, 0, 0]),
        connect_bytes(b"MQTT", 4, &[]),
        connect_bytes(b"what", 5, &[0, 0, 0]),
    ] {
        let mut world = World::new();
        let client = world.connect("a");
        world.send_bytes(client, &second);
        world.assert_disconnected(client, ReasonCode::ProtocolError);
    }
}

#[test]
fn a_client_that_takes_no_conn_ack_is_closed() {
    let mut world = World::new();
    let mut connect = packets::connect("");
    connect.properties.maximum_packet_size = NonZeroU32::new(20);
    let client = world.open(connect);
    assert!(world.received(client).is_empty(), "CONNACK with an assigned identifier is longer than 20 bytes");
    assert!(world.is_closed(client));
}

#[test]
fn a_disconnect_ends_the_connection_without_an_answer() {
    let mut world = World::new();
    let client = world.connect("a");
    world.send(client, packets::disconnect(ReasonCode::Success));
    assert!(world.received(client).is_empty() && world.is_closed(client));
    assert_eq!(world.broker.statistics().connections, 0);
    world.send(client, Packet::PingReq);
    assert!(world.received(client).is_empty(), "nothing is read after DISCONNECT");
}
