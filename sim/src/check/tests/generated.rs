//! Histories of a simulated store that is correct by construction: whatever happens to it, no checker may object.
//!
//! The store of this module is a map that executes each request at one moment between its invocation and its
//! completion, or its loss. It shares no code with the checkers.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::story::ms;
use crate::check::{CheckerName, Verdict, check};
use crate::history::{
    BrokerChange, BrokerEvent, Call, ClientIndex, ClientRecord, Condition, History, OperationId, Reply,
    UnknownReason, Version,
};

/// What a client does next.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    client: usize,
    /// Pause before it, and how long it takes, in ms.
    pause: u64,
    takes: u64,
    /// At which part of the time, in percent, the store executes it; again for a second execution.
    executed_at: [u64; 2],
    key: u8,
    verb: Verb,
    /// For VDEL and NEX: which of the values written before to name.
    pick: usize,
    px_ms: Option<u64>,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verb {
    Get,
    Set,
    SetNx,
    SetNex,
    Del,
    Vdel,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Answered,
    /// Executed, at any time, but the reply is lost.
    ReplyLost,
    RequestLost,
}

pub(super) fn plan() -> impl Strategy<Value = Plan> {
    let verb = prop_oneof![
        5 => Just(Verb::Get),
        4 => Just(Verb::Set),
        1 => Just(Verb::SetNx),
        1 => Just(Verb::SetNex),
        2 => Just(Verb::Del),
        2 => Just(Verb::Vdel),
    ];
    let fate =
        prop_oneof![8 => Just(Fate::Answered), 1 => Just(Fate::ReplyLost), 1 => Just(Fate::RequestLost)];
    let px_ms = prop_oneof![6 => Just(None), 1 => (1_u64..200).prop_map(Some)];
    let timing = (0_u64..20, 0_u64..40, [0_u64..=100, 0_u64..=100]);
    (0_usize..4, timing, 0_u8..2, verb, 0_usize..8, px_ms, fate).prop_map(
        |(client, (pause, takes, executed_at), key, verb, pick, px_ms, fate)| Plan {
            client,
            pause,
            takes,
            executed_at,
            key,
            verb,
            pick,
            px_ms,
            fate,
        },
    )
}

/// The store: a value with its version and the time at which it expires.
type Store = BTreeMap<Vec<u8>, (Vec<u8>, Version, Option<u64>)>;

struct Execution {
    at_ns: u64,
    operation: OperationId,
    /// When the reply arrives, if this execution's reply does.
    answered_ns: Option<u64>,
}

/// Carries out the plans, with the broker restarted at these times (stop and start, in ms).
pub(super) fn run(plans: &[Plan], restarts: &[(u64, u64)]) -> History {
    let client = |number: usize| ClientRecord {
        name: format!("client-{number}"),
        session_expiry_s: 3600,
        ..ClientRecord::default()
    };
    let mut history = History::new((0..4).map(client).collect());
    history.broker.push(BrokerEvent { at_ns: 0, change: BrokerChange::Started });
    for &(stopped, started) in restarts {
        history.broker.push(BrokerEvent { at_ns: ms(stopped), change: BrokerChange::Stopped });
        history.broker.push(BrokerEvent { at_ns: ms(started), change: BrokerChange::Started });
    }
    let mut executions = Vec::new();
    let mut free_ms = [1_u64; 4];
    let mut written: Vec<Vec<u8>> = vec![b"never".to_vec()];
    for (number, plan) in plans.iter().enumerate() {
        let from = free_ms[plan.client] + plan.pause;
        let call = call(plan, number, &mut written);
        let id = history.invoke(ClientIndex(plan.client), call, ms(from));
        free_ms[plan.client] = schedule(plan, id, from, restarts, &mut executions);
    }
    executions.sort_by_key(|execution| (execution.at_ns, execution.operation));
    carry_out(&mut history, &executions, restarts);
    history
}

