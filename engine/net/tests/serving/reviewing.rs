//! Other settings for a listener with connections: who may stay stays, who may not is told.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mayfly_core::{BrokerResource, Input, Principals, Rule, RuleSet};
use mayfly_net::{ListenerSettings, Workers};
use mayfly_wire::{Packet, ProtocolVersion, ReasonCode};

use crate::authenticating::{LIMIT, answer, knock, pool, server, user};
use crate::harness::{Client, Server, connect, local_within};

async fn assert_served(client: &mut Client<tokio::io::DuplexStream>) {
    client.send(Packet::PingReq).await;
    assert_eq!(client.receive().await, Some(Packet::PingResp));
}

#[tokio::test]
async fn a_user_that_is_gone_goes_and_the_others_stay() {
    local_within(LIMIT, async {
        let (server, door) = server(Workers::Inline, LIMIT);
        let (mut alice, mut bob) =
            (knock(&server, user("a", "alice")).await, knock(&server, user("b", "bob")).await);
        for client in [&mut alice, &mut bob] {
            assert_eq!(answer(client).await, ReasonCode::Success);
        }
        door.gone.lock().unwrap().push("alice");
        server.node.review(&server.endpoint);
        alice.assert_disconnected(ReasonCode::NotAuthorized).await;
        assert_served(&mut bob).await;
        assert_eq!(server.node.inspect(|broker| broker.statistics().connections), 1);
    })
    .await;
}

#[tokio::test]
async fn clients_stand_under_another_policy_at_once() {
    local_within(LIMIT, async {
        let server = Server::start();
        let mut client = server.connect("a").await;
        server.endpoint.replace(ListenerSettings {
            policy: Some("without rules".into()),
            ..ListenerSettings::default()
        });
        server.node.review(&server.endpoint);
        client.assert_disconnected(ReasonCode::NotAuthorized).await;
        assert_eq!(server.node.inspect(|broker| broker.statistics().connections), 0);
    })
    .await;
}

#[tokio::test]
async fn whoever_comes_before_a_change_and_says_connect_after_it_is_asked_as_everybody() {
    local_within(LIMIT, async {
        let (asking, _) = server(Workers::Inline, LIMIT);
        let authenticator = asking.endpoint.settings().authenticator.clone();
        let server = Server::start();
        let mut accepted = [server.stream(1024), server.stream(1024)];
        while server.node.connection_count() < 2 {
            tokio::task::yield_now().await;
        }
        server.endpoint.replace(ListenerSettings { authenticator, ..ListenerSettings::default() });
        let [first, second] = &mut accepted;
        for (stream, name, expected) in
            [(first, "nobody", ReasonCode::BadUserNameOrPassword), (second, "alice", ReasonCode::Success)]
        {
            let mut client = Client::new(stream, ProtocolVersion::V5);
            client.send(Packet::Connect(user("a", name))).await;
            match client.receive().await {
                Some(Packet::ConnAck(ack)) => assert_eq!(ack.reason, expected, "{name}"),
                other => panic!("expected CONNACK, got {other:?}"),
            }
        }
    })
    .await;
}

#[tokio::test]
async fn a_verdict_that_took_so_long_that_it_is_none_any_more_lets_nobody_in() {
    local_within(LIMIT, async {
        let (server, door) = server(pool(1, 10), LIMIT);
        let mut client = knock(&server, user("a", "slow")).await;
        while door.jobs.load(Ordering::SeqCst) == 0 {
            tokio::time::sleep(std::time::Duration::from_millis(1)).await;
        }
        door.gone.lock().unwrap().push("slow");
        door.open();
        assert_eq!(answer(&mut client).await, ReasonCode::NotAuthorized);
    })
    .await;
}

#[tokio::test]
async fn a_life_is_reported_with_its_beginning_and_its_end() {
    local_within(LIMIT, async {
        let (server, door) = server(Workers::Inline, LIMIT);
        let mut first = knock(&server, user("a", "alice")).await;
        assert_eq!(answer(&mut first).await, ReasonCode::Success);
        let mut second = knock(&server, user("a", "alice")).await;
        assert_eq!(answer(&mut second).await, ReasonCode::Success);
        first.assert_disconnected(ReasonCode::SessionTakenOver).await;
        door.gone.lock().unwrap().push("alice");
        server.node.review(&server.endpoint);
        second.assert_disconnected(ReasonCode::NotAuthorized).await;
        let mut nobody = knock(&server, user("n\n", "nobody")).await;
        assert_eq!(answer(&mut nobody).await, ReasonCode::BadUserNameOrPassword);
        let mut assigned = knock(&server, connect("")).await;
        assert_eq!(answer(&mut assigned).await, ReasonCode::Success);
        drop((first, second, nobody, assigned));
        while server.node.connection_count() > 0 {
            tokio::task::yield_now().await;
        }
        let silent = server.stream(16);
        while server.node.connection_count() == 0 {
            tokio::task::yield_now().await;
        }
        drop(silent);
        while server.node.connection_count() > 0 {
            tokio::task::yield_now().await;
        }
        let client = |id: &str, user: &str| format!("Client {{ id: {id:?}, user_name: Some({user:?}) }}");
        let (alice, nobody) = (client("a", "alice"), client("n\n", "nobody"));
        let assigned = "Client { id: \"mayfly-00000000000000000000000000000004\", user_name: None }";
        let of = |what: &str, client: &str, rest: &str| {
            format!("{what} {{ listener: \"default\", address: None, client: {client}{rest} }}")
        };
        let expected = [
            of("Opened", &alice, ""),
            of("Closed", &format!("Some({alice})"), ", ending: Told(SessionTakenOver)"),
            of("Opened", &alice, ""),
            of("Closed", &format!("Some({alice})"), ", ending: Told(NotAuthorized)"),
            of("Denied", &nobody, ", reason: BadUserNameOrPassword"),
            of("Opened", assigned, ""),
            of("Closed", &format!("Some({assigned})"), ", ending: Noticed(NetworkLost)"),
            of("Closed", "None", ", ending: Noticed(NetworkLost)"),
        ];
        assert_eq!(*server.reports.borrow(), expected);
    })
    .await;
}

#[tokio::test]
async fn attributes_that_are_known_anew_reach_the_rules() {
    local_within(LIMIT, async {
        let (server, door) = server(Workers::Inline, LIMIT);
        let attributes = vec![vec![("floor".to_owned(), "3".to_owned())]];
        let rule = Rule {
            principals: Principals { attributes, ..Principals::default() },
            broker_resources: vec![BrokerResource::Connect { client_ids: Vec::new() }],
            state_store_resources: Vec::new(),
        };
        let rules = RuleSet::new([("floors".into(), vec![rule])].into());
        server.node.handle(&Input::Rules(rules.as_rules()));
        let settings = (*server.endpoint.settings()).clone();
        server.endpoint.replace(ListenerSettings { policy: Some("floors".into()), ..settings });
        let mut refused = knock(&server, user("a", "alice")).await;
        assert_eq!(answer(&mut refused).await, ReasonCode::NotAuthorized);
        *door.attributes.lock().unwrap() = Arc::new([("floor", "3")].into_iter().collect());
        let mut client = knock(&server, user("a", "alice")).await;
        assert_eq!(answer(&mut client).await, ReasonCode::Success);
        *door.attributes.lock().unwrap() = Arc::default();
        server.node.review(&server.endpoint);
        client.assert_disconnected(ReasonCode::NotAuthorized).await;
    })
    .await;
}
