//! Every acknowledged message reaches every subscriber: once at QoS 2, at least once at QoS 1, with the QoS that it must
//! have, and in order for each publisher, topic and QoS [MQTT-4.6.0-6]. Nothing arrives that nobody published.
//!
//! Judges plain subscriptions; shared ones have a checker of their own. A message may be missing only where the broker
//! counts that it dropped it. A repetition at QoS 1 is allowed after a reconnect of either side [MQTT-4.3.2], at QoS 2
//! never [MQTT-4.3.3]. A packet identifier that the receiver holds means the same message.

use std::collections::{BTreeMap, BTreeSet};

use super::messages::{Messages, Of, Tenure, matches};
use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::{Checker, CheckerName, words};
use crate::history::History;
use crate::history::mqtt::{Deliver, EventId, Publish};

/// See the module.
#[derive(Debug)]
pub(super) struct Delivery;

impl Checker for Delivery {
    fn check(&self, history: &History) -> CheckReport {
        let messages = Messages::new(history);
        let mut search = Search { messages: &messages, demanded: 0, found: Vec::new() };
        let receivers = search.receivers();
        for receiver in &receivers {
            search.receiver(receiver);
        }
        search.strangers();
        search.report(receivers.len())
    }
}

/// A session that receives.
struct Receiver<'h> {
    client_id: &'h str,
    /// Several hosts share its identifier: repetitions are judged at none of them.
    is_shared: bool,
    tenures: Vec<Tenure<'h>>,
    deliveries: Vec<Of<'h, Deliver>>,
}

struct Search<'m, 'h> {
    messages: &'m Messages<'h>,
    demanded: usize,
    found: Vec<CounterExample>,
}

