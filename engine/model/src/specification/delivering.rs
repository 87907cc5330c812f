//! Whether the PUBLISH packets that a client saw are those that it is owed, and whether one is missing [4.3 to 4.6, 4.9].

use super::packet::{Publish, Version};
use super::session::{InFlight, Owed, Session};
use super::{Connection, ConnectionNumber, Model, Reply, Time, Violation};

impl Model {
    pub(super) fn sees_publish(
        &mut self,
        number: ConnectionNumber,
        publish: &Publish,
    ) -> Result<(), Violation> {
        let now = self.now;
        let connection = self.connections.get_mut(&number).expect("the caller looked it up");
        if matches!(connection.replies.front(), Some(Reply::ConnAck { .. })) {
            return Err(Violation::new("PUBLISH before CONNACK", "MQTT-3.2.0-1"));
        }
        let topic = connection.resolve_alias(publish)?;
        let session = self.sessions.get_mut(&connection.client_id).expect("an open connection has a session");
        match (publish.dup, publish.packet_id) {
            (true, None) => Err(Violation::new("QoS 0 with DUP", "MQTT-3.3.1-2")),
            (true, Some(packet_id)) => {
                session.sees_again(number, connection, publish, packet_id, &topic, now)
            }
            (false, _) => {
                let verdict = session.sees_first(number, connection, publish, &topic, now);
                if verdict.is_err() && self.sees_shared(number, publish, &topic)? { Ok(()) } else { verdict }
            }
        }
    }

    /// Nothing may be missing that the server had no reason to hold back. It says when: a client that takes everything
    /// at once is owed everything at once.
    pub(super) fn settle_deliveries(&mut self) -> Result<(), Violation> {
        let now = self.now;
        for session in self.sessions.values_mut() {
            // [MQTT-3.3.2-5] What has expired before it was sent is not sent any more.
            session.owed.retain(|owed| !owed.is_expired(now));
            // A retained message that was replaced or deleted while it waited need not be sent.
            for owed in session.owed.iter_mut().filter(|owed| owed.is_retained_copy) {
                owed.may_be_dropped |= self.retained.get(&owed.message.topic) != Some(&owed.message);
            }
            let Some(number) = session.connection else { continue };
            session.settle(number, &self.connections[&number], now)?;
        }
        Ok(())
    }
}

impl Connection {
    /// The topic of a PUBLISH to the client [3.3.2.3.4].
    fn resolve_alias(&mut self, publish: &Publish) -> Result<String, Violation> {
        match publish.topic_alias {
            None => Ok(publish.topic.clone()),
            Some(alias) if alias == 0 || alias > self.topic_alias_maximum => {
                Err(Violation::new(format!("topic alias {alias}"), "MQTT-3.1.2-26"))
            }
            Some(alias) if publish.topic.is_empty() => self
                .aliases_to_client
                .get(&alias)
                .cloned()
                .ok_or_else(|| Violation::new(format!("topic alias {alias}, never set"), "3.3.2.3.4")),
            Some(alias) => {
                self.aliases_to_client.insert(alias, publish.topic.clone());
                Ok(publish.topic.clone())
            }
        }
    }

    pub(super) fn is_too_large(&self, owed: &Owed) -> bool {
        owed.len(self.version) > self.maximum_packet_size
    }
}

impl Session {
    /// A PUBLISH that the client was sent before, on an earlier connection [MQTT-4.4.0-1].
    fn sees_again(
        &mut self,
        number: ConnectionNumber,
        connection: &Connection,
        publish: &Publish,
        packet_id: u16,
        topic: &str,
        now: Time,
    ) -> Result<(), Violation> {
        let Some(found) = self.in_flight.iter().position(|sent| sent.packet_id == packet_id) else {
            return Err(Violation::new(
                format!("DUP with packet identifier {packet_id}, which is not in flight"),
                "MQTT-3.3.1-1",
            ));
        };
        let sent = &self.in_flight[found];
        if sent.is_released {
            return Err(Violation::new("PUBLISH again after PUBREC", "MQTT-4.3.3-6"));
        }
        if sent.published_on == number {
            return Err(Violation::new("PUBLISH again on the same connection", "MQTT-4.4.0-1"));
        }
        if let Some(difference) = sent.owed.difference(publish, topic, connection.version, now) {
            return Err(Violation::new(format!("a PUBLISH again, with {difference}"), "4.4")
                .allowing([sent.owed.describe(now)]));
        }
        // [MQTT-4.6.0-1] In the order of first sending. One before it may have been given up.
        let before = self.in_flight[..found].iter().filter(|sent| sent.waits_to_be_resent(number));
        let skipped: Vec<&InFlight> = before
            .filter(|sent| !sent.owed.may_be_dropped && !may_be_given_up(&sent.owed, connection, now))
            .collect();
        if let Some(first) = skipped.first() {
            return Err(Violation::new("messages are sent again in another order", "MQTT-4.6.0-1")
                .allowing([first.owed.describe(now)]));
        }
        self.check_window(number, connection)?;
        let sent = &mut self.in_flight[found];
        (sent.published_on, sent.sent_on) = (number, number);
        let mut position = 0;
        self.in_flight.retain(|sent| {
            position += 1;
            position > found || !sent.waits_to_be_resent(number)
        });
        Ok(())
    }

