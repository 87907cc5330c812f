//! A run is a function of scenario and seed: not of the thread, not of what ran before or beside it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;

use mayfly_reports::RunReport;
use worlds::{partition, run_two_clients};

/// A report without the one thing in it that is the machine's.
fn outcome(lines: &str, seed: u64) -> RunReport {
    RunReport { wall_duration_ms: 0, ..run_two_clients(lines, seed) }
}

#[test]
fn the_same_seed_does_the_same_on_other_threads_and_beside_other_runs() {
    let lines = format!(
        "{}[[faults]]\nkind = \"restart\"\nat = \"3s\"\ndown_for = \"300ms\"\n[[faults]]\nkind = \"crash\"\n\
         target = \"bob\"\nat = \"4s\"\nfor = \"300ms\"\n",
        partition("disconnect")
    );
    let (first, second, other) = std::thread::scope(|scope| {
        let [first, second, other] = [7, 7, 8].map(|seed| {
            scope.spawn({
                let lines = &lines;
                move || outcome(lines, seed)
            })
        });
        (first.join().unwrap(), second.join().unwrap(), other.join().unwrap())
    });
    assert_eq!(first.trace_hash, second.trace_hash);
    assert_eq!(first, second);
    assert_eq!(first, outcome(&lines, 7), "a run after others");
    assert_ne!(first.trace_hash, other.trace_hash);
}

#[test]
fn the_hash_covers_the_scenario() {
    let short = |lines: &str| {
        let text = worlds::TWO_CLIENTS.replace("\"5s\"", "\"1s\"");
        worlds::run_text(&format!("{text}{lines}"), 1).trace_hash
    };
    assert_ne!(short(""), short("[expect]\noperations = { get = 1 }\n"));
}
