//! Differential runs: random programs of many clients against the engine, judged by the model.
//!
//! # Layout
//! - [`program`]: what clients do, and how it reads.
//! - [`generate`]: random programs from a seed.
//! - `panics`: panics as results.
//! - `engine`, `wire`: the engine in memory, and its packets as the model's.
//! - [`run`]: one program against both.
//! - [`shrink`]: the smallest program that still differs.
//! - [`campaign`]: many programs, and the report of the first that differs.
//! - [`state_store`]: the same for the state store.
//!
//! A run is a function of its program, so a seed repeats it.

pub mod campaign;
mod client;
mod engine;
pub mod generate;
mod panics;
pub mod program;
pub mod run;
pub mod shrink;
pub mod state_store;
mod trace;
mod wire;
