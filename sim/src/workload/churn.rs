//! The churn workload: a client fills the store with keys of its own until a quota refuses one, deletes some of them, and fills
//! it again.
//!
//! Nobody else writes its keys, and one worker of the client each, so that what the store must hold follows from the replies.

mod parameters;

use std::collections::BTreeSet;

use mayfly_client::{Error, StateStore};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;

pub use parameters::ChurnWorkload;

use super::execution::{execute, padded, record};
use super::{Life, Running, Workload, connection};
use crate::history::{Call, ClientIndex, Condition, Reply};
use crate::recorder::Recorder;
use crate::scenario::{Checked, Place};
use crate::world::{RandomStream, now_ns};

impl Workload for ChurnWorkload {
    fn validate(&self, place: &Place<'_>) -> Checked {
        self.check(place)
    }

    fn invokes(&self, operation: &str) -> bool {
        match operation {
            "get" => self.reads > 0,
            "set" | "del" => true,
            _ => false,
        }
    }

    fn run<'a>(&'a self, life: Life<'a>) -> Running<'a> {
        Box::pin(async move {
            let (store, driver) = connection::open(&life, self.in_flight)?;
            tokio::task::spawn_local(driver.run());
            let mut workers = JoinSet::new();
            for number in 0..self.in_flight {
                workers.spawn_local(Worker::new(self, &life, number, store.clone()).run());
            }
            while workers.join_next().await.is_some() {}
            // The connection stays: a client that has nothing to ask is still there when a fault strikes.
            std::future::pending().await
        })
    }
}

struct Worker {
    workload: ChurnWorkload,
    client: ClientIndex,
    stop_at_ns: u64,
    store: StateStore,
    recorder: Recorder,
    keys: Keys,
}

impl Worker {
    fn new(workload: &ChurnWorkload, life: &Life<'_>, number: u32, store: StateStore) -> Self {
        let settings = life.settings;
        let stream =
            RandomStream::Client { client: settings.index.0, incarnation: life.incarnation, worker: number };
        Self {
            workload: workload.clone(),
            client: settings.index,
            stop_at_ns: settings.stop_at_ns,
            store,
            recorder: life.recorder.clone(),
            keys: Keys::new(&settings.name, (life.incarnation, number), stream.rng(settings.seed)),
        }
    }

    async fn run(mut self) {
        loop {
            let pause = self.keys.rng.random_range(self.workload.pause.min..=self.workload.pause.max);
            tokio::time::sleep(pause).await;
            if now_ns() >= self.stop_at_ns {
                return;
            }
            let Some((number, call)) = self.keys.next(&self.workload) else { return };
            let id = self.recorder.invoke(self.client, call.clone(), now_ns());
            let result = execute(&self.store, &call, None).await;
            self.keys.learn(&self.workload, (number, &call), &result);
            record(&self.recorder, id, result);
        }
    }
}

/// One worker's keys: those of its client whose numbers have its remainder.
struct Keys {
    client: String,
    incarnation: u64,
    worker: u32,
    rng: ChaCha8Rng,
    /// How many SETs it drew, which makes each value another.
    written: u64,
    /// The next key to set, as a place in its own sequence.
    next: u32,
    /// The places of the keys that it knows to be stored, each once.
    stored: Vec<u32>,
    is_stored: BTreeSet<u32>,
    /// How many keys it still deletes before it sets again.
    releases: usize,
}

impl Keys {
    fn new(client: &str, (incarnation, worker): (u64, u32), rng: ChaCha8Rng) -> Self {
        Self {
            client: client.to_owned(),
            incarnation,
            worker,
            rng,
            written: 0,
            next: 0,
            stored: Vec::new(),
            is_stored: BTreeSet::new(),
            releases: 0,
        }
    }

    /// The next operation and the place of its key; `None` where the worker has no key.
    fn next(&mut self, workload: &ChurnWorkload) -> Option<(u32, Call)> {
        if self.releases > 0 && !self.stored.is_empty() {
            self.releases -= 1;
            let chosen = self.rng.random_range(0..self.stored.len());
            let place = self.stored.swap_remove(chosen);
            self.is_stored.remove(&place);
            return Some((place, Call::Del { key: self.key(workload, place) }));
        }
        if !self.stored.is_empty() && self.rng.random_range(0..100) < workload.reads {
            let place = self.stored[self.rng.random_range(0..self.stored.len())];
            return Some((place, Call::Get { key: self.key(workload, place) }));
        }
        let own = (workload.keys + workload.in_flight - 1 - self.worker) / workload.in_flight;
        if own == 0 {
            return None;
        }
        let place = self.next % own;
        self.next = place + 1;
        let px_ms = (self.rng.random_range(0..100) < workload.expiring).then(|| {
            let px = self.rng.random_range(workload.px.min..=workload.px.max);
            u64::try_from(px.as_millis()).unwrap_or(u64::MAX)
        });
        let call = Call::Set {
            key: self.key(workload, place),
            value: self.fresh_value(workload),
            condition: Condition::None,
            px_ms,
        };
        Some((place, call))
    }

    fn learn(
        &mut self,
        workload: &ChurnWorkload,
        (place, call): (u32, &Call),
        result: &Result<Reply, Error>,
    ) {
        match (call, result) {
            // One that will expire is left to do so.
            (Call::Set { px_ms: None, .. }, Ok(Reply::Stored { .. })) if self.is_stored.insert(place) => {
                self.stored.push(place);
            }
            (Call::Set { .. }, Err(Error::Service(_))) => {
                self.releases = (self.stored.len() * workload.release as usize / 100).max(1);
            }
            _ => {}
        }
    }

    fn key(&self, workload: &ChurnWorkload, place: u32) -> Vec<u8> {
        let number = u64::from(place) * u64::from(workload.in_flight) + u64::from(self.worker);
        format!("{}-{number:08}", self.client).into_bytes()
    }

    fn fresh_value(&mut self, workload: &ChurnWorkload) -> Vec<u8> {
        self.written += 1;
        let size = self.rng.random_range(workload.value_size.min..=workload.value_size.max) as usize;
        padded(format!("{}-{}-{}-{}", self.client, self.incarnation, self.worker, self.written), size)
    }
}
