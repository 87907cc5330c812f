//! A client of the state store that writes down all that it asks and is told: its operations with their requests and responses,
//! its registrations, its notifications, and where each stands among what else arrived.
//!
//! A workload says what it asks, and learns the first response to each. Nothing here draws randomness.

use std::collections::BTreeMap;

use rumqttc::Publish;

use super::Life;
use super::protocol::{self, Change};
use super::requester::{Happening, Options, Requester, Sent, Ticket};
use crate::history::mqtt::{EventId, What};
use crate::history::store::Response;
use crate::history::watch::{Answered, Notified, Watch, WatchAnswer};
use crate::history::{Call, OperationId, Reply, UnknownReason, Version};
use crate::world::{nanos, now_ns};

/// Something that the workload acts on.
#[derive(Debug)]
pub(super) enum Event {
    /// Operations can be asked on a new connection.
    Ready,
    /// An operation that was waited for has a response that keeps the protocol.
    Answered { operation: OperationId, call: Call, response: Response },
    /// Operations were given up, so that there is room for others.
    GivenUp,
    /// The connection is over.
    Lost,
}

/// An operation that was asked in this life of the client, and its request.
struct Exchange {
    operation: OperationId,
    call: Call,
    /// Of a KEYNOTIFY.
    watch: Option<EventId>,
    asked_on: EventId,
    asked_at: EventId,
    was_sent_again: bool,
    was_answered: bool,
}

/// One life of a client.
pub(super) struct RecordedClient<'a> {
    life: Life<'a>,
    requester: Requester<'a>,
    dup: bool,
    /// They stay, since a response may come again.
    asked: BTreeMap<Ticket, Exchange>,
    /// Operations without outcome, with their deadlines.
    open: BTreeMap<Ticket, u64>,
}

impl<'a> RecordedClient<'a> {
    /// A client that connects at once. `dup` says whether what it sends again has the DUP flag.
    pub(super) fn new(life: Life<'a>, dup: bool) -> Self {
        let requester = Requester::new(life, Options { maximum_packet_size: None, dup });
        Self { life, requester, dup, asked: BTreeMap::new(), open: BTreeMap::new() }
    }

    /// Whether operations can be asked.
    pub(super) fn is_connected(&self) -> bool {
        self.requester.connection().is_some()
    }

    /// How many operations have no outcome.
    pub(super) fn open(&self) -> usize {
        self.open.len()
    }

    /// How many requests have no PUBACK.
    pub(super) fn unacknowledged(&self) -> usize {
        self.requester.unacknowledged()
    }

    /// Closes the connection without a word.
    pub(super) fn cut(&mut self) {
        self.cut_for(None);
    }

    /// Closes the connection without a word, and stays away for a while; without one for the reconnect delay.
    pub(super) fn cut_for(&mut self, away_ns: Option<u64>) {
        self.requester.cut(away_ns);
    }

    /// Connects once more, with the same client identifier: the broker ends the connection before.
    pub(super) fn take_over(&mut self) {
        self.requester.take_over();
    }

    /// Asks for an operation, under a fencing token or without, if there is a connection and not too much is in flight.
    pub(super) fn ask(&mut self, call: Call, token: Option<Version>) -> Option<OperationId> {
        let (now, Life { settings, recorder, .. }) = (now_ns(), self.life);
        let asked_on = self.requester.connection()?;
        let Sent { ticket, timestamp } = self.requester.ask(&call, token.as_ref())?;
        let operation = recorder.invoke_fenced(settings.index, (call.clone(), token), now);
        recorder.request_sent(operation, &timestamp, false, now);
        let watch = match &call {
            Call::KeyNotify { key, stop } => {
                let (key, stop) = (String::from_utf8_lossy(key).into_owned(), *stop);
                let (sent_again_on, answer) = (Vec::new(), None);
                let watch = Watch { operation, connection: asked_on, key, stop, sent_again_on, answer };
                Some(recorder.mqtt(settings.index, What::Watch(watch), now))
            }
            _ => None,
        };
        let (asked_at, was_sent_again, was_answered) = (recorder.next_event(), false, false);
        let exchange = Exchange { operation, call, watch, asked_on, asked_at, was_sent_again, was_answered };
        self.asked.insert(ticket, exchange);
        self.open.insert(ticket, now + nanos(settings.group.operation_timeout));
        Some(operation)
    }

    /// What happens next; `None` when it is `until_ns` and nothing has.
    pub(super) async fn next(&mut self, until_ns: u64) -> Option<Event> {
        loop {
            if self.give_up_overdue() {
                return Some(Event::GivenUp);
            }
            let deadline_ns = self.open.values().min().copied().unwrap_or(u64::MAX);
            match self.requester.next(until_ns.min(deadline_ns)).await {
                Some(happening) => {
                    if let Some(event) = self.happened(happening) {
                        return Some(event);
                    }
                }
                None if until_ns <= now_ns() => return None,
                None => {}
            }
        }
    }

