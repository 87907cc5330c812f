//! The keys of `[clients.workload]` with `kind = "churn"`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::model::{DurationRange, SizeRange};
use crate::scenario::{Checked, Place};

/// Fills the store with keys of each client's own until a quota refuses one, deletes some, and goes on.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ChurnWorkload {
    /// How many keys each client has, 1 to 10000000: `NAME-00000000` and on. It sets one after the other and begins anew after
    /// the last. Default 1000.
    #[serde(default = "ChurnWorkload::default_keys")]
    #[schemars(range(min = 1, max = 10_000_000))]
    pub keys: u32,
    /// Length of the written values in bytes, 1 to 65000. A value is never cut below the text that makes it unique.
    /// Default `{ min = 16, max = 64 }`.
    #[serde(default = "ChurnWorkload::default_value_size")]
    pub value_size: SizeRange,
    /// How much of what a worker has stored it deletes once a quota refuses a SET, in percent, 1 to 100; at least one key.
    /// Default 10.
    #[serde(default = "ChurnWorkload::default_release")]
    #[schemars(range(min = 1, max = 100))]
    pub release: u32,
    /// How many of the SETs let their key expire, in percent, 0 to 100. Default 0.
    #[serde(default)]
    #[schemars(range(min = 0, max = 100))]
    pub expiring: u32,
    /// After how long such a key expires. Default `{ min = "1s", max = "5s" }`.
    #[serde(default = "ChurnWorkload::default_px")]
    pub px: DurationRange,
    /// How many operations are a GET of a key that was stored, in percent, 0 to 90. Default 5.
    #[serde(default = "ChurnWorkload::default_reads")]
    #[schemars(range(min = 0, max = 90))]
    pub reads: u32,
    /// Pause of a worker between a reply and its next operation. Default none.
    #[serde(default)]
    pub pause: DurationRange,
    /// Operations that a client has open at once, 1 to 64. Default 1.
    #[serde(default = "ChurnWorkload::default_in_flight")]
    #[schemars(range(min = 1, max = 64))]
    pub in_flight: u32,
}

impl ChurnWorkload {
    fn default_keys() -> u32 {
        1000
    }

    fn default_value_size() -> SizeRange {
        SizeRange { min: 16, max: 64 }
    }

    fn default_release() -> u32 {
        10
    }

    fn default_px() -> DurationRange {
        DurationRange { min: Duration::from_secs(1), max: Duration::from_secs(5) }
    }

    fn default_reads() -> u32 {
        5
    }

    fn default_in_flight() -> u32 {
        1
    }

    /// Checks what the types cannot say.
    pub(super) fn check(&self, place: &Place<'_>) -> Checked {
        place.require_within("keys", self.keys, 1..=10_000_000)?;
        place.size_range("value_size", self.value_size, 1..=65_000)?;
        place.require_within("release", self.release, 1..=100)?;
        place.require_within("expiring", self.expiring, 0..=100)?;
        place.duration_range("px", self.px)?;
        place.require(self.px.min >= Duration::from_millis(1), "px", || {
            "a key cannot expire after less than 1 ms; let `min` be \"1ms\" or more".to_owned()
        })?;
        place.require_within("reads", self.reads, 0..=90)?;
        place.duration_range("pause", self.pause)?;
        place.require_within("in_flight", self.in_flight, 1..=64)
    }
}
