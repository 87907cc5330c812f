//! A scenario measured in wall time, as data.
//!
//! Owns the shape of a benchmark's result: the same workload language as a simulated run, driven by the
//! machine's own clock. Nothing here is simulated time, and nothing here repeats exactly; it has no verdict
//! and no trace hash.

use serde::{Deserialize, Serialize};

use crate::latency::Latency;
use crate::model::{Build, FORMAT_VERSION, Scenario};

/// One scenario, driven in wall time in one or more worlds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// What was measured.
    pub scenario: Scenario,
    /// The seed that the workload followed from.
    pub seed: u64,
    /// The exact command line that measures again.
    pub repeat_command: String,
    /// What was built to measure it.
    pub build: Build,
    /// The worlds, in the order in which they were driven.
    pub worlds: Vec<World>,
}

/// Where the workload met the engine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct World {
    /// Its name: `in memory` or `loopback`.
    pub name: String,
    /// What lies between client and engine, how many clients, how many requests in flight, in words.
    pub conditions: String,
    /// What was measured, by kind of operation.
    pub kinds: Vec<KindMeasurement>,
}

/// One kind of operation in one world.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindMeasurement {
    /// The service's word, such as `GET`.
    pub kind: String,
    /// How many were answered.
    pub operations: u64,
    /// The wall time in which they were, in nanoseconds.
    pub wall_duration_ns: u64,
    /// From request to answer, in wall time; absent where nothing was answered.
    pub wall_latency: Option<Latency>,
}

impl Measurement {
    /// A measurement without worlds yet.
    pub fn new(scenario: Scenario, seed: u64, repeat_command: String, build: Build) -> Self {
        Self { format_version: FORMAT_VERSION, scenario, seed, repeat_command, build, worlds: Vec::new() }
    }
}

impl KindMeasurement {
    /// Answered operations per second of wall time; 0 where no time passed.
    pub fn operations_per_second(&self) -> u64 {
        let per_second =
            u128::from(self.operations) * 1_000_000_000 / u128::from(self.wall_duration_ns.max(1));
        if self.wall_duration_ns == 0 { 0 } else { u64::try_from(per_second).unwrap_or(u64::MAX) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rate_is_operations_over_wall_time() {
        let mut kind = KindMeasurement {
            kind: "GET".to_owned(),
            operations: 3_000_000_000,
            wall_duration_ns: 1_500_000_000,
            wall_latency: None,
        };
        assert_eq!(kind.operations_per_second(), 2_000_000_000);
        kind.wall_duration_ns = 0;
        assert_eq!(kind.operations_per_second(), 0);
    }
}
