//! Each verdict of each checker has a lying broker in `scenarios/negative` that it is given to, so that none is there which
//! nothing can provoke.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use mayfly_sim::check::{Anomaly, CheckerName};
use mayfly_sim::scenario::{Scenario, all_in};

/// Verdicts without a lying broker, and why that is right.
const EXCEPTIONS: &[(CheckerName, Anomaly, &str)] = &[
    (
        CheckerName::KeepAlive,
        Anomaly::WillEarly,
        "the judgement is that of `will`, of fewer connections; `hasty-will` proves it there, where delays are longer than half a \
         Keep Alive",
    ),
    (
        CheckerName::KeepAlive,
        Anomaly::WillDespiteReturn,
        "the judgement is that of `will`, of fewer connections; `will-of-returned` proves it there, and nobody who fell silent is \
         back before he is given up",
    ),
    (
        CheckerName::Linearizability,
        Anomaly::NotLinearizable,
        "what is left when no other name fits a GET; each lie about a GET that we know has a name of its own",
    ),
    (
        CheckerName::Linearizability,
        Anomaly::DuplicateVersion,
        "the name comes from `version-order`, where `repeated-version` proves it; the search stumbles over the GET that shows \
         the other version, a version mismatch",
    ),
    (
        CheckerName::Linearizability,
        Anomaly::VersionRegression,
        "the name comes from `version-order`, where `earlier-version` proves it; the search stumbles over the GET that shows \
         the other version, a version mismatch",
    ),
];

#[test]
fn every_verdict_has_a_lying_broker_or_a_reason_why_not() {
    let scenarios = all_in(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios"));
    let negative = scenarios.iter().filter(|found| found.folder == "negative");
    let proved: BTreeSet<(CheckerName, Anomaly)> = negative
        .flat_map(|found| Scenario::load(&found.path).unwrap().expect.caught_by)
        .map(|caught| (caught.checker, caught.anomaly))
        .collect();
    let can_give = |checker: CheckerName| checker.verdicts().iter().map(move |anomaly| (checker, *anomaly));
    let all: BTreeSet<_> = CheckerName::ALL.iter().copied().flat_map(can_give).collect();
    for verdict in &all {
        let excepted = EXCEPTIONS.iter().any(|(checker, anomaly, _)| (*checker, *anomaly) == *verdict);
        let (checker, anomaly) = verdict;
        assert!(
            proved.contains(verdict) || excepted,
            "no scenario in scenarios/negative expects `{anomaly}` of the checker `{checker}`"
        );
        assert!(
            !(proved.contains(verdict) && excepted),
            "`{anomaly}` of `{checker}` is proved and needs no exception"
        );
    }
    let unknown: Vec<_> = proved.difference(&all).collect();
    assert!(unknown.is_empty(), "expected, but not in the checker's `verdicts`: {unknown:?}");
    assert!(
        EXCEPTIONS
            .iter()
            .all(|(checker, anomaly, why)| all.contains(&(*checker, *anomaly)) && !why.is_empty())
    );
    let words: BTreeSet<_> = all.iter().map(|(_, anomaly)| *anomaly).collect();
    let unused: Vec<_> = Anomaly::ALL.iter().filter(|anomaly| !words.contains(anomaly)).collect();
    assert!(unused.is_empty(), "no checker gives {unused:?}");
}
