//! The language as a whole: a file with every key, and broken files with their exact messages.
#![allow(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]

mod base;
mod clocks;
mod quota;
mod script;
mod store;

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Scenario, ScenarioError, all_in, find_in};
use crate::check::{Anomaly, CheckerName};
use crate::fault::{FaultKind, PartitionMode};
use crate::sabotage::Sabotage;
use crate::workload::WorkloadKind;

/// A scenario that uses most of the language. The broken files differ from it in one place.
const VALID: &str = r#"description = "Two clients, one of them cut off"

[run]
duration = "30s"
tick = "1ms"

[network]
latency = { min = "1ms", max = "5ms" }

[[clients]]
name = "alice"
count = 1
keep_alive = "5s"

[clients.workload]
kind = "register"
keys = 4
mix = { get = 50, set = 50 }

[[clients]]
name = "bob"
count = 2
clock_offset = "-250ms"
workload = { kind = "register", pause = { min = "5ms", max = "50ms" } }

[[faults]]
kind = "partition"
at = "10s"
for = "3s"
clients = ["alice"]
mode = "delay"
expect = { unknown_outcomes = 1 }

[[faults]]
kind = "restart"
at = "20s"

[expect]
checkers = ["linearizability", "loss-on-restart"]
operations = { get = 100 }
"#;

fn parse(text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::parse(text, "scenarios/fast/x.toml")
}

#[test]
fn reads_every_kind_of_key() {
    let scenario = parse(VALID).unwrap();
    assert_eq!(scenario.name, "x");
    assert_eq!(scenario.run.seed, 1);
    assert_eq!(scenario.run.duration, Duration::from_secs(30));
    assert_eq!(scenario.run.drain, Duration::from_secs(5));
    let names: Vec<String> = scenario.clients().into_iter().map(|client| client.name).collect();
    assert_eq!(names, ["alice", "bob-1", "bob-2"]);
    assert_eq!(scenario.resolve("bob"), [1, 2]);
    assert_eq!(scenario.resolve("bob-2"), [2]);
    assert_eq!(scenario.clients[1].clock_offset_ms, -250);
    let WorkloadKind::Register(register) = &scenario.clients[0].workload else { panic!("a register") };
    assert_eq!((register.mix.get, register.mix.set, register.mix.del), (50, 50, 0));
    let FaultKind::Partition(partition) = &scenario.faults[0] else {
        panic!("the first fault is the partition")
    };
    assert_eq!(partition.mode, PartitionMode::Delay);
    assert_eq!(partition.duration, Duration::from_secs(3));
    assert_eq!(partition.expect.unknown_outcomes, 1);
    let FaultKind::Restart(restart) = &scenario.faults[1] else { panic!("the second fault is the restart") };
    assert_eq!(restart.down_for, Duration::from_secs(1));
    assert_eq!(scenario.expect.checkers, [CheckerName::Linearizability, CheckerName::LossOnRestart]);
}

#[test]
fn a_negative_scenario_names_the_lie_and_who_catches_it() {
    let text = VALID.replace(
        "[[faults]]\nkind = \"partition\"",
        "[broker]\nsabotage = \"stale-get\"\n\n[[faults]]\nkind = \"partition\"",
    );
    let text = text.replace(
        "[expect]\n",
        "[expect]\nverdict = \"violation\"\ncaught_by = [{ checker = \"linearizability\", anomaly = \"stale-read\" }]\n",
    );
    let scenario = parse(&text).unwrap();
    assert_eq!(scenario.broker.sabotage, Some(Sabotage::StaleGet));
    assert_eq!(scenario.expect.caught_by[0].anomaly, Anomaly::StaleRead);
}

