//! The nemesis: carries out a scenario's faults at their times, and notes what it did.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::fault::{FaultKind, Targets};
use crate::history::ClientIndex;
use crate::recorder::Recorder;
use crate::scenario::Scenario;
use crate::trace::EventKind;
use crate::world::{World, nanos};

/// What became of one fault of the scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultRecord {
    /// When it struck, in simulated nanoseconds; `None` if it never did.
    pub fired_ns: Option<u64>,
    /// When it ended; `None` if it never did.
    pub healed_ns: Option<u64>,
    /// The clients that it was aimed at.
    pub clients: Vec<ClientIndex>,
    /// Connections that it killed, counted by their ends.
    pub killed_ends: usize,
}

/// A fault's beginning or end, or what it does in between.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Moment {
    // At one and the same time an end comes before a beginning: the faults of one client do not overlap.
    End,
    Again,
    Begin,
}

/// Carries out faults.
#[derive(Debug)]
pub struct Nemesis<'a> {
    faults: &'a [FaultKind],
    names: Vec<String>,
    records: Vec<FaultRecord>,
    /// What is still to do, the last first.
    plan: Vec<(Duration, Moment, usize)>,
    recorder: Recorder,
}

impl<'a> Nemesis<'a> {
    /// Plans a scenario's faults.
    pub fn new(scenario: &'a Scenario, recorder: &Recorder) -> Self {
        let mut plan = Vec::new();
        for (index, fault) in scenario.faults.iter().enumerate() {
            plan.push((fault.at(), Moment::Begin, index));
            plan.extend(fault.again_at().into_iter().map(|at| (at, Moment::Again, index)));
            plan.extend(fault.lasts().map(|(_, lasts)| (fault.at() + lasts, Moment::End, index)));
        }
        plan.sort_unstable_by(|a, b| b.cmp(a));
        let records = scenario
            .faults
            .iter()
            .map(|fault| FaultRecord { clients: fault.targets(scenario), ..FaultRecord::default() });
        Self {
            faults: &scenario.faults,
            names: scenario.clients().into_iter().map(|client| client.name).collect(),
            records: records.collect(),
            plan,
            recorder: recorder.clone(),
        }
    }

    /// Does what is due.
    pub fn act(&mut self, world: &mut World<'_>) {
        let now = world.elapsed();
        while let Some(&(at, moment, index)) = self.plan.last() {
            if at > now {
                return;
            }
            self.plan.pop();
            let fault = &self.faults[index];
            self.recorder.trace(
                nanos(now),
                EventKind::Fault,
                fault.kind(),
                format!("{moment:?} {index}").as_bytes(),
            );
            let targets = self.targets(index);
            let killed_ends = match moment {
                Moment::Begin => {
                    fault.begin(world, &targets);
                    0
                }
                Moment::Again => fault.again(world, &targets),
                Moment::End => fault.end(world, &targets),
            };
            let record = &mut self.records[index];
            record.killed_ends += killed_ends;
            match moment {
                Moment::Begin => record.fired_ns = Some(nanos(now)),
                Moment::Again => {}
                Moment::End => record.healed_ns = Some(nanos(now)),
            }
        }
    }

    /// What became of each fault, in the order of the scenario.
    pub fn records(&self) -> &[FaultRecord] {
        &self.records
    }

    fn targets(&self, fault: usize) -> Targets<'_> {
        let clients = &self.records[fault].clients;
        Targets(clients.iter().map(|client| (*client, self.names[client.0].as_str())).collect())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;
    use crate::history::History;
    use crate::trace::Trace;

    const CLIENTS: &str = r#"
        description = "x"
        [run]
        duration = "20s"
        [[clients]]
        name = "group"
        count = 2
        [clients.workload]
        kind = "register"
        [[clients]]
        name = "alice"
        [clients.workload]
        kind = "register"
    "#;

    /// What is to be done at which second about which fault.
    type Plan = Vec<(u64, Moment, usize)>;

    /// The plan, and the clients that each fault is aimed at.
    fn planned(faults: &str) -> (Plan, Vec<Vec<usize>>) {
        let scenario = Scenario::parse(&format!("{CLIENTS}{faults}"), "x.toml").unwrap();
        let recorder = Recorder::new(History::default(), Trace::new("", 0));
        let nemesis = Nemesis::new(&scenario, &recorder);
        let plan = nemesis.plan.iter().rev().map(|(at, moment, index)| (at.as_secs(), *moment, *index));
        let targets = nemesis.records().iter();
        (
            plan.collect(),
            targets.map(|record| record.clients.iter().map(|client| client.0).collect()).collect(),
        )
    }

    #[test]
    fn faults_begin_and_end_in_the_order_of_their_times() {
        let (plan, _) = planned(
            r#"
            [[faults]]
            kind = "restart"
            at = "5s"
            down_for = "3s"
            [[faults]]
            kind = "partition"
            at = "2s"
            for = "4s"
            clients = ["alice"]
            mode = "delay"
            [[faults]]
            kind = "crash"
            target = "alice"
            at = "6s"
            "#,
        );
        // The partition of alice ends before her crash begins. She never comes back.
        let expected = [
            (2, Moment::Begin, 1),
            (5, Moment::Begin, 0),
            (6, Moment::End, 1),
            (6, Moment::Begin, 2),
            (8, Moment::End, 0),
        ];
        assert_eq!(plan, expected);
    }

    #[test]
    fn a_fault_is_aimed_at_those_that_it_names_and_the_brokers_at_all() {
        let (_, targets) = planned(
            r#"
            [[faults]]
            kind = "partition"
            at = "1s"
            for = "1s"
            clients = ["alice", "group-2"]
            mode = "delay"
            [[faults]]
            kind = "crash"
            target = "group"
            at = "3s"
            for = "1s"
            [[faults]]
            kind = "crash"
            target = "broker"
            at = "5s"
            for = "1s"
            "#,
        );
        assert_eq!(targets, [vec![1, 2], vec![0, 1], vec![0, 1, 2]]);
    }
}
