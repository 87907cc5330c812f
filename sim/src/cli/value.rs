//! The numbers of the command line, and clap's complaints in one line.

use clap::error::ErrorKind;

/// Most seeds of one command; more would run for days.
const MAX_SEEDS: u64 = 1_000_000;

/// Reads `--seed`.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

/// Reads `--seeds`.
pub(super) fn seeds(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| (1..=MAX_SEEDS).contains(count));
    count.ok_or_else(|| format!("it must be a whole number from 1 to {MAX_SEEDS}"))
}

/// Reads `--jobs`.
pub(super) fn jobs(text: &str) -> Result<u16, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("it must be a whole number from 1 to {}", u16::MAX))
}

/// A command line that cannot be followed, in one line that says what would be right.
pub fn complaint(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::MissingRequiredArgument {
        return "error: no scenario is named; try `cargo sim partition`, or `cargo sim list`".to_owned();
    }
    let text = error.to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let tip = lines.find_map(|line| line.trim_start().strip_prefix("tip: "));
    tip.map_or_else(|| first.to_owned(), |tip| format!("{first}; {tip}"))
}
