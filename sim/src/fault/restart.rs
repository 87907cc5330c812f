//! The broker's process is killed and started anew, empty.

use std::time::Duration;

use mayfly_reports::Expectation;
use mayfly_settings::duration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Targets, all};
use crate::history::{Call, ClientIndex};
use crate::judge::{Span, at_least, completed_ns};
use crate::nemesis::FaultRecord;
use crate::scenario::{Checked, Place, Scenario};
use crate::world::{BROKER, World};

/// The broker's process is killed and started anew, empty.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Restart {
    /// When the process is killed. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// How long until it runs again; above 0. Default `"1s"`.
    #[serde(default = "Restart::default_down_for", with = "duration::Text")]
    pub down_for: Duration,
    /// What must be seen of it.
    #[serde(default)]
    pub expect: RestartExpect,
}

/// `expect` of a restart: least counts; a key left out expects nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RestartExpect {
    /// Writes acknowledged before it.
    pub acknowledged_before: u32,
    /// Sessions that clients find absent when they first connect after it.
    pub sessions_absent: u32,
    /// Operations invoked and completed after it.
    pub completed_after: u32,
    /// Requests that were sent again after it and answered; needs a workload with `resend`.
    pub sent_again: u32,
}

impl Restart {
    fn default_down_for() -> Duration {
        Duration::from_secs(1)
    }
}

impl Fault for Restart {
    fn kind(&self) -> &'static str {
        "restart"
    }

    fn floor(&self) -> &'static str {
        "restart"
    }

    fn at(&self) -> Duration {
        self.at
    }

    fn lasts(&self) -> Option<(&'static str, Duration)> {
        Some(("down_for", self.down_for))
    }

    fn validate(&self, _place: &Place<'_>) -> Checked {
        Ok(())
    }

    fn targets(&self, scenario: &Scenario) -> Vec<ClientIndex> {
        all(scenario)
    }

    fn struck(&self, _scenario: &Scenario) -> Vec<String> {
        vec![BROKER.to_owned()]
    }

    fn restarts_broker(&self) -> bool {
        true
    }

    fn begin(&self, world: &mut World<'_>, _targets: &Targets<'_>) {
        world.crash_broker();
    }

    fn end(&self, world: &mut World<'_>, _targets: &Targets<'_>) -> usize {
        world.start_broker();
        0
    }

    fn expectations(&self, span: &Span<'_>) -> Vec<Expectation> {
        let expect = self.expect;
        let acknowledged = span.count(|operation| {
            !matches!(operation.call, Call::Get { .. })
                && completed_ns(operation).is_some_and(|at_ns| at_ns <= span.fired_ns)
        });
        let absent = span.targets().filter(|client| span.session_was_absent(*client)).count() as u64;
        let demands = [
            at_least("writes acknowledged before the restart", expect.acknowledged_before, acknowledged),
            at_least(
                "clients that found their session absent after the restart",
                expect.sessions_absent,
                absent,
            ),
            at_least(
                "operations completed after the restart",
                expect.completed_after,
                span.completed_after_heal(),
            ),
            at_least(
                "requests that were sent again after the restart and answered",
                expect.sent_again,
                span.sent_again(),
            ),
        ];
        demands.into_iter().flatten().collect()
    }

    fn target(&self, _clients: &[&str]) -> String {
        BROKER.to_owned()
    }

    fn effect(&self, _record: &FaultRecord) -> String {
        "killed the process, and with it all that it held in memory; started it anew".to_owned()
    }
}
