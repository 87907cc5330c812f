//! A process is killed and loses what it had in memory.

use std::time::Duration;

use mayfly_reports::Expectation;
use mayfly_settings::duration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Targets, all, in_order};
use crate::history::{ClientIndex, Outcome};
use crate::judge::{Sighting, Span, at_least};
use crate::nemesis::FaultRecord;
use crate::scenario::{Checked, Place, Scenario};
use crate::world::{BROKER, World};

/// A process is killed and loses what it had in memory.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Crash {
    /// `broker`, or a client. Required.
    pub target: String,
    /// When it is killed. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// How long until it runs again, above 0. Required for the broker; a client without it stays away.
    #[serde(default, rename = "for", with = "duration::OptionalText")]
    pub duration: Option<Duration>,
    /// What must be seen of it.
    #[serde(default)]
    pub expect: CrashExpect,
}

/// `expect` of a crash: least counts; a key left out expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct CrashExpect {
    /// Operations of unknown outcome that were in flight when it struck.
    pub unknown_outcomes: u32,
    /// Operations that the target (for the broker: all clients) invokes and completes once it is back.
    pub completed_after: u32,
}

impl Crash {
    fn is_brokers(&self) -> bool {
        self.target == BROKER
    }
}

impl Fault for Crash {
    fn kind(&self) -> &'static str {
        "crash"
    }

    fn floor(&self) -> &'static str {
        "crash"
    }

    fn at(&self) -> Duration {
        self.at
    }

    fn lasts(&self) -> Option<(&'static str, Duration)> {
        self.duration.map(|duration| ("for", duration))
    }

    fn validate(&self, place: &Place<'_>) -> Checked {
        if self.is_brokers() {
            return place.require(self.duration.is_some(), "", || {
                "a crash of the broker needs `for`, the time until it runs again".to_owned()
            });
        }
        place.known_clients("target", &self.target).map(|_| ())
    }

    fn targets(&self, scenario: &Scenario) -> Vec<ClientIndex> {
        if self.is_brokers() { all(scenario) } else { in_order(scenario.resolve(&self.target)) }
    }

    fn struck(&self, scenario: &Scenario) -> Vec<String> {
        if self.is_brokers() {
            return vec![BROKER.to_owned()];
        }
        let clients = scenario.clients();
        scenario.resolve(&self.target).into_iter().map(|index| clients[index].name.clone()).collect()
    }

    fn restarts_broker(&self) -> bool {
        self.is_brokers()
    }

    fn begin(&self, world: &mut World<'_>, targets: &Targets<'_>) {
        if self.is_brokers() {
            world.crash_broker();
        } else {
            targets.0.iter().for_each(|(client, name)| world.crash_client(*client, name));
        }
    }

    fn end(&self, world: &mut World<'_>, targets: &Targets<'_>) -> usize {
        if self.is_brokers() {
            world.start_broker();
        } else {
            targets.names().for_each(|name| world.start_client(name));
        }
        0
    }

    fn sightings(&self, span: &Span<'_>) -> Vec<Sighting> {
        if self.is_brokers() { Vec::new() } else { span.killed_clients() }
    }

    fn expectations(&self, span: &Span<'_>) -> Vec<Expectation> {
        let in_flight = span.count(|operation| {
            span.is_target(operation.client)
                && operation.invoked_ns <= span.fired_ns
                && matches!(operation.outcome, Outcome::Unknown { at_ns, .. } if at_ns >= span.fired_ns)
        });
        let who = if self.is_brokers() { "all clients" } else { "the crashed client" };
        let after = format!("operations that {who} completed after the crash");
        let demands = [
            at_least(
                "operations in flight at the crash whose outcome is unknown",
                self.expect.unknown_outcomes,
                in_flight,
            ),
            at_least(&after, self.expect.completed_after, span.completed_after_heal()),
        ];
        demands.into_iter().flatten().collect()
    }

    fn target(&self, _clients: &[&str]) -> String {
        self.target.clone()
    }

    fn effect(&self, _record: &FaultRecord) -> String {
        "killed the process".to_owned()
    }
}
