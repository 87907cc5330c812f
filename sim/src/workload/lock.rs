//! The lock workload: contenders for locks, each of which protects some keys with its fencing token.
//!
//! A holder looks at its lock before each request, as an application should, and sends the request with the token that it
//! was given. What happens between the two it cannot know: it may stand still there for longer than its lease, and once
//! the lock is lost it sends one more request, which it had decided on before. The store has to refuse what came too late.

mod parameters;

use std::convert::Infallible;
use std::pin::pin;
use std::time::Duration;

use mayfly_client::{Lock, StateStore};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub use parameters::{LockMix, LockWorkload, Stall};

use super::execution::{execute, record, version};
use super::{Life, Running, Workload, connection};
use crate::history::lock::{Hold, HoldEnd};
use crate::history::mqtt::{EventId, What};
use crate::history::{Call, ClientIndex, Condition};
use crate::recorder::Recorder;
use crate::scenario::model::DurationRange;
use crate::scenario::{Checked, Place};
use crate::world::{RandomStream, nanos, now_ns};

impl Workload for LockWorkload {
    fn validate(&self, place: &Place<'_>) -> Checked {
        self.check(place)
    }

    fn invokes(&self, operation: &str) -> bool {
        match operation {
            "set" => self.mix.set > 0 || self.mix.unfenced > 0,
            "del" => self.mix.del > 0 || self.mix.unfenced > 0,
            // Whoever waits looks.
            "get" => true,
            _ => false,
        }
    }

    fn run<'a>(&'a self, life: Life<'a>) -> Running<'a> {
        Box::pin(async move {
            // The life before may have been killed while it stood still.
            life.network.freeze(&life.settings.name, false);
            let (store, driver) = connection::open(&life, 2)?;
            tokio::task::spawn_local(driver.run());
            Contender::new(self, life, store).run().await;
            // The connection stays: a client that has nothing to ask is still there when a fault strikes.
            std::future::pending().await
        })
    }
}

/// One life of a client.
struct Contender<'a> {
    workload: &'a LockWorkload,
    life: Life<'a>,
    store: StateStore,
    rng: ChaCha8Rng,
    written: u64,
}

impl<'a> Contender<'a> {
    fn new(workload: &'a LockWorkload, life: Life<'a>, store: StateStore) -> Self {
        let Life { settings, incarnation, .. } = life;
        let stream = RandomStream::Client { client: settings.index.0, incarnation, worker: 0 };
        Self { workload, life, store, rng: stream.rng(settings.seed), written: 0 }
    }

    async fn run(mut self) {
        loop {
            self.sleep(self.workload.idle).await;
            let left_ns = self.life.settings.stop_at_ns.saturating_sub(now_ns());
            if left_ns == 0 {
                return;
            }
            let number = self.rng.random_range(0..self.workload.locks);
            let (key, asked_ns) = (format!("lock-{number}"), now_ns());
            let store = self.store.clone();
            let acquired = {
                let acquiring = Lock::acquire(&store, key.as_bytes(), self.workload.lease);
                let acquiring = tokio::time::timeout(Duration::from_nanos(left_ns), acquiring);
                tokio::select! { biased;
                    acquired = acquiring => acquired,
                    never = self.look(number) => match never {},
                }
            };
            match acquired {
                Ok(Ok(lock)) => self.hold(number, lock, asked_ns).await,
                Ok(Err(_)) => {}
                Err(_) => return,
            }
        }
    }

    /// Reads what a lock protects, which needs no token, until it is dropped.
    async fn look(&mut self, number: u32) -> Infallible {
        loop {
            self.sleep(self.workload.look).await;
            let call = Call::Get { key: self.key(number) };
            let (life, store) = (self.life, self.store.clone());
            // To its end, also where the lock is acquired meanwhile.
            tokio::task::spawn_local(carry_out(
                life.settings.index,
                life.recorder.clone(),
                store,
                call,
                None,
            ));
        }
    }

    /// Holds a lock for a while, and gives it back if it was not lost meanwhile.
    async fn hold(&mut self, number: u32, lock: Lock, asked_ns: u64) {
        let life = self.life;
        let Life { settings, recorder, .. } = life;
        let Ok(token) = lock.token() else { return };
        let hold = Hold {
            key: String::from_utf8_lossy(lock.key()).into_owned(),
            lease_ns: nanos(self.workload.lease),
            asked_ns,
            token: version(token),
            stalls: 0,
            end: None,
        };
        let event = recorder.mqtt(settings.index, What::Hold(hold), now_ns());
        let token = token.clone();
        let mut is_lost = false;
        {
            let mut lost = pin!(lock.lost());
            let mut using = pin!(self.use_lock(number, &lock, event));
            loop {
                tokio::select! { biased;
                    why = &mut lost, if !is_lost => {
                        is_lost = true;
                        end(&life, event, HoldEnd::Lost(why.to_string()));
                    }
                    () = &mut using => break,
                }
            }
        }
        if is_lost {
            // Decided on before the loss, and sent after it.
            let call = self.draw_fenced(number);
            self.carry_out(call, Some(&token)).await;
        } else {
            end(&life, event, HoldEnd::Released);
            // What comes of it shows in what the others are given.
            let _ = lock.release().await;
        }
    }

