//! The register workload: reads and writes of a few keys that all clients share.
//!
//! Each written value is unique: it names the client, its life and the operation. A client's workers each have one
//! operation open at a time.

mod parameters;

use std::time::Duration;

use mayfly_client::{Error, StateStore};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use tokio::task::JoinSet;

pub use parameters::{Mix, RegisterWorkload};

use super::execution::{execute, padded, record};
use super::{ClientSettings, Life, Running, Workload, connection};
use crate::history::{Call, Condition, OperationId, Reply};
use crate::recorder::Recorder;
use crate::scenario::model::DurationRange;
use crate::scenario::{Checked, Place};
use crate::world::{RandomStream, now_ns};

impl Workload for RegisterWorkload {
    fn validate(&self, place: &Place<'_>) -> Checked {
        self.check(place)
    }

    fn invokes(&self, operation: &str) -> bool {
        self.mix.weight(operation) > 0
    }

    fn run<'a>(&'a self, life: Life<'a>) -> Running<'a> {
        Box::pin(async move {
            let (store, driver) = connection::open(&life, self.in_flight)?;
            tokio::task::spawn_local(driver.run());
            run(life.settings, self, life.incarnation, &store, life.recorder).await;
            // The connection stays: a client that has nothing to ask is still there when a fault strikes.
            std::future::pending().await
        })
    }
}

/// Runs a client's workers until the workload ends.
async fn run(
    settings: &ClientSettings,
    workload: &RegisterWorkload,
    incarnation: u64,
    store: &StateStore,
    recorder: &Recorder,
) {
    let mut workers = JoinSet::new();
    for number in 0..workload.in_flight {
        let stream = RandomStream::Client { client: settings.index.0, incarnation, worker: number };
        let worker = Worker {
            settings: settings.clone(),
            workload: workload.clone(),
            store: store.clone(),
            recorder: recorder.clone(),
            choices: Choices::new(
                stream.rng(settings.seed),
                &format!("{}-{incarnation}-{number}", settings.name),
            ),
        };
        workers.spawn_local(worker.run());
    }
    while workers.join_next().await.is_some() {}
}

/// Draws a client's operations. The same draws serve the simulation and the benchmarks.
#[derive(Clone, Debug)]
pub struct Choices {
    rng: ChaCha8Rng,
    writer: String,
    written: u64,
    /// By key: the value that the writer last saw or wrote, for VDEL.
    seen: Vec<Option<Vec<u8>>>,
}

impl Choices {
    /// `writer` makes the written values differ from all others'.
    pub fn new(rng: ChaCha8Rng, writer: &str) -> Self {
        Self { rng, writer: writer.to_owned(), written: 0, seen: Vec::new() }
    }

    /// The next operation.
    pub fn next(&mut self, workload: &RegisterWorkload) -> Call {
        let number = self.rng.random_range(0..workload.keys) as usize;
        let key = format!("register-{number}").into_bytes();
        match Chosen::draw(&workload.mix, &mut self.rng) {
            Chosen::Get => Call::Get { key },
            Chosen::Del => Call::Del { key },
            Chosen::Vdel => {
                let value = self.seen.get(number).cloned().flatten();
                Call::Vdel { key, value: value.unwrap_or_else(|| self.fresh_value(workload)) }
            }
            Chosen::Set(condition) => {
                let value = self.fresh_value(workload);
                Call::Set { key, value, condition, px_ms: None }
            }
        }
    }

    /// Remembers the value that a key had, as far as the writer knows.
    pub fn saw(&mut self, key: &[u8], value: Option<Vec<u8>>) {
        let number =
            key.rsplit(|byte| *byte == b'-').next().and_then(|digits| std::str::from_utf8(digits).ok());
        let Some(number) = number.and_then(|digits| digits.parse::<usize>().ok()) else { return };
        if self.seen.len() <= number {
            self.seen.resize(number + 1, None);
        }
        self.seen[number] = value;
    }

    /// A pause between two operations.
    pub fn pause(&mut self, range: DurationRange) -> Duration {
        self.rng.random_range(range.min..=range.max)
    }

    fn fresh_value(&mut self, workload: &RegisterWorkload) -> Vec<u8> {
        self.written += 1;
        let size = self.rng.random_range(workload.value_size.min..=workload.value_size.max) as usize;
        padded(format!("{}-{}", self.writer, self.written), size)
    }
}

/// What the mix chose.
enum Chosen {
    Get,
    Set(Condition),
    Del,
    Vdel,
}

impl Chosen {
    fn draw(mix: &Mix, rng: &mut ChaCha8Rng) -> Self {
        let mut drawn = rng.random_range(0..mix.total());
        let weights = [
            (mix.get, Self::Get),
            (mix.set, Self::Set(Condition::None)),
            (mix.set_nx, Self::Set(Condition::Nx)),
            (mix.set_nex, Self::Set(Condition::Nex)),
            (mix.del, Self::Del),
        ];
        for (weight, chosen) in weights {
            if drawn < u64::from(weight) {
                return chosen;
            }
            drawn -= u64::from(weight);
        }
        Self::Vdel
    }
}

struct Worker {
    settings: ClientSettings,
    workload: RegisterWorkload,
    store: StateStore,
    recorder: Recorder,
    choices: Choices,
}

impl Worker {
    async fn run(mut self) {
        loop {
            tokio::time::sleep(self.choices.pause(self.workload.pause)).await;
            if now_ns() >= self.settings.stop_at_ns {
                return;
            }
            let call = self.choices.next(&self.workload);
            let id = self.recorder.invoke(self.settings.index, call.clone(), now_ns());
            let result = self.carry_out(id, &call).await;
            self.learn(&call, &result);
            record(&self.recorder, id, result);
        }
    }

