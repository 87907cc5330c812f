//! Connections and sessions: open, take over, close, expire; and the wills that follow.
//!
//! A session belongs to the user whose client it was made for, since a client identifier is no secret: nobody else goes on
//! with it, whatever the rules allow [MQTT 5, sections 3.1.4 and 5.4.2]. While that user's client is connected, another user
//! with its client identifier is refused (0x85) and can't disturb it. While it is away the session ends, as by a Clean Start,
//! instead of keeping the client identifier from who comes next. An anonymous client proved nothing, so what it has gives way
//! to a user's in both cases.

use std::num::{NonZeroU16, NonZeroU32};
use std::time::Duration;

use indexmap::IndexSet;
use mayfly_wire::{Connect, Disconnect, ProtocolVersion, ReasonCode};

use super::accounting::Pressure;
use super::outbox::{ConnAckDetails, Item};
use super::permissions::Subject;
use super::publish::is_reserved_topic;
use super::routing::Publication;
use super::session::{HeldWill, Kind, NEVER, OpenConnection, Session, SessionKey};
use super::subscribe::parsed;
use super::{Broker, Timer};
use crate::authorization::Operation;
use crate::connection::LONGEST_PACKET;
use crate::identity::Identity;
use crate::machine::ConnectionId;

/// A client identifier, and the user name that it comes with.
type Names<'a> = (&'a str, Option<&'a str>);

/// What becomes of the Will Message when a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Will {
    /// It is published, at once or after its delay [MQTT-3.1.2-8].
    Publish,
    /// A normal disconnection removes it [MQTT-3.14.4-3].
    Discard,
}

impl Broker {
    pub(super) fn opened(
        &mut self,
        connection: ConnectionId,
        identity: Identity<'_>,
        entropy: u128,
        connect: &Connect<'_>,
    ) {
        if self.directory.by_connection.contains_key(&connection) {
            return; // A connection opens once: `Connection` refuses a second CONNECT.
        }
        let assigned =
            connect.client_id.is_empty().then(|| format!("mayfly-{entropy:032x}").into_boxed_str());
        let client_id = assigned.as_deref().unwrap_or(connect.client_id);
        let names = (client_id, identity.user_name);
        let subject = self.subject(identity, client_id);
        if let Err(reason) = self.admit(names, subject.as_deref(), connect) {
            self.outbox.push(connection, Item::ConnAck { session_present: false, reason, details: None });
            self.outbox.push(connection, Item::Close(reason));
            return;
        }
        let resumed = self.take_over(names, connect.clean_start);
        let key = resumed.unwrap_or_else(|| self.new_session(names));
        let asked_s = asked_expiry_interval_s(connect);
        let granted_s = asked_s.min(self.limits.max_session_expiry_interval_s);
        let will = self.hold_will(connect);
        self.set_subject(key, subject);
        let open = self.open_connection(connection, connect);
        let session = self.session(key);
        session.expiry_interval_s = granted_s;
        session.will = will;
        session.connection = Some(open);
        self.directory.by_connection.insert(connection, key);

        let details = Some(Box::new(ConnAckDetails {
            assigned_client_id: assigned,
            session_expiry_interval_s: (granted_s != asked_s).then_some(granted_s),
        }));
        let session_present = resumed.is_some();
        if session_present {
            self.revoke(key); // What is known of the user may have changed.
        }
        self.outbox.push(connection, Item::ConnAck { session_present, reason: ReasonCode::Success, details });
        self.resume(key);
    }

    /// Whether a client is let in. Changes nothing but counts.
    fn admit(
        &mut self,
        (client_id, user_name): Names<'_>,
        subject: Option<&Subject>,
        connect: &Connect<'_>,
    ) -> Result<(), ReasonCode> {
        if connect.will.as_ref().is_some_and(|will| is_reserved_topic(will.topic.as_str())) {
            return Err(ReasonCode::NotAuthorized);
        }
        if !self.may_open(subject, (client_id, user_name), connect) {
            self.counters.denied_connections += 1;
            return Err(ReasonCode::NotAuthorized);
        }
        let Some(&found) = self.directory.by_client_id.get(client_id) else {
            return if self.is_full_of_sessions() { Err(ReasonCode::QuotaExceeded) } else { Ok(()) };
        };
        let Session { connection, user_name: owner, .. } = &self.sessions[found.index()];
        if connection.is_some() && owner.is_some() && owner.as_deref() != user_name {
            self.counters.denied_connections += 1;
            return Err(ReasonCode::ClientIdentifierNotValid);
        }
        Ok(())
    }

    /// Whether there is no room for a further session.
    fn is_full_of_sessions(&self) -> bool {
        self.sessions.len() >= self.limits.max_sessions as usize || self.pressure() == Pressure::Full
    }

