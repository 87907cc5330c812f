//! The churn workload and quota pressure in scenario files.

use std::time::Duration;

use super::{VALID, parse};
use crate::workload::WorkloadKind;

const REGISTER: &str = "kind = \"register\"\nkeys = 4\nmix = { get = 50, set = 50 }";

fn churn(lines: &str) -> String {
    VALID.replacen(REGISTER, &format!("kind = \"churn\"\n{lines}"), 1)
}

fn error(text: &str) -> String {
    let error = parse(text).unwrap_err().to_string();
    error.strip_prefix("scenarios/fast/x.toml:").unwrap().to_owned()
}

/// A scenario whose broker holds 100 keys, with quota pressure that has these keys.
fn pressure(lines: &str) -> String {
    format!(
        "description = \"x\"\n[run]\nduration = \"9s\"\n[broker]\nlimits = {{ max_keys = 100 }}\n[[clients]]\nname = \"a\"\n\
         workload = {{ kind = \"churn\" }}\n[[faults]]\nkind = \"quota-pressure\"\nat = \"2s\"\nfor = \"1s\"\n{lines}\n"
    )
}

#[test]
fn a_churning_client_has_defaults_for_all_its_keys() {
    let scenario = parse(&pressure("max_keys = 10")).unwrap();
    let WorkloadKind::Churn(churn) = &scenario.clients[0].workload else { panic!("a churning client") };
    assert_eq!(
        (churn.keys, churn.release, churn.expiring, churn.reads, churn.in_flight),
        (1000, 10, 0, 5, 1)
    );
    assert_eq!((churn.pause.max, churn.px.min), (Duration::ZERO, Duration::from_secs(1)));
}

#[test]
fn what_is_wrong_with_a_churning_client_is_said_where_it_stands() {
    for (lines, expected) in [
        ("keys = 0", "17:8: `keys` is 0, but must be from 1 to 10000000"),
        ("release = 0", "17:11: `release` is 0, but must be from 1 to 100"),
        ("expiring = 101", "17:12: `expiring` is 101, but must be from 0 to 100"),
        ("reads = 91", "17:9: `reads` is 91, but must be from 0 to 90"),
        ("in_flight = 65", "17:13: `in_flight` is 65, but must be from 1 to 64"),
        (
            "px = { min = \"0s\", max = \"1s\" }",
            "17:6: a key cannot expire after less than 1 ms; let `min` be \"1ms\" or more",
        ),
        ("value_size = { min = 9, max = 3 }", "17:14: `min` (9) is greater than `max` (3); exchange them"),
        (
            "value_size = { min = 0, max = 3 }",
            "17:14: `value_size` is from 0 to 3, but must be within 1 to 65000 bytes",
        ),
    ] {
        assert_eq!(error(&churn(lines)), expected, "{lines}");
    }
}

#[test]
fn quota_pressure_lowers_something() {
    assert_eq!(
        error(&pressure("")),
        "9:1: there is nothing that is lowered; add `max_keys` or `max_store_bytes`"
    );
    assert_eq!(
        error(&pressure("max_keys = 100")),
        "13:12: `max_keys` is 100, which is no less than the broker's 100"
    );
    assert!(
        error(&pressure("max_store_bytes = 99999999999"))
            .starts_with("13:19: `max_store_bytes` is 99999999999")
    );
}

#[test]
fn quotas_are_not_judged_across_a_restart() {
    let restart = "[[faults]]\nkind = \"restart\"\nat = \"6s\"\n[expect]\ncheckers = [\"quota\"]";
    let error = error(&pressure(&format!("max_keys = 1\n{restart}")));
    assert!(error.contains("`quota` cannot judge a broker that restarts"), "{error}");
}