fn call(plan: &Plan, number: usize, written: &mut Vec<Vec<u8>>) -> Call {
    let key = vec![b'k', plan.key];
    let earlier = written[plan.pick % written.len()].clone();
    let new = format!("v-{number}").into_bytes();
    let (value, condition) = match plan.verb {
        Verb::Get => return Call::Get { key },
        Verb::Del => return Call::Del { key },
        Verb::Vdel => return Call::Vdel { key, value: earlier },
        Verb::Set => (new, Condition::None),
        Verb::SetNx => (new, Condition::Nx),
        // Every second renews a value that was written before.
        Verb::SetNex => (if plan.pick.is_multiple_of(2) { earlier } else { new }, Condition::Nex),
    };
    written.push(value.clone());
    Call::Set { key, value, condition, px_ms: plan.px_ms }
}

/// Decides when an operation is executed. Returns when its client is free again, in ms.
fn schedule(
    plan: &Plan,
    operation: OperationId,
    from: u64,
    restarts: &[(u64, u64)],
    executions: &mut Vec<Execution>,
) -> u64 {
    let down =
        |at_ns: u64| restarts.iter().any(|&(stopped, started)| ms(stopped) <= at_ns && at_ns <= ms(started));
    let until = from + plan.takes;
    let part = |percent: u64, takes: u64| ms(from) + ms(takes) * percent / 100;
    // A restart in between: the client sends the request again, and the reply comes after the start.
    let crossed = restarts.iter().find(|&&(stopped, _)| from <= stopped && stopped <= until);
    match plan.fate {
        Fate::RequestLost => {}
        Fate::ReplyLost => {
            // It may be executed long after the client gave up, and once in each life of the broker.
            for (execution, takes) in plan.executed_at.into_iter().zip([plan.takes * 5, plan.takes * 20]) {
                let at_ns = part(execution, takes);
                let alive = restarts.iter().filter(|&&(stopped, _)| ms(stopped) < at_ns).count();
                let first = executions.iter().rfind(|other| other.operation == operation);
                let other_life = first.is_none_or(|first| {
                    restarts.iter().filter(|&&(stopped, _)| ms(stopped) < first.at_ns).count() != alive
                });
                if !down(at_ns) && other_life {
                    executions.push(Execution { at_ns, operation, answered_ns: None });
                }
            }
        }
        Fate::Answered => {
            let Some(&(stopped, started)) = crossed else {
                // While the broker is down the request waits for it.
                let waits = restarts.iter().find(|&&(stopped, started)| stopped <= from && from <= started);
                let at_ns =
                    waits.map_or(part(plan.executed_at[0], plan.takes), |&(_, started)| ms(started) + 1);
                let answered_ns = at_ns.max(ms(until));
                executions.push(Execution { at_ns, operation, answered_ns: Some(answered_ns) });
                return answered_ns.div_ceil(1_000_000) + 1;
            };
            let before_ns = part(plan.executed_at[0], plan.takes);
            if before_ns < ms(stopped) {
                executions.push(Execution { at_ns: before_ns, operation, answered_ns: None });
            }
            let at_ns = ms(started) + 1 + plan.executed_at[1];
            executions.push(Execution { at_ns, operation, answered_ns: Some(at_ns + 1) });
            return started + 1;
        }
    }
    until + 1
}

fn carry_out(history: &mut History, executions: &[Execution], restarts: &[(u64, u64)]) {
    let mut store = Store::new();
    let mut epoch = 0;
    for (number, execution) in executions.iter().enumerate() {
        let now_ns = execution.at_ns;
        let now_epoch = restarts.iter().filter(|&&(stopped, _)| ms(stopped) < now_ns).count();
        if now_epoch != epoch {
            store.clear();
            epoch = now_epoch;
        }
        store.retain(|_, (_, _, expires_ns)| expires_ns.is_none_or(|expires_ns| now_ns < expires_ns));
        let version = Version {
            wall_clock_ms: now_ns / 1_000_000,
            counter: number as u32,
            node_id: "StateStore".to_owned(),
        };
        let call = history.operation(execution.operation).call.clone();
        let reply = execute(&mut store, call, version, now_ns);
        match execution.answered_ns {
            Some(answered_ns) => history.complete(execution.operation, reply, answered_ns),
            None => history.unknown(execution.operation, UnknownReason::TimedOut, now_ns),
        }
    }
}

