//! While memory runs short publishers are slowed down, and nobody else.

use std::time::Duration;

use mayfly_core::{Broker, BrokerConfig, ConnectionConfig, Limits};
use mayfly_wire::{
    Disconnect, DisconnectProperties, Packet, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode,
    UserProperties,
};
use tokio::io::AsyncWriteExt;
use tokio::time::Instant;

use crate::harness::{Client, Server, connect, local, message};

const MESSAGES: u32 = 5;

/// A broker whose memory is more than half full with one retained message.
async fn nearly_full() -> Server<Broker> {
    let limits = Limits {
        max_memory_bytes: 1024 * 1024,
        slow_publishers_percent: 50,
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
