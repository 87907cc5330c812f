//! Session State [4.1]: subscriptions, messages in flight, messages that wait.

use std::collections::{BTreeMap, BTreeSet};

use super::packet::{Properties, Publish, Subscription, Version, Will, encoded_len, text_of};
use super::{ConnectionNumber, Time};

/// An Application Message, as it was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Counts the publications: two that look the same are two.
    pub publication: u64,
    /// Client identifier of the publisher.
    pub publisher: String,
    /// Topic Name.
    pub topic: String,
    /// The QoS of its publication.
    pub qos: u8,
    /// The RETAIN flag of its publication.
    pub retain: bool,
    /// When its Message Expiry Interval has passed.
    pub expires_at: Option<Time>,
    /// What is forwarded unaltered.
    pub properties: Properties,
    /// The message itself.
    pub payload: Vec<u8>,
}

/// What the server keeps for a client, connected or not.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    pub(super) connection: Option<ConnectionNumber>,
    /// Session Expiry Interval in seconds.
    pub(super) expiry_interval_s: u32,
    /// When it ends, while the client is away.
    pub(super) ends_at: Option<Time>,
    pub(super) will: Option<Will>,
    /// When the Will Message is published, while the client is away.
    pub(super) will_due_at: Option<Time>,
    /// By Topic Filter, shared ones with `$share/` and the name.
    pub(super) subscriptions: BTreeMap<String, Held>,
    /// What waits to be sent, in the order in which it came.
    pub(super) owed: Vec<Owed>,
    /// QoS 1 and 2 messages that were sent and are not completely acknowledged, in the order of first sending.
    pub(super) in_flight: Vec<InFlight>,
    /// Whether retained messages may still wait for room in the window. QoS 0 messages may wait behind them.
    pub(super) retained_may_wait: bool,
    /// QoS 2 messages that the client sent and has not released, by their packet identifier.
    pub(super) received: BTreeSet<u16>,
}

/// A subscription of a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Held {
    pub(super) subscription: Subscription,
    pub(super) identifier: Option<u32>,
}

/// One copy of a message that the server owes to a session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Owed {
    pub(super) message: Message,
    /// The QoS that it has to be sent with.
    pub(super) qos: u8,
    /// The RETAIN flags that it may be sent with.
    pub(super) retain: Vec<bool>,
    /// The Subscription Identifiers that it has to carry, sorted.
    pub(super) identifiers: Vec<u32>,
    /// The filters that it matched.
    pub(super) filters: BTreeSet<String>,
    /// The groups that it may have been meant for, where that can't be told [4.8.2].
    pub(super) groups: Vec<String>,
    /// Whether it is a retained message that a subscription brings, and not one that was just published.
    pub(super) is_retained_copy: bool,
    /// Whether the server may drop it, as far as it did not send it yet.
    pub(super) may_be_dropped: bool,
}

/// A QoS 1 or 2 message on its way.
#[derive(Clone, Debug)]
pub(super) struct InFlight {
    pub(super) packet_id: u16,
    pub(super) owed: Owed,
    /// Whether the client answered a QoS 2 message with PUBREC; from then on PUBREL is sent.
    pub(super) is_released: bool,
    /// On which connection the PUBLISH was sent last.
    pub(super) published_on: ConnectionNumber,
    /// On which connection PUBLISH or PUBREL was sent last.
    pub(super) sent_on: ConnectionNumber,
    /// Whether it came by a shared subscription and can't have come by another one.
    pub(super) is_certainly_shared: bool,
}

impl Owed {
    /// Whether it has to come after `earlier`, which was owed before: one client's messages on one topic and QoS come in
    /// the order of their publication [MQTT-4.6.0-5]. What a subscription brings may come before what waited already.
    pub(super) fn comes_after(&self, earlier: &Self) -> bool {
        let order = |owed: &Self| (owed.message.publisher.clone(), owed.message.topic.clone(), owed.qos);
        order(self) == order(earlier) && !self.is_retained_copy
    }