    /// A PUBLISH that the client was not sent before.
    fn sees_first(
        &mut self,
        number: ConnectionNumber,
        connection: &Connection,
        publish: &Publish,
        topic: &str,
        now: Time,
    ) -> Result<(), Violation> {
        let is_it = |owed: &Owed| owed.difference(publish, topic, connection.version, now).is_none();
        let mut alike: Vec<usize> = (0..self.owed.len()).filter(|index| is_it(&self.owed[*index])).collect();
        // First the copies that have to come.
        alike.sort_by_key(|index| self.owed[*index].may_be_dropped);
        let Some(&first) = alike.first() else {
            return Err(self.nothing_like_it(publish, topic, connection.version, now));
        };
        let in_order = |index: &usize| self.check_order(*index, number, connection, now).is_ok();
        let found = alike.iter().copied().find(in_order).unwrap_or(first);
        self.check_order(found, number, connection, now)?;
        if let Some(packet_id) = publish.packet_id {
            self.check_packet_id(packet_id)?;
            self.check_window(number, connection)?;
        }
        // Those that it overtook were dropped.
        let owed = self.owed.remove(found);
        let mut position = 0;
        self.owed.retain(|earlier| {
            position += 1;
            position > found || !owed.comes_after(earlier) || owed.looks_like(earlier)
        });
        if let Some(packet_id) = publish.packet_id {
            self.in_flight.push(InFlight {
                packet_id,
                owed: Owed { may_be_dropped: false, ..owed },
                is_released: false,
                published_on: number,
                sent_on: number,
                is_certainly_shared: false,
            });
        }
        Ok(())
    }

    /// Whether a message that waits may be sent now, before the others that wait.
    fn check_order(
        &self,
        index: usize,
        number: ConnectionNumber,
        connection: &Connection,
        now: Time,
    ) -> Result<(), Violation> {
        let owed = &self.owed[index];
        if owed.is_expired(now) {
            return Err(Violation::new("a message whose expiry interval has passed", "MQTT-3.3.2-5"));
        }
        let waiting = self.owed[..index].iter().filter(|earlier| !earlier.may_be_dropped);
        let unsent = self.in_flight.iter().filter(|sent| sent.waits_to_be_resent(number));
        let unsent = unsent.map(|sent| &sent.owed).filter(|earlier| !earlier.may_be_dropped);
        let mut earlier = unsent.chain(waiting);
        let overtaken =
            earlier.find(|earlier| owed.comes_after(earlier) && !may_be_given_up(earlier, connection, now));
        match overtaken {
            None => Ok(()),
            Some(overtaken) => {
                Err(Violation::new(format!("out of order: {}", owed.describe(now)), "MQTT-4.6.0-5")
                    .allowing([overtaken.describe(now)]))
            }
        }
    }

    /// [MQTT-2.2.1-4] A packet identifier that is not in use.
    pub(super) fn check_packet_id(&self, packet_id: u16) -> Result<(), Violation> {
        if self.in_flight.iter().all(|sent| sent.packet_id != packet_id) {
            return Ok(());
        }
        let what = format!("packet identifier {packet_id} is given again while it is in flight");
        Err(Violation::new(what, "MQTT-2.2.1-4"))
    }

