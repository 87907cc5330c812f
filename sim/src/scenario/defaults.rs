//! What a scenario means where it leaves a key out.

use std::time::Duration;

use super::floor::Floor;
use super::model::{Bench, ClientGroup, DurationRange, Expect, ExpectedVerdict, Network, Run};
use crate::check::CheckerName;

impl Run {
    pub(super) fn default_seed() -> u64 {
        1
    }

    pub(super) fn default_drain() -> Duration {
        Duration::from_secs(5)
    }

    pub(super) fn default_tick() -> Duration {
        Duration::from_millis(1)
    }
}

impl Default for Network {
    fn default() -> Self {
        Self { latency: DurationRange { min: Duration::from_millis(1), max: Duration::from_millis(5) } }
    }
}

impl ClientGroup {
    pub(super) fn default_count() -> u32 {
        1
    }

    pub(super) fn default_keep_alive() -> Duration {
        Duration::from_secs(5)
    }

    pub(super) fn default_session_expiry() -> Duration {
        Duration::from_hours(1)
    }

    pub(super) fn default_operation_timeout() -> Duration {
        Duration::from_secs(2)
    }

    pub(super) fn default_reconnect_delay() -> Duration {
        Duration::from_millis(100)
    }
}

impl Default for Expect {
    fn default() -> Self {
        Self {
            verdict: ExpectedVerdict::Pass,
            checkers: vec![CheckerName::VersionOrder, CheckerName::Linearizability],
            caught_by: Vec::new(),
            operations: Floor::default(),
            events: Floor::default(),
            most: Floor::default(),
            faults: Floor::default(),
        }
    }
}

impl Bench {
    pub(super) fn default_warm_up() -> Duration {
        Duration::from_secs(1)
    }

    pub(super) fn default_measure() -> Duration {
        Duration::from_secs(5)
    }
}
