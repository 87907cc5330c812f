//! MQTT over WebSocket, with a client library and with frames made by hand.

use std::num::NonZeroU32;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use mayfly_core::ConnectionConfig;
use mayfly_net::tls::Tls;
use mayfly_net::websocket::{WebSocket, WebSocketSettings};
use mayfly_net::{Endpoint, ListenerSettings};
use mayfly_wire::{Packet, ProtocolVersion, QoS, ReasonCode, split_frame};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsConnector;
use tokio_tungstenite::tungstenite::ClientRequestBuilder;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::frame::{CloseFrame, Frame};
use tokio_tungstenite::tungstenite::{Message, protocol::WebSocketConfig};
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::certificates::{Ask, Authority, identity};
use crate::harness::{Client, Server, connect, local, message};

fn server() -> Server {
    Server::behind_websocket(ListenerSettings::default(), WebSocketSettings::default())
}

/// The settings of a listener for packets of so many bytes.
fn packets_of(max_packet_size: u32) -> ListenerSettings {
    let max_packet_size = NonZeroU32::new(max_packet_size).unwrap();
    let connection = ConnectionConfig { max_packet_size, ..ConnectionConfig::default() };
    ListenerSettings { connection: connection.into(), ..ListenerSettings::default() }
}

/// A WebSocket, and what came on it and was not looked at.
struct Socket<S> {
    frames: WebSocketStream<S>,
    arrived: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Socket<S> {
    async fn open(stream: S) -> Self {
        let request = ClientRequestBuilder::new("ws://localhost/mqtt".parse().unwrap());
        let request = request.with_sub_protocol("mqtt");
        let config = WebSocketConfig::default().read_buffer_size(4096);
        let (frames, response) = client_async_with_config(request, stream, Some(config)).await.unwrap();
        assert_eq!(response.headers()["Sec-WebSocket-Protocol"], "mqtt");
        Self { frames, arrived: Vec::new() }
    }

    /// A client whose CONNECT was accepted.
    async fn connect(stream: S, client_id: &str) -> Self {
        let mut socket = Self::open(stream).await;
        socket.send(Packet::Connect(connect(client_id))).await;
        assert!(matches!(socket.packet().await, Packet::ConnAck(ack) if ack.reason == ReasonCode::Success));
        socket
    }

    async fn send(&mut self, packet: Packet<'_>) {
        self.frames.send(Message::binary(encode(packet))).await.unwrap();
    }

    /// The next packet, whatever frames it came in.
    async fn packet(&mut self) -> Packet<'static> {
        loop {
            if let Some(frame) = split_frame(&self.arrived, u32::MAX).unwrap() {
                let rest = self.arrived.split_off(frame.len);
                let bytes: &'static [u8] = std::mem::replace(&mut self.arrived, rest).leak();
                return split_frame(bytes, u32::MAX).unwrap().unwrap().decode(ProtocolVersion::V5).unwrap();
            }
            match self.frames.next().await {
                Some(Ok(Message::Binary(bytes))) => self.arrived.extend_from_slice(&bytes),
                other => panic!("expected a binary frame, got {other:?}"),
            }
        }
    }

    /// The code of the close frame, which must come next, and the end of the stream.
    async fn closed(&mut self) -> Option<CloseCode> {
        let code = match self.frames.next().await {
            Some(Ok(Message::Close(close))) => close.map(|close| close.code),
            other => panic!("expected a close frame, got {other:?}"),
        };
        let end = self.frames.next().await;
        assert!(!matches!(end, Some(Ok(_))), "the stream ends: {end:?}");
        code
    }
}

fn encode(packet: Packet<'_>) -> Vec<u8> {
    let mut bytes = Vec::new();
    packet.encode(ProtocolVersion::V5, &mut bytes).unwrap();
    bytes
}

