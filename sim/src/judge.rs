//! What a scenario demanded of a run, and whether it got it: faults that bit, work that was done, verdicts.
//!
//! Counts what is in the history; whether the history is consistent the checkers have said before, and what is put
//! down to a fault `observation` says.

mod observation;

use std::collections::BTreeSet;

use mayfly_reports::{Conclusion, Expectation, FaultVerdict, Observation, Verdict};

use crate::check::{self, CheckReport};
use crate::history::{Call, ClientIndex, History, Operation, Outcome, SessionChange, UnknownReason};
use crate::nemesis::FaultRecord;
use crate::recorder::Records;
use crate::scenario::Scenario;
use crate::scenario::model::{
    CrashExpect, ExpectedVerdict, Fault, OperationFloor, PartitionExpect, PartitionMode, RestartExpect,
};
use crate::world::BROKER;
use observation::{Span, completed_ns};

/// What became of one fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JudgedFault {
    /// Who noticed it, in order of time.
    pub observed_by: Vec<Observation>,
    /// Whether it bit.
    pub verdict: FaultVerdict,
    /// What the scenario demanded of it.
    pub expectations: Vec<Expectation>,
}

/// Judges each fault, in the order of the scenario.
pub fn faults(scenario: &Scenario, records: &[FaultRecord], history: &History) -> Vec<JudgedFault> {
    let judge = |(fault, record)| judge_fault(fault, Span::new(history, record, records));
    scenario.faults.iter().zip(records).map(judge).collect()
}

fn judge_fault(fault: &Fault, span: Option<Span<'_>>) -> JudgedFault {
    let Some(span) = span else {
        return JudgedFault {
            observed_by: Vec::new(),
            verdict: FaultVerdict::NeverFired,
            expectations: Vec::new(),
        };
    };
    let observed_by = span.observations(fault);
    let expectations = match fault {
        Fault::Partition(partition) => span.partition(partition.expect),
        Fault::Restart(restart) => span.restart(restart.expect),
        Fault::Crash(crash) => span.crash(crash.expect, crash.target == BROKER),
    };
    let verdict = if observed_by.is_empty() { FaultVerdict::NeverObserved } else { FaultVerdict::Bit };
    JudgedFault { observed_by, verdict, expectations }
}

