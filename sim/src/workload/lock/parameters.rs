//! The keys of `[clients.workload]` with `kind = "lock"`.

use std::time::Duration;

use mayfly_settings::duration::{self, written};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::model::DurationRange;
use crate::scenario::{Checked, Place};

/// Contenders for locks, and what a holder does to the keys that its lock protects. Each written value is unique.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LockWorkload {
    /// How many locks, 1 to 100: `lock-0`, `lock-1`, … shared by all groups. Default 1.
    #[serde(default = "LockWorkload::default_locks")]
    #[schemars(range(min = 1, max = 100))]
    pub locks: u32,
    /// How many keys each lock protects, 1 to 100: `protected-0-0`, … by lock and key. Default 2.
    #[serde(default = "LockWorkload::default_keys")]
    #[schemars(range(min = 1, max = 100))]
    pub keys: u32,
    /// For how long a lock is held without being renewed, from 100 ms. Default `"2s"`.
    #[serde(default = "LockWorkload::default_lease", with = "duration::Text")]
    pub lease: Duration,
    /// How long a holder keeps a lock that it does not lose. Default `{ min = "500ms", max = "4s" }`.
    #[serde(default = "LockWorkload::default_hold")]
    pub hold: DurationRange,
    /// Pause of a holder between two requests. Default `{ min = "20ms", max = "100ms" }`.
    #[serde(default = "LockWorkload::default_pause")]
    pub pause: DurationRange,
    /// Pause of a client between one lock and its next. Default `{ min = "100ms", max = "1s" }`.
    #[serde(default = "LockWorkload::default_idle")]
    pub idle: DurationRange,
    /// Pause of a client that waits for a lock between two GETs of what the lock protects. Default
    /// `{ min = "100ms", max = "400ms" }`.
    #[serde(default = "LockWorkload::default_look")]
    pub look: DurationRange,
    /// How often a holder chooses each request. Default `{ set = 80, get = 10, del = 5, unfenced = 5 }`.
    #[serde(default = "LockMix::balanced")]
    pub mix: LockMix,
    /// Whether holders stand still at times, before a SET or DEL. Default never.
    #[serde(default)]
    pub stall: Option<Stall>,
}

/// A holder's process stands still between the look at its lock and the write that it sends then: nothing goes out or
/// comes in, so the lock is not renewed either.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stall {
    /// Before one request in so many, from 1. Required.
    #[schemars(range(min = 1))]
    pub one_in: u32,
    /// For how long, above 0 and below the run's `duration`. Required. Beyond one and a half Keep Alives the broker ends the connection.
    #[serde(rename = "for")]
    pub duration: DurationRange,
}

/// Weights of a holder's requests; a key left out weighs 0, and `set` and `del` do not both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct LockMix {
    /// SET with the lock's fencing token.
    pub set: u32,
    /// GET.
    pub get: u32,
    /// DEL with the lock's fencing token.
    pub del: u32,
    /// SET or DEL without a fencing token, which the store accepts only while the key has none.
    pub unfenced: u32,
}

impl LockWorkload {
    fn default_locks() -> u32 {
        1
    }

    fn default_keys() -> u32 {
        2
    }

    fn default_lease() -> Duration {
        Duration::from_secs(2)
    }

    fn default_hold() -> DurationRange {
        DurationRange { min: Duration::from_millis(500), max: Duration::from_secs(4) }
    }

    fn default_pause() -> DurationRange {
        DurationRange { min: Duration::from_millis(20), max: Duration::from_millis(100) }
    }

    fn default_idle() -> DurationRange {
        DurationRange { min: Duration::from_millis(100), max: Duration::from_secs(1) }
    }

    fn default_look() -> DurationRange {
        DurationRange { min: Duration::from_millis(100), max: Duration::from_millis(400) }
    }

    /// Checks what the types cannot say.
    pub(super) fn check(&self, place: &Place<'_>) -> Checked {
        place.require_within("locks", self.locks, 1..=100)?;
        place.require_within("keys", self.keys, 1..=100)?;
        place.require(self.lease >= Duration::from_millis(100), "lease", || {
            "`lease` is too short to be renewed in time; give it at least 100ms".to_owned()
        })?;
        place.duration_range("hold", self.hold)?;
        place.duration_range("pause", self.pause)?;
        place.duration_range("idle", self.idle)?;
        place.duration_range("look", self.look)?;
        place.require(self.mix.set > 0 || self.mix.del > 0, "mix", || {
            "neither `set` nor `del` has a weight in `mix`, so a holder has no use for its token; give one a \
             weight, such as `set = 1`"
                .to_owned()
        })?;
        if let Some(stall) = self.stall {
            place.require(stall.one_in > 0, "stall.one_in", || {
                "`one_in` is 0, but must be from 1".to_owned()
            })?;
            place.duration_range("stall.for", stall.duration)?;
            place.require(stall.duration.min > Duration::ZERO, "stall.for", || {
                "`for` begins at 0, but a holder stands still for some time; give it a `min` above 0"
                    .to_owned()
            })?;
            let run = place.scenario().run.duration;
            place.require(stall.duration.max < run, "stall.for", || {
                format!(
                    "a holder may stand still for {}, but the run ends at {}; let it stand still for less",
                    written(stall.duration.max),
                    written(run)
                )
            })?;
        }
        Ok(())
    }
}

impl LockMix {
    fn balanced() -> Self {
        Self { set: 80, get: 10, del: 5, unfenced: 5 }
    }

    /// The sum of the weights.
    pub(super) fn total(self) -> u64 {
        [self.set, self.get, self.del, self.unfenced].map(u64::from).iter().sum()
    }
}
