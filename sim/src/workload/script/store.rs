//! One life of a script's client of the state store.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ScriptWorkload;
use super::steps::{ConditionOf, Step};
use crate::history::lock::{Hold, HoldEnd};
use crate::history::mqtt::{EventId, What};
use crate::history::store::Response;
use crate::history::{Call, Condition, OperationId, Reply, Version};
use crate::workload::Life;
use crate::workload::recorded::{Event, RecordedClient};
use crate::world::{HostClock, nanos, now_ns};

/// What the client wants to know of an operation's outcome.
#[derive(Clone, Debug)]
struct Wanted {
    /// The name of the version that it is given.
    name: Option<String>,
    /// Of a `lock`: the lease, and when it was asked for.
    lease: Option<(u64, u64)>,
}

/// A lock that the client takes for held.
#[derive(Clone, Copy, Debug)]
struct Held {
    event: EventId,
    ends_ns: u64,
}

/// One life of the process.
pub(super) struct Client<'a> {
    life: Life<'a>,
    clock: HostClock,
    recorded: RecordedClient<'a>,
    /// Those that are still to be done.
    steps: std::iter::Peekable<std::slice::Iter<'a, Step>>,
    wanted: BTreeMap<OperationId, Wanted>,
    /// By key.
    held: BTreeMap<String, Held>,
}

impl<'a> Client<'a> {
    pub(super) fn new(script: &'a ScriptWorkload, life: Life<'a>) -> Self {
        let first = script.steps.partition_point(|step| nanos(step.at()) < now_ns());
        Self {
            life,
            clock: HostClock::new(life.recorder, life.settings.index),
            recorded: RecordedClient::new(life, script.dup.unwrap_or(true)),
            steps: script.steps[first..].iter().peekable(),
            wanted: BTreeMap::new(),
            held: BTreeMap::new(),
        }
    }

    /// Lives until the host is killed.
    pub(super) async fn run(mut self) {
        loop {
            let until_ns = self.next_ns();
            match self.recorded.next(until_ns).await {
                Some(Event::Answered { operation, call, response }) => {
                    self.answered(operation, &call, &response);
                }
                Some(Event::Ready | Event::GivenUp | Event::Lost) => {}
                None => self.due(),
            }
        }
    }

    /// When it has something to do next, at the latest in a second.
    fn next_ns(&mut self) -> u64 {
        let step_ns = self.steps.peek().map_or(u64::MAX, |step| nanos(step.at()));
        let step_ns = if self.recorded.is_connected() { step_ns } else { u64::MAX };
        let lease_ns = self.held.values().map(|held| held.ends_ns).min().unwrap_or(u64::MAX);
        step_ns.min(lease_ns).min(now_ns() + 1_000_000_000)
    }

    fn due(&mut self) {
        let now = now_ns();
        let is_over = |_: &String, held: &mut Held| held.ends_ns <= now;
        let over: Vec<_> = self.held.extract_if(.., is_over).collect();
        for (_, held) in over {
            self.end(held, HoldEnd::Lost("its lease is over".to_owned()));
        }
        while self.recorded.is_connected()
            && let Some(step) = self.steps.next_if(|step| nanos(step.at()) <= now)
        {
            self.take(step);
        }
    }

