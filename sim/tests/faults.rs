//! What each fault does to real clients of the real engine.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod worlds;

use mayfly_reports::{Conclusion, FaultVerdict, Operation, Outcome, RunReport, SessionChange};
use worlds::{partition, run_two_clients};

const MS: u64 = 1_000_000;

fn passed(report: &RunReport) {
    assert_eq!(report.verdict.conclusion, Conclusion::Passed, "{}", report.verdict.headline);
}

/// Session Present of each connect of a client, with its time in milliseconds.
fn connects(report: &RunReport, client: &str) -> Vec<(u64, bool)> {
    let of_client = report.session_events.iter().filter(|event| event.client == client);
    of_client
        .filter_map(|event| match event.change {
            SessionChange::Connected { session_present } => Some((event.at_ns / MS, session_present)),
            SessionChange::ConnectionLost { .. } => None,
        })
        .collect()
}

/// When a client lost its connection, in milliseconds.
fn losses(report: &RunReport, client: &str) -> Vec<u64> {
    let lost = report.session_events.iter().filter(|event| {
        event.client == client && matches!(event.change, SessionChange::ConnectionLost { .. })
    });
    lost.map(|event| event.at_ns / MS).collect()
}

fn of<'r>(report: &'r RunReport, client: &'r str) -> impl Iterator<Item = &'r Operation> {
    report.operations.iter().filter(move |operation| operation.client == client)
}

/// Keys that the store held at a time, in milliseconds.
fn keys_at(report: &RunReport, at_ms: u64) -> u64 {
    report.key_count.iter().rfind(|sample| sample.at_ns <= at_ms * MS).unwrap().value
}

const SESSION: &str = "[expect]\ncheckers = [\"version-order\", \"linearizability\", \"session\"]\n";

#[test]
fn a_short_partition_delivers_late_what_it_held_back_and_connections_live_on() {
    // Patient, so that no request times out: its reply comes when the partition is over.
    let text = worlds::TWO_CLIENTS.replace("500ms", "4s");
    let fault = partition("delay").replace("unknown_outcomes = 1", "unknown_outcomes = 0");
    let report = worlds::run_text(&format!("{text}{fault}{SESSION}"), 1);
    passed(&report);
    let held: Vec<_> = of(&report, "alice")
        .filter(|operation| {
            operation.completed_ns.is_some_and(|at_ns| at_ns - operation.invoked_ns > 1000 * MS)
        })
        .collect();
    let [held] = held.as_slice() else { panic!("alice has one operation open at a time: {held:?}") };
    assert!(matches!(held.outcome, Outcome::Ok { .. }), "{held:?}");
    let answered_ms = held.completed_ns.unwrap() / MS;
    assert!((2500..2600).contains(&answered_ms), "answered at {answered_ms} ms");
    assert_eq!(connects(&report, "alice").len(), 1);
    assert!(losses(&report, "alice").is_empty());
    assert_eq!(report.faults[0].verdict, FaultVerdict::Bit);
    assert!(report.faults[0].observed_by.iter().all(|seen| seen.client == "alice"));
}

#[test]
fn a_long_partition_kills_the_connections_and_the_session_survives() {
    let report = run_two_clients(&format!("{}{SESSION}", partition("disconnect")), 1);
    passed(&report);
    let [(first, false), (second, true)] = connects(&report, "alice")[..] else {
        panic!("{:?}", connects(&report, "alice"));
    };
    assert!(first < 100 && (2500..2800).contains(&second), "connected at {first} and {second} ms");
    let lost = losses(&report, "alice");
    assert!(matches!(lost[..], [at] if (2500..2520).contains(&at)), "lost at {lost:?}");
    assert_eq!((connects(&report, "bob").len(), losses(&report, "bob")), (1, vec![]));
    // Nothing crossed while it lasted.
    let crossed = of(&report, "alice").filter(|operation| {
        matches!(operation.outcome, Outcome::Ok { .. })
            && operation.completed_ns.is_some_and(|at_ns| (1000 * MS..2500 * MS).contains(&at_ns))
    });
    assert_eq!(crossed.count(), 0);
    assert!(report.faults[0].effect.contains("2 ends of connections died"), "{}", report.faults[0].effect);
}

#[test]
fn a_restart_empties_the_store_and_ends_every_session() {
    let restart = "[[faults]]\nkind = \"restart\"\nat = \"2s\"\ndown_for = \"500ms\"\n\
                   expect = { acknowledged_before = 10, sessions_absent = 2, completed_after = 10 }\n\
                   [expect]\ncheckers = [\"version-order\", \"linearizability\", \"loss-on-restart\", \"session\"]\n";
    let report = run_two_clients(restart, 1);
    passed(&report);
    let loss = report.checkers.iter().find(|checker| checker.name == "loss-on-restart").unwrap();
    assert!(loss.checked.contains("2 of 2 clients found their session absent"), "{}", loss.checked);
    let session = report.checkers.iter().find(|checker| checker.name == "session").unwrap();
    assert!(session.checked.starts_with("4 connects found"), "{}", session.checked);
    assert!(keys_at(&report, 1999) > 0);
    assert_eq!((keys_at(&report, 2000), keys_at(&report, 2500)), (0, 0));
    assert!(keys_at(&report, 5000) > 0, "work goes on");
    for client in ["alice", "bob"] {
        let [(_, false), (again, false)] = connects(&report, client)[..] else {
            panic!("{client}: {:?}", connects(&report, client));
        };
        assert!(again > 2500, "{client} connected again at {again} ms");
    }
}

#[test]
fn a_crashed_client_knows_nothing_of_its_requests_and_begins_anew() {
    let crash = "[[faults]]\nkind = \"crash\"\ntarget = \"alice\"\nat = \"2s\"\nfor = \"500ms\"\n\
                 expect = { unknown_outcomes = 4, completed_after = 10 }\n";
    let text = worlds::TWO_CLIENTS.replacen(
        "keys = 2",
        "keys = 2\nin_flight = 4\npause = { min = \"0ms\", max = \"0ms\" }",
        1,
    );
    let report = worlds::run_text(&format!("{text}{crash}{SESSION}"), 1);
    passed(&report);
    let sessions: Vec<_> = connects(&report, "alice").into_iter().map(|(_, present)| present).collect();
    assert_eq!(sessions, [false, false]);
    let while_dead =
        of(&report, "alice").filter(|operation| (2000 * MS + 1..2500 * MS).contains(&operation.invoked_ns));
    assert_eq!(while_dead.count(), 0);
}

#[test]
fn a_fault_that_strikes_and_bites_nobody_fails_the_run() {
    // alice is in the middle of a long pause when the partition strikes and when it heals.
    let text = worlds::TWO_CLIENTS
        .replacen("keys = 2", "keys = 2\npause = { min = \"3s\", max = \"3s\" }", 1)
        .replacen("operation_timeout", "keep_alive = \"0s\"\noperation_timeout", 1);
    let fault = "[[faults]]\nkind = \"partition\"\nat = \"1s\"\nfor = \"1s\"\nclients = [\"alice\"]\nmode = \"delay\"\n";
    let report = worlds::run_text(&format!("{text}{fault}"), 1);
    assert_eq!(report.verdict.conclusion, Conclusion::ExpectationFailed);
    assert_eq!(report.verdict.headline, "the fault partition at 1s never bit: no client noticed it");
    assert!(report.faults[0].fired_ns.is_some() && report.faults[0].healed_ns.is_some());
}
