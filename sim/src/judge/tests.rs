//! Each demand of a scenario met and unmet, and each verdict, on hand-made histories.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use mayfly_reports::{Conclusion, Expectation, FaultVerdict, Verdict};

use super::{JudgedFault, expectations, faults, verdict};
use crate::check::{self, Anomaly, CheckReport, CheckerName, CounterExample};
use crate::history::{
    Call, ClientIndex, ClientRecord, Condition, History, OperationId, Reply, SessionChange, SessionEvent,
    UnknownReason, Version,
};
use crate::nemesis::FaultRecord;
use crate::recorder::Recorder;
use crate::scenario::Scenario;
use crate::trace::Trace;

const ALICE: ClientIndex = ClientIndex(0);
const BOB: ClientIndex = ClientIndex(1);

fn ms(ms: u64) -> u64 {
    ms * 1_000_000
}

/// A scenario of alice and bob, with these lines after the clients.
fn scenario(rest: &str) -> Scenario {
    let clients = ["alice", "bob"]
        .map(|name| format!("[[clients]]\nname = \"{name}\"\n[clients.workload]\nkind = \"register\"\n"));
    let text = format!("description = \"x\"\n[run]\nduration = \"20s\"\n{}{rest}", clients.concat());
    Scenario::parse(&text, "x.toml").unwrap()
}

const PARTITION: &str = "[[faults]]\nkind = \"partition\"\nat = \"1s\"\nfor = \"2s\"\nclients = [\"alice\"]\n\
     mode = \"disconnect\"\n\
     expect = { unknown_outcomes = 1, completed_by_others = 1, completed_after_heal = 1 }\n";
const RESTART: &str = "[[faults]]\nkind = \"restart\"\nat = \"1s\"\ndown_for = \"2s\"\n\
     expect = { acknowledged_before = 1, sessions_absent = 1, completed_after = 1, sent_again = 1 }\n";
const CRASH: &str = "[[faults]]\nkind = \"crash\"\ntarget = \"alice\"\nat = \"1s\"\nfor = \"2s\"\n\
     expect = { unknown_outcomes = 1, completed_after = 1 }\n";

const QUOTA_PRESSURE: &str =
    "[[faults]]\nkind = \"quota-pressure\"\nat = \"1s\"\nfor = \"2s\"\nmax_keys = 1\n";

/// A fault from 1 s to 3 s, aimed at these clients.
fn fired(clients: &[ClientIndex]) -> FaultRecord {
    let (fired_ns, healed_ns) = (Some(ms(1000)), Some(ms(3000)));
    FaultRecord { fired_ns, healed_ns, clients: clients.to_vec(), killed_ends: 0 }
}

/// What happened, times in milliseconds.
struct Past(History);

impl Past {
    fn new() -> Self {
        let client = |name: &str| ClientRecord {
            name: name.to_owned(),
            session_expiry_s: 3600,
            ..ClientRecord::default()
        };
        Self(History::new(["alice", "bob"].map(client).to_vec()))
    }

    fn did(mut self, client: ClientIndex, from: u64, to: u64, key: &str) -> Self {
        let call =
            Call::Set { key: key.into(), value: b"v".to_vec(), condition: Condition::None, px_ms: None };
        let id = self.0.invoke(client, call, ms(from));
        let version = Version { wall_clock_ms: to, counter: 0, node_id: String::new() };
        self.0.complete(id, Reply::Stored { version }, ms(to));
        self
    }

    fn lost(mut self, client: ClientIndex, from: u64, to: u64, reason: UnknownReason) -> Self {
        let id = self.0.invoke(client, Call::Get { key: b"k".to_vec() }, ms(from));
        self.0.unknown(id, reason, ms(to));
        self
    }

    /// The operation before was sent again.
    fn sent_again(mut self, at: u64) -> Self {
        let last = OperationId(self.0.operations.len() as u64 - 1);
        self.0.send_again(last, ms(at));
        self
    }

    fn session(mut self, client: ClientIndex, at: u64, change: SessionChange) -> Self {
        self.0.sessions.push(SessionEvent { client, at_ns: ms(at), change });
        self
    }

    fn connected(self, client: ClientIndex, from: u64, to: u64, session_present: bool) -> Self {
        self.session(client, to, SessionChange::Connected { attempted_ns: ms(from), session_present })
    }