    fn give_up_overdue(&mut self) -> bool {
        let now = now_ns();
        let is_overdue = |(_, deadline_ns): &(&Ticket, &u64)| **deadline_ns <= now;
        let overdue: Vec<Ticket> = self.open.iter().filter(is_overdue).map(|(ticket, _)| *ticket).collect();
        for ticket in &overdue {
            self.give_up(*ticket, UnknownReason::TimedOut);
        }
        !overdue.is_empty()
    }

    /// Nobody will learn what became of an operation.
    fn give_up(&mut self, ticket: Ticket, reason: UnknownReason) {
        if self.open.remove(&ticket).is_some()
            && let Some(asked) = self.asked.get(&ticket)
        {
            self.life.recorder.unknown(asked.operation, reason, now_ns());
        }
    }

    fn happened(&mut self, happening: Happening) -> Option<Event> {
        let (now, Life { settings, recorder, .. }) = (now_ns(), self.life);
        match happening {
            Happening::Resumed { connection, tickets } => {
                for ticket in tickets {
                    self.sent_again(ticket, connection);
                }
            }
            Happening::Ready { lost } => {
                for ticket in lost {
                    self.give_up(ticket, UnknownReason::ConnectionLost);
                }
                return Some(Event::Ready);
            }
            Happening::Response { connection, ticket, answer, dup } => {
                return self.answered(connection, ticket, answer, dup);
            }
            Happening::Refused { ticket, reason } => {
                let refusal = format!("PUBACK with reason {reason:#04x}");
                if self.open.remove(&ticket).is_some()
                    && let Some(asked) = self.asked.get(&ticket)
                {
                    recorder.fail(asked.operation, refusal.clone(), now);
                }
                recorder.protocol_breach(settings.index, &refusal, now);
            }
            Happening::Notification { connection, change: Change { key, value, version }, dup } => {
                let key = String::from_utf8_lossy(&key).into_owned();
                let notified = Notified { connection, key, value, version, dup };
                recorder.mqtt(settings.index, What::Notified(notified), now);
            }
            Happening::Lost => return Some(Event::Lost),
            Happening::Strange(what) => recorder.protocol_breach(settings.index, &what, now),
        }
        None
    }

    fn sent_again(&mut self, ticket: Ticket, connection: EventId) {
        let (now, recorder) = (now_ns(), self.life.recorder);
        let Some(asked) = self.asked.get_mut(&ticket) else { return };
        asked.was_sent_again = true;
        recorder.request_sent_again(asked.operation, self.dup, now);
        let Some(event) = asked.watch else { return };
        recorder.mqtt_amend(event, now, |what| {
            if let What::Watch(watch) = what {
                watch.sent_again_on.push(connection);
            }
        });
    }

    fn answered(
        &mut self,
        connection: EventId,
        ticket: Ticket,
        answer: Result<Publish, String>,
        dup: bool,
    ) -> Option<Event> {
        let (now, Life { settings, recorder, .. }) = (now_ns(), self.life);
        let asked = self.asked.get_mut(&ticket)?;
        let is_first = !std::mem::replace(&mut asked.was_answered, true);
        let is_open = self.open.remove(&ticket).is_some();
        let Exchange { operation, watch, asked_on, asked_at, was_sent_again: sent_again, .. } = *asked;
        if is_first && watch.is_none() {
            let answered = Answered { connection, operation, asked_on, asked_at, sent_again };
            recorder.mqtt(settings.index, What::Answered(answered), now);
        }
        let response = match answer.and_then(|publish| protocol::response(&asked.call, &publish)) {
            Ok(response) => response,
            Err(error) => {
                recorder.protocol_error(operation, &error, now);
                return None;
            }
        };
        recorder.responded(operation, response.clone(), now);
        if let (true, Some(event), Response::Reply(reply)) = (is_first, watch, &response) {
            let (position, was_registered) = (recorder.next_event(), *reply == Reply::WatchChanged);
            let answer = WatchAnswer { at_ns: now, connection, position, dup, was_registered };
            recorder.mqtt_amend(event, now, |what| {
                if let What::Watch(watch) = what {
                    watch.answer = Some(answer);
                }
            });
        }
        if !is_open {
            return None;
        }
        match response.clone() {
            Response::Reply(reply) => recorder.complete(operation, reply, now),
            Response::Error(error) => recorder.fail(operation, error, now),
        }
        Some(Event::Answered { operation, call: asked.call.clone(), response })
    }
}
