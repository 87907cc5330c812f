//! A broker that says only what a test lets it say, at the other end of an in-memory stream, and a client connected
//! to it.
//!
//! It speaks through rumqttc's codec; the engine's own is tried against the client where both are whole.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "whatever a scripted peer does not expect fails the test")]

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use mayfly_client::{ConnectionEvent, Options, StateStore};
use rumqttc::mqttbytes::{Error, QoS};
use rumqttc::{
    ConnAck, ConnectReturnCode, Packet, PubAck, PubAckReason, Publish, PublishProperties, SubAck,
    SubscribeReasonCode,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::timeout;

pub(crate) const CLIENT_ID: &str = "c1";
pub(crate) const IDENTITY: u64 = 0x0102_0304_0506_0708;
pub(crate) const RESPONSE_TOPIC: &str = "clients/c1/services/statestore/_any_/command/invoke/response";
pub(crate) const REQUEST_TOPIC: &str = "statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/command/invoke";
/// What every client's wall clock says.
pub(crate) const WALL_CLOCK_MS: u64 = 1_700_000_000_000;
pub(crate) const OPERATION_TIMEOUT: Duration = Duration::from_secs(10);

const STREAM_BUFFER: usize = 1 << 20;

/// A client, what it said about its connection, and the far ends of the streams it opens.
pub(crate) struct Setup {
    pub(crate) store: StateStore,
    pub(crate) driver: JoinHandle<()>,
    pub(crate) events: Arc<Mutex<Vec<ConnectionEvent>>>,
    streams: mpsc::UnboundedReceiver<DuplexStream>,
}

pub(crate) fn options() -> Options {
    Options {
        client_id: Some(CLIENT_ID.to_owned()),
        identity: Some(IDENTITY),
        wall_clock: Arc::new(|| WALL_CLOCK_MS),
        operation_timeout: OPERATION_TIMEOUT,
        ..Options::default()
    }
}

pub(crate) fn start(mut options: Options) -> Setup {
    let events = Arc::new(Mutex::new(Vec::new()));
    let seen = Arc::clone(&events);
    options.connection_listener = Some(Arc::new(move |event| seen.lock().unwrap().push(event)));
    let (opened, streams) = mpsc::unbounded_channel();
    let (store, driver) = StateStore::new(&options, move || {
        let opened = opened.clone();
        async move {
            let (near, far) = duplex(STREAM_BUFFER);
            opened.send(far).map_err(|_| io::Error::from(io::ErrorKind::ConnectionRefused))?;
            Ok(near)
        }
    })
    .unwrap();
    Setup { store, driver: tokio::spawn(driver.run()), events, streams }
}

/// A client that is connected and subscribed on a new session.
pub(crate) async fn connected(options: Options) -> (Setup, Peer) {
    let mut setup = start(options);
    let peer = setup.accept_new_session().await;
    (setup, peer)
}

impl Setup {
    /// The next stream that the client opens.
    pub(crate) async fn accept(&mut self) -> Peer {
        let stream = self.streams.recv().await.expect("the client opens a stream");
        Peer { stream, read: BytesMut::new(), log: BytesMut::new(), next_packet_id: 1 }
    }

    pub(crate) async fn accept_new_session(&mut self) -> Peer {
        let mut peer = self.accept().await;
        peer.expect_connect().await;
        peer.send_connack(false).await;
        peer.accept_subscription().await;
        peer
    }

    pub(crate) async fn accept_resumed_session(&mut self) -> Peer {
        let mut peer = self.accept().await;
        assert!(!peer.expect_connect().await.clean_start, "a client with a session comes back to it");
        peer.send_connack(true).await;
        peer
    }

    pub(crate) fn events(&self) -> Vec<ConnectionEvent> {
        self.events.lock().unwrap().clone()
    }
}

/// The broker's end of one connection. Dropping it closes the connection.
pub(crate) struct Peer {
    stream: DuplexStream,
    read: BytesMut,
    /// Every byte that the client sent.
    pub(crate) log: BytesMut,
    next_packet_id: u16,
}

impl Peer {
    /// The next packet, or `None` at the end of the stream.
    pub(crate) async fn try_receive(&mut self) -> Option<Packet> {
        loop {
            match Packet::read(&mut self.read, None) {
                Ok(packet) => return Some(packet),
                Err(Error::InsufficientBytes(_)) => {
                    let before = self.read.len();
                    if self.stream.read_buf(&mut self.read).await.unwrap() == 0 {
                        return None;
                    }
                    self.log.extend_from_slice(&self.read[before..]);
                }
                Err(error) => panic!("the client sent a malformed packet: {error}"),
            }
        }
    }

    /// The next packet that is not the acknowledgement of a message or a PINGREQ, which is answered.
    pub(crate) async fn receive(&mut self) -> Packet {
        loop {
            match self.try_receive().await.expect("the client closed the connection") {
                Packet::PubAck(_) => {}
                Packet::PingReq => self.send(Packet::PingResp).await,
                packet => return packet,
            }
        }
    }

    pub(crate) async fn send(&mut self, packet: Packet) {
        let mut bytes = BytesMut::new();
        packet.write(&mut bytes, None).unwrap();
        self.send_bytes(&bytes).await;
    }

    pub(crate) async fn send_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    pub(crate) async fn expect_connect(&mut self) -> rumqttc::Connect {
        match self.receive().await {
            Packet::Connect(connect, _, _) => connect,
            other => panic!("expected CONNECT, not {other:?}"),
        }
    }

    pub(crate) async fn send_connack(&mut self, session_present: bool) {
        let connack = ConnAck { session_present, code: ConnectReturnCode::Success, properties: None };
        self.send(Packet::ConnAck(connack)).await;
    }

    pub(crate) async fn accept_subscription(&mut self) {
        let Packet::Subscribe(subscribe) = self.receive().await else { panic!("expected SUBSCRIBE") };
        assert_eq!(subscribe.filters.len(), 1);
        assert_eq!(subscribe.filters[0].path, RESPONSE_TOPIC);
        assert_eq!(subscribe.filters[0].qos, QoS::AtLeastOnce);
        let return_codes = vec![SubscribeReasonCode::Success(QoS::AtLeastOnce)];
        self.send(Packet::SubAck(SubAck { pkid: subscribe.pkid, return_codes, properties: None })).await;
    }

    /// The next request, not acknowledged.
    pub(crate) async fn receive_request(&mut self) -> Publish {
        match self.receive().await {
            Packet::Publish(publish) => {
                assert_eq!(&publish.topic[..], REQUEST_TOPIC.as_bytes());
                publish
            }
            other => panic!("expected a request, not {other:?}"),
        }
    }

    pub(crate) async fn acknowledge(&mut self, request: &Publish, reason: PubAckReason) {
        let mut puback = PubAck::new(request.pkid, None);
        puback.reason = reason;
        self.send(Packet::PubAck(puback)).await;
    }

    /// The next request, which has this payload; not acknowledged.
    pub(crate) async fn expect_request(&mut self, payload: &[u8]) -> Publish {
        let hour = Duration::from_hours(1);
        let request = timeout(hour, self.receive_request()).await.expect("a request within an hour");
        assert_eq!(request.payload.escape_ascii().to_string(), payload.escape_ascii().to_string());
        request
    }

    /// The next request, which has this payload, is answered.
    pub(crate) async fn exchange(&mut self, payload: &[u8], answer: &'static [u8], version: Option<&str>) {
        let request = self.expect_request(payload).await;
        self.answer(&request, answer, version).await;
    }

    /// The client sends nothing but PINGREQ for that long.
    pub(crate) async fn expect_silence(&mut self, duration: Duration) {
        let packet = timeout(duration, self.receive()).await;
        assert!(packet.is_err(), "{packet:?}");
    }

    /// Acknowledges the request and answers it; `version` is `__ts`.
    pub(crate) async fn answer(&mut self, request: &Publish, payload: &'static [u8], version: Option<&str>) {
        self.acknowledge(request, PubAckReason::Success).await;
        self.respond(correlation_data(request), payload, version).await;
    }

    pub(crate) async fn respond(
        &mut self,
        correlation_data: Bytes,
        payload: &'static [u8],
        version: Option<&str>,
    ) {
        let mut user_properties = vec![("__stat".to_owned(), "200".to_owned())];
        user_properties.extend(version.map(|version| ("__ts".to_owned(), version.to_owned())));
        let properties = PublishProperties {
            correlation_data: Some(correlation_data),
            user_properties,
            ..PublishProperties::default()
        };
        self.publish(RESPONSE_TOPIC, payload, properties).await;
    }

    pub(crate) async fn notify(&mut self, key_hex: &str, payload: &'static [u8], version: &str) {
        let topic = format!(
            "clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/6331/command/notify/{key_hex}"
        );
        let user_properties = vec![("__ts".to_owned(), version.to_owned())];
        let properties = PublishProperties { user_properties, ..PublishProperties::default() };
        self.publish(&topic, payload, properties).await;
    }

    async fn publish(&mut self, topic: &str, payload: &'static [u8], properties: PublishProperties) {
        let mut publish = Publish::new(topic, QoS::AtLeastOnce, payload, Some(properties));
        publish.pkid = self.next_packet_id;
        self.next_packet_id += 1;
        self.send(Packet::Publish(publish)).await;
    }
}

pub(crate) fn correlation_data(request: &Publish) -> Bytes {
    properties(request).correlation_data.clone().expect("a request has correlation data")
}

pub(crate) fn properties(request: &Publish) -> &PublishProperties {
    request.properties.as_ref().expect("a request has properties")
}

pub(crate) fn user_property<'a>(request: &'a Publish, name: &str) -> Option<&'a str> {
    properties(request).user_properties.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

/// What acquires or renews the key `k` for 9 s, as the client's first acquisition.
pub(crate) const SET_LEASE: &[u8] =
    b"*6\r\n$3\r\nSET\r\n$1\r\nk\r\n$21\r\nc1:0102030405060708:1\r\n$3\r\nNEX\r\n$2\r\nPX\r\n$4\r\n9000\r\n";
/// What releases it.
pub(crate) const VDEL_LEASE: &[u8] = b"*3\r\n$4\r\nVDEL\r\n$1\r\nk\r\n$21\r\nc1:0102030405060708:1\r\n";
pub(crate) const LEASE: Duration = Duration::from_secs(9);
