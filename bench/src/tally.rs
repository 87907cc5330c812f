//! Counts answers and their latency within the measured part of a run.

use std::time::Duration;

use mayfly_core::Monotonic;
use mayfly_reports::{KindMeasurement, LatencyRecorder, World};

use crate::answer::WrongAnswer;
use crate::drive_error::DriveError;
use crate::plan::Window;

/// The kinds of operations, in the order of the table.
const VERBS: [&str; 6] = ["GET", "SET", "SET NX", "SET NEX", "DEL", "VDEL"];

/// The row that sums up the others.
const ALL: &str = "all";

/// What came of a run so far.
#[derive(Debug)]
pub struct Tally {
    window: Window,
    kinds: Vec<(&'static str, LatencyRecorder)>,
    /// Answers at any time, wrong ones included.
    total: u64,
    wrong: u64,
    first_wrong: Option<WrongAnswer>,
}

impl Tally {
    /// Counts what falls into `window`.
    pub fn new(window: Window) -> Self {
        Self { window, kinds: Vec::new(), total: 0, wrong: 0, first_wrong: None }
    }

    /// Adds an answer; it counts if it came within the window.
    pub fn answered(&mut self, verb: &'static str, began: Monotonic, ended: Monotonic) {
        self.total += 1;
        if !self.window.contains(ended) {
            return;
        }
        let position = self.kinds.iter().position(|(kind, _)| *kind == verb).unwrap_or_else(|| {
            self.kinds.push((verb, LatencyRecorder::new()));
            self.kinds.len() - 1
        });
        self.kinds[position].1.record(nanos(ended.since(began)));
    }

    /// Adds a wrong answer.
    pub fn wrong(&mut self, answer: WrongAnswer) {
        self.total += 1;
        self.wrong += 1;
        self.first_wrong.get_or_insert(answer);
    }

    /// The result: a row a kind, and one for all of them. Fails if an answer was wrong or none came in time.
    pub fn into_world(mut self, name: &str, conditions: String) -> Result<World, DriveError> {
        if let Some(first) = self.first_wrong {
            return Err(DriveError::Wrong { count: self.wrong, total: self.total, first });
        }
        if self.kinds.is_empty() {
            return Err(DriveError::Nothing);
        }
        self.kinds.sort_by_key(|(verb, _)| VERBS.iter().position(|known| known == verb));
        let mut all = LatencyRecorder::new();
        self.kinds.iter().for_each(|(_, recorder)| all.merge(recorder));
        self.kinds.push((ALL, all));
        let duration = self.window.duration();
        let kinds = self.kinds.iter().map(|(verb, recorder)| measured(verb, recorder, duration)).collect();
        Ok(World { name: name.to_owned(), conditions, kinds })
    }
}

/// The row of one kind of operation that was measured for `duration`.
pub fn measured(kind: &str, recorder: &LatencyRecorder, duration: Duration) -> KindMeasurement {
    let wall_latency = recorder.latency();
    KindMeasurement {
        kind: kind.to_owned(),
        operations: wall_latency.map_or(0, |latency| latency.count),
        wall_duration_ns: nanos(duration),
        wall_latency,
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    fn at(nanos: u64) -> Monotonic {
        Monotonic::from_nanos(nanos)
    }

    fn tally() -> Tally {
        Tally::new(Window { from: at(1_000), until: at(2_000) })
    }

    #[test]
    fn only_the_window_counts() {
        let mut tally = tally();
        for (verb, began, ended) in
            [("SET", 900, 999), ("SET", 990, 1_000), ("GET", 1_500, 1_700), ("SET", 1_900, 2_000)]
        {
            tally.answered(verb, at(began), at(ended));
        }
        let world = tally.into_world("in memory", String::new()).unwrap();
        let rows: Vec<_> = world.kinds.iter().map(|row| (row.kind.as_str(), row.operations)).collect();
        assert_eq!(rows, [("GET", 1), ("SET", 1), ("all", 2)]);
        assert_eq!(world.kinds[2].wall_duration_ns, 1_000);
        assert_eq!(world.kinds[2].wall_latency.unwrap().max_ns, 200);
    }

    #[test]
    fn a_wrong_answer_at_any_time_fails_the_run() {
        let mut tally = tally();
        tally.answered("GET", at(1_100), at(1_200));
        let answer = WrongAnswer::Error { verb: "GET", text: "syntax error".to_owned() };
        tally.wrong(answer);
        let error = tally.into_world("in memory", String::new()).unwrap_err();
        assert_eq!(
            error.to_string(),
            "1 of 2 answers were wrong, the first: GET was answered with an error: syntax error"
        );
    }

    #[test]
    fn an_empty_window_is_no_result() {
        assert!(matches!(tally().into_world("in memory", String::new()), Err(DriveError::Nothing)));
    }
}
