//! Each lying broker's violation has an explanation: a small part of the history that nothing explains, of which nothing can be
//! left out. And what an honest broker did stays explained, whatever is forgotten of it.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and the slow ones print a table"
)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use mayfly_sim::check::{CheckerName, CounterExample, Verdict, check};
use mayfly_sim::explain::weaken::{Item, Weakening};
use mayfly_sim::explain::{Core, Prefix, Target, explain};
use mayfly_sim::history::History;
use mayfly_sim::run::{Options, Ran, run_with};
use mayfly_sim::scenario::{Scenario, all_in};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};

/// Lying brokers that are caught early, for the ordinary tests: of the store, of locks, of messages, of sessions.
const QUICK: [&str; 6] =
    ["stale-get", "dropped-set", "double-grant", "wrong-qos", "lost-message", "wrong-reason"];

/// How much of a scenario the ordinary tests run.
const SHORT: Duration = Duration::from_secs(4);

/// Violations that rest on sums over the whole history, so that their cores are large.
const OF_SUMS: [&str; 9] = [
    "hoarded-queue",
    "idle-member",
    "leaking-account",
    "losing-account",
    "miscounted-drops",
    "undeleted",
    "unmetered",
    "unmetered-bytes",
    "skipped-key",
];

/// Any other takes no more than so many items.
const MOST: usize = 12;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")
}

fn scenarios(folders: &[&str]) -> Vec<(String, Scenario)> {
    let found = all_in(&folder()).into_iter().filter(|found| folders.contains(&found.folder));
    found.map(|found| (found.name.clone(), Scenario::load(&found.path).unwrap())).collect()
}

fn quick(folder_name: &str, name: &str) -> Scenario {
    let mut scenario = Scenario::load(&folder().join(folder_name).join(name).with_extension("toml")).unwrap();
    scenario.run.duration = SHORT.min(scenario.run.duration);
    // In so short a time the rarest lies would not be told.
    let lies_one_in = scenario.broker.sabotage.map(|sabotage| sabotage.one_in().min(20));
    scenario.broker.lies_one_in = scenario.broker.lies_one_in.or(lies_one_in);
    scenario
}

fn run(scenario: &Scenario, seed: u64) -> Ran {
    run_with(scenario, "test.toml", seed, Options::default(), |_| {}).unwrap()
}

/// The violations that the scenario expects, of those that were found.
fn caught(scenario: &Scenario, history: &History) -> Vec<(CheckerName, CounterExample)> {
    let found = scenario.expect.caught_by.iter().filter_map(|caught| {
        let report = check(caught.checker, history);
        let example =
            report.counter_examples.into_iter().find(|example| example.anomaly == caught.anomaly)?;
        Some((caught.checker, example))
    });
    found.collect()
}

/// Holds an explanation to what it says, and gives its core's size.
fn is_explained(name: &str, history: &History, checker: CheckerName, example: &CounterExample) -> usize {
    let core = Core::find(history, checker, example);
    let target = Target::new(checker, example);
    assert!(core.is_minimal, "{name}: {checker} took all its steps");
    assert!(target.is_in(&core.history), "{name}: {checker} no longer finds {} in its core", example.anomaly);
    for item in &core.items {
        let without = Weakening::default().forget_wholly([*item]).of(&core.history);
        assert!(!target.is_in(&without), "{name}: {checker} finds {} without {item:?}", example.anomaly);
    }
    let prefix = Prefix::find(history, checker, example.at_ns);
    let is_violated = |is_known: &dyn Fn(u64) -> bool| {
        let unknown = Item::all(history).into_iter().filter(|item| !is_known(item.known_ns(history)));
        check(checker, &Weakening::default().forget_answers(unknown).of(history)).verdict == Verdict::Violated
    };
    let says_alone = prefix.first.is_empty();
    assert_eq!(is_violated(&|at_ns| at_ns < prefix.before_ns), says_alone, "{name}: {checker}: {prefix:?}");
    assert!(is_violated(&|at_ns| at_ns <= prefix.before_ns), "{name}: {checker}: {prefix:?}");
    core.items.len()
}

