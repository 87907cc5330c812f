//! Scenarios short enough for a debug build, as text that a test can alter.
#![allow(dead_code, reason = "each test binary takes the part that it needs")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use mayfly_reports::RunReport;
use mayfly_sim::run::run;
use mayfly_sim::scenario::Scenario;

/// alice and bob share two keys for 5 s.
pub(crate) const TWO_CLIENTS: &str = r#"description = "two clients share two keys"

[run]
duration = "5s"
drain = "1s"

[[clients]]
name = "alice"
operation_timeout = "500ms"
[clients.workload]
kind = "register"
keys = 2

[[clients]]
name = "bob"
[clients.workload]
kind = "register"
keys = 2
"#;

/// alice is cut off from 1 s to 2.5 s.
pub(crate) fn partition(mode: &str) -> String {
    format!(
        "[[faults]]\nkind = \"partition\"\nat = \"1s\"\nfor = \"1500ms\"\nclients = [\"alice\"]\nmode = \"{mode}\"\n\
         expect = {{ unknown_outcomes = 1, completed_by_others = 5, completed_after_heal = 5 }}\n"
    )
}

/// What a scenario's lines say, as a scenario.
pub(crate) fn scenario(lines: &str) -> Scenario {
    Scenario::parse(lines, "world.toml").unwrap_or_else(|error| panic!("{error}"))
}

/// Runs two clients with these lines after them.
pub(crate) fn run_two_clients(lines: &str, seed: u64) -> RunReport {
    run_text(&format!("{TWO_CLIENTS}{lines}"), seed)
}

/// Runs a scenario's text.
pub(crate) fn run_text(text: &str, seed: u64) -> RunReport {
    run(&scenario(text), "world.toml", seed, |_| ()).unwrap()
}