    /// The judgement of the scenario's one fault.
    fn judge(&self, rest: &str, clients: &[ClientIndex]) -> JudgedFault {
        faults(&scenario(rest), &[fired(clients)], &self.0).remove(0)
    }
}

/// Which expectations are met, in their order.
fn met(judged: &JudgedFault) -> Vec<bool> {
    judged.expectations.iter().map(|expectation| expectation.met).collect()
}

fn sightings(judged: &JudgedFault) -> Vec<&str> {
    judged.observed_by.iter().map(|observation| observation.what.as_str()).collect()
}

#[test]
fn each_demand_of_a_partition_is_met_by_its_own_evidence() {
    use UnknownReason::{ConnectionLost, TimedOut};
    let idle = Past::new();
    assert_eq!(met(&idle.judge(PARTITION, &[ALICE])), [false, false, false]);
    // A time-out of the wrong client, outside the partition, or no time-out.
    for past in [
        Past::new().lost(BOB, 1500, 2500, TimedOut),
        Past::new().lost(ALICE, 2500, 3500, TimedOut),
        Past::new().lost(ALICE, 1500, 2500, ConnectionLost),
    ] {
        assert_eq!(met(&past.judge(PARTITION, &[ALICE])), [false, false, false]);
    }
    let past = Past::new().lost(ALICE, 900, 2500, TimedOut);
    assert_eq!(met(&past.judge(PARTITION, &[ALICE])), [true, false, false]);
    // The others' work counts on shared keys only, and only if all of it was during the partition.
    for (from, to, key, counts) in [
        (1500, 1600, "k", true),
        (1500, 1600, "other", false),
        (900, 1600, "k", false),
        (2900, 3100, "k", false),
    ] {
        let past = Past::new().lost(ALICE, 900, 2500, TimedOut).did(BOB, from, to, key);
        assert_eq!(met(&past.judge(PARTITION, &[ALICE])), [true, counts, false], "{from} to {to} on {key}");
    }
    let past = Past::new().did(ALICE, 2900, 3100, "k");
    assert_eq!(met(&past.judge(PARTITION, &[ALICE])), [false, false, false]);
    let past = Past::new().did(ALICE, 3000, 3100, "k");
    assert_eq!(met(&past.judge(PARTITION, &[ALICE])), [false, false, true]);
}

#[test]
fn what_was_left_out_demands_nothing() {
    let lines = PARTITION.replace("unknown_outcomes = 1, completed_by_others = 1, ", "");
    let judged = Past::new().judge(&lines, &[ALICE]);
    let demanded: Vec<_> = judged.expectations.iter().map(|demand| demand.description.as_str()).collect();
    assert_eq!(demanded, ["operations that each cut-off client completed after healing"]);
}

#[test]
fn after_healing_the_least_active_client_counts() {
    let past = Past::new().did(ALICE, 3000, 3100, "k");
    let judged = past.judge(PARTITION, &[ALICE, BOB]);
    assert_eq!(judged.expectations[2].measured, "0");
}

#[test]
fn a_fault_bites_where_a_target_notices_it() {
    use UnknownReason::{BadResponse, ConnectionLost, TimedOut, Unfinished};
    let untouched = Past::new().did(ALICE, 1500, 1510, "k").did(BOB, 900, 3100, "k");
    assert_eq!(untouched.judge(PARTITION, &[ALICE]).verdict, FaultVerdict::NeverObserved);
    for past in [
        Past::new().lost(BOB, 1500, 2500, TimedOut),
        Past::new().lost(ALICE, 1500, 2500, BadResponse),
        Past::new().lost(ALICE, 1500, 2500, Unfinished),
        // Long after the fault.
        Past::new().lost(ALICE, 2500, 9000, TimedOut),
        Past::new().lost(ALICE, 3001, 3500, TimedOut),
        Past::new().session(ALICE, 9000, SessionChange::Lost),
        Past::new().session(BOB, 1500, SessionChange::Lost),
    ] {
        assert_eq!(past.judge(PARTITION, &[ALICE]).verdict, FaultVerdict::NeverObserved);
    }
    for past in [
        Past::new().lost(ALICE, 1500, 2500, TimedOut),
        Past::new().lost(ALICE, 900, 3500, ConnectionLost),
        Past::new().session(ALICE, 3001, SessionChange::Lost),
    ] {
        assert_eq!(past.judge(PARTITION, &[ALICE]).verdict, FaultVerdict::Bit);
    }
}

