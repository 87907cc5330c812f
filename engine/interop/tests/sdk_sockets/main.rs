//! The official SDK against `mayfly serve`, over TCP on the loopback interface: what an application gets.
//!
//! A behaviour a file. Each test has a server of its own, as a process. What the SDK does not look at is in the byte-exact tests
//! of `engine/core`.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod conditions;
mod expiring;
mod fencing;
mod leasing;
mod locking;
mod observing;
mod reconnecting;
mod refusing;
mod scanning;
mod shorthand;
mod storing;
