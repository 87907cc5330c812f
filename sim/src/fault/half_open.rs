//! Connections fall silent: nothing passes any more and neither side is told, as when a machine loses its power or a NAT its
//! table. Only Keep Alive tells the broker.

use std::time::Duration;

use mayfly_reports::Expectation;
use mayfly_settings::duration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Targets, in_order};
use crate::history::ClientIndex;
use crate::judge::{Sighting, Span};
use crate::nemesis::FaultRecord;
use crate::scenario::{Checked, Place, Scenario};
use crate::world::{BROKER, World};

/// Connections fall silent, and neither side is told.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HalfOpen {
    /// When they fall silent. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// How long nothing passes, longer than one and a half Keep Alives; the dead connections are then told. Required.
    #[serde(rename = "for", with = "duration::Text")]
    pub duration: Duration,
    /// The clients; at least one, each with a Keep Alive. Required.
    #[schemars(length(min = 1))]
    pub clients: Vec<String>,
}

impl Fault for HalfOpen {
    fn kind(&self) -> &'static str {
        "half-open"
    }

    fn floor(&self) -> &'static str {
        "half_open"
    }

    fn at(&self) -> Duration {
        self.at
    }

    fn lasts(&self) -> Option<(&'static str, Duration)> {
        Some(("for", self.duration))
    }

    fn validate(&self, place: &Place<'_>) -> Checked {
        let clients = place.scenario().clients();
        for index in place.distinct_clients(&self.clients, "silent")? {
            let keep_alive = clients[index].group.keep_alive;
            place.require(keep_alive > Duration::ZERO, "clients", || {
                format!("`{}` has no Keep Alive, so nobody would notice", clients[index].name)
            })?;
            place.require(self.duration > keep_alive * 3 / 2, "for", || {
                format!(
                    "`for` must be longer than one and a half times the Keep Alive of `{}`",
                    clients[index].name
                )
            })?;
        }
        Ok(())
    }

    fn targets(&self, scenario: &Scenario) -> Vec<ClientIndex> {
        in_order(self.clients.iter().flat_map(|name| scenario.resolve(name)).collect())
    }

    fn begin(&self, world: &mut World<'_>, targets: &Targets<'_>) {
        world.hold(targets);
    }

    fn end(&self, world: &mut World<'_>, targets: &Targets<'_>) -> usize {
        world.release(targets, true)
    }

    fn sightings(&self, span: &Span<'_>) -> Vec<Sighting> {
        span.delayed_operations()
    }

    fn expectations(&self, _span: &Span<'_>) -> Vec<Expectation> {
        Vec::new()
    }

    fn target(&self, clients: &[&str]) -> String {
        format!("{} | {BROKER}", clients.join(", "))
    }

    fn effect(&self, record: &FaultRecord) -> String {
        format!(
            "let nothing pass and told neither side; {} ends of connections were left at the end",
            record.killed_ends
        )
    }
}
