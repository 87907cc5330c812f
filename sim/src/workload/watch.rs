//! The watch workload: clients that register for the changes of some keys, write those keys themselves, and come and go.
//!
//! A registration ends with its connection, so a client registers again on each, and asks for the value once it has: what it
//! then knows and is told of must always be what the store has.

mod parameters;

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

pub use parameters::{Leave, WatchChurn, WatchMix, WatchWorkload};

use super::protocol::{self, Change};
use super::requester::{Happening, Requester, Ticket};
use super::{Life, Running, Workload};
use crate::history::mqtt::{EventId, What};
use crate::history::store::Response;
use crate::history::watch::{Answered, Notified, Watch, WatchAnswer};
use crate::history::{Call, Condition, OperationId, Reply, UnknownReason};
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
            // After each registration.
            "get" => true,
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

/// A request without a response.
struct Pending {
    what: Asked,
    call: Call,
    asked_on: EventId,
    asked_at: EventId,
    sent_again: bool,
    deadline_ns: u64,
}

#[derive(Clone, Copy)]
enum Asked {
    Operation(OperationId),
    Watch(EventId),
}

/// One life of a client.
struct Watcher<'a> {
    workload: &'a WatchWorkload,
    life: Life<'a>,
    requester: Requester<'a>,
    rng: ChaCha8Rng,
    pending: BTreeMap<Ticket, Pending>,
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
            requester: Requester::new(life, None),
            life,
            rng: stream.rng(settings.seed),
            pending: BTreeMap::new(),
            written: 0,
            operate_ns: now_ns(),
            leave_ns: None,
            wanted: vec![(false, None); workload.keys as usize],
        }
    }

    /// Lives until the host is killed.
    async fn run(mut self) {
        loop {
            match self.requester.next(self.next_ns()).await {
                Some(happening) => self.happened(happening),
                None => self.due(),
            }
        }
    }

    /// When it has something to do next, at the latest in a second.
    fn next_ns(&self) -> u64 {
        let now = now_ns();
        let mut next = now + 1_000_000_000;
        let mut consider = |at_ns: Option<u64>| next = next.min(at_ns.unwrap_or(u64::MAX));
        if self.requester.connection().is_some() && now < self.life.settings.stop_at_ns {
            consider(self.leave_ns);
            consider(self.has_room().then_some(self.operate_ns));
            self.wanted.iter().for_each(|(_, at_ns)| consider(*at_ns));
        }
        self.pending.values().for_each(|pending| consider(Some(pending.deadline_ns)));
        // What is overdue was done, or waits for a connection.
        next.max(now + 1)
    }

    fn has_room(&self) -> bool {
        self.pending.len() < self.workload.in_flight as usize
    }

    fn due(&mut self) {
        let now = now_ns();
        let overdue: Vec<Ticket> = self
            .pending
            .iter()
            .filter(|(_, pending)| pending.deadline_ns <= now)
            .map(|(ticket, _)| *ticket)
            .collect();
        for ticket in overdue {
            self.give_up(ticket, UnknownReason::TimedOut);
        }
        if self.requester.connection().is_none() || now >= self.life.settings.stop_at_ns {
            return;
        }
        if self.leave_ns.is_some_and(|at_ns| at_ns <= now)
            && let Some(churn) = &self.workload.churn
        {
            match churn.how[self.rng.random_range(0..churn.how.len())] {
                Leave::Cut => self.requester.cut(),
                Leave::Takeover => self.requester.take_over(),
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
            self.invoke(call);
        }
    }

    fn next_change(&mut self) -> Option<u64> {
        let stop = self.workload.stop?;
        Some(now_ns() + self.draw_ns(stop))
    }

    fn happened(&mut self, happening: Happening) {
        let Life { settings, recorder, .. } = self.life;
        match happening {
            Happening::Ready { sent_again, lost } => self.ready(&sent_again, lost),
            Happening::Response { connection, ticket, publish } => {
                let Some(pending) = self.pending.remove(&ticket) else { return };
                let response = protocol::response(&pending.call, &publish);
                self.answered(connection, &pending, response);
            }
            Happening::Notification { connection, change: Change { key, value, version }, dup } => {
                let key = String::from_utf8_lossy(&key).into_owned();
                let notified = Notified { connection, key, value, version, dup };
                recorder.mqtt(settings.index, What::Notified(notified), now_ns());
            }
            Happening::Lost => self.leave_ns = None,
            Happening::Strange(what) => recorder.protocol_breach(settings.index, &what, now_ns()),
        }
    }

    fn ready(&mut self, sent_again: &[Ticket], lost: Vec<Ticket>) {
        let recorder = self.life.recorder;
        for ticket in sent_again {
            let Some(pending) = self.pending.get_mut(ticket) else { continue };
            pending.sent_again = true;
            if let Asked::Watch(event) = pending.what {
                recorder.mqtt_amend(event, now_ns(), |what| {
                    if let What::Watch(watch) = what {
                        watch.sent_again = true;
                    }
                });
            }
        }
        for ticket in lost {
            self.give_up(ticket, UnknownReason::ConnectionLost);
        }
        for index in 0..self.wanted.len() {
            self.wanted[index] = (false, Some(now_ns() + self.draw_ns(self.workload.settle)));
        }
        if let Some(churn) = &self.workload.churn {
            let connected = churn.connected;
            self.leave_ns = Some(now_ns() + self.draw_ns(connected));
        }
    }

    /// Nobody will learn what became of a request.
    fn give_up(&mut self, ticket: Ticket, reason: UnknownReason) {
        if let Some(Pending { what: Asked::Operation(id), .. }) = self.pending.remove(&ticket) {
            self.life.recorder.unknown(id, reason, now_ns());
        }
    }

    fn answered(&mut self, connection: EventId, pending: &Pending, response: Result<Response, String>) {
        let (now, Life { settings, recorder, .. }) = (now_ns(), self.life);
        match pending.what {
            Asked::Operation(operation) => {
                let Pending { asked_on, asked_at, sent_again, .. } = *pending;
                let answered = Answered { connection, operation, asked_on, asked_at, sent_again };
                recorder.mqtt(settings.index, What::Answered(answered), now);
                match response {
                    Ok(Response::Reply(reply)) => recorder.complete(operation, reply, now),
                    Ok(Response::Error(error)) => recorder.fail(operation, error, now),
                    Err(error) => recorder.protocol_error(operation, &error, now),
                }
            }
            Asked::Watch(event) => {
                let was_registered = match response {
                    Ok(Response::Reply(reply)) => reply == Reply::WatchChanged,
                    Ok(Response::Error(error)) | Err(error) => {
                        return recorder.protocol_breach(settings.index, &error, now);
                    }
                };
                let position = recorder.next_event();
                let answer = WatchAnswer { at_ns: now, connection, position, was_registered };
                recorder.mqtt_amend(event, now, |what| {
                    if let What::Watch(watch) = what {
                        watch.answer = Some(answer);
                    }
                });
                // Changes are told from now on; what the key holds has to be asked for.
                if let Call::KeyNotify { key, stop: false } = &pending.call {
                    self.invoke(Call::Get { key: key.clone() });
                }
            }
        }
    }

    fn watch(&mut self, index: usize, stop: bool) {
        let Life { settings, recorder, .. } = self.life;
        let Some(connection) = self.requester.connection() else { return };
        let key = format!("watched-{index}");
        let call = Call::KeyNotify { key: key.clone().into_bytes(), stop };
        let Some(ticket) = self.requester.ask(&call) else { return };
        let watch = Watch { connection, key, stop, sent_again: false, answer: None };
        let event = recorder.mqtt(settings.index, What::Watch(watch), now_ns());
        self.asked(ticket, connection, Asked::Watch(event), call);
    }

    fn invoke(&mut self, call: Call) {
        let Life { settings, recorder, .. } = self.life;
        let Some(connection) = self.requester.connection() else { return };
        let Some(ticket) = self.requester.ask(&call) else { return };
        let id = recorder.invoke(settings.index, call.clone(), now_ns());
        self.asked(ticket, connection, Asked::Operation(id), call);
    }

    fn asked(&mut self, ticket: Ticket, asked_on: EventId, what: Asked, call: Call) {
        let Life { settings, recorder, .. } = self.life;
        let asked_at = recorder.next_event();
        let deadline_ns = now_ns() + nanos(settings.group.operation_timeout);
        let pending = Pending { what, call, asked_on, asked_at, sent_again: false, deadline_ns };
        self.pending.insert(ticket, pending);
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