#[tokio::test(start_paused = true)]
async fn messages_go_from_client_to_client() {
    local(async {
        let server = server();
        let mut subscriber = Socket::connect(server.stream(1000), "s").await;
        subscriber.send(subscribe()).await;
        assert!(matches!(subscriber.packet().await, Packet::SubAck(_)));
        let mut publisher = Socket::connect(server.stream(1000), "p").await;
        let large: Vec<u8> = (0..900_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        for payload in [&b""[..], b"small", &large] {
            let ((), packet) = tokio::join!(publisher.send(message("t", payload)), subscriber.packet());
            assert!(matches!(packet, Packet::Publish(publish) if publish.payload == payload));
        }
    })
    .await;
}

fn subscribe() -> Packet<'static> {
    // SUBSCRIBE 1 to t, QoS 0.
    let bytes: &'static [u8] = &[0x82, 7, 0, 1, 0, 0, 1, b't', 0];
    split_frame(bytes, u32::MAX).unwrap().unwrap().decode(ProtocolVersion::V5).unwrap()
}

/// [MQTT-6.0.0-2]: packets need not be aligned to frames.
#[tokio::test(start_paused = true)]
async fn packets_may_share_a_frame_or_span_several() {
    local(async {
        let server = server();
        let mut socket = Socket::open(server.stream(1000)).await;
        let bytes = [encode(Packet::Connect(connect("a"))), encode(Packet::PingReq), encode(Packet::PingReq)]
            .concat();
        let assert_answered = async |socket: &mut Socket<DuplexStream>| {
            assert!(matches!(socket.packet().await, Packet::ConnAck(_)));
            assert_eq!(socket.packet().await, Packet::PingResp);
            assert_eq!(socket.packet().await, Packet::PingResp);
        };
        socket.frames.send(Message::binary(bytes.clone())).await.unwrap();
        assert_answered(&mut socket).await;

        let mut socket = Socket::open(server.stream(1000)).await;
        for byte in &bytes {
            socket.frames.send(Message::binary(Vec::new())).await.unwrap();
            socket.frames.send(Message::binary(vec![*byte])).await.unwrap();
        }
        assert_answered(&mut socket).await;

        // One message in fragments, with a ping between two of them.
        let mut socket = Socket::open(server.stream(1000)).await;
        let fragments: Vec<&[u8]> = bytes.chunks(5).collect();
        for (index, fragment) in fragments.iter().enumerate() {
            let kind = if index == 0 { Data::Binary } else { Data::Continue };
            let is_last = index + 1 == fragments.len();
            let frame = Frame::message(fragment.to_vec(), OpCode::Data(kind), is_last);
            socket.frames.send(Message::Frame(frame)).await.unwrap();
            if index == 1 {
                socket.frames.send(Message::Ping(vec![1, 2].into())).await.unwrap();
            }
        }
        let pong = socket.frames.next().await.unwrap().unwrap();
        assert_eq!(pong, Message::Pong(vec![1, 2].into()));
        assert_answered(&mut socket).await;
    })
    .await;
}

