//! From a client's PUBLISH to the sessions that the server owes it to [3.3, 4.3].

use super::connecting::LastWill;
use super::packet::{Publish, Version};
use super::session::{Message, Owed, Session};
use super::topic;
use super::{ConnectionNumber, Model, Reply};

impl Model {
    pub(super) fn publish(&mut self, number: ConnectionNumber, publish: &Publish) {
        let publisher = self.connections[&number].client_id.clone();
        let is_v5 = self.connections[&number].version == Version::V5;
        if publish.qos > 0 && is_v5 {
            // [MQTT-3.3.4-8] More than the server's Receive Maximum.
            let connection = self.connection(number);
            connection.unanswered += 1;
            if connection.unanswered > self.choices.capabilities.receive_maximum {
                self.close(number, &[0x93], "MQTT-3.3.4-8", LastWill::Publish);
                return;
            }
        }
        let Some(topic) = self.resolve_alias(number, publish) else { return };
        if let (2, Some(packet_id)) = (publish.qos, publish.packet_id) {
            // [MQTT-4.3.3-10] Until it is released it is the same message again: answered, and not delivered again.
            if self.session_of(number).received.contains(&packet_id) {
                let reasons = if is_v5 { vec![0x00, 0x10] } else { vec![0x00] };
                self.reply(number, Reply::PubRec(packet_id, reasons));
                return;
            }
            self.session_of(number).received.insert(packet_id);
        }
        let message = Message {
            publication: 0,
            publisher,
            topic,
            qos: publish.qos,
            retain: publish.retain,
            expires_at: publish.message_expiry_interval_s.map(|seconds| self.now.after_s(seconds)),
            properties: publish.properties.clone(),
            payload: publish.payload.clone(),
        };
        let reasons = self.publish_message(message);
        let reasons = if is_v5 { reasons } else { vec![0x00] };
        match (publish.qos, publish.packet_id) {
            (1, Some(packet_id)) => {
                self.answered(number);
                self.reply(number, Reply::PubAck(packet_id, reasons));
            }
            (2, Some(packet_id)) => self.reply(number, Reply::PubRec(packet_id, reasons)),
            _ => {}
        }
    }

    /// PUBACK or PUBCOMP went out: one message less is unanswered, but never fewer than none [4.9].
    pub(super) fn answered(&mut self, number: ConnectionNumber) {
        let connection = self.connection(number);
        connection.unanswered = connection.unanswered.saturating_sub(1);
    }

    /// The topic of a client's PUBLISH; `None` where its alias is wrong and the connection has to be closed.
    fn resolve_alias(&mut self, number: ConnectionNumber, publish: &Publish) -> Option<String> {
        let Some(alias) = publish.topic_alias else { return Some(publish.topic.clone()) };
        let maximum = self.choices.capabilities.topic_alias_maximum;
        if alias == 0 || alias > maximum {
            self.close(number, &[0x94], "MQTT-3.3.2-9", LastWill::Publish);
            return None;
        }
        let aliases = &mut self.connection(number).aliases_to_server;
        if !publish.topic.is_empty() {
            aliases.insert(alias, publish.topic.clone());
            return Some(publish.topic.clone());
        }
        let known = aliases.get(&alias).cloned();
        if known.is_none() {
            // [3.3.4] An empty topic and an alias that stands for nothing: a Protocol Error.
            self.close(number, &[0x82, 0x94], "3.3.4", LastWill::Publish);
        }
        known
    }

    /// Keeps a message as retained, and owes it to every session that subscribed to it. Returns the reason codes that
    /// may say so to the publisher.
    pub(super) fn publish_message(&mut self, message: Message) -> Vec<u8> {
        self.publications += 1;
        let message = Message { publication: self.publications, ..message };
        if message.retain {
            if message.payload.is_empty() {
                self.retained.remove(&message.topic); // [MQTT-3.3.1-6]
            } else {
                self.retained.insert(message.topic.clone(), message.clone()); // [MQTT-3.3.1-5]
            }
        }
        let mut receivers = 0;
        let mut left_out = 0;
        for (client_id, session) in &mut self.sessions {
            let matching = matching_subscriptions(session, &message.topic);
            let is_own = *client_id == message.publisher;
            let (own, others): (Vec<_>, Vec<_>) = matching
                .into_iter()
                .partition(|filter| is_own && session.subscriptions[filter].subscription.no_local); // [MQTT-3.8.3-3]
            left_out += own.len();
            if !others.is_empty() {
                receivers += 1;
                let owed = one_copy(session, &message, &others);
                session.owed.push(owed);
            }
        }
        receivers += self.publish_to_groups(&message);
        match (receivers, left_out) {
            // "No matching subscribers" is the server's to say or not [table 3-4]; this one always does.
            (0, 0) => vec![0x10],
            (0, _) => vec![0x00, 0x10],
            _ => vec![0x00],
        }
    }
}

fn matching_subscriptions(session: &Session, name: &str) -> Vec<String> {
    let filters = session.subscriptions.keys();
    filters
        .filter(|filter| topic::shared(filter).is_none() && topic::matches(filter, name))
        .cloned()
        .collect()
}

/// Overlapping subscriptions give one copy, with the highest of their QoS [MQTT-3.3.4-2] and all their identifiers
/// [MQTT-3.3.4-4]. The standard would allow one copy each; this server sends one.
fn one_copy(session: &Session, message: &Message, filters: &[String]) -> Owed {
    let held: Vec<_> = filters.iter().map(|filter| &session.subscriptions[filter]).collect();
    let granted = held.iter().map(|held| held.subscription.qos).max().unwrap_or(0);
    let qos = message.qos.min(granted); // [MQTT-3.8.4-8]
    // Where they differ the standard says nothing; here one that asks for it is enough.
    let retain = message.retain && held.iter().any(|held| held.subscription.retain_as_published);
    let mut identifiers: Vec<u32> = held.iter().filter_map(|held| held.identifier).collect();
    identifiers.sort_unstable();
    Owed {
        message: message.clone(),
        qos,
        retain: vec![retain],
        identifiers,
        filters: filters.iter().cloned().collect(),
        groups: Vec::new(),
        is_retained_copy: false,
        may_be_dropped: qos == 0 && session.connection.is_none(),
    }
}
