//! Lying brokers: wrappers around the engine's inputs and outputs that break a promise.
//!
//! They prove the checkers: a promise whose breach nobody notices is not checked. The engine has no hook for them; they
//! stand between it and the shell, as a bug in either would.

mod dropped_set;
mod exchange;
mod kept_contents;
mod stale_get;

pub use dropped_set::DropAcknowledgedSet;
pub use kept_contents::{Afterlife, KeepContents};
pub use stale_get::StaleGet;

#[cfg(test)]
mod tests;
