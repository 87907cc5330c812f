//! A shared subscription gives each message to one of its members [MQTT-4.8.2-4], and to members in fair shares.
//!
//! At QoS 1 a second one gets it when the first left before it can have acknowledged it, so that none is lost while a member
//! is there. At QoS 2 nobody else gets it [MQTT-4.8.2-5]: it is lost when the session of the chosen one ends.

use std::collections::BTreeMap;

use super::messages::{Messages, Of, Tenure, matches, shared};
use super::report::{Anomaly, CheckReport, CounterExample, Verdict};
use super::{Checker, CheckerName};
use crate::history::History;
use crate::history::mqtt::{Deliver, EventId, Publish};

/// The busiest of the members that never left may have so many times the share of the idlest.
const FAIR: usize = 2;

/// Shares below this many messages are not compared.
const FAIR_FROM: usize = 20;

/// See the module.
#[derive(Debug)]
pub(super) struct SharedSubscription;

impl Checker for SharedSubscription {
    fn check(&self, history: &History) -> CheckReport {
        let messages = Messages::new(history);
        let mut groups: BTreeMap<&str, Vec<Tenure<'_>>> = BTreeMap::new();
        for tenure in messages.all_tenures() {
            let filter = tenure.subscribe.is.filter.as_str();
            if shared(filter).is_some() {
                groups.entry(filter).or_default().push(tenure);
            }
        }
        let mut copies: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for delivery in &messages.deliveries {
            copies.entry(delivery.is.payload.as_str()).or_default().push(*delivery);
        }
        let mut search = Search { messages: &messages, demanded: 0, moved: 0, copies, found: Vec::new() };
        for (filter, members) in &groups {
            search.group(filter, members);
        }
        search.report(groups.len())
    }
}

struct Search<'m, 'h> {
    messages: &'m Messages<'h>,
    demanded: usize,
    /// Messages that were sent to a second member, because the first had left.
    moved: usize,
    /// Every delivery, by payload.
    copies: BTreeMap<&'h str, Vec<Of<'h, Deliver>>>,
    found: Vec<CounterExample>,
}

