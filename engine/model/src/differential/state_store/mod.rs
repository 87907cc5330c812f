//! Random programs of several clients of the state store, held to the model of it after every operation: what each client
//! gets, what the engine counts, what its keys occupy, and when it wants to be called next.
//!
//! # Layout
//! - [`program`]: what happens, and how it reads.
//! - [`generate`]: random programs from a seed.
//! - [`run`]: one program against both.
//! - `response`: what comes from the engine, as the model says it.
//! - `simpler`: the smallest program that still differs.
//! - [`campaign`]: many programs, and the report of the first that differs.

pub mod campaign;
pub mod generate;
pub mod program;
mod response;
pub mod run;
mod simpler;