/// [MQTT-6.0.0-1].
#[tokio::test(start_paused = true)]
async fn what_is_not_binary_ends_the_connection_and_publishes_the_will() {
    local(async {
        let server = server();
        let mut witness = Socket::connect(server.stream(1000), "witness").await;
        witness.send(subscribe()).await;
        assert!(matches!(witness.packet().await, Packet::SubAck(_)));
        for text in ["", "hello"] {
            let mut connect = connect("a");
            connect.will = Some(mayfly_wire::Will {
                qos: QoS::AtMostOnce,
                retain: false,
                topic: mayfly_wire::TopicName::parse("t").unwrap(),
                payload: b"gone",
                properties: mayfly_wire::WillProperties::default(),
            });
            let mut socket = Socket::open(server.stream(1000)).await;
            socket.send(Packet::Connect(connect)).await;
            assert!(matches!(socket.packet().await, Packet::ConnAck(_)));
            socket.frames.send(Message::text(text)).await.unwrap();
            assert_eq!(socket.closed().await, Some(CloseCode::Unsupported));
            assert!(matches!(witness.packet().await, Packet::Publish(will) if will.payload == b"gone"));
        }
        assert_eq!(server.node.connection_count(), 1);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn text_in_a_fragmented_message_is_no_better() {
    local(async {
        let server = server();
        let mut socket = Socket::connect(server.stream(1000), "a").await;
        let first = Frame::message(vec![0xC0], OpCode::Data(Data::Text), false);
        let last = Frame::message(vec![0x00], OpCode::Data(Data::Continue), true);
        socket.frames.send(Message::Frame(first)).await.unwrap();
        socket.frames.send(Message::Frame(last)).await.unwrap();
        assert_eq!(socket.closed().await, Some(CloseCode::Unsupported));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_too_long_ends_the_connection() {
    local(async {
        let server = Server::behind_websocket(packets_of(500), WebSocketSettings::default());
        let mut socket = Socket::connect(server.stream(100), "longest").await;
        let pings = [0xC0, 0].repeat(500);
        socket.frames.send(Message::binary(pings)).await.unwrap();
        for _ in 0..500 {
            assert_eq!(socket.packet().await, Packet::PingResp);
        }
        // The length alone is enough, and no memory is set aside for it.
        let mut socket = Socket::connect(server.stream(1000), "a").await;
        socket.frames.get_mut().write_all(&[0x82, 0xFE, 0x03, 0xE9]).await.unwrap();
        socket.frames.get_mut().write_all(&[0; 20]).await.unwrap();
        assert_eq!(socket.closed().await, Some(CloseCode::Size));
        // In two frames.
        let mut socket = Socket::connect(server.stream(2000), "b").await;
        let first = Frame::message(vec![0; 600], OpCode::Data(Data::Binary), false);
        let last = Frame::message(vec![0; 401], OpCode::Data(Data::Continue), true);
        socket.frames.send(Message::Frame(first)).await.unwrap();
        socket.frames.send(Message::Frame(last)).await.unwrap();
        assert_eq!(socket.closed().await, Some(CloseCode::Size));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_connection_after_a_reload_has_the_bound_that_it_is_told() {
    local(async {
        let server = Server::behind_websocket(packets_of(1000), WebSocketSettings::default());
        server.endpoint.replace(packets_of(60_000));
        let mut socket = Socket::connect(server.stream(100_000), "a").await;
        socket.send(message("t", &vec![7; 50_000])).await;
        socket.send(Packet::PingReq).await;
        assert_eq!(socket.packet().await, Packet::PingResp);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn frames_against_the_protocol_end_the_connection() {
    local(async {
        let server = server();
        let frames: [&[u8]; 6] = [
            &[0x82, 0x02, 0xC0, 0x00],                            // not masked
            &[0xC2, 0x82, 0, 0, 0, 0, 0xC0, 0x00],                // a reserved bit
            &[0x83, 0x82, 0, 0, 0, 0, 0xC0, 0x00],                // a reserved opcode
            &[0x80, 0x82, 0, 0, 0, 0, 0xC0, 0x00],                // a continuation of nothing
            &[0x09, 0x80, 0, 0, 0, 0],                            // a ping in fragments
            &[0x82, 0xFF, 0xFF, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], // longer than memory
        ];
        for (index, frame) in frames.into_iter().enumerate() {
            let mut socket = Socket::connect(server.stream(1000), "a").await;
            socket.frames.get_mut().write_all(frame).await.unwrap();
            let expected = if index == 5 { CloseCode::Size } else { CloseCode::Protocol };
            assert_eq!(socket.closed().await, Some(expected), "frame {index}");
        }
        sleep(Duration::from_millis(10)).await;
        assert_eq!(server.node.connection_count(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn pings_are_answered_before_and_between_packets() {
    local(async {
        let server = server();
        let mut socket = Socket::open(server.stream(1000)).await;
        for payload in [vec![], vec![1; 125]] {
            socket.frames.send(Message::Ping(payload.clone().into())).await.unwrap();
            assert_eq!(socket.frames.next().await.unwrap().unwrap(), Message::Pong(payload.into()));
        }
        socket.frames.send(Message::Pong(vec![7].into())).await.unwrap();
        socket.send(Packet::Connect(connect("a"))).await;
        assert!(matches!(socket.packet().await, Packet::ConnAck(_)));
    })
    .await;
}

/// Answers to pings that nobody takes do not pile up.
#[tokio::test(start_paused = true)]
async fn a_flood_of_pings_costs_no_memory_and_no_other_client() {
    local(async {
        let server = server();
        let mut flood = Socket::connect(server.stream(100), "flood").await;
        let ping = [&[0x89, 0xFD, 0, 0, 0, 0][..], &[7; 125]].concat();
        for _ in 0..5000 {
            flood.frames.get_mut().write_all(&ping).await.unwrap();
        }
        let mut other = Socket::connect(server.stream(1000), "other").await;
        other.send(Packet::PingReq).await;
        assert_eq!(other.packet().await, Packet::PingResp);
        // It goes on as if nothing was.
        flood.send(Packet::PingReq).await;
        let mut pongs = 0;
        loop {
            match flood.frames.next().await.unwrap().unwrap() {
                Message::Pong(_) => pongs += 1,
                answer => break assert_eq!(answer, Message::binary(vec![0xD0, 0])),
            }
        }
        assert!((1..1000).contains(&pongs), "{pongs} answers were kept");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_client_that_closes_is_answered_and_gone() {
    local(async {
        let server = server();
        let mut socket = Socket::connect(server.stream(1000), "a").await;
        let close = CloseFrame { code: CloseCode::Away, reason: "bye".into() };
        socket.frames.close(Some(close)).await.unwrap();
        assert_eq!(socket.closed().await, Some(CloseCode::Away));
        sleep(Duration::from_millis(10)).await;
        assert_eq!(server.node.connection_count(), 0);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stopping_server_says_so_and_closes() {
    local(async {
        let mut server = server();
        let mut socket = Socket::connect(server.stream(1000), "a").await;
        let started = Instant::now();
        server.stop();
        match socket.packet().await {
            Packet::Disconnect(disconnect) => assert_eq!(disconnect.reason, ReasonCode::ServerShuttingDown),
            other => panic!("expected DISCONNECT, got {other:?}"),
        }
        assert_eq!(socket.closed().await, None);
        drop(socket);
        server.task.await.unwrap();
        assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_layers_can_be_stacked() {
    local(async {
        let authority = Authority::new("stacked");
        let identity = identity("stacked", &authority, Ask::Nothing);
        let server = Server::behind(ListenerSettings::default(), |streams| {
            let proxied = mayfly_net::proxy::ProxyProtocol::new(streams);
            let endpoint = Endpoint::new(ListenerSettings::default());
            WebSocket::new(Tls::new(proxied, identity), WebSocketSettings::default(), endpoint)
        });
        let mut stream = server.stream(1000);
        stream.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await.unwrap();
        let connector = TlsConnector::from(std::sync::Arc::new(authority.trusted_by(None)));
        let stream = connector.connect(ServerName::try_from("localhost").unwrap(), stream).await.unwrap();
        let mut socket = Socket::connect(stream, "a").await;
        socket.send(Packet::PingReq).await;
        assert_eq!(socket.packet().await, Packet::PingResp);
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_is_given_up() {
    local(async {
        let settings =
            ListenerSettings { handshake_timeout: Duration::from_secs(3), ..ListenerSettings::default() };
        let server = Server::behind_websocket(settings, WebSocketSettings::default());
        let started = Instant::now();
        let mut stream = server.stream(1000);
        stream.write_all(b"GET /mqtt HTTP/1.1\r\nHost: x\r\n").await.unwrap();
        let mut other = Socket::connect(server.stream(1000), "other").await;
        assert!(started.elapsed() < Duration::from_millis(100));
        assert_eq!(stream.read(&mut [0; 10]).await.unwrap(), 0);
        let millis = started.elapsed().as_millis();
        assert!((3000..3010).contains(&millis), "{millis} ms");
        other.send(Packet::PingReq).await;
        assert_eq!(other.packet().await, Packet::PingResp);
        // A plain MQTT client at the wrong port is told at once.
        let mut plain = Client::new(server.stream(1000), ProtocolVersion::V5);
        plain.send(Packet::Connect(connect("plain"))).await;
        let mut answer = [0; 12];
        plain.stream.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 400");
    })
    .await;
}
