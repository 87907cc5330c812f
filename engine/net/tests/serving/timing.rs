//! Deadlines are kept without traffic, and waiting costs nothing.

use std::time::Duration;

use mayfly_core::{
    ConnectionConfig, ConnectionId, Input, Monotonic, Now, Output, Pressure, REQUEST_TOPIC, StateMachine,
};
use mayfly_wire::{
    Packet, PacketId, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, TopicName,
    UserProperties, resp3,
};
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, sleep, timeout};

use crate::harness::{Client, EVER, Server, connect, local, local_within, message};

/// Within the granularity of tokio's timers.
fn assert_about(elapsed: Duration, expected_ms: u64) {
    let millis = elapsed.as_millis();
    assert!((u128::from(expected_ms)..=u128::from(expected_ms) + 5).contains(&millis), "{millis} ms");
}

#[tokio::test(start_paused = true)]
async fn a_silent_client_is_told_and_closed() {
    local(async {
        let server = Server::start();
        let mut connect = connect("a");
        connect.keep_alive_s = 10;
        let started = Instant::now();
        let mut client = Client::connect(server.stream(1024), connect).await;
        client.assert_disconnected(ReasonCode::KeepAliveTimeout).await;
        assert_about(started.elapsed(), 15_000);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_pings_is_kept() {
    local(async {
        let server = Server::start();
        let mut connect = connect("a");
        connect.keep_alive_s = 10;
        let mut client = Client::connect(server.stream(1024), connect).await;
        for _ in 0..20 {
            sleep(Duration::from_secs(14)).await;
            client.send(Packet::PingReq).await;
            assert_eq!(client.receive().await, Some(Packet::PingResp));
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn connect_has_to_come_in_time() {
    local(async {
        let server = Server::start();
        let started = Instant::now();
        let mut stream = server.stream(1024);
        assert_eq!(stream.read_u8().await.unwrap_err().kind(), std::io::ErrorKind::UnexpectedEof);
        assert_about(started.elapsed(), 10_000);
    })
    .await;
}

/// The stall is noticed although nothing else ever wakes the connection: no keep-alive, no other client.
#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_closed_after_the_write_timeout() {
    local(async {
        let config =
            ConnectionConfig { write_timeout: Duration::from_secs(7), ..ConnectionConfig::default() };
        let server = Server::with(config);
        let started = Instant::now();
        let mut client = Client::new(server.stream(8), ProtocolVersion::V5);
        client.send(Packet::Connect(connect("a"))).await;
        client.send(Packet::PingReq).await;
        while server.node.connection_count() == 0 {
            sleep(Duration::from_millis(1)).await;
        }
        timeout(EVER, server.node.drained()).await.expect("the connection was closed");
        // And a second for a client that would still read what was last written.
        assert_about(started.elapsed(), 8_000);
    })
    .await;
}

fn request(items: &[&[u8]], packet_id: u16, send: impl FnOnce(Packet<'_>) -> Vec<u8>) -> Vec<u8> {
    let mut payload = Vec::new();
    resp3::encode_array(items, &mut payload);
    let properties = PublishProperties {
        response_topic: Some(TopicName::parse("nobody/listens").unwrap()),
        correlation_data: Some(b"c"),
        user_properties: UserProperties::from_pairs(&[("__ts", "1:0:c")]),
        ..PublishProperties::default()
    };
    send(Packet::Publish(Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: REQUEST_TOPIC,
        packet_id: PacketId::new(packet_id),
        properties,
        payload: &payload,
    }))
}

#[tokio::test(start_paused = true)]
async fn a_key_expires_without_traffic() {
    use tokio::io::AsyncWriteExt;
    local(async {
        let server = Server::start();
        let mut client = server.connect("a").await;
        let watch = request(&[b"KEYNOTIFY", b"k"], 1, |packet| client.encode(packet));
        // The second, later deadline comes first: the ticker has to be told of the nearer one.
        let late = request(&[b"SET", b"late", b"v", b"PX", b"60000"], 2, |packet| client.encode(packet));
        let set = request(&[b"SET", b"k", b"v", b"PX", b"1500"], 3, |packet| client.encode(packet));
        client.stream.write_all(&[watch, late].concat()).await.unwrap();
        for _ in 0..2 {
            assert!(matches!(client.receive().await, Some(Packet::PubAck(_))));
        }
        sleep(Duration::from_millis(100)).await;
        let started = Instant::now();
        client.stream.write_all(&set).await.unwrap();
        assert!(matches!(client.receive().await, Some(Packet::PubAck(_))));
        assert!(client.message().await.payload.starts_with(b"*4\r\n"));
        assert_eq!(client.message().await.payload, b"*2\r\n$6\r\nNOTIFY\r\n$6\r\nDELETE\r\n");
        assert_about(started.elapsed(), 1500);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_crowd_of_expiries_is_served_whole() {
    use tokio::io::AsyncWriteExt;
    local(async {
        let server = Server::start();
        let mut client = server.connect("a").await;
        let mut bytes = Vec::new();
        for key in 0..1000_u16 {
            let items: [&[u8]; 5] = [b"SET", &key.to_be_bytes(), b"v", b"PX", b"1000"];
            bytes.extend(request(&items, key + 1, |packet| client.encode(packet)));
        }
        client.stream.write_all(&bytes).await.unwrap();
        for _ in 0..1000 {
            client.receive().await.unwrap();
        }
        assert_eq!(server.node.inspect(|broker| broker.statistics().keys), 1000);
        sleep(Duration::from_millis(1100)).await;
        assert_eq!(server.node.inspect(|broker| broker.statistics().keys), 0);
    })
    .await;
}

/// A machine with so many deadlines that are due already, of which each tick serves one.
struct Crowded {
    left: u32,
}

impl StateMachine for Crowded {
    fn handle(&mut self, _: Now, input: &Input<'_>) {
        self.left -= u32::from(matches!(input, Input::Tick));
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
        (self.left > 0).then_some(Monotonic::ZERO)
    }
}

/// In real time: paused time has no sleeps of a part of a millisecond.
#[tokio::test]
async fn deadlines_that_are_due_do_not_wait_for_each_other() {
    const DUE: u32 = 2000;
    local_within(Duration::from_secs(30), async {
        let started = Instant::now();
        let server = Server::of(Crowded { left: DUE }, ConnectionConfig::default());
        while server.node.inspect(|machine| machine.left) > 0 {
            tokio::task::yield_now().await;
        }
        let elapsed = started.elapsed();
        assert!(elapsed < Duration::from_millis(500), "{DUE} took {elapsed:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn waiting_costs_nothing() {
    local(async {
        let server = Server::start();
        let mut client = server.connect("a").await;
        client.subscribe("t", QoS::AtMostOnce).await;
        sleep(Duration::from_mins(1)).await;
        let before = server.reads.get();
        sleep(Duration::from_hours(10)).await;
        assert_eq!(server.reads.get(), before, "an idle connection is not polled");
        client.subscribe("t", QoS::AtMostOnce).await;
        sleep(Duration::from_millis(10)).await;
        let reads = server.reads.get() - before;
        assert!(reads <= 2, "one read that brings a packet, one that finds no more: {reads}");
        let mut other = server.connect("b").await;
        sleep(Duration::from_millis(10)).await;
        let before = server.reads.get();
        other.send(message("t", b"x")).await;
        client.message().await;
        sleep(Duration::from_millis(10)).await;
        let reads = server.reads.get() - before;
        assert!(reads <= 3, "two of the publisher, one of the subscriber: {reads}");
    })
    .await;
}
