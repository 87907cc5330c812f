//! The values of the command line, and clap's complaints in one line.

use std::time::Duration;

use clap::error::{ContextKind, ErrorKind};
use mayfly_reports::sweep::Shard;

/// Most seeds or runs of one command; more would go on for days.
const MAX_SEEDS: u64 = 1_000_000;

/// Reads `--seed`.
pub(super) fn seed(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| format!("a seed is a whole number from 0 to {}", u64::MAX))
}

/// Reads `--seeds` and `--runs`.
pub(super) fn seeds(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| (1..=MAX_SEEDS).contains(count));
    count.ok_or_else(|| format!("it must be a whole number from 1 to {MAX_SEEDS}"))
}

/// Reads `--jobs`.
pub(super) fn jobs(text: &str) -> Result<u16, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("it must be a whole number from 1 to {}", u16::MAX))
}

/// Reads `--max-failures`.
pub(super) fn failures(text: &str) -> Result<u64, String> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| "it must be a whole number above 0".to_owned())
}

/// Reads `--bundles`.
pub(super) fn bundles(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "it must be a whole number, 0 for none".to_owned())
}

/// Reads `--time`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let duration = mayfly_settings::duration::parse(text).map_err(|error| error.to_string())?;
    if duration.is_zero() { Err("it must be above 0".to_owned()) } else { Ok(duration) }
}

/// Reads `--shard`.
pub(super) fn shard(text: &str) -> Result<Shard, String> {
    let shard = text.split_once('/').and_then(|(part, parts)| {
        let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
        (1..=parts).contains(&part).then_some(Shard { part, parts })
    });
    shard.ok_or_else(|| "it must be a part and the number of parts, from 1/N to N/N, such as 3/8".to_owned())
}

/// A command line that cannot be followed, in one line that says what would be right.
pub fn complaint(error: &clap::Error) -> String {
    if error.kind() == ErrorKind::MissingRequiredArgument {
        let missing = error.get(ContextKind::InvalidArg).map(ToString::to_string).unwrap_or_default();
        if !missing.contains("SCENARIO") {
            return format!("error: {missing} is missing");
        }
        return "error: no scenario is named; try `cargo sim partition`, or `cargo sim list`".to_owned();
    }
    let text = error.to_string();
    let mut lines = text.lines();
    let first = lines.next().unwrap_or_default();
    let tip = lines.find_map(|line| line.trim_start().strip_prefix("tip: "));
    tip.map_or_else(|| first.to_owned(), |tip| format!("{first}; {tip}"))
}
