//! How long the checker of linearizability takes for 10,000 operations, and how much memory, whether the history passes or not. The
//! run fails above 2 s or 1 GB, or if a verdict is wrong.
//!
//! A program of its own, without criterion: the question is the longest time of any history, not the mean of one.

#[path = "linearizability/history.rs"]
mod made;

use std::process::ExitCode;
use std::time::{Duration, Instant};

use made::{Flaw, Size, history};
use mayfly_sim::check::{CheckerName, Verdict, check};

/// The most that one check may take.
const MAX_TIME: Duration = Duration::from_secs(2);

/// The most that the whole program may ever have resident, in bytes.
const MAX_BYTES: u64 = 1_000_000_000;

const SEEDS: u64 = 5;

fn main() -> ExitCode {
    let spread = Size { operations: 10_000, keys: 20, clients: 10, unknown_percent: 2 };
    let shapes = [("20-keys", spread), ("20-keys-50-clients", Size { clients: 50, ..spread })];
    let mut is_met = true;
    for (name, size) in shapes {
        for flaw in [Flaw::None, Flaw::StaleRead, Flaw::FutureRead] {
            let mut longest = Duration::ZERO;
            for seed in 1..=SEEDS {
                let history = history(size, flaw, seed);
                #[expect(clippy::disallowed_methods, reason = "how long the machine takes is the question")]
                let started = Instant::now();
                let report = check(CheckerName::Linearizability, &history);
                longest = longest.max(started.elapsed());
                let is_right = match report.verdict {
                    Verdict::Valid => flaw == Flaw::None,
                    Verdict::Violated => flaw != Flaw::None,
                    Verdict::Undecided { .. } => false,
                };
                if !is_right {
                    println!("linearizability/{name}/{flaw:?}: wrong with seed {seed}: {}", report.summary);
                    is_met = false;
                }
            }
            println!(
                "linearizability/{name}/{flaw:?}: {} operations, at most {longest:.0?}",
                size.operations
            );
            is_met &= longest <= MAX_TIME;
        }
    }
    match peak_bytes() {
        Some(bytes) => {
            println!("linearizability/memory: at most {} MB resident", bytes / 1_000_000);
            is_met &= bytes <= MAX_BYTES;
        }
        None => {
            println!(
                "linearizability/memory: not measured, this system does not say it in /proc/self/status"
            );
        }
    }
    if is_met { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The most memory that this process ever had resident.
fn peak_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}
