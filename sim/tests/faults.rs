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

/// A clock is set at 2 s; carol, who joins alice and bob, has the clock that the lines give her.
fn clock_step(target: &str, by: &str, more: &str) -> RunReport {
    let fault = format!(
        "[[faults]]\nkind = \"clock-step\"\ntarget = \"{target}\"\nat = \"2s\"\nby = \"{by}\"\n{more}"
    );
    let floor =
        "[expect]\ncheckers = [\"version-order\", \"linearizability\"]\nfaults = { clock_step = 1 }\n";
    run_two_clients(&format!("{fault}{floor}"), 1)
}

/// The highest wall clock among the versions that were given by a time, in ms after the simulated one at the run's start.
fn highest_wall_ms(report: &RunReport, until_ms: u64) -> u64 {
    let versions = report
        .operations
        .iter()
        .filter(|operation| operation.completed_ns.is_some_and(|at| at < until_ms * MS));
    let walls = versions.filter_map(|operation| match &operation.outcome {
        Outcome::Ok { version: Some(version), .. } => version.split(':').next()?.parse::<u64>().ok(),
        _ => None,
    });
    walls.max().unwrap() - 1_767_225_600_000
}

#[test]
fn a_brokers_clock_that_is_set_shows_in_versions() {
    let forwards = clock_step("broker", "30s", "");
    passed(&forwards);
    assert!(highest_wall_ms(&forwards, 1999) < 2000);
    let after = highest_wall_ms(&forwards, 5000);
    assert!((34_800..35_000).contains(&after), "{after}");
    // The clients' clocks keep time and lead the versions on, so nobody can tell that the broker's went back.
    let masked = clock_step("broker", "-30s", "");
    assert_eq!(masked.verdict.headline, "the fault clock-step at 2s never bit: no client noticed it");
    let behind = worlds::TWO_CLIENTS.replace("name", "clock_offset = \"-20s\"\nname");
    let fault = "[[faults]]\nkind = \"clock-step\"\ntarget = \"broker\"\nat = \"2s\"\nby = \"-10s\"\n";
    let back = worlds::run_text(&format!("{behind}{fault}"), 1);
    passed(&back);
    // It stands still until the clock has caught up.
    assert_eq!(highest_wall_ms(&back, 2005), highest_wall_ms(&back, 5000));
    let slow = "for = \"2s\"\n";
    let back_and_forth = clock_step("broker", "30s", slow);
    passed(&back_and_forth);
    let after = highest_wall_ms(&back_and_forth, 5000);
    assert!((33_800..34_000).contains(&after), "{after}");
    assert!(back_and_forth.faults[0].effect.contains("forwards by 30000 ms, and later set it back"));
}

#[test]
fn a_clients_clock_that_is_set_dates_its_requests() {
    for (by, latest) in [("30s", 34_800..35_000), ("-30s", 4_800..5_000)] {
        let report = clock_step("alice", by, "");
        passed(&report);
        let after = highest_wall_ms(&report, 5000);
        assert!(latest.contains(&after), "{by}: {after}");
        assert!(report.faults[0].observed_by.iter().all(|seen| seen.client == "alice"));
    }
}

#[test]
fn a_clock_that_nobody_reads_any_more_bites_nobody() {
    let text =
        worlds::TWO_CLIENTS.replacen("keys = 2", "keys = 2\npause = { min = \"4s\", max = \"4s\" }", 1);
    let fault = "[[faults]]\nkind = \"clock-step\"\ntarget = \"alice\"\nat = \"4500ms\"\nby = \"1s\"\n";
    let report = worlds::run_text(&format!("{text}{fault}"), 1);
    assert_eq!(report.verdict.headline, "the fault clock-step at 4.5s never bit: no client noticed it");
}
