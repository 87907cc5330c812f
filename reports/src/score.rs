//! The score of the checkers against lying brokers: which lie was caught how often, how soon, and whether the honest broker was
//! ever accused.

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files::ReportError;
use crate::model::Build;
use crate::text;

/// The version of the JSON form that this crate writes.
pub const FORMAT_VERSION: u32 = 1;

/// A lie is rare if it is told on at most one in so many of its occasions.
const RARE_ONE_IN: u64 = 100;

/// All liars, each with the same seeds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScoreReport {
    /// [`FORMAT_VERSION`] of the writer.
    pub format_version: u32,
    /// What was built to run it.
    pub build: Build,
    /// The first seed.
    pub first_seed: u64,
    /// How many seeds each liar had.
    pub seeds: u64,
    /// A row for each scenario.
    pub liars: Vec<LiarScore>,
}

/// One lying broker in one scenario.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LiarScore {
    /// The scenario.
    pub scenario: String,
    /// How the broker lies.
    pub sabotage: String,
    /// The fault or interleaving that it takes for the lie to show, if it takes one.
    pub shows_under: Option<String>,
    /// The checkers that must catch it, each with the names of what it must find.
    pub checkers: Vec<(String, Vec<String>)>,
    /// How often it could have lied, over all runs.
    pub occasions: u64,
    /// How often it did.
    pub told: u64,
    /// In how many runs it lied at least once.
    pub runs_with_lies: u64,
    /// In how many of those each of its checkers found what it must.
    pub caught: u64,
    /// Of the runs in which it was caught, in order: the operations that had begun when the last of its checkers could tell.
    pub operations_to_detection: Vec<u64>,
    /// The simulated time until then, in order.
    pub detected_at_ns: Vec<u64>,
    /// Runs of the same scenarios with an honest broker in which one of the checkers found a violation.
    pub false_alarms: u64,
    /// Runs, with the lie or without it, in which one of the checkers could not decide.
    pub undecided: u64,
    /// Runs that ended with a crash, by seed.
    pub crashes: Vec<(u64, String)>,
}

impl LiarScore {
    /// Whether it lies on few of its occasions, or only when something else goes wrong as well.
    pub fn is_rare(&self) -> bool {
        self.shows_under.is_some() || self.told.saturating_mul(RARE_ONE_IN) <= self.occasions
    }

    /// The middle of the numbers of operations; `None` where it was never caught.
    pub fn median_operations(&self) -> Option<u64> {
        median(&self.operations_to_detection)
    }

    /// The middle of the times; `None` where it was never caught.
    pub fn median_ns(&self) -> Option<u64> {
        median(&self.detected_at_ns)
    }
}

impl ScoreReport {
    /// Scenarios whose liar no run caught.
    pub fn missed(&self) -> impl Iterator<Item = &LiarScore> {
        self.liars.iter().filter(|liar| liar.caught == 0)
    }

    /// Runs in which an honest broker was accused.
    pub fn false_alarms(&self) -> u64 {
        self.liars.iter().map(|liar| liar.false_alarms).sum()
    }

    /// Runs that crashed.
    pub fn crashes(&self) -> u64 {
        self.liars.iter().map(|liar| liar.crashes.len() as u64).sum()
    }

    /// How many ways of lying there are; several scenarios may have the same.
    pub fn sabotages(&self) -> usize {
        self.liars.iter().map(|liar| &liar.sabotage).collect::<std::collections::BTreeSet<_>>().len()
    }

    /// Writes the data (`score.json`) and the table (`score.txt`) into `folder`, which exists. Says where the table is.
    ///
    /// # Errors
    /// If a file cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf, ReportError> {
        let table = folder.join("score.txt");
        let mut json = serde_json::to_string_pretty(self).unwrap_or_default();
        json.push('\n');
        for (path, content) in [(folder.join("score.json"), json), (table.clone(), text::score(self))] {
            fs::write(&path, content).map_err(|source| ReportError::WriteFile { path, source })?;
        }
        Ok(table)
    }
}

/// The middle one of numbers in order, the lower one of two.
fn median(sorted: &[u64]) -> Option<u64> {
    sorted.get(sorted.len().saturating_sub(1) / 2).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_one() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3]), Some(3));
        assert_eq!(median(&[3, 5]), Some(3));
        assert_eq!(median(&[3, 5, 9]), Some(5));
    }

    #[test]
    fn a_lie_is_rare_on_one_in_a_hundred_occasions_or_under_a_fault() {
        let liar = |told, occasions| LiarScore { occasions, told, ..LiarScore::default() };
        assert!(liar(1, 100).is_rare());
        assert!(!liar(2, 199).is_rare());
        assert!(LiarScore { shows_under: Some("a restart".to_owned()), ..liar(1, 1) }.is_rare());
    }
}
