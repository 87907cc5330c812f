//! Deterministic simulation of the engine under faults, with checkers.
//!
//! # Layout
//! - [`scenario`]: the files that say what to simulate and what to expect
//! - [`history`]: what the clients of a run asked and were told
//! - [`check`]: judges a history; [`explain`]: the least of a violated history that nothing explains
//! - [`world`]: the hosts, the network and time; [`workload`]: what the clients do; [`sabotage`]: brokers that lie
//! - [`fault`]: what can go wrong; [`nemesis`]: carries it out; [`recorder`], [`trace`]: what a run leaves behind
//! - [`mqtt`]: a client for workloads that need exact control
//! - `plug_in`: the registration tables of workloads, faults, checkers and lying brokers
//! - [`bundle`]: what a failed run leaves on disk; [`shrink`]: the smallest scenario that fails like it
//! - [`run`]: one run from scenario to [`report`]; [`judge`]: what the scenario demanded of it

#[cfg(not(tokio_unstable))]
compile_error!(
    "mayfly-sim needs --cfg tokio_unstable: without it turmoil cannot seed tokio's scheduler and a run does not \
     replay. Add to .cargo/config.toml:\n\n    [build]\n    rustflags = [\"--cfg\", \"tokio_unstable\"]\n    \
     rustdocflags = [\"--cfg\", \"tokio_unstable\"]\n\nand unset the environment variable RUSTFLAGS, which replaces \
     that list, or add the flag to it."
);

pub mod bundle;
pub mod check;
pub mod cli;
pub mod explain;
pub mod fault;
pub mod history;
pub mod judge;
pub mod mqtt;
pub mod nemesis;
mod plug_in;
pub mod recorder;
pub mod report;
pub mod run;
pub mod sabotage;
pub mod scenario;
pub mod shrink;
pub mod trace;
mod workers;
pub mod workload;
pub mod world;
