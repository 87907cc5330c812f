//! A history of a store that executes each request at one moment, with a violation at its end if that is wanted.

use std::collections::BTreeMap;

use mayfly_sim::history::{
    BrokerChange, BrokerEvent, Call, ClientIndex, ClientRecord, Condition, History, OperationId, Reply,
    UnknownReason, Version,
};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// How large a history is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) operations: u64,
    pub(crate) keys: u64,
    pub(crate) clients: usize,
    /// Operations of unknown outcome, in percent; every other one of them was executed.
    pub(crate) unknown_percent: u32,
}

/// What is wrong with a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flaw {
    None,
    /// In the last tenth of the history a GET shows the value that its key had before, and the reply to what replaced it was there
    /// before the GET was asked.
    StaleRead,
    /// In the last tenth of the history a GET shows a value that nobody has asked to write yet.
    FutureRead,
}

/// A request on its way through the store.
struct Execution {
    at_ns: u64,
    operation: OperationId,
    answered_ns: Option<u64>,
}

/// What a key holds.
#[derive(Clone)]
struct Held {
    value: Vec<u8>,
    version: Version,
    writer: OperationId,
}

const MS: u64 = 1_000_000;

/// The history of so many operations that this seed draws.
pub(crate) fn history(size: Size, flaw: Flaw, seed: u64) -> History {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let client = |number: usize| ClientRecord { name: format!("client-{number}"), ..ClientRecord::default() };
    let mut history = History::new((0..size.clients).map(client).collect());
    history.broker.push(BrokerEvent { at_ns: 0, change: BrokerChange::Started });
    let mut executions = Vec::new();
    let mut free_ns = vec![0; size.clients];
    for number in 0..size.operations {
        // Whoever is free first asks next, so that operations are invoked in order of time.
        let Some(client) = (0..size.clients).min_by_key(|client| free_ns[*client]) else { break };
        let invoked_ns = free_ns[client] + rng.random_range(0..2 * MS);
        let takes_ns = rng.random_range(2 * MS..12 * MS);
        let call = call(&mut rng, number, size.keys);
        let operation = history.invoke(ClientIndex(client), call, invoked_ns);
        let at_ns = invoked_ns + rng.random_range(0..takes_ns);
        let is_unknown = rng.random_ratio(size.unknown_percent, 100);
        let answered_ns = (!is_unknown).then_some(invoked_ns + takes_ns);
        if is_unknown {
            history.unknown(operation, UnknownReason::TimedOut, invoked_ns + 2000 * MS);
        }
        if !is_unknown || rng.random_ratio(1, 2) {
            executions.push(Execution { at_ns, operation, answered_ns });
        }
        // A client that waits for nothing goes on at once.
        free_ns[client] = invoked_ns + takes_ns;
    }
    executions.sort_by_key(|execution| execution.at_ns);
    carry_out(&mut history, &executions, flaw);
    history
}

fn call(rng: &mut ChaCha8Rng, number: u64, keys: u64) -> Call {
    let key = format!("key-{}", rng.random_range(0..keys)).into_bytes();
    let value = format!("value-{number}").into_bytes();
    let set = |condition| Call::Set { key: key.clone(), value: value.clone(), condition, px_ms: None };
    match rng.random_range(0..20) {
        0..10 => Call::Get { key },
        10..16 => set(Condition::None),
        16 => set(Condition::Nx),
        17 => set(Condition::Nex),
        _ => Call::Del { key },
    }
}

fn carry_out(history: &mut History, executions: &[Execution], flaw: Flaw) {
    let mut store: BTreeMap<Vec<u8>, Held> = BTreeMap::new();
    // What a key held before, and who replaced it.
    let mut before: BTreeMap<Vec<u8>, (Held, OperationId)> = BTreeMap::new();
    let mut is_due = flaw != Flaw::None;
    for (number, execution) in executions.iter().enumerate() {
        let wall_clock_ms = execution.at_ns / MS;
        let version = Version { wall_clock_ms, counter: number as u32, node_id: "StateStore".to_owned() };
        let call = history.operation(execution.operation).call.clone();
        let key = call.key().to_vec();
        let strikes = is_due && number > executions.len() * 9 / 10 && execution.answered_ns.is_some();
        let mut reply = match &call {
            Call::Set { value, condition, .. } => match store.get(&key) {
                Some(there) if *condition != Condition::None => {
                    Reply::Refused { version: there.version.clone() }
                }
                _ => {
                    let held =
                        Held { value: value.clone(), version: version.clone(), writer: execution.operation };
                    if let Some(old) = store.insert(key.clone(), held) {
                        before.insert(key.clone(), (old, execution.operation));
                    }
                    Reply::Stored { version }
                }
            },
            Call::Del { .. } => match store.remove(&key) {
                Some(old) => {
                    before.insert(key.clone(), (old, execution.operation));
                    Reply::Deleted { version }
                }
                None => Reply::NotFound,
            },
            _ => value_of(store.get(&key)),
        };
        if strikes && matches!(call, Call::Get { .. }) {
            let other = match flaw {
                Flaw::StaleRead => before.get(&key).and_then(|(old, replaced_by)| {
                    let is_over = is_before(history, old.writer, *replaced_by)
                        && is_before(history, *replaced_by, execution.operation);
                    is_over.then(|| old.clone())
                }),
                Flaw::FutureRead => next_write(history, &executions[number + 1..], &key),
                Flaw::None => None,
            };
            if other.is_some() {
                is_due = false;
                reply = value_of(other.as_ref());
            }
        }
        if let Some(answered_ns) = execution.answered_ns {
            history.complete(execution.operation, reply, answered_ns);
        }
    }
}

/// A later write that is invoked only when all that goes on now is over, with a version that it will not get.
fn next_write(history: &History, later: &[Execution], key: &[u8]) -> Option<Held> {
    let first = later.first()?.at_ns;
    later.iter().find_map(|execution| {
        let operation = history.operation(execution.operation);
        match &operation.call {
            Call::Set { value, condition: Condition::None, .. }
                if operation.call.key() == key && operation.invoked_ns > first + 20 * MS =>
            {
                let version = Version {
                    wall_clock_ms: execution.at_ns / MS,
                    counter: 0,
                    node_id: "StateStore".to_owned(),
                };
                Some(Held { value: value.clone(), version, writer: execution.operation })
            }
            _ => None,
        }
    })
}

/// Whether the one was answered before the other was asked.
fn is_before(history: &History, one: OperationId, other: OperationId) -> bool {
    let answered = history.operation(one).reply().map(|(_, answered_ns)| answered_ns);
    answered.is_some_and(|answered_ns| answered_ns < history.operation(other).invoked_ns)
}

fn value_of(held: Option<&Held>) -> Reply {
    match held {
        Some(Held { value, version, .. }) => Reply::Value { value: value.clone(), version: version.clone() },
        None => Reply::Missing,
    }
}
