//! The shell with a real broker behind it: over streams in memory with paused time, and over loopback TCP.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::large_types_passed_by_value, reason = "tests build a packet where they send it")]
#![allow(clippy::large_futures, reason = "a test runs once")]

mod certificates;
mod harness;

mod authenticating;
mod back_pressure;
mod counting;
mod framing;
mod hostile;
mod limits;
mod loopback;
mod memory_pressure;
mod proxy;
mod reviewing;
mod stopping;
mod timing;
mod tls;
mod tls_files;
mod websocket;
mod websocket_requests;