    /// Sends the request, and again where the scenario says so.
    async fn carry_out(&self, id: OperationId, call: &Call) -> Result<Reply, Error> {
        let time_out = self.settings.group.operation_timeout;
        let deadline = tokio::time::Instant::now() + time_out;
        let mut result = execute(&self.store, call, None).await;
        // The MQTT client has dropped the request; no response to it can come any more.
        while self.workload.resend && matches!(result, Err(Error::SessionLost)) {
            self.recorder.sent_again(id, now_ns());
            let again = tokio::time::timeout_at(deadline, execute(&self.store, call, None)).await;
            result = again.unwrap_or(Err(Error::Timeout(time_out)));
        }
        result
    }

    fn learn(&mut self, call: &Call, result: &Result<Reply, Error>) {
        match (call, result) {
            (_, Ok(Reply::Value { value, .. })) => self.choices.saw(call.key(), Some(value.clone())),
            (Call::Set { value, .. }, Ok(Reply::Stored { .. })) => {
                self.choices.saw(call.key(), Some(value.clone()));
            }
            (_, Ok(Reply::Missing | Reply::NotFound | Reply::Deleted { .. })) => {
                self.choices.saw(call.key(), None);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use rand::SeedableRng;

    use super::*;
    use crate::scenario::model::SizeRange;

    fn workload(mix: Mix) -> RegisterWorkload {
        let (min, max) = (Duration::from_millis(5), Duration::from_millis(50));
        RegisterWorkload {
            keys: 4,
            value_size: SizeRange { min: 4, max: 64 },
            mix,
            pause: DurationRange { min, max },
            in_flight: 1,
            resend: false,
        }
    }

    fn choices(seed: u64, writer: &str) -> Choices {
        Choices::new(ChaCha8Rng::seed_from_u64(seed), writer)
    }

    fn draw(seed: u64, mix: Mix, count: usize) -> Vec<Call> {
        let (workload, mut choices) = (workload(mix), choices(seed, "alice-0-0"));
        (0..count).map(|_| choices.next(&workload)).collect()
    }

    #[test]
    fn the_weights_of_the_mix_are_kept() {
        let mix = Mix { get: 40, set: 30, set_nx: 10, set_nex: 5, del: 10, vdel: 5 };
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for call in draw(1, mix, 10_000) {
            *counts.entry(call.verb()).or_default() += 1;
        }
        for (verb, weight) in
            [("GET", 40), ("SET", 30), ("SET NX", 10), ("SET NEX", 5), ("DEL", 10), ("VDEL", 5)]
        {
            let (count, expected) = (counts[verb], weight * 100);
            assert!(count.abs_diff(expected) < 150, "{verb}: {count} of 10,000, expected some {expected}");
        }
        let only = draw(1, Mix { del: 1, ..Mix::default() }, 100);
        assert!(only.iter().all(|call| call.verb() == "DEL"));
    }

    #[test]
    fn every_key_is_chosen_and_no_other() {
        let keys: BTreeSet<_> =
            draw(1, Mix::balanced(), 200).iter().map(|call| call.key().to_vec()).collect();
        let expected: BTreeSet<_> = (0..4).map(|number| format!("register-{number}").into_bytes()).collect();
        assert_eq!(keys, expected);
    }

    #[test]
    fn the_same_seed_draws_the_same() {
        assert_eq!(draw(1, Mix::balanced(), 500), draw(1, Mix::balanced(), 500));
        assert_ne!(draw(1, Mix::balanced(), 500), draw(2, Mix::balanced(), 500));
    }

    #[test]
    fn written_values_are_unique_and_of_the_size_asked_for() {
        let workload = workload(Mix { set: 1, ..Mix::default() });
        let mut values = BTreeSet::new();
        for writer in ["alice-0-0", "alice-0-1", "alice-1-0", "bob-0-0"] {
            let mut choices = choices(1, writer);
            for _ in 0..500 {
                let Call::Set { value, .. } = choices.next(&workload) else { panic!("not a SET") };
                let size = workload.value_size.min as usize..=workload.value_size.max as usize;
                assert!(size.contains(&value.len()), "{} bytes", value.len());
                assert!(values.insert(value), "a value was written twice");
            }
        }
    }

    #[test]
    fn vdel_takes_the_value_that_was_seen_last() {
        let workload = workload(Mix { vdel: 1, ..Mix::default() });
        let mut choices = choices(1, "alice-0-0");
        for number in 0..4 {
            choices.saw(format!("register-{number}").as_bytes(), Some(format!("seen-{number}").into_bytes()));
        }
        let mut next = || {
            let Call::Vdel { key, value } = choices.next(&workload) else { panic!("not a VDEL") };
            (String::from_utf8_lossy(&key).into_owned(), String::from_utf8_lossy(&value).into_owned())
        };
        for _ in 0..50 {
            let (key, value) = next();
            assert_eq!(value, key.replace("register", "seen"));
        }
        for number in 0..4 {
            choices.saw(format!("register-{number}").as_bytes(), None);
        }
        let Call::Vdel { value, .. } = choices.next(&workload) else { panic!("not a VDEL") };
        assert!(value.starts_with(b"alice-0-0-"), "a fresh value matches nothing");
    }

    #[test]
    fn pauses_stay_in_their_range() {
        let mut choices = choices(1, "x");
        let range = workload(Mix::balanced()).pause;
        let pauses: BTreeSet<_> = (0..200).map(|_| choices.pause(range)).collect();
        assert!(pauses.iter().all(|pause| (range.min..=range.max).contains(pause)));
        assert!(pauses.len() > 100, "pauses vary");
    }
}
