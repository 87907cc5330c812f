//! The search against a checker that tries every order, on histories too short for any cleverness.
//!
//! The other checker shares nothing with the first: it permutes the operations, drops or keeps those without a
//! reply, and executes each order on a plain optional value.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::story::{self, history_of, ms};
use crate::check::{Verdict, linearizability};
use crate::history::{Call, Condition, History, Operation, Outcome, Reply, Version};

#[derive(Clone, Debug)]
struct Sketch {
    client: usize,
    from: u64,
    takes: u64,
    call: u8,
    value: u8,
    reply: Option<(u8, u8, u64)>,
}

fn sketch() -> impl Strategy<Value = Sketch> {
    let reply = prop_oneof![1 => Just(None), 3 => (0_u8..3, 0_u8..3, 1_u64..4).prop_map(Some)];
    (0_usize..3, 0_u64..12, 0_u64..6, 0_u8..6, 0_u8..2, reply).prop_map(
        |(client, from, takes, call, value, reply)| Sketch { client, from, takes, call, value, reply },
    )
}

/// Any reply that the command can have, right or wrong.
fn history(sketches: &[Sketch]) -> History {
    let mut sorted = sketches.to_vec();
    sorted.sort_by_key(|sketch| sketch.from);
    let operations = sorted.iter().map(|sketch| {
        let value = ["a", "b", "c"][sketch.value as usize];
        let call = match sketch.call {
            0 | 1 => story::get(),
            2 => story::set(value),
            3 => story::set_if(
                if sketch.from.is_multiple_of(2) { Condition::Nx } else { Condition::Nex },
                value,
            ),
            4 => story::del(),
            _ => story::vdel(value),
        };
        let end = sketch.reply.map(|(kind, shown, version)| {
            let reply = match (&call, kind) {
                (Call::Get { .. }, 0) => Reply::Missing,
                (Call::Get { .. }, _) => story::value(["a", "b", "c"][shown as usize], version),
                (Call::Set { condition, .. }, 0) if *condition != Condition::None => story::refused(version),
                (Call::Set { .. }, _) => story::stored(version),
                (_, 0) => Reply::NotFound,
                (Call::Vdel { .. }, 1) => Reply::ValueDiffers,
                _ => story::deleted(version),
            };
            (ms(sketch.from + sketch.takes), reply)
        });
        (sketch.client, ms(sketch.from), end, call)
    });
    history_of(operations.collect())
}

/// The value, and its version once a reply has shown it.
type Register = Option<(Vec<u8>, Option<Version>)>;

/// Whether some order of the rest explains its replies.
fn explainable(register: &Register, rest: &[&Operation]) -> bool {
    // Whoever has no reply may be left out for good.
    if rest.iter().all(|operation| operation.reply().is_none()) {
        return true;
    }
    (0..rest.len()).any(|index| {
        let operation = rest[index];
        let mut others = rest.to_vec();
        others.remove(index);
        let too_early = others
            .iter()
            .any(|other| other.reply().is_some_and(|(_, completed_ns)| completed_ns < operation.invoked_ns));
        if too_early {
            return false;
        }
        let next = after(register, &operation.call, operation.reply().map(|(reply, _)| reply));
        let without_reply = operation.reply().is_none();
        next.is_some_and(|next| explainable(&next, &others))
            || (without_reply && explainable(register, &others))
    })
}