    /// Whether nobody could tell it from another copy.
    pub(super) fn looks_like(&self, other: &Self) -> bool {
        let looks =
            |owed: &Self| (owed.message.publication, owed.qos, owed.retain.clone(), owed.identifiers.clone());
        looks(self) == looks(other)
    }

    /// Whether its time is over, so that it is not sent for the first time any more [MQTT-3.3.2-5].
    pub(super) fn is_expired(&self, now: Time) -> bool {
        self.message.expires_at.is_some_and(|expires_at| expires_at < now)
    }

    /// Whether its time is over or ends at this very moment, which may be taken either way.
    pub(super) fn may_expire(&self, now: Time) -> bool {
        self.message.expires_at.is_some_and(|expires_at| expires_at <= now)
    }

    /// The packet's length in bytes, at this moment and without a topic alias.
    pub(super) fn len(&self, version: Version) -> usize {
        let publish = Publish {
            topic: self.message.topic.clone(),
            packet_id: (self.qos > 0).then_some(1),
            message_expiry_interval_s: self.message.expires_at.map(|_| 0),
            subscription_identifiers: self.identifiers.clone(),
            properties: self.message.properties.clone(),
            payload: self.message.payload.clone(),
            ..Publish::default()
        };
        encoded_len(&publish, version)
    }

    /// Why a packet is not this message, if it is not. `topic` is what it is about, its alias resolved.
    pub(super) fn difference(
        &self,
        publish: &Publish,
        topic: &str,
        version: Version,
        now: Time,
    ) -> Option<&'static str> {
        let message = &self.message;
        if topic != message.topic {
            Some("another topic")
        } else if publish.payload != message.payload {
            Some("another payload")
        } else if publish.qos != self.qos {
            Some("another QoS")
        } else if !self.retain.contains(&publish.retain) {
            Some("another RETAIN flag")
        } else if version == Version::V3_1_1 {
            None
        } else if publish.properties != message.properties {
            Some("other properties")
        } else if !self.allows_identifiers(&publish.subscription_identifiers) {
            Some("other subscription identifiers")
        } else if !allows_interval(message.expires_at, publish.message_expiry_interval_s, now) {
            Some("another message expiry interval")
        } else {
            None
        }
    }

    /// In any order [3.3.2.3.8].
    fn allows_identifiers(&self, identifiers: &[u32]) -> bool {
        let mut sorted = identifiers.to_vec();
        sorted.sort_unstable();
        sorted == self.identifiers
    }

    /// The copy as a person reads it.
    pub(super) fn describe(&self, now: Time) -> String {
        let Message { topic, payload, expires_at, publisher, .. } = &self.message;
        let retain = match self.retain[..] {
            [true] => ", retain",
            [false] => "",
            _ => ", with or without retain",
        };
        let identifiers =
            if self.identifiers.is_empty() { String::new() } else { format!(", ids {:?}", self.identifiers) };
        let expiry = expires_at
            .map(|at| format!(", expires in {}", Time(at.0.saturating_sub(now.0))))
            .unwrap_or_default();
        let drop = if self.may_be_dropped { " (may be dropped)" } else { "" };
        let payload = text_of(payload);
        format!(
            "PUBLISH {topic} \"{payload}\" QoS {}{retain}{identifiers}{expiry}, from {publisher}{drop}",
            self.qos
        )
    }
}

/// The received interval minus the time that the message waited, in whole seconds [MQTT-3.3.2-6]; rounded up or down.
fn allows_interval(expires_at: Option<Time>, interval_s: Option<u32>, now: Time) -> bool {
    match (expires_at, interval_s) {
        (None, None) => true,
        (Some(expires_at), Some(interval_s)) => {
            let left_ms = expires_at.0.saturating_sub(now.0);
            let interval_s = u64::from(interval_s);
            interval_s == left_ms / 1000 || interval_s == left_ms.div_ceil(1000)
        }
        _ => false,
    }
}
