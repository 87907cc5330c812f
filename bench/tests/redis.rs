//! The same random programs of GET, SET with NX and PX, and DEL against the state store and a real Redis, where both mean
//! the same by them.
//!
//! Needs `redis-server` (Debian: `apt-get install redis-server`). Where it is missing the test says so and passes; under CI
//! it fails.
//!
//! What does not coincide is not in the programs: NEX, VDEL, fencing, notifications, fractions of milliseconds, wrong commands.
//! Time runs for both by itself, so a key is looked at long before its end or well after it, and never near it.

#![allow(clippy::unwrap_used, reason = "a server that does not answer is what the test is to show")]
#![allow(clippy::disallowed_methods, reason = "real servers run in real time")]

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use mayfly::embedded::Broker;
use mayfly_bench::load::redis::{Redis, Reply};
use mayfly_client::{Condition, DelOutcome, Options, SetOptions, SetOutcome, StateStore, tcp};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

const PROGRAMS: u64 = 30;
const OPERATIONS: usize = 120;
const KEYS: u8 = 6;
const VALUES: [&[u8]; 4] = [b"v", b"w", b"", b"\x00\r\n\xFF"];

/// The life of a key that ends within the program, in milliseconds, and the time after which it surely has ended.
const SHORT_MS: u64 = 20;
const MARGIN: Duration = Duration::from_millis(80);
/// The life of a key that does not.
const LONG_MS: u64 = 3_600_000;

#[derive(Clone, Copy, Debug)]
enum Operation {
    Get { key: u8 },
    Set { key: u8, value: usize, nx: bool, px_ms: Option<u64> },
    Del { key: u8 },
    Wait,
}

/// What both answer to GET, SET and DEL.
#[derive(Clone, PartialEq, Eq)]
enum Answer {
    Value(Option<Vec<u8>>),
    IsSet(bool),
    IsDeleted(bool),
}

/// A program in which a key with a short life is left alone until it has ended.
fn program(seed: u64) -> Vec<Operation> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut ending = BTreeSet::new();
    let mut operations = Vec::new();
    while operations.len() < OPERATIONS {
        let key = rng.random_range(0..KEYS);
        if ending.contains(&key) {
            // Seldom, so that many keys end during one wait.
            if rng.random_range(0..12) == 0 {
                ending.clear();
                operations.push(Operation::Wait);
            }
            continue;
        }
        let operation = match rng.random_range(0..10) {
            0..3 => Operation::Get { key },
            3..5 => Operation::Del { key },
            _ => {
                let px_ms = match rng.random_range(0..6) {
                    0 => Some(SHORT_MS),
                    1 | 2 => Some(LONG_MS),
                    _ => None,
                };
                let (value, nx) = (rng.random_range(0..VALUES.len()), rng.random());
                let set = Operation::Set { key, value, nx, px_ms };
                if px_ms != Some(SHORT_MS) {
                    set
                } else if rng.random() {
                    // Overwritten, ended by then or not, it stays.
                    operations.push(set);
                    let px_ms = [None, Some(LONG_MS)][rng.random_range(0..2)];
                    Operation::Set { key, value, nx: false, px_ms }
                } else {
                    ending.insert(key);
                    set
                }
            }
        };
        operations.push(operation);
    }
    operations.push(Operation::Wait);
    operations.extend((0..KEYS).map(|key| Operation::Get { key }));
    operations
}

/// Keys of different programs differ, and so they need not be deleted in between.
fn name(seed: u64, key: u8) -> Vec<u8> {
    format!("{seed}/{key}").into_bytes()
}

async fn ask_store(store: &StateStore, seed: u64, operation: Operation) -> Option<Answer> {
    Some(match operation {
        Operation::Get { key } => {
            let stored = store.get(&name(seed, key)).await.unwrap();
            Answer::Value(stored.map(|stored| stored.value.to_vec()))
        }
        Operation::Set { key, value, nx, px_ms } => {
            let options = SetOptions {
                condition: if nx { Condition::Nx } else { Condition::Always },
                expiry: px_ms.map(Duration::from_millis),
                ..SetOptions::default()
            };
            let outcome = store.set(&name(seed, key), VALUES[value], &options).await.unwrap();
            Answer::IsSet(matches!(outcome, SetOutcome::Stored(_)))
        }
        Operation::Del { key } => {
            let outcome = store.del(&name(seed, key), None).await.unwrap();
            Answer::IsDeleted(matches!(outcome, DelOutcome::Deleted(_)))
        }
        Operation::Wait => return None,
    })
}

fn ask_redis(redis: &mut Redis, seed: u64, operation: Operation) -> Option<Answer> {
    let mut ask = |items: &[&[u8]]| redis.ask(items).unwrap();
    Some(match operation {
        Operation::Get { key } => match ask(&[b"GET", &name(seed, key)]) {
            Reply::Value(value) => Answer::Value(value),
            other => panic!("GET is answered with {other:?}"),
        },
        Operation::Set { key, value, nx, px_ms } => {
            let (name, px_ms) = (name(seed, key), px_ms.map(|px_ms| px_ms.to_string()));
            let mut items = vec![&b"SET"[..], &name, VALUES[value]];
            if nx {
                items.push(b"NX");
            }
            if let Some(px_ms) = &px_ms {
                items.extend([&b"PX"[..], px_ms.as_bytes()]);
            }
            match ask(&items) {
                Reply::Ok => Answer::IsSet(true),
                Reply::Value(None) => Answer::IsSet(false),
                other => panic!("SET is answered with {other:?}"),
            }
        }
        Operation::Del { key } => match ask(&[b"DEL", &name(seed, key)]) {
            Reply::Number(count) => Answer::IsDeleted(count == 1),
            other => panic!("DEL is answered with {other:?}"),
        },
        Operation::Wait => return None,
    })
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value(Some(value)) => write!(f, "\"{}\"", value.escape_ascii()),
            Self::Value(None) => write!(f, "no value"),
            Self::IsSet(is_set) => write!(f, "set: {is_set}"),
            Self::IsDeleted(is_deleted) => write!(f, "deleted: {is_deleted}"),
        }
    }
}

#[tokio::test]
async fn the_store_answers_as_redis_does() {
    let Some(mut redis) = Redis::start().unwrap() else {
        assert!(std::env::var_os("CI").is_none(), "{}", Redis::HINT);
        println!("skipped: {}", Redis::HINT);
        return;
    };
    let broker = Broker::start().unwrap();
    let (store, driver) =
        StateStore::new(&Options::default(), tcp::connector(broker.address().to_string())).unwrap();
    tokio::spawn(driver.run());
    let (mut compared, mut ended) = (0, 0);
    for seed in 1..=PROGRAMS {
        let program = program(seed);
        for (position, &operation) in program.iter().enumerate() {
            if matches!(operation, Operation::Wait) {
                tokio::time::sleep(MARGIN).await;
                ended += 1;
                continue;
            }
            let (ours, theirs) =
                (ask_store(&store, seed, operation).await, ask_redis(&mut redis, seed, operation));
            assert_eq!(
                ours,
                theirs,
                "the store and Redis differ in the last of these (seed {seed}):\n{:#?}",
                &program[..=position]
            );
            compared += 1;
        }
    }
    println!("{compared} answers compared, with {ended} waits for keys that end");
    assert!(compared > 3000 && ended > 30, "{compared} answers, {ended} waits");
    store.close();
}
