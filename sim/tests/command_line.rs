//! The binary as a whole process: what it prints, what it writes, and its exit status.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use mayfly_reports::sweep::{Ended as SweepEnded, SweepReport};
use mayfly_reports::{Conclusion, RunReport};
use worlds::{TWO_CLIENTS, partition};

/// How a process ended.
#[derive(Debug)]
struct Ended {
    status: Option<i32>,
    out: String,
    err: String,
}

/// Runs the simulator at the root of the repository, where the scenarios are.
fn sim(arguments: &[&str]) -> Ended {
    let output = Command::new(env!("CARGO_BIN_EXE_mayfly-sim"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A folder of this test's own.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// A scenario's file, and its path as an argument.
fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

const EXPECT_PARTITION: &str = "[expect]\nfaults = { partition_disconnect = 1 }\n";

#[test]
fn a_run_that_passes_prints_its_tables_writes_its_report_and_exits_with_0() {
    let folder = folder("passed");
    let text = format!("{TWO_CLIENTS}{}{EXPECT_PARTITION}", partition("disconnect"));
    let scenario = file(&folder, "cut-off.toml", &text);
    let reports = folder.join("reports");
    let ended = sim(&[&scenario, "--seed", "3", "--reports", reports.to_str().unwrap()]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert_eq!(ended.err, "", "no progress bar where there is no terminal");
    for part in
        ["Operations", "Latency of answered", "Faults", "Checkers", "Expectations", "bit", "trace hash"]
    {
        assert!(ended.out.contains(part), "{part} is missing in\n{}", ended.out);
    }
    assert!(ended.out.contains("/cut-off.toml --seed 3\n"), "{}", ended.out);
    assert!(ended.out.ends_with("\nPassed: every checker and every expectation held\n"), "{}", ended.out);

    let written = reports.join("cut-off-seed-3");
    let report: RunReport =
        RunReport::from_json(&fs::read_to_string(written.join("report.json")).unwrap()).unwrap();
    assert_eq!((report.seed, report.verdict.conclusion), (3, Conclusion::Passed));
    assert!(report.operations.len() > 50 && report.faults.len() == 1 && report.wall_duration_ms > 0);
    assert!(report.memory.len() > 5 && report.memory.iter().any(|sample| sample.value > 1_000), "memory");
    let ended: u64 = report.throughput.ok.iter().sum();
    assert!(ended > 50 && ended <= report.operations.len() as u64, "{ended} operations ended");
    assert!(report.summary.iter().any(|kind| kind.percentiles.len() > 3), "percentiles");
    let page = fs::read_to_string(written.join("report.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.trim_end().ends_with("</html>"));
    assert!(page.contains("cut-off"));
}

#[test]
fn without_its_fault_a_scenario_fails_as_never_bit_and_exits_with_2() {
    let folder = folder("toothless");
    let scenario = file(&folder, "toothless.toml", &format!("{TWO_CLIENTS}{EXPECT_PARTITION}"));
    let ended = sim(&[&scenario, "--no-report"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    let last =
        "\nExpectation failed: faults that bit: partition (disconnect): never bit, needed at least 1\n";
    assert!(ended.out.ends_with(last), "{}", ended.out);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no report was wanted");
}

#[test]
fn a_lie_that_is_caught_under_another_name_exits_with_2() {
    let folder = folder("misnamed");
    let text = TWO_CLIENTS.replace("keys = 2", "keys = 2\npause = { min = \"0ms\", max = \"2ms\" }");
    let lying = "[broker]\nsabotage = \"stale-get\"\n[expect]\nverdict = \"violation\"\n\
                 caught_by = [{ checker = \"version-order\", anomaly = \"duplicate-version\" }]\n";
    let scenario = file(&folder, "misnamed.toml", &format!("{text}{lying}").replace("\"5s\"", "\"3s\""));
    let ended = sim(&[&scenario, "--no-report"]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(ended.out.contains("stale-read, needed duplicate-version"), "{}", ended.out);
}

#[test]
fn an_invalid_scenario_gets_one_line_with_its_place_and_exits_with_3() {
    let folder = folder("invalid");
    let scenario = file(&folder, "typo.toml", &TWO_CLIENTS.replacen("keys = 2", "kyes = 2", 1));
    let ended = sim(&[&scenario]);
    assert_eq!((ended.status, ended.out.as_str()), (Some(3), ""), "{ended:?}");
    let start = format!("{scenario}:12:1: unknown key `kyes` in [clients.workload]; did you mean `keys`?");
    assert!(ended.err.starts_with(&start), "{}", ended.err);
    assert_eq!(ended.err.matches('\n').count(), 1, "{}", ended.err);
}

#[test]
fn an_unknown_scenario_an_empty_folder_and_a_missing_file_exit_with_3() {
    for (name, message) in [
        ("partitoin", "there is no scenario `partitoin` in scenarios; did you mean `partition`?"),
        ("no/such.toml", "no/such.toml: cannot be read: "),
    ] {
        let ended = sim(&[name]);
        assert_eq!((ended.status, ended.out.as_str()), (Some(3), ""), "{ended:?}");
        assert!(ended.err.starts_with(message) && ended.err.matches('\n').count() == 1, "{}", ended.err);
    }
    let folder = folder("empty");
    fs::create_dir(folder.join("scenarios")).unwrap();
    let ended =
        Command::new(env!("CARGO_BIN_EXE_mayfly-sim")).arg("fast").current_dir(&folder).output().unwrap();
    assert_eq!(ended.status.code(), Some(3));
    assert_eq!(String::from_utf8(ended.stderr).unwrap(), "scenarios/fast holds no scenario\n");
}

#[test]
fn a_bad_command_line_exits_with_3_and_help_with_0() {
    for arguments in [
        &["smoke", "--sede", "7"][..],
        &["smoke", "--seed", "x"],
        &["smoke", "--seed", "-1"],
        &["sweep", "smoke"],
        &["sweep", "--seeds", "2"],
        &["sweep", "smoke", "--seeds", "1", "--runs", "2"],
        &["sweep", "smoke", "--seeds", "0"],
        &["sweep", "smoke", "--seeds", "1000001"],
        &["sweep", "smoke", "--runs", "18446744073709551614"],
        &["sweep", "smoke", "--time", "10"],
        &["sweep", "smoke", "--time", "0s"],
        &["sweep", "smoke", "--seeds", "1", "--shard", "0/8"],
        &["sweep", "smoke", "--seeds", "1", "--shard", "9/8"],
        &["sweep", "smoke", "--seeds", "1", "--max-failures", "0"],
        &["sweep", "smoke", "--seeds", "1", "--jobs", "0"],
        &["meta"],
        &["trace"],
        &[],
    ] {
        let ended = sim(arguments);
        assert_eq!((ended.status, ended.out.as_str()), (Some(3), ""), "{arguments:?}: {ended:?}");
        assert!(ended.err.starts_with("error: ") && ended.err.matches('\n').count() == 1, "{}", ended.err);
    }
    let help = sim(&["--help"]);
    assert_eq!(help.status, Some(0));
    assert!(help.out.contains("Exit status: 0 passed"), "{}", help.out);
}

#[test]
fn an_unwritable_report_folder_says_so_and_exits_with_3() {
    let folder = folder("unwritable");
    let scenario = file(&folder, "short.toml", &TWO_CLIENTS.replace("\"5s\"", "\"1s\""));
    let ended = sim(&[&scenario, "--reports", &scenario]);
    assert_eq!(ended.status, Some(3), "{ended:?}");
    assert!(ended.err.contains("short.toml"), "{}", ended.err);
}

#[test]
fn what_a_number_must_be_is_said() {
    for (arguments, advice) in [
        (&["smoke", "--seed", "abc"][..], "from 0 to 18446744073709551615"),
        (&["smoke", "--seed", "-1"], "from 0 to 18446744073709551615"),
        (&["smoke", "--sede", "7"], "'--seed'"),
        (&["sweep", "smoke", "--seeds", "0"], "from 1 to 1000000"),
        (&["sweep", "smoke", "--shard", "3"], "from 1/N to N/N, such as 3/8"),
        (&["sweep", "smoke", "--time", "10"], "unit"),
        (&["sweep", "smoke"], "<--seeds <COUNT>|--runs <COUNT>|--time <DURATION>> is missing"),
    ] {
        let ended = sim(arguments);
        assert!(ended.err.contains(advice), "{}", ended.err);
    }
}

#[test]
fn a_failed_write_hides_no_failed_run_and_no_passing_run_hides_an_unwritable_folder() {
    let folder = folder("not-written");
    let short = TWO_CLIENTS.replace("\"5s\"", "\"1s\"");
    let good = file(&folder, "good.toml", &short);
    let bad = file(&folder, "bad.toml", &format!("{short}[expect]\noperations = {{ get = 100000 }}\n"));
    // Files stand where the folders of the reports would be made.
    for name in ["good-seed-1", "bad-seed-1", "bad-seed-2"] {
        file(&folder, name, "");
    }
    let reports = folder.to_str().unwrap();
    assert_eq!(sim(&[&good, "--seed", "1", "--reports", reports]).status, Some(3));
    assert_eq!(sim(&[&bad, "--seed", "1", "--reports", reports]).status, Some(2));
    assert_eq!(sim(&["sweep", &bad, "--seeds", "2", "--reports", reports]).status, Some(2));
    let batch = sim(&["sweep", &good, "--seeds", "2", "--reports", &good]);
    assert_eq!((batch.status, batch.out.as_str()), (Some(3), ""), "{batch:?}");
    assert_eq!(batch.err.matches('\n').count(), 1, "{}", batch.err);
}

#[test]
fn a_folder_is_called_one_and_a_scenario_named_twice_runs_once() {
    let folder = folder("twice named");
    let ended = sim(&[folder.to_str().unwrap()]);
    assert_eq!(ended.status, Some(3));
    assert!(ended.err.contains("is a folder; name a file in it, or one of fast, slow"), "{}", ended.err);
    let short = file(&folder, "short.toml", &TWO_CLIENTS.replace("\"5s\"", "\"1s\""));
    let ended = sim(&[&short, &short, "--no-report"]);
    assert_eq!(ended.out.matches("trace hash").count(), 1, "{}", ended.out);
    assert!(ended.out.contains("twice named/short.toml' --seed 1\n"), "{}", ended.out);
}

#[test]
fn list_names_every_scenario_with_its_folder_and_description() {
    let ended = sim(&["list"]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    for name in ["partition", "restart", "smoke"] {
        let is_listed = |line: &str| line.split_whitespace().take(2).eq(["fast", name]) && line.len() > 50;
        assert!(ended.out.lines().any(is_listed), "{name} is missing in\n{}", ended.out);
    }
    assert!(!ended.out.contains("invalid:"), "{}", ended.out);
}

#[test]
fn a_sweep_prints_a_line_a_scenario_and_writes_a_page_and_summaries_for_ci() {
    let folder = folder("sweep");
    let short = TWO_CLIENTS.replace("\"5s\"", "\"1s\"");
    let good = file(&folder, "good.toml", &short);
    let bad = file(&folder, "bad.toml", &format!("{short}[expect]\noperations = {{ get = 100000 }}\n"));
    let reports = folder.join("reports");
    let ended = sim(&["sweep", &good, &bad, "--seeds", "2", "--reports", reports.to_str().unwrap()]);
    assert_eq!(ended.status, Some(2), "{ended:?}");
    assert!(ended.out.starts_with("good: 2 of 2 runs passed; "), "{}", ended.out);
    assert!(ended.out.contains("\nbad: 0 of 2 runs passed; "), "{}", ended.out);
    assert!(ended.out.contains("\n  seed 2: completed GET operations: "), "{}", ended.out);
    assert!(ended.out.contains("/bad.toml --seed 2\n"), "{}", ended.out);
    assert!(ended.out.contains("\n2 of 4 runs passed; "), "{}", ended.out);
    assert!(ended.out.ends_with("reports/index.html\n"), "{}", ended.out);
    assert!(reports.join("bad-seed-1/report.html").exists() && !reports.join("good-seed-1").exists());
    let read = |name: &str| fs::read_to_string(reports.join(name)).unwrap();
    let data: SweepReport = serde_json::from_str(&read("sweep.json")).unwrap();
    assert_eq!((data.ended, data.runs_planned, data.runs.len()), (SweepEnded::AllDone, Some(4), 4));
    assert!(read("index.html").contains("href=\"./bad-seed-1/report.html\""));
    assert!(read("summary.md").starts_with("## Sweep: 2 of 4 runs passed\n"));
    assert!(read("junit.xml").contains("failures=\"2\""));
}

#[test]
fn a_sweep_ends_when_enough_failed_or_its_time_is_up_and_its_parts_do_all() {
    let folder = folder("sweep-ends");
    let short = TWO_CLIENTS.replace("\"5s\"", "\"1s\"");
    let bad = file(&folder, "bad.toml", &format!("{short}[expect]\noperations = {{ get = 100000 }}\n"));
    let enough = sim(&["sweep", &bad, "--runs", "50", "--max-failures", "2", "--jobs", "1", "--no-report"]);
    assert_eq!(enough.status, Some(2));
    assert!(
        enough.out.contains("incomplete: stopped after 2 of 50 runs, since enough of them had failed\n"),
        "{}",
        enough.out
    );
    let good = file(&folder, "good.toml", &short);
    let time = sim(&["sweep", &good, "--time", "1ms", "--no-report"]);
    assert!(time.out.contains("incomplete: the time was up after "), "{}", time.out);
    let part = |shard| {
        let ended = sim(&["sweep", &good, "--runs", "3", "--from", "7", "--shard", shard, "--no-report"]);
        ended.out.split(" runs passed").next().unwrap().to_owned()
    };
    assert_eq!([part("1/2"), part("2/2")], ["good: 2 of 2", "good: 1 of 1"]);
}

#[test]
fn meta_finds_two_runs_equal_and_the_first_event_in_which_a_planted_mistake_shows() {
    let folder = folder("meta");
    let text = format!("{TWO_CLIENTS}{}", partition("disconnect")).replace("\"5s\"", "\"3500ms\"");
    let scenario = file(&folder, "compared.toml", &text);
    let ended = sim(&["meta", &scenario, "--seeds", "2"]);
    assert_eq!(ended.status, Some(0), "{ended:?}");
    assert!(ended.out.starts_with("compared: 2 of 2 seeds did the same in two processes, "), "{}", ended.out);
    let planted = sim(&["meta", &scenario, "--plant-hash-order"]);
    assert_eq!(planted.status, Some(2), "{planted:?}");
    let lines: Vec<_> = planted.out.lines().collect();
    let first = |whose: &str| {
        let found = lines.iter().find_map(|line| line.trim_start().strip_prefix(whose)).unwrap();
        found.trim().to_owned()
    };
    let (here, there) = (first("here:"), first("there:"));
    assert!(lines[2].ends_with(" is the first that differs"), "{}", planted.out);
    assert!(here.contains(" broker: ") && there.contains(" broker: ") && here != there, "{}", planted.out);
    let letters = |line: &str| {
        let mut letters: Vec<_> = line.split(' ').next_back().unwrap().chars().collect();
        letters.sort_unstable();
        letters
    };
    assert_eq!(letters(&here), letters(&there), "the same words in another order");
}

#[test]
fn trace_prints_an_event_a_line() {
    let folder = folder("trace");
    let scenario = file(&folder, "traced.toml", &TWO_CLIENTS.replace("\"5s\"", "\"1s\""));
    let ended = sim(&["trace", &scenario, "--seed", "3"]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    let kinds =
        |kind: &str| ended.out.lines().filter(|line| line.split_whitespace().nth(1) == Some(kind)).count();
    assert!(kinds("read") > 10 && kinds("write") > 10 && kinds("invoke") > 10, "{}", ended.out);
    let times: Vec<f64> =
        ended.out.lines().map(|line| line.split(' ').next().unwrap().parse().unwrap()).collect();
    assert!(times.is_sorted() && *times.last().unwrap() > 0.9);
}

#[test]
fn the_same_seed_has_the_same_trace_hash_in_two_processes_and_another_seed_another() {
    let folder = folder("hashes");
    let text = format!("{TWO_CLIENTS}{}", partition("disconnect")).replace("\"5s\"", "\"3500ms\"");
    let scenario = file(&folder, "hashed.toml", &text);
    let hash = |seed: &str| {
        let ended = sim(&[&scenario, "--seed", seed, "--no-report"]);
        let hash = ended.out.lines().find_map(|line| line.strip_prefix("trace hash"));
        hash.unwrap_or_else(|| panic!("no trace hash: {ended:?}")).trim().to_owned()
    };
    let seven = hash("7");
    assert_eq!(seven.len(), 32);
    assert_eq!(seven, hash("7"));
    assert_ne!(seven, hash("8"));
}

#[test]
fn the_schema_is_printed_for_an_editor() {
    let ended = sim(&["schema"]);
    assert_eq!((ended.status, ended.err.as_str()), (Some(0), ""));
    let schema: serde_json::Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
    let out_of_place = Command::new(env!("CARGO_BIN_EXE_mayfly-sim"))
        .args(["schema", "--write"])
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(out_of_place.status.code(), Some(3), "{out_of_place:?}");
}
