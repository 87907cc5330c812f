//! The keys of `[clients.workload]` with `kind = "register"`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::scenario::model::{DurationRange, SizeRange};
use crate::scenario::{Checked, Place};

/// Reads and writes of a few keys that all clients share, each written value unique.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RegisterWorkload {
    /// How many keys, 1 to 10000: `register-0`, `register-1`, … shared by all groups. Default 4.
    #[serde(default = "RegisterWorkload::default_keys")]
    #[schemars(range(min = 1, max = 10_000))]
    pub keys: u32,
    /// Length of the written values in bytes, 1 to 65000. A value is never cut below the text that makes it unique.
    /// Default `{ min = 16, max = 64 }`.
    #[serde(default = "RegisterWorkload::default_value_size")]
    pub value_size: SizeRange,
    /// How often each operation is chosen. Default `{ get = 50, set = 40, del = 5, vdel = 5 }`.
    #[serde(default = "Mix::balanced")]
    pub mix: Mix,
    /// Pause of a client between a reply and its next operation. Default `{ min = "5ms", max = "50ms" }`.
    #[serde(default = "RegisterWorkload::default_pause")]
    pub pause: DurationRange,
    /// Operations that a client has open at once, 1 to 16. Default 1.
    #[serde(default = "RegisterWorkload::default_in_flight")]
    #[schemars(range(min = 1, max = 16))]
    pub in_flight: u32,
    /// Whether a request is sent again, with the same key, value and condition, when the broker turns out to have lost
    /// the session with it. It stays one operation: its outcome is that of the last sending, and its time-out counts
    /// from the first. Default false.
    #[serde(default)]
    pub resend: bool,
}

/// Weights of the operations; a key left out weighs 0, and the sum is above 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Mix {
    /// GET.
    pub get: u32,
    /// SET.
    pub set: u32,
    /// SET NX.
    pub set_nx: u32,
    /// SET NEX.
    pub set_nex: u32,
    /// DEL.
    pub del: u32,
    /// VDEL with the value that the client last saw or wrote.
    pub vdel: u32,
}

impl RegisterWorkload {
    fn default_keys() -> u32 {
        4
    }

    fn default_value_size() -> SizeRange {
        SizeRange { min: 16, max: 64 }
    }

    fn default_pause() -> DurationRange {
        DurationRange { min: Duration::from_millis(5), max: Duration::from_millis(50) }
    }

    fn default_in_flight() -> u32 {
        1
    }

    /// Checks what the types cannot say.
    pub(super) fn check(&self, place: &Place<'_>) -> Checked {
        place.require_within("keys", self.keys, 1..=10_000)?;
        place.size_range("value_size", self.value_size, 1..=65_000)?;
        place.require(self.mix.total() > 0, "mix", || {
            "every weight in `mix` is 0, so there is nothing to do; give one a weight, such as `get = 1`"
                .to_owned()
        })?;
        place.duration_range("pause", self.pause)?;
        place.require_within("in_flight", self.in_flight, 1..=16)
    }
}

impl Mix {
    /// The default mix: mostly reads and plain writes, some deletions.
    pub fn balanced() -> Self {
        Self { get: 50, set: 40, del: 5, vdel: 5, ..Self::default() }
    }

    /// The sum of the weights.
    pub fn total(self) -> u64 {
        [self.get, self.set, self.set_nx, self.set_nex, self.del, self.vdel].map(u64::from).iter().sum()
    }

    /// The weight of an operation, by its key.
    pub(super) fn weight(self, operation: &str) -> u32 {
        match operation {
            "get" => self.get,
            "set" => self.set,
            "set_nx" => self.set_nx,
            "set_nex" => self.set_nex,
            "del" => self.del,
            "vdel" => self.vdel,
            _ => 0,
        }
    }
}
