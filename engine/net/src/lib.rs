//! The asynchronous shell around the core: it carries bytes between streams and the broker.
//!
//! It decides nothing that the broker could decide. The broker and all connections live on one thread, so there is no
//! channel and no lock: a task per connection reads, hands packets to the broker, and puts what comes out into the
//! connections' write buffers, each of which its own task writes.
//!
//! # Layout
//! - [`Node`]: the broker with its connections.
//! - [`serve`]: accepts connections from a [`Listener`] until it is told to stop.
//! - [`Clock`]: where time comes from. On real sockets [`SystemClock`]; a simulator brings its own, as it brings its
//!   own [`Listener`].
//!
//! Everything here runs on a current-thread runtime inside a `LocalSet`.

mod clock;
mod drive;
mod listener;
mod node;
mod serve;

pub use clock::{Clock, SystemClock};
pub use listener::Listener;
pub use node::{Node, NodeConfig};
pub use serve::serve;
