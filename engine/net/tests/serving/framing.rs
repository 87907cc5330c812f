//! Packets do not come as reads do.

use mayfly_wire::{Packet, ProtocolVersion, QoS, ReasonCode, TopicName, Will, WillProperties};
use tokio::io::AsyncWriteExt;

use crate::harness::{Client, Server, connect, local, message};

#[tokio::test(start_paused = true)]
async fn bytes_may_come_one_by_one() {
    local(async {
        let server = Server::start();
        let mut client = Client::new(server.stream(1), ProtocolVersion::V5);
        let mut bytes = client.encode(Packet::Connect(connect("a")));
        bytes.extend(client.encode(Packet::PingReq));
        bytes.extend(client.encode(Packet::PingReq));
        client.stream.write_all(&bytes).await.unwrap();
        assert!(matches!(client.receive().await, Some(Packet::ConnAck(_))));
        assert_eq!(client.receive().await, Some(Packet::PingResp));
        assert_eq!(client.receive().await, Some(Packet::PingResp));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn half_a_packet_waits_for_the_other_half() {
    local(async {
        let server = Server::start();
        let mut client = server.connect("a").await;
        client.subscribe("t", QoS::AtMostOnce).await;
        let bytes = [
            client.encode(message("t", b"one")),
            client.encode(message("t", b"two")),
            client.encode(Packet::PingReq),
        ]
        .concat();
        for split in 1..bytes.len() {
            let (first, second) = bytes.split_at(split);
            client.stream.write_all(first).await.unwrap();
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            client.stream.write_all(second).await.unwrap();
            assert_eq!(client.message().await.payload, b"one", "split at {split}");
            assert_eq!(client.message().await.payload, b"two");
            assert_eq!(client.receive().await, Some(Packet::PingResp));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_packet_may_be_larger_than_a_read() {
    local(async {
        let server = Server::start();
        let mut client = server.connect("a").await;
        client.subscribe("t", QoS::AtMostOnce).await;
        let large: Vec<u8> = (0..900_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        // Written and read at once: neither side holds all of it.
        let bytes = [client.encode(message("t", &large)), client.encode(message("t", b"small"))].concat();
        let (mut reader, mut writer) = tokio::io::split(client.stream);
        let write = async { writer.write_all(&bytes).await.unwrap() };
        let read = async {
            let mut received = vec![0; bytes.len()];
            tokio::io::AsyncReadExt::read_exact(&mut reader, &mut received).await.unwrap();
            received
        };
        let ((), received) = tokio::join!(write, read);
        assert!(received == bytes, "what came is what was sent");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_the_stream_within_a_packet_is_a_lost_connection() {
    local(async {
        let server = Server::start();
        let mut witness = server.connect("witness").await;
        witness.subscribe("w", QoS::AtMostOnce).await;
        let will = Will {
            qos: QoS::AtMostOnce,
            retain: false,
            topic: TopicName::parse("w").unwrap(),
            payload: b"gone",
            properties: WillProperties::default(),
        };
        let mut connect = connect("a");
        connect.will = Some(will);
        let mut client = Client::connect(server.stream(1024), connect).await;
        let bytes = client.encode(message("w", b"never whole"));
        client.stream.write_all(&bytes[..bytes.len() - 1]).await.unwrap();
        drop(client);
        assert_eq!(witness.message().await.payload, b"gone");
        assert_eq!(server.node.connection_count(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_malformed_packet_is_answered_and_ends_its_connection_only() {
    local(async {
        let server = Server::start();
        let mut other = server.connect("other").await;
        let mut client = server.connect("a").await;
        client.stream.write_all(&[0x00, 0x00]).await.unwrap();
        client.assert_disconnected(ReasonCode::MalformedPacket).await;
        other.send(Packet::PingReq).await;
        assert_eq!(other.receive().await, Some(Packet::PingResp));
    })
    .await;
}
