//! What a scenario demanded of a run, and whether it got it: faults that bit, work that was done, verdicts.
//!
//! Counts what is in the history; whether the history is consistent the checkers have said before.

use std::collections::BTreeSet;

use mayfly_reports::{Conclusion, Expectation, FaultVerdict, Observation, Verdict};

use crate::check::{self, CheckReport};
use crate::history::{
    Call, ClientIndex, History, Operation, Outcome, SessionChange, SessionEvent, UnknownReason,
};
use crate::nemesis::FaultRecord;
use crate::recorder::Records;
use crate::scenario::Scenario;
use crate::scenario::model::{
    CrashExpect, ExpectedVerdict, Fault, OperationFloor, PartitionExpect, PartitionMode, RestartExpect,
};
use crate::world::BROKER;

/// How long after a fault's end what a client sees is still put down to it.
const AFTERMATH_NS: u64 = 5_000_000_000;

/// What a key that was left out demands.
const NOTHING: &str = "at least 0";

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
    scenario.faults.iter().zip(records).map(|(fault, record)| judge_fault(fault, record, history)).collect()
}

fn judge_fault(fault: &Fault, record: &FaultRecord, history: &History) -> JudgedFault {
    let Some(fired_ns) = record.fired_ns else {
        return JudgedFault {
            observed_by: Vec::new(),
            verdict: FaultVerdict::NeverFired,
            expectations: Vec::new(),
        };
    };
    let span = Span { history, record, fired_ns, healed_ns: record.healed_ns.unwrap_or(u64::MAX) };
    let observed_by = span.observations(fault);
    let mut expectations = match fault {
        Fault::Partition(partition) => span.partition(partition.expect),
        Fault::Restart(restart) => span.restart(restart.expect),
        Fault::Crash(crash) => span.crash(crash.expect, crash.target == BROKER),
    };
    expectations.retain(|expectation| expectation.needed != NOTHING);
    let verdict = if observed_by.is_empty() { FaultVerdict::NeverObserved } else { FaultVerdict::Bit };
    JudgedFault { observed_by, verdict, expectations }
}

/// What a client saw: when, who, what.
type Sighting = (u64, ClientIndex, String);

/// A fault's time, and what happened in it.
struct Span<'a> {
    history: &'a History,
    record: &'a FaultRecord,
    fired_ns: u64,
    /// `u64::MAX` for a fault that was never taken back.
    healed_ns: u64,
}

impl<'a> Span<'a> {
    fn contains(&self, at_ns: u64) -> bool {
        (self.fired_ns..=self.healed_ns).contains(&at_ns)
    }

    /// Whether what a client sees at `at_ns` is put down to the fault.
    fn is_in_reach(&self, at_ns: u64) -> bool {
        (self.fired_ns..=self.healed_ns.saturating_add(AFTERMATH_NS)).contains(&at_ns)
    }

    fn is_target(&self, client: ClientIndex) -> bool {
        self.record.clients.contains(&client)
    }

    /// What the fault's targets saw of it.
    fn observations(&self, fault: &Fault) -> Vec<Observation> {
        let mut seen = self.lost_operations();
        if let Fault::Partition(_) = fault {
            seen.extend(self.delayed_operations());
        }
        seen.extend(self.lost_connections());
        seen.extend(self.vain_attempts());
        if matches!(fault, Fault::Crash(crash) if crash.target != BROKER) {
            seen.extend(self.killed_clients());
        }
        seen.retain(|(_, client, _)| self.is_target(*client));
        seen.sort();
        let observation = |(at_ns, client, what)| Observation {
            client: self.history.client_name(client).to_owned(),
            at_ns,
            what,
        };
        seen.into_iter().map(observation).collect()
    }

    /// Operations that were under way in the fault's time and got no reply.
    fn lost_operations(&self) -> Vec<Sighting> {
        let sighting = |operation: &Operation| {
            let (id, verb) = (operation.id, operation.call.verb());
            let (at_ns, what) = match &operation.outcome {
                Outcome::Unknown { reason: UnknownReason::TimedOut, at_ns } => {
                    (*at_ns, format!("{verb} {id} timed out, its outcome is unknown"))
                }
                Outcome::Unknown { reason: UnknownReason::ConnectionLost, at_ns } => {
                    (*at_ns, format!("{verb} {id} was cut off with the connection, its outcome is unknown"))
                }
                Outcome::Failed { error, completed_ns } => {
                    (*completed_ns, format!("{verb} {id} failed: {error}"))
                }
                // A bad response is no fault's doing.
                Outcome::Ok { .. }
                | Outcome::Unknown {
                    reason: UnknownReason::BadResponse | UnknownReason::Unfinished, ..
                } => {
                    return None;
                }
            };
            (operation.invoked_ns <= self.healed_ns && self.is_in_reach(at_ns)).then_some((
                at_ns,
                operation.client,
                what,
            ))
        };
        self.operations().filter_map(sighting).collect()
    }