/// The register after the call, if the reply fits; without a reply anything fits.
fn after(register: &Register, call: &Call, reply: Option<&Reply>) -> Option<Register> {
    let exists = register.is_some();
    let holds = |value: &[u8]| register.as_ref().is_some_and(|(stored, _)| stored == value);
    let known = |version: &Version| {
        let (stored, known) = register.as_ref()?;
        known
            .as_ref()
            .is_none_or(|known| known == version)
            .then(|| Some((stored.clone(), Some(version.clone()))))
    };
    match (call, reply) {
        (Call::Get { .. }, Some(Reply::Value { value, version })) => known(version).filter(|_| holds(value)),
        (Call::Get { .. }, None) => Some(register.clone()),
        (Call::Set { value, condition, .. }, reply) => {
            let stores = match condition {
                Condition::None => true,
                Condition::Nx => !exists,
                Condition::Nex => !exists || holds(value),
            };
            match reply {
                Some(Reply::Stored { version }) => {
                    stores.then(|| Some((value.clone(), Some(version.clone()))))
                }
                Some(Reply::Refused { version }) => known(version).filter(|_| !stores),
                None if stores => Some(Some((value.clone(), None))),
                _ => reply.is_none().then(|| register.clone()),
            }
        }
        (Call::Get { .. }, Some(Reply::Missing))
        | (Call::Del { .. } | Call::Vdel { .. }, Some(Reply::NotFound)) => (!exists).then_some(None),
        (Call::Del { .. }, Some(Reply::Deleted { .. })) => exists.then_some(None),
        (Call::Vdel { value, .. }, Some(Reply::Deleted { .. })) => holds(value).then_some(None),
        (Call::Vdel { value, .. }, Some(Reply::ValueDiffers)) => {
            (exists && !holds(value)).then(|| register.clone())
        }
        (Call::Del { .. }, None) => Some(None),
        (Call::Vdel { value, .. }, None) => Some(if holds(value) { None } else { register.clone() }),
        _ => None,
    }
}

fn agree(history: &History) -> Result<bool, TestCaseError> {
    let operations: Vec<&Operation> = history.operations.iter().collect();
    let expected = explainable(&None, &operations);
    let report = linearizability::check(history, 1_000_000);
    let found = report.verdict == Verdict::Valid;
    prop_assert_eq!(found, expected, "{:#?}\n{:#?}", report, history);
    Ok(expected)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_search_agrees_on_arbitrary_replies(sketches in prop::collection::vec(sketch(), 1..7)) {
        agree(&history(&sketches))?;
    }

    #[test]
    fn the_search_agrees_on_nearly_right_replies(
        plans in prop::collection::vec(super::generated::plan(), 1..8),
        corrupted in prop::option::of((0_usize..8, 0_usize..8)),
    ) {
        let mut history = super::generated::run(&plans, &[]);
        for operation in &mut history.operations {
            without_expiry_and_on_one_key(&mut operation.call);
        }
        // All on one key now, which alone makes some of them wrong; exchanging two replies makes others.
        if let Some((one, other)) = corrupted {
            exchange_replies(&mut history, one, other);
        }
        agree(&history)?;
    }
}

fn without_expiry_and_on_one_key(call: &mut Call) {
    match call {
        Call::Set { key, px_ms, .. } => {
            *px_ms = None;
            *key = b"k".to_vec();
        }
        Call::Get { key } | Call::Del { key } | Call::Vdel { key, .. } | Call::KeyNotify { key, .. } => {
            *key = b"k".to_vec();
        }
    }
}

/// Gives each of two operations of the same kind the other's reply.
fn exchange_replies(history: &mut History, one: usize, other: usize) {
    let count = history.operations.len();
    let (one, other) = (one % count, other % count);
    if history.operations[one].call.verb() != history.operations[other].call.verb() {
        return;
    }
    let replies = [one, other].map(|index| history.operations[index].reply().map(|(reply, _)| reply.clone()));
    if let [Some(first), Some(second)] = replies {
        for (index, new) in [(one, second), (other, first)] {
            if let Outcome::Ok { reply, .. } = &mut history.operations[index].outcome {
                *reply = new;
            }
        }
    }
}

#[test]
fn both_verdicts_occur_often_enough_to_mean_something() {
    let mut runner = TestRunner::deterministic();
    let mut valid = 0;
    for _ in 0..1_000 {
        let sketches = prop::collection::vec(sketch(), 3..7).new_tree(&mut runner).unwrap().current();
        valid += u32::from(agree(&history(&sketches)).unwrap());
    }
    assert!((20..980).contains(&valid), "{valid} of 1000 are valid");
}
