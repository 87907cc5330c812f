//! Bytes and packets are counted where they pass.

use mayfly_net::Traffic;
use mayfly_wire::{Packet, QoS};
use tokio::io::AsyncWriteExt;

use crate::harness::{Server, local, message};

#[tokio::test(start_paused = true)]
async fn every_byte_and_packet_is_counted_once() {
    local(async {
        let server = Server::start();
        let mut client = server.connect("a").await;
        let after_connect = server.node.traffic();
        assert_eq!((after_connect.packets_in[1], after_connect.packets_out[2]), (1, 1));
        client.subscribe("t", QoS::AtMostOnce).await;
        let publish = client.encode(message("t", &[7; 1000]));
        let ping = client.encode(Packet::PingReq);
        let before = server.node.traffic();
        // In pieces: a packet counts when it is whole, and its bytes once.
        let bytes = [&publish[..], &publish, &ping].concat();
        for piece in bytes.chunks(300) {
            client.stream.write_all(piece).await.unwrap();
            tokio::task::yield_now().await;
        }
        for _ in 0..2 {
            client.message().await;
        }
        assert_eq!(client.receive().await, Some(Packet::PingResp));
        let after = server.node.traffic();
        let publishes = 2 * publish.len() as u64;
        let mut expected = Traffic {
            bytes_in: before.bytes_in + bytes.len() as u64,
            bytes_out: before.bytes_out + publishes + 2,
            publishes_in: [2, 0, 0],
            publishes_out: [2, 0, 0],
            publish_bytes_in: [publishes, 0, 0],
            publish_bytes_out: [publishes, 0, 0],
            ..before
        };
        expected.packets_in[3] += 2;
        expected.packets_out[3] += 2;
        expected.packets_in[12] += 1;
        expected.packets_out[13] += 1;
        assert_eq!(after, expected);
        client.stream.write_all(&[0, 0]).await.unwrap();
        assert!(matches!(client.receive().await, Some(Packet::Disconnect(_))));
        let end = server.node.traffic();
        assert_eq!((end.packets_out[14], end.packets_in[0]), (1, 0), "what is no packet is none");
    })
    .await;
}
