//! What a failed run leaves: written whole, read back as it was, judged and run again; and what is said of one that is broken.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use mayfly_sim::bundle::{self, Bundle, Identity};
use mayfly_sim::history::{Call, History};
use mayfly_sim::run::{Options, Ran, run_with};
use mayfly_sim::scenario::Scenario;
use serde_json::Value;
use worlds::{TWO_CLIENTS, partition};
use xxhash_rust::xxh3::xxh3_128;

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bundles").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn run_kept(scenario: &Scenario, seed: u64) -> Ran {
    let options = Options { keep_events: true, ..Options::default() };
    run_with(scenario, "world.toml", seed, options, |_| ()).unwrap()
}

/// A lying broker that nobody expects to lie, cut short.
fn failing() -> Scenario {
    let busy = TWO_CLIENTS.replace("keys = 2", "keys = 2\npause = { min = \"0ms\", max = \"2ms\" }");
    let text = format!(
        "{busy}{}[broker]\nsabotage = \"stale-get\"\n[expect]\nverdict = \"violation\"\n\
         caught_by = [{{ checker = \"version-order\", anomaly = \"duplicate-version\" }}]\n",
        partition("delay")
    );
    worlds::scenario(&text.replace("\"5s\"", "\"3s\""))
}

/// A bundle of that, in a folder of this name.
fn written(name: &str) -> (Scenario, Ran, PathBuf) {
    let (scenario, to) = (failing(), folder(name).join("bundle"));
    let ran = run_kept(&scenario, 3);
    bundle::write(&scenario, &ran, &to).unwrap();
    (scenario, ran, to)
}

#[test]
fn histories_of_real_runs_come_back_as_they_were() {
    let scenarios = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    for name in
        ["fast/smoke", "fast/lock", "fast/notify", "fast/scan", "fast/hostile-peers", "fast/clock-skew"]
    {
        let mut scenario = Scenario::load(&scenarios.join(format!("{name}.toml"))).unwrap();
        scenario.run.duration = Duration::from_secs(4);
        scenario.run.drain = Duration::from_millis(500);
        let history = run_kept(&scenario, 1).history;
        assert_eq!(history.check_soundness(), Ok(()), "{name}");
        let json = serde_json::to_string(&history).unwrap();
        let read: History = serde_json::from_str(&json).unwrap();
        assert!(read == history, "{name}");
        assert!(history.mqtt.len() + history.operations.len() > 50, "{name}");
    }
}

