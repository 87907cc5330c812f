//! TLS on any listener.
//!
//! TLS 1.2 and 1.3, with or without client certificates. A session is resumed by a ticket that the client keeps, so
//! connections that are gone cost no memory here. Tickets, and what they say of a client certificate, are void once the
//! certificates were replaced: a certificate that is no longer trusted does not live on in them.
//!
//! # Layout
//! - [`TlsFiles`] and [`TlsConfig::load`]: from PEM files to a configuration, with words for what is wrong in them.
//! - [`TlsIdentity`]: the configuration that new handshakes use, replaceable while the listener runs.
//! - [`Tls`]: the listener.
//! - [`TlsClient`]: the other end, for programs that connect to a broker.

mod client;
mod load;
mod subject;

use std::cell::RefCell;
use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use mayfly_auth::Peer;
use rustls::ServerConfig;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

pub use client::{Authorities, KeyPair, TlsClient, TlsClientError, TlsClientFiles};
pub use load::{ApplicationProtocol, ClientCertificates, TlsConfig, TlsFileError, TlsFiles};

use crate::handshake::HandshakeError;
use crate::listener::{Incoming, Listener};

/// What a TLS listener proves itself with and asks of its clients. Shared with whoever replaces it.
pub struct TlsIdentity {
    config: RefCell<Arc<ServerConfig>>,
}

impl TlsIdentity {
    /// An identity to begin with.
    pub fn new(config: TlsConfig) -> Rc<Self> {
        Rc::new(Self { config: RefCell::new(config.server) })
    }

    /// Lets connections that are accepted from now on use another configuration. Those before keep theirs.
    pub fn replace(&self, config: TlsConfig) {
        *self.config.borrow_mut() = config.server;
    }
}

impl fmt::Debug for TlsIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIdentity").finish_non_exhaustive()
    }
}

/// A listener with TLS on its connections.
#[derive(Debug)]
pub struct Tls<L> {
    inner: L,
    identity: Rc<TlsIdentity>,
}

impl<L> Tls<L> {
    /// TLS on the connections of `inner`.
    pub fn new(inner: L, identity: Rc<TlsIdentity>) -> Self {
        Self { inner, identity }
    }
}

impl<L: Listener> Listener for Tls<L> {
    type Incoming = TlsIncoming<L::Incoming>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        let inner = self.inner.accept().await?;
        Ok(TlsIncoming { inner, config: Arc::clone(&self.identity.config.borrow()) })
    }
}

/// A connection before its TLS handshake.
pub struct TlsIncoming<I> {
    inner: I,
    config: Arc<ServerConfig>,
}

impl<I: fmt::Debug> fmt::Debug for TlsIncoming<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsIncoming").field("inner", &self.inner).finish_non_exhaustive()
    }
}

impl<I: Incoming> Incoming for TlsIncoming<I> {
    type Stream = TlsStream<I::Stream>;

    fn address(&self) -> Option<SocketAddr> {
        self.inner.address()
    }

    async fn establish(self) -> Result<(Self::Stream, Peer), HandshakeError> {
        let (stream, mut peer) = self.inner.establish().await?;
        let stream = TlsAcceptor::from(self.config).accept(stream).await.map_err(failure)?;
        let (_, session) = stream.get_ref();
        if let Some(certificate) = session.peer_certificates().and_then(<[_]>::first) {
            peer.certificate = Some(subject::read(certificate)?);
        }
        Ok((stream, peer))
    }
}

/// The library gives its own errors and the stream's in one type.
fn failure(error: io::Error) -> HandshakeError {
    match error.downcast::<rustls::Error>() {
        Ok(error) => HandshakeError::Tls(error),
        Err(error) => HandshakeError::Lost(error),
    }
}