#[test]
fn a_reply_that_waits_for_the_end_of_a_partition_is_noticed() {
    let before = || Past::new().did(ALICE, 500, 550, "k");
    let delayed = before().did(ALICE, 1500, 3005, "k").judge(PARTITION, &[ALICE]);
    assert_eq!(sightings(&delayed), ["SET #1 waited 1505 ms for its reply"]);
    // Invoked so late that it took no longer than the one before the partition.
    let usual = before().did(ALICE, 2980, 3010, "k").judge(PARTITION, &[ALICE]);
    assert_eq!(usual.verdict, FaultVerdict::NeverObserved);
    // A restart delays nobody: what is under way is lost.
    let restart = before().did(ALICE, 1500, 3005, "k").judge(RESTART, &[ALICE]);
    assert_eq!(restart.verdict, FaultVerdict::NeverObserved);
}

#[test]
fn an_attempt_to_connect_in_vain_is_noticed() {
    let attempted = |at| Past::new().session(ALICE, at, SessionChange::Attempted);
    let vain = attempted(1500).connected(ALICE, 1500, 3005, true).judge(PARTITION, &[ALICE]);
    assert_eq!(sightings(&vain), ["could not connect"]);
    let answered = attempted(1500).connected(ALICE, 1500, 1510, true).judge(PARTITION, &[ALICE]);
    assert_eq!(answered.verdict, FaultVerdict::NeverObserved);
    assert_eq!(attempted(500).judge(PARTITION, &[ALICE]).verdict, FaultVerdict::NeverObserved);
}

#[test]
fn each_demand_of_a_restart_is_met_by_its_own_evidence() {
    let all = [ALICE, BOB];
    assert_eq!(met(&Past::new().judge(RESTART, &all)), [false, false, false, false]);
    assert_eq!(met(&Past::new().did(BOB, 900, 1000, "k").judge(RESTART, &all)), [true, false, false, false]);
    assert_eq!(met(&Past::new().did(BOB, 990, 1010, "k").judge(RESTART, &all)), [false, false, false, false]);
    assert_eq!(met(&Past::new().did(BOB, 3000, 3010, "k").judge(RESTART, &all)), [false, false, true, false]);
    // Open at the restart, sent again after it, answered.
    for (from, again, counts) in [(990, 3005, true), (990, 2990, false), (1010, 3005, false)] {
        let past = Past::new().did(BOB, from, 3010, "k").sent_again(again);
        assert_eq!(met(&past.judge(RESTART, &all)), [false, false, false, counts], "{from}, {again}");
    }
    let unanswered = Past::new().lost(BOB, 990, 4000, UnknownReason::TimedOut).sent_again(3005);
    assert_eq!(met(&unanswered.judge(RESTART, &all)), [false, false, false, false]);
    let connected = |present| Past::new().connected(BOB, 0, 5, false).connected(BOB, 3010, 3020, present);
    assert_eq!(met(&connected(false).judge(RESTART, &all)), [false, true, false, false]);
    assert_eq!(met(&connected(true).judge(RESTART, &all)), [false, false, false, false]);
}

#[test]
fn each_demand_of_a_crash_is_met_by_its_own_evidence() {
    let crashed =
        Past::new().connected(ALICE, 0, 5, false).lost(ALICE, 990, 1000, UnknownReason::ConnectionLost);
    let judged = crashed.judge(CRASH, &[ALICE]);
    assert_eq!(met(&judged), [true, false]);
    assert!(sightings(&judged).contains(&"was killed while it was connected"), "{judged:?}");
    // What was over before, or belongs to another, was not in flight.
    for (client, from, to) in [(ALICE, 800, 900), (BOB, 990, 1000), (ALICE, 1001, 2000)] {
        let past = Past::new().lost(client, from, to, UnknownReason::ConnectionLost);
        assert_eq!(met(&past.judge(CRASH, &[ALICE])), [false, false]);
    }
    assert_eq!(met(&Past::new().did(ALICE, 3000, 3010, "k").judge(CRASH, &[ALICE])), [false, true]);
    // Killed while it had no connection.
    let away = Past::new().connected(ALICE, 0, 5, false).session(ALICE, 900, SessionChange::Lost);
    assert_eq!(away.judge(CRASH, &[ALICE]).verdict, FaultVerdict::NeverObserved);
}

