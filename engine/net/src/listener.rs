//! Where connections come from: the contract that TCP, a simulator's network and the adapters for TLS, WebSocket and the
//! PROXY protocol fulfil.
//!
//! Accepting and establishing are two steps. [`Listener::accept`] gives a connection as soon as there is one;
//! [`Incoming::establish`] does whatever has to be said on it before the first MQTT packet, in a task of its own, so that
//! a slow handshake holds up nobody else. An adapter wraps a listener and is one itself.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use mayfly_auth::Peer;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};

use crate::handshake::HandshakeError;

/// After so long without a byte from a client the operating system asks its machine whether the connection still exists.
/// A client without Keep Alive whose machine has vanished would hold its place for ever.
const KEEPALIVE_IDLE: Duration = Duration::from_mins(5);

/// An answer that does not come is asked for again after this.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(30);

/// After so many questions without an answer the connection is lost.
const KEEPALIVE_PROBES: u32 = 4;

/// Accepts connections.
pub trait Listener: 'static {
    /// A connection whose handshake is still to come.
    type Incoming: Incoming;

    /// Waits for the next connection, and for nothing that its client has to send. An error concerns that one connection,
    /// or a shortage that passes; the listener is asked again.
    fn accept(&mut self) -> impl Future<Output = io::Result<Self::Incoming>>;
}

/// An accepted connection before its handshake.
pub trait Incoming: 'static {
    /// What carries the connection's MQTT packets.
    type Stream: AsyncRead + AsyncWrite + Unpin + 'static;

    /// Where it comes from as far as the socket knows, for reports of a handshake that failed.
    fn address(&self) -> Option<SocketAddr>;

    /// Carries out the handshake. Dropped, and the connection with it, when its time is over.
    fn establish(self) -> impl Future<Output = Result<(Self::Stream, Peer), HandshakeError>> + 'static;
}

/// A stream that needs no handshake.
#[derive(Debug)]
pub struct Established<S> {
    /// The stream.
    pub stream: S,
    /// Where it comes from.
    pub address: Option<SocketAddr>,
}

impl<S: AsyncRead + AsyncWrite + Unpin + 'static> Incoming for Established<S> {
    type Stream = S;

    fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    async fn establish(self) -> Result<(S, Peer), HandshakeError> {
        Ok((self.stream, Peer { address: self.address, certificate: None }))
    }
}

impl Listener for TcpListener {
    type Incoming = Established<TcpStream>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let (stream, address) = TcpListener::accept(self).await?;
        // The shell writes a batch at a time, so waiting for more to send only adds latency.
        // These fail only on a stream that is gone already, which reading will tell.
        let _ = stream.set_nodelay(true);
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE_IDLE)
            .with_interval(KEEPALIVE_INTERVAL)
            .with_retries(KEEPALIVE_PROBES);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
        Ok(Established { stream, address: Some(address) })
    }
}
