//! Some clients cannot reach the broker for a while.

use std::collections::BTreeSet;
use std::time::Duration;

use mayfly_reports::Expectation;
use mayfly_settings::duration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Targets, in_order};
use crate::history::{ClientIndex, Outcome, UnknownReason};
use crate::judge::{Sighting, Span, at_least, completed_ns};
use crate::nemesis::FaultRecord;
use crate::scenario::{Checked, Place, Scenario};
use crate::world::{BROKER, World};

/// Some clients cannot reach the broker for a while.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Partition {
    /// When it begins. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// How long it lasts; heals before the run's `duration` ends. Required, above 0.
    #[serde(rename = "for", with = "duration::Text")]
    pub duration: Duration,
    /// The clients that are cut off; at least one, and not all. Required.
    #[schemars(length(min = 1))]
    pub clients: Vec<String>,
    /// What becomes of the connections that cross it. Required.
    pub mode: PartitionMode,
    /// What must be seen of it.
    #[serde(default)]
    pub expect: PartitionExpect,
}

/// What becomes of the connections that cross a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum PartitionMode {
    /// A short outage: what was sent is delivered when the partition heals, and the connections live on.
    Delay,
    /// A long outage: when the partition heals, the connections that crossed it are dead on both ends.
    Disconnect,
}

/// `expect` of a partition: least counts; a key left out expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PartitionExpect {
    /// Operations of the clients that are cut off whose time-out falls into the partition.
    pub unknown_outcomes: u32,
    /// Operations that the other clients complete during the partition, on keys that the cut-off clients use.
    pub completed_by_others: u32,
    /// Operations that the cut-off clients invoke and complete after healing, each of them.
    pub completed_after_heal: u32,
}

impl Fault for Partition {
    fn kind(&self) -> &'static str {
        "partition"
    }

    fn floor(&self) -> &'static str {
        match self.mode {
            PartitionMode::Delay => "partition_delay",
            PartitionMode::Disconnect => "partition_disconnect",
        }
    }

    fn at(&self) -> Duration {
        self.at
    }

    fn lasts(&self) -> Option<(&'static str, Duration)> {
        Some(("for", self.duration))
    }

    fn validate(&self, place: &Place<'_>) -> Checked {
        let cut_off = place.distinct_clients(&self.clients, "cut off")?;
        place.require(cut_off.len() < place.scenario().clients().len(), "clients", || {
            "every client is cut off; leave at least one on the broker's side".to_owned()
        })
    }

    fn targets(&self, scenario: &Scenario) -> Vec<ClientIndex> {
        in_order(self.clients.iter().flat_map(|name| scenario.resolve(name)).collect())
    }

    fn begin(&self, world: &mut World<'_>, targets: &Targets<'_>) {
        world.hold(targets);
    }

    fn end(&self, world: &mut World<'_>, targets: &Targets<'_>) -> usize {
        world.release(targets, self.mode == PartitionMode::Disconnect)
    }

    fn sightings(&self, span: &Span<'_>) -> Vec<Sighting> {
        span.delayed_operations()
    }

    fn expectations(&self, span: &Span<'_>) -> Vec<Expectation> {
        let unknown = span.count(|operation| {
            span.is_target(operation.client)
                && matches!(operation.outcome, Outcome::Unknown { reason: UnknownReason::TimedOut, at_ns } if span.contains(at_ns))
        });
        let keys: BTreeSet<&[u8]> = span
            .operations()
            .filter(|operation| span.is_target(operation.client))
            .map(|operation| operation.call.key())
            .collect();
        let by_others = span.count(|operation| {
            !span.is_target(operation.client)
                && operation.invoked_ns >= span.fired_ns
                && completed_ns(operation).is_some_and(|at_ns| span.contains(at_ns))
                && keys.contains(operation.call.key())
        });
        let demands = [
            at_least(
                "time-outs of cut-off clients with unknown outcome during the partition",
                self.expect.unknown_outcomes,
                unknown,
            ),
            at_least(
                "operations that the others completed on the same keys during the partition",
                self.expect.completed_by_others,
                by_others,
            ),
            at_least(
                "operations that each cut-off client completed after healing",
                self.expect.completed_after_heal,
                span.least_after_heal(),
            ),
        ];
        demands.into_iter().flatten().collect()
    }

    fn target(&self, clients: &[&str]) -> String {
        format!("{} | {BROKER}", clients.join(", "))
    }

    fn effect(&self, record: &FaultRecord) -> String {
        match self.mode {
            PartitionMode::Delay => {
                "held back all traffic in both directions; delivered it, late, when healed".to_owned()
            }
            PartitionMode::Disconnect => format!(
                "held back all traffic in both directions; {} ends of connections died when healed",
                record.killed_ends
            ),
        }
    }
}
