//! What the transport knows of the other side.

use std::net::SocketAddr;

/// The other side of an accepted connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peer {
    /// Where it comes from; the client's own address where a proxy in between says it. `None` for streams without one.
    pub address: Option<SocketAddr>,
    /// The certificate that it proved to hold, if it was asked for one.
    pub certificate: Option<Certificate>,
}

/// The subject of a client certificate whose chain was verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Its common name.
    pub common_name: Option<String>,
}
