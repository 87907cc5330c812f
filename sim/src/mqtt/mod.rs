//! A small MQTT 5 client for workloads that need exact control: when a connection is cut, taken over or left silent, what
//! is sent again, and what arrives on a connection that is no longer the client's.
//!
//! The clients of the state store run rumqttc's event loop. That loop hides what these workloads are about: it drops an old
//! connection before it opens a new one, drives one session with one connection, and gives no access to the moment at
//! which a packet is sent. So this one keeps the session state of a client itself, over rumqttc's codec: a second opinion
//! on the wire, which shares no code with the engine.
//!
//! [`Links`] carries packets, [`Session`] is the client's half of MQTT's session state. Neither draws randomness.

mod link;
mod session;

pub use link::{Arrival, CLOSED, Links};
pub use session::{MAX_IN_FLIGHT, Received, Session};
