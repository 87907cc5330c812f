//! The keys of `[clients.workload]` with `kind = "store"`.

use std::time::Duration;

use mayfly_settings::duration;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::scenario::model::DurationRange;
use crate::scenario::{Checked, Place};

/// Writes values with and without a life, reads them around its end, watches keys, and sends again what a lost connection left
/// unacknowledged.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreWorkload {
    /// What the keys are called: `prefix-0`, `prefix-1`, …; groups with the same prefix share them. Default `"store"`.
    #[serde(default = "StoreWorkload::default_prefix")]
    #[schemars(length(min = 1, max = 64))]
    pub prefix: String,
    /// How many keys, 1 to 10000. Default 4.
    #[serde(default = "StoreWorkload::default_keys")]
    #[schemars(range(min = 1, max = 10_000))]
    pub keys: u32,
    /// How often each operation is chosen. Required.
    pub mix: Mix,
    /// The life (`PX`) of values that have one; above 0, whole milliseconds. Default `{ min = "100ms", max = "2s" }`.
    #[serde(default = "StoreWorkload::default_px")]
    pub px: DurationRange,
    /// How long before and after the end of a value's life its writer reads it; each time drawn up to this. Default `"0ms"`, which
    /// does not read.
    #[serde(default, with = "duration::Text")]
    pub probe: Duration,
    /// Whether it watches every key, from each connect on. Default false.
    #[serde(default)]
    pub watch: bool,
    /// Pause between two operations; its greatest above 0. Default `{ min = "5ms", max = "50ms" }`.
    #[serde(default = "StoreWorkload::default_pause")]
    pub pause: DurationRange,
    /// Operations without a reply at once, 1 to 16. Default 1.
    #[serde(default = "StoreWorkload::default_in_flight")]
    #[schemars(range(min = 1, max = 16))]
    pub in_flight: u32,
    /// Whether a request that is sent again has the DUP flag, as MQTT demands and not every client does. Default true.
    #[serde(default = "StoreWorkload::default_dup")]
    pub dup: bool,
    /// How far ahead of the client's wall clock the fencing tokens of `set_fenced` are, or behind with a leading `-`. Whole
    /// milliseconds. Default `"0ms"`.
    #[serde(default, rename = "token_ahead", with = "duration::SignedMsText")]
    pub token_ahead_ms: i64,
}

/// Weights of the operations; a key left out weighs 0, and the sum is above 0, unless the client watches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// GET.
    pub get: u32,
    /// SET, which ends a life that the value before had.
    pub set: u32,
    /// SET PX.
    pub set_px: u32,
    /// SET NX.
    pub set_nx: u32,
    /// SET NX PX.
    pub set_nx_px: u32,
    /// SET NEX PX with the value that the client last stored there: a renewal, where that is still the value.
    pub renew: u32,
    /// SET with a fencing token, of a key of the client's own.
    pub set_fenced: u32,
    /// DEL.
    pub del: u32,
    /// VDEL with the value that the client last stored.
    pub vdel: u32,
    /// KEYNOTIFY, and the next time KEYNOTIFY STOP.
    pub keynotify: u32,
}

impl StoreWorkload {
    fn default_prefix() -> String {
        "store".to_owned()
    }

    fn default_keys() -> u32 {
        4
    }

    fn default_px() -> DurationRange {
        DurationRange { min: Duration::from_millis(100), max: Duration::from_secs(2) }
    }

    fn default_pause() -> DurationRange {
        DurationRange { min: Duration::from_millis(5), max: Duration::from_millis(50) }
    }

    fn default_in_flight() -> u32 {
        1
    }

    fn default_dup() -> bool {
        true
    }

    /// Checks what the types cannot say.
    pub(super) fn check(&self, place: &Place<'_>) -> Checked {
        place.require(!self.prefix.is_empty() && self.prefix.len() <= 64, "prefix", || {
            "`prefix` must have 1 to 64 bytes".to_owned()
        })?;
        place.require_within("keys", self.keys, 1..=10_000)?;
        place.require(self.mix.total() > 0 || self.watch, "mix", || {
            "every weight in `mix` is 0, so there is nothing to do; give one a weight, such as `get = 1`, or add `watch = true`"
                .to_owned()
        })?;
        place.duration_range("px", self.px)?;
        let whole_ms = |duration: Duration| duration.subsec_nanos().is_multiple_of(1_000_000);
        let px_ok = self.px.min > Duration::ZERO && whole_ms(self.px.min) && whole_ms(self.px.max);
        place.require(px_ok, "px", || {
            "`px` must be above 0 and in whole milliseconds, as PX has it".to_owned()
        })?;
        place.duration_range("pause", self.pause)?;
        place.require_some_time("pause", self.pause.max)?;
        place.require_within("in_flight", self.in_flight, 1..=16)?;
        place.require(self.token_ahead_ms.unsigned_abs() <= 86_400_000, "token_ahead", || {
            "`token_ahead` is more than a day".to_owned()
        })
    }

    /// Whether it ever invokes an operation, a key of `[expect.operations]`.
    pub(super) fn can_invoke(&self, operation: &str) -> bool {
        let mix = self.mix;
        match operation {
            "get" => {
                mix.get > 0
                    || (self.probe > Duration::ZERO && [mix.set_px, mix.set_nx_px, mix.renew] != [0; 3])
            }
            "set" => [mix.set, mix.set_px, mix.set_fenced] != [0; 3],
            "set_nx" => [mix.set_nx, mix.set_nx_px] != [0; 2],
            "set_nex" => mix.renew > 0,
            "del" => mix.del > 0,
            "vdel" => mix.vdel > 0,
            "keynotify" => mix.keynotify > 0 || self.watch,
            _ => false,
        }
    }
}

impl Mix {
    /// The weights, in the order of the keys.
    pub(super) fn weights(self) -> [u32; 10] {
        [
            self.get,
            self.set,
            self.set_px,
            self.set_nx,
            self.set_nx_px,
            self.renew,
            self.set_fenced,
            self.del,
            self.vdel,
            self.keynotify,
        ]
    }

    fn total(self) -> u64 {
        self.weights().map(u64::from).iter().sum()
    }
}
