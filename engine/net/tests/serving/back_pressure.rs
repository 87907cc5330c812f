//! Clients that take less than they are sent.

use std::time::Duration;

use mayfly_core::ConnectionConfig;
use mayfly_wire::{Packet, ProtocolVersion, QoS};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{sleep, timeout};

use crate::harness::{Client, EVER, Server, connect, local, message};

const MAX_OUTGOING_BYTES: usize = 64 * 1024;

fn config() -> ConnectionConfig {
    ConnectionConfig {
        max_outgoing_bytes: MAX_OUTGOING_BYTES,
        write_timeout: Duration::from_secs(30),
        ..ConnectionConfig::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_loses_qos_0_messages_and_nobody_else_does() {
    const MESSAGES: usize = 2000;
    local(async {
        let server = Server::with(config());
        let mut slow = Client::connect(server.stream(1024), connect("slow")).await;
        slow.subscribe("t", QoS::AtMostOnce).await;
        let mut quick = server.connect("quick").await;
        quick.subscribe("t", QoS::AtMostOnce).await;
        let mut publisher = server.connect("publisher").await;
        let payload = vec![7; 1000];
        for _ in 0..MESSAGES {
            publisher.send(message("t", &payload)).await;
            assert_eq!(quick.message().await.payload, payload);
        }
        let dropped = usize::try_from(server.node.dropped_messages()).unwrap();
        assert!(dropped > MESSAGES / 2, "{dropped} dropped");
        let held = MESSAGES - dropped;
        assert!(held * payload.len() < MAX_OUTGOING_BYTES + 4 * 1024, "{held} held");
        for _ in 0..held {
            assert_eq!(slow.message().await.payload, payload);
        }
        publisher.send(message("t", b"after")).await;
        assert_eq!(slow.message().await.payload, b"after");
        drop(slow);
        sleep(Duration::from_secs(5)).await;
        assert_eq!(server.node.dropped_messages(), dropped as u64, "the count outlives the connection");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_reader_that_stopped_is_closed_and_nobody_else_is() {
    local(async {
        let server = Server::with(config());
        let mut stuck = Client::connect(server.stream(1024), connect("stuck")).await;
        stuck.subscribe("t", QoS::AtMostOnce).await;
        let mut publisher = server.connect("publisher").await;
        let payload = vec![7; 1000];
        for _ in 0..35 {
            publisher.send(message("t", &payload)).await;
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(server.node.connection_count(), 1);
        publisher.send(Packet::PingReq).await;
        assert_eq!(publisher.receive().await, Some(Packet::PingResp));
    })
    .await;
}

/// A client whose queue is always full of other clients' messages still has its own packets read.
#[tokio::test(start_paused = true)]
async fn a_reader_that_is_slow_and_steady_is_kept_alive_by_its_pings() {
    local(async {
        let server = Server::start();
        let mut connect = connect("slow");
        connect.keep_alive_s = 2;
        let mut slow = Client::connect(server.stream(4096), connect).await;
        slow.subscribe("t", QoS::AtMostOnce).await;
        let mut publisher = server.connect("publisher").await;
        let payload = vec![7; 64 * 1024];
        for _ in 0..100 {
            publisher.send(message("t", &payload)).await;
        }
        let mut buffer = vec![0; 4096];
        for _ in 0..100 {
            slow.stream.write_all(&[0xC0, 0]).await.unwrap();
            slow.stream.read_exact(&mut buffer).await.expect("the connection is open");
            sleep(Duration::from_secs(1)).await;
        }
        assert_eq!(server.node.connection_count(), 2);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_only_asks_is_no_longer_read() {
    local(async {
        let server = Server::with(config());
        let mut client = Client::connect(server.stream(1024), connect("a")).await;
        let ping = client.encode(Packet::PingReq);
        let ask = async {
            // Far more than the bound, but not for ever if there is none.
            for _ in 0..500_000 {
                client.stream.write_all(&ping).await.unwrap();
            }
        };
        assert!(timeout(Duration::from_secs(20), ask).await.is_err(), "the stream is full at last");
        let mut answers = 0;
        while timeout(Duration::from_secs(1), client.receive()).await.is_ok_and(|packet| packet.is_some()) {
            answers += 1;
        }
        let bytes = answers * 2;
        let bound = MAX_OUTGOING_BYTES + 256 * 1024 + 4096;
        assert!((bound / 2..=bound + 64 * 1024).contains(&bytes), "{bytes} bytes of answers");
        client.send(Packet::PingReq).await;
        assert_eq!(client.receive().await, Some(Packet::PingResp), "it is read again");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_where_every_buffer_is_small() {
    local(async {
        let config = ConnectionConfig { max_outgoing_bytes: 1_000_000, ..ConnectionConfig::default() };
        let server = Server::with(config);
        let mut receiver = Client::new(server.stream(7), ProtocolVersion::V5);
        receiver.send(Packet::Connect(connect("r"))).await;
        receiver.receive().await.unwrap();
        receiver.subscribe("t", QoS::AtMostOnce).await;
        let mut publisher = Client::new(server.stream(5), ProtocolVersion::V5);
        let send = async {
            publisher.send(Packet::Connect(connect("p"))).await;
            publisher.receive().await.unwrap();
            for n in 0..300_u32 {
                publisher.send(message("t", &n.to_be_bytes())).await;
            }
        };
        let receive = async {
            for n in 0..300_u32 {
                assert_eq!(receiver.message().await.payload, n.to_be_bytes());
            }
        };
        timeout(EVER, async { tokio::join!(send, receive) }).await.expect("no wake-up is lost");
    })
    .await;
}
