//! A server on streams in memory, and a client that writes and reads packets on any stream.

#[path = "../../../core/tests/harness/packets.rs"]
#[allow(dead_code, reason = "the core's own tests use the rest of it")]
pub(crate) mod packets;

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use mayfly_auth::Peer;
use mayfly_core::{Broker, BrokerConfig, ConnectionConfig, StateMachine};
use mayfly_net::websocket::{WebSocket, WebSocketSettings};
use mayfly_net::{
    Drain, Endpoint, Established, HandshakeError, Incoming, Listener, ListenerSettings, Listeners, Node,
    NodeConfig, SystemClock, Workers, serve,
};
use mayfly_wire::{Connect, Packet, ProtocolVersion, Publish, QoS, ReasonCode, split_frame};
pub(crate) use packets::connect;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf};
use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinHandle, LocalSet};

/// Longer than anything may take, in paused time.
pub(crate) const EVER: Duration = Duration::from_hours(24);

/// Runs a test in paused time, where tasks of one thread can be spawned. What waits for ever fails at once.
pub(crate) async fn local(test: impl Future<Output = ()>) {
    local_within(2 * EVER, test).await;
}

/// Runs a test where tasks of one thread can be spawned.
pub(crate) async fn local_within(limit: Duration, test: impl Future<Output = ()>) {
    let tasks = LocalSet::new();
    tokio::time::timeout(limit, tasks.run_until(test)).await.expect("something waits for ever");
}

pub(crate) fn node<M: StateMachine + 'static>(machine: M) -> Rc<Node<M, SystemClock>> {
    let config = NodeConfig::new(1, || 4);
    Node::new(machine, SystemClock::start(), config)
}

/// A server in a task of its own.
pub(crate) struct Server<M = Broker> {
    pub(crate) node: Rc<Node<M, SystemClock>>,
    /// How often the server asked its streams for bytes.
    pub(crate) reads: Rc<Cell<usize>>,
    pub(crate) endpoint: Rc<Endpoint>,
    /// What it told its owner.
    pub(crate) reports: Rc<RefCell<Vec<String>>>,
    accept: mpsc::UnboundedSender<io::Result<Counted>>,
    stop: Option<oneshot::Sender<Drain>>,
    pub(crate) task: JoinHandle<()>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::with(ConnectionConfig::default())
    }

    pub(crate) fn with(config: ConnectionConfig) -> Self {
        Self::of(Broker::new(BrokerConfig::default()), config)
    }

    /// A server whose streams go through the adapters that `wrap` adds.
    pub(crate) fn behind<L: Listener>(settings: ListenerSettings, wrap: impl FnOnce(Accepted) -> L) -> Self {
        Self::at(Endpoint::new(settings), wrap)
    }

    /// The same, with an endpoint that the adapters know.
    pub(crate) fn at<L: Listener>(endpoint: Rc<Endpoint>, wrap: impl FnOnce(Accepted) -> L) -> Self {
        Self::build(Broker::new(BrokerConfig::default()), Workers::Inline, endpoint, wrap)
    }

    /// A server behind WebSocket.
    pub(crate) fn behind_websocket(settings: ListenerSettings, web: WebSocketSettings) -> Self {
        let endpoint = Endpoint::new(settings);
        Self::at(Rc::clone(&endpoint), |streams| WebSocket::new(streams, web, endpoint))
    }
}

impl<M: StateMachine + 'static> Server<M> {
    pub(crate) fn of(machine: M, config: ConnectionConfig) -> Self {
        let settings = ListenerSettings { connection: config.into(), ..ListenerSettings::default() };
        Self::listening(machine, Workers::Inline, settings)
    }

    pub(crate) fn listening(machine: M, workers: Workers, settings: ListenerSettings) -> Self {
        Self::build(machine, workers, Endpoint::new(settings), |accepted| accepted)
    }

    pub(crate) fn build<L: Listener>(
        machine: M,
        workers: Workers,
        endpoint: Rc<Endpoint>,
        wrap: impl FnOnce(Accepted) -> L,
    ) -> Self {
        let reports: Rc<RefCell<Vec<String>>> = Rc::default();
        let mut config = NodeConfig { workers, ..NodeConfig::new(1, || 4) };
        let heard = Rc::clone(&reports);
        config.report = Box::new(move |report| heard.borrow_mut().push(format!("{report:?}")));
        let node = Node::new(machine, SystemClock::start(), config);
        let (accept, accepted) = mpsc::unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        let stopped = async { stopped.await.unwrap_or_default() };
        let listeners = Listeners::one(Rc::clone(&endpoint), wrap(Accepted(accepted)));
        let task = tokio::task::spawn_local(serve(Rc::clone(&node), listeners, stopped));
        Self { node, reads: Rc::default(), endpoint, reports, accept, stop: Some(stop), task }
    }

    /// A stream to the server that holds so many bytes in each direction.
    pub(crate) fn stream(&self, capacity: usize) -> DuplexStream {
        let (client, server) = tokio::io::duplex(capacity);
        let server = Counted { stream: server, reads: Rc::clone(&self.reads) };
        self.accept.send(Ok(server)).expect("the server runs");
        client
    }

    /// A client whose CONNECT was accepted.
    pub(crate) async fn connect(&self, client_id: &str) -> Client<DuplexStream> {
        Client::connect(self.stream(64 * 1024), connect(client_id)).await
    }

    /// What it told its owner of one kind.
    pub(crate) fn reports_of(&self, kind: &str) -> Vec<String> {
        let start = format!("{kind} {{");
        self.reports.borrow().iter().filter(|report| report.starts_with(&start)).cloned().collect()
    }

    pub(crate) fn fail_accept(&self) {
        self.accept.send(Err(io::Error::other("out of file descriptors"))).expect("the server runs");
    }

    pub(crate) fn stop(&mut self) {
        self.stop_with(Drain::default());
    }

    pub(crate) fn stop_with(&mut self, drain: Drain) {
        self.stop.take().expect("stopped once").send(drain).expect("the server runs");
    }
}