    /// The session under a client identifier, for its client to go on with. Ends the connection in use, if there is one
    /// [MQTT-3.1.4-3]. There is no session to go on with where it ended with that connection, where the client wants a
    /// clean start [MQTT-3.1.2-4], and where it was another user's: then it ends.
    fn take_over(&mut self, (client_id, user_name): Names<'_>, clean_start: bool) -> Option<SessionKey> {
        let key = *self.directory.by_client_id.get(client_id)?;
        let session = &self.sessions[key.index()];
        let is_anothers = session.user_name.as_deref() != user_name;
        let ends_with_connection = session.expiry_interval_s == 0;
        if let Some(old) = session.connection.as_ref().map(|connection| connection.id) {
            self.end_connection(key, Will::Publish);
            self.outbox.push(old, Item::Close(ReasonCode::SessionTakenOver));
            if ends_with_connection {
                return None;
            }
        }
        if clean_start || is_anothers {
            self.end_session(key);
            return None;
        }
        // The client is back: neither the will nor the end of the session comes now [MQTT-3.1.3-9].
        self.cancel_will(key);
        if let Some(expires_at) = self.session(key).expires_at.take() {
            self.timers.remove(&(expires_at, key, Timer::ExpireSession));
        }
        Some(key)
    }

    fn new_session(&mut self, (client_id, user_name): Names<'_>) -> SessionKey {
        let session = Session::new(client_id, user_name, self.hash_state.clone());
        self.ledger.session_texts += session.text_bytes();
        let index = self.sessions.insert(session);
        let key = SessionKey::from_index(u32::try_from(index).expect("memory ends before 2^32 sessions"));
        self.directory.by_client_id.insert(client_id.into(), key);
        key
    }

    fn open_connection(&self, id: ConnectionId, connect: &Connect<'_>) -> OpenConnection {
        let asked = &connect.properties;
        let receive_maximum = asked.receive_maximum.map_or(u16::MAX, NonZeroU16::get);
        let maximum_packet_size = asked.maximum_packet_size.map_or(u32::MAX, NonZeroU32::get);
        OpenConnection {
            id,
            version: connect.version,
            asked_to_last: asked_expiry_interval_s(connect) != 0,
            receive_maximum: receive_maximum.min(self.limits.max_in_flight.get()),
            maximum_packet_size: (maximum_packet_size as usize).min(LONGEST_PACKET),
            watched_keys: IndexSet::with_hasher(self.hash_state.clone()),
            to_resend: 0,
            in_flight_bytes: 0,
            max_in_flight_bytes: self.limits.max_in_flight_bytes as usize,
        }
    }

    fn hold_will(&mut self, connect: &Connect<'_>) -> Option<HeldWill> {
        let will = connect.will.as_ref()?;
        let message = self.messages.hold_will(will);
        self.ledger.session_texts += will.topic.as_str().len();
        let delay = Duration::from_secs(u64::from(will.properties.delay_interval_s.unwrap_or(0)));
        let expiry_interval_s = will.properties.message_expiry_interval_s;
        Some(HeldWill {
            topic: will.topic.as_str().into(),
            message,
            qos: will.qos,
            retain: will.retain,
            delay,
            expiry_interval_s,
        })
    }

    pub(super) fn disconnect(
        &mut self,
        key: SessionKey,
        connection: ConnectionId,
        disconnect: &Disconnect<'_>,
    ) {
        if let Some(asked_s) = disconnect.properties.session_expiry_interval_s {
            let granted_s = asked_s.min(self.limits.max_session_expiry_interval_s);
            let session = self.session(key);
            let asked_to_last =
                session.connection.as_ref().is_some_and(|connection| connection.asked_to_last);
            if !asked_to_last && asked_s != 0 {
                // A session that CONNECT wanted to end with its connection can't be extended, whatever this server would
                // grant [MQTT 5, section 3.14.2.2.2].
                self.condemn(connection, ReasonCode::ProtocolError);
                return;
            }
            session.expiry_interval_s = granted_s;
        }
        let wants_will = disconnect.reason != ReasonCode::Success;
        self.end_connection(key, if wants_will { Will::Publish } else { Will::Discard });
        self.outbox.push(connection, Item::Close(ReasonCode::Success));
    }

    pub(super) fn closed(&mut self, connection: ConnectionId) {
        if let Some(&key) = self.directory.by_connection.get(&connection) {
            self.end_connection(key, Will::Publish);
        }
    }

    pub(super) fn node_down(&mut self, node: u64) {
        self.ledger.connections_hold(node, 0);
        let on_node = |connection: &&ConnectionId| connection.node == node;
        let mut connections: Vec<_> = self.directory.by_connection.keys().filter(on_node).copied().collect();
        // In an order that does not depend on which connections ended before.
        connections.sort_unstable();
        for connection in connections {
            self.closed(connection);
        }
    }

