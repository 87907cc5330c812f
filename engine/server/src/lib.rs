//! The library half of the `mayfly` command: a broker on real sockets, in this process.
//!
//! The command line is in the binary; here is what a test or another program can use.
//!
//! # Layout
//! - [`serve`]: binds a listener and runs a broker on it, on the current thread.
//! - [`embedded`]: a broker on a thread of its own, for tests and examples.

pub mod embedded;
pub mod serve;