/// The streams that a test hands in.
pub(crate) struct Accepted(mpsc::UnboundedReceiver<io::Result<Counted>>);

impl Listener for Accepted {
    type Incoming = Established<Counted>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        match self.0.recv().await {
            Some(stream) => Ok(Established { stream: stream?, address: None }),
            None => std::future::pending().await,
        }
    }
}

/// Counts how often it is read from.
#[derive(Debug)]
pub(crate) struct Counted {
    stream: DuplexStream,
    reads: Rc<Cell<usize>>,
}

impl AsyncRead for Counted {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.reads.set(self.reads.get() + 1);
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Counted {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// One end of a stream, and the packets on it.
pub(crate) struct Client<S> {
    pub(crate) stream: S,
    version: ProtocolVersion,
    arrived: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) fn new(stream: S, version: ProtocolVersion) -> Self {
        Self { stream, version, arrived: Vec::new() }
    }

    pub(crate) async fn connect(stream: S, connect: Connect<'_>) -> Self {
        let mut client = Self::new(stream, connect.version);
        client.send(Packet::Connect(connect)).await;
        match client.receive().await {
            Some(Packet::ConnAck(ack)) => assert_eq!(ack.reason, ReasonCode::Success),
            other => panic!("expected CONNACK, got {other:?}"),
        }
        client
    }

    pub(crate) async fn send(&mut self, packet: Packet<'_>) {
        self.stream.write_all(&self.encode(packet)).await.expect("the server reads");
    }

    pub(crate) fn encode(&self, packet: Packet<'_>) -> Vec<u8> {
        let mut bytes = Vec::new();
        packet.encode(self.version, &mut bytes).unwrap();
        bytes
    }

    /// The next packet; `None` at the end of the stream. What it borrows is leaked, which a test can afford.
    pub(crate) async fn receive(&mut self) -> Option<Packet<'static>> {
        loop {
            if let Some(frame) = split_frame(&self.arrived, u32::MAX).expect("a packet") {
                let rest = self.arrived.split_off(frame.len);
                let bytes: &'static [u8] = std::mem::replace(&mut self.arrived, rest).leak();
                let frame = split_frame(bytes, u32::MAX).unwrap().unwrap();
                return Some(frame.decode(self.version).expect("a packet"));
            }
            if self.stream.read_buf(&mut self.arrived).await.expect("no reset") == 0 {
                assert!(self.arrived.is_empty(), "the stream ended in a packet");
                return None;
            }
        }
    }

    /// The next packet, which is a message.
    pub(crate) async fn message(&mut self) -> Publish<'static> {
        match self.receive().await {
            Some(Packet::Publish(publish)) => publish,
            other => panic!("expected PUBLISH, got {other:?}"),
        }
    }

    pub(crate) async fn subscribe(&mut self, filter: &str, qos: QoS) {
        let subscriptions = [packets::subscription(filter, qos)];
        self.send(packets::subscribe(packets::id(1), &subscriptions)).await;
        assert!(matches!(self.receive().await, Some(Packet::SubAck(_))));
    }

    /// Asserts that the server says why it ends the connection, and ends it.
    pub(crate) async fn assert_disconnected(&mut self, reason: ReasonCode) {
        match self.receive().await {
            Some(Packet::Disconnect(disconnect)) => assert_eq!(disconnect.reason, reason),
            other => panic!("expected DISCONNECT, got {other:?}"),
        }
        assert_eq!(self.receive().await, None);
    }
}

/// A message of QoS 0.
pub(crate) fn message<'a>(topic: &'a str, payload: &'a [u8]) -> Packet<'a> {
    Packet::Publish(Publish { payload, ..packets::qos_0(topic, "") })
}

/// A listener with one stream.
pub(crate) struct One(Option<DuplexStream>);

impl Listener for One {
    type Incoming = Established<DuplexStream>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let stream = self.0.take().expect("one stream is accepted");
        Ok(Established { stream, address: Some(PROXY_ADDRESS.parse().unwrap()) })
    }
}

/// Where the stream of [`One`] comes from.
pub(crate) const PROXY_ADDRESS: &str = "10.0.0.1:4711";

/// A stream whose other end goes through the handshake of the adapters that `wrap` adds, in a task of its own.
pub(crate) async fn handshake<L: Listener>(
    wrap: impl FnOnce(One) -> L,
) -> (DuplexStream, JoinHandle<Handshake<<L::Incoming as Incoming>::Stream>>) {
    let (client, server) = tokio::io::duplex(64 * 1024);
    let incoming = wrap(One(Some(server))).accept().await.unwrap();
    (client, tokio::task::spawn_local(incoming.establish()))
}

pub(crate) type Handshake<S> = Result<(S, Peer), HandshakeError>;
