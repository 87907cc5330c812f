//! The `mayfly-bench` binary as a whole process: what it measures, and what it says where it cannot.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::PathBuf;
use std::process::{Command, Output};

/// A scenario that can be measured; tests change a line of it.
const SCENARIO: &str = r#"
description = "Two clients that use every operation"

[run]
duration = "10s"

[[clients]]
name = "load"
count = 2
clock_offset = "250ms"

[clients.workload]
kind = "register"
keys = 5
mix = { get = 30, set = 30, set_nx = 10, set_nex = 10, del = 10, vdel = 10 }
pause = { min = "0ms", max = "0ms" }
in_flight = 3

[bench]
"#;

fn measure(scenario: &str, options: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_mayfly-bench")).arg(scenario).args(options).output().unwrap()
}

/// Writes a scenario to a file of this test.
fn file(name: &str, text: &str) -> String {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}.toml"));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// Asserts that nothing was measured, and that one line says why.
fn assert_refused(output: &Output, why: &str) {
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(why), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
    assert!(output.stdout.is_empty());
}

#[test]
fn every_operation_is_measured_in_both_worlds() {
    let path = file("every-operation", SCENARIO);
    let output = measure(&path, &["--warm-up", "50ms", "--measure", "500ms", "--seed", "4"]);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let headings: Vec<_> = text.lines().filter(|line| line.contains("(wall time)")).collect();
    assert_eq!(headings.len(), 2, "{text}");
    assert!(
        headings[0].starts_with("in memory (wall time): no network, 2 clients, 3 requests open each"),
        "{text}"
    );
    assert!(headings[1].starts_with("loopback (wall time): TCP, 2 clients"), "{text}");
    for kind in ["GET", "SET", "SET NX", "SET NEX", "DEL", "VDEL", "all"] {
        let rows = text.lines().filter(|line| line.trim_start().starts_with(&format!("{kind}  ")));
        assert_eq!(rows.count(), 2, "{kind}: {text}");
    }
    assert!(text.contains("--seed 4"), "{text}");
}

#[test]
fn refused_requests_fail_the_run() {
    // The store refuses what is more than a minute ahead of its clock.
    let path = file("clock-ahead", &SCENARIO.replace("250ms", "2m"));
    let output = measure(&path, &["--warm-up", "0s", "--measure", "100ms"]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains("answers were wrong, the first: "), "{error}");
    assert!(error.contains("the request timestamp is too far in the future"), "{error}");
    assert!(output.stdout.is_empty());
}

#[test]
fn an_unknown_scenario_is_refused() {
    assert_refused(&measure("hot-pat", &[]), "there is no scenario `hot-pat`");
}

#[test]
fn a_scenario_without_bench_is_refused() {
    let path = file("without-bench", &SCENARIO.replace("[bench]", ""));
    assert_refused(&measure(&path, &[]), "has no [bench] table");
}

#[test]
fn a_scenario_with_faults_is_refused() {
    let restart = "[bench]\n\n[[faults]]\nkind = \"restart\"\nat = \"3s\"";
    let path = file("with-faults", &SCENARIO.replace("[bench]", restart));
    assert_refused(&measure(&path, &[]), "remove [[faults]]");
    let path = file("only-faults", &SCENARIO.replace("[bench]", &restart["[bench]\n".len()..]));
    assert_refused(&measure(&path, &[]), "has faults or a lying broker");
}

#[test]
fn a_scenario_with_pauses_is_refused() {
    let pauses = SCENARIO.replace("max = \"0ms\"", "max = \"5ms\"");
    assert_refused(&measure(&file("with-pauses", &pauses), &[]), "the client `load` pauses");
}

#[test]
fn an_option_without_sense_is_refused() {
    for option in ["--measure=0s", "--measure=5", "--warm-up=fast", "--seed=x"] {
        let output = measure("hot-path", &[option]);
        assert_eq!(output.status.code(), Some(2), "{option}");
        assert!(String::from_utf8_lossy(&output.stderr).contains("invalid value"), "{option}");
    }
}
