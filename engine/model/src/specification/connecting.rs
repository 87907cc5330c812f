//! CONNECT, DISCONNECT, Keep Alive, the life of sessions, and Will Messages [3.1, 3.2, 3.14, 4.1].

use std::collections::{BTreeMap, VecDeque};

use super::packet::{ConnAck, Connect, Version, Will};
use super::session::Message;
use super::{Connection, ConnectionNumber, Model, Reply, Stage, Time, Violation};

/// A Session Expiry Interval that never ends [3.1.2.11.2].
const NEVER: u32 = u32::MAX;

/// What becomes of the Will Message when a connection ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum LastWill {
    Publish,
    Discard,
}

impl Model {
    pub(super) fn connect(&mut self, number: ConnectionNumber, connect: &Connect) {
        if self.connections.contains_key(&number) {
            // [MQTT-3.1.0-2] A second CONNECT is a Protocol Error.
            self.close(number, &[0x82], "MQTT-3.1.0-2", LastWill::Publish);
            return;
        }
        let assigns = connect.client_id.is_empty();
        let client_id = if assigns { self.assign_client_id() } else { connect.client_id.clone() };

        // [MQTT-3.1.4-3] The connection that this client has already is closed. With it goes a session that was not to
        // outlive it [3.1.2.11.2].
        if let Some(old) = self.sessions.get(&client_id).and_then(|session| session.connection) {
            self.close(old, &[0x8E], "MQTT-3.1.4-3", LastWill::Publish);
        }
        // [MQTT-3.1.2-4] Clean Start ends what there was.
        if connect.clean_start {
            self.end_session(&client_id);
        }
        let session_present = self.sessions.contains_key(&client_id);
        let session = self.sessions.entry(client_id.clone()).or_default();
        session.ends_at = None;
        // [MQTT-3.1.3-9] The client is back before the Will Delay Interval has passed: the will is not published.
        session.will_due_at = None;
        session.will.clone_from(&connect.will);
        session.connection = Some(number);
        let asked_expiry_s = match connect.version {
            Version::V5 => connect.session_expiry_interval_s.unwrap_or(0),
            // Clean Session: the state ends with the connection. Otherwise it is kept after it [3.1.2.4 of 3.1.1].
            Version::V3_1_1 if connect.clean_start => 0,
            Version::V3_1_1 => NEVER,
        };
        let granted_expiry_s = asked_expiry_s.min(self.choices.max_session_expiry_interval_s);
        session.expiry_interval_s = granted_expiry_s;

        let receive_maximum = connect.receive_maximum.unwrap_or(u16::MAX).min(self.choices.max_in_flight);
        let asked_keep_alive_s = connect.keep_alive_s;
        let keep_alive_s = match (connect.version, self.choices.max_keep_alive_s) {
            (Version::V5, Some(max_s)) if asked_keep_alive_s == 0 => max_s,
            (Version::V5, Some(max_s)) => asked_keep_alive_s.min(max_s),
            _ => asked_keep_alive_s,
        };
        let reply = Reply::ConnAck {
            session_present,
            asked_expiry_s,
            granted_expiry_s,
            assigns: assigns && connect.version == Version::V5,
            asked_keep_alive_s,
        };
        let connection = Connection {
            version: connect.version,
            client_id,
            asked_expiry_s,
            stage: Stage::Open,
            replies: VecDeque::from([reply]),
            receive_maximum: usize::from(receive_maximum),
            maximum_packet_size: connect.maximum_packet_size.map_or(usize::MAX, |bytes| bytes as usize),
            topic_alias_maximum: connect.topic_alias_maximum,
            aliases_to_client: BTreeMap::new(),
            aliases_to_server: BTreeMap::new(),
            keep_alive_s,
            last_heard: self.now,
            unanswered: 0,
        };
        self.connections.insert(number, connection);
    }

    /// A name for a client that has none; the one that the server chose is known to that client alone.
    fn assign_client_id(&mut self) -> String {
        self.assigned += 1;
        format!("?{}", self.assigned)
    }

    /// Whether a CONNACK is the one that was asked for, and what follows from it.
    pub(super) fn sees_conn_ack(
        &mut self,
        number: ConnectionNumber,
        reply: &Reply,
        ack: &ConnAck,
    ) -> Result<(), Violation> {
        let Reply::ConnAck { session_present, asked_expiry_s, granted_expiry_s, assigns, asked_keep_alive_s } =
            reply
        else {
            return Err(Violation::new("CONNACK", "MQTT-3.2.0-2").allowing([reply.to_string()]));
        };
        let wrong = |what: &str, clause| Err(Violation::new(what, clause).allowing([reply.to_string()]));
        if ack.reason != 0 {
            return wrong("a refused connection", "MQTT-3.1.4-5");
        }
        if ack.session_present != *session_present {
            let clause = if *session_present { "MQTT-3.2.2-3" } else { "MQTT-3.2.2-2" };
            return wrong(&format!("CONNACK, session present {}", ack.session_present), clause);
        }
        let connection = self.connection(number);
        if connection.version == Version::V3_1_1 {
            return Ok(());
        }
        // [3.2.2.3.2] Where it is absent the server uses what the client asked for.
        if ack.session_expiry_interval_s.unwrap_or(*asked_expiry_s) != *granted_expiry_s {
            return wrong("CONNACK with another session expiry interval", "3.2.2.3.2");
        }
        if ack.assigned_client_identifier.is_some() != *assigns {
            return wrong("CONNACK with or without a client identifier", "MQTT-3.1.3-7");
        }
        // [MQTT-3.2.2-21] The server's Keep Alive replaces the client's.
        if ack.server_keep_alive_s.unwrap_or(*asked_keep_alive_s) != connection.keep_alive_s {
            let what = format!("CONNACK with keep alive {:?}", ack.server_keep_alive_s);
            return Err(Violation::new(what, "MQTT-3.2.2-22")
                .allowing([format!("CONNACK with keep alive {} s", connection.keep_alive_s)]));
        }
        if ack.capabilities != self.choices.capabilities {
            return wrong("CONNACK with capabilities unlike those of the first one", "3.2.2.3");
        }
        Ok(())
    }