#[test]
fn quota_pressure_bites_only_where_a_client_was_refused_for_it() {
    use UnknownReason::{ConnectionLost, TimedOut};
    let failed = |from: u64, to: u64, error: &str| {
        let mut past = Past::new();
        let call =
            Call::Set { key: b"k".to_vec(), value: Vec::new(), condition: Condition::None, px_ms: None };
        let id = past.0.invoke(ALICE, call, ms(from));
        past.0.fail(id, error.to_owned(), ms(to));
        past
    };
    let quota = "the quota has been exceeded";
    let all = [ALICE, BOB];
    for past in [
        Past::new().did(ALICE, 1500, 1510, "k"),
        Past::new().lost(ALICE, 1500, 2500, TimedOut),
        Past::new().lost(ALICE, 1500, 2500, ConnectionLost).session(ALICE, 2500, SessionChange::Lost),
        Past::new().session(BOB, 1500, SessionChange::Attempted),
        failed(1500, 1510, "not authorized"),
        failed(990, 1010, quota),
        failed(2990, 3010, quota),
        failed(3500, 3510, quota),
    ] {
        let judged = past.judge(QUOTA_PRESSURE, &all);
        assert_eq!(judged.verdict, FaultVerdict::NeverObserved, "{judged:?}");
    }
    let judged = failed(1500, 1510, quota).judge(QUOTA_PRESSURE, &all);
    assert_eq!(
        (judged.verdict, sightings(&judged)),
        (FaultVerdict::Bit, vec!["SET #0 was refused for the quota"])
    );
}

/// The verdicts on two faults, each with its clients and its time in milliseconds.
fn two_faults(past: &Past, kinds: [&str; 2], struck: [(&[ClientIndex], u64, u64); 2]) -> Vec<FaultVerdict> {
    let records = struck.map(|(clients, from, to)| FaultRecord {
        fired_ns: Some(ms(from)),
        healed_ns: Some(ms(to)),
        ..fired(clients)
    });
    // The times in the file are not looked at, only those at which the faults struck.
    let crash = CRASH.replace("at = \"1s\"", "at = \"5s\"");
    let lines = kinds.map(|kind| if kind == CRASH { crash.clone() } else { kind.to_owned() });
    faults(&scenario(&lines.concat()), &records, &past.0).iter().map(|judged| judged.verdict).collect()
}

#[test]
fn a_fault_is_not_credited_with_what_a_later_one_did() {
    use FaultVerdict::{Bit, NeverObserved};
    let (alice, all): (&[ClientIndex], &[ClientIndex]) = (&[ALICE], &[ALICE, BOB]);
    let kinds = [PARTITION, RESTART];
    // A partition of 1 ms, a second before a restart that costs everybody the connection.
    let tiny = [(alice, 1000, 1001), (all, 2000, 3000)];
    let broken = Past::new()
        .session(ALICE, 2001, SessionChange::Lost)
        .session(BOB, 2001, SessionChange::Lost)
        .lost(ALICE, 1001, 4000, UnknownReason::TimedOut);
    assert_eq!(two_faults(&broken, kinds, tiny), [NeverObserved, Bit]);
    // What alice sees between the two is the partition's.
    let before = Past::new().session(ALICE, 1999, SessionChange::Lost);
    assert_eq!(two_faults(&before, kinds, tiny), [Bit, NeverObserved]);
    // A restart during the partition: its own time is its own, before and after that the partition counts as well.
    let inside = [(alice, 1000, 5000), (all, 2000, 3000)];
    for (at, expected) in [
        (1999, [Bit, NeverObserved]),
        (2000, [NeverObserved, Bit]),
        (3000, [NeverObserved, Bit]),
        (3001, [Bit, Bit]),
    ] {
        let past = Past::new().session(ALICE, at, SessionChange::Lost);
        assert_eq!(two_faults(&past, kinds, inside), expected, "{at}");
    }
    // Another client's fault explains nothing.
    let others = [(alice, 1000, 1001), (&[BOB][..], 2000, 3000)];
    let past = Past::new().session(ALICE, 2001, SessionChange::Lost);
    assert_eq!(two_faults(&past, [PARTITION, CRASH], others), [Bit, NeverObserved]);
}

