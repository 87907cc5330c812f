//! A broker on a TCP socket.

use std::future::Future;
use std::io;

use mayfly_core::{Broker, BrokerConfig};
use mayfly_net::{
    Endpoint, Established, Listener, ListenerSettings, Listeners, Node, NodeConfig, SystemClock,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::LocalSet;

/// The only node there is.
const NODE_ID: u64 = 1;

/// Why a broker does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another process listens there.
    #[error("{0} is in use already: stop what listens there, or choose another address with --listen")]
    AddressInUse(String),
    /// The address cannot be listened on, or is none of this machine's.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// As it was given.
        address: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// The operating system gives no random bits, from which client identifiers are made.
    #[error("no random bits from the operating system: {0}")]
    Entropy(getrandom::Error),
}

/// Listens on `host:port`; port 0 takes a free one.
pub async fn bind(address: &str) -> Result<TcpListener, ServeError> {
    TcpListener::bind(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ServeError::AddressInUse(address.to_owned()),
        _ => ServeError::Bind { address: address.to_owned(), error },
    })
}

/// Runs a broker with an empty store on the listener until `stop` is ready, then disconnects its clients.
///
/// Must run on a current-thread runtime, or in a `block_on`: everything stays on this thread.
pub async fn serve(listener: TcpListener, stop: impl Future<Output = ()>) -> Result<(), ServeError> {
    // Also what tells of a machine without random bits at the start.
    let hash_seed = getrandom::u64().map_err(ServeError::Entropy)?;
    let broker = Broker::new(BrokerConfig { hash_seed, ..BrokerConfig::default() });
    let config = NodeConfig { node_id: NODE_ID, entropy: Box::new(random_bits) };
    let node = Node::new(broker, SystemClock::start(), config);
    let endpoint = Endpoint::new(ListenerSettings::default());
    let listeners = Listeners::one(endpoint, Reporting { listener, fails: false });
    LocalSet::new().run_until(mayfly_net::serve(node, listeners, stop)).await;
    Ok(())
}

/// Says on standard error when connections cannot be accepted, once for each time that it begins.
struct Reporting {
    listener: TcpListener,
    fails: bool,
}

impl Listener for Reporting {
    type Incoming = Established<TcpStream>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let accepted = Listener::accept(&mut self.listener).await;
        if let (Err(error), false) = (&accepted, self.fails) {
            eprintln!("mayfly: cannot accept a connection: {error}; goes on trying");
        }
        self.fails = accepted.is_err();
        accepted
    }
}

fn random_bits() -> u128 {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("an operating system that gave random bits at the start still does");
    u128::from_ne_bytes(bits)
}