    pub(super) fn disconnect(
        &mut self,
        number: ConnectionNumber,
        reason: u8,
        session_expiry_interval_s: Option<u32>,
    ) {
        let max_s = self.choices.max_session_expiry_interval_s;
        if let Some(asked_s) = session_expiry_interval_s {
            // [3.14.2.2.2] A session that CONNECT wanted to end with its connection cannot be kept: a Protocol Error.
            if self.connection(number).asked_expiry_s == 0 && asked_s != 0 {
                self.close(number, &[0x82], "3.14.2.2.2", LastWill::Publish);
                return;
            }
            self.session_of(number).expiry_interval_s = asked_s.min(max_s);
        }
        // [MQTT-3.14.4-3] Only a normal disconnection removes the will.
        let last_will = if reason == 0 { LastWill::Discard } else { LastWill::Publish };
        self.close(number, &[], "MQTT-3.14.4-2", last_will);
    }

    /// The server has to close a connection, saying one of these reasons where the client speaks MQTT 5.
    pub(super) fn close(
        &mut self,
        number: ConnectionNumber,
        reasons: &[u8],
        clause: &'static str,
        last_will: LastWill,
    ) {
        let connection = self.connection(number);
        if connection.stage != Stage::Open {
            return;
        }
        let reasons = if connection.version == Version::V5 { reasons.to_vec() } else { Vec::new() };
        connection.stage = Stage::Closing { reasons, clause };
        let client_id = connection.client_id.clone();
        self.end_connection(&client_id, last_will);
    }

    /// A session loses its connection.
    pub(super) fn end_connection(&mut self, client_id: &str, last_will: LastWill) {
        let now = self.now;
        let session = self.sessions.get_mut(client_id).expect("an open connection has a session");
        session.connection = None;
        // [4.1] QoS 0 messages that wait for a client that is away may be kept, and need not.
        session.owed.iter_mut().filter(|owed| owed.qos == 0).for_each(|owed| owed.may_be_dropped = true);
        self.parcels.iter_mut().for_each(|parcel| parcel.holder_is_away(client_id));
        let expiry_interval_s = session.expiry_interval_s;
        session.ends_at = match expiry_interval_s {
            NEVER => None,
            seconds => Some(now.after_s(seconds)), // [MQTT-3.1.2-23]
        };
        match (last_will, &session.will) {
            (LastWill::Discard, _) => session.will = None,
            (LastWill::Publish, None) => {}
            // [3.1.3.2.2] After the delay or at the end of the session, whichever happens first.
            (LastWill::Publish, Some(will)) => {
                let delay_s = will.delay_interval_s.min(expiry_interval_s);
                session.will_due_at = Some(now.after_s(delay_s));
            }
        }
        self.serve_due_session(client_id);
    }

    /// Ends a session, if there is one. Its will comes now if it still waits [MQTT-3.1.2-8].
    pub(super) fn end_session(&mut self, client_id: &str) {
        if self.sessions.get(client_id).is_some_and(|session| session.will_due_at.is_some()) {
            self.publish_will(client_id);
        }
        if let Some(ended) = self.sessions.remove(client_id) {
            self.member_left(client_id, Some(&ended));
        }
    }

    /// Does what is due now.
    pub(super) fn serve_due(&mut self) {
        let now = self.now;
        let silent = |connection: &Connection| connection.keep_alive_deadline().is_some_and(|due| due <= now);
        let silent: Vec<_> = self
            .connections
            .iter()
            .filter(|(_, connection)| silent(connection))
            .map(|(number, _)| *number)
            .collect();
        for number in silent {
            self.close(number, &[0x8D], "MQTT-3.1.2-22", LastWill::Publish);
        }
        let client_ids: Vec<_> = self.sessions.keys().cloned().collect();
        for client_id in client_ids {
            self.serve_due_session(&client_id);
        }
    }

    fn serve_due_session(&mut self, client_id: &str) {
        let now = self.now;
        let is_due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        if self.sessions.get(client_id).is_some_and(|session| is_due(session.will_due_at)) {
            self.publish_will(client_id);
        }
        if self.sessions.get(client_id).is_some_and(|session| is_due(session.ends_at)) {
            self.end_session(client_id);
        }
    }

    fn publish_will(&mut self, client_id: &str) {
        let session = self.sessions.get_mut(client_id).expect("the caller looked it up");
        session.will_due_at = None;
        let Some(will) = session.will.take() else { return };
        let message = will_message(client_id, will, self.now);
        self.publish_message(message);
    }
}

impl Connection {
    /// When the server has to give up a silent client: one and a half times the Keep Alive [MQTT-3.1.2-22].
    pub(super) fn keep_alive_deadline(&self) -> Option<Time> {
        let is_watched = self.keep_alive_s > 0 && self.stage == Stage::Open;
        is_watched.then(|| Time(self.last_heard.0 + u64::from(self.keep_alive_s) * 1500))
    }
}

/// The interval until a will expires begins with its publication [3.1.3.2.4].
fn will_message(client_id: &str, will: Will, now: Time) -> Message {
    Message {
        publication: 0,
        publisher: client_id.to_owned(),
        topic: will.topic,
        qos: will.qos,
        retain: will.retain,
        expires_at: will.message_expiry_interval_s.map(|seconds| now.after_s(seconds)),
        properties: will.properties,
        payload: will.payload,
    }
}
