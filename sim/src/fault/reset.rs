//! The connections of some clients are reset, again and again: what is under way in them is lost.

use std::time::Duration;

use mayfly_reports::Expectation;
use mayfly_settings::duration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Targets, in_order};
use crate::history::ClientIndex;
use crate::judge::{Span, at_least};
use crate::nemesis::FaultRecord;
use crate::scenario::{Checked, Place, Scenario};
use crate::world::{BROKER, World};

/// The connections of some clients are reset, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reset {
    /// When it strikes first. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// How long from one time to the next; above 0. Required.
    #[serde(with = "duration::Text")]
    pub every: Duration,
    /// How often, 1 to 10000. The last is before the run's `duration` ends. Required.
    #[schemars(range(min = 1, max = 10_000))]
    pub times: u32,
    /// The clients whose connections are reset; at least one. Required.
    #[schemars(length(min = 1))]
    pub clients: Vec<String>,
    /// What must be seen of it.
    #[serde(default)]
    pub expect: ResetExpect,
}

/// `expect` of resets: least counts; a key left out expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResetExpect {
    /// Times that one of the clients found its session when it connected again.
    pub resumed: u32,
    /// Publications of the clients that had to be sent again.
    pub sent_again: u32,
}

impl Fault for Reset {
    fn kind(&self) -> &'static str {
        "reset"
    }

    fn floor(&self) -> &'static str {
        "reset"
    }

    fn at(&self) -> Duration {
        self.at
    }

    fn again_at(&self) -> Vec<Duration> {
        (1..self.times).map(|number| self.at + self.every * number).collect()
    }

    fn lasts(&self) -> Option<(&'static str, Duration)> {
        // A tick after the last one, so that the end is no strike of its own.
        Some(("times", self.every * (self.times.max(1) - 1) + Duration::from_millis(1)))
    }

    fn validate(&self, place: &Place<'_>) -> Checked {
        place.require_within("times", self.times, 1..=10_000)?;
        place.require_some_time("every", self.every)?;
        place.distinct_clients(&self.clients, "reset").map(|_| ())
    }

    fn targets(&self, scenario: &Scenario) -> Vec<ClientIndex> {
        in_order(self.clients.iter().flat_map(|name| scenario.resolve(name)).collect())
    }

    fn begin(&self, world: &mut World<'_>, targets: &Targets<'_>) {
        self.again(world, targets);
    }

    fn again(&self, world: &mut World<'_>, targets: &Targets<'_>) -> usize {
        targets.names().map(|name| world.kill_connections(name)).sum()
    }

    fn end(&self, _world: &mut World<'_>, _targets: &Targets<'_>) -> usize {
        0
    }

    fn expectations(&self, span: &Span<'_>) -> Vec<Expectation> {
        let demands = [
            at_least("sessions found again after a reset", self.expect.resumed, span.resumed()),
            at_least(
                "publications sent again after a reset",
                self.expect.sent_again,
                span.publications_sent_again(),
            ),
        ];
        demands.into_iter().flatten().collect()
    }

    fn target(&self, clients: &[&str]) -> String {
        format!("{} | {BROKER}", clients.join(", "))
    }

    fn effect(&self, record: &FaultRecord) -> String {
        format!(
            "reset every connection {} times: {} ends of connections died",
            self.times, record.killed_ends
        )
    }
}
