//! The shell with a real broker behind it: over streams in memory with paused time, and over loopback TCP.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::large_types_passed_by_value, reason = "tests build a packet where they send it")]

mod harness;

mod back_pressure;
mod framing;
mod loopback;
mod stopping;
mod timing;
