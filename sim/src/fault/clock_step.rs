//! A host's wall clock is set, forwards or back. Its monotonic clock goes on as before.

use std::time::Duration;

use mayfly_reports::Expectation;
use mayfly_settings::duration;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Fault, Targets, all, in_order};
use crate::history::clocks::{ClockOf, Step};
use crate::history::{ClientIndex, Operation, Reply};
use crate::judge::{Sighting, Span};
use crate::nemesis::FaultRecord;
use crate::scenario::{Checked, Place, Scenario};
use crate::world::{BROKER, World};

/// What a step lasts that is never taken back: long enough to be over before another fault of the same host.
const MOMENT: Duration = Duration::from_millis(1);

/// A host's wall clock is set.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ClockStep {
    /// `broker`, a client, or a group of clients. Required.
    pub target: String,
    /// When it is set. Required.
    #[serde(with = "duration::Text")]
    pub at: Duration,
    /// By how much, back with a leading `-`. Whole milliseconds, not 0, at most a day. Required.
    #[serde(rename = "by", with = "duration::SignedMsText")]
    pub by_ms: i64,
    /// How long until it is set back by as much. Default never.
    #[serde(default, rename = "for", with = "duration::OptionalText")]
    pub duration: Option<Duration>,
}

impl ClockStep {
    fn is_brokers(&self) -> bool {
        self.target == BROKER
    }

    fn set(&self, world: &mut World<'_>, targets: &Targets<'_>, by_ms: i64) {
        if self.is_brokers() {
            world.step_clock(ClockOf::Broker, BROKER, by_ms);
        } else {
            targets
                .0
                .iter()
                .for_each(|(client, name)| world.step_clock(ClockOf::Client(*client), name, by_ms));
        }
    }

    /// The step of a clock that this fault made.
    fn step_of<'h>(&self, span: &Span<'h>, whose: ClockOf) -> Option<&'h Step> {
        let mut steps = span.history.clocks.of(whose).steps.iter();
        steps.find(|step| step.at_ns == span.fired_ns && step.by_ms == self.by_ms)
    }

    /// Replies with versions that the broker's clock could not have led to but for the step.
    fn versions_seen(&self, span: &Span<'_>) -> Vec<Sighting> {
        let history = span.history;
        let broker = &history.clocks.broker;
        let Some(step) = self.step_of(span, ClockOf::Broker) else { return Vec::new() };
        let sighting = |operation: &Operation| {
            let (reply, completed_ns) = operation.reply()?;
            let (Reply::Stored { version } | Reply::Deleted { version }) = reply else { return None };
            if operation.invoked_ns < span.fired_ns {
                return None;
            }
            let wall_ms = version.wall_clock_ms;
            let shows = if self.by_ms < 0 {
                wall_ms < broker.reading_without(step, operation.invoked_ns)
            } else {
                // No clock had shown as much, nor would the broker's have.
                let highest = |clock: &crate::history::clocks::WallClock| clock.range_ms(0, completed_ns).1;
                let clients = history.clocks.clients.iter().map(highest).max().unwrap_or(0);
                let before = broker.range_ms(0, span.fired_ns.saturating_sub(1)).1;
                wall_ms > clients.max(before).max(broker.reading_without(step, completed_ns))
            };
            let what = format!("{} {} was given version {version}", operation.call.verb(), operation.id);
            shows.then_some((completed_ns, operation.client, what))
        };
        span.operations().filter_map(sighting).collect()
    }

    /// Clients that dated something after their clock was set.
    fn readings_seen(&self, span: &Span<'_>) -> Vec<Sighting> {
        let sighting = |client: ClientIndex| {
            let step = self.step_of(span, ClockOf::Client(client))?;
            Some((step.first_read_ns?, client, "read its clock, which had been set".to_owned()))
        };
        span.targets().filter_map(sighting).collect()
    }
}

impl Fault for ClockStep {
    fn kind(&self) -> &'static str {
        "clock-step"
    }

    fn floor(&self) -> &'static str {
        "clock_step"
    }

    fn at(&self) -> Duration {
        self.at
    }

    fn lasts(&self) -> Option<(&'static str, Duration)> {
        Some(("for", self.duration.unwrap_or(MOMENT)))
    }

    fn validate(&self, place: &Place<'_>) -> Checked {
        if !self.is_brokers() {
            place.known_clients("target", &self.target)?;
        }
        place.require(self.by_ms != 0, "by", || {
            "`by` is 0, but a clock that is set shows another time".to_owned()
        })?;
        place.require(self.by_ms.unsigned_abs() <= 86_400_000, "by", || "`by` is more than a day".to_owned())
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

    fn begin(&self, world: &mut World<'_>, targets: &Targets<'_>) {
        self.set(world, targets, self.by_ms);
    }

    fn end(&self, world: &mut World<'_>, targets: &Targets<'_>) -> usize {
        if self.duration.is_some() {
            self.set(world, targets, -self.by_ms);
        }
        0
    }

    fn sightings(&self, span: &Span<'_>) -> Vec<Sighting> {
        if self.is_brokers() { self.versions_seen(span) } else { self.readings_seen(span) }
    }

    fn expectations(&self, _span: &Span<'_>) -> Vec<Expectation> {
        Vec::new()
    }

    fn target(&self, clients: &[&str]) -> String {
        if self.is_brokers() { BROKER.to_owned() } else { clients.join(", ") }
    }

    fn effect(&self, _record: &FaultRecord) -> String {
        let way = if self.by_ms < 0 { "back" } else { "forwards" };
        let back = if self.duration.is_some() { ", and later set it back" } else { "" };
        format!("set the wall clock {way} by {} ms{back}", self.by_ms.unsigned_abs())
    }
}
