//! The queue of a client that is away holds so many messages, and which ones are kept is a matter of strategy: the newest
//! is refused, or the oldest dropped. Exactly those arrive when the client returns, in order, and every other is counted.
//!
//! Judges each time away between a DISCONNECT and the next connect in which messages were published well inside it, so
//! that it is certain which of them had to wait.

use super::messages::{Messages, Of, Tenure, matches};
use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::{Checker, CheckerName, words};
use crate::history::History;
use crate::history::mqtt::{Connect, Deliver, Ended, EventId, Publish, PublishOutcome};
use std::collections::BTreeSet;

/// See the module.
#[derive(Debug)]
pub(super) struct OfflineQueue;

impl Checker for OfflineQueue {
    fn check(&self, history: &History) -> CheckReport {
        let messages = Messages::new(history);
        let mut search =
            Search { messages: &messages, overflows: 0, expected_drops: 0, unclear: 0, found: Vec::new() };
        for connects in messages.sessions().into_values() {
            for pair in connects.windows(2) {
                search.away(&pair[0], &pair[1]);
            }
        }
        search.report()
    }
}

struct Search<'m, 'h> {
    messages: &'m Messages<'h>,
    overflows: usize,
    expected_drops: usize,
    /// Times away at whose edges messages were published.
    unclear: usize,
    found: Vec<CounterExample>,
}

impl<'h> Search<'_, 'h> {
    fn away(&mut self, before: &Of<'h, Connect>, after: &Of<'h, Connect>) {
        let Some(end) = before.is.end.as_ref().filter(|end| end.how == Ended::Disconnected) else { return };
        let (left_ns, way_ns) = (end.at_ns, self.messages.way_ns());
        let tenures = self.messages.all_tenures();
        let is_own = |tenure: &&Tenure<'h>| {
            self.messages.client_id(tenure.subscribe.is.connection) == before.is.client_id
        };
        let is_uncertain = tenures.iter().filter(is_own).any(|tenure| !tenure.is_certain);
        if is_uncertain || self.messages.may_have_connected(&before.is.client_id) {
            self.unclear += 1;
            return;
        }
        let own = tenures.iter().filter(|tenure| {
            is_own(tenure) && tenure.from_ns < left_ns && tenure.until_ns == u64::MAX && tenure.qos > 0
        });
        let filters: Vec<_> = own.map(|tenure| tenure.subscribe.is.filter.as_str()).collect();
        let waiting = self.messages.publications.iter().filter(|publication| {
            publication.is.qos > 0 && filters.iter().any(|filter| matches(filter, &publication.is.topic))
        });
        // A refused message may be told so with 0x97 [MQTT-4.3.2]; it had to wait all the same.
        let ended_ns = |publication: &Of<'h, Publish>| match publication.is.outcome {
            PublishOutcome::Acknowledged { at_ns, .. } | PublishOutcome::Forgotten { at_ns } => at_ns,
            _ => u64::MAX,
        };
        let (inside, outside): (Vec<_>, Vec<_>) = waiting.copied().partition(|publication| {
            publication.at_ns > left_ns + way_ns && ended_ns(publication) < after.at_ns
        });
        let at_edge = outside.iter().any(|publication| {
            ended_ns(publication).saturating_add(way_ns) > left_ns
                && publication.at_ns < after.at_ns + 2 * way_ns
        });
        let is_known = |publication: &Of<'h, Publish>| {
            !matches!(publication.is.outcome, PublishOutcome::Forgotten { .. })
        };
        let perhaps: BTreeSet<&str> = self
            .messages
            .perhaps_delivered()
            .filter(|copy| copy.client == after.client)
            .map(|copy| copy.is.payload.as_str())
            .collect();
        let is_clear = inside
            .iter()
            .all(|publication| is_known(publication) && !perhaps.contains(publication.is.payload.as_str()));
        if at_edge || !is_clear || self.messages.may_match(&filters) {
            self.unclear += 1;
            return;
        }
        self.queue(before, after, &inside);
    }

    fn queue(&mut self, before: &Of<'h, Connect>, after: &Of<'h, Connect>, published: &[Of<'h, Publish>]) {
        let world = self.messages.history.world;
        let room = usize::try_from(world.max_queued_messages).unwrap_or(usize::MAX);
        if published.len() <= room {
            return;
        }
        self.overflows += 1;
        self.expected_drops += published.len() - room;
        let expected =
            if world.drops_oldest { &published[published.len() - room..] } else { &published[..room] };
        let expected: Vec<&str> =
            expected.iter().map(|publication| publication.is.payload.as_str()).collect();
        let arrived: Vec<Of<'h, Deliver>> = self
            .messages
            .deliveries
            .iter()
            .filter(|delivery| delivery.at_ns >= after.at_ns && delivery.client == after.client)
            .filter(|delivery| {
                published.iter().any(|publication| publication.is.payload == delivery.is.payload)
            })
            .copied()
            .collect();
        let got: Vec<&str> = arrived.iter().map(|delivery| delivery.is.payload.as_str()).collect();
        if got == expected {
            return;
        }
        let place = got.iter().zip(&expected).position(|(got, expected)| got != expected);
        let place = place.unwrap_or(got.len().min(expected.len()));
        let strategy = if world.drops_oldest { "the newest" } else { "the oldest" };
        let headline = format!(
            "{} returned at {} to {} messages, not to {strategy} {room} of {}: at place {} it got {} instead of {}",
            before.is.client_id,
            words::seconds(after.at_ns),
            got.len(),
            published.len(),
            place + 1,
            got.get(place).unwrap_or(&"nothing"),
            expected.get(place).unwrap_or(&"nothing"),
        );
        let mut events = vec![before.id, after.id];
        events.extend(arrived.get(place).map(|delivery| delivery.id));
        self.find(Anomaly::WrongMessagesKept, headline, &events);
    }

    fn find(&mut self, anomaly: Anomaly, headline: String, events: &[EventId]) {
        self.found.push(self.messages.example(anomaly, headline, Vec::new(), events));
    }

    fn report(mut self) -> CheckReport {
        let counted = self.messages.history.drops.last().map_or(0, |(_, dropped)| *dropped) as usize;
        if self.unclear == 0 && self.overflows > 0 && counted != self.expected_drops {
            let headline =
                format!("the broker counted {counted} dropped messages, but {} were", self.expected_drops);
            let last = EventId(self.messages.history.mqtt.len().saturating_sub(1));
            self.find(Anomaly::DropsMiscounted, headline, &[last]);
        }
        let looked = format!("{} overflows with {} messages dropped", self.overflows, self.expected_drops);
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} violations in {looked}", self.found.len()))
        } else if self.overflows == 0 {
            let why = "no queue overflowed while it was certain what was in it".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        CheckReport::new(CheckerName::OfflineQueue, verdict, summary, self.found)
    }
}
