//! The asynchronous shell around the core: it carries bytes between streams and the broker.
//!
//! It decides nothing that the broker could decide. The broker and all connections live on one thread, so there is no
//! channel and no lock: a task per connection reads, hands packets to the broker, and puts what comes out into the
//! connections' write buffers, each of which its own task writes.
//!
//! # Layout
//! - [`Node`]: the broker with its connections.
//! - [`serve`]: accepts connections on [`Listeners`] until it is told to stop.
//! - [`Listener`] and [`Incoming`]: where connections come from, and what precedes their first packet.
//! - [`tls`], [`websocket`], [`proxy`]: adapters on a listener, each a listener itself, so that they can be stacked.
//! - [`Endpoint`]: a listener's settings, which can be replaced while it runs.
//! - [`Traffic`], [`Admissions`], [`Report`]: what it counts, and what it tells its owner.
//! - [`Workers`]: where passwords are hashed, so that nobody waits for it.
//! - [`Clock`]: where time comes from. On real sockets [`SystemClock`]; a simulator brings its own, as it brings its
//!   own [`Listener`].
//!
//! Everything here runs on a current-thread runtime inside a `LocalSet`.

mod admission;
mod authenticate;
mod clock;
mod counters;
mod drain;
mod drive;
mod endpoint;
mod entrance;
mod handshake;
mod latency;
mod listener;
mod node;
mod pool;
pub mod proxy;
mod rate;
mod report;
mod serve;
mod standing;
pub mod tls;
pub mod websocket;

pub use admission::MAX_BEING_REFUSED;
pub use authenticate::{AuthenticationStatistics, Workers};
pub use clock::{Clock, SystemClock};
pub use counters::{Admissions, Traffic};
pub use drain::Drain;
pub use endpoint::{Endpoint, ListenerSettings};
pub use handshake::HandshakeError;
pub use latency::Latency;
pub use listener::{Established, Incoming, Listener};
pub use node::{Node, NodeConfig};
pub use rate::ConnectionRate;
pub use report::{Client, Ending, Report};
pub use serve::{Listeners, serve};