fn unmet(scenario: &Scenario, judged: &[JudgedFault], history: &History) -> Vec<String> {
    let expectations = expectations(scenario, judged, &[], history);
    let unmet = expectations.into_iter().filter(|expectation| !expectation.met);
    unmet.map(|unmet| format!("{}: {}, needed {}", unmet.description, unmet.measured, unmet.needed)).collect()
}

#[test]
fn a_floor_of_work_counts_replies_by_operation() {
    let floor = scenario("[expect]\noperations = { set = 2 }\n");
    let once = || Past::new().did(ALICE, 0, 5, "k").lost(ALICE, 10, 20, UnknownReason::TimedOut);
    assert_eq!(unmet(&floor, &[], &once().0), ["completed SET operations: 1, needed at least 2"]);
    assert!(unmet(&floor, &[], &once().did(BOB, 0, 5, "k").0).is_empty());
}

#[test]
fn a_floor_of_faults_counts_those_that_bit_also_where_the_file_has_none() {
    let floor = |kind: &str, fault: &str| scenario(&format!("{fault}[expect]\nfaults = {{ {kind} = 1 }}\n"));
    let judged = |verdict| [JudgedFault { observed_by: Vec::new(), verdict, expectations: Vec::new() }];
    for (kind, fault, words) in [
        ("partition_disconnect", PARTITION, "partition (disconnect)"),
        ("restart", RESTART, "restart"),
        ("crash", CRASH, "crash"),
    ] {
        let never = [format!("faults that bit: {words}: never bit, needed at least 1")];
        let history = || Past::new().0;
        assert!(unmet(&floor(kind, fault), &judged(FaultVerdict::Bit), &history()).is_empty());
        assert_eq!(unmet(&floor(kind, fault), &judged(FaultVerdict::NeverObserved), &history()), never);
        assert_eq!(unmet(&floor(kind, fault), &judged(FaultVerdict::NeverFired), &history()), never);
        assert_eq!(unmet(&floor(kind, ""), &[], &history()), never);
    }
    let other = floor("partition_delay", PARTITION);
    let never = ["faults that bit: partition (delay): never bit, needed at least 1"];
    assert_eq!(unmet(&other, &judged(FaultVerdict::Bit), &Past::new().0), never);
}

#[test]
fn a_response_that_breaks_the_protocol_is_never_met() {
    let recorder = Recorder::new(Past::new().0, Trace::new("", 0));
    let id = recorder.invoke(ALICE, Call::Get { key: b"k".to_vec() }, 0);
    recorder.protocol_error(id, "no version", 5);
    let all = expectations(&scenario(""), &[], &[], &recorder.records().history);
    assert!(all.iter().any(|one| !one.met && one.measured == "1, the first: operation #0: no version"));
}

fn checked(verdict: check::Verdict, anomalies: &[Anomaly]) -> CheckReport {
    let example = |anomaly: &Anomaly| CounterExample {
        anomaly: *anomaly,
        headline: format!("{anomaly} was seen"),
        explanation: Vec::new(),
        operations: vec![OperationId(0)],
        at_ns: 0,
    };
    CheckReport {
        checker: CheckerName::Linearizability,
        verdict,
        summary: "in sum".to_owned(),
        notes: Vec::new(),
        counter_examples: anomalies.iter().map(example).collect(),
    }
}

fn concluded(verdict: &Verdict) -> (Conclusion, &str) {
    (verdict.conclusion, verdict.headline.as_str())
}

fn fault(verdict: FaultVerdict) -> JudgedFault {
    JudgedFault { observed_by: Vec::new(), verdict, expectations: Vec::new() }
}

fn demand(met: bool) -> Expectation {
    let [description, needed, measured] = ["work", "at least 2", "1"].map(str::to_owned);
    Expectation { description, needed, measured, met }
}

