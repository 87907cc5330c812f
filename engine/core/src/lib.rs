//! The deterministic core of Mayfly: every decision of the MQTT broker and of its state store.
//!
//! No I/O, no clock, no randomness, no threads and no order that depends on hashing: what the core needs comes in as
//! a parameter, and its state is a function of its inputs.
//!
//! # Layout
//! - [`Connection`]: one per network connection, on the node that owns the socket. Framing, validation, keep-alive,
//!   topic aliases, encoding. Never replicated.
//! - [`Broker`]: sessions, routing, the state store. Takes [`Input`]s, gives [`Output`]s; two brokers that are fed
//!   the same inputs have equal [`state_hash`](Broker::state_hash)es and outputs.
//! - [`StateMachine`]: the contract of [`Broker`], so that a wrapper can stand in its place.
//! - [`RuleSet`]: who may do what.
//! - [`log`]: inputs as bytes.
//!
//! ```text
//! bytes ──► Connection::receive ──► Input ──► Broker::handle
//!                                                  │ poll_output
//! bytes ◄── Connection::send    ◄── Action ◄───────┘
//! ```

mod authorization;
mod broker;
mod byte_reader;
mod connection;
mod identity;
mod limits;
pub mod log;
mod machine;
mod store;
mod time;

pub use authorization::{
    Access, BrokerResource, Glob, KeyPattern, Operation, PatternError, Principal, Principals, Rule, RuleSet,
    Rules, StateStoreResource, TopicPattern, Topics,
};
pub use broker::{
    Backlog, Broker, BrokerConfig, Drops, MemoryUse, Pressure, QUEUE_DEPTHS, Statistics, StoreCommand,
    StoreOperations, StoreResult, has_priority,
};
pub use connection::{
    Connection, ConnectionConfig, Event, Evidence, MIN_WRITE_RATE, ReceiveExcess, Received,
};
pub use identity::{AttributeList, Attributes, Identity};
pub use limits::{Limits, QueueOverflow};
pub use machine::{Action, CloseCause, ConnectionId, Input, Output, StateMachine};
pub use store::{NOTIFY_TOPIC_PREFIX, REQUEST_TOPIC};
pub use time::{Monotonic, Now, WallClock};
