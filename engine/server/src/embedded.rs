//! A broker on a thread of its own in this process, for tests and examples.
//!
//! `examples/thermostat` is an application that is tested with it.

use std::future::pending;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::mpsc;
use std::thread::{self, JoinHandle};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;

use crate::config::Config;
use crate::config::model::Listener;
use crate::serve::{Bound, ServeError, Server};

/// Why a broker did not start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// What the configuration asks for is not to be had.
    #[error(transparent)]
    Serve(#[from] ServeError),
    /// The operating system gives no thread or no event loop.
    #[error("cannot start a thread for the broker: {0}")]
    Thread(#[from] io::Error),
}

/// A running broker with an empty store. Dropping it ends it at once, as a killed process ends: its clients are told
/// nothing.
#[derive(Debug)]
pub struct Broker {
    bound: Vec<Bound>,
    http: Option<SocketAddr>,
    reload: UnboundedSender<Config>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// Starts a broker on a free port of the loopback interface, for anybody.
    pub fn start() -> Result<Self, StartError> {
        Self::start_with(Config::default())
    }

    /// Starts a broker at an address, for anybody; port 0 takes a free one. At the address of one that was dropped it is
    /// that one restarted, with nothing left.
    pub fn start_at(address: SocketAddr) -> Result<Self, StartError> {
        let listeners = vec![Listener::on(&address.to_string())];
        Self::start_with(Config { listeners, ..Config::default() })
    }

    /// Starts a broker as a configuration says. One without a listener gets one as [`start`](Self::start) has it.
    pub fn start_with(mut config: Config) -> Result<Self, StartError> {
        if config.listeners.is_empty() {
            config.listeners.push(Listener::on(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).to_string()));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let (reload, reloads) = unbounded_channel();
        let (started, starting) = mpsc::channel();
        #[expect(
            clippy::disallowed_methods,
            reason = "an embedded broker has a thread of its own, and one only"
        )]
        let thread = thread::Builder::new().name("mayfly-broker".to_owned()).spawn(move || {
            runtime.block_on(async {
                // Here, since what a server consists of stays on its thread.
                let server = match Server::bind(&config).await {
                    Ok(server) => server,
                    Err(error) => return drop(started.send(Err(error))),
                };
                let addresses = (server.bound().to_vec(), server.http_address());
                if started.send(Ok(addresses)).is_err() {
                    return;
                }
                tokio::select! {
                    // Ready when the owner has gone.
                    _ = stopped => {}
                    () = server.run(pending(), reloads) => {}
                }
            });
        })?;
        let (bound, http) = starting.recv().map_err(|_| io::Error::other("the broker's thread ended"))??;
        Ok(Broker { bound, http, reload, stop: Some(stop), thread: Some(thread) })
    }

    /// Where its first listener listens.
    pub fn address(&self) -> SocketAddr {
        self.bound[0].address
    }

    /// Its listeners, in the order of the configuration.
    pub fn bound(&self) -> &[Bound] {
        &self.bound
    }

    /// Gives the running broker another configuration, as SIGHUP does: rules, limits and who is let in change soon after;
    /// listeners stay as they are.
    pub fn reload(&self, config: Config) {
        // A broker whose thread has ended has said so; there is nothing left to change.
        let _ = self.reload.send(config);
    }

    /// Where metrics and health are served, if the configuration wanted that.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // A broker that panicked has said so on standard error.
            let _ = thread.join();
        }
    }
}
