//! The store's quotas are lowered for a while, as an operator does who runs out of memory.

use std::time::Duration;

use mayfly_reports::Expectation;
use mayfly_settings::duration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Targets, all};
use crate::history::{Call, ClientIndex, Operation, Outcome, Reply};
use crate::judge::{Sighting, Span, at_least};
use crate::nemesis::FaultRecord;
use crate::scenario::{Checked, Place, Scenario};
use crate::world::{BROKER, World};

/// The store's quotas are lowered for a while. What is stored stays, also where it is more than that.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QuotaPressure {
    /// From when on. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// How long; above 0. Required.
    #[serde(rename = "for", with = "duration::Text")]
    pub lasts: Duration,
    /// Keys that the store may hold meanwhile. This or `max_store_bytes` is required, and is below that of the broker.
    #[serde(default)]
    pub max_keys: Option<u32>,
    /// What they may occupy meanwhile, in bytes.
    #[serde(default)]
    pub max_store_bytes: Option<u64>,
    /// What must be seen of it.
    #[serde(default)]
    pub expect: QuotaPressureExpect,
}

/// `expect` of quota pressure: least counts; a key left out expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct QuotaPressureExpect {
    /// SETs that the store refused for a quota meanwhile.
    pub refused: u32,
    /// SETs that it accepted meanwhile: of keys that it has, or after others were deleted.
    pub accepted: u32,
    /// SETs that it accepted afterwards.
    pub accepted_after: u32,
}

impl Fault for QuotaPressure {
    fn kind(&self) -> &'static str {
        "quota-pressure"
    }

    fn floor(&self) -> &'static str {
        "quota_pressure"
    }

    fn at(&self) -> Duration {
        self.at
    }

    fn lasts(&self) -> Option<(&'static str, Duration)> {
        Some(("for", self.lasts))
    }

    fn validate(&self, place: &Place<'_>) -> Checked {
        let limits = place.scenario().broker.limits;
        place.require(self.max_keys.is_some() || self.max_store_bytes.is_some(), "", || {
            "there is nothing that is lowered; add `max_keys` or `max_store_bytes`".to_owned()
        })?;
        let keys = self.max_keys.unwrap_or(0);
        place.require(keys < limits.max_keys, "max_keys", || {
            format!("`max_keys` is {keys}, which is no less than the broker's {}", limits.max_keys)
        })?;
        let bytes = self.max_store_bytes.unwrap_or(0);
        place.require(bytes < limits.max_store_bytes, "max_store_bytes", || {
            format!(
                "`max_store_bytes` is {bytes}, which is no less than the broker's {}",
                limits.max_store_bytes
            )
        })
    }

    fn targets(&self, scenario: &Scenario) -> Vec<ClientIndex> {
        all(scenario)
    }

    fn struck(&self, _scenario: &Scenario) -> Vec<String> {
        vec![BROKER.to_owned()]
    }

    fn begin(&self, world: &mut World<'_>, _targets: &Targets<'_>) {
        world.change_limits(|limits| {
            limits.max_keys = self.max_keys.unwrap_or(limits.max_keys);
            limits.max_store_bytes = self.max_store_bytes.unwrap_or(limits.max_store_bytes);
        });
    }

    fn end(&self, world: &mut World<'_>, _targets: &Targets<'_>) -> usize {
        world.change_limits(|_| ());
        0
    }

    fn severs(&self) -> bool {
        false
    }

    /// SETs that were refused for a quota while it was lowered.
    fn sightings(&self, span: &Span<'_>) -> Vec<Sighting> {
        let refused = span.operations().filter(|operation| operation.was_refused_for_quota());
        let sighting = |operation: &Operation| {
            let Outcome::Failed { completed_ns, .. } = operation.outcome else { return None };
            let meanwhile = operation.invoked_ns >= span.fired_ns && completed_ns <= span.healed_ns;
            let what = format!("{} {} was refused for the quota", operation.call.verb(), operation.id);
            meanwhile.then_some((completed_ns, operation.client, what))
        };
        refused.filter_map(sighting).collect()
    }

    fn expectations(&self, span: &Span<'_>) -> Vec<Expectation> {
        let sets = |is: &dyn Fn(u64, bool) -> bool| {
            span.count(|operation| match (&operation.call, &operation.outcome) {
                (Call::Set { .. }, Outcome::Ok { reply: Reply::Stored { .. }, .. }) => {
                    is(operation.invoked_ns, true)
                }
                (Call::Set { .. }, _) if operation.was_refused_for_quota() => is(operation.invoked_ns, false),
                _ => false,
            })
        };
        let meanwhile = |at_ns: u64| (span.fired_ns..span.healed_ns).contains(&at_ns);
        let demands = [
            at_least(
                "SETs that the lowered quota refused",
                self.expect.refused,
                sets(&|at_ns, accepted| meanwhile(at_ns) && !accepted),
            ),
            at_least(
                "SETs accepted under the lowered quota",
                self.expect.accepted,
                sets(&|at_ns, accepted| meanwhile(at_ns) && accepted),
            ),
            at_least(
                "SETs accepted after the quota was raised",
                self.expect.accepted_after,
                sets(&|at_ns, accepted| at_ns >= span.healed_ns && accepted),
            ),
        ];
        demands.into_iter().flatten().collect()
    }

    fn target(&self, _clients: &[&str]) -> String {
        BROKER.to_owned()
    }

    fn effect(&self, _record: &FaultRecord) -> String {
        let keys = self.max_keys.map(|keys| format!("{keys} keys"));
        let bytes = self.max_store_bytes.map(|bytes| format!("{bytes} bytes"));
        let quota: Vec<_> = keys.into_iter().chain(bytes).collect();
        format!("lowered the store's quota to {}", quota.join(" and "))
    }
}