    /// Takes the connection from its session, with all that belongs to it; ends the session too if it has no life
    /// beyond its connection.
    pub(super) fn end_connection(&mut self, key: SessionKey, will: Will) {
        let session = &mut self.sessions[key.index()];
        let connection = session.connection.take().expect("only an open connection ends");
        self.directory.by_connection.swap_remove(&connection.id);
        for watched in &connection.watched_keys {
            self.unregister(watched, key);
        }
        self.interrupt_retained(key);
        let fleeting = self.sessions[key.index()].queue.drop_fleeting(&mut self.messages);
        self.counters.dropped.connection_ended += fleeting;
        let expiry_interval_s = self.session(key).expiry_interval_s;
        match will {
            Will::Publish => self.schedule_will(key),
            Will::Discard => self.cancel_will(key),
        }
        match expiry_interval_s {
            0 => {
                self.end_session(key);
            }
            NEVER => {}
            seconds => {
                let expires_at = self.now.monotonic.after(Duration::from_secs(u64::from(seconds)));
                self.session(key).expires_at = Some(expires_at);
                self.timers.insert((expires_at, key, Timer::ExpireSession));
            }
        }
    }

    fn schedule_will(&mut self, key: SessionKey) {
        let now = self.now.monotonic;
        let session = self.session(key);
        let Some(delay) = session.will.as_ref().map(|will| will.delay) else { return };
        if delay.is_zero() {
            self.publish_will(key);
        } else {
            let due_at = now.after(delay);
            session.will_due_at = Some(due_at);
            self.timers.insert((due_at, key, Timer::PublishWill));
        }
    }

    fn cancel_will(&mut self, key: SessionKey) {
        if let Some(will) = self.take_will(key) {
            self.messages.release(will.message);
        }
    }

    /// Publishes the will of a session, if there is one. Returns how many clients it was for.
    pub(super) fn publish_will(&mut self, key: SessionKey) -> usize {
        let Some(will) = self.take_will(key) else { return 0 };
        if let Some(interval_s) = will.expiry_interval_s {
            self.messages.start_expiry(will.message, self.now.wall, interval_s);
        }
        let mut receivers = 0;
        if self.may(key, Operation::Publish(&will.topic)) {
            if will.retain {
                self.retain(Some(key), will.message, will.qos);
            }
            let routed = self.route(Publication {
                publisher: Some(key),
                topic: &will.topic,
                message: will.message,
                qos: will.qos,
                retain: will.retain,
                kind: Kind::Published,
                only_for: None,
            });
            receivers = routed.receivers;
        } else {
            self.counters.denied_publications += 1; // The rules have changed since it was accepted.
        }
        self.messages.release(will.message);
        receivers
    }

    fn take_will(&mut self, key: SessionKey) -> Option<HeldWill> {
        let session = self.session(key);
        let due_at = session.will_due_at.take();
        let will = session.will.take();
        if let Some(due_at) = due_at {
            self.timers.remove(&(due_at, key, Timer::PublishWill));
        }
        self.ledger.session_texts -= will.as_ref().map_or(0, |will| will.topic.len());
        will
    }

    /// Ends a session whose client is away, and publishes the will that still waits [MQTT-3.1.2-10]. Returns how much ended
    /// with it.
    pub(super) fn end_session(&mut self, key: SessionKey) -> usize {
        let receivers = self.publish_will(key);
        let session = self.sessions.remove(key.index());
        assert!(session.connection.is_none(), "a session ends after its connection");
        self.directory.by_client_id.swap_remove(&*session.client_id);
        self.ledger.session_texts -= session.text_bytes();
        self.ledger.unsettled -= session.unsettled_requests.len();
        self.ledger.unreleased -= session.unreleased.len();
        self.ledger.released -= session.window.released().count();
        self.ledger.search_bytes -= session.awaited.as_ref().map_or(0, |awaited| awaited.bytes());
        for filter in &session.filters {
            self.end_subscription(key, parsed(filter));
        }
        if let Some(expires_at) = session.expires_at {
            self.timers.remove(&(expires_at, key, Timer::ExpireSession));
        }
        session.unsettled_requests.values().for_each(|request| self.replays.settle(*request));
        let requests = session.unsettled_requests.len();
        let work = receivers + session.filters.len() + requests + session.window.len() + session.queue.len();
        for (message, qos) in session.window.messages() {
            self.give_up(message, qos, true);
        }
        for queued in session.queue.into_entries() {
            self.give_up(queued.message, queued.qos, false);
        }
        work
    }
}

/// The Session Expiry Interval that a CONNECT asks for. MQTT 3.1.1 knows only sessions that end with their connection
/// and sessions that never do.
fn asked_expiry_interval_s(connect: &Connect<'_>) -> u32 {
    match connect.version {
        ProtocolVersion::V5 => connect.properties.session_expiry_interval_s.unwrap_or(0),
        ProtocolVersion::V3_1_1 if connect.clean_start => 0,
        ProtocolVersion::V3_1_1 => NEVER,
    }
}
