//! The page of a sweep.

use std::path::Path;

use mayfly_reports::Build;
use mayfly_reports::sweep::{Ended, Shard, SweepReport, SweepRun, SweptScenario, Verdict, write};

use super::tab::{Reader, Tab};
use super::{READERS, assert_readable};

const SCENARIOS: [&str; 3] = ["partition", "lock", "takeover-storm"];
const SEEDS: u64 = 12;

fn report() -> SweepReport {
    let scenario = |name: &&str| SweptScenario {
        name: (*name).to_owned(),
        description: "Five contenders for two locks crash, are cut off and stand still as holders".to_owned(),
        file: format!("scenarios/fast/{name}.toml"),
    };
    let run = |scenario: usize, seed: u64| {
        let verdict = match (scenario, seed) {
            (1, 7) => Verdict::ConsistencyViolated,
            (2, 3) => Verdict::ExpectationFailed,
            (2, 11) => Verdict::Crashed,
            _ => Verdict::Passed,
        };
        SweepRun {
            scenario,
            seed,
            verdict,
            headline: "client-2's GET key-1 (#57) returned 'a-2', although client-1 had been shown 'a-3'"
                .to_owned(),
            operations: 900 + 137 * seed * (scenario as u64 + 1),
            simulated_ns: 30_000_000_000,
            wall_ms: 250,
            trace_hash: (verdict != Verdict::Crashed).then(|| format!("{seed:032x}")),
            repeat_command: format!("cargo sim {} --seed {seed}", SCENARIOS[scenario]),
            page: (!verdict.has_passed()).then(|| format!("{}-seed-{seed}/report.html", SCENARIOS[scenario])),
        }
    };
    SweepReport {
        format_version: 1,
        build: Build {
            package_version: "0.1.0".to_owned(),
            git_commit: None,
            rustc_version: "rustc 1.95.0".to_owned(),
            profile: "release".to_owned(),
        },
        shard: Shard { part: 1, parts: 1 },
        runs_planned: Some(SEEDS * 3),
        ended: Ended::AllDone,
        wall_ms: 9_000,
        threads: 2,
        scenarios: SCENARIOS.iter().map(scenario).collect(),
        runs: (1..=SEEDS).flat_map(|seed| (0..3).map(move |scenario| run(scenario, seed))).collect(),
    }
}

fn open(reader: Reader) -> Option<Tab> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join(format!("browser-sweep-{}-{}", reader.width, reader.is_dark));
    std::fs::create_dir_all(&folder).unwrap();
    let page = std::fs::read_to_string(write(&report(), &folder).unwrap()).unwrap();
    Tab::open(&page, reader, "document.querySelector('th .sort')")
}

const RUNS: &str =
    "[...document.querySelectorAll('section[aria-labelledby=runs] tbody tr')].filter((row) => !row.hidden)";

#[test]
fn failures_come_first_in_light_and_dark_wide_and_on_a_phone() {
    for reader in READERS {
        let Some(mut tab) = open(reader) else { return };
        assert_readable(&mut tab, &format!("{reader:?}"));
        assert_eq!(tab.text("document.getElementById('verdict').innerText"), "33 of 36 runs passed");
        assert_eq!(tab.eval("look.atOnce('#verdict')"), true);
        let verdicts =
            tab.text(&format!("{RUNS}.map((row) => row.cells[2].innerText.trim().toLowerCase()).join(', ')"));
        let (failures, passed) = verdicts.split_at(verdicts.find("passed").unwrap());
        assert_eq!(failures.matches(',').count(), 3, "{verdicts}");
        assert!(
            passed.split(", ").all(|verdict| verdict == "passed") && passed.matches("passed").count() == 33
        );
        assert_eq!(
            tab.number(&format!("{RUNS}.slice(0, 3).filter((row) => row.querySelector('a[href]')).length")),
            3.0
        );
        tab.screenshot(&format!("sweep-{}-{}", reader.width, if reader.is_dark { "dark" } else { "light" }));
    }
}

#[test]
fn a_heading_sorts_and_sorts_back() {
    let Some(mut tab) = open(READERS[0]) else { return };
    let column = |tab: &mut Tab, index: u32| {
        tab.text(&format!(
            "{RUNS}.map((row) => row.cells[{index}].innerText.trim().replaceAll(',', '')).join(' ')"
        ))
    };
    let numbers =
        |text: &str| text.split(' ').map(|number| number.parse::<u64>().unwrap()).collect::<Vec<_>>();
    let heading = "section[aria-labelledby=runs] th:nth-child(5)";
    let before = numbers(&column(&mut tab, 4));
    assert!(!before.is_sorted());
    tab.click(&format!("{heading} .sort"));
    let ascending = numbers(&column(&mut tab, 4));
    assert!(ascending.is_sorted() && ascending.len() == 36 && ascending[0] < 1_200, "{ascending:?}");
    assert_eq!(tab.text(&format!("document.querySelector('{heading}').ariaSort")), "ascending");
    tab.click(&format!("{heading} .sort"));
    assert!(numbers(&column(&mut tab, 4)).is_sorted_by(|a, b| a >= b));
    assert_eq!(tab.text(&format!("document.querySelector('{heading}').ariaSort")), "descending");
    assert_eq!(tab.complaints(), Vec::<String>::new());
}

#[test]
fn words_filter_the_runs() {
    let Some(mut tab) = open(READERS[0]) else { return };
    tab.eval("const box = document.getElementById('filter'); box.value = 'lock passed'; box.dispatchEvent(new Event('input'))");
    assert_eq!(tab.number(&format!("{RUNS}.length")), 11.0);
    assert_eq!(tab.text("document.getElementById('shown').textContent"), "11 of 36");
}
