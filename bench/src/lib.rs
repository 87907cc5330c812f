//! What the benchmarks share: a client at the level of packets, and the two ways in which it reaches the engine.
//!
//! The client is written out by hand, so that what is measured is the engine and not a client library. Every answer is
//! checked; a benchmark of wrong answers fails.
//!
//! # Layout
//! - [`client`]: the client, without I/O; [`answer`]: what the store answers, and whether it fits the question
//! - [`engine`]: a broker with its connections in memory; [`link`]: a TCP connection to a broker
//! - [`register`]: the closed loop of a scenario's register workload; [`tally`]: what came of it
//! - [`plan`]: a scenario and how long to measure it; [`in_memory`], [`loopback`]: drive it in wall time; [`drive_error`]: why
//!   that ended without a result
//! - [`load`]: many clients against the server as a process of its own

pub mod answer;
pub mod client;
pub mod drive_error;
pub mod engine;
pub mod in_memory;
pub mod link;
pub mod load;
pub mod loopback;
pub mod plan;
pub mod register;
pub mod tally;
