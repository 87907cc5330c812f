//! How often each command of the store was asked for, and what came of it.

use crate::store::{Command, Outcome};

/// A command of the state store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreCommand {
    /// SET.
    Set,
    /// GET.
    Get,
    /// DEL.
    Del,
    /// VDEL.
    Vdel,
    /// KEYNOTIFY, STOP included.
    KeyNotify,
    /// SCAN; each page is one.
    Scan,
}

/// What came of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StoreResult {
    /// It did what it was to do.
    Done,
    /// There was nothing to do it to, or its condition did not hold.
    NotMet,
    /// It was answered with an error.
    Failed,
}

const COMMANDS: [StoreCommand; 6] = [
    StoreCommand::Set,
    StoreCommand::Get,
    StoreCommand::Del,
    StoreCommand::Vdel,
    StoreCommand::KeyNotify,
    StoreCommand::Scan,
];
const RESULTS: [StoreResult; 3] = [StoreResult::Done, StoreResult::NotMet, StoreResult::Failed];

/// Counts of executed requests by command and result. A replay that is answered from memory was counted when it was
/// executed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreOperations {
    counts: [[u64; RESULTS.len()]; COMMANDS.len()],
}

impl StoreOperations {
    /// How often a command ended so.
    pub fn count(&self, command: StoreCommand, result: StoreResult) -> u64 {
        self.counts[command as usize][result as usize]
    }

    /// How often a command came, whatever came of it.
    pub fn requests(&self, command: StoreCommand) -> u64 {
        self.counts[command as usize].iter().sum()
    }

    /// All counts, zeros included.
    pub fn iter(&self) -> impl Iterator<Item = (StoreCommand, StoreResult, u64)> + '_ {
        COMMANDS.into_iter().flat_map(move |command| {
            RESULTS.into_iter().map(move |result| (command, result, self.count(command, result)))
        })
    }

    pub(super) fn add(&mut self, command: &Command<'_>, outcome: &Outcome<'_>) {
        let command = match command {
            Command::Set { .. } => StoreCommand::Set,
            Command::Get { .. } => StoreCommand::Get,
            Command::Del { .. } => StoreCommand::Del,
            Command::Vdel { .. } => StoreCommand::Vdel,
            Command::KeyNotify { .. } => StoreCommand::KeyNotify,
            Command::Scan { .. } => StoreCommand::Scan,
        };
        let result = match outcome {
            Outcome::Stored(_)
            | Outcome::Value(..)
            | Outcome::Deleted(_)
            | Outcome::WatchChanged
            | Outcome::Page(..) => StoreResult::Done,
            Outcome::Refused(_)
            | Outcome::Missing
            | Outcome::NotFound
            | Outcome::ValueDiffers
            | Outcome::NotWatched => StoreResult::NotMet,
            Outcome::Failed(_) => StoreResult::Failed,
        };
        self.counts[command as usize][result as usize] += 1;
    }
}
