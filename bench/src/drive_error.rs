//! Why a benchmark has no result.

use std::io;
use std::time::Duration;

use crate::answer::WrongAnswer;
use crate::client::ClientError;
use crate::engine::EngineError;
use crate::link::LinkError;

/// Why driving a workload ended without a result.
#[derive(Debug, thiserror::Error)]
pub enum DriveError {
    /// A client in memory could not go on.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// A client on a socket could not go on.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A client could not go on.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A response whose Correlation Data is that of no open request.
    #[error("a response came with the correlation data of no open request")]
    Stray,
    /// Answers were wrong.
    #[error("{count} of {total} answers were wrong, the first: {first}")]
    Wrong {
        /// How many, those before and after the measured time included.
        count: u64,
        /// How many answers there were.
        total: u64,
        /// What was wrong with the first.
        first: WrongAnswer,
    },
    /// Nothing was answered in the measured time.
    #[error("nothing was answered in the measured time; measure for longer")]
    Nothing,
    /// The broker's socket or thread could not be had.
    #[error("the broker cannot be started: {0}")]
    Start(#[from] mayfly::embedded::StartError),
    /// The load has no event loop.
    #[error("the load cannot be started: {0}")]
    Load(#[from] io::Error),
    /// A client waits for an answer, long after the measured time.
    #[error("the broker left a request without an answer for {0:?}")]
    NoAnswer(Duration),
}