/// What is replaced in [`VALID`], by what, and the message that must come of it.
const BROKEN: &[(&str, &str, &str)] = &[
    (
        "description",
        "descripton",
        "1:1: unknown key `descripton` in the scenario; did you mean `description`? (valid keys: description, base, run, network, broker, clients, faults, expect, bench)",
    ),
    (
        "description = \"Two clients, one of them cut off\"\n",
        "",
        "1:1: the key `description` is missing in the scenario",
    ),
    ("Two clients, one of them cut off", " ", "1:15: `description` is empty; say what the scenario shows"),
    ("[run]\nduration = \"30s\"\ntick = \"1ms\"\n", "", "1:1: the key `run` is missing in the scenario"),
    ("[run]", "[run", "3:5: this is not TOML: unclosed table, expected `]`"),
    (
        "[[clients]]\nname = \"alice\"",
        "[[cleints]]\nname = \"alice\"",
        "10:3: unknown key `cleints` in the scenario; did you mean `clients`? (valid keys: description, base, run, network, broker, clients, faults, expect, bench)",
    ),
    (
        "duration = \"30s\"",
        "duration = 30",
        r#"4:12: `duration` in [run]: a duration needs a unit; write "30ms" or "30s""#,
    ),
    (
        "duration = \"30s\"",
        "duration = 1.5",
        r#"4:12: `duration` in [run]: a duration needs a unit; write "1.5ms" or "1.5s""#,
    ),
    (
        "duration = \"30s\"",
        "duration = \"30\"",
        r#"4:12: `duration` in [run]: `30` has no unit; write "30ms" or "30s""#,
    ),
    (
        "duration = \"30s\"",
        "duration = \"30sec\"",
        r#"4:12: `duration` in [run]: `30sec` is not a duration; write one like "250ms", "1.5s", "10s", "1m" or "1h""#,
    ),
    (
        "duration = \"30s\"",
        "duration = \"0s\"",
        "4:12: `duration` is 0s, but must be above 0 and at most 24h",
    ),
    (
        "duration = \"30s\"",
        "duration = true",
        r#"4:12: `duration` in [run] is boolean `true`, but must be a duration with a unit, like "250ms", "1.5s", "10s", "1m" or "1h""#,
    ),
    (
        "keys = 4",
        "keys = 99999999999999999999",
        "17:8: `keys` in [clients.workload] is integer `99999999999999999999`, but must be a whole number from 1 to 10000",
    ),
    (
        "duration = \"30s\"",
        "duration = \"99999999999h\"",
        "4:12: `duration` in [run]: `99999999999h` is longer than 4294967295s",
    ),
    ("duration = \"30s\"\n", "", "3:1: the key `duration` is missing in [run]"),
    (
        "tick = \"1ms\"",
        "tick = \"1500us\"",
        "5:8: `tick` is 1500us, but must be a whole number of milliseconds from 1ms to 100ms",
    ),
    (
        "tick = \"1ms\"",
        "tick = \"1ms\"\nseed = -1",
        "6:8: `seed` in [run] is integer `-1`, but must be a whole number from 0 to 18446744073709551615",
    ),
    (
        "min = \"1ms\", max = \"5ms\"",
        "min = \"9ms\", max = \"5ms\"",
        "8:11: `min` (9ms) is greater than `max` (5ms); exchange them",
    ),
    ("min = \"1ms\", max = \"5ms\"", "min = \"1ms\"", "8:11: the key `max` is missing in [network.latency]"),
    (
        "latency = { min = \"1ms\", max = \"5ms\" }",
        "latency = \"5ms\"",
        r#"8:11: `latency` in [network] is string "5ms", but must be a table"#,
    ),
    (
        "latency",
        "latnecy",
        "8:1: unknown key `latnecy` in [network]; did you mean `latency`? (valid keys: latency)",
    ),
    (
        "name = \"alice\"",
        "name = \"Alice\"",
        "11:8: `Alice` is no client name; use 1 to 64 of a-z, 0-9 and -, beginning with a letter",
    ),
    ("name = \"alice\"", "name = \"broker\"", "11:8: `broker` is the broker's name; give the client another"),
    ("name = \"alice\"", "name = 5", "11:8: `name` in [[clients]] is integer `5`, but must be a string"),
    (
        "name = \"bob\"",
        "name = \"alice\"\n",
        "21:8: two clients are named `alice`; give each group a name of its own",
    ),
    (
        "name = \"alice\"",
        "name = \"bob-2\"",
        "21:8: two clients are named `bob-2`; give each group a name of its own",
    ),
    ("count = 1", "count = 0", "12:9: `count` is 0, but must be from 1 to 1000"),
    (
        "count = 1",
        "count = \"1\"",
        r#"12:9: `count` in [[clients]] is string "1", but must be a whole number from 1 to 1000"#,
    ),
    (
        "keep_alive = \"5s\"",
        "keep_alive = \"1500ms\"",
        "13:14: `keep_alive` is 1500ms, but must be whole seconds from 0s to 65535s",
    ),
    (
        "keep_alive = \"5s\"",
        "keep-alive = \"5s\"",
        "13:1: unknown key `keep-alive` in [[clients]]; did you mean `keep_alive`? (valid keys: name, count, keep_alive, session_expiry, operation_timeout, reconnect_delay, clock_offset, clock_drift_ppm, workload)",
    ),
    (
        "-250ms",
        "-0.5ms",
        "23:16: `clock_offset` in [[clients]]: `-0.5ms` is not a whole number of milliseconds",
    ),
    (
        "kind = \"register\"\nkeys",
        "keys",
        "15:1: the key `kind` is missing in [clients.workload]; it is one of `register`, `messages`, `hostile`, `store`, `lock`, `watch`, `scan`, `churn`, `script`",
    ),
    (
        "kind = \"register\"\nkeys",
        "kind = \"registre\"\nkeys",
        "16:8: `registre` is not a valid `kind` in [clients.workload]; did you mean `register`? (valid: register, messages, hostile, store, lock, watch, scan, churn, script)",
    ),
    (
        "kind = \"register\"\nkeys",
        "kind = 7\nkeys",
        "16:8: `kind` in [clients.workload] must be a string; it is one of `register`, `messages`, `hostile`, `store`, `lock`, `watch`, `scan`, `churn`, `script`",
    ),
    (
        "keys = 4",
        "keyes = 4",
        "17:1: unknown key `keyes` in [clients.workload]; did you mean `keys`? (valid keys: keys, value_size, mix, pause, in_flight, resend)",
    ),
    (
        "get = 50, set = 50",
        "get = 50, sets = 50",
        "18:19: unknown key `sets` in [clients.workload.mix]; did you mean `set`? (valid keys: get, set, set_nx, set_nex, del, vdel)",
    ),
    (
        "get = 50, set = 50",
        "get = 0, set = 0",
        "18:7: every weight in `mix` is 0, so there is nothing to do; give one a weight, such as `get = 1`",
    ),
    (
        "min = \"5ms\", max = \"50ms\"",
        "min = \"5ms\", maximum = \"50ms\"",
        "24:56: unknown key `maximum` in [clients.workload.pause] (valid keys: min, max)",
    ),
    (
        "clients = [\"alice\"]",
        "clients = [\"alcie\"]",
        "30:12: there is no client `alcie`; did you mean `alice`? (clients: alice, bob)",
    ),
    ("clients = [\"alice\"]", "clients = [\"zoe\"]", "30:12: there is no client `zoe` (clients: alice, bob)"),
    (
        "clients = [\"alice\"]",
        "clients = [\"alice\", \"bob\"]",
        "30:11: every client is cut off; leave at least one on the broker's side",
    ),
    (
        "clients = [\"alice\"]",
        "clients = [\"bob\", \"bob-1\"]",
        "30:19: `bob-1` is cut off twice; name each client once",
    ),
    ("clients = [\"alice\"]", "clients = []", "30:11: `clients` is empty; name the clients that are cut off"),
    (
        "clients = [\"alice\"]",
        "clients = \"alice\"",
        r#"30:11: `clients` in [[faults]] is string "alice", but must be a list"#,
    ),
    (
        "kind = \"partition\"",
        "kind = \"partitoin\"",
        "27:8: `partitoin` is not a valid `kind` in [[faults]]; did you mean `partition`? (valid: partition, restart, crash, reset, half-open, clock-step, quota-pressure)",
    ),
    (
        "kind = \"partition\"\n",
        "",
        "26:1: the key `kind` is missing in [[faults]]; it is one of `partition`, `restart`, `crash`, `reset`, `half-open`, `clock-step`, `quota-pressure`",
    ),
    (
        "mode = \"delay\"",
        "mode = \"drop\"",
        "31:8: `drop` is not a valid `mode` in [[faults]] (valid: delay, disconnect)",
    ),
    ("mode = \"delay\"\n", "", "26:1: the key `mode` is missing in [[faults]]"),
    ("mode = \"delay\"", "mode = 1", "31:8: `mode` in [[faults]] must be a string"),
    ("for = \"3s\"", "for = \"0s\"", "29:7: `for` is 0, but must be above 0"),
    (
        "for = \"3s\"",
        "for = \"25s\"",
        "29:7: the fault is over at 35s, but the run ends at 30s; nobody would see the recovery",
    ),
    ("for = \"3s\"", "for = 3", r#"29:7: `for` in [[faults]]: a duration needs a unit; write "3ms" or "3s""#),
    (
        "for = \"3s\"",
        "down_for = \"3s\"",
        "29:1: unknown key `down_for` in [[faults]] (valid keys: at, for, clients, mode, expect)",
    ),
    (
        "unknown_outcomes = 1",
        "unknown_outcome = 1",
        "32:12: unknown key `unknown_outcome` in [faults.expect]; did you mean `unknown_outcomes`? (valid keys: unknown_outcomes, completed_by_others, completed_after_heal)",
    ),
    (
        "at = \"20s\"",
        "at = \"30s\"",
        "36:6: the fault strikes at 30s, but the run ends at 30s; let it strike earlier",
    ),
    (
        "kind = \"restart\"\nat = \"20s\"",
        "kind = \"crash\"\nat = \"20s\"\ntarget = \"broker\"",
        "34:1: a crash of the broker needs `for`, the time until it runs again",
    ),
    (
        "kind = \"restart\"\nat = \"20s\"",
        "kind = \"crash\"\nat = \"20s\"\ntarget = \"carol\"",
        "37:10: there is no client `carol` (clients: alice, bob)",
    ),
    (
        "kind = \"restart\"\nat = \"20s\"",
        "kind = \"partition\"\nat = \"12s\"\nfor = \"1s\"\nmode = \"delay\"\nclients = [\"alice\"]",
        "36:6: this fault overlaps with fault 1 on `alice`; let one end before the other begins",
    ),
    (
        "kind = \"restart\"\nat = \"20s\"",
        "kind = \"crash\"\nat = \"20s\"\ntarget = \"bob\"",
        r#"40:32: `loss-on-restart` needs a restart to judge; add a fault with `kind = "restart"`"#,
    ),
    (
        "\"linearizability\", \"loss",
        "\"linearizable\", \"loss",
        "39:13: `linearizable` is not a valid `checkers` in [expect]; did you mean `linearizability`? (valid: version-order, loss-on-restart, session, fencing, notifications, scan, delivery, takeover, will, keep-alive, shared-subscription, offline-queue, retained, undisturbed, versions, expiry, replay, skew, quota, protocol, linearizability)",
    ),
    (
        "checkers = [\"linearizability\", \"loss-on-restart\"]",
        "checkers = []",
        "39:12: `checkers` is empty; name at least one of `version-order`, `loss-on-restart`, `session`, `fencing`, `notifications`, `scan`, `delivery`, `takeover`, `will`, `keep-alive`, `shared-subscription`, `offline-queue`, `retained`, `undisturbed`, `versions`, `expiry`, `replay`, `skew`, `quota`, `protocol`, `linearizability`",
    ),
    (
        "\"linearizability\", \"loss",
        "\"loss-on-restart\", \"loss",
        "39:32: the checker `loss-on-restart` is named twice",
    ),
    (
        "operations = { get = 100 }",
        "operations = { vdel = 100, del = 1, set_nx = 5 }",
        "40:46: 5 `set_nx` are expected, but no client's `mix` gives `set_nx` a weight",
    ),
    (
        "[expect]",
        "[expect]\nfaults = { partition = 1 }",
        "39:12: unknown key `partition` in [expect.faults] (valid keys: partition_delay, partition_disconnect, restart, crash, reset, half_open, clock_step, quota_pressure)",
    ),
    (
        "[expect]",
        "[expect]\nfaults = { restarts = 1 }",
        "39:12: unknown key `restarts` in [expect.faults]; did you mean `restart`? (valid keys: partition_delay, partition_disconnect, restart, crash, reset, half_open, clock_step, quota_pressure)",
    ),
    (
        "[expect]",
        "[broker]\nlies_one_in = 100\n[expect]",
        "39:15: an honest broker does not lie; add `sabotage`, or remove `lies_one_in`",
    ),
    (
        "[expect]",
        "[broker]\nsabotage = \"stale-get\"\nlies_one_in = 0\n[expect]\nverdict = \"violation\"",
        "40:15: a lying broker lies on one of at least 1 occasions; write a whole number from 1 on",
    ),
    (
        "[expect]",
        "[expect]\nverdict = \"violation\"",
        r#"39:11: a violation is expected of an honest broker; add `sabotage` to [broker], or expect "pass""#,
    ),
    (
        "[expect]",
        "[expect]\ncaught_by = [{ checker = \"linearizability\", anomaly = \"stale-read\" }]",
        r#"39:13: `caught_by` belongs to `verdict = "violation"`; remove it, or expect a violation"#,
    ),
    (
        "[expect]",
        "[broker]\nsabotage = \"stale-get\"\n[expect]",
        r#"39:12: a lying broker must be caught; add `verdict = "violation"` to [expect]"#,
    ),
    (
        "[expect]",
        "[broker]\nsabotage = \"stale-get\"\n[expect]\nverdict = \"violation\"",
        r#"41:11: say what is caught: `caught_by = [{ checker = "…", anomaly = "…" }]`"#,
    ),
    (
        "[expect]",
        "[broker]\nsabotage = \"stale-get\"\n[expect]\nverdict = \"violation\"\ncaught_by = [{ checker = \"session\", anomaly = \"session-lost\" }]",
        "42:26: the checker `session` is not in `checkers`; add it there",
    ),
    (
        "[expect]",
        "[bench]\n[expect]",
        "38:1: a benchmark has no faults and an honest broker; remove [[faults]] and `sabotage`, or [bench]",
    ),
    (
        r#"workload = { kind = "register", pause = { min = "5ms", max = "50ms" } }"#,
        r#"workload = { kind = "messages", publish = { topic = "t", qos = [1, 3], pause = { min = "5ms", max = "50ms" } } }"#,
        "24:68: the QoS 3 is none; it is 0, 1 or 2",
    ),
    (
        r#"workload = { kind = "register", pause = { min = "5ms", max = "50ms" } }"#,
        r#"workload = { kind = "messages", churn = { how = ["vanish"], connected = { min = "5ms", max = "50ms" } } }"#,
        "24:50: `vanish` is not a valid `how` in [clients.workload.churn] (valid: cut, disconnect, takeover)",
    ),
    (
        r#"workload = { kind = "register", pause = { min = "5ms", max = "50ms" } }"#,
        r#"workload = { kind = "hostile", deeds = [] }"#,
        "24:40: `deeds` is empty; name one at least, such as `half-packet`",
    ),
    (
        "kind = \"partition\"\nat = \"10s\"\nfor = \"3s\"\nclients = [\"alice\"]\nmode = \"delay\"\nexpect = { unknown_outcomes = 1 }",
        "kind = \"half-open\"\nat = \"10s\"\nfor = \"3s\"\nclients = [\"alice\"]",
        "29:7: `for` must be longer than one and a half times the Keep Alive of `alice`",
    ),
    (
        "kind = \"partition\"\nat = \"10s\"\nfor = \"3s\"\nclients = [\"alice\"]\nmode = \"delay\"\nexpect = { unknown_outcomes = 1 }",
        "kind = \"reset\"\nat = \"10s\"\nevery = \"1s\"\ntimes = 0\nclients = [\"alice\"]",
        "30:9: `times` is 0, but must be from 1 to 10000",
    ),
    (
        "[expect]",
        "[expect]\nevents = { publised = 1 }",
        "39:12: unknown key `publised` in [expect.events]; did you mean `published`? (valid keys: published, delivered, repeated, sent_again, resumed, taken_over, wills, retained, shared, dropped, expired, renewed_px, replayed, replayed_without_dup, answered_again, refused_timestamps, refused_fencing_tokens, keys, locked, renewed, holders_killed, lock_takeovers, stalled, fenced_off, registered, stopped, notified, notified_deletion, notified_again, scans, pages, refused_tokens, forged_tokens, hostile)",
    ),
    ("[run]", "[run]\nduration = \"5s\"", "5:1: this is not TOML: duplicate key"),
];

#[test]
fn every_broken_file_gets_one_line_that_says_where_and_what_would_be_right() {
    for (wanted, replacement, message) in BROKEN {
        assert!(VALID.contains(wanted), "{wanted:?} is in the valid file");
        let error = parse(&VALID.replacen(wanted, replacement, 1)).unwrap_err();
        let expected = format!("scenarios/fast/x.toml:{message}");
        assert_eq!(error.to_string(), expected, "after replacing {wanted:?} with {replacement:?}");
    }
}

#[test]
fn a_floor_of_faults_that_the_file_lacks_is_no_error_of_the_file() {
    // Whoever takes a fault out of a file shall be told by the run that it never bit.
    let floors = "partition_delay = 3, partition_disconnect = 2, restart = 5, crash = 1";
    let scenario =
        parse(&VALID.replacen("[expect]", &format!("[expect]\nfaults = {{ {floors} }}"), 1)).unwrap();
    let read = scenario.expect.faults;
    let read = ["partition_delay", "partition_disconnect", "restart", "crash"].map(|key| read.least(key));
    assert_eq!(read, [3, 2, 5, 1]);
}

#[test]
fn an_unreadable_file_says_so() {
    let missing = Scenario::load(Path::new("no/such/file.toml")).unwrap_err().to_string();
    assert!(missing.starts_with("no/such/file.toml: cannot be read: "), "{missing}");
}

#[test]
fn every_scenario_of_the_repository_is_valid_and_found_by_name() {
    let folder = repository();
    let all = all_in(&folder);
    assert!(all.len() >= 24, "the folder holds {} scenarios", all.len());
    for found in &all {
        let scenario = Scenario::load(&found.path).unwrap_or_else(|error| panic!("{error}"));
        assert_eq!(scenario.name, found.name);
        assert_eq!(find_in(&folder, &found.qualified_name()).unwrap(), found.path);
        let lies = scenario.broker.sabotage.is_some();
        assert_eq!(lies, found.folder == "negative", "only negative scenarios lie: {}", found.path.display());
        assert_eq!(scenario.bench.is_some(), found.folder == "bench", "{}", found.path.display());
    }
}

#[test]
fn an_unknown_name_gets_the_nearest_and_the_list() {
    let folder = repository();
    let message = find_in(&folder, "partitoin").unwrap_err().to_string();
    let expected = "; did you mean `partition`? (scenarios: fast/";
    assert!(message.starts_with("there is no scenario `partitoin` in "), "{message}");
    assert!(message.contains(expected) && message.contains(", fast/keep-alive, "), "{message}");
    let message = find_in(Path::new("no/such/folder"), "x").unwrap_err().to_string();
    assert_eq!(message, "there is no scenario `x` in no/such/folder (scenarios: none)");
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}