impl<'h> Search<'_, 'h> {
    fn receivers(&self) -> Vec<Receiver<'h>> {
        let mut receivers: BTreeMap<&str, Receiver<'h>> = BTreeMap::new();
        for tenure in self.messages.all_tenures() {
            let client_id = self.messages.client_id(tenure.subscribe.is.connection);
            let new = || Receiver {
                client_id,
                is_shared: self.messages.is_shared_identifier(client_id),
                tenures: Vec::new(),
                deliveries: Vec::new(),
            };
            receivers.entry(client_id).or_insert_with(new).tenures.push(tenure);
        }
        for delivery in &self.messages.deliveries {
            let client_id = self.messages.client_id(delivery.is.connection);
            if let Some(receiver) = receivers.get_mut(client_id) {
                receiver.deliveries.push(*delivery);
            }
        }
        receivers.into_values().collect()
    }

    fn receiver(&mut self, receiver: &Receiver<'h>) {
        let mut taken: BTreeMap<EventId, Vec<Of<'h, Deliver>>> = BTreeMap::new();
        for delivery in receiver.deliveries.iter().filter(|delivery| !delivery.is.known && !delivery.is.late)
        {
            if let Some(publication) = self.messages.publication(&delivery.is.payload) {
                taken.entry(publication.id).or_default().push(*delivery);
            }
        }
        let connected = self.messages.is_connected_at_the_end(receiver.client_id);
        let perhaps: BTreeSet<&str> = self
            .messages
            .perhaps_delivered()
            .filter(|delivery| self.messages.client_id(delivery.is.connection) == receiver.client_id)
            .map(|delivery| delivery.is.payload.as_str())
            .collect();
        for publication in &self.messages.publications {
            let matching: Vec<_> = receiver
                .tenures
                .iter()
                .filter(|tenure| matches(&tenure.subscribe.is.filter, &publication.is.topic))
                .collect();
            let copies = taken.get(&publication.id).map_or(&[][..], Vec::as_slice);
            if let [tenure] = matching.as_slice()
                && tenure.is_certain
            {
                self.copies(receiver, publication, tenure, copies);
            }
            let waits = matching.iter().any(|tenure| {
                tenure.is_certain
                    && tenure.qos > 0
                    && publication.at_ns > tenure.from_ns
                    && tenure.until_ns == u64::MAX
            });
            if waits && connected && publication.is.qos > 0 && publication.is.accepted_ns().is_some() {
                self.demanded += 1;
                if copies.is_empty() && !perhaps.contains(publication.is.payload.as_str()) {
                    self.lost(receiver, publication);
                }
            }
        }
        if !receiver.is_shared {
            self.order(receiver, &taken, &perhaps);
            self.packet_identifiers(receiver);
        }
    }

    fn lost(&mut self, receiver: &Receiver<'h>, publication: &Of<'h, Publish>) {
        let headline = format!(
            "{} never got {}, which the broker acknowledged at {}",
            receiver.client_id,
            publication.is.payload,
            words::seconds(publication.is.accepted_ns().unwrap_or(0)),
        );
        let why = "It was subscribed before the message was sent, its session never ended, and it is connected at the end.";
        self.find(Anomaly::LostMessage, headline, vec![why.to_owned()], &[publication.id]);
    }

    /// One message to one receiver with one subscription that matches.
    fn copies(
        &mut self,
        receiver: &Receiver<'h>,
        publication: &Of<'h, Publish>,
        tenure: &Tenure<'h>,
        copies: &[Of<'h, Deliver>],
    ) {
        let qos = publication.is.qos.min(tenure.qos);
        for copy in copies.iter().filter(|copy| copy.is.qos != qos && !copy.is.retain) {
            let headline = format!(
                "{} got {} with QoS {}, but {qos} is the lower of the message's and the subscription's",
                receiver.client_id, publication.is.payload, copy.is.qos
            );
            self.find(Anomaly::WrongQos, headline, Vec::new(), &[publication.id, copy.id]);
        }
        let live: Vec<_> = copies.iter().filter(|copy| !copy.is.retain).collect();
        let Some((first, again)) = live.split_first().filter(|(_, again)| !again.is_empty()) else { return };
        let twice = match qos {
            2 => (publication.is.qos == 2 && !receiver.is_shared).then(|| again[0]),
            // Sent once by its publisher, so only a reconnect of the receiver can have repeated it.
            _ if publication.is.sent_again_ns.is_empty() => live
                .windows(2)
                .find(|pair| qos == 0 || pair[0].is.connection == pair[1].is.connection)
                .map(|pair| pair[1]),
            _ => None,
        };
        if let Some(second) = twice {
            let headline = format!(
                "{} got {} {} times at QoS {qos}, at {} and again at {}",
                receiver.client_id,
                publication.is.payload,
                live.len(),
                words::seconds(first.at_ns),
                words::seconds(second.at_ns),
            );
            let events = [publication.id, first.id, second.id];
            self.find(Anomaly::DuplicateMessage, headline, Vec::new(), &events);
        }
    }

    /// First arrivals are in the order of publishing.
    fn order(
        &mut self,
        receiver: &Receiver<'h>,
        taken: &BTreeMap<EventId, Vec<Of<'h, Deliver>>>,
        perhaps: &BTreeSet<&str>,
    ) {
        // By publisher, topic and QoS: the last first arrival in the order of publishing.
        let mut last: BTreeMap<_, (EventId, Of<'h, Deliver>)> = BTreeMap::new();
        for (id, copies) in taken {
            let Some(first) = copies.iter().find(|copy| !copy.is.retain) else { continue };
            // What was left out may have been the first arrival.
            if perhaps.contains(first.is.payload.as_str()) {
                continue;
            }
            let publisher = self.messages.history.mqtt_event(*id).client;
            let line = (publisher, first.is.topic.as_str(), first.is.qos);
            if let Some((earlier_id, earlier)) = last.get(&line)
                && earlier.id > first.id
            {
                let headline = format!(
                    "{} got {} before {}, which {} had published first",
                    receiver.client_id,
                    first.is.payload,
                    earlier.is.payload,
                    self.messages.name(publisher)
                );
                let events = [*earlier_id, *id, first.id, earlier.id];
                self.find(Anomaly::OutOfOrder, headline, Vec::new(), &events);
            }
            last.insert(line, (*id, *first));
        }
    }

    /// What the receiver drops by its packet identifier must be the message that it has, and a first connection knows no
    /// repetition.
    fn packet_identifiers(&mut self, receiver: &Receiver<'h>) {
        let mut held: BTreeMap<u16, Of<'h, Deliver>> = BTreeMap::new();
        for delivery in receiver.deliveries.iter().filter(|delivery| !delivery.is.late) {
            let connect = self.messages.connect(delivery.is.connection);
            let is_new =
                connect.and_then(|connect| connect.answer).is_some_and(|answer| !answer.session_present);
            if delivery.is.dup && is_new {
                let headline = format!(
                    "{} got {} with DUP on the first connection of its session",
                    receiver.client_id, delivery.is.payload
                );
                self.find(Anomaly::WrongDup, headline, Vec::new(), &[delivery.id]);
            }
            let Some(id) = delivery.is.packet_id.filter(|_| delivery.is.qos == 2) else { continue };
            if !delivery.is.known {
                held.insert(id, *delivery);
            } else if let Some(first) = held.get(&id)
                && first.is.payload != delivery.is.payload
                && !self.may_be_freed(receiver, id, first.id, delivery.id)
            {
                let headline = format!(
                    "the broker sent {} to {} under packet identifier {id}, which was still that of {}",
                    delivery.is.payload, receiver.client_id, first.is.payload
                );
                self.find(Anomaly::PacketIdReused, headline, Vec::new(), &[first.id, delivery.id]);
            }
        }
    }

    /// Whether a delivery that was left out between two may have had the packet identifier for another message.
    fn may_be_freed(&self, receiver: &Receiver<'h>, id: u16, from: EventId, until: EventId) -> bool {
        let own = |copy: &Of<'h, Deliver>| {
            self.messages.client_id(copy.is.connection) == receiver.client_id && copy.is.packet_id == Some(id)
        };
        self.messages.perhaps_delivered().any(|copy| own(&copy) && from < copy.id && copy.id < until)
    }

    /// Messages that nobody published, or not yet.
    fn strangers(&mut self) {
        for delivery in &self.messages.deliveries {
            let is_will = |payload: &str| {
                let mut wills = self.messages.connects.iter().filter_map(|connect| connect.is.will.as_ref());
                wills.any(|will| will.payload == payload)
            };
            let published = self.messages.publication(&delivery.is.payload);
            let early = published.is_some_and(|publication| publication.at_ns > delivery.at_ns);
            let altered = published.is_some_and(|publication| publication.is.topic != delivery.is.topic);
            let known = published.is_some()
                || is_will(&delivery.is.payload)
                || self.messages.may_be_published(&delivery.is.payload);
            if early || altered || !known {
                let headline = format!(
                    "{} got {:?} on {}, which nobody had published there",
                    self.messages.client_id(delivery.is.connection),
                    delivery.is.payload,
                    delivery.is.topic
                );
                self.find(Anomaly::PhantomMessage, headline, Vec::new(), &[delivery.id]);
            }
        }
    }

    fn find(&mut self, anomaly: Anomaly, headline: String, why: Vec<String>, events: &[EventId]) {
        self.found.push(self.messages.example(anomaly, headline, why, events));
    }

    fn report(mut self, receivers: usize) -> CheckReport {
        let dropped = self.messages.history.drops.last().map_or(0, |(_, dropped)| *dropped);
        let is_lost = |example: &CounterExample| example.anomaly == Anomaly::LostMessage;
        let lost = self.found.iter().filter(|example| is_lost(example)).count();
        if lost as u64 <= dropped {
            self.found.retain(|example| !is_lost(example));
        }
        self.found.sort_by_key(|example| example.at_ns);
        let looked = format!(
            "{} messages that had to reach {receivers} subscribers, {} deliveries",
            self.demanded,
            self.messages.deliveries.len()
        );
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} violations in {looked}", self.found.len()))
        } else if self.demanded == 0 {
            let why = "no acknowledged message had to reach a subscriber".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        let mut report = CheckReport::new(CheckerName::Delivery, verdict, summary, self.found);
        if dropped > 0 {
            report
                .notes
                .push(format!("The broker counted {dropped} messages dropped, and {lost} are missing."));
        }
        report
    }
}
