//! The library half of the `mayfly` command: a broker on real sockets, in this process.
//!
//! The command line is in the binary; here is what a test or another program can use.
//!
//! # Layout
//! - [`config`]: the configuration file.
//! - [`serve`]: everything that a configuration asks for, on the current thread.
//! - [`embedded`]: a broker on a thread of its own, for tests and examples.
//! - [`resources`]: the files that a configuration names.
//! - [`logging`], `http`, `metrics`, `sys_topics`: what an operator sees.

pub mod address;
mod authentication;
pub mod config;
pub mod embedded;
mod http;
mod listeners;
pub mod logging;
mod metrics;
pub mod open_files;
mod reload;
mod report;
pub mod resources;
pub mod serve;
mod sys_topics;
mod vitals;
