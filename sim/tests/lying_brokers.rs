//! Each lying broker is caught and named, on several seeds, and its honest twin is not accused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;

use mayfly_reports::{CheckerVerdict, Conclusion, RunReport};
use worlds::run_text;

const BUSY: &str = r#"description = "three busy clients share a few keys"
[run]
duration = "4s"
drain = "1s"
[[clients]]
name = "client"
count = 3
[clients.workload]
kind = "register"
keys = 8
mix = { get = 75, set = 25 }
pause = { min = "0ms", max = "5ms" }
"#;

const RESTART: &str = "[[faults]]\nkind = \"restart\"\nat = \"2s\"\ndown_for = \"300ms\"\n";

const CHECKERS: &str = "checkers = [\"version-order\", \"linearizability\"";

/// The run of a broker that lies, and of the same scenario with an honest one.
fn lie_and_truth(
    sabotage: &str,
    fault: &str,
    checker: &str,
    anomaly: &str,
    seed: u64,
) -> (RunReport, RunReport) {
    let checkers = format!("{CHECKERS}{}]", if fault.is_empty() { "" } else { ", \"loss-on-restart\"" });
    let lie = format!(
        "{BUSY}{fault}[broker]\nsabotage = \"{sabotage}\"\n[expect]\nverdict = \"violation\"\n{checkers}\n\
         caught_by = [{{ checker = \"{checker}\", anomaly = \"{anomaly}\" }}]\n"
    );
    let truth = format!("{BUSY}{fault}[expect]\n{checkers}\n");
    (run_text(&lie, seed), run_text(&truth, seed))
}

fn is_caught(sabotage: &str, fault: &str, checker: &str, anomaly: &str) {
    for seed in 1..=3 {
        let (lie, truth) = lie_and_truth(sabotage, fault, checker, anomaly, seed);
        assert_eq!(lie.verdict.conclusion, Conclusion::Passed, "seed {seed}: {}", lie.verdict.headline);
        assert!(
            lie.verdict.headline.starts_with("the lying broker was caught: "),
            "{}",
            lie.verdict.headline
        );
        let found = lie.checkers.iter().find(|found| found.name == checker).unwrap();
        assert_eq!(found.verdict, CheckerVerdict::Violated);
        let example = found
            .counter_examples
            .iter()
            .find(|example| example.title.starts_with(&format!("{anomaly}: ")))
            .unwrap_or_else(|| panic!("seed {seed}: {:?}", found.counter_examples));
        assert!(!example.explanation.is_empty(), "{example:?}");
        let one_line = example.explanation.iter().chain([&example.title]);
        assert!(one_line.clone().all(|words| !words.contains('\n')), "{example:?}");
        assert_eq!(truth.verdict.conclusion, Conclusion::Passed, "seed {seed}: {}", truth.verdict.headline);
    }
}

#[test]
fn a_stale_get_is_a_stale_read() {
    is_caught("stale-get", "", "version-order", "stale-read");
}

#[test]
fn a_dropped_set_is_a_lost_write() {
    is_caught("drop-acknowledged-set", "", "linearizability", "lost-write");
}

#[test]
fn contents_that_outlive_the_process_are_resurrected() {
    is_caught("keep-contents", RESTART, "loss-on-restart", "resurrected-value");
    let (lie, truth) = lie_and_truth("keep-contents", RESTART, "loss-on-restart", "keys-survived", 4);
    assert_eq!(lie.verdict.conclusion, Conclusion::Passed, "{}", lie.verdict.headline);
    let after = |report: &RunReport| {
        report.key_count.iter().find(|sample| sample.at_ns >= 2_300_000_000).unwrap().value
    };
    assert!(after(&lie) > 0);
    assert_eq!(after(&truth), 0);
}
