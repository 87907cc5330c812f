//! Who is this client? Authentication by password, SCRAM or certificate, as steps without I/O.
//!
//! It owns what a client has to prove and how. It never opens a socket, reads a clock or makes a thread: random bits come
//! in as a parameter, and work that takes long is handed out as a job, which the caller runs where it holds nobody up.
//!
//! # Layout
//! - [`Authenticator`] begins: from the [`Claims`] of a CONNECT to a [`Step`].
//! - [`Exchange`] goes on, where the client is asked for more (AUTH) [MQTT 5, section 4.12].

mod authenticator;
mod peer;

pub use authenticator::{Authenticator, Claims, Exchange, Grant, Step};
pub use peer::{Certificate, Peer};
