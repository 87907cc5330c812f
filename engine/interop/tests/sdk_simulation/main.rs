//! The official SDK inside the simulation: its unmodified session, store client and locks over simulated streams, through
//! partitions and a restart of the broker.
//!
//! These runs are exempt from the rule that a run repeats bit for bit: see `mayfly_interop::world`. What they assert holds on
//! every run, with whatever identifiers the SDK draws.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod partition;
mod restart;
