//! Re-authentication of an open connection [MQTT 5, section 4.12.1].

use std::time::Duration;

use mayfly_wire::{Packet, QoS, ReasonCode};

use super::authenticating::{METHOD, auth, with_method, world};
use crate::harness::packets::{lasting, qos_0};
use crate::harness::rules::{everyone, having};
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

/// A world with rules, and a client of it that was let in as who comes.
fn ruled(world: &mut World) -> Client {
    world.authenticates = true;
    let mut connect = with_method("a");
    lasting(&mut connect);
    let client = world.open(connect);
    world.accept_who_comes(client);
    assert_eq!(world.conn_ack(client).reason, ReasonCode::Success);
    world.evidence(client);
    client
}

fn again_as_who_comes(world: &mut World, client: Client) {
    begin(world, client);
    world.accept_who_comes(client);
    match world.next(client) {
        Packet::Auth(auth) => assert_eq!(auth.reason, ReasonCode::Success),
        other => panic!("expected AUTH, got {other:?}"),
    }
}

#[test]
fn what_is_known_of_the_client_now_decides_what_it_may_do() {
    let upstairs = || having("floor", "3").subscribe(&["#"]).publish(&["up/#"]);
    let mut world = World::ruled([everyone().connect().subscribe(&["open"]).publish(&["open"]), upstairs()]);
    world.come_as(Some("alice"), &[("floor", "3")]);
    let client = ruled(&mut world);
    world.subscribe(client, "open", QoS::AtMostOnce);
    world.subscribe(client, "up/#", QoS::AtMostOnce);
    world.publish(client, qos_0("up/1", "1"));
    assert_eq!(world.payloads(client), ["1"]);

    world.come_as(Some("alice"), &[("floor", "4")]);
    again_as_who_comes(&mut world, client);
    assert_eq!(world.broker.statistics().revoked_subscriptions, 1);
    world.publish(client, qos_0("up/1", "2"));
    assert_eq!(world.broker.statistics().denied_publications, 1);
    world.publish(client, qos_0("open", "3"));
    assert_eq!(world.payloads(client), ["3"], "the connection and the other subscription go on");
    let refused = ReasonCode::NotAuthorized as u8;
    assert_eq!(world.ask_subscribe(client, "up/#", QoS::AtMostOnce), refused);

    world.come_as(Some("alice"), &[("floor", "3")]);
    again_as_who_comes(&mut world, client);
    world.publish(client, qos_0("up/1", "4"));
    assert!(world.received(client).is_empty(), "a subscription does not come back by itself");
    world.subscribe(client, "up/#", QoS::AtMostOnce);
    world.publish(client, qos_0("up/1", "5"));
    assert_eq!(world.payloads(client), ["5"]);
}

#[test]
fn who_may_no_longer_connect_is_disconnected_and_keeps_the_session() {
    let mut world = World::ruled([having("floor", "3").connect()]);
    world.come_as(Some("alice"), &[("floor", "3")]);
    let client = ruled(&mut world);
    world.come_as(Some("alice"), &[]);
    again_as_who_comes(&mut world, client);
    world.assert_disconnected(client, ReasonCode::NotAuthorized);
    assert_eq!(world.broker.statistics().sessions, 1);
    world.come_as(Some("alice"), &[("floor", "3")]);
    world.authenticates = false;
    assert!(world.resume("a").1.session_present);
}

#[test]
fn a_listener_that_has_got_a_policy_meanwhile_is_heeded() {
    let mut world = World::ruled([everyone().connect()]);
    world.authenticates = true;
    let client = world.open(with_method("a"));
    world.accept_as(client, Some("alice"), None);
    assert_eq!(world.conn_ack(client).reason, ReasonCode::Success);
    world.evidence(client);
    world.subscribe(client, "t", QoS::AtMostOnce);
    world.publish(client, qos_0("t", "1"));
    assert_eq!(world.payloads(client), ["1"], "under no policy everything is allowed");
    world.come_as(Some("alice"), &[]);
    again_as_who_comes(&mut world, client);
    let statistics = world.broker.statistics();
    assert_eq!((statistics.revoked_subscriptions, statistics.connections), (1, 1));
}
