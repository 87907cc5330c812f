//! Re-authentication of an open connection [MQTT 5, section 4.12.1].

use std::time::Duration;

use mayfly_wire::{Packet, QoS, ReasonCode};

use super::authenticating::{METHOD, auth, with_method, world};
use crate::harness::packets::qos_0;
use crate::harness::{Client, World};

/// A client that was let in as alice, with a method.
fn let_in(world: &mut World) -> Client {
    let client = world.open(with_method("a"));
    world.accept_as(client, Some("alice"), None);
    assert_eq!(world.conn_ack(client).reason, ReasonCode::Success);
    world.evidence(client);
    client
}

fn begin(world: &mut World, client: Client) {
    world.send(client, auth(ReasonCode::ReAuthenticate, METHOD, b"again"));
    let evidence = world.evidence(client);
    assert_eq!(evidence.len(), 1);
    assert!(
        evidence[0].starts_with("Begin { client_id: \"a\", user_name: None, password: None, method: Some(")
    );
}

#[test]
fn a_client_authenticates_again_while_its_other_packets_flow() {
    let mut world = world();
    let client = let_in(&mut world);
    world.subscribe(client, "t", QoS::AtMostOnce);
    begin(&mut world, client);
    world.publish(client, qos_0("t", "while the owner thinks"));
    assert_eq!(world.payloads(client), ["while the owner thinks"]);
    world.challenge(client, b"who?");
    assert_eq!(world.only(client), auth(ReasonCode::ContinueAuthentication, METHOD, b"who?"));
    world.publish(client, qos_0("t", "while the client thinks"));
    assert_eq!(world.payloads(client), ["while the client thinks"]);
    world.send(client, auth(ReasonCode::ContinueAuthentication, METHOD, b"me"));
    assert_eq!(world.evidence(client).len(), 1);
    world.accept_as(client, Some("alice"), Some(b"welcome"));
    assert_eq!(world.only(client), auth(ReasonCode::Success, METHOD, b"welcome"));
    begin(&mut world, client);
    assert_eq!(world.broker.statistics().connections, 1);
}

#[test]
fn one_that_fails_ends_the_connection() {
    for (reason, told) in [
        (ReasonCode::NotAuthorized, ReasonCode::NotAuthorized),
        (ReasonCode::BadUserNameOrPassword, ReasonCode::NotAuthorized),
        (ReasonCode::ServerBusy, ReasonCode::ServerBusy),
    ] {
        let mut world = world();
        let client = let_in(&mut world);
        begin(&mut world, client);
        world.deny(client, reason);
        world.assert_disconnected(client, told);
        assert_eq!(world.broker.statistics().connections, 0);
    }
}

#[test]
fn nobody_becomes_somebody_else() {
    for user_name in [Some("mallory"), None] {
        let mut world = world();
        let client = let_in(&mut world);
        begin(&mut world, client);
        world.accept_as(client, user_name, None);
        world.assert_disconnected(client, ReasonCode::NotAuthorized);
        assert_eq!(world.broker.statistics().connections, 0, "the broker knows");
    }
}

#[test]
fn only_with_the_method_of_connect_and_in_turn() {
    for (packet, reason) in [
        (auth(ReasonCode::ReAuthenticate, "other", b"x"), ReasonCode::BadAuthenticationMethod),
        (auth(ReasonCode::ContinueAuthentication, METHOD, b"x"), ReasonCode::ProtocolError),
        (auth(ReasonCode::Success, METHOD, b"x"), ReasonCode::ProtocolError),
    ] {
        let mut world = world();
        let client = let_in(&mut world);
        world.send(client, packet);
        world.assert_disconnected(client, reason);
    }
    let mut world = world();
    let client = let_in(&mut world);
    begin(&mut world, client);
    world.send(client, auth(ReasonCode::ReAuthenticate, METHOD, b"x"));
    world.assert_disconnected(client, ReasonCode::ProtocolError);
}

#[test]
fn not_without_a_method_in_connect() {
    let mut world = world();
    let client = world.open(crate::harness::packets::connect("a"));
    world.accept_as(client, Some("alice"), None);
    world.received(client);
    world.send(client, auth(ReasonCode::ReAuthenticate, METHOD, b"x"));
    world.assert_disconnected(client, ReasonCode::ProtocolError);
}

#[test]
fn it_has_its_time() {
    for (is_challenged, reason) in [(false, ReasonCode::ServerBusy), (true, ReasonCode::NotAuthorized)] {
        let mut world = world();
        let client = let_in(&mut world);
        world.advance(Duration::from_secs(100));
        begin(&mut world, client);
        if is_challenged {
            world.challenge(client, b"who?");
            world.received(client);
        }
        world.advance(Duration::from_millis(59_999));
        world.send(client, Packet::PingReq);
        assert_eq!(world.only(client), Packet::PingResp);
        world.advance(Duration::from_millis(1));
        world.assert_disconnected(client, reason);
    }
}
