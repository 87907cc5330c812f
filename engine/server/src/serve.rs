//! A broker on real sockets: everything that a configuration asks for, on the current thread.
//!
//! # Layout
//! - [`Server::bind`] opens all listeners, so that what is wrong is said before anything runs.
//! - [`Server::run`] serves until it is told to stop.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;

use mayfly_core::{Broker, BrokerConfig, Input};
use mayfly_net::tls::TlsIdentity;
use mayfly_net::{Drain, Endpoint, Listeners, Node, NodeConfig, SystemClock};
use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::task::LocalSet;
use tracing::{info, warn};

use crate::config::Config;
use crate::config::model::Listener;
use crate::http;
use crate::listeners::{Layers, SystemListeners};
use crate::reload::Reloading;
use crate::report::log_reports;
use crate::resources::{ListenerResources, ResourceError, Resources};
use crate::sys_topics::SysTopics;
use crate::vitals::Vitals;

/// Connections that the system keeps until they are accepted. Those of a client that finds no place try again after 200 ms
/// or a second. Linux's own bound, `net.core.somaxconn`, is the same by default.
const BACKLOG: u32 = 4096;

/// The only node there is.
const NODE_ID: u64 = 1;

/// The broker with its connections, on the system's clocks.
pub(crate) type SystemNode = Node<Broker, SystemClock>;

/// Why a broker does not run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// Another process listens there.
    #[error("{0} is in use already: stop what listens there, or choose another address")]
    AddressInUse(String),
    /// The address cannot be listened on, or is none of this machine's.
    #[error("cannot listen on {address}: {error}")]
    Bind {
        /// As it was given.
        address: String,
        /// What the operating system says.
        error: io::Error,
    },
    /// A file that the configuration names cannot be used.
    #[error(transparent)]
    Resource(#[from] ResourceError),
    /// The operating system gives no random bits, from which client identifiers are made.
    #[error("no random bits from the operating system: {0}")]
    Entropy(getrandom::Error),
}

/// A broker with an empty store, whose listeners are open and not yet served.
#[derive(Debug)]
pub struct Server {
    node: Rc<SystemNode>,
    listeners: SystemListeners,
    bound: Vec<Bound>,
    http: Option<TcpListener>,
    reloading: Reloading,
    sys_topics: SysTopics,
    vitals: Rc<Vitals>,
    drain: Drain,
}

/// An open listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bound {
    /// Its name in the configuration.
    pub name: String,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Server {
    /// Reads all files that a configuration names, and opens all its listeners.
    pub async fn bind(config: &Config) -> Result<Self, ServeError> {
        // Also what tells of a machine without random bits at the start.
        let hash_seed = getrandom::u64().map_err(ServeError::Entropy)?;
        let resources = Resources::load(config)?;
        for warning in resources.warnings() {
            warn!("{warning}");
        }
        let broker = Broker::new(BrokerConfig { hash_seed, limits: config.limits });
        let node = NodeConfig {
            max_connections: config.connections.max_connections,
            report: log_reports(),
            workers: config.connections.workers(),
            ..NodeConfig::new(NODE_ID, random_bits)
        };
        let node = Node::new(broker, SystemClock::start(), node);
        node.handle(&Input::Rules(resources.rules.as_rules()));
        let reloading = Reloading::new(Rc::clone(&node), config.clone(), resources.rules);
        let (listeners, bound) = (Listeners::new(), Vec::new());
        let sys_topics = SysTopics::new(Rc::clone(&node), config.sys_topics.interval);
        let vitals = Rc::new(Vitals::new(Rc::clone(&node)));
        let drain = config.drain.drain();
        let mut server = Self { node, listeners, bound, http: None, reloading, sys_topics, vitals, drain };
        for (listener, files) in config.listeners.iter().zip(resources.listeners) {
            server.listen(listener, files).await?;
        }
        if let Some(http) = &config.http {
            server.http = Some(bind(&http.listen).await?);
        }
        Ok(server)
    }

    async fn listen(&mut self, listener: &Listener, files: ListenerResources) -> Result<(), ServeError> {
        let socket = bind(&listener.listen).await?;
        let address = local_address(&socket, &listener.listen)?;
        self.bound.push(Bound { name: listener.name.clone(), address });
        let endpoint = Endpoint::new(listener.settings(files.authenticator));
        let tls = files.tls.map(TlsIdentity::new);
        self.reloading.watch(Rc::clone(&endpoint), tls.clone());
        self.vitals.watch(Rc::clone(&endpoint));
        let (proxy_protocol, websocket) = (listener.proxy_protocol, listener.websocket_settings());
        Layers { proxy_protocol, tls, websocket }.add(&mut self.listeners, endpoint, socket);
        Ok(())
    }

    /// The open listeners, in the order of the configuration.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// Where metrics and health are served.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref().and_then(|listener| listener.local_addr().ok())
    }

    /// Serves until `stop` is ready, then disconnects the clients. A configuration that arrives meanwhile takes the place
    /// of the present one, as far as that needs no restart.
    ///
    /// Must run on a current-thread runtime, or in a `block_on`: everything stays on this thread.
    pub async fn run(self, stop: impl Future<Output = ()>, mut reloads: UnboundedReceiver<Config>) {
        let Self { node, listeners, http, mut reloading, sys_topics, vitals, drain, .. } = self;
        let stop = async {
            stop.await;
            info!("stopping");
            vitals.stopping();
            drain
        };
        let broker = mayfly_net::serve(node, listeners, stop);
        let facts = async {
            match http {
                Some(listener) => http::serve_facts(listener, Rc::clone(&vitals)).await,
                None => std::future::pending().await,
            }
        };
        let reload = async {
            while let Some(config) = reloads.recv().await {
                reloading.reload(&config);
            }
            std::future::pending::<()>().await;
        };
        let all = async {
            tokio::select! {
                biased;
                () = broker => {}
                () = facts => {}
                () = reload => {}
                () = sys_topics.publish() => {}
            }
        };
        LocalSet::new().run_until(all).await;
    }
}

/// Listens on `host:port`, on the first address of the host that can be had; port 0 takes a free one.
async fn bind(address: &str) -> Result<TcpListener, ServeError> {
    listen_on_any(address).await.map_err(|error| match error.kind() {
        io::ErrorKind::AddrInUse => ServeError::AddressInUse(address.to_owned()),
        _ => ServeError::Bind { address: address.to_owned(), error },
    })
}

async fn listen_on_any(address: &str) -> io::Result<TcpListener> {
    let mut failed = io::Error::new(io::ErrorKind::InvalidInput, "the host has no address");
    for address in tokio::net::lookup_host(address).await? {
        match listen_on(address) {
            Ok(listener) => return Ok(listener),
            Err(error) => failed = error,
        }
    }
    Err(failed)
}

fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
    // Connections of a server that stopped may linger in the system without keeping its port from the next one. On Windows
    // the option would let two listen.
    if cfg!(unix) {
        socket.set_reuseaddr(true)?;
    }
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

fn local_address(socket: &TcpListener, asked: &str) -> Result<SocketAddr, ServeError> {
    socket.local_addr().map_err(|error| ServeError::Bind { address: asked.to_owned(), error })
}

fn random_bits() -> u128 {
    let mut bits = [0; 16];
    getrandom::fill(&mut bits).expect("an operating system that gave random bits at the start still does");
    u128::from_ne_bytes(bits)
}
