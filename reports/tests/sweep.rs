//! What a sweep leaves for people and machines: every run is in each form, failures first, and no foreign text is markup.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use mayfly_reports::sweep::{Ended, Shard, SweepReport, SweepRun, SweptScenario, Verdict, write};
use mayfly_reports::{Build, text};

/// Ends an element and an attribute, and is markup in Markdown.
const HOSTILE: &str = "</td><script>alert(1)</script>|`*\"'\n\u{1b}[2J";

fn run(scenario: usize, seed: u64, verdict: Verdict, headline: &str) -> SweepRun {
    SweepRun {
        scenario,
        seed,
        verdict,
        headline: headline.to_owned(),
        operations: 1_000,
        simulated_ns: 30_000_000_000,
        wall_ms: 250,
        trace_hash: (verdict != Verdict::Crashed).then(|| format!("{seed:032x}")),
        repeat_command: format!("cargo sim s{scenario} --seed {seed}"),
        page: (verdict == Verdict::ConsistencyViolated)
            .then(|| format!("s{scenario}-seed-{seed}/report.html")),
    }
}

fn report() -> SweepReport {
    let scenario = |name: &str| SweptScenario {
        name: name.to_owned(),
        description: "what it is about".to_owned(),
        file: format!("scenarios/fast/{name}.toml"),
    };
    SweepReport {
        format_version: 1,
        build: Build {
            package_version: "0.1.0".to_owned(),
            git_commit: None,
            rustc_version: "rustc 1.95.0".to_owned(),
            profile: "release".to_owned(),
        },
        shard: Shard { part: 3, parts: 8 },
        runs_planned: Some(9),
        ended: Ended::Interrupted,
        wall_ms: 2_000,
        threads: 2,
        scenarios: vec![scenario("partition"), scenario(HOSTILE)],
        runs: vec![
            run(0, 1, Verdict::Passed, "every checker and every expectation held"),
            run(0, 2, Verdict::ExpectationFailed, "completed GET operations: 3, needed at least 5"),
            run(1, 1, Verdict::Crashed, HOSTILE),
            run(1, 2, Verdict::ConsistencyViolated, "a stale read"),
        ],
    }
}

fn written(name: &str) -> impl Fn(&str) -> String {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&folder).unwrap();
    assert_eq!(write(&report(), &folder).unwrap(), folder.join("index.html"));
    move |file| std::fs::read_to_string(folder.join(file)).unwrap()
}

#[test]
fn the_page_lists_every_run_the_worst_first() {
    let page = written("sweep-page")("index.html");
    let positions = [
        ">1 of 4 runs passed</h2>",
        "Interrupted after 4 of 9 runs.",
        "Part 3 of 8.",
        "Runs by scenario",
        "Runs, failures first",
        "Crashed</span>",
        "href=\"./s1-seed-2/report.html\"",
        "needed at least 5",
        "00000000000000000000000000000001</code>",
        "Speed of the machine",
        "60 simulated s and 2,000 operations per wall second on 2 threads.",
    ]
    .map(|words| page.find(words).unwrap_or_else(|| panic!("the page lacks {words}")));
    assert!(positions.is_sorted(), "the page's order changed: {positions:?}");
    assert!(!page.contains("<script>alert"), "foreign text became markup");
    let runs = page.split("Runs, failures first").nth(2).unwrap().split("</table>").next().unwrap();
    assert!(!runs.contains("Wall"), "wall time stands in a table with simulated time");
}

#[test]
fn the_data_comes_back() {
    let json = written("sweep-json")("sweep.json");
    assert_eq!(serde_json::from_str::<SweepReport>(&json).unwrap(), report());
}

#[test]
fn junit_has_a_suite_a_scenario_and_a_case_a_seed() {
    let xml = written("sweep-junit")("junit.xml");
    for part in [
        "<testsuites name=\"mayfly\" tests=\"4\" skipped=\"0\" failures=\"2\" errors=\"1\" time=\"2.000\">",
        "<testsuite name=\"partition\" tests=\"2\"",
        "<testcase name=\"seed 1\" classname=\"partition\" time=\"0.250\"/>",
        "<failure message=\"a stale read\" type=\"Consistency violated\">",
        "repeat with: cargo sim s1 --seed 2",
    ] {
        assert!(xml.contains(part), "{part} is missing in\n{xml}");
    }
    assert!(!xml.contains("<script>") && !xml.contains('\u{1b}'), "{xml}");
}

#[test]
fn the_summary_names_the_failures_and_how_to_repeat_them() {
    let summary = written("sweep-markdown")("summary.md");
    assert!(
        summary.starts_with("## Sweep: 1 of 4 runs passed\n\nPart 3 of 8.\n\n**Incomplete:** "),
        "{summary}"
    );
    for part in [
        "- **partition, seed 2**: Expectation failed: completed GET operations: 3, needed at least 5\n",
        "  repeat with `cargo sim s0 --seed 2`\n",
        "| partition | 1 of 2 | 2,000 | 60.000 s |\n",
    ] {
        assert!(summary.contains(part), "{part} is missing in\n{summary}");
    }
    assert!(!summary.contains("<script>"), "{summary}");
}

#[test]
fn the_terminal_gets_a_line_a_scenario_and_the_failures() {
    let text = text::sweep(&report());
    for part in [
        "partition: 1 of 2 runs passed; 2000 operations in 60 simulated s, 120 simulated s per wall s and core\n",
        "  seed 2: completed GET operations: 3, needed at least 5\n    repeat with: cargo sim s0 --seed 2\n",
        "incomplete: interrupted after 4 of 9 runs\n1 of 4 runs passed; ",
    ] {
        assert!(text.contains(part), "{part} is missing in\n{text}");
    }
    assert!(!text.contains('\u{1b}'));
}
