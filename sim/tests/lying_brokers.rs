//! Each lying broker is caught and named, on several seeds, and its honest twin is not accused.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;

use mayfly_reports::{CheckerVerdict, Conclusion, RunReport};
use worlds::run_text;

const BUSY: &str = r#"description = "three busy clients share a few keys"
[run]
duration = "3s"
drain = "100ms"
[[clients]]
name = "client"
count = 3
operation_timeout = "1s"
[clients.workload]
kind = "register"
keys = 8
mix = { get = 75, set = 25 }
pause = { min = "0ms", max = "5ms" }
"#;

const RESTART: &str = "[[faults]]\nkind = \"restart\"\nat = \"1500ms\"\ndown_for = \"300ms\"\n";

const CHECKERS: &str = "checkers = [\"version-order\", \"linearizability\"";

/// Runs a broker that lies; the scenario passes only if the checker finds this anomaly.
fn lie(sabotage: &str, fault: &str, (checker, anomaly): (&str, &str), seed: u64) -> RunReport {
    let lie = format!(
        "{BUSY}{fault}[broker]\nsabotage = \"{sabotage}\"\n[expect]\nverdict = \"violation\"\n{}\n\
         caught_by = [{{ checker = \"{checker}\", anomaly = \"{anomaly}\" }}]\n",
        checkers(fault)
    );
    run_text(&lie, seed)
}

/// Runs the same with an honest broker.
fn truth(fault: &str, seed: u64) -> RunReport {
    run_text(&format!("{BUSY}{fault}[expect]\n{}\n", checkers(fault)), seed)
}

fn checkers(fault: &str) -> String {
    format!("{CHECKERS}{}]", if fault.is_empty() { "" } else { ", \"loss-on-restart\"" })
}

fn is_caught(sabotage: &str, fault: &str, (checker, anomaly): (&str, &str)) {
    for seed in 1..=3 {
        let lie = lie(sabotage, fault, (checker, anomaly), seed);
        assert_eq!(lie.verdict.conclusion, Conclusion::Passed, "seed {seed}: {}", lie.verdict.headline);
        assert!(
            lie.verdict.headline.starts_with("the lying broker was caught: "),
            "{}",
            lie.verdict.headline
        );
        let found = lie.checkers.iter().find(|found| found.name == checker).unwrap();
        assert_eq!(found.verdict, CheckerVerdict::Violated);
        let title = format!("{anomaly}: ");
        let example =
            found.counter_examples.iter().find(|example| example.title.starts_with(&title)).unwrap();
        assert!(!example.explanation.is_empty(), "{example:?}");
        let mut words = example.explanation.iter().chain([&example.title]);
        assert!(words.all(|words| !words.contains('\n')), "{example:?}");
    }
}

#[test]
fn an_honest_broker_is_not_accused_by_the_same_scenarios() {
    for fault in ["", RESTART] {
        let truth = truth(fault, 1);
        assert_eq!(truth.verdict.conclusion, Conclusion::Passed, "{}", truth.verdict.headline);
    }
}

#[test]
fn a_stale_get_is_a_stale_read() {
    is_caught("stale-get", "", ("version-order", "stale-read"));
}

#[test]
fn a_dropped_set_is_a_lost_write() {
    is_caught("drop-acknowledged-set", "", ("linearizability", "lost-write"));
}

#[test]
fn contents_that_outlive_the_process_are_resurrected() {
    is_caught("keep-contents", RESTART, ("loss-on-restart", "resurrected-value"));
    let lie = lie("keep-contents", RESTART, ("loss-on-restart", "keys-survived"), 4);
    assert_eq!(lie.verdict.conclusion, Conclusion::Passed, "{}", lie.verdict.headline);
    let after = |report: &RunReport| {
        report.key_count.iter().find(|sample| sample.at_ns >= 1_800_000_000).unwrap().value
    };
    assert!(after(&lie) > 0);
    assert_eq!(after(&truth(RESTART, 4)), 0);
}