#[test]
fn bytes_that_are_no_text_come_back_as_they_were() {
    let mut history = run_kept(&worlds::scenario(&TWO_CLIENTS.replace("\"5s\"", "\"1s\"")), 1).history;
    let (client, bytes) = (history.operations[0].client, vec![0, 0xff, 0xc3]);
    history.invoke(client, Call::Vdel { key: bytes.clone(), value: bytes }, u64::MAX);
    let json = serde_json::to_string(&history).unwrap();
    assert!(json.contains(r#"{"vdel":{"key":{"hex":"00ffc3"},"value":{"hex":"00ffc3"}}}"#));
    assert!(serde_json::from_str::<History>(&json).unwrap() == history);
}

#[test]
fn a_bundle_is_read_as_it_was_written_and_judged_alike_and_runs_again() {
    let (scenario, ran, to) = written("round-trip");
    let bundle = Bundle::read(&to).unwrap();
    assert!(bundle.history == ran.history && bundle.faults == ran.faults);
    assert_eq!(bundle.report, ran.report);
    assert_eq!(
        (bundle.scenario.name.as_str(), bundle.seed, bundle.file.as_str()),
        ("world", 3, "world.toml")
    );
    assert_eq!(bundle.scenario.identity(), scenario.identity());
    assert_eq!((bundle.events, bundle.events_kept), (ran.event_count, ran.event_count));
    assert_eq!(bundle.build, Identity::own());
    let events: Vec<_> = ran.events.iter().map(ToString::to_string).collect();
    assert!(bundle.trace().unwrap().eq(events));
    assert_eq!(bundle.judge().unwrap(), ran.judgement);
    let again = run_kept(&bundle.scenario, bundle.seed);
    assert_eq!(again.report.trace_hash, ran.report.trace_hash);
    assert_eq!(Bundle::read(&to.join("bundle.json")).unwrap().trace_hash, bundle.trace_hash);
    let history = fs::read_to_string(to.join("history.json")).unwrap();
    let is_line =
        |line: &str| line.starts_with("    {\"id\": 0,\"client\": ") && line.contains("\"call\": {\"");
    assert!(history.lines().any(is_line), "an operation is a line");
}

#[test]
fn a_scenario_with_a_base_stands_alone_in_its_bundle() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios/negative/lost-session.toml");
    let mut scenario = Scenario::load(&path).unwrap();
    let to = folder("based").join("lost-session");
    let identity = scenario.identity();
    scenario.run.duration = Duration::from_secs(1);
    bundle::write(&scenario, &run_kept(&scenario, 1), &to).unwrap();
    assert_eq!(Bundle::read(&to).unwrap().scenario.identity(), identity);
}

#[test]
fn a_trace_beyond_the_bound_is_cut_and_the_hash_is_over_all() {
    let (scenario, to) = (failing(), folder("cut").join("bundle"));
    let options = Options { keep_events: true, most_events: Some(10), ..Options::default() };
    let ran = run_with(&scenario, "world.toml", 3, options, |_| ()).unwrap();
    bundle::write(&scenario, &ran, &to).unwrap();
    let bundle = Bundle::read(&to).unwrap();
    assert!(bundle.events > 1000 && bundle.events_kept == 10);
    assert_eq!(bundle.trace().unwrap().count(), 10);
    assert_eq!(ran.report.trace_hash, run_kept(&scenario, 3).report.trace_hash);
}

#[test]
fn a_folder_with_something_else_is_left_alone_and_a_bundle_replaced_whole() {
    let (scenario, ran, to) = written("replaced");
    bundle::write(&scenario, &ran, &to).unwrap();
    fs::write(to.join("notes.txt"), "mine").unwrap();
    let error = bundle::write(&scenario, &ran, &to).unwrap_err().to_string();
    assert!(
        error.ends_with("bundle holds `notes.txt`, which is no part of a bundle; name a new folder"),
        "{error}"
    );
    assert_eq!(fs::read_to_string(to.join("notes.txt")).unwrap(), "mine");
    let beside: Vec<_> =
        fs::read_dir(to.parent().unwrap()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(beside, ["bundle"], "nothing half-written stays");
    let file = folder("file").join("bundle");
    fs::write(&file, "").unwrap();
    let error = bundle::write(&scenario, &ran, &file).unwrap_err().to_string();
    assert!(error.contains("file/bundle cannot be written: "), "{error}");
}

/// Changes what `bundle.json` says.
fn edit(bundle: &Path, change: impl FnOnce(&mut Value)) {
    let path = bundle.join("bundle.json");
    let mut manifest = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    change(&mut manifest);
    fs::write(path, serde_json::to_string_pretty(&manifest).unwrap()).unwrap();
}

/// Puts another content into a file, and its size and hash into `bundle.json`.
fn exchange(bundle: &Path, name: &str, change: impl FnOnce(String) -> String) {
    let path = bundle.join(name);
    let content = change(fs::read_to_string(&path).unwrap());
    fs::write(path, &content).unwrap();
    edit(bundle, |manifest| {
        manifest["files"][name]["bytes"] = content.len().into();
        manifest["files"][name]["xxh3"] = format!("{:032x}", xxh3_128(content.as_bytes())).into();
    });
}

#[test]
fn a_broken_bundle_gets_an_error_that_says_what_is_wrong_and_where() {
    type Break = fn(&Path);
    let (_, _, whole) = written("broken");
    let breaks: [(Break, &str); 16] = [
        (|to| fs::remove_dir_all(to).unwrap(), "there is no bundle "),
        (|to| fs::remove_file(to.join("bundle.json")).unwrap(), "since it has no bundle.json; name a folder"),
        (
            |to| fs::write(to.join("bundle.json"), "{").unwrap(),
            "bundle.json:1:1: EOF while parsing an object",
        ),
        (|to| fs::write(to.join("bundle.json"), "[1, 2]").unwrap(), "bundle.json:1:"),
        (
            |to| edit(to, |it| it["format"] = "x\n".into()),
            "bundle.json: it says that it is `x\\n`, but a bundle",
        ),
        (
            |to| edit(to, |it| it["format_version"] = 2.into()),
            "bundle.json: it has format version 2, and this build reads version 1; use the build that wrote it: 0.",
        ),
        (|to| edit(to, |it| it["colour"] = 1.into()), "unknown field `colour`"),
        (|to| fs::remove_file(to.join("trace.txt")).unwrap(), "trace.txt is missing; copy the whole folder"),
        (
            |to| fs::write(to.join("history.json"), "{}").unwrap(),
            "history.json is not as it was written: it has 2 bytes, and had ",
        ),
        (
            |to| edit(to, |it| it["files"]["scenario.toml"]["xxh3"] = "0".into()),
            "scenario.toml is not as it was written: its hash is another",
        ),
        (
            |to| edit(to, |it| _ = it["files"].as_object_mut().unwrap().remove("report.json")),
            "report.json is not as it was written: bundle.json does not tell",
        ),
        (
            |to| exchange(to, "history.json", |text| text.replacen("\"invoked_ns\"", "\"invoked\"", 1)),
            "history.json:7:189: missing field `invoked_ns`; it is not as the simulator wrote it",
        ),
        (
            |to| exchange(to, "history.json", |text| text.replacen("\"client\": 0", "\"client\": 9", 1)),
            "] names client 9, but there are 2; no run leaves that",
        ),
        (
            |to| exchange(to, "scenario.toml", |text| text.replace("keys = 2", "kyes = 2")),
            "unknown key `kyes` in [clients.workload]; did you mean `keys`?",
        ),
        (
            |to| edit(to, |it| it["faults"] = Value::Array(Vec::new())),
            "it tells of 0 faults, the scenario of 1",
        ),
        (|to| edit(to, |it| it["seed"] = 4.into()), "bundle.json: report.json is of another run"),
    ];
    for (number, (breaks, expected)) in breaks.into_iter().enumerate() {
        let to = folder("broken-copy").join(number.to_string());
        fs::create_dir(&to).unwrap();
        for entry in fs::read_dir(&whole).unwrap() {
            let entry = entry.unwrap();
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
        breaks(&to);
        let error = Bundle::read(&to).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\nand not: {expected}");
        assert!(!error.contains('\n') && !error.contains("  "), "{error}");
    }
}

/// How a process ended: its status and what it printed.
fn sim(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_mayfly-sim"))
        .args(arguments)
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_failed_run_leaves_a_bundle_that_is_checked_and_replayed_by_commands() {
    let folder = folder("commands");
    let path = folder.join("failing.toml");
    fs::write(&path, failing().text).unwrap();
    let (scenario, reports) = (path.to_str().unwrap(), folder.join("reports"));
    let (status, out, _) = sim(&[scenario, "--seed", "3", "--reports", reports.to_str().unwrap()]);
    assert_eq!(status, Some(2), "{out}");
    let bundle = reports.join("failing-seed-3");
    let bundle = bundle.to_str().unwrap();
    assert!(
        out.contains(&format!("bundle: {bundle}\n")) && out.contains("failing-seed-3/report.html"),
        "{out}"
    );

    let (status, out, err) = sim(&["check", bundle]);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.starts_with("version-order: violated, "), "{out}");
    assert!(out.contains("stale-read: ") && out.contains("\nthe same verdict as in the bundle: "), "{out}");
    let (status, out, err) = sim(&["replay", bundle]);
    assert_eq!((status, err.as_str()), (Some(0), ""), "{out}");
    assert!(out.contains("\nthe same run as in the bundle: "), "{out}");

    // As another build would have done it.
    exchange(Path::new(bundle), "trace.txt", |text| text.replacen(" broker: ", " bröker: ", 1));
    edit(Path::new(bundle), |manifest| {
        manifest["trace_hash"] = "0".repeat(32).into();
        manifest["build"]["git_commit"] = "0123456789ab".into();
    });
    let (status, out, _) = sim(&["replay", bundle]);
    assert_eq!(status, Some(2), "{out}");
    let told = ["commit 0123456789ab", " is the first that differs\n", " bundle: ", " bröker: ", " here:   "];
    assert!(told.iter().all(|told| out.contains(told)), "{out}");
    exchange(Path::new(bundle), "report.json", |text| text.replace("stale-read: ", "lost-write: "));
    let (status, out, _) = sim(&["check", bundle]);
    assert_eq!(status, Some(2), "{out}");
    assert!(out.contains("; in the bundle: violated, "), "{out}");
    for command in ["check", "replay"] {
        let (status, out, err) = sim(&[command, scenario]);
        assert_eq!((status, out.as_str(), err.matches('\n').count()), (Some(3), "", 1), "{err}");
        assert!(err.contains("is no bundle, since it has no bundle.json"), "{err}");
    }
}

#[test]
fn a_bundle_is_written_on_request_and_a_run_that_passes_leaves_none_by_itself() {
    let folder = folder("request");
    let path = folder.join("short.toml");
    fs::write(&path, TWO_CLIENTS.replace("\"5s\"", "\"1s\"")).unwrap();
    let (wanted, reports) = (folder.join("wanted"), folder.join("reports"));
    let names = [path.to_str().unwrap(), "--reports", reports.to_str().unwrap()];
    let (status, out, _) = sim(&[&names[..], &["--bundle", wanted.to_str().unwrap()]].concat());
    assert_eq!(status, Some(0), "{out}");
    assert_eq!(Bundle::read(&wanted).unwrap().scenario.name, "short");
    let report = reports.join("short-seed-1");
    assert_eq!(fs::read_dir(&report).unwrap().count(), 2, "data and page alone");
    // A run that passes leaves nothing of the bundle of one that failed.
    fs::remove_dir_all(&report).unwrap();
    fs::rename(&wanted, &report).unwrap();
    sim(&names);
    assert_eq!(fs::read_dir(&report).unwrap().count(), 2);
    let (status, _, err) = sim(&["smoke", "restart", "--no-report", "--bundle", wanted.to_str().unwrap()]);
    assert_eq!(status, Some(3));
    assert_eq!(err, "--bundle takes the bundle of one run, and 2 scenarios are named; name one\n");
}

#[test]
fn a_sweep_bounds_how_many_bundles_it_leaves() {
    let folder = folder("sweep");
    let path = folder.join("bad.toml");
    let text = TWO_CLIENTS.replace("\"5s\"", "\"500ms\"");
    fs::write(&path, format!("{text}[expect]\noperations = {{ get = 100000 }}\n")).unwrap();
    let left = |bundles: &str| {
        let reports = folder.join(format!("reports-{bundles}"));
        let arguments = ["sweep", path.to_str().unwrap(), "--seeds", "7", "--bundles", bundles];
        let (status, out, _) = sim(&[&arguments[..], &["--reports", reports.to_str().unwrap()]].concat());
        assert_eq!(status, Some(2), "{out}");
        let folders = fs::read_dir(&reports).unwrap().map(|entry| entry.unwrap().path());
        let runs: Vec<_> = folders.filter(|path| path.is_dir()).collect();
        let bundles = runs.iter().filter(|run| Bundle::read(run).is_ok()).count();
        (runs.len(), bundles)
    };
    assert_eq!([left("2"), left("0"), left("10")], [(5, 2), (5, 0), (5, 5)]);
}