    /// [MQTT-3.3.4-9] No more than Receive Maximum unacknowledged. It counts from anew on each connection [4.9].
    pub(super) fn check_window(
        &self,
        number: ConnectionNumber,
        connection: &Connection,
    ) -> Result<(), Violation> {
        if self.published_on(number) < connection.receive_maximum {
            return Ok(());
        }
        let what = format!(
            "more unacknowledged messages than the Receive Maximum of {}",
            connection.receive_maximum
        );
        Err(Violation::new(what, "MQTT-3.3.4-9"))
    }

    fn published_on(&self, number: ConnectionNumber) -> usize {
        self.in_flight.iter().filter(|sent| sent.published_on == number).count()
    }

    fn nothing_like_it(&self, publish: &Publish, topic: &str, version: Version, now: Time) -> Violation {
        let in_flight = self.in_flight.iter().map(|sent| &sent.owed);
        if in_flight.clone().any(|owed| owed.difference(publish, topic, version, now).is_none()) {
            return Violation::new(
                "a message that is in flight already, again and without DUP",
                "MQTT-3.3.1-1",
            );
        }
        let differing = self.owed.iter().map(|owed| {
            let difference = owed.difference(publish, topic, version, now).unwrap_or("nothing");
            format!("{}; what came has {difference}", owed.describe(now))
        });
        Violation::new("a message that the client is not owed", "4.3").allowing(differing)
    }

    /// Whether nothing keeps the server from sending one more QoS 1 or 2 message.
    pub(super) fn has_room(&self, number: ConnectionNumber, connection: &Connection) -> bool {
        // A message that the client released on an earlier connection may take room in the window or not: the standard
        // counts PUBLISH packets, and lets PUBCOMP give room back [4.9].
        let lingering = self.in_flight.iter().filter(|sent| sent.is_released && sent.published_on != number);
        self.published_on(number) + lingering.count() < connection.receive_maximum
    }

    fn settle(
        &mut self,
        number: ConnectionNumber,
        connection: &Connection,
        now: Time,
    ) -> Result<(), Violation> {
        let has_room = self.has_room(number, connection);
        // [MQTT-4.9.0-3] PUBREL does not wait for room.
        if let Some(sent) = self.in_flight.iter().find(|sent| sent.is_released && sent.sent_on != number) {
            let missing = format!("PUBREL {} again", sent.packet_id);
            return Err(Violation::on(number, "a PUBREL is missing", "MQTT-4.4.0-1").allowing([missing]));
        }
        for sent in self.in_flight.iter_mut().filter(|sent| sent.waits_to_be_resent(number)) {
            sent.owed.may_be_dropped |= may_be_given_up(&sent.owed, connection, now);
        }
        if has_room {
            // What was given up is no longer in flight.
            self.in_flight.retain(|sent| !sent.waits_to_be_resent(number) || !sent.owed.may_be_dropped);
            if let Some(sent) = self.in_flight.iter().find(|sent| sent.waits_to_be_resent(number)) {
                return Err(Violation::on(number, "a message is not sent again", "MQTT-4.4.0-1")
                    .allowing([format!("{}, with DUP", sent.owed.describe(now))]));
            }
        }
        for owed in &mut self.owed {
            // [MQTT-3.1.2-25] What is too large is dropped, now or when its turn comes.
            owed.may_be_dropped |= may_be_given_up(owed, connection, now);
        }
        self.retained_may_wait &= !has_room;
        let may_wait = |owed: &Owed| !has_room && (owed.qos > 0 || self.retained_may_wait);
        self.owed.retain(|owed| !owed.may_be_dropped || may_wait(owed));
        if let Some(owed) = self.owed.iter().find(|owed| !may_wait(owed)) {
            return Err(Violation::on(
                number,
                "a message is missing",
                if owed.qos == 0 { "4.3.1" } else { "4.5" },
            )
            .allowing([owed.describe(now)]));
        }
        Ok(())
    }
}

impl InFlight {
    /// Whether a PUBLISH has to be sent again on this connection and was not yet.
    fn waits_to_be_resent(&self, number: ConnectionNumber) -> bool {
        !self.is_released && self.published_on != number
    }
}

/// Whether a server may give up a message that it has to send: it is too large for this connection [MQTT-3.1.2-25]; or
/// it has expired, where the standard says both that it is sent again [MQTT-4.4.0-1] and what use that is to nobody.
pub(super) fn may_be_given_up(owed: &Owed, connection: &Connection, now: Time) -> bool {
    connection.is_too_large(owed) || owed.may_expire(now)
}
