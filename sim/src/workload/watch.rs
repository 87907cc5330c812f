//! The watch workload: clients that register for the changes of some keys, write those keys themselves, and come and go.
//!
//! A registration ends with its connection, so a client registers again on each, and asks for the value once it has: what it
//! then knows and is told of must always be what the store has.

mod parameters;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub use parameters::{Leave, WatchChurn, WatchMix, WatchWorkload};

use super::recorded::{Event, RecordedClient};
use super::{Life, Running, Workload};
use crate::history::store::Response;
use crate::history::{Call, Condition};
use crate::scenario::model::DurationRange;
use crate::scenario::{Checked, Place};
use crate::world::{RandomStream, nanos, now_ns};

impl Workload for WatchWorkload {
    fn validate(&self, place: &Place<'_>) -> Checked {
        self.check(place)
    }

    fn invokes(&self, operation: &str) -> bool {
        match operation {
            "set" => self.mix.set > 0 || self.mix.set_px > 0,
            // On each connection, and after each registration.
            "get" | "keynotify" => true,
            "del" => self.mix.del > 0,
            _ => false,
        }
    }

    fn run<'a>(&'a self, life: Life<'a>) -> Running<'a> {
        Box::pin(async move {
            Watcher::new(self, life).run().await;
            Ok(())
        })
    }
}

/// One life of a client.
struct Watcher<'a> {
    workload: &'a WatchWorkload,
    life: Life<'a>,
    client: RecordedClient<'a>,
    rng: ChaCha8Rng,
    written: u64,
    operate_ns: u64,
    leave_ns: Option<u64>,
    /// By key: whether it is to be watched, and when that changes.
    wanted: Vec<(bool, Option<u64>)>,
}

impl<'a> Watcher<'a> {
    fn new(workload: &'a WatchWorkload, life: Life<'a>) -> Self {
        let Life { settings, incarnation, .. } = life;
        let stream = RandomStream::Client { client: settings.index.0, incarnation, worker: 0 };
        Self {
            workload,
            client: RecordedClient::new(life, true),
            life,
            rng: stream.rng(settings.seed),
            written: 0,
            operate_ns: now_ns(),
            leave_ns: None,
            wanted: vec![(false, None); workload.keys as usize],
        }
    }

    /// Lives until the host is killed.
    async fn run(mut self) {
        loop {
            match self.client.next(self.next_ns()).await {
                Some(event) => self.happened(event),
                None => self.due(),
            }
        }
    }

    /// When it has something to do next, at the latest in a second.
    fn next_ns(&self) -> u64 {
        let now = now_ns();
        let mut next = now + 1_000_000_000;
        let mut consider = |at_ns: Option<u64>| next = next.min(at_ns.unwrap_or(u64::MAX));
        if self.client.is_connected() && now < self.life.settings.stop_at_ns {
            consider(self.leave_ns);
            consider(self.has_room().then_some(self.operate_ns));
            self.wanted.iter().for_each(|(_, at_ns)| consider(*at_ns));
        }
        // What is overdue was done, or waits for a connection.
        next.max(now + 1)
    }

    fn has_room(&self) -> bool {
        self.client.open() < self.workload.in_flight as usize
    }

    fn due(&mut self) {
        let now = now_ns();
        if !self.client.is_connected() || now >= self.life.settings.stop_at_ns {
            return;
        }
        if self.leave_ns.is_some_and(|at_ns| at_ns <= now)
            && let Some(churn) = &self.workload.churn
        {
            match churn.how[self.rng.random_range(0..churn.how.len())] {
                Leave::Cut => self.client.cut(),
                Leave::Takeover => self.client.take_over(),
            }
            self.leave_ns = None;
            return;
        }
        for index in 0..self.wanted.len() {
            let (is_wanted, at_ns) = self.wanted[index];
            if at_ns.is_some_and(|at_ns| at_ns <= now) {
                self.wanted[index] = (!is_wanted, self.next_change());
                self.watch(index, is_wanted);
            }
        }
        if self.operate_ns <= now && self.has_room() {
            self.operate_ns = now + self.draw_ns(self.workload.pause);
            let call = self.draw_call();
            self.client.ask(call, None);
        }
    }

    fn next_change(&mut self) -> Option<u64> {
        let stop = self.workload.stop?;
        Some(now_ns() + self.draw_ns(stop))
    }

    fn happened(&mut self, event: Event) {
        let Life { settings, recorder, .. } = self.life;
        match event {
            Event::Ready => self.ready(),
            // Changes are told from now on; what the key holds has to be asked for.
            Event::Answered {
                call: Call::KeyNotify { key, stop: false },
                response: Response::Reply(_),
                ..
            } => {
                self.client.ask(Call::Get { key }, None);
            }
            Event::Answered { call: Call::KeyNotify { .. }, response: Response::Error(error), .. } => {
                recorder.protocol_breach(settings.index, &error, now_ns());
            }
            Event::Answered { .. } | Event::GivenUp => {}
            Event::Lost => self.leave_ns = None,
        }
    }

    fn ready(&mut self) {
        for index in 0..self.wanted.len() {
            self.wanted[index] = (false, Some(now_ns() + self.draw_ns(self.workload.settle)));
        }
        if let Some(churn) = &self.workload.churn {
            let connected = churn.connected;
            self.leave_ns = Some(now_ns() + self.draw_ns(connected));
        }
    }

    fn watch(&mut self, index: usize, stop: bool) {
        let key = format!("watched-{index}").into_bytes();
        self.client.ask(Call::KeyNotify { key, stop }, None);
    }

    fn draw_call(&mut self) -> Call {
        let WatchMix { set, set_px, get, .. } = self.workload.mix;
        let key = format!("watched-{}", self.rng.random_range(0..self.workload.keys)).into_bytes();
        let drawn = self.rng.random_range(0..self.workload.mix.total());
        let [set, set_px, get] = [set, set_px, get].map(u64::from);
        let [set_px, get] = [set + set_px, set + set_px + get];
        if drawn < set_px {
            let Life { settings, incarnation, .. } = self.life;
            self.written += 1;
            let value = format!("{}-{incarnation}-{}", settings.name, self.written).into_bytes();
            let life = self.workload.life;
            let px_ms = (drawn >= set).then(|| self.draw_ns(life).div_ceil(1_000_000));
            Call::Set { key, value, condition: Condition::None, px_ms }
        } else if drawn < get {
            Call::Get { key }
        } else {
            Call::Del { key }
        }
    }

    fn draw_ns(&mut self, range: DurationRange) -> u64 {
        nanos(self.rng.random_range(range.min..=range.max))
    }
}
