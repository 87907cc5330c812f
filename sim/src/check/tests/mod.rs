//! The checkers against hand-made, generated and enumerated histories.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod anomalies;
mod brute_force;
mod generated;
mod mqtt;
mod restarts;
mod speed;
mod store;
mod story;