    /// Sends requests until the lock is lost or was held for long enough.
    async fn use_lock(&mut self, number: u32, lock: &Lock, event: EventId) {
        let keeps_until_ns = now_ns() + nanos(self.draw(self.workload.hold));
        let until_ns = keeps_until_ns.min(self.life.settings.stop_at_ns);
        loop {
            self.sleep(self.workload.pause).await;
            if now_ns() >= until_ns {
                return;
            }
            let Ok(token) = lock.token().cloned() else { return };
            if let Some(stall) = self.workload.stall
                && self.rng.random_ratio(1, stall.one_in)
            {
                self.stand_still(stall.duration, event).await;
                let call = self.draw_fenced(number);
                self.carry_out(call, Some(&token)).await;
                continue;
            }
            let (call, is_fenced) = self.draw_call(number);
            self.carry_out(call, is_fenced.then_some(&token)).await;
        }
    }

    async fn stand_still(&mut self, range: DurationRange, event: EventId) {
        let Life { settings, recorder, network, .. } = self.life;
        recorder.mqtt_amend(event, now_ns(), |what| {
            if let What::Hold(hold) = what {
                hold.stalls += 1;
            }
        });
        network.freeze(&settings.name, true);
        self.sleep(range).await;
        network.freeze(&settings.name, false);
    }

    async fn carry_out(&self, call: Call, token: Option<&mayfly_client::Version>) {
        let Life { settings, recorder, .. } = self.life;
        carry_out(settings.index, recorder.clone(), self.store.clone(), call, token.cloned()).await;
    }

    /// A request of the mix, and whether it carries the fencing token.
    fn draw_call(&mut self, number: u32) -> (Call, bool) {
        let LockMix { set, get, del, .. } = self.workload.mix;
        let [set, get, del] = [set, get, del].map(u64::from);
        let drawn = self.rng.random_range(0..self.workload.mix.total());
        if drawn < set + del {
            (self.draw_fenced(number), true)
        } else if drawn < set + del + get {
            (Call::Get { key: self.key(number) }, false)
        } else if self.rng.random() {
            (self.write(number), false)
        } else {
            (Call::Del { key: self.key(number) }, false)
        }
    }

    /// A SET or DEL of the mix, to be sent with the fencing token.
    fn draw_fenced(&mut self, number: u32) -> Call {
        let [set, del] = [self.workload.mix.set, self.workload.mix.del].map(u64::from);
        if self.rng.random_range(0..set + del) < set {
            self.write(number)
        } else {
            Call::Del { key: self.key(number) }
        }
    }

    /// A SET of a value that nobody writes twice.
    fn write(&mut self, number: u32) -> Call {
        let Life { settings, incarnation, .. } = self.life;
        self.written += 1;
        let value = format!("{}-{incarnation}-{}", settings.name, self.written).into_bytes();
        Call::Set { key: self.key(number), value, condition: Condition::None, px_ms: None }
    }

    fn key(&mut self, number: u32) -> Vec<u8> {
        format!("protected-{number}-{}", self.rng.random_range(0..self.workload.keys)).into_bytes()
    }

    fn draw(&mut self, range: DurationRange) -> Duration {
        self.rng.random_range(range.min..=range.max)
    }

    async fn sleep(&mut self, range: DurationRange) {
        tokio::time::sleep(self.draw(range)).await;
    }
}

async fn carry_out(
    client: ClientIndex,
    recorder: Recorder,
    store: StateStore,
    call: Call,
    token: Option<mayfly_client::Version>,
) {
    let asked = (call.clone(), token.as_ref().map(version));
    let id = recorder.invoke_fenced(client, asked, now_ns());
    record(&recorder, id, execute(&store, &call, token.as_ref()).await);
}

fn end(life: &Life<'_>, event: EventId, how: HoldEnd) {
    let now = now_ns();
    life.recorder.mqtt_amend(event, now, |what| {
        if let What::Hold(hold) = what {
            hold.end.get_or_insert((now, how));
        }
    });
}