impl Span<'_> {
    fn partition(&self, expect: PartitionExpect) -> Vec<Expectation> {
        let unknown = self.count(|operation| {
            self.is_target(operation.client)
                && matches!(operation.outcome, Outcome::Unknown { reason: UnknownReason::TimedOut, at_ns } if self.contains(at_ns))
        });
        let keys: BTreeSet<&[u8]> = self
            .operations()
            .filter(|operation| self.is_target(operation.client))
            .map(|o| o.call.key())
            .collect();
        let by_others = self.count(|operation| {
            !self.is_target(operation.client)
                && operation.invoked_ns >= self.fired_ns
                && completed_ns(operation).is_some_and(|at_ns| self.contains(at_ns))
                && keys.contains(operation.call.key())
        });
        let after_heal = self.least_after_heal();
        let demands = [
            at_least(
                "time-outs of cut-off clients with unknown outcome during the partition",
                expect.unknown_outcomes,
                unknown,
            ),
            at_least(
                "operations that the others completed on the same keys during the partition",
                expect.completed_by_others,
                by_others,
            ),
            at_least(
                "operations that each cut-off client completed after healing",
                expect.completed_after_heal,
                after_heal,
            ),
        ];
        demands.into_iter().flatten().collect()
    }

    fn restart(&self, expect: RestartExpect) -> Vec<Expectation> {
        let acknowledged = self.count(|operation| {
            !matches!(operation.call, Call::Get { .. })
                && completed_ns(operation).is_some_and(|at_ns| at_ns <= self.fired_ns)
        });
        let absent =
            self.record.clients.iter().filter(|client| self.session_was_absent(**client)).count() as u64;
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
                self.completed_after_heal(),
            ),
            at_least(
                "requests that were sent again after the restart and answered",
                expect.sent_again,
                self.sent_again(),
            ),
        ];
        demands.into_iter().flatten().collect()
    }

    fn crash(&self, expect: CrashExpect, is_broker: bool) -> Vec<Expectation> {
        let in_flight = self.count(|operation| {
            self.is_target(operation.client)
                && operation.invoked_ns <= self.fired_ns
                && matches!(operation.outcome, Outcome::Unknown { at_ns, .. } if at_ns >= self.fired_ns)
        });
        let who = if is_broker { "all clients" } else { "the crashed client" };
        let after = format!("operations that {who} completed after the crash");
        let demands = [
            at_least(
                "operations in flight at the crash whose outcome is unknown",
                expect.unknown_outcomes,
                in_flight,
            ),
            at_least(&after, expect.completed_after, self.completed_after_heal()),
        ];
        demands.into_iter().flatten().collect()
    }

    fn session_was_absent(&self, client: ClientIndex) -> bool {
        let mut connects = self.history.sessions.iter().filter_map(|event| match event.change {
            SessionChange::Connected { session_present, .. } if event.client == client => {
                Some((event.at_ns, session_present))
            }
            _ => None,
        });
        connects
            .find(|(at_ns, _)| *at_ns > self.fired_ns)
            .is_some_and(|(_, session_present)| !session_present)
    }

    /// Operations that were open at the fault, sent again after it, and answered.
    fn sent_again(&self) -> u64 {
        self.count(|operation| {
            operation.invoked_ns <= self.fired_ns
                && operation.sent_again_ns.iter().any(|at_ns| *at_ns >= self.healed_ns)
                && completed_ns(operation).is_some()
        })
    }

    fn completed_after_heal(&self) -> u64 {
        self.count(|operation| self.is_target(operation.client) && self.is_after_heal(operation))
    }

    /// The smallest number of operations that a target completed after healing.
    fn least_after_heal(&self) -> u64 {
        let completed = |client: &ClientIndex| {
            self.count(|operation| operation.client == *client && self.is_after_heal(operation))
        };
        self.record.clients.iter().map(completed).min().unwrap_or(0)
    }

    fn is_after_heal(&self, operation: &Operation) -> bool {
        operation.invoked_ns >= self.healed_ns && completed_ns(operation).is_some()
    }

    fn count(&self, matches: impl Fn(&Operation) -> bool) -> u64 {
        self.operations().filter(|operation| matches(operation)).count() as u64
    }
}

/// What the scenario demanded of the run as a whole.
pub fn expectations(
    scenario: &Scenario,
    faults: &[JudgedFault],
    checks: &[CheckReport],
    records: &Records,
) -> Vec<Expectation> {
    let mut expectations = work(scenario.expect.operations, &records.history);
    expectations.extend(bites(scenario, faults));
    if scenario.expect.verdict == ExpectedVerdict::Violation {
        expectations.extend(scenario.expect.caught_by.iter().map(|caught| {
            let found = checks.iter().find(|check| check.checker == caught.checker);
            let examples = found.map(|check| check.counter_examples.as_slice()).unwrap_or_default();
            let met = examples.iter().any(|example| example.anomaly == caught.anomaly);
            Expectation {
                description: format!("the checker {} catches the lying broker", caught.checker.as_str()),
                needed: caught.anomaly.as_str().to_owned(),
                measured: found_anomalies(examples),
                met,
            }
        }));
    }
    expectations.push(Expectation {
        description: "responses that break the state store protocol".to_owned(),
        needed: "none".to_owned(),
        measured: match records.protocol_errors.first() {
            None => "none".to_owned(),
            Some(first) => format!("{}, the first: {first}", records.protocol_errors.len()),
        },
        met: records.protocol_errors.is_empty(),
    });
    expectations
}

