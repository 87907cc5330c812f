//! SUBSCRIBE, UNSUBSCRIBE, and the retained messages that a new subscription brings [3.8 to 3.11].

use std::collections::BTreeSet;

use super::packet::{Subscription, Version};
use super::session::{Held, Owed};
use super::topic;
use super::{ConnectionNumber, Model, Reply};

impl Model {
    /// Several filters are served as several packets, with one answer [MQTT-3.8.4-5].
    pub(super) fn subscribe(
        &mut self,
        number: ConnectionNumber,
        packet_id: u16,
        identifier: Option<u32>,
        subscriptions: &[Subscription],
    ) {
        let mut reasons = Vec::new();
        for subscription in subscriptions {
            let qos = subscription.qos.min(self.choices.max_granted_qos);
            let granted = Subscription { qos, ..subscription.clone() };
            reasons.push(granted.qos); // [MQTT-3.8.4-7]
            // An identical filter replaces the subscription that there was [MQTT-3.8.4-3].
            let held = Held { subscription: granted.clone(), identifier };
            let session = self.session_of(number);
            let is_new = session.subscriptions.insert(granted.filter.clone(), held).is_none();
            // The retained messages that the old subscription has still to bring need not come twice.
            let filters = BTreeSet::from([granted.filter.clone()]);
            let of_the_old =
                session.owed.iter_mut().filter(|owed| owed.is_retained_copy && owed.filters == filters);
            of_the_old.for_each(|owed| owed.may_be_dropped = true);
            let wants_retained = match granted.retain_handling {
                0 => true,   // [MQTT-3.3.1-9]
                1 => is_new, // [MQTT-3.3.1-10]
                _ => false,  // [MQTT-3.3.1-11]
            };
            // A shared subscription gets no retained messages [4.8.2].
            if wants_retained && topic::shared(&granted.filter).is_none() {
                self.owe_retained(number, &granted, identifier);
            }
        }
        self.reply(number, Reply::SubAck(packet_id, reasons));
    }

    fn owe_retained(
        &mut self,
        number: ConnectionNumber,
        subscription: &Subscription,
        identifier: Option<u32>,
    ) {
        let now = self.now;
        let client_id = self.connections[&number].client_id.clone();
        // A retained message that expires is gone [3.3.1.3].
        self.retained.retain(|_, message| message.expires_at.is_none_or(|expires_at| expires_at >= now));
        let matching: Vec<_> = self
            .retained
            .values()
            .filter(|message| topic::matches(&subscription.filter, &message.topic))
            .filter(|message| !(subscription.no_local && message.publisher == client_id)) // [MQTT-3.8.3-3]
            .map(|message| Owed {
                message: message.clone(),
                qos: message.qos.min(subscription.qos),
                retain: vec![true], // [3.8.3.1]
                identifiers: identifier.into_iter().collect(),
                filters: BTreeSet::from([subscription.filter.clone()]),
                groups: Vec::new(),
                is_retained_copy: true,
                may_be_dropped: false,
            })
            .collect();
        let session = self.session_of(number);
        session.retained_may_wait = true;
        session.owed.extend(matching);
    }

    /// Several filters are served as several packets, with one answer [MQTT-3.10.4-6].
    pub(super) fn unsubscribe(&mut self, number: ConnectionNumber, packet_id: u16, filters: &[String]) {
        let is_v5 = self.connections[&number].version == Version::V5;
        let session = self.session_of(number);
        let mut reasons = Vec::new();
        for filter in filters {
            let existed = session.subscriptions.remove(filter).is_some();
            reasons.push(if existed { 0x00 } else { 0x11 });
            for owed in &mut session.owed {
                owed.filters.remove(filter);
                // What waits may still be delivered, and need not [3.10.4].
                owed.may_be_dropped |= owed.filters.is_empty();
            }
        }
        let client_id = self.connections[&number].client_id.clone();
        self.member_left(&client_id, None);
        let reasons = if is_v5 { reasons } else { Vec::new() };
        self.reply(number, Reply::UnsubAck(packet_id, reasons));
    }
}