#[test]
fn an_honest_run_passes_only_if_all_holds() {
    let scenario = scenario(PARTITION);
    let valid = || checked(check::Verdict::Valid, &[]);
    let violated = || checked(check::Verdict::Violated, &[Anomaly::StaleRead]);
    let undecided = || checked(check::Verdict::Undecided { why: "too few steps".to_owned() }, &[]);
    let cases = [
        (FaultVerdict::Bit, valid(), true, Conclusion::Passed, "every checker and every expectation held"),
        (FaultVerdict::Bit, violated(), true, Conclusion::ConsistencyViolated, "stale-read was seen"),
        // A violation is worse than whatever else is wrong.
        (FaultVerdict::NeverFired, violated(), false, Conclusion::ConsistencyViolated, "stale-read was seen"),
        (
            FaultVerdict::Bit,
            undecided(),
            true,
            Conclusion::ExpectationFailed,
            "linearizability could not decide: too few steps",
        ),
        (
            FaultVerdict::NeverFired,
            valid(),
            true,
            Conclusion::ExpectationFailed,
            "the fault partition at 1s never fired",
        ),
        (
            FaultVerdict::NeverObserved,
            valid(),
            true,
            Conclusion::ExpectationFailed,
            "the fault partition at 1s never bit: no client noticed it",
        ),
        (FaultVerdict::Bit, valid(), false, Conclusion::ExpectationFailed, "work: 1, needed at least 2"),
    ];
    for (bite, check, met, conclusion, headline) in cases {
        let verdict = verdict(&scenario, &[fault(bite)], &[check], &[demand(met)]);
        assert_eq!(concluded(&verdict), (conclusion, headline));
    }
}

#[test]
fn an_unmet_demand_of_a_fault_fails_the_run() {
    let fault = JudgedFault { expectations: vec![demand(false)], ..fault(FaultVerdict::Bit) };
    let verdict = verdict(&scenario(PARTITION), &[fault], &[checked(check::Verdict::Valid, &[])], &[]);
    assert_eq!(concluded(&verdict), (Conclusion::ExpectationFailed, "work: 1, needed at least 2"));
}

#[test]
fn a_lying_broker_must_be_caught_and_named() {
    let scenario = scenario(
        "[broker]\nsabotage = \"stale-get\"\n[expect]\nverdict = \"violation\"\n\
         caught_by = [{ checker = \"linearizability\", anomaly = \"stale-read\" }]\n",
    );
    let judge = |check: CheckReport| {
        let checks = [check];
        let demands = expectations(&scenario, &[], &checks, &Past::new().0);
        verdict(&scenario, &[], &checks, &demands)
    };
    let caught = judge(checked(check::Verdict::Violated, &[Anomaly::LostWrite, Anomaly::StaleRead]));
    let headline = "the lying broker was caught: lost-write was seen";
    assert_eq!(concluded(&caught), (Conclusion::Passed, headline));
    let misnamed = judge(checked(check::Verdict::Violated, &[Anomaly::LostWrite]));
    let headline = "the checker linearizability catches the lying broker: lost-write, needed stale-read";
    assert_eq!(concluded(&misnamed), (Conclusion::ExpectationFailed, headline));
    let missed = judge(checked(check::Verdict::Valid, &[]));
    let headline = "the checker linearizability catches the lying broker: nothing, needed stale-read";
    assert_eq!(concluded(&missed), (Conclusion::ExpectationFailed, headline));
    let undecided = judge(checked(check::Verdict::Undecided { why: "x".to_owned() }, &[]));
    assert_eq!(undecided.conclusion, Conclusion::ExpectationFailed);
}

#[test]
fn what_must_have_happened_and_how_much_the_broker_may_hold_is_demanded() {
    let scenario =
        scenario("[expect]\nevents = { dropped = 2 }\nmost = { connections = 3, messages = 10 }\n");
    let met = |dropped: u64, connections: u64| {
        let mut past = Past::new();
        past.0.drops.push((1, dropped));
        past.0.peaks.connections = connections;
        let demands = expectations(&scenario, &[], &[], &past.0);
        demands.iter().map(|demand| demand.met).collect::<Vec<_>>()
    };
    // Dropped messages, connections, messages, and responses that break the protocol.
    assert_eq!(met(2, 3), [true, true, true, true]);
    assert_eq!(met(1, 4), [false, false, true, true]);
}