fn execute(store: &mut Store, call: Call, version: Version, now_ns: u64) -> Reply {
    match call {
        Call::KeyNotify { .. } => Reply::WatchChanged,
        Call::Get { key } => match store.get(&key) {
            Some((value, version, _)) => Reply::Value { value: value.clone(), version: version.clone() },
            None => Reply::Missing,
        },
        Call::Set { key, value, condition, px_ms } => {
            let stands = store.get(&key).filter(|(stored, ..)| match condition {
                Condition::None => false,
                Condition::Nx => true,
                Condition::Nex => *stored != value,
            });
            if let Some((_, version, _)) = stands {
                return Reply::Refused { version: version.clone() };
            }
            store.insert(key, (value, version.clone(), px_ms.map(|px_ms| now_ns + ms(px_ms))));
            Reply::Stored { version }
        }
        Call::Del { key } => match store.remove(&key) {
            Some(_) => Reply::Deleted { version },
            None => Reply::NotFound,
        },
        Call::Vdel { key, value } => match store.get(&key) {
            Some((stored, ..)) if *stored == value => {
                store.remove(&key);
                Reply::Deleted { version }
            }
            Some(_) => Reply::ValueDiffers,
            None => Reply::NotFound,
        },
    }
}

fn no_checker_objects(history: &History) -> Result<(), TestCaseError> {
    for checker in [CheckerName::VersionOrder, CheckerName::Linearizability] {
        let report = check(checker, history);
        prop_assert_eq!(&report.verdict, &Verdict::Valid, "{:#?}\n{:#?}", report, history);
    }
    let report = check(CheckerName::LossOnRestart, history);
    prop_assert!(report.verdict != Verdict::Violated, "{:#?}\n{:#?}", report, history);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_correct_store_passes(plans in prop::collection::vec(plan(), 1..60)) {
        no_checker_objects(&run(&plans, &[]))?;
    }

    #[test]
    fn a_correct_store_that_is_restarted_passes(
        plans in prop::collection::vec(plan(), 1..60),
        stopped in 1_u64..200,
        down in 1_u64..50,
        up in 10_u64..200,
    ) {
        let second = stopped + down + up;
        no_checker_objects(&run(&plans, &[(stopped, stopped + down), (second, second + down)]))?;
    }

    #[test]
    fn a_correct_store_whose_clients_send_again_passes(
        plans in prop::collection::vec(plan(), 1..60),
        stopped in 1_u64..200,
        down in 1_u64..50,
    ) {
        let started_ns = ms(stopped + down);
        let mut history = run(&plans, &[(stopped, stopped + down)]);
        for operation in &mut history.operations {
            // This store executes again, just after its start, what was open then and is answered.
            let answered_later = operation.reply().is_some_and(|(_, completed_ns)| completed_ns > started_ns);
            if operation.invoked_ns < started_ns && answered_later {
                operation.sent_again_ns.push(started_ns);
            }
        }
        no_checker_objects(&history)?;
    }

    #[test]
    fn a_stale_read_in_a_busy_history_is_caught(
        plans in prop::collection::vec(plan(), 1..60),
    ) {
        // Two reads far after everything else: the second goes back behind the first.
        let mut history = run(&plans, &[]);
        let begin_ns = history.operations.iter().map(|operation| operation.invoked_ns).max().unwrap_or(0) + ms(10_000);
        let key = b"k\x00".to_vec();
        let version = |number: u32| Version { wall_clock_ms: 1_000_000, counter: number, node_id: "StateStore".to_owned() };
        for (step, value) in [b"old", b"new"].into_iter().enumerate() {
            let call =
                Call::Set { key: key.clone(), value: value.to_vec(), condition: Condition::None, px_ms: None };
            let at_ns = begin_ns + ms(step as u64 * 10);
            let id = history.invoke(ClientIndex(0), call, at_ns);
            history.complete(id, Reply::Stored { version: version(step as u32) }, at_ns + 1);
        }
        let id = history.invoke(ClientIndex(1), Call::Get { key }, begin_ns + ms(100));
        history.complete(id, Reply::Value { value: b"old".to_vec(), version: version(0) }, begin_ns + ms(101));
        for checker in [CheckerName::VersionOrder, CheckerName::Linearizability] {
            prop_assert_eq!(check(checker, &history).verdict, Verdict::Violated);
        }
    }
}
