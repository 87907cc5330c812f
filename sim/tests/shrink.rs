//! Shrinking: what is left of a run that failed is small, stands alone, fails in the same way, and without any of its parts does not.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mayfly_reports::Conclusion;
use mayfly_sim::run::{Options, Ran, run_with};
use mayfly_sim::scenario::Scenario;
use mayfly_sim::shrink::{Counts, Manner, RUNS, ShrinkError, Shrunk, Subject, shrink};
use worlds::TWO_CLIENTS;

fn run(scenario: &Scenario, seed: u64) -> Ran {
    run_with(scenario, "world.toml", seed, Options::default(), |_| ()).unwrap()
}

/// Shrinks the run of a scenario with a seed.
fn shrunk(scenario: &Scenario, seed: u64, threads: usize) -> Result<Shrunk, ShrinkError> {
    let ran = run(scenario, seed);
    let subject = Subject { scenario, seed, history: &ran.history, judgement: &ran.judgement };
    shrink(&subject, Manner { runs: RUNS, threads, checker: None }, |_| ())
}

/// Whether a file's text fails by itself, as one of a lying broker does.
fn fails(text: &str) -> bool {
    let Ok(scenario) = Scenario::parse(text, "shrunk.toml") else { return false };
    run(&scenario, scenario.run.seed).report.verdict.conclusion == Conclusion::Passed
}

/// The text without each item of a list of tables, and what it is without.
fn without_each(text: &str) -> Vec<(String, String)> {
    let file: toml::Table = text.parse().unwrap();
    let mut all = Vec::new();
    let count = |value: Option<&toml::Value>| value.and_then(toml::Value::as_array).map_or(0, Vec::len);
    for list in ["clients", "faults"] {
        for index in 0..count(file.get(list)) {
            let mut less = file.clone();
            less[list].as_array_mut().unwrap().remove(index);
            all.push((format!("{list}[{index}]"), toml::to_string(&less).unwrap()));
        }
    }
    for client in 0..count(file.get("clients")) {
        for step in 0..count(file["clients"][client]["workload"].get("steps")) {
            let mut less = file.clone();
            less["clients"][client]["workload"]["steps"].as_array_mut().unwrap().remove(step);
            all.push((format!("clients[{client}], steps[{step}]"), toml::to_string(&less).unwrap()));
        }
    }
    all
}

/// Two clients that ask much, of a broker that lies.
fn stale_get() -> Scenario {
    let busy = TWO_CLIENTS.replace("keys = 2", "keys = 2\npause = { min = \"0ms\", max = \"4ms\" }");
    let lies = "[broker]\nsabotage = \"stale-get\"\n[expect]\nverdict = \"violation\"\ncheckers = [\"version-order\"]\n\
                caught_by = [{ checker = \"version-order\", anomaly = \"stale-read\" }]\n";
    worlds::scenario(&format!("{busy}{lies}").replace("\"5s\"", "\"2s\""))
}

#[test]
fn a_lie_about_the_store_shrinks_to_a_few_operations_whatever_the_number_of_threads() {
    let shrunk = [1, 2].map(|threads| shrunk(&stale_get(), 3, threads).unwrap());
    assert_eq!(shrunk[0], shrunk[1]);
    is_small_minimal_and_fails(&shrunk[0]);
    let text = &shrunk[0].text;
    assert!(
        text.starts_with("# Shrunk from the scenario `world` with seed 3: 2 clients, 0 faults and "),
        "{text}"
    );
    assert!(text.contains("\nkind = \"script\"\nsteps = [\n    { kind = \""), "{text}");
}

#[test]
fn a_lie_about_connections_shrinks_to_how_they_came_and_went() {
    let text = "description = \"x\"\n[run]\nduration = \"4s\"\ndrain = \"1s\"\n[broker]\nsabotage = \"wrong-reason\"\n\
                [[clients]]\nname = \"a\"\ncount = 3\n[clients.workload]\nkind = \"messages\"\n\
                subscribe = [{ filter = \"#\", qos = 1 }]\n\
                publish = { topic = \"t\", qos = [1], pause = { min = \"50ms\", max = \"100ms\" } }\n\
                churn = { how = [\"takeover\", \"cut\"], connected = { min = \"300ms\", max = \"700ms\" } }\n\
                [expect]\nverdict = \"violation\"\ncheckers = [\"takeover\"]\n\
                caught_by = [{ checker = \"takeover\", anomaly = \"wrong-reason\" }]\n";
    let shrunk = shrunk(&worlds::scenario(text), 1, 2).unwrap();
    is_small_minimal_and_fails(&shrunk);
    assert_eq!(shrunk.after, Counts { clients: 1, faults: 0, operations: 1 }, "{}", shrunk.text);
    assert!(shrunk.text.contains("{ kind = \"takeover\", at = \""), "{}", shrunk.text);
}

