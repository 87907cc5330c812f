//! The checkers against hand-made, generated and enumerated histories.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod anomalies;
mod brute_force;
mod fencing;
mod generated;
mod mqtt;
mod notifications;
mod quota;
mod replay;
mod restarts;
mod scan;
mod skew;
mod speed;
mod store;
mod story;
mod tale;
