//! Faults: what can go wrong in the simulated world. Each is a file: its keys in `[[faults]]`, its deeds, how clients
//! notice it, and what a scenario may demand of it. A new one is a module and a line in [`FaultKind`]'s table, and where it
//! has a floor of its own, one in [`FLOORS`].
//!
//! When a fault acts is the [`nemesis`](crate::nemesis)'s business; what is put down to it, the judge's.

mod clock_step;
mod crash;
mod half_open;
mod partition;
mod quota_pressure;
mod reset;
mod restart;

use std::fmt;
use std::time::Duration;

use mayfly_reports::Expectation;

pub use clock_step::ClockStep;
pub use crash::{Crash, CrashExpect};
pub use half_open::HalfOpen;
pub use partition::{Partition, PartitionExpect, PartitionMode};
pub use quota_pressure::{QuotaPressure, QuotaPressureExpect};
pub use reset::{Reset, ResetExpect};
pub use restart::{Restart, RestartExpect};

use crate::history::ClientIndex;
use crate::judge::{Sighting, Span};
use crate::nemesis::FaultRecord;
use crate::plug_in::plug_ins;
use crate::scenario::{Checked, Place, Scenario, Vocabulary};
use crate::world::World;

plug_ins! {
    /// `[[faults]]`, told apart by `kind`.
    FaultKind: dyn Fault {
        /// `kind = "partition"`
        Partition(Partition),
        /// `kind = "restart"`
        Restart(Restart),
        /// `kind = "crash"`
        Crash(Crash),
        /// `kind = "reset"`
        Reset(Reset),
        /// `kind = "half-open"`
        HalfOpen(HalfOpen),
        /// `kind = "clock-step"`
        ClockStep(ClockStep),
        /// `kind = "quota-pressure"`
        QuotaPressure(QuotaPressure),
    }
}

/// What `[expect.faults]` can demand: the key, and the words of a report. Each fault counts under one of them.
pub const FLOORS: [(&str, &str); 8] = [
    ("partition_delay", "partition (delay)"),
    ("partition_disconnect", "partition (disconnect)"),
    ("restart", "restart"),
    ("crash", "crash"),
    ("reset", "reset"),
    ("half_open", "half-open"),
    ("clock_step", "clock step"),
    ("quota_pressure", "quota pressure"),
];

/// The keys of `[expect.faults]`.
#[derive(Debug)]
pub struct Faults;

impl Vocabulary for Faults {
    const NAME: &'static str = "FaultFloor";

    fn words() -> &'static [&'static str] {
        const WORDS: [&str; FLOORS.len()] = {
            let mut words = [""; FLOORS.len()];
            let mut index = 0;
            while index < FLOORS.len() {
                words[index] = FLOORS[index].0;
                index += 1;
            }
            words
        };
        &WORDS
    }

    fn about(word: &str) -> &'static str {
        FLOORS.iter().find(|(known, _)| *known == word).map_or("", |(_, words)| words)
    }
}

/// One fault of a scenario.
pub trait Fault: fmt::Debug {
    /// The scenario's word for it.
    fn kind(&self) -> &'static str;

    /// The key of `[expect.faults]` that it counts under; one of [`FLOORS`].
    fn floor(&self) -> &'static str;

    /// When it strikes first.
    fn at(&self) -> Duration;

    /// When it strikes again, if it does, in order of time and before its end.
    fn again_at(&self) -> Vec<Duration> {
        Vec::new()
    }

    /// How long it lasts, and the key that says so; `None` if it is never taken back.
    fn lasts(&self) -> Option<(&'static str, Duration)>;

    /// What the types cannot say about its keys.
    fn validate(&self, place: &Place<'_>) -> Checked;

    /// The clients that it is aimed at.
    fn targets(&self, scenario: &Scenario) -> Vec<ClientIndex>;

    /// The hosts that no other fault may strike meanwhile.
    fn struck(&self, scenario: &Scenario) -> Vec<String> {
        let clients = scenario.clients();
        self.targets(scenario).into_iter().map(|client| clients[client.0].name.clone()).collect()
    }

    /// Whether the broker's process ends and starts anew.
    fn restarts_broker(&self) -> bool {
        false
    }

    /// Strikes.
    fn begin(&self, world: &mut World<'_>, targets: &Targets<'_>);

    /// Strikes again. Says how many ends of connections it killed.
    fn again(&self, world: &mut World<'_>, targets: &Targets<'_>) -> usize {
        self.begin(world, targets);
        0
    }

    /// Is taken back. Says how many ends of connections it killed.
    fn end(&self, world: &mut World<'_>, targets: &Targets<'_>) -> usize;

    /// Whether operations, connections and locks that are lost meanwhile or soon after are put down to it.
    fn severs(&self) -> bool {
        true
    }

    /// What only this kind of fault makes a client see, beside what is [lost](Self::severs) by it.
    fn sightings(&self, _span: &Span<'_>) -> Vec<Sighting> {
        Vec::new()
    }

    /// What the scenario demands of it.
    fn expectations(&self, span: &Span<'_>) -> Vec<Expectation>;

    /// What it was aimed at, in a report's words.
    fn target(&self, clients: &[&str]) -> String;

    /// What it did, in a report's words.
    fn effect(&self, record: &FaultRecord) -> String;
}

/// The clients that a fault is aimed at, with their names.
#[derive(Debug)]
pub struct Targets<'a>(pub Vec<(ClientIndex, &'a str)>);

impl<'a> Targets<'a> {
    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &'a str> {
        self.0.iter().map(|(_, name)| *name)
    }
}

/// Every client: whom a fault of the broker is aimed at.
pub(crate) fn all(scenario: &Scenario) -> Vec<ClientIndex> {
    (0..scenario.clients().len()).map(ClientIndex).collect()
}

/// Indices of clients in order, each once.
pub(crate) fn in_order(mut clients: Vec<usize>) -> Vec<ClientIndex> {
    clients.sort_unstable();
    clients.dedup();
    clients.into_iter().map(ClientIndex).collect()
}
