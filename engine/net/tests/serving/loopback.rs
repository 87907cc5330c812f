//! Real sockets on 127.0.0.1.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use mayfly_core::{Broker, BrokerConfig};
use mayfly_net::{Drain, Endpoint, Listener, ListenerSettings, Listeners, serve};
use mayfly_wire::{
    AckProperties, Packet, PacketId, ProtocolVersion, PubAck, Publish, PublishProperties, QoS, ReasonCode,
};
use socket2::SockRef;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::harness::{Client, connect, local_within, message, node};

/// In real time, on a busy machine.
const TEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Starts a server for the rest of the test; dropping the sender stops it.
async fn start() -> (SocketAddr, oneshot::Sender<Drain>, tokio::task::JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let node = node(Broker::new(BrokerConfig::default()));
    let (stop, stopped) = oneshot::channel();
    let listeners = Listeners::one(Endpoint::new(ListenerSettings::default()), listener);
    let serving = serve(Rc::clone(&node), listeners, async { stopped.await.unwrap_or_default() });
    (address, stop, tokio::task::spawn_local(serving))
}

async fn client(address: SocketAddr, client_id: &str, version: ProtocolVersion) -> Client<TcpStream> {
    let mut connect = connect(client_id);
    connect.version = version;
    Client::connect(TcpStream::connect(address).await.unwrap(), connect).await
}

#[tokio::test]
async fn messages_go_from_client_to_client_in_both_versions() {
    local_within(TEST_TIMEOUT, async {
        let (address, _stop, _task) = start().await;
        let mut clients = [
            client(address, "new", ProtocolVersion::V5).await,
            client(address, "old", ProtocolVersion::V3_1_1).await,
        ];
        for client in &mut clients {
            client.subscribe("a/#", QoS::AtLeastOnce).await;
        }
        let packet_id = PacketId::new(1);
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: "a/b",
            packet_id,
            properties: PublishProperties::default(),
            payload: b"hello",
        };
        for (sender, round) in [(0, 1), (1, 2)] {
            clients[sender].send(Packet::Publish(publish)).await;
            for client in &mut clients {
                let message = client.message().await;
                assert_eq!(message, Publish { packet_id: PacketId::new(round), ..publish });
                let ack = PubAck {
                    packet_id: message.packet_id.unwrap(),
                    reason: ReasonCode::Success,
                    properties: AckProperties::default(),
                };
                client.send(Packet::PubAck(ack)).await;
            }
            assert!(matches!(clients[sender].receive().await, Some(Packet::PubAck(_))));
        }
    })
    .await;
}

#[tokio::test]
async fn the_last_words_arrive_although_the_client_goes_on_sending() {
    local_within(TEST_TIMEOUT, async {
        let (address, _stop, _task) = start().await;
        let mut client = client(address, "a", ProtocolVersion::V5).await;
        client.stream.write_all(&[0x00, 0x00]).await.unwrap();
        // What is unread when a socket is closed resets it, and takes the last words along.
        for _ in 0..20 {
            client.stream.write_all(&vec![0; 50_000]).await.unwrap();
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        client.assert_disconnected(ReasonCode::MalformedPacket).await;
    })
    .await;
}

/// A client without Keep Alive whose machine has vanished is found out by the operating system.
#[tokio::test]
async fn the_operating_system_asks_after_silent_clients() {
    local_within(TEST_TIMEOUT, async {
        let mut listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let accepted = Listener::accept(&mut listener).await.unwrap();
        let socket = SockRef::from(&accepted.stream);
        assert!(socket.keepalive().unwrap());
        assert_eq!(socket.tcp_keepalive_time().unwrap(), Duration::from_mins(5));
        assert_eq!(socket.tcp_keepalive_interval().unwrap(), Duration::from_secs(30));
        assert_eq!(socket.tcp_keepalive_retries().unwrap(), 4);
    })
    .await;
}

#[tokio::test]
async fn large_messages_cross_real_sockets() {
    local_within(TEST_TIMEOUT, async {
        let (address, _stop, _task) = start().await;
        let mut receiver = client(address, "r", ProtocolVersion::V5).await;
        receiver.subscribe("t", QoS::AtMostOnce).await;
        let mut sender = client(address, "s", ProtocolVersion::V5).await;
        let payload: Vec<u8> = (0..1_000_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for _ in 0..5 {
            sender.send(message("t", &payload)).await;
            assert!(receiver.message().await.payload == payload);
        }
    })
    .await;
}

#[tokio::test]
async fn a_stopping_server_tells_its_clients_and_takes_no_more() {
    local_within(TEST_TIMEOUT, async {
        let (address, stop, task) = start().await;
        let mut client = client(address, "a", ProtocolVersion::V5).await;
        drop(stop);
        client.assert_disconnected(ReasonCode::ServerShuttingDown).await;
        assert!(TcpStream::connect(address).await.is_err(), "the port is closed");
        drop(client);
        timeout(Duration::from_secs(1), task).await.expect("it returns").unwrap();
    })
    .await;
}
