//! CONNECT held until the client is known, and the exchange of AUTH packets before CONNACK [MQTT 5, section 4.12].

use std::time::Duration;

use mayfly_core::{ConnectionConfig, Limits};
use mayfly_wire::{Auth, AuthProperties, Connect, Packet, ProtocolVersion, QoS, ReasonCode};
use proptest::prelude::*;

use crate::harness::packets::{self, qos_0};
use crate::harness::{Client, World};

pub(crate) const METHOD: &str = "SCRAM-SHA-256";

pub(crate) fn world() -> World {
    let mut world = World::new();
    world.authenticates = true;
    world
}

pub(crate) fn with_method(client_id: &'static str) -> Connect<'static> {
    let mut connect = packets::connect(client_id);
    connect.properties.authentication_method = Some(METHOD);
    connect.properties.authentication_data = Some(b"hello");
    connect
}

pub(crate) fn auth(reason: ReasonCode, method: &'static str, data: &'static [u8]) -> Packet<'static> {
    let properties = AuthProperties {
        authentication_method: Some(method),
        authentication_data: Some(data),
        ..AuthProperties::default()
    };
    Packet::Auth(Auth { reason, properties })
}

fn assert_refused(world: &mut World, client: Client, reason: ReasonCode) {
    assert_eq!(world.conn_ack(client).reason, reason);
    assert!(
        world.received(client).is_empty(),
        "no DISCONNECT follows a CONNACK that refuses [MQTT-3.14.0-1]"
    );
    assert!(world.is_closed(client));
    assert_eq!(world.broker.statistics().sessions, 0, "the broker never heard of it");
}

#[test]
fn a_connect_waits_for_the_verdict_and_what_follows_it_too() {
    let mut world = world();
    let client = world.open(Connect {
        user_name: Some("alice"),
        password: Some(b"secret"),
        will: Some(packets::will("w")),
        ..packets::connect("a")
    });
    let subscriptions = [packets::subscription("#", QoS::AtMostOnce)];
    world.send(client, packets::subscribe(packets::id(1), &subscriptions));
    world.send(client, Packet::Publish(qos_0("t", "x")));
    assert_eq!(
        world.evidence(client),
        [
            "Begin { client_id: \"a\", user_name: Some(\"alice\"), password: Some([115, 101, 99, 114, 101, 116]), \
          method: None, data: None }"
        ]
    );
    assert!(world.received(client).is_empty());
    assert_eq!(world.broker.statistics().sessions, 0);
    world.accept_as(client, Some("alice"), None);
    assert_eq!(world.conn_ack(client).reason, ReasonCode::Success);
    assert!(matches!(world.next(client), Packet::SubAck(_)));
    assert_eq!(world.message(client).payload, b"x");
}

#[test]
fn a_client_that_is_denied_is_told_why() {
    for reason in [
        ReasonCode::BadUserNameOrPassword,
        ReasonCode::NotAuthorized,
        ReasonCode::BadAuthenticationMethod,
        ReasonCode::ServerBusy,
        ReasonCode::Banned,
    ] {
        let mut world = world();
        let client = world.open(packets::connect("a"));
        world.deny(client, reason);
        assert_refused(&mut world, client, reason);
    }
}

#[test]
fn mqtt_3_1_1_is_told_as_far_as_it_has_words() {
    for (reason, told) in [
        (ReasonCode::BadUserNameOrPassword, ReasonCode::BadUserNameOrPassword),
        (ReasonCode::NotAuthorized, ReasonCode::NotAuthorized),
        (ReasonCode::Banned, ReasonCode::NotAuthorized),
        (ReasonCode::BadAuthenticationMethod, ReasonCode::NotAuthorized),
        (ReasonCode::ServerBusy, ReasonCode::ServerUnavailable),
        (ReasonCode::QuotaExceeded, ReasonCode::ServerUnavailable),
        (ReasonCode::ServerUnavailable, ReasonCode::ServerUnavailable),
    ] {
        let mut world = world();
        let client = world.open(Connect { version: ProtocolVersion::V3_1_1, ..packets::connect("a") });
        world.deny(client, reason);
        assert_refused(&mut world, client, told);
    }
}

#[test]
fn an_exchange_goes_to_and_fro_with_its_method() {
    let mut world = world();
    let client = world.open(with_method("a"));
    assert!(world.evidence(client)[0].contains("method: Some(\"SCRAM-SHA-256\"), data: Some([104, "));
    for _ in 0..2 {
        world.challenge(client, b"who?");
        assert_eq!(world.only(client), auth(ReasonCode::ContinueAuthentication, METHOD, b"who?"));
        world.send(client, auth(ReasonCode::ContinueAuthentication, METHOD, b"me"));
        assert_eq!(world.evidence(client), ["Continue { data: Some([109, 101]) }"]);
    }
    world.accept_as(client, Some("alice"), Some(b"welcome"));
    let ack = world.conn_ack(client);
    assert_eq!(ack.reason, ReasonCode::Success);
    assert_eq!(ack.properties.authentication_method, Some(METHOD), "[MQTT-4.12.0-5]");
    assert_eq!(ack.properties.authentication_data, Some(&b"welcome"[..]));
}

#[test]
fn without_a_method_conn_ack_names_none() {
    let mut world = world();
    let client = world.open(packets::connect("a"));
    world.accept_as(client, None, None);
    let properties = world.conn_ack(client).properties;
    assert_eq!((properties.authentication_method, properties.authentication_data), (None, None));
}

