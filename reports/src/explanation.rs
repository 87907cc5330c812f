//! Why a history is violated, in the fewest operations that show it.

use serde::{Deserialize, Serialize};

use crate::model::CounterExampleRow;

/// The explanation of one violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Explanation {
    /// The checker that found it.
    pub checker: String,
    /// What the service did, in one line.
    pub title: String,
    /// The least part of the history that can't be explained, by time.
    pub rows: Vec<ExplanationRow>,
    /// What belongs to it and is not among the rows, where it is too much to show.
    pub left_out: Option<String>,
    /// What the rows are: how many, and what forgetting one of them does.
    pub rests_on: String,
    /// The checker's reasoning, a paragraph each.
    pub reasons: Vec<String>,
    /// The faults that lasted meanwhile, one each.
    pub faults: Vec<String>,
    /// The longest part of the history that can still be explained.
    pub prefix: String,
}

/// One line of an explanation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExplanationRow {
    /// Who did and saw what, when.
    #[serde(flatten)]
    pub row: CounterExampleRow,
    /// What a correct service would be like after it.
    pub model: String,
}
