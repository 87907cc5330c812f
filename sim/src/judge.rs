//! What a scenario demanded of a run, and whether it got it: faults that bit, work that was done, verdicts.
//!
//! Counts what is in the history; whether the history is consistent the checkers have said before, and what is put
//! down to a fault `observation` says.

mod observation;

use mayfly_reports::{Conclusion, Expectation, FaultVerdict, Observation, Verdict};

use crate::check::{self, CheckReport, CheckerName};
use crate::fault::{FLOORS, FaultKind};
use crate::history::events::Events;
use crate::history::{History, Operation, Operations, Sizes};
use crate::nemesis::FaultRecord;
use crate::scenario::model::ExpectedVerdict;
use crate::scenario::{Floor, Scenario, Vocabulary};

pub use observation::{Sighting, Span, completed_ns};

/// All that is said of a run: it follows from the scenario, what became of its faults, and the history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement {
    /// What each checker says, in the order of the scenario.
    pub checks: Vec<CheckReport>,
    /// What became of each fault, in the order of the scenario.
    pub faults: Vec<JudgedFault>,
    /// What the scenario demanded of the run as a whole.
    pub expectations: Vec<Expectation>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Judgement {
    /// Runs the scenario's checkers and judges what they and the history say.
    pub fn new(scenario: &Scenario, records: &[FaultRecord], history: &History) -> Self {
        let checkers = scenario.expect.checkers.iter();
        let checks: Vec<_> = checkers.map(|checker| check::check(*checker, history)).collect();
        let faults = faults(scenario, records, history);
        let expectations = expectations(scenario, &faults, &checks, history);
        let verdict = verdict(scenario, &faults, &checks, &expectations);
        Self { checks, faults, expectations, verdict }
    }
}

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

fn judge_fault(fault: &FaultKind, span: Option<Span<'_>>) -> JudgedFault {
    let Some(span) = span else {
        return JudgedFault {
            observed_by: Vec::new(),
            verdict: FaultVerdict::NeverFired,
            expectations: Vec::new(),
        };
    };
    let observed_by = span.observations(fault);
    let expectations = fault.expectations(&span);
    let verdict = if observed_by.is_empty() { FaultVerdict::NeverObserved } else { FaultVerdict::Bit };
    JudgedFault { observed_by, verdict, expectations }
}

/// What the scenario demanded of the run as a whole.
pub fn expectations(
    scenario: &Scenario,
    faults: &[JudgedFault],
    checks: &[CheckReport],
    history: &History,
) -> Vec<Expectation> {
    let mut expectations = work(&scenario.expect.operations, history);
    expectations.extend(
        scenario
            .expect
            .events
            .demands()
            .filter_map(|(word, least)| at_least(Events::about(word), least, Events::count(word, history))),
    );
    expectations.extend(scenario.expect.most.demands().map(|(word, most)| {
        let measured = Sizes::peak(word, history);
        Expectation {
            description: format!("{word} that the broker held at a time"),
            needed: format!("at most {most}"),
            measured: measured.to_string(),
            met: measured <= most,
        }
    }));
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
    // Where the checker of that name judges them, it says so itself.
    if scenario.expect.checkers.contains(&CheckerName::Protocol) {
        return expectations;
    }
    let breaches = &history.breaches;
    expectations.push(Expectation {
        description: "responses that break the state store protocol".to_owned(),
        needed: "none".to_owned(),
        measured: match breaches.first() {
            None => "none".to_owned(),
            Some(first) => {
                format!("{}, the first: {}", breaches.len(), history.in_words(first))
            }
        },
        met: breaches.is_empty(),
    });
    expectations
}

fn found_anomalies(examples: &[check::CounterExample]) -> String {
    let mut names: Vec<_> = examples.iter().map(|example| example.anomaly.as_str()).collect();
    names.dedup();
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

/// The floor of work.
fn work(floor: &Floor<Operations>, history: &History) -> Vec<Expectation> {
    let done = |verb: &str| {
        let is_done =
            |operation: &&Operation| operation.call.verb() == verb && completed_ns(operation).is_some();
        history.operations.iter().filter(is_done).count() as u64
    };
    let demand = |(word, least)| {
        let verb = Operations::verb(word);
        at_least(&format!("completed {verb} operations"), least, done(verb))
    };
    floor.demands().filter_map(demand).collect()
}

/// The faults that the scenario is about must have bitten, also when someone took them out of the file.
fn bites(scenario: &Scenario, judged: &[JudgedFault]) -> Vec<Expectation> {
    let bit = |word: &str| {
        let bites = |(fault, judged): &(&FaultKind, &JudgedFault)| {
            fault.floor() == word && judged.verdict == FaultVerdict::Bit
        };
        scenario.faults.iter().zip(judged).filter(bites).count() as u64
    };
    let demand = |(word, label)| {
        let (least, bit) = (scenario.expect.faults.least(word), bit(word));
        let expectation = at_least(&format!("faults that bit: {label}"), least, bit)?;
        let measured = if bit == 0 { "never bit".to_owned() } else { expectation.measured };
        Some(Expectation { measured, ..expectation })
    };
    FLOORS.into_iter().filter_map(demand).collect()
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
        Some(format!("the fault {} at {:?} {what}", fault.kind(), fault.at()))
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
pub fn at_least(description: &str, least: impl Into<u64>, measured: u64) -> Option<Expectation> {
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