#[test]
fn an_explanation_names_what_it_takes_and_nothing_else() {
    for name in QUICK {
        let scenario = quick("negative", name);
        let ran = run(&scenario, 1);
        let caught = caught(&scenario, &ran.history);
        assert!(!caught.is_empty(), "{name} is not caught in {SHORT:?}");
        for (checker, example) in caught {
            let size = is_explained(name, &ran.history, checker, &example);
            assert!((1..=5).contains(&size), "{name}: {checker} names {size} items");
            let again = || explain(&ran.history, &ran.report.faults, checker, &example);
            let explanation = again();
            assert_eq!(explanation, again());
            assert_eq!(explanation.rows.len(), size);
        }
    }
}

#[test]
#[ignore = "takes minutes: cargo test --release -p mayfly-sim --test explanations -- --ignored --nocapture"]
fn every_lying_broker_is_explained() {
    let (mut explained, mut too_large) = (0, Vec::new());
    for (name, scenario) in scenarios(&["negative"]) {
        let ran = run(&scenario, scenario.run.seed);
        let caught = caught(&scenario, &ran.history);
        assert!(!caught.is_empty(), "{name} is not caught");
        for (checker, example) in caught {
            let size = is_explained(&name, &ran.history, checker, &example);
            println!("{name:<28} {:<20} {:<28} {size:>4}", checker.as_str(), example.anomaly.as_str());
            assert!(size > 0, "{name}: {checker} names nothing");
            if size > MOST && !OF_SUMS.contains(&name.as_str()) {
                too_large.push(format!("{name}: {checker} names {size} items"));
            }
        }
        explained += 1;
    }
    assert!(explained >= 25, "{explained}");
    assert!(too_large.is_empty(), "{too_large:#?}");
}

/// Forgets random parts of a history and asks every checker that took it for valid.
fn stays_explained(name: &str, history: &History, rounds: u64) {
    let is_violated =
        |checker: CheckerName, history: &History| check(checker, history).verdict == Verdict::Violated;
    let valid: Vec<CheckerName> =
        CheckerName::ALL.iter().copied().filter(|checker| !is_violated(*checker, history)).collect();
    let answers = Item::all(history);
    let context = (0..history.mqtt.len())
        .map(|index| Item::Shown(history.shown_as(mayfly_sim::history::mqtt::EventId(index))));
    let context: Vec<Item> = context.chain((0..history.sessions.len()).map(Item::Session)).collect();
    for round in 0..rounds {
        let mut random = SmallRng::seed_from_u64(round);
        let share = [0.02, 0.2, 0.5, 0.9][round as usize % 4];
        let few = [0.0, 0.003, 0.05][round as usize % 3];
        let mut draw = |items: &[Item], share: f64| -> Vec<Item> {
            items.iter().copied().filter(|_| random.random_bool(share)).collect()
        };
        let weakening = Weakening::default()
            .forget_answers(draw(&answers, share))
            .forget_wholly(draw(&answers, few))
            .forget_wholly(draw(&context, few));
        let weak = weakening.of(history);
        for checker in &valid {
            let report = check(*checker, &weak);
            assert!(
                report.verdict != Verdict::Violated,
                "{name}, round {round}: forgetting made {checker} find {:#?}",
                report.counter_examples.first()
            );
        }
    }
}

#[test]
fn what_is_explained_stays_so_whatever_is_forgotten() {
    for (folder, name) in
        [("fast", "partition"), ("fast", "lock"), ("fast", "notify"), ("negative", "wrong-dup")]
    {
        stays_explained(name, &run(&quick(folder, name), 1).history, 12);
    }
}

#[test]
#[ignore = "takes minutes: cargo test --release -p mayfly-sim --test explanations -- --ignored"]
fn every_history_stays_explained_whatever_is_forgotten() {
    let mut failures = Vec::new();
    for (name, scenario) in scenarios(&["fast", "regression", "negative"]) {
        if std::env::var("ONLY").is_ok_and(|only| !name.contains(&only)) {
            continue;
        }
        let history = run(&scenario, 1).history;
        let rounds = std::env::var("ROUNDS").map_or(24, |rounds| rounds.parse().unwrap());
        let result = std::panic::catch_unwind(|| stays_explained(&name, &history, rounds));
        if result.is_err() {
            failures.push(name);
        }
    }
    assert!(failures.is_empty(), "{failures:?}");
}
