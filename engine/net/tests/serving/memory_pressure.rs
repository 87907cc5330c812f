//! While memory runs short publishers are slowed down, and nobody else; and what connections hold is a part of it.

use std::time::Duration;

use mayfly_core::{Broker, BrokerConfig, ConnectionConfig, Limits};
use mayfly_wire::{
    Disconnect, DisconnectProperties, Packet, PacketId, ProtocolVersion, Publish, PublishProperties, QoS,
    ReasonCode, UserProperties,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use crate::harness::{Client, Server, connect, local, message};

const MESSAGES: u32 = 5;

/// A broker that has so much in memory, with one retained message, that publishers are slowed down.
async fn nearly_full() -> Server<Broker> {
    let limits = Limits {
        max_memory_bytes: 8 * 1024 * 1024,
        slow_publishers_percent: 5,
        refuse_publishers_percent: 90,
        ..Limits::default()
    };
    let broker = Broker::new(BrokerConfig { limits, ..BrokerConfig::default() });
    let server = Server::of(broker, ConnectionConfig::default());
    let mut filler = server.connect("filler").await;
    let payload = vec![7; 600 * 1024];
    let Packet::Publish(publish) = message("large", &payload) else { unreachable!("a message") };
    filler.send(Packet::Publish(Publish { retain: true, ..publish })).await;
    filler.send(Packet::PingReq).await;
    assert_eq!(filler.receive().await, Some(Packet::PingResp));
    server
}

/// How long it takes until messages that were sent at once have all arrived at a subscriber.
async fn time_of(properties: PublishProperties<'_>) -> Duration {
    let server = nearly_full().await;
    let mut subscriber = server.connect("subscriber").await;
    subscriber.subscribe("t", QoS::AtMostOnce).await;
    let mut publisher = server.connect("publisher").await;
    let begin = Instant::now();
    for _ in 0..MESSAGES {
        let Packet::Publish(publish) = message("t", b"x") else { unreachable!("a message") };
        publisher.send(Packet::Publish(Publish { properties, ..publish })).await;
    }
    for _ in 0..MESSAGES {
        subscriber.message().await;
    }
    begin.elapsed()
}

#[tokio::test(start_paused = true)]
async fn each_message_of_a_publisher_costs_it_a_pause() {
    local(async {
        let pauses = Duration::from_millis(100) * (MESSAGES - 1);
        let time = time_of(PublishProperties::default()).await;
        assert!(time >= pauses && time < pauses * 2, "{time:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_has_priority_is_not_slowed_down() {
    local(async {
        let user_properties = [("$high_priority", "")];
        let properties = PublishProperties {
            user_properties: UserProperties::from_pairs(&user_properties),
            ..PublishProperties::default()
        };
        assert!(time_of(properties).await < Duration::from_millis(100));
    })
    .await;
}

/// Nothing wakes its connection afterwards: no Keep Alive, and nothing that would have to be written.
#[tokio::test(start_paused = true)]
async fn a_client_that_takes_its_leave_behind_a_message_is_closed() {
    local(async {
        let server = nearly_full().await;
        let mut client = Client::new(server.stream(1024), ProtocolVersion::V5);
        let leave = Disconnect { reason: ReasonCode::Success, properties: DisconnectProperties::default() };
        let packets = [Packet::Connect(connect("a")), message("t", b"x"), Packet::Disconnect(leave)];
        let bytes: Vec<u8> = packets.into_iter().flat_map(|packet| client.encode(packet)).collect();
        client.stream.write_all(&bytes).await.unwrap();
        assert!(matches!(client.receive().await, Some(Packet::ConnAck(_))));
        assert_eq!(client.receive().await, None);
    })
    .await;
}

/// A broker with so little memory that a few connections can fill it.
fn small() -> Server<Broker> {
    let limits =
        Limits { max_memory_bytes: 4 * 1024 * 1024, slow_publishers_percent: 100, ..Limits::default() };
    let broker = Broker::new(BrokerConfig { limits, ..BrokerConfig::default() });
    Server::of(broker, ConnectionConfig::default())
}

fn held_by_connections(server: &Server<Broker>) -> usize {
    server.node.inspect(|broker| broker.statistics().memory.connections)
}

/// Publishes with QoS 1.
async fn publish<S: AsyncRead + AsyncWrite + Unpin>(client: &mut Client<S>, payload: &[u8]) -> ReasonCode {
    let Packet::Publish(publish) = message("t", payload) else { unreachable!("a message") };
    let packet_id = PacketId::new(1);
    client.send(Packet::Publish(Publish { qos: QoS::AtLeastOnce, packet_id, ..publish })).await;
    match client.receive().await {
        Some(Packet::PubAck(ack)) => ack.reason,
        other => panic!("expected PUBACK, got {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_to_be_written_counts() {
    local(async {
        let server = small();
        let mut slow = Client::connect(server.stream(1024), connect("slow")).await;
        slow.subscribe("t", QoS::AtMostOnce).await;
        let mut publisher = server.connect("publisher").await;
        let payload = vec![7; 100_000];
        let mut taken = 0;
        while publish(&mut publisher, &payload).await == ReasonCode::Success {
            taken += 1;
            assert!(taken < 100, "the slow client's bytes are never counted");
        }
        assert!(held_by_connections(&server) > 3 * 1024 * 1024);
        drop(slow);
        sleep(Duration::from_secs(5)).await;
        assert!(held_by_connections(&server) < 1024 * 1024);
        assert_eq!(publish(&mut publisher, &payload).await, ReasonCode::NoMatchingSubscribers);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn packets_that_are_not_whole_count_and_have_an_end() {
    local(async {
        let server = small();
        let mut clients = Vec::new();
        for number in 0..8 {
            let mut client = server.connect(&format!("client-{number}")).await;
            let packet = client.encode(message("t", &vec![7; 1_000_000]));
            let (begin, end) = packet.split_at(900_000);
            client.stream.write_all(begin).await.unwrap();
            sleep(Duration::from_secs(1)).await;
            clients.push((client, end.to_vec()));
        }
        let held = held_by_connections(&server);
        assert!((4 * 1024 * 1024..6 * 1024 * 1024).contains(&held), "{held}");
        let (mut last, _) = clients.pop().unwrap();
        last.assert_disconnected(ReasonCode::QuotaExceeded).await;
        clients.clear();
        sleep(Duration::from_secs(5)).await;
        assert!(held_by_connections(&server) < 1024 * 1024);
    })
    .await;
}
