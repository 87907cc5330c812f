//! The keys of `[clients.workload]` with `kind = "watch"`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::model::DurationRange;
use crate::scenario::{Checked, Place};

/// Clients that watch some keys that all share, write them, and come and go. Each written value is unique.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchWorkload {
    /// How many keys, 1 to 1000: `watched-0`, `watched-1`, … shared by all groups. Default 4.
    #[serde(default = "WatchWorkload::default_keys")]
    #[schemars(range(min = 1, max = 1000))]
    pub keys: u32,
    /// How often each operation is chosen. Default `{ set = 60, get = 25, del = 15 }`.
    #[serde(default = "WatchMix::balanced")]
    pub mix: WatchMix,
    /// The life of a value that is written to expire. Default `{ min = "50ms", max = "500ms" }`.
    #[serde(default = "WatchWorkload::default_life")]
    pub life: DurationRange,
    /// Pause of a client between one operation and its next, whether or not that has its response. Default
    /// `{ min = "5ms", max = "50ms" }`.
    #[serde(default = "WatchWorkload::default_pause")]
    pub pause: DurationRange,
    /// Operations that a client has open at once, 1 to 16. Default 4.
    #[serde(default = "WatchWorkload::default_in_flight")]
    #[schemars(range(min = 1, max = 16))]
    pub in_flight: u32,
    /// How long a client is connected until it registers for each key. Default `{ min = "0ms", max = "0ms" }`.
    #[serde(default)]
    pub settle: DurationRange,
    /// How long a client watches a key until it stops, and how long until it does so again. Default: it never stops.
    #[serde(default)]
    pub stop: Option<DurationRange>,
    /// How a client ends its connection, drawn anew each time, after how long. Default: it stays.
    #[serde(default)]
    pub churn: Option<WatchChurn>,
}

/// How a client ends its connection.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WatchChurn {
    /// `"cut"`: it closes the connection without a word, and connects anew after `reconnect_delay`. `"takeover"`: it
    /// connects while the old connection is open, which the broker has to end. Required, not empty.
    #[schemars(length(min = 1))]
    pub how: Vec<Leave>,
    /// How long it is connected before. Required.
    pub connected: DurationRange,
}

/// See [`WatchChurn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Leave {
    /// The client closes the connection.
    Cut,
    /// A second connection of the same client takes over.
    Takeover,
}

/// Weights of the operations; a key left out weighs 0, and the sum is above 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WatchMix {
    /// SET.
    pub set: u32,
    /// SET with an expiry.
    pub set_px: u32,
    /// GET.
    pub get: u32,
    /// DEL.
    pub del: u32,
}

impl WatchWorkload {
    fn default_keys() -> u32 {
        4
    }

    fn default_life() -> DurationRange {
        DurationRange { min: Duration::from_millis(50), max: Duration::from_millis(500) }
    }

    fn default_pause() -> DurationRange {
        DurationRange { min: Duration::from_millis(5), max: Duration::from_millis(50) }
    }

    fn default_in_flight() -> u32 {
        4
    }

    /// Checks what the types cannot say.
    pub(super) fn check(&self, place: &Place<'_>) -> Checked {
        place.require_within("keys", self.keys, 1..=1000)?;
        place.require(self.mix.total() > 0, "mix", || {
            "every weight in `mix` is 0, so there is nothing to do; give one a weight, such as `get = 1`"
                .to_owned()
        })?;
        place.duration_range("life", self.life)?;
        place.require_some_time("life.min", self.life.min)?;
        place.duration_range("pause", self.pause)?;
        place.require_within("in_flight", self.in_flight, 1..=16)?;
        place.duration_range("settle", self.settle)?;
        if let Some(stop) = self.stop {
            place.duration_range("stop", stop)?;
            place.require_some_time("stop.min", stop.min)?;
        }
        if let Some(churn) = &self.churn {
            place.require(!churn.how.is_empty(), "churn.how", || {
                "`how` is empty; name how the client leaves, such as `\"cut\"`".to_owned()
            })?;
            place.duration_range("churn.connected", churn.connected)?;
            place.require_some_time("churn.connected.min", churn.connected.min)?;
        }
        Ok(())
    }
}

impl WatchMix {
    fn balanced() -> Self {
        Self { set: 60, set_px: 0, get: 25, del: 15 }
    }

    /// The sum of the weights.
    pub(super) fn total(self) -> u64 {
        [self.set, self.set_px, self.get, self.del].map(u64::from).iter().sum()
    }
}
