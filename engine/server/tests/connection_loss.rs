//! The client and the broker when a connection breaks, hangs, or the broker restarts.

#![allow(clippy::unwrap_used, reason = "a request that fails is the failure that the test is to show")]

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mayfly::embedded::Broker;
use mayfly_client::{
    ConnectionEvent, Error, ObservationEvent, Options, SetOptions, SetOutcome, StateStore, tcp,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};

/// What the network between a client and its broker does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Network {
    Up,
    /// Carries only what the client sends.
    OneWay,
    /// Carries nothing, and lets nobody know.
    Hanging,
    /// Breaks the connections and lets none through.
    Down,
}

/// Carries bytes between the address that it returns and the broker, as the network's state has it.
async fn proxy(broker: SocketAddr, network: watch::Receiver<Network>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        loop {
            let (client, _) = listener.accept().await.unwrap();
            tokio::spawn(carry(client, broker, network.clone()));
        }
    });
    address
}

async fn carry(
    mut client: TcpStream,
    broker: SocketAddr,
    mut network: watch::Receiver<Network>,
) -> io::Result<()> {
    let mut broker = TcpStream::connect(broker).await?;
    loop {
        let state = *network.borrow_and_update();
        match state {
            Network::Up => tokio::select! {
                result = tokio::io::copy_bidirectional(&mut client, &mut broker) => return result.map(|_| ()),
                _ = network.changed() => {}
            },
            Network::OneWay => {
                let ((from_client, _), (_, to_broker)) = (&mut client.split(), &mut broker.split());
                tokio::select! {
                    result = tokio::io::copy(from_client, to_broker) => return result.map(|_| ()),
                    _ = network.changed() => {}
                }
            }
            Network::Hanging => {
                let _ = network.changed().await;
            }
            Network::Down => return Ok(()),
        }
    }
}

struct Client {
    store: StateStore,
    events: mpsc::UnboundedReceiver<ConnectionEvent>,
}

fn connect(address: SocketAddr, options: Options) -> Client {
    let (told, events) = mpsc::unbounded_channel();
    let connection_listener: mayfly_client::ConnectionListener = Arc::new(move |event| {
        let _ = told.send(event);
    });
    let options = Options { connection_listener: Some(connection_listener), ..options };
    let (store, driver) = StateStore::new(&options, tcp::connector(address.to_string())).unwrap();
    tokio::spawn(driver.run());
    Client { store, events }
}

impl Client {
    /// Skips failed attempts.
    async fn connected(&mut self) -> bool {
        loop {
            if let ConnectionEvent::Connected { session_present } = self.events.recv().await.unwrap() {
                return session_present;
            }
        }
    }
}

#[tokio::test]
async fn a_broken_connection_resumes_the_session_and_the_observation() {
    let broker = Broker::start().unwrap();
    let (network, state) = watch::channel(Network::Up);
    let mut client = connect(proxy(broker.address(), state).await, Options::default());
    assert!(!client.connected().await);
    let store = client.store.clone();
    let mut observation = store.observe(b"k").await.unwrap();

    network.send(Network::Down).unwrap();
    assert_eq!(observation.recv().await, Some(ObservationEvent::Interrupted));
    let set = SetOptions::default();
    let (written, ()) = tokio::join!(store.set(b"k", b"v", &set), async {
        network.send(Network::Up).unwrap();
    });
    let SetOutcome::Stored(version) = written.unwrap() else { panic!("an unconditional SET was refused") };
    assert!(client.connected().await, "the session survived");
    assert_eq!(observation.recv().await, Some(ObservationEvent::Resumed { session_present: true }));
    let Some(ObservationEvent::Changed(change)) = observation.recv().await else { panic!("a change") };
    assert_eq!(change.change.version(), &version);
}

#[tokio::test]
async fn a_hanging_connection_leaves_the_outcome_unknown() {
    let broker = Broker::start().unwrap();
    let (network, state) = watch::channel(Network::Up);
    let options = Options { operation_timeout: Duration::from_millis(300), ..Options::default() };
    let mut client = connect(proxy(broker.address(), state).await, options);
    client.connected().await;
    client.store.set(b"k", b"1", &SetOptions::default()).await.unwrap();

    network.send(Network::Hanging).unwrap();
    let error = client.store.set(b"k", b"2", &SetOptions::default()).await.unwrap_err();
    assert!(matches!(error, Error::Timeout(_)) && error.is_outcome_unknown(), "{error}");

    // This one was executed after all, when the network came back.
    network.send(Network::Up).unwrap();
    let stored = client.store.get(b"k").await.unwrap().unwrap();
    assert_eq!(&stored.value[..], b"2");
    assert_eq!(client.store.statistics().late_responses, 1);
}

#[tokio::test]
async fn a_request_sent_again_is_executed_once() {
    let broker = Broker::start().unwrap();
    let (network, state) = watch::channel(Network::Up);
    let mut client = connect(proxy(broker.address(), state).await, Options::default());
    client.connected().await;
    let store = client.store.clone();
    let nx = SetOptions { condition: mayfly_client::Condition::Nx, ..SetOptions::default() };
    let (written, ()) = tokio::join!(store.set(b"k", b"v", &nx), async {
        network.send(Network::OneWay).unwrap();
        // Long enough for the request to be executed; its response is lost with the connection.
        tokio::time::sleep(Duration::from_millis(100)).await;
        network.send(Network::Down).unwrap();
        assert!(matches!(client.events.recv().await, Some(ConnectionEvent::Lost { .. })));
        network.send(Network::Up).unwrap();
        assert!(client.connected().await, "the session survived");
    });
    // Executed twice, it would be refused for its own first execution.
    assert!(matches!(written, Ok(SetOutcome::Stored(_))), "{written:?}");
}

#[tokio::test]
async fn a_restarted_broker_has_neither_keys_nor_sessions() {
    let broker = Broker::start().unwrap();
    let address = broker.address();
    let mut client = connect(address, Options::default());
    assert!(!client.connected().await);
    let store = client.store.clone();
    store.set(b"k", b"v", &SetOptions::default()).await.unwrap();

    drop(broker);
    assert!(matches!(client.events.recv().await, Some(ConnectionEvent::Lost { .. })));
    let _restarted = Broker::start_at(address).unwrap();
    assert_eq!(store.get(b"k").await, Ok(None));
    assert!(!client.connected().await);
}
