//! The PROXY protocol, version 2: a proxy says for whom it connects, before anything else.
//!
//! Whoever can reach such a listener can claim any address, so it is for networks that only the proxy can reach. A header is
//! required: without one the connection is closed. Version 1, a line of text, is refused.
//!
//! What is taken from a header is the client's address, and nothing of its further values (TLVs): they are checked and
//! skipped.

use std::io;
use std::net::SocketAddr;

use mayfly_auth::Peer;
use ppp::v2::{Addresses, Header, ParseError, Protocol};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::handshake::HandshakeError;
use crate::listener::{Incoming, Listener};

/// The fixed part of a header: signature, version and command, family and transport, length.
const FIXED_BYTES: usize = 16;

/// The longest header that is read. Addresses take at most 216 bytes; the rest is room for what a proxy adds.
const MAX_HEADER_BYTES: usize = 4096;

/// What every header of version 2 begins with.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Where a header says its version and command.
const VERSION_AND_COMMAND_AT: usize = SIGNATURE.len();

/// Version 2, and the proxy speaks for itself.
const LOCAL: u8 = 0x20;

/// Why a connection has no usable header.
#[derive(Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// Something else came first.
    #[error("the connection does not begin with a PROXY header of version 2")]
    Missing,
    /// A header of version 1.
    #[error("the PROXY header is of version 1; only version 2 is taken")]
    Version1,
    /// It is longer than any proxy needs.
    #[error("the PROXY header is {0} bytes long; at most {MAX_HEADER_BYTES} are taken")]
    TooLong(usize),
    /// It is for a datagram, which no MQTT connection is carried by.
    #[error("the PROXY header is not for a stream")]
    NoStream,
    /// It is against the protocol.
    #[error("the PROXY header is malformed: {0}")]
    Malformed(ParseError),
}

/// A listener behind a proxy.
#[derive(Debug)]
pub struct ProxyProtocol<L> {
    inner: L,
}

impl<L> ProxyProtocol<L> {
    /// Requires a header on the connections of `inner`.
    pub fn new(inner: L) -> Self {
        Self { inner }
    }
}

impl<L: Listener> Listener for ProxyProtocol<L> {
    type Incoming = ProxyIncoming<L::Incoming>;

    async fn accept(&mut self) -> io::Result<Self::Incoming> {
        Ok(ProxyIncoming { inner: self.inner.accept().await? })
    }
}

/// A connection before its PROXY header.
#[derive(Debug)]
pub struct ProxyIncoming<I> {
    inner: I,
}

impl<I: Incoming> Incoming for ProxyIncoming<I> {
    type Stream = I::Stream;

    fn address(&self) -> Option<SocketAddr> {
        self.inner.address()
    }

    async fn establish(self) -> Result<(Self::Stream, Peer), HandshakeError> {
        let (mut stream, mut peer) = self.inner.establish().await?;
        match read(&mut stream).await? {
            Origin::Proxy => {}
            Origin::Client(address) => peer.address = address,
        }
        Ok((stream, peer))
    }
}

/// For whom a proxy connects.
#[derive(Debug, PartialEq, Eq)]
enum Origin {
    /// For itself (LOCAL), or for somebody it cannot name.
    Proxy,
    /// For a client; without an internet address where that one came over a Unix socket.
    Client(Option<SocketAddr>),
}

/// Reads a header, and not one byte more.
async fn read(stream: &mut (impl AsyncRead + Unpin)) -> Result<Origin, HandshakeError> {
    let mut header = [0; MAX_HEADER_BYTES];
    let mut filled = 0;
    while filled < FIXED_BYTES {
        let count = stream.read(&mut header[filled..FIXED_BYTES]).await?;
        if count == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        filled += count;
        // At once: who speaks something else may wait for an answer before it sends more.
        let common = filled.min(SIGNATURE.len());
        if header[..common] != SIGNATURE[..common] {
            let is_text = header.starts_with(b"PROXY");
            return Err(if is_text { ProxyError::Version1 } else { ProxyError::Missing }.into());
        }
    }
    let len = FIXED_BYTES + usize::from(u16::from_be_bytes([header[14], header[15]]));
    let rest = header.get_mut(FIXED_BYTES..len).ok_or(ProxyError::TooLong(len))?;
    stream.read_exact(rest).await?;
    if header[VERSION_AND_COMMAND_AT] == LOCAL {
        // A health check, for example. Whatever else the header says is to be ignored, its family included.
        return Ok(Origin::Proxy);
    }
    Ok(parse(&header[..len])?)
}

fn parse(bytes: &[u8]) -> Result<Origin, ProxyError> {
    let header = Header::try_from(bytes).map_err(ProxyError::Malformed)?;
    if let Some(error) = header.tlvs().find_map(Result::err) {
        return Err(ProxyError::Malformed(error));
    }
    if header.protocol == Protocol::Datagram {
        return Err(ProxyError::NoStream);
    }
    Ok(match header.addresses {
        Addresses::Unspecified => Origin::Proxy,
        Addresses::IPv4(ip) => Origin::Client(Some((ip.source_address, ip.source_port).into())),
        Addresses::IPv6(ip) => Origin::Client(Some((ip.source_address, ip.source_port).into())),
        Addresses::Unix(_) => Origin::Client(None),
    })
}
