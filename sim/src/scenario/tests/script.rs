//! The script workload in scenario files.

use std::time::Duration;

use super::parse;
use crate::workload::WorkloadKind;
use crate::workload::script::{ConditionOf, Step};

/// A scenario of 10 s with a client whose script has these steps, a line each from the sixth on, and these keys after it.
fn script(steps: &[&str], lines: &str) -> String {
    let steps: Vec<_> = steps.iter().map(|step| format!("{{ {step} }}")).collect();
    let steps = steps.join(",\n");
    format!(
        "description = \"x\"\n[run]\nduration = \"10s\"\n[[clients]]\nname = \"a\"\nworkload.steps = [\n{steps}]\n\
         workload.kind = \"script\"\n{lines}\n"
    )
}

fn error(steps: &[&str], lines: &str) -> String {
    let error = parse(&script(steps, lines)).unwrap_err().to_string();
    error.strip_prefix("scenarios/fast/x.toml:").unwrap().to_owned()
}

#[test]
fn steps_say_in_their_kind_what_they_are() {
    let scenario = parse(&script(
        &[
            "kind = \"lock\", at = \"1s\", key = \"l\", lease = \"2s\", name = \"mine\"",
            "kind = \"set\", at = \"1500ms\", key = { hex = \"00ff\" }, value = \"v\", if = \"nx\", px = \"1s\", token = \"mine\"",
            "kind = \"set\", at = \"1500ms\", key = \"k\", value = \"w\", token_ahead = \"-61s\"",
            "kind = \"cut\", at = \"2s\"",
        ],
        "",
    ))
    .unwrap();
    let WorkloadKind::Script(script) = &scenario.clients[0].workload else { panic!("a script") };
    assert!(script.asks_store() && script.names().eq(["mine"]));
    let Step::Set(set) = &script.steps[1] else { panic!("a SET") };
    assert_eq!(
        (set.key.as_slice(), set.condition, set.token.as_deref()),
        (&[0, 0xff][..], ConditionOf::Nx, Some("mine"))
    );
    let Step::Set(set) = &script.steps[2] else { panic!("a SET") };
    assert_eq!((set.condition, set.px, set.token_ahead_ms), (ConditionOf::None, None, Some(-61_000)));
    let Step::Cut(cut) = &script.steps[3] else { panic!("a cut") };
    assert_eq!(cut.away, Duration::from_millis(100));
    for operation in ["set_nex", "set_nx", "set"] {
        assert!(scenario.clients[0].workload.invokes(operation), "{operation}");
    }
    assert!(!scenario.clients[0].workload.invokes("get"));
}

#[test]
fn what_is_wrong_with_a_step_is_said_where_it_stands() {
    for (step, expected) in [
        (
            "kind = \"get\", at = \"10s\", key = \"k\"",
            "7:22: the step is due at 10s, but the run ends at 10s; let it be due earlier",
        ),
        ("kind = \"get\", key = \"k\"", "7:1: the key `at` is missing in [[clients.workload.steps]]"),
        (
            "at = \"1s\", key = \"k\"",
            "7:1: the key `kind` is missing in [[clients.workload.steps]]; it is one of `get`, `set`,",
        ),
        (
            "kind = \"gte\", at = \"1s\"",
            "7:10: `gte` is not a valid `kind` in [[clients.workload.steps]]; did you mean `get`?",
        ),
        (
            "kind = \"get\", at = \"1s\", kye = \"k\"",
            "7:28: unknown key `kye` in [[clients.workload.steps]]; did you mean `key`?",
        ),
        (
            "kind = \"get\", at = \"1s\", key = \"\"",
            "7:34: `key` is empty, which the store refuses; name one",
        ),
        (
            "kind = \"get\", at = \"1s\", key = 7",
            "7:34: `key` in [[clients.workload.steps]] is integer `7`, but must be a string, or `{ hex = ",
        ),
        (
            "kind = \"get\", at = \"1s\", key = { hex = \"0\" }",
            "7:34: `key` in [[clients.workload.steps]]: `0` is no even number",
        ),
        (
            "kind = \"set\", at = \"1s\", key = \"k\", value = \"v\", px = \"1500us\"",
            "7:57: `px` is 1500us, but must be above 0 and in whole milliseconds",
        ),
        (
            "kind = \"lock\", at = \"1s\", key = \"k\", lease = \"0s\"",
            "7:48: `lease` is 0s, but must be above 0 and in whole",
        ),
        (
            "kind = \"del\", at = \"1s\", key = \"k\", token = \"x\"",
            "7:47: no step has the name `x`; add `name = \"x\"` to the step",
        ),
        (
            "kind = \"set\", at = \"1s\", key = \"k\", value = \"v\", name = \"x\", token = \"x\", token_ahead = \"1s\"",
            "7:91: a step has one fencing token; remove `token` or `token_ahead`",
        ),
        (
            "kind = \"del\", at = \"1s\", key = \"k\", token_ahead = \"25h\"",
            "7:53: `token_ahead` is more than a day",
        ),
        (
            "kind = \"publish\", at = \"1s\", topic = \"a/#\", qos = 1, payload = \"p\"",
            "7:40: `a/#` is no topic; name one, without",
        ),
        (
            "kind = \"publish\", at = \"1s\", topic = \"a\", qos = 3, payload = \"p\"",
            "7:51: the QoS 3 is none; it is 0, 1 or 2",
        ),
        (
            "kind = \"publish\", at = \"1s\", topic = \"a\", qos = 0, payload = \"\"",
            "7:64: `payload` is empty, and would",
        ),
        ("kind = \"subscribe\", at = \"1s\", filter = \"\", qos = 0", "7:43: `filter` is empty; name topics"),
    ] {
        let found = error(&[step], "");
        assert!(found.starts_with(expected), "{found}\nand not {expected}");
    }
}

#[test]
fn what_is_wrong_between_steps_is_said_at_the_later_one() {
    let get = "kind = \"get\", at = \"2s\", key = \"k\"";
    let set = "kind = \"set\", at = \"3s\", key = \"k\", value = \"v\", name = \"x\"";
    let publish = "kind = \"publish\", at = \"2s\", topic = \"t\", qos = 1, payload = \"p\"";
    for (steps, lines, expected) in [
        (
            &[get, "kind = \"get\", at = \"1s\", key = \"k\""][..],
            "",
            "8:22: the step is due at 1s, before the one above it, at 2s;",
        ),
        (
            &[get, publish],
            "",
            "8:1: a client that asks the store, as `get` does, cannot `publish`; let another client do it",
        ),
        (&[set, set], "", "7:59: two steps have the name `x`; give each its own"),
        (
            &[publish, publish],
            "",
            "7:64: `p` is the payload of two publications, which nobody could tell apart; change one",
        ),
        (
            &[get],
            "workload.client_id = \"b\"",
            "9:22: `client_id` is for clients that do not ask the store, as this",
        ),
        (
            &[publish],
            "workload.dup = false",
            "9:16: `dup` is for clients that ask the store, as this one does not;",
        ),
        (&[publish], "workload.will = { topic = \"w\", qos = 3 }", "9:38: the QoS 3 is none"),
        (
            &[publish],
            "workload.receive_maximum = 0",
            "9:28: `receive_maximum` is 0, but must be from 1 to 65535",
        ),
        (&[publish], "[expect]\noperations = { get = 1 }", "10:22: 1 `get` are expected, but no client's"),
    ] {
        let found = error(steps, lines);
        assert!(found.starts_with(expected), "{found}\nand not {expected}");
    }
}
