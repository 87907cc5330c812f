//! Histories as long as real runs: the verdict comes within a few steps an operation, counted, not timed.

use super::story::{at, ms};
use crate::check::{Verdict, linearizability, version_order};
use crate::history::{Call, ClientIndex, ClientRecord, Condition, History, Reply, UnknownReason};

const OPERATIONS: u64 = 2_000;

/// Ten clients on one key: an operation begins every millisecond and takes `takes_ms`. Every hundredth write gets no
/// reply, and every other one of those is executed.
fn long(takes_ms: u64) -> History {
    let client = |number: usize| ClientRecord {
        name: format!("c-{number}"),
        session_expiry_s: 3600,
        ..ClientRecord::default()
    };
    let mut history = History::new((0..10).map(client).collect());
    let mut stored: Option<(Vec<u8>, u64)> = None;
    for number in 0..OPERATIONS {
        let from_ms = number;
        let (key, client) = (b"k".to_vec(), ClientIndex((number % 10) as usize));
        if number % 2 == 0 {
            let id = history.invoke(client, Call::Get { key }, ms(from_ms));
            let reply = match &stored {
                Some((value, version)) => Reply::Value { value: value.clone(), version: at(*version) },
                None => Reply::Missing,
            };
            history.complete(id, reply, ms(from_ms + takes_ms));
            continue;
        }
        let value = format!("v-{number}").into_bytes();
        let call = Call::Set { key, value: value.clone(), condition: Condition::None, px_ms: None };
        let id = history.invoke(client, call, ms(from_ms));
        let lost = number % 100 == 99;
        if !lost || number % 200 == 99 {
            stored = Some((value, number));
        }
        if lost {
            history.unknown(id, UnknownReason::TimedOut, ms(from_ms + 1_000));
        } else {
            history.complete(id, Reply::Stored { version: at(number) }, ms(from_ms + takes_ms));
        }
    }
    history
}

#[test]
fn a_long_history_takes_few_steps() {
    let history = long(10);
    let report = linearizability::check(&history, 10 * OPERATIONS);
    assert_eq!(report.verdict, Verdict::Valid, "{}", report.summary);
    assert_eq!(version_order::check(&history).verdict, Verdict::Valid);
}

#[test]
fn a_violation_at_the_end_of_a_long_history_is_found() {
    let mut history = long(4);
    // Long after everything else, the key is read with what it had at first.
    let id = history.invoke(ClientIndex(0), Call::Get { key: b"k".to_vec() }, ms(100_000));
    history.complete(id, Reply::Value { value: b"v-1".to_vec(), version: at(1) }, ms(100_001));
    let report = linearizability::check(&history, 40 * OPERATIONS);
    assert_eq!(report.verdict, Verdict::Violated, "{}", report.summary);
    assert_eq!(report.counter_examples[0].at_ns, ms(100_001));
}