impl<'h> Search<'_, 'h> {
    fn group(&mut self, filter: &str, members: &[Tenure<'h>]) {
        let Some((_, plain)) = shared(filter) else { return };
        let mut taken: BTreeMap<EventId, Vec<Of<'h, Deliver>>> = BTreeMap::new();
        for delivery in
            self.messages.deliveries.iter().filter(|delivery| !delivery.is.known && !delivery.is.late)
        {
            let is_member = members.iter().any(|member| member.subscribe.client == delivery.client);
            if let Some(publication) = self.messages.publication(&delivery.is.payload).filter(|_| is_member) {
                taken.entry(publication.id).or_default().push(*delivery);
            }
        }
        for publication in &self.messages.publications {
            if publication.is.qos > 0 && matches(plain, &publication.is.topic) {
                let copies = taken.get(&publication.id).map_or(&[][..], Vec::as_slice);
                self.message(filter, publication, members, copies);
            }
        }
        self.fairness(filter, members, &taken);
    }

    fn message(
        &mut self,
        filter: &str,
        publication: &Of<'h, Publish>,
        members: &[Tenure<'h>],
        copies: &[Of<'h, Deliver>],
    ) {
        let Some(accepted_ns) = publication.is.accepted_ns() else { return };
        // Long enough for the broker to have sent it and heard of it.
        let until_ns = accepted_ns + 4 * self.messages.way_ns();
        let there = members.iter().any(|member| {
            member.is_certain
                && member.qos > 0
                && member.from_ns < publication.at_ns
                && member.until_ns > until_ns
        });
        let all: Vec<_> = self.of_group(members, publication).collect();
        self.moved += usize::from(all.iter().any(|copy| copy.client != all[0].client));
        let qos = members.iter().map(|member| member.qos.min(publication.is.qos)).max().unwrap_or(0);
        // The chosen one may have left with it, seen or not, and even before it was published: a cut takes its way.
        let leaving = publication.at_ns.saturating_sub(self.messages.way_ns())..=until_ns;
        // Nobody knows when an uncertain one left.
        let may_have_left = |member: &Tenure<'h>| {
            !member.is_certain || member.until_ns == 0 || leaving.contains(&member.until_ns)
        };
        let may_be_lost = qos == 2 && members.iter().any(may_have_left)
            || self.messages.perhaps_delivered().any(|copy| copy.is.payload == publication.is.payload);
        if there && !may_be_lost {
            self.demanded += 1;
            if copies.is_empty() {
                let headline =
                    format!("no member of {filter} got {}, although one was there", publication.is.payload);
                self.find(Anomaly::LostMessage, headline, &[publication.id]);
            }
        }
        let certain: Vec<_> = copies.iter().filter(|copy| is_certain_member(members, copy)).collect();
        for pair in certain.windows(2) {
            let sent_again = !publication.is.sent_again_ns.is_empty() && publication.is.qos == 1;
            let moved = pair[0].is.qos == 1 && self.left_before_acknowledging(pair[0]);
            // The chosen one itself may get it again, after a reconnect, at QoS 1.
            if sent_again || moved {
                continue;
            }
            let headline = format!(
                "{} and {} both got {} through {filter}",
                self.messages.name(pair[0].client),
                self.messages.name(pair[1].client),
                publication.is.payload
            );
            self.find(Anomaly::SharedTwice, headline, &[publication.id, pair[0].id, pair[1].id]);
        }
    }

    /// Every delivery of a message to a member, those that it did not look at any more included.
    fn of_group<'s>(
        &'s self,
        members: &'s [Tenure<'h>],
        publication: &'s Of<'h, Publish>,
    ) -> impl Iterator<Item = &'s Of<'h, Deliver>> {
        let copies = self.copies.get(publication.is.payload.as_str()).map_or(&[][..], Vec::as_slice);
        copies.iter().filter(|copy| members.iter().any(|member| member.subscribe.client == copy.client))
    }

    /// Whether the connection ended before the acknowledgement of what came on it can have reached the broker.
    fn left_before_acknowledging(&self, delivery: &Of<'h, Deliver>) -> bool {
        let end = self.messages.connect(delivery.is.connection).and_then(|connect| connect.end.as_ref());
        let is_forgotten = self.messages.connect(delivery.is.connection).is_none();
        is_forgotten || end.is_some_and(|end| end.at_ns <= delivery.at_ns + self.messages.way_ns())
    }

    /// Members that were there from before the first message to the end.
    fn fairness(
        &mut self,
        filter: &str,
        members: &[Tenure<'h>],
        taken: &BTreeMap<EventId, Vec<Of<'h, Deliver>>>,
    ) {
        let first_ns = taken.keys().map(|id| self.messages.history.mqtt_event(*id).at_ns).min().unwrap_or(0);
        let stays = members.iter().filter(|member| {
            let connection = self.messages.connect(member.subscribe.is.connection);
            member.is_certain
                && member.from_ns < first_ns
                && connection.is_some_and(|connect| connect.end.is_none())
        });
        let copies = || taken.values().flatten();
        let share = |member: &Tenure<'h>| {
            let own: Vec<_> = copies().filter(|copy| copy.client == member.subscribe.client).collect();
            (own.len(), member.subscribe)
        };
        let mut shares: Vec<_> = stays.map(share).collect();
        shares.sort_by_key(|(share, _)| *share);
        let (Some((least, idle)), Some((most, busy))) = (shares.first(), shares.last()) else { return };
        let perhaps = self.messages.perhaps_delivered().filter(|copy| copy.client == idle.client).count();
        let least = &(least + perhaps);
        if *most >= FAIR_FROM && *most > FAIR * least {
            let headline = format!(
                "{} got {most} messages of {filter} and {} got {least}, and both were there all the time",
                self.messages.name(busy.client),
                self.messages.name(idle.client)
            );
            self.find(Anomaly::UnfairShare, headline, &[idle.id, busy.id]);
        }
    }

    fn find(&mut self, anomaly: Anomaly, headline: String, events: &[EventId]) {
        self.found.push(self.messages.example(anomaly, headline, Vec::new(), events));
    }

    fn report(mut self, groups: usize) -> CheckReport {
        self.found.sort_by_key(|example| example.at_ns);
        let looked = format!(
            "{} messages that a member of {groups} groups had to get, {} sent to a second one",
            self.demanded, self.moved
        );
        let (verdict, summary) = if !self.found.is_empty() {
            (Verdict::Violated, format!("{} violations in {looked}", self.found.len()))
        } else if self.demanded == 0 {
            let why = "no message had to reach a member of a shared subscription".to_owned();
            (Verdict::Undecided { why: why.clone() }, why)
        } else {
            (Verdict::Valid, looked)
        };
        CheckReport::new(CheckerName::SharedSubscription, verdict, summary, self.found)
    }
}

/// Whether it was certainly the group that somebody got a message through.
fn is_certain_member(members: &[Tenure<'_>], copy: &Of<'_, Deliver>) -> bool {
    let mut own = members.iter().filter(|member| member.subscribe.client == copy.client);
    own.any(|member| member.is_certain)
}