fn is_small_minimal_and_fails(shrunk: &Shrunk) {
    let (text, Counts { clients, faults, operations }) = (&shrunk.text, shrunk.after);
    assert!(clients <= 2 && faults <= 1 && operations <= 10, "{text}");
    assert!(shrunk.is_minimal && shrunk.is_script, "{text}");
    assert!(fails(text), "{text}");
    for (what, less) in without_each(text) {
        assert!(!fails(&less), "without {what} it still fails:\n{text}");
    }
}

#[test]
fn a_run_in_which_no_checker_found_anything_is_not_shrunk() {
    let scenario = worlds::scenario(&TWO_CLIENTS.replace("\"5s\"", "\"500ms\""));
    let error = shrunk(&scenario, 1, 1).unwrap_err().to_string();
    let expected = "every checker and every expectation held; there is nothing to shrink without a violation that a checker found";
    assert_eq!(error, expected);
}

#[test]
fn the_command_shrinks_a_bundle_and_says_what_it_left() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("shrink");
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    let (file, bundle) = (folder.join("lying.toml"), folder.join("bundle"));
    std::fs::write(&file, stale_get().text).unwrap();
    let sim = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_mayfly-sim")).args(arguments).output().unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
            String::from_utf8(output.stderr).unwrap(),
        )
    };
    let path = |path: &Path| path.to_str().unwrap().to_owned();
    let (status, ..) = sim(&[&path(&file), "--seed", "3", "--no-report", "--bundle", &path(&bundle)]);
    assert_eq!(status, Some(0));
    let (status, out, err) = sim(&["shrink", &path(&bundle)]);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("version-order finds stale-read: 2 clients, 0 faults and "), "{out}");
    assert!(
        out.contains(
            "\nminimal: with any one more client, operation or fault left out it does not fail any more\n"
        ),
        "{out}"
    );
    let left: PathBuf = folder.join("bundle-shrunk.toml");
    assert!(out.ends_with(&format!("cargo sim {}\n", path(&left))), "{out}");
    assert!(fails(&std::fs::read_to_string(left).unwrap()));
    let (status, out, err) = sim(&["shrink", &path(&bundle), "--seed", "3"]);
    assert_eq!((status, out.as_str()), (Some(3), ""));
    assert_eq!(err, "a bundle has its seed; remove --seed, or name a scenario\n");
}

/// Lying brokers of `scenarios/negative` by what they lie about: the store, sessions, messages, locks, expiry, notifications, wills.
const LIARS: [&str; 12] = [
    "stale-get",
    "dropped-set",
    "unconditional",
    "lost-session",
    "wrong-reason",
    "lost-message",
    "wrong-qos",
    "double-grant",
    "early-expiry",
    "dropped-notification",
    "late-notification",
    "lost-will",
];

/// Each of these, in optimized code: `just shrink`.
#[test]
#[ignore = "some minutes, in optimized code: just shrink"]
fn failures_of_many_lying_brokers_shrink_within_two_minutes_each() {
    const SEED: u64 = 7;
    let negative = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/negative");
    let mut too_large = Vec::new();
    for name in LIARS {
        let scenario = Scenario::load(&negative.join(format!("{name}.toml"))).unwrap();
        #[expect(clippy::disallowed_methods, reason = "how long it takes is what is measured")]
        let started = Instant::now();
        let shrunk = shrunk(&scenario, SEED, 2);
        let took = started.elapsed();
        let shrunk = match shrunk {
            Ok(shrunk) => shrunk,
            Err(error) => {
                too_large.push(format!("{name}: {error}"));
                continue;
            }
        };
        let Shrunk { before, after, runs, is_minimal, is_script, .. } = &shrunk;
        println!(
            "{name}: {before} -> {after}; {runs} runs, {} s, script {is_script}\n{}",
            took.as_secs(),
            shrunk.text
        );
        let is_small = after.clients <= 2 && after.faults <= 1 && after.operations <= 10;
        if !is_small || !is_minimal || took > Duration::from_mins(2) || !fails(&shrunk.text) {
            too_large.push(format!("{name}: {after}, minimal {is_minimal}, {} s", took.as_secs()));
        }
    }
    assert!(too_large.is_empty(), "{too_large:#?}");
}
