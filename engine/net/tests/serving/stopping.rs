//! The end of a server, wanted or not.

use std::time::Duration;

use mayfly_core::{ConnectionConfig, ConnectionId, Input, Monotonic, Now, Output, Pressure, StateMachine};
use mayfly_net::Drain;
use mayfly_wire::{Packet, ProtocolVersion, QoS, ReasonCode, TopicName, Will, WillProperties};
use tokio::time::{Instant, timeout};

use crate::harness::{Client, Server, connect, local, message};

#[tokio::test(start_paused = true)]
async fn clients_are_told_and_the_server_returns_when_they_have_gone() {
    local(async {
        let mut server = Server::start();
        let mut clients = [server.connect("a").await, server.connect("b").await];
        let started = Instant::now();
        server.stop();
        for client in &mut clients {
            client.assert_disconnected(ReasonCode::ServerShuttingDown).await;
        }
        drop(clients);
        server.task.await.unwrap();
        assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_does_not_hold_it_up() {
    local(async {
        let mut server = Server::start();
        let mut stuck = Client::connect(server.stream(64), connect("stuck")).await;
        stuck.subscribe("t", QoS::AtMostOnce).await;
        let mut publisher = server.connect("p").await;
        publisher.send(message("t", &[7; 1000])).await;
        let silent = server.stream(64);
        tokio::time::sleep(Duration::from_millis(10)).await;
        let started = Instant::now();
        server.stop();
        timeout(Duration::from_secs(3), server.task).await.expect("it returns in time").unwrap();
        assert!(started.elapsed() <= Duration::from_millis(2100), "{:?}", started.elapsed());
        tokio::task::yield_now().await;
        assert_eq!(server.node.connection_count(), 0, "what was left was dropped");
        drop((stuck, silent));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn mqtt_3_1_1_is_just_closed() {
    local(async {
        let mut server = Server::start();
        let mut connect = connect("a");
        connect.version = ProtocolVersion::V3_1_1;
        let mut client = Client::connect(server.stream(64), connect).await;
        server.stop();
        assert_eq!(client.receive().await, None);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn clients_are_told_where_to_go_and_have_the_time_that_was_named() {
    local(async {
        let mut server = Server::start();
        let mut old = connect("old");
        old.version = ProtocolVersion::V3_1_1;
        let mut old = Client::connect(server.stream(64), old).await;
        let mut new = server.connect("new").await;
        let silent = server.stream(64);
        tokio::time::sleep(Duration::from_millis(10)).await;
        let started = Instant::now();
        let server_reference = Some("other.example:1883".to_owned());
        server.stop_with(Drain { time_limit: Duration::from_millis(700), server_reference });
        match new.receive().await {
            Some(Packet::Disconnect(disconnect)) => {
                assert_eq!(disconnect.reason, ReasonCode::ServerMoved);
                assert_eq!(disconnect.properties.server_reference, Some("other.example:1883"));
            }
            other => panic!("expected DISCONNECT, got {other:?}"),
        }
        assert_eq!(old.receive().await, None);
        // Nobody closes their end.
        server.task.await.unwrap();
        let millis = started.elapsed().as_millis();
        assert!((700..710).contains(&millis), "{millis} ms");
        assert_eq!(server.node.traffic().packets_out[14], 1, "it is counted");
        drop(silent);
    })
    .await;
}

/// A server that stops closes the connections, so wills are due [MQTT-3.1.2-8]. Who is still there receives them.
#[tokio::test(start_paused = true)]
async fn wills_are_published_to_those_who_were_not_told_yet() {
    local(async {
        let mut server = Server::start();
        let mut clients = Vec::new();
        for client_id in ["first", "second"] {
            let mut connect = connect(client_id);
            connect.will = Some(Will {
                qos: QoS::AtMostOnce,
                retain: false,
                topic: TopicName::parse("t").unwrap(),
                payload: client_id.as_bytes(),
                properties: WillProperties::default(),
            });
            let mut client = Client::connect(server.stream(1000), connect).await;
            client.subscribe("t", QoS::AtMostOnce).await;
            clients.push(client);
        }
        server.stop();
        clients[0].assert_disconnected(ReasonCode::ServerShuttingDown).await;
        assert_eq!(clients[1].message().await.payload, b"first");
        clients[1].assert_disconnected(ReasonCode::ServerShuttingDown).await;
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_failed_accept_is_not_the_end() {
    local(async {
        let server = Server::start();
        server.fail_accept();
        server.fail_accept();
        let mut client = server.connect("a").await;
        client.send(Packet::PingReq).await;
        assert_eq!(client.receive().await, Some(Packet::PingResp));
    })
    .await;
}

/// A machine with a broken invariant.
struct Broken;

impl StateMachine for Broken {
    fn handle(&mut self, _: Now, input: &Input<'_>) {
        assert!(!matches!(input, Input::Opened { .. }), "an invariant is broken");
    }

    fn poll_output(&mut self) -> Option<Output<'_>> {
        None
    }

    fn pressure(&self) -> Pressure {
        Pressure::None
    }

    fn connection_of(&self, _: &str) -> Option<ConnectionId> {
        None
    }

    fn next_deadline(&self) -> Option<Monotonic> {
        None
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_of_the_broker_ends_the_server() {
    local(async {
        let server = Server::of(Broken, ConnectionConfig::default());
        let mut client = Client::new(server.stream(64), ProtocolVersion::V5);
        client.send(Packet::Connect(connect("a"))).await;
        let ended = timeout(Duration::from_secs(1), server.task).await.expect("it does not go on");
        assert!(ended.unwrap_err().is_panic());
    })
    .await;
}