    fn take(&mut self, step: &Step) {
        let own_name = self.life.settings.name.as_bytes();
        match step {
            Step::Get(step) => self.ask(Call::Get { key: step.key.clone() }, None),
            Step::Set(step) => {
                let condition = match step.condition {
                    ConditionOf::None => Condition::None,
                    ConditionOf::Nx => Condition::Nx,
                    ConditionOf::Nex => Condition::Nex,
                };
                let (key, value, px_ms) = (step.key.clone(), step.value.clone(), step.px.map(whole_ms));
                let call = Call::Set { key, value, condition, px_ms };
                let wanted = step.name.clone().map(|name| Wanted { name: Some(name), lease: None });
                self.fenced(call, step.token.as_deref(), step.token_ahead_ms, wanted);
            }
            Step::Del(step) => {
                let call = Call::Del { key: step.key.clone() };
                self.fenced(call, step.token.as_deref(), step.token_ahead_ms, None);
            }
            Step::Vdel(step) => {
                let call = Call::Vdel { key: step.key.clone(), value: step.value.clone() };
                self.fenced(call, step.token.as_deref(), step.token_ahead_ms, None);
            }
            Step::Keynotify(step) => {
                self.ask(Call::KeyNotify { key: step.key.clone().into(), stop: false }, None);
            }
            Step::Stop(step) => self.ask(Call::KeyNotify { key: step.key.clone().into(), stop: true }, None),
            Step::Lock(step) => {
                let (key, value) = (step.key.clone().into(), own_name.to_vec());
                let px_ms = Some(whole_ms(step.lease));
                let call = Call::Set { key, value, condition: Condition::Nex, px_ms };
                let lease = Some((nanos(step.lease), now_ns()));
                self.ask(call, Some(Wanted { name: step.name.clone(), lease }));
            }
            Step::Unlock(step) => {
                let (key, value) = (step.key.clone().into(), own_name.to_vec());
                if let Some(held) = self.held.remove(&step.key) {
                    self.end(held, HoldEnd::Released);
                }
                self.ask(Call::Vdel { key, value }, None);
            }
            Step::Cut(step) => self.recorded.cut_for(Some(nanos(step.away))),
            Step::Takeover(_) => self.recorded.take_over(),
            Step::Subscribe(_) | Step::Publish(_) | Step::Disconnect(_) => {
                unreachable!("`check` refuses such a step of a client of the store")
            }
        }
    }

    /// Asks under a fencing token, if the step has one and it is known.
    fn fenced(&mut self, call: Call, token: Option<&str>, ahead_ms: Option<i64>, wanted: Option<Wanted>) {
        let named = token.map(|name| self.life.recorder.named(name));
        let token = match (named, ahead_ms) {
            (Some(None), _) => return,
            (Some(token), _) => token,
            (None, ahead_ms) => ahead_ms.map(|ahead_ms| Version {
                wall_clock_ms: self.clock.now_ms().saturating_add_signed(ahead_ms),
                counter: 0,
                node_id: self.life.settings.name.clone(),
            }),
        };
        let operation = self.recorded.ask(call, token);
        self.wanted.extend(operation.zip(wanted));
    }

    fn ask(&mut self, call: Call, wanted: Option<Wanted>) {
        self.fenced(call, None, None, wanted);
    }

    fn answered(&mut self, operation: OperationId, call: &Call, response: &Response) {
        let Some(Wanted { name, lease }) = self.wanted.remove(&operation) else { return };
        let Response::Reply(Reply::Stored { version }) = response else { return };
        let Life { settings, recorder, .. } = self.life;
        if let Some(name) = name {
            recorder.name(&name, version.clone());
        }
        let Some((lease_ns, asked_ns)) = lease else { return };
        let (key, ends_ns) = (String::from_utf8_lossy(call.key()).into_owned(), asked_ns + lease_ns);
        if let Some(held) = self.held.get_mut(&key) {
            held.ends_ns = held.ends_ns.max(ends_ns);
            return;
        }
        let hold =
            Hold { key: key.clone(), lease_ns, asked_ns, token: version.clone(), stalls: 0, end: None };
        let event = recorder.mqtt(settings.index, What::Hold(hold), now_ns());
        self.held.insert(key, Held { event, ends_ns });
    }

    fn end(&self, held: Held, how: HoldEnd) {
        let now = now_ns();
        self.life.recorder.mqtt_amend(held.event, now, |what| {
            if let What::Hold(hold) = what {
                hold.end.get_or_insert((now, how));
            }
        });
    }
}

fn whole_ms(duration: Duration) -> u64 {
    nanos(duration) / 1_000_000
}
