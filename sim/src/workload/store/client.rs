//! One life of a client of the store workload. One task drives it: it acts on what arrives and on its next deadline, so that its
//! choices depend on nothing else.

use std::collections::BTreeSet;

use super::StoreWorkload;
use super::choices::{Choices, Chosen};
use crate::history::store::Response;
use crate::history::{Call, Reply, Version};
use crate::workload::Life;
use crate::workload::recorded::{Event, RecordedClient};
use crate::world::{HostClock, RandomStream, nanos, now_ns};

/// Requests without PUBACK, at most; more would wait in a partition than the broker takes at once.
const MAX_UNACKNOWLEDGED: usize = 64;

/// One life of the process.
pub(super) struct Client<'a> {
    workload: &'a StoreWorkload,
    life: Life<'a>,
    clock: HostClock,
    recorded: RecordedClient<'a>,
    choices: Choices,
    /// Reads that are due at a time.
    probes: BTreeSet<(u64, Vec<u8>)>,
    invoke_ns: u64,
}

impl<'a> Client<'a> {
    pub(super) fn new(workload: &'a StoreWorkload, life: Life<'a>) -> Self {
        let settings = life.settings;
        let (client, incarnation) = (settings.index.0, life.incarnation);
        let rng = RandomStream::Client { client, incarnation, worker: 0 }.rng(settings.seed);
        Self {
            workload,
            clock: HostClock::new(life.recorder, settings.index),
            recorded: RecordedClient::new(life, workload.dup),
            choices: Choices::new(rng, format!("{}-{incarnation}", settings.name)),
            probes: BTreeSet::new(),
            invoke_ns: now_ns(),
            life,
        }
    }

    /// Lives until the host is killed.
    pub(super) async fn run(mut self) {
        loop {
            match self.recorded.next(self.next_ns()).await {
                Some(Event::Ready) => self.watch(),
                Some(Event::Answered { call, response: Response::Reply(reply), .. }) => {
                    self.learn(&call, &reply);
                }
                Some(Event::Answered { .. } | Event::GivenUp | Event::Lost) => {}
                None => self.due(),
            }
        }
    }

    /// When it has something to do next, at the latest in a second.
    fn next_ns(&self) -> u64 {
        let next = now_ns() + 1_000_000_000;
        if !self.can_invoke() {
            return next;
        }
        let probe_ns = self.probes.first().map_or(u64::MAX, |(at_ns, _)| *at_ns);
        next.min(self.invoke_ns).min(probe_ns)
    }

    fn can_invoke(&self) -> bool {
        self.recorded.is_connected()
            && now_ns() < self.life.settings.stop_at_ns
            && self.recorded.open() < self.workload.in_flight as usize
            && self.recorded.unacknowledged() < MAX_UNACKNOWLEDGED
    }

    fn due(&mut self) {
        let now = now_ns();
        while self.can_invoke()
            && let Some((at_ns, _)) = self.probes.first()
            && *at_ns <= now
            && let Some((_, key)) = self.probes.pop_first()
        {
            self.recorded.ask(Call::Get { key }, None);
        }
        if self.can_invoke() && self.invoke_ns <= now {
            self.invoke_ns = now + self.choices.pause_ns(self.workload);
            if let Some(chosen) = self.choices.next(self.workload) {
                self.ask(chosen);
            }
        }
    }

    fn ask(&mut self, chosen: Chosen) {
        let token = chosen.is_fenced.then(|| Version {
            wall_clock_ms: self.clock.now_ms().saturating_add_signed(self.workload.token_ahead_ms),
            counter: 0,
            node_id: self.life.settings.name.clone(),
        });
        self.recorded.ask(chosen.call, token);
    }

    /// Registers for every key, where the scenario says so: registrations belong to the connection.
    fn watch(&mut self) {
        if self.workload.watch && now_ns() < self.life.settings.stop_at_ns {
            for number in 0..self.workload.keys {
                let key = format!("{}-{number}", self.workload.prefix).into_bytes();
                self.recorded.ask(Call::KeyNotify { key, stop: false }, None);
            }
        }
    }

    /// What follows from a reply that is the first.
    fn learn(&mut self, call: &Call, reply: &Reply) {
        self.choices.learn(call, reply);
        let (now, probe_ns) = (now_ns(), nanos(self.workload.probe));
        if let (Call::Set { key, px_ms: Some(px_ms), .. }, Reply::Stored { .. }, 1..) =
            (call, reply, probe_ns)
        {
            let end_ns = now + px_ms * 1_000_000;
            let before = self.choices.up_to_ns(probe_ns);
            let after = self.choices.up_to_ns(probe_ns);
            self.probes.insert((end_ns.saturating_sub(before), key.clone()));
            self.probes.insert((end_ns + after, key.clone()));
        }
    }
}
