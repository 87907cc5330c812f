//! The store workload in scenario files.

use std::time::Duration;

use super::super::Scenario;
use super::{VALID, parse};
use crate::workload::WorkloadKind;

const REGISTER: &str = "kind = \"register\"\nkeys = 4\nmix = { get = 50, set = 50 }";

fn with(lines: &str) -> String {
    VALID.replacen(REGISTER, &format!("kind = \"store\"\n{lines}"), 1)
}

fn error(lines: &str) -> String {
    let error = parse(&with(lines)).unwrap_err().to_string();
    error.strip_prefix("scenarios/fast/x.toml:").unwrap().to_owned()
}

#[test]
fn a_store_client_has_its_own_keys() {
    let lines = "mix = { get = 1 }\nprobe = \"20ms\"\nwatch = true\ndup = false\ntoken_ahead = \"-3s\"";
    let scenario = parse(&with(lines)).unwrap();
    let WorkloadKind::Store(store) = &scenario.clients[0].workload else { panic!("a store client") };
    assert_eq!((store.prefix.as_str(), store.keys, store.watch, store.dup), ("store", 4, true, false));
    assert_eq!((store.probe, store.token_ahead_ms), (Duration::from_millis(20), -3000));
}

#[test]
fn what_is_wrong_with_a_store_client_is_said_where_it_stands() {
    let missing = "15:1: the key `mix` is missing in [clients.workload]";
    assert_eq!(error("keys = 4"), missing);
    assert_eq!(
        error("mix = {}"),
        "17:7: every weight in `mix` is 0, so there is nothing to do; give one a weight, such as `get = 1`, or add `watch = true`"
    );
    assert!(parse(&with("mix = {}\nwatch = true").replacen("get = 100", "keynotify = 1", 1)).is_ok());
    assert_eq!(
        error("mix = { get = 1, renw = 1 }"),
        "17:18: unknown key `renw` in [clients.workload.mix]; did you mean `renew`? (valid keys: get, set, set_px, set_nx, set_nx_px, renew, set_fenced, del, vdel, keynotify)"
    );
    assert_eq!(
        error("mix = { get = 1 }\npx = { min = \"0s\", max = \"1s\" }"),
        "18:6: `px` must be above 0 and in whole milliseconds, as PX has it"
    );
    assert_eq!(
        error("mix = { get = 1 }\npx = { min = \"2s\", max = \"1s\" }"),
        "18:6: `min` (2s) is greater than `max` (1s); exchange them"
    );
    assert_eq!(error("mix = { get = 1 }\nprefix = \"\""), "18:10: `prefix` must have 1 to 64 bytes");
    assert_eq!(
        error("mix = { get = 1 }\npause = { min = \"0s\", max = \"0s\" }"),
        "18:9: `pause` is 0, but must be above 0"
    );
    assert_eq!(error("mix = { get = 1 }\ntoken_ahead = \"25h\""), "18:15: `token_ahead` is more than a day");
}

#[test]
fn operations_that_nobody_invokes_cannot_be_expected() {
    let text = |mix: &str, word: &str| {
        // alice alone, and no fault.
        let alice = &VALID[..VALID.find("[[clients]]\nname = \"bob\"").unwrap()];
        let alice = alice.replacen(REGISTER, &format!("kind = \"store\"\nmix = {{ {mix} }}"), 1);
        parse(&format!("{alice}[expect]\noperations = {{ {word} = 1 }}\n")).is_ok()
    };
    for (mix, word) in [
        ("set_px = 1", "set"),
        ("set_fenced = 1", "set"),
        ("set_nx_px = 1", "set_nx"),
        ("renew = 1", "set_nex"),
        ("keynotify = 1", "keynotify"),
    ] {
        assert!(text(mix, word), "{mix} invokes {word}");
        assert!(!text("get = 1", word), "get invokes no {word}");
    }
}

#[test]
fn expiry_is_not_judged_across_a_restart() {
    let text = VALID.replacen("\"linearizability\"", "\"expiry\"", 1);
    let message = parse(&text).unwrap_err().to_string();
    assert!(message.contains("the checker `expiry` does not tell a restart from an expiry"), "{message}");
}

#[test]
fn a_holder_stands_still_for_some_time_and_within_the_run() {
    for (range, message) in [
        (
            "min = \"0ms\", max = \"1s\"",
            "`for` begins at 0, but a holder stands still for some time; give it a `min` above 0",
        ),
        (
            "min = \"1s\", max = \"30s\"",
            "a holder may stand still for 30s, but the run ends at 30s; let it stand still for less",
        ),
        ("min = \"2s\", max = \"1s\"", "`min` (2s) is greater than `max` (1s); exchange them"),
        ("min = \"1ms\", max = \"29s\"", ""),
    ] {
        let text = format!(
            "description = \"x\"\n[run]\nduration = \"30s\"\n[[clients]]\nname = \"a\"\n[clients.workload]\nkind = \
             \"lock\"\nstall = {{ one_in = 5, for = {{ {range} }} }}\n"
        );
        let expected = if message.is_empty() { String::new() } else { format!("x.toml:8:29: {message}") };
        let error = Scenario::parse(&text, "x.toml").err().map(|error| error.to_string());
        assert_eq!(error.unwrap_or_default(), expected, "{range}");
    }
}
