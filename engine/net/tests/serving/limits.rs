//! Too many connections, too fast, and accepts that fail: each has its answer and its count.

use std::io;
use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use mayfly_auth::Peer;
use mayfly_net::proxy::ProxyProtocol;
use mayfly_net::{Admissions, ConnectionRate, HandshakeError, Incoming, Listener, ListenerSettings};
use mayfly_wire::{Packet, ProtocolVersion, ReasonCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

use crate::harness::{Client, Server, connect, local};

fn server(settings: ListenerSettings) -> Server {
    Server::behind(settings, |streams| streams)
}

/// What the CONNECT of one more client is answered with, when the connection is closed after it.
async fn refusal(server: &Server, version: ProtocolVersion) -> ReasonCode {
    let mut connect = connect("one too many");
    connect.version = version;
    let mut client = Client::new(server.stream(1000), version);
    client.send(Packet::Connect(connect)).await;
    let reason = match client.receive().await {
        Some(Packet::ConnAck(ack)) => ack.reason,
        other => panic!("expected CONNACK, got {other:?}"),
    };
    assert_eq!(client.receive().await, None);
    reason
}

async fn assert_served(client: &mut Client<DuplexStream>) {
    client.send(Packet::PingReq).await;
    assert_eq!(client.receive().await, Some(Packet::PingResp));
}

#[tokio::test(start_paused = true)]
async fn a_full_listener_refuses_in_words_until_somebody_goes() {
    local(async {
        let server = server(ListenerSettings { max_connections: Some(2), ..ListenerSettings::default() });
        let mut clients = vec![server.connect("a").await, server.connect("b").await];
        assert_eq!(refusal(&server, ProtocolVersion::V5).await, ReasonCode::QuotaExceeded);
        assert_eq!(refusal(&server, ProtocolVersion::V3_1_1).await, ReasonCode::ServerUnavailable);
        for client in &mut clients {
            assert_served(client).await;
        }
        assert_eq!(server.node.inspect(|broker| broker.statistics().sessions), 2, "the broker heard of none");
        assert_eq!(server.endpoint.open_connections(), 2);
        clients.pop();
        sleep(Duration::from_millis(10)).await;
        clients.push(server.connect("c").await);
        // A lower maximum closes nobody.
        server.endpoint.replace(ListenerSettings { max_connections: Some(1), ..ListenerSettings::default() });
        for client in &mut clients {
            assert_served(client).await;
        }
        clients.pop();
        sleep(Duration::from_millis(10)).await;
        assert_eq!(refusal(&server, ProtocolVersion::V5).await, ReasonCode::QuotaExceeded);
        let expected = Admissions { accepted: 6, refused_listener_full: 3, ..Admissions::default() };
        assert_eq!(server.endpoint.admissions(), expected);
        let refused = server.reports_of("Refused");
        assert!(refused.len() == 3 && refused[0].contains("QuotaExceeded"), "{refused:?}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_full_node_refuses_whatever_listener_it_is() {
    local(async {
        let server = server(ListenerSettings::default());
        server.node.set_max_connections(1);
        let mut first = server.connect("a").await;
        assert_eq!(refusal(&server, ProtocolVersion::V5).await, ReasonCode::ServerBusy);
        assert_eq!(refusal(&server, ProtocolVersion::V3_1_1).await, ReasonCode::ServerUnavailable);
        assert_served(&mut first).await;
        let expected = Admissions { accepted: 3, refused_node_full: 2, ..Admissions::default() };
        assert_eq!(server.endpoint.admissions(), expected);
    })
    .await;
}

/// At a full server a client takes its own connection over, which the server may not know to be lost.
#[tokio::test(start_paused = true)]
async fn a_full_server_lets_a_client_take_its_own_place() {
    for is_node in [false, true] {
        local(async {
            let maximum = (!is_node).then_some(2);
            let server = server(ListenerSettings { max_connections: maximum, ..ListenerSettings::default() });
            if is_node {
                server.node.set_max_connections(2);
            }
            let (mut first, mut other) = (server.connect("a").await, server.connect("b").await);
            for _ in 0..5 {
                let mut second = server.connect("a").await;
                first.assert_disconnected(ReasonCode::SessionTakenOver).await;
                assert_eq!(server.endpoint.open_connections(), 2);
                assert_served(&mut second).await;
                first = second;
            }
            let refused = if is_node { ReasonCode::ServerBusy } else { ReasonCode::QuotaExceeded };
            assert_eq!(
                refusal(&server, ProtocolVersion::V5).await,
                refused,
                "nobody else has gained a place"
            );
            assert_served(&mut other).await;
            drop(first);
            sleep(Duration::from_millis(10)).await;
            assert_eq!(server.endpoint.open_connections(), 1);
            server.connect("c").await;
            let admissions = server.endpoint.admissions();
            assert_eq!(admissions.refused_listener_full + admissions.refused_node_full, 1);
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_takeover_that_the_rules_forbid_leaves_the_place_where_it_was() {
    local(async {
        let settings = ListenerSettings { max_connections: Some(1), ..ListenerSettings::default() };
        let server = server(settings.clone());
        let mut first = server.connect("one too many").await;
        let policy = Some("a policy without rules".into());
        server.endpoint.replace(ListenerSettings { policy, ..settings.clone() });
        for _ in 0..2 {
            assert_eq!(refusal(&server, ProtocolVersion::V5).await, ReasonCode::NotAuthorized);
            assert_served(&mut first).await;
            assert_eq!(server.endpoint.open_connections(), 1);
        }
        server.endpoint.replace(settings);
        drop(first);
        sleep(Duration::from_millis(10)).await;
        assert_eq!(server.endpoint.open_connections(), 0);
    })
    .await;
}

/// Handshakes count too: who only opens connections cannot fill the memory.
#[tokio::test(start_paused = true)]
async fn far_beyond_the_maximum_a_connection_is_closed_at_once() {
    local(async {
        let settings = ListenerSettings { max_connections: Some(10), ..ListenerSettings::default() };
        let server = Server::behind(settings, ProxyProtocol::new);
        let silent: Vec<_> = (0..138).map(|_| server.stream(10)).collect();
        for _ in 0..2 {
            let mut further = server.stream(10);
            assert_eq!(further.read(&mut [0; 10]).await.unwrap(), 0, "closed without a word");
        }
        let admissions = server.endpoint.admissions();
        assert_eq!((admissions.accepted, admissions.refused_at_once), (140, 2));
        drop(silent);
        sleep(Duration::from_millis(10)).await;
        let mut stream = server.stream(1000);
        stream.write_all(b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0").await.unwrap();
        assert_served(&mut Client::connect(stream, connect("a")).await).await;
        let admissions = server.endpoint.admissions();
        assert_eq!((admissions.handshakes_lost, admissions.refused_at_once), (138, 2));
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn connections_beyond_the_rate_wait() {
    local(async {
        let number = |number| NonZeroU32::new(number).unwrap();
        let rate = ConnectionRate { per_second: number(2), burst: number(3) };
        let server = server(ListenerSettings { connection_rate: Some(rate), ..ListenerSettings::default() });
        for _ in 0..2 {
            let started = Instant::now();
            let mut times_ms = Vec::new();
            let mut clients = Vec::new();
            for n in 0..6 {
                clients.push(server.connect(&n.to_string()).await);
                times_ms.push(started.elapsed().as_millis() / 10 * 10);
            }
            assert_eq!(times_ms, [0, 0, 0, 500, 1000, 1500]);
            // After a pause there is a burst again, and not more.
            sleep(Duration::from_mins(1)).await;
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failed_accepts_are_counted_and_told_once() {
    local(async {
        let server = server(ListenerSettings::default());
        for round in 1..=2 {
            for _ in 0..3 {
                server.fail_accept();
            }
            let mut client = server.connect("a").await;
            assert_served(&mut client).await;
            assert_eq!(server.endpoint.admissions().accept_errors, 3 * round);
            let reports = server.reports_of("AcceptFailed");
            assert_eq!(reports.len() as u64, round);
            assert!(reports.last().unwrap().contains("out of file descriptors"), "{reports:?}");
        }
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn failed_handshakes_are_counted_by_cause_and_told() {
    local(async {
        let server = Server::behind(ListenerSettings::default(), ProxyProtocol::new);
        let silent = server.stream(100);
        drop(server.stream(100));
        let mut wrong = server.stream(100);
        wrong.write_all(b"PROXY TCP4 1.2.3.4").await.unwrap();
        sleep(Duration::from_secs(11)).await;
        let expected = Admissions {
            accepted: 3,
            handshakes_timed_out: 1,
            handshakes_lost: 1,
            handshakes_proxy: 1,
            ..Admissions::default()
        };
        assert_eq!(server.endpoint.admissions(), expected);
        let reports = server.reports.borrow();
        for (report, says) in reports.iter().zip(["Lost", "Version1", "TimedOut"]) {
            assert!(report.starts_with("HandshakeFailed") && report.contains(says), "{report}");
        }
        assert_eq!(reports.len(), 3);
        drop(silent);
    })
    .await;
}

/// The first of its connections has a handshake that panics.
struct Fragile<L> {
    inner: L,
    is_first: bool,
}

struct Breaking<I> {
    inner: I,
    breaks: bool,
}

impl<L: Listener> Listener for Fragile<L> {
    type Incoming = Breaking<L::Incoming>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let inner = self.inner.accept().await?;
        Ok(Breaking { inner, breaks: std::mem::replace(&mut self.is_first, false) })
    }
}

impl<I: Incoming> Incoming for Breaking<I> {
    type Stream = I::Stream;

    fn address(&self) -> Option<SocketAddr> {
        self.inner.address()
    }

    async fn establish(self) -> Result<(Self::Stream, Peer), HandshakeError> {
        assert!(!self.breaks, "a fault of the adapter, number {}", 1);
        self.inner.establish().await
    }
}

/// No invariant of the broker is at stake before a connection is one.
#[tokio::test(start_paused = true)]
async fn a_handshake_that_panics_is_one_that_failed() {
    local(async {
        let settings = ListenerSettings { max_connections: Some(1), ..ListenerSettings::default() };
        let server = Server::behind(settings, |inner| Fragile { inner, is_first: true });
        let mut broken = server.stream(10);
        assert_eq!(broken.read(&mut [0; 10]).await.unwrap(), 0, "closed");
        let mut next = server.connect("a").await;
        assert_served(&mut next).await;
        let expected = Admissions { accepted: 2, handshakes_panicked: 1, ..Admissions::default() };
        assert_eq!(server.endpoint.admissions(), expected);
        let reports = server.reports_of("HandshakeFailed");
        assert_eq!(reports.len(), 1);
        assert!(reports[0].contains("a fault of the adapter, number 1"), "{reports:?}");
    })
    .await;
}