#[test]
fn other_packets_than_those_of_the_exchange_end_it() {
    let subscriptions = [packets::subscription("t", QoS::AtMostOnce)];
    for (packet, reason) in [
        (Packet::PingReq, ReasonCode::ProtocolError),
        (packets::subscribe(packets::id(1), &subscriptions), ReasonCode::ProtocolError),
        (Packet::Publish(qos_0("t", "x")), ReasonCode::ProtocolError),
        (Packet::Connect(packets::connect("a")), ReasonCode::ProtocolError),
        (auth(ReasonCode::ReAuthenticate, METHOD, b"x"), ReasonCode::ProtocolError),
        (auth(ReasonCode::Success, METHOD, b"x"), ReasonCode::ProtocolError),
        (auth(ReasonCode::ContinueAuthentication, "other", b"x"), ReasonCode::BadAuthenticationMethod),
        (Packet::Auth(Auth { reason: ReasonCode::Success, properties: AuthProperties::default() }), {
            ReasonCode::BadAuthenticationMethod
        }),
    ] {
        let mut world = world();
        let client = world.open(with_method("a"));
        world.challenge(client, b"who?");
        world.received(client);
        world.send(client, packet);
        assert_refused(&mut world, client, reason);
    }
    let mut world = world();
    let client = world.open(with_method("a"));
    world.challenge(client, b"who?");
    world.received(client);
    world.send_bytes(client, &[0xF0, 2, 0x18, 0]);
    assert_refused(&mut world, client, ReasonCode::ProtocolError);
}

#[test]
fn a_client_may_think_better_of_it() {
    let mut world = world();
    let client = world.open(with_method("a"));
    world.challenge(client, b"who?");
    world.received(client);
    world.send(client, packets::disconnect(ReasonCode::Success));
    assert!(world.received(client).is_empty() && world.is_closed(client));
    world.accept_as(client, None, None);
    assert!(world.received(client).is_empty(), "a verdict that comes too late");
    assert_eq!(world.broker.statistics().sessions, 0);
}

#[test]
fn both_sides_have_their_time() {
    let config =
        ConnectionConfig { authentication_timeout: Duration::from_secs(5), ..ConnectionConfig::default() };
    for (is_challenged, reason) in [(false, ReasonCode::ServerBusy), (true, ReasonCode::NotAuthorized)] {
        let mut world = World::with(config.clone(), Limits::default());
        world.authenticates = true;
        let client = world.open(Connect { keep_alive_s: 1, ..with_method("a") });
        world.advance(Duration::from_secs(3));
        if is_challenged {
            world.challenge(client, b"who?");
            world.received(client);
        }
        world.advance(Duration::from_millis(1999));
        assert!(!world.is_closed(client), "Keep Alive has not begun");
        world.advance(Duration::from_millis(1));
        assert_refused(&mut world, client, reason);
    }
}

#[test]
fn keep_alive_begins_when_the_client_is_let_in() {
    let mut world = world();
    let client = world.open(Connect { keep_alive_s: 2, ..packets::connect("a") });
    world.advance(Duration::from_secs(10));
    world.accept_as(client, None, None);
    world.conn_ack(client);
    world.advance(Duration::from_millis(2999));
    assert!(!world.is_closed(client));
    world.advance(Duration::from_millis(1));
    world.assert_disconnected(client, ReasonCode::KeepAliveTimeout);
}

#[test]
fn a_server_that_stops_says_so_to_those_who_wait() {
    let mut world = world();
    let client = world.open(packets::connect("a"));
    world.shut_down(client, ReasonCode::ServerShuttingDown, None);
    assert_refused(&mut world, client, ReasonCode::ServerUnavailable);
    let client = world.open(packets::connect("b"));
    world.shut_down(client, ReasonCode::ServerMoved, Some("elsewhere"));
    let ack = world.conn_ack(client);
    assert_eq!((ack.reason, ack.properties.server_reference), (ReasonCode::ServerMoved, Some("elsewhere")));
}

/// What happens to a client: it sends something, or it is answered, in any order.
#[derive(Clone, Debug)]
enum Move {
    Send(usize),
    Accept(bool),
    Challenge,
    Deny,
    Wait(u8),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        6 => (0..8_usize).prop_map(Move::Send),
        3 => any::<bool>().prop_map(Move::Accept),
        3 => Just(Move::Challenge),
        1 => Just(Move::Deny),
        1 => any::<u8>().prop_map(Move::Wait),
    ];
    prop::collection::vec(one, 1..30)
}

proptest! {
    #[test]
    fn no_order_of_packets_and_verdicts_panics_or_lets_anybody_in_unasked(moves in moves()) {
        let mut world = world();
        let client = world.accept();
        let mut was_accepted = false;
        for one in moves {
            match one {
                Move::Send(index) => {
                    let packet = match index {
                        0 => Packet::Connect(packets::connect("a")),
                        1 | 2 => Packet::Connect(with_method("a")),
                        3 => auth(ReasonCode::ContinueAuthentication, METHOD, b"x"),
                        4 => auth(ReasonCode::ReAuthenticate, METHOD, b"x"),
                        5 => auth(ReasonCode::Success, METHOD, b"x"),
                        6 => Packet::PingReq,
                        _ => Packet::Publish(qos_0("t", "x")),
                    };
                    world.send(client, packet);
                }
                Move::Accept(is_alice) => {
                    was_accepted |= world.connection(client).awaits_verdict();
                    world.accept_as(client, is_alice.then_some("alice"), Some(b"data"));
                }
                Move::Challenge => world.challenge(client, b"who?"),
                Move::Deny => world.deny(client, ReasonCode::BadUserNameOrPassword),
                Move::Wait(seconds) => world.advance(Duration::from_secs(u64::from(seconds))),
            }
            let is_open = world.broker.statistics().connections > 0;
            prop_assert!(was_accepted || !is_open);
            if world.is_closed(client) {
                prop_assert!(!is_open, "the broker knows that it is closed");
                prop_assert!(!world.connection(client).awaits_verdict());
            }
        }
    }
}
