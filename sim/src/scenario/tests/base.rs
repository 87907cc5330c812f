//! Scenarios that build on another: what they mean, and which mistakes have which place. How files are brought together is tested
//! in `mayfly_settings`.

use std::fs;
use std::path::{Path, PathBuf};

use super::super::Scenario;
use super::VALID;
use crate::sabotage::Sabotage;

const LYING: &str = r#"description = "The same with a liar"
base = "honest.toml"

[broker]
sabotage = "stale-get"

[expect]
verdict = "violation"
checkers = ["linearizability"]
caught_by = [{ checker = "linearizability", anomaly = "stale-read" }]
"#;

/// A folder of this test's own with the scenario `honest.toml`.
fn folder(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("mayfly-scenario-{name}-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("honest.toml"), VALID).unwrap();
    folder
}

fn load(folder: &Path, text: &str) -> Result<Scenario, String> {
    fs::write(folder.join("lying.toml"), text).unwrap();
    let loaded = Scenario::load(&folder.join("lying.toml"));
    loaded.map_err(|error| error.to_string().replace(&format!("{}/", folder.display()), ""))
}

#[test]
fn a_scenario_takes_over_what_it_leaves_out() {
    let folder = folder("over");
    let honest = Scenario::load(&folder.join("honest.toml")).unwrap();
    let lying = load(&folder, LYING).unwrap();
    assert_eq!((lying.name.as_str(), lying.broker.sabotage), ("lying", Some(Sabotage::StaleGet)));
    assert_eq!((&lying.run, &lying.clients, &lying.faults), (&honest.run, &honest.clients, &honest.faults));
    assert_eq!(lying.expect.checkers.len(), 1);
    assert!(lying.expect.operations.demands().next().is_none(), "[expect] is its own as a whole");
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn written_out_it_is_the_same_scenario_with_the_same_trace() {
    let folder = folder("same");
    let lying = load(&folder, LYING).unwrap();
    assert!(!lying.text.contains("honest.toml"), "{}", lying.text);
    let alone = Scenario::parse(&lying.text, "elsewhere/lying.toml").unwrap();
    assert_eq!(alone, lying);
    let by_hand = VALID.replacen(
        "description = \"Two clients, one of them cut off\"",
        LYING.lines().next().unwrap(),
        1,
    );
    let by_hand =
        by_hand.split_once("[expect]").unwrap().0.to_owned() + LYING.split_once("honest.toml\"\n").unwrap().1;
    let by_hand = Scenario::parse(&by_hand, "elsewhere/lying.toml").unwrap();
    assert_ne!(by_hand.text, lying.text);
    assert_eq!(by_hand.identity(), lying.identity(), "which is what the trace's hash begins with");
    let honest = Scenario::load(&folder.join("honest.toml")).unwrap();
    assert_eq!(honest.text, VALID);
    assert_ne!(honest.identity(), lying.identity());
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn mistakes_have_the_place_where_they_are_made() {
    let folder = folder("places");
    for (wanted, replacement, message) in [
        (
            "honest.toml",
            "honset.toml",
            "lying.toml:2:8: the base `honset.toml` cannot be read; did you mean `honest.toml`?",
        ),
        (
            "\"honest.toml\"",
            "7",
            "lying.toml:2:8: `base` in the scenario is integer `7`, but must be a string",
        ),
        (
            "honest.toml",
            "lying.toml",
            "lying.toml:2:8: the base `lying.toml` is this file itself; name another, or none",
        ),
        (
            "[broker]",
            "[[clients]]\nname = \"zoe\"\nworkload = { kind = \"register\" }\n[broker]",
            "honest.toml:30:12: there is no client `alice` (clients: zoe) (here as the base of lying.toml)",
        ),
        (
            "verdict = \"violation\"",
            "verdict = \"pass\"",
            "lying.toml:5:12: a lying broker must be caught; add `verdict = \"violation\"` to [expect]",
        ),
        (
            "[broker]",
            "[run]\nduration = \"15s\"\n[broker]",
            "honest.toml:36:6: the fault strikes at 20s, but the run ends at 15s; let it strike earlier (here as the \
             base of lying.toml)",
        ),
    ] {
        assert!(LYING.contains(wanted));
        assert_eq!(load(&folder, &LYING.replacen(wanted, replacement, 1)).unwrap_err(), message);
    }
    fs::remove_dir_all(folder).unwrap();
}
