//! A request from a clock that is over 60 s ahead of the broker's is refused with the documented error, one with such a fencing
//! token with its own, and no request with any other.
//!
//! Judges requests that show their timestamp, by what the broker's clock showed while they were under way. A token that is no
//! higher than a version that the store gave is never too far ahead. One pass over the requests.

use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::{Checker, CheckerName, words};
use crate::history::{History, Operation, Outcome, Version};

/// How far ahead a clock may be, in ms.
const MAX_AHEAD_MS: u64 = 60_000;

const TIMESTAMP: &str = "the request timestamp is too far in the future; ensure that the client and broker system clocks are \
     synchronized";

const TOKEN: &str = "the request fencing token timestamp is too far in the future; ensure that the client and broker system \
     clocks are synchronized";

/// What the store may answer whatever the clocks show.
const OTHERS: [&str; 4] = [
    "a fencing token is required for this request",
    "the request fencing token is a lower version than the fencing token protecting the resource",
    "the quota has been exceeded",
    "not authorized",
];

/// See the module.
#[derive(Debug)]
pub(super) struct Skew;

impl Checker for Skew {
    fn check(&self, history: &History) -> CheckReport {
        let highest = highest_given(history);
        let mut search = Search { history, highest, accepted: 0, refused: [0, 0], found: Vec::new() };
        for operation in &history.operations {
            search.operation(operation);
        }
        search.report()
    }
}

/// The highest wall clock, in ms, of a version that the store may have given by the time of each operation's invocation, in
/// the order of those.
fn highest_given(history: &History) -> Vec<(u64, u64)> {
    let mut highest = 0;
    let given = |operation: &Operation| match &operation.outcome {
        Outcome::Ok { reply, .. } => reply.version().map(|version| version.wall_clock_ms),
        // If it was executed, its version is above its timestamp.
        Outcome::Unknown { .. } => {
            let wall_ms = history.requests.get(&operation.id)?.timestamp.wall_clock_ms;
            // One that is too far ahead all the while is not executed.
            let until_ns = operation.until_ns().min(history.ended_ns.max(operation.invoked_ns));
            let (_, high) = history.clocks.broker.range_ms(operation.invoked_ns, until_ns);
            (wall_ms <= high + MAX_AHEAD_MS).then_some(wall_ms)
        }
        Outcome::Failed { .. } => None,
    };
    let mut operations: Vec<&Operation> = history.operations.iter().collect();
    operations.sort_by_key(|operation| operation.invoked_ns);
    let operations = operations.into_iter().map(|operation| {
        highest = highest.max(given(operation).unwrap_or(0));
        (operation.invoked_ns, highest)
    });
    operations.collect()
}

/// What a request's clock, or its token's, was to the broker's when it was executed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Distance {
    Within,
    Beyond,
    /// The broker's clock passed the limit, or was set, while the request was under way.
    Either,
}

struct Search<'h> {
    history: &'h History,
    /// See [`highest_given`].
    highest: Vec<(u64, u64)>,
    accepted: usize,
    /// By timestamp, by token.
    refused: [usize; 2],
    found: Vec<CounterExample>,
}

impl Search<'_> {
    fn operation(&mut self, operation: &Operation) {
        let Some(request) = self.history.requests.get(&operation.id) else { return };
        let (error, until_ns) = match &operation.outcome {
            Outcome::Ok { completed_ns, .. } => (None, *completed_ns),
            Outcome::Failed { error, completed_ns } => (Some(error.as_str()), *completed_ns),
            Outcome::Unknown { .. } => return,
        };
        let by_timestamp = self.distance(operation, &request.timestamp, until_ns);
        let by_token = match &operation.fencing_token {
            Some(token) if token.wall_clock_ms <= self.highest_by(until_ns) => Distance::Either,
            Some(token) => self.distance(operation, token, until_ns),
            None => Distance::Within,
        };
        let token = || operation.fencing_token.as_ref().map(ToString::to_string).unwrap_or_default();
        let (anomaly, what) = match error {
            None if by_timestamp == Distance::Beyond => {
                (Anomaly::SkewAccepted, format!("its timestamp {}", request.timestamp))
            }
            None if by_token == Distance::Beyond => {
                (Anomaly::SkewAccepted, format!("its fencing token {}", token()))
            }
            None => {
                self.accepted += 1;
                return;
            }
            Some(TIMESTAMP) => {
                self.refused[0] += 1;
                if by_timestamp != Distance::Within {
                    return;
                }
                (Anomaly::SkewRefused, format!("its timestamp {}", request.timestamp))
            }
            Some(TOKEN) => {
                self.refused[1] += 1;
                // The timestamp is looked at first.
                if by_timestamp != Distance::Beyond && by_token != Distance::Within {
                    return;
                }
                (Anomaly::SkewRefused, format!("its fencing token {}", token()))
            }
            Some(error) if OTHERS.contains(&error) => return,
            Some(_) => (Anomaly::UnexpectedError, format!("its timestamp {}", request.timestamp)),
        };
        let (low, high) = self.history.clocks.broker.range_ms(operation.invoked_ns, until_ns);
        let did = error.map_or("was executed".to_owned(), |error| format!("was refused: {error}"));
        let headline = format!(
            "{} {did}; the broker's clock showed {low} to {high} ms meanwhile, {what}",
            words::operation(self.history, operation)
        );
        let explanation = vec![words::line(self.history, operation)];
        let operations = vec![operation.id];
        self.found.push(CounterExample { anomaly, headline, explanation, operations, at_ns: until_ns });
    }

    /// The highest wall clock of a version that the store may have given by a time.
    fn highest_by(&self, at_ns: u64) -> u64 {
        let begun = self.highest.partition_point(|(invoked_ns, _)| *invoked_ns <= at_ns);
        begun.checked_sub(1).map_or(0, |last| self.highest[last].1)
    }

    fn distance(&self, operation: &Operation, clock: &Version, until_ns: u64) -> Distance {
        let tick_ns = self.history.world.tick_ns;
        let (low, high) = self.history.clocks.broker.range_ms(operation.invoked_ns, until_ns + tick_ns);
        match clock.wall_clock_ms {
            wall_ms if wall_ms > high + MAX_AHEAD_MS => Distance::Beyond,
            wall_ms if wall_ms <= low + MAX_AHEAD_MS => Distance::Within,
            _ => Distance::Either,
        }
    }

    fn report(mut self) -> CheckReport {
        self.found.sort_by_key(|example| example.at_ns);
        let [by_timestamp, by_token] = self.refused;
        let looked = format!(
            "{} requests executed, {by_timestamp} refused for their timestamp and {by_token} for their token",
            self.accepted
        );
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} wrongly, of {looked}", self.found.len()))
        } else if self.accepted == 0 || by_timestamp + by_token == 0 {
            let why = format!("too little evidence: {looked}");
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        CheckReport::new(CheckerName::Skew, verdict, summary, self.found)
    }
}