    /// Operations whose reply waited for the end of the fault, longer than any reply took before it.
    fn delayed_operations(&self) -> Vec<Sighting> {
        let targets = || {
            let of_targets = self.operations().filter(|operation| self.is_target(operation.client));
            of_targets.filter_map(|operation| Some((operation, completed_ns(operation)?)))
        };
        let before = targets().filter(|(_, completed_ns)| *completed_ns <= self.fired_ns);
        let usual_ns = before.map(|(operation, at_ns)| at_ns - operation.invoked_ns).max().unwrap_or(0);
        let delayed = targets().filter(|(operation, completed_ns)| {
            let held_ns = self.healed_ns.saturating_sub(operation.invoked_ns.max(self.fired_ns));
            *completed_ns >= self.healed_ns && held_ns > usual_ns
        });
        delayed
            .map(|(operation, completed_ns)| {
                let (id, verb) = (operation.id, operation.call.verb());
                let lasted_ms = (completed_ns - operation.invoked_ns) / 1_000_000;
                (completed_ns, operation.client, format!("{verb} {id} waited {lasted_ms} ms for its reply"))
            })
            .collect()
    }

    fn lost_connections(&self) -> Vec<Sighting> {
        let losses = self.history.sessions.iter().filter(|event| event.change == SessionChange::Lost);
        let in_reach = losses.filter(|event| self.is_in_reach(event.at_ns));
        in_reach.map(|event| (event.at_ns, event.client, "lost its connection".to_owned())).collect()
    }

    /// Attempts to connect in the fault's time that came to nothing before it was over.
    fn vain_attempts(&self) -> Vec<Sighting> {
        let is_answered = |client: ClientIndex, at_ns: u64| {
            self.history.sessions.iter().any(|event| {
                let SessionChange::Connected { attempted_ns, .. } = event.change else { return false };
                event.client == client && attempted_ns == at_ns && event.at_ns <= self.healed_ns
            })
        };
        let attempts = self.history.sessions.iter().filter(|event| event.change == SessionChange::Attempted);
        let vain =
            attempts.filter(|event| self.contains(event.at_ns) && !is_answered(event.client, event.at_ns));
        vain.map(|event| (event.at_ns, event.client, "could not connect".to_owned())).collect()
    }

    /// Clients that were killed while they were connected.
    fn killed_clients(&self) -> Vec<Sighting> {
        let was_connected = |client: &ClientIndex| {
            let is_earlier = |event: &&SessionEvent| event.client == *client && event.at_ns <= self.fired_ns;
            let last = self.history.sessions.iter().rfind(is_earlier);
            last.is_some_and(|event| matches!(event.change, SessionChange::Connected { .. }))
        };
        let killed = self.record.clients.iter().filter(|client| was_connected(client));
        killed
            .map(|client| (self.fired_ns, *client, "was killed while it was connected".to_owned()))
            .collect()
    }

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
        vec![
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
        ]
    }

    fn restart(&self, expect: RestartExpect) -> Vec<Expectation> {
        let acknowledged = self.count(|operation| {
            !matches!(operation.call, Call::Get { .. })
                && completed_ns(operation).is_some_and(|at_ns| at_ns <= self.fired_ns)
        });
        let absent =
            self.record.clients.iter().filter(|client| self.session_was_absent(**client)).count() as u64;
        vec![
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
        ]
    }

    fn crash(&self, expect: CrashExpect, is_broker: bool) -> Vec<Expectation> {
        let in_flight = self.count(|operation| {
            self.is_target(operation.client)
                && operation.invoked_ns <= self.fired_ns
                && matches!(operation.outcome, Outcome::Unknown { at_ns, .. } if at_ns >= self.fired_ns)
        });
        let who = if is_broker { "all clients" } else { "the crashed client" };
        let after = format!("operations that {who} completed after the crash");
        vec![
            at_least(
                "operations in flight at the crash whose outcome is unknown",
                expect.unknown_outcomes,
                in_flight,
            ),
            at_least(&after, expect.completed_after, self.completed_after_heal()),
        ]
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

    fn operations(&self) -> impl Iterator<Item = &'a Operation> {
        self.history.operations.iter()
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
    let demanded = floors.into_iter().filter(|(_, least)| *least > 0);
    demanded
        .map(|(verb, least)| at_least(&format!("completed {verb} operations"), least, done(verb)))
        .collect()
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
    let demanded = floors.into_iter().filter(|(_, least, _)| *least > 0);
    demanded
        .map(|(kind, least, bit)| {
            let mut expectation = at_least(&format!("faults that bit: {kind}"), least, bit);
            if bit == 0 {
                "never bit".clone_into(&mut expectation.measured);
            }
            expectation
        })
        .collect()
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

fn completed_ns(operation: &Operation) -> Option<u64> {
    operation.reply().map(|(_, completed_ns)| completed_ns)
}

fn at_least(description: &str, least: impl Into<u64>, measured: u64) -> Expectation {
    let least = least.into();
    Expectation {
        description: description.to_owned(),
        needed: format!("at least {least}"),
        measured: measured.to_string(),
        met: measured >= least,
    }
}

#[cfg(test)]
mod tests;
