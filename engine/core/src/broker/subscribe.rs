//! SUBSCRIBE and UNSUBSCRIBE.

use std::num::NonZeroU32;

use mayfly_wire::{
    ProtocolVersion, QoS, ReasonCode, RetainHandling, Subscribe, Subscription, TopicFilter, Unsubscribe,
};

use super::Broker;
use super::accounting::Pressure;
use super::filter_index::is_exact;
use super::outbox::Item;
use super::room;
use super::session::SessionKey;
use super::subscriptions::Subscriber;
use crate::authorization::Operation;
use crate::machine::ConnectionId;

impl Broker {
    pub(super) fn subscribe(&mut self, key: SessionKey, connection: ConnectionId, subscribe: &Subscribe<'_>) {
        let identifier = subscribe.properties.subscription_identifier.and_then(NonZeroU32::new);
        let is_id_in_use = self.session(key).unreleased.contains(subscribe.packet_id);
        let mut answers = Vec::with_capacity(subscribe.filters.len());
        for subscription in subscribe.filters.iter() {
            let granted = if is_id_in_use {
                Err(ReasonCode::PacketIdentifierInUse)
            } else {
                self.add_subscription(key, &subscription, identifier)
            };
            // MQTT 3.1.1 has one code for all failures, which the codec writes.
            answers.push(granted.map_or_else(|reason| reason as u8, |granted| granted as u8));
        }
        let reasons = self.outbox.push_reasons(answers.into_iter());
        self.outbox.push(connection, Item::SubAck { packet_id: subscribe.packet_id, reasons });
        // Retained messages come after it.
        self.pump(key);
    }

    fn add_subscription(
        &mut self,
        key: SessionKey,
        subscription: &Subscription<'_>,
        identifier: Option<NonZeroU32>,
    ) -> Result<QoS, ReasonCode> {
        let text = subscription.filter.as_str();
        if !self.may(key, Operation::Subscribe(subscription.filter)) {
            self.counters.denied_subscriptions += 1;
            return Err(ReasonCode::NotAuthorized);
        }
        let max_subscriptions = self.limits.max_subscriptions as usize;
        let max_levels = self.limits.max_wildcard_levels as usize;
        let is_full = self.ledger.subscriptions >= self.limits.max_total_subscriptions as usize
            || self.pressure() == Pressure::Full;
        let session = self.session(key);
        let is_new = !session.filters.contains(text);
        if is_new {
            let levels = session.wildcard_levels + wildcard_levels(subscription.filter);
            if session.filters.len() >= max_subscriptions || levels > max_levels || is_full {
                return Err(ReasonCode::QuotaExceeded);
            }
            session.wildcard_levels = levels;
            session.filters.insert(text.into());
            self.ledger.subscribed(subscription.filter);
        }
        let options = subscription.options;
        let qos = options.qos;
        let subscriber = Subscriber {
            session: key,
            identifier,
            qos,
            no_local: options.no_local,
            retain_as_published: options.retain_as_published,
        };
        if subscription.filter.share_name().is_some() {
            // It brings no retained messages, whatever it says [MQTT 5, section 3.3.1.3].
            self.shares.insert(subscription.filter, subscriber);
            return Ok(qos);
        }
        self.subscriptions.insert(subscription.filter, subscriber);
        // [MQTT-3.3.1-9], [MQTT-3.3.1-10], [MQTT-3.3.1-11].
        let wants_retained = match options.retain_handling {
            RetainHandling::SendAtSubscribe => true,
            RetainHandling::SendIfNew => is_new,
            RetainHandling::DoNotSend => false,
        };
        if wants_retained {
            self.await_retained(key, subscription.filter, &subscriber);
        }
        Ok(qos)
    }

    pub(super) fn unsubscribe(
        &mut self,
        key: SessionKey,
        connection: ConnectionId,
        unsubscribe: &Unsubscribe<'_>,
    ) {
        // MQTT 3.1.1 has no word for it: there the client is believed to know what it does.
        let is_v5 = self.version(key) == ProtocolVersion::V5;
        let is_id_in_use = is_v5 && self.session(key).unreleased.contains(unsubscribe.packet_id);
        let mut answers = Vec::with_capacity(unsubscribe.filters.len());
        for filter in unsubscribe.filters.iter() {
            let reason = if is_id_in_use {
                ReasonCode::PacketIdentifierInUse
            } else if self.remove_subscription(key, filter) {
                ReasonCode::Success
            } else {
                ReasonCode::NoSubscriptionExisted
            };
            answers.push(reason as u8);
        }
        if !is_v5 {
            answers.clear(); // An UNSUBACK of 3.1.1 has no payload [MQTT-3.11 of 3.1.1].
        }
        let reasons = self.outbox.push_reasons(answers.into_iter());
        self.outbox.push(connection, Item::UnsubAck { packet_id: unsubscribe.packet_id, reasons });
        // What waited behind the retained messages of an ended subscription.
        self.pump(key);
    }

    /// Ends a session's subscription. Returns whether there was one.
    pub(super) fn remove_subscription(&mut self, key: SessionKey, filter: TopicFilter<'_>) -> bool {
        let session = self.session(key);
        let existed = session.filters.swap_remove(filter.as_str());
        if existed {
            session.wildcard_levels -= wildcard_levels(filter);
            if let Some(room) = room::spare(session.filters.len(), session.filters.capacity()) {
                session.filters.shrink_to(room);
            }
            self.end_subscription(key, filter);
            self.forget_retained(key, filter.as_str());
        }
        existed
    }

    /// Takes a subscription out of its index.
    pub(super) fn end_subscription(&mut self, key: SessionKey, filter: TopicFilter<'_>) {
        self.ledger.unsubscribed(filter);
        if filter.share_name().is_some() {
            self.shares.remove(filter, key);
        } else {
            self.subscriptions.remove(filter, key);
        }
    }

    /// A session's subscription under one of its filters.
    pub(super) fn subscription(&self, key: SessionKey, filter: &str) -> Option<&Subscriber> {
        let filter = parsed(filter);
        if filter.share_name().is_some() {
            self.shares.get(filter, key)
        } else {
            self.subscriptions.get(filter, key)
        }
    }

    /// The version that a session's connection speaks.
    pub(super) fn version(&self, key: SessionKey) -> ProtocolVersion {
        let connection = self.sessions[key.index()].connection.as_ref();
        connection.expect("packets come from connected sessions").version
    }
}

/// The levels of a filter, each of which is a node of the index, if it has wildcards.
fn wildcard_levels(filter: TopicFilter<'_>) -> usize {
    if is_exact(filter) { 0 } else { filter.levels().count() }
}

/// A filter that a session has.
pub(super) fn parsed(filter: &str) -> TopicFilter<'_> {
    TopicFilter::parse(filter).expect("a filter is kept as it was validated")
}