fn found_anomalies(examples: &[check::CounterExample]) -> String {
    let mut names: Vec<_> = examples.iter().map(|example| example.anomaly.as_str()).collect();
    names.dedup();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The floor of work.
fn work(floor: OperationFloor, history: &History) -> Vec<Expectation> {
    let done = |verb: &str| {
        let is_done =
            |operation: &&Operation| operation.call.verb() == verb && completed_ns(operation).is_some();
        history.operations.iter().filter(is_done).count() as u64
    };
    let floors = [
        ("GET", floor.get),
        ("SET", floor.set),
        ("SET NX", floor.set_nx),
        ("SET NEX", floor.set_nex),
        ("DEL", floor.del),
        ("VDEL", floor.vdel),
    ];
    let demand = |(verb, least)| at_least(&format!("completed {verb} operations"), least, done(verb));
    floors.into_iter().filter_map(demand).collect()
}

/// The faults that the scenario is about must have bitten, also when someone took them out of the file.
fn bites(scenario: &Scenario, judged: &[JudgedFault]) -> Vec<Expectation> {
    let bit = |wanted: fn(&Fault) -> bool| {
        let bites =
            |(fault, judged): &(&Fault, &JudgedFault)| wanted(fault) && judged.verdict == FaultVerdict::Bit;
        scenario.faults.iter().zip(judged).filter(bites).count() as u64
    };
    let floor = scenario.expect.faults;
    let floors = [
        ("partition (delay)", floor.partition_delay, bit(|fault| has_mode(fault, PartitionMode::Delay))),
        (
            "partition (disconnect)",
            floor.partition_disconnect,
            bit(|fault| has_mode(fault, PartitionMode::Disconnect)),
        ),
        ("restart", floor.restart, bit(|fault| matches!(fault, Fault::Restart(_)))),
        ("crash", floor.crash, bit(|fault| matches!(fault, Fault::Crash(_)))),
    ];
    let demand = |(kind, least, bit)| {
        let expectation = at_least(&format!("faults that bit: {kind}"), least, bit)?;
        let measured = if bit == 0 { "never bit".to_owned() } else { expectation.measured };
        Some(Expectation { measured, ..expectation })
    };
    floors.into_iter().filter_map(demand).collect()
}

fn has_mode(fault: &Fault, mode: PartitionMode) -> bool {
    matches!(fault, Fault::Partition(partition) if partition.mode == mode)
}

/// The verdict on the run.
pub fn verdict(
    scenario: &Scenario,
    faults: &[JudgedFault],
    checks: &[CheckReport],
    expectations: &[Expectation],
) -> Verdict {
    let expects_violation = scenario.expect.verdict == ExpectedVerdict::Violation;
    let violated = checks.iter().find(|check| check.verdict == check::Verdict::Violated);
    if let (Some(check), false) = (violated, expects_violation) {
        return conclude(Conclusion::ConsistencyViolated, headline_of(check));
    }
    let undecided = checks.iter().find_map(|check| match &check.verdict {
        check::Verdict::Undecided { why } => {
            Some(format!("{} could not decide: {why}", check.checker.as_str()))
        }
        _ => None,
    });
    let toothless = scenario.faults.iter().zip(faults).find_map(|(fault, judged)| {
        let what = match judged.verdict {
            FaultVerdict::Bit => return None,
            FaultVerdict::NeverFired => "never fired",
            FaultVerdict::NeverObserved => "never bit: no client noticed it",
        };
        Some(format!("the fault {} at {:?} {what}", crate::nemesis::kind(fault), fault.at()))
    });
    let demanded = faults.iter().flat_map(|fault| &fault.expectations).chain(expectations);
    let unmet = demanded.into_iter().find(|expectation| !expectation.met);
    let unmet =
        unmet.map(|unmet| format!("{}: {}, needed {}", unmet.description, unmet.measured, unmet.needed));
    if let Some(headline) = undecided.or(toothless).or(unmet) {
        return conclude(Conclusion::ExpectationFailed, headline);
    }
    match violated {
        Some(check) => {
            conclude(Conclusion::Passed, format!("the lying broker was caught: {}", headline_of(check)))
        }
        None => conclude(Conclusion::Passed, "every checker and every expectation held".to_owned()),
    }
}

fn conclude(conclusion: Conclusion, headline: String) -> Verdict {
    Verdict { conclusion, headline }
}

fn headline_of(check: &CheckReport) -> String {
    check.counter_examples.first().map_or_else(|| check.summary.clone(), |example| example.headline.clone())
}

/// A least number. A key that was left out is 0 and demands nothing.
fn at_least(description: &str, least: impl Into<u64>, measured: u64) -> Option<Expectation> {
    let least = least.into();
    (least > 0).then(|| Expectation {
        description: description.to_owned(),
        needed: format!("at least {least}"),
        measured: measured.to_string(),
        met: measured >= least,
    })
}

#[cfg(test)]
mod tests;
