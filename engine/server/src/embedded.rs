//! A broker on a thread of its own in this process, for tests and examples.

use std::future::pending;
use std::io;
use std::net::{self, Ipv4Addr, SocketAddr};
use std::thread::{self, JoinHandle};

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use crate::serve::serve;

/// A running broker with an empty store. Dropping it ends it at once, as a killed process ends: its clients are told
/// nothing.
#[derive(Debug)]
pub struct Broker {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Broker {
    /// Starts a broker on a free port of the loopback interface.
    pub fn start() -> io::Result<Self> {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into())
    }

    /// Starts a broker at an address; port 0 takes a free one.
    pub fn start_at(address: SocketAddr) -> io::Result<Self> {
        let listener = net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let listener = {
            let _context = runtime.enter();
            TcpListener::from_std(listener)?
        };
        let (stop, stopped) = oneshot::channel();
        #[expect(clippy::disallowed_methods, reason = "an embedded broker has a thread of its own, and one only")]
        let thread = thread::Builder::new().name("mayfly-broker".to_owned()).spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    // Ready when the owner has gone.
                    _ = stopped => {}
                    ended = serve(listener, pending()) => ended.expect("the operating system gives random bits"),
                }
            });
        })?;
        Ok(Broker { address, stop: Some(stop), thread: Some(thread) })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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
