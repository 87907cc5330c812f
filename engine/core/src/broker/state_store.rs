//! The state store over MQTT: requests, their responses, and notifications of changes.
//!
//! A request is a QoS 1 PUBLISH to [`REQUEST_TOPIC`](crate::REQUEST_TOPIC). It is executed where it arrives and never
//! routed; the response is routed like any other message to the Response Topic. It goes to others than the requester only
//! where the requester may publish there itself: the store must not become a way around authorization.

use std::io::Write;
use std::time::Duration;

use foldhash::fast::FixedState;
use indexmap::IndexSet;
use mayfly_wire::resp3::{self, Reply};
use mayfly_wire::{
    Hlc, PacketId, ProtocolVersion, Publish, PublishProperties, QoS, ReasonCode, TopicName, UserProperties,
};

use super::accounting::Pressure;
use super::messages::MessageId;
use super::publish::is_reserved_topic;
use super::replay::{DEFAULT_RETENTION, RequestId};
use super::room;
use super::routing::Publication;
use super::session::{Kind, SessionKey};
use super::{Broker, MAX_DUE_WORK_PER_INPUT};
use crate::authorization::Operation;
use crate::machine::ConnectionId;
use crate::store::{
    Command, Condition, Context, ENTRY_COST, NOTIFY_TOPIC_PREFIX, Outcome, REQUEST_TOPIC, Room, ServiceError,
    Version,
};

/// `__stat` of every response; a failed command says so in its payload.
const STATUS: (&str, &str) = ("__stat", "200");
const TIMESTAMP: &str = "__ts";
const FENCING_TOKEN: &str = "__ft";

/// The longest topic name in bytes [MQTT-1.5.4].
const MAX_TOPIC_LEN: usize = u16::MAX as usize;
/// What stands around a value in a response or notification is no longer than this, in bytes.
pub(super) const MAX_FRAMING: usize = 64;

/// What stands between client and key in a notification's topic.
const NOTIFY_INFIX: &str = "/command/notify/";

/// A request that can be answered.
pub(super) struct Request<'a> {
    pub(super) requester: SessionKey,
    pub(super) response_topic: &'a str,
    pub(super) correlation_data: &'a [u8],
    payload: &'a [u8],
    timestamp: Option<&'a str>,
    fencing_token: Option<&'a str>,
    message_expiry_interval_s: Option<u32>,
}

impl Broker {
    pub(super) fn request(&mut self, key: SessionKey, connection: ConnectionId, publish: &Publish<'_>) {
        let properties = &publish.properties;
        let response_topic = properties.response_topic.map(TopicName::as_str);
        if response_topic
            .is_some_and(|topic| topic == REQUEST_TOPIC || topic.starts_with(NOTIFY_TOPIC_PREFIX))
        {
            self.counters.requests_refused += 1;
            self.condemn(connection, ReasonCode::TopicNameInvalid);
            return;
        }
        let is_v5 = self.version(key) == ProtocolVersion::V5;
        let is_expired = properties.message_expiry_interval_s == Some(0);
        let (reason, request) = match (response_topic, properties.correlation_data) {
            _ if is_v5 && publish.qos == QoS::ExactlyOnce => (ReasonCode::ImplementationSpecificError, None),
            // Not answerable: MQTT 3.1.1 has no Response Topic, and a QoS 0 request no acknowledgement.
            _ if !is_v5 || publish.qos == QoS::AtMostOnce || is_expired => (ReasonCode::Success, None),
            // Whatever the rules say: nobody but the server publishes there.
            (Some(response_topic), _) if is_reserved_topic(response_topic) => {
                (ReasonCode::NotAuthorized, None)
            }
            (Some(response_topic), _) if !self.may_receive(key, response_topic) => {
                self.counters.denied_requests += 1;
                (ReasonCode::NotAuthorized, None)
            }
            (Some(response_topic), Some(correlation_data)) => {
                let request = Request::new(key, publish, response_topic, correlation_data);
                (ReasonCode::Success, Some(request))
            }
            _ => (ReasonCode::ImplementationSpecificError, None),
        };
        self.answer_publish(key, connection, publish, reason);
        if let Some(request) = request {
            self.execute_once(key, publish.packet_id, &request);
        } else {
            self.identifier_used(key, publish.packet_id, None);
            self.counters.requests_refused += 1;
        }
    }

    /// Executes a request, or answers it from memory if it is a replay.
    fn execute_once(&mut self, session: SessionKey, packet_id: Option<PacketId>, request: &Request<'_>) {
        let command = match Command::parse(request.payload) {
            Ok(command) => command,
            Err(error) => {
                self.identifier_used(session, packet_id, None);
                self.counters.requests_malformed += 1;
                return self.respond(request, Outcome::Failed(error));
            }
        };
        match command {
            Command::Get { key } => return self.get(request, packet_id, key),
            Command::Scan { pattern, token } => return self.scan(request, packet_id, (pattern, token)),
            _ => {}
        }
        let client_id = &self.sessions[session.index()].client_id;
        let id = RequestId::new(
            client_id,
            request.correlation_data,
            request.payload,
            request.timestamp,
            request.fencing_token,
        );
        self.identifier_used(session, packet_id, Some(id));
        let now = self.now.monotonic;
        if let Some(outcome) = self.replays.recall(id, now) {
            self.counters.requests_replayed += 1;
            return self.respond(request, outcome);
        }
        // Only now: what was executed under other rules was executed.
        if self.is_denied(request, &command) {
            return;
        }
        let outcome = self.execute(session, &command, request).unwrap_or_else(Outcome::Failed);
        let forget_at = now.after(request.retention());
        let bound = self.limits.max_remembered_requests;
        self.counters.replays_displaced += self.replays.remember(id, outcome, (now, forget_at), bound);
        self.respond_first(request, &command, outcome);
    }

    /// Whether the rules allow a command that changes nothing. A replay of it is executed again, and answered with what is
    /// there then.
    pub(super) fn may_read(
        &mut self,
        request: &Request<'_>,
        packet_id: Option<PacketId>,
        command: &Command<'_>,
    ) -> bool {
        self.identifier_used(request.requester, packet_id, None);
        !self.is_denied(request, command)
    }

    /// Whether the rules do not allow a request; it is answered then.
    fn is_denied(&mut self, request: &Request<'_>, command: &Command<'_>) -> bool {
        let is_denied = !self.may_execute(request.requester, command);
        if is_denied {
            self.respond_first(request, command, Outcome::Failed(ServiceError::NotAuthorized));
        }
        is_denied
    }

    /// Notes what a packet identifier stands for from now on: a request that is remembered, or anything else. What it
    /// stood for before, the client has the PUBACK of [MQTT-2.2.1-4], unless it is the same request again.
    pub(super) fn identifier_used(
        &mut self,
        session: SessionKey,
        packet_id: Option<PacketId>,
        request: Option<RequestId>,
    ) {
        let Some(packet_id) = packet_id else { return };
        let unsettled = &mut self.sessions[session.index()].unsettled_requests;
        let before = match request {
            Some(request) => unsettled.insert(packet_id, request),
            None => unsettled.swap_remove(&packet_id),
        };
        if let Some(room) = room::spare(unsettled.len(), unsettled.capacity()) {
            unsettled.shrink_to(room);
        }
        self.ledger.unsettled += usize::from(request.is_some());
        self.ledger.unsettled -= usize::from(before.is_some());
        if let Some(before) = before
            && request != Some(before)
        {
            self.replays.settle(before);
        }
    }

    /// Executes a command that changes keys or registrations, and notifies.
    fn execute(
        &mut self,
        session: SessionKey,
        command: &Command<'_>,
        request: &Request<'_>,
    ) -> Result<Outcome<'static>, ServiceError> {
        let context = self.context(request)?;
        self.expire(command.key());
        let outcome = match *command {
            Command::Set { .. } if context.timestamp.is_none() => return Err(ServiceError::MissingTimestamp),
            Command::Set { key, value, condition, expiry } => {
                self.set(&context, (key, value), condition, expiry)?
            }
            Command::Get { .. } | Command::Scan { .. } => {
                unreachable!("what changes nothing is answered elsewhere")
            }
            Command::Del { key } => self.store.delete(&context, key, None)?,
            Command::Vdel { key, value } => self.store.delete(&context, key, Some(value))?,
            Command::KeyNotify { key, stop: false } => self.watch(session, key)?,
            Command::KeyNotify { key, stop: true } => self.unwatch(session, key),
        };
        match (*command, outcome) {
            (Command::Set { key, value, .. }, Outcome::Stored(version)) => {
                self.notify(key, Some(value), version);
            }
            (Command::Del { key } | Command::Vdel { key, .. }, Outcome::Deleted(version)) => {
                self.notify(key, None, version);
            }
            _ => {}
        }
        Ok(outcome)
    }

    /// SET. Before it is refused for want of room, keys whose time is over make room for it: so much that a crowd of them
    /// does not hold up what comes behind, and so much more as it takes itself.
    fn set(
        &mut self,
        context: &Context<'_>,
        (key, value): (&[u8], &[u8]),
        condition: Condition,
        expiry: Option<Duration>,
    ) -> Result<Outcome<'static>, ServiceError> {
        let most = MAX_DUE_WORK_PER_INPUT + (key.len() + value.len()) / ENTRY_COST;
        let mut work = 0;
        loop {
            let room = self.room_in_store();
            let outcome = self.store.set(context, (key, value), condition, expiry, room);
            if work >= most || outcome != Err(ServiceError::QuotaExceeded) {
                return outcome;
            }
            let Some(done) = self.expire_next() else { return outcome };
            work += done;
        }
    }

    /// How many keys the store may have, and how many bytes.
    fn room_in_store(&self) -> Room {
        let max_bytes = match self.pressure() {
            Pressure::Full => 0,
            _ => usize::try_from(self.limits.max_store_bytes).unwrap_or(usize::MAX),
        };
        Room { max_keys: self.limits.max_keys as usize, max_bytes }
    }

    pub(super) fn context<'a>(&self, request: &Request<'a>) -> Result<Context<'a>, ServiceError> {
        let parse = |text: Option<&'a str>| {
            text.map(Hlc::parse).transpose().map_err(|_| ServiceError::MalformedTimestamp)
        };
        let context = Context {
            now: self.now,
            timestamp: parse(request.timestamp)?,
            fencing_token: parse(request.fencing_token)?,
        };
        self.store.check_clocks(&context)?;
        Ok(context)
    }

    /// Deletes a key whose time has passed.
    fn expire(&mut self, key: Option<&[u8]>) {
        if let Some(key) = key
            && let Some(version) = self.store.expire_key(self.now, key)
        {
            self.notify(key, None, version);
        }
    }

    /// Deletes the key that is overdue longest, if there is one. How much work that was: one, and one for each watcher.
    pub(super) fn expire_next(&mut self) -> Option<usize> {
        let (key, version) = self.store.expire_next(self.now)?;
        Some(1 + self.notify(&key, None, version))
    }

    fn get(&mut self, request: &Request<'_>, packet_id: Option<PacketId>, key: &[u8]) {
        let command = Command::Get { key };
        if !self.may_read(request, packet_id, &command) {
            return;
        }
        self.expire(Some(key));
        let outcome = match self.context(request) {
            Ok(_) => self.store.get(key),
            Err(error) => Outcome::Failed(error),
        };
        self.counters.operations.add(&command, &outcome);
        let message = hold_response(&mut self.messages, &mut self.version_text, request, outcome);
        self.send_response(request, message);
    }

    /// Responds to a request that is no replay, and counts it.
    pub(super) fn respond_first(
        &mut self,
        request: &Request<'_>,
        command: &Command<'_>,
        outcome: Outcome<'_>,
    ) {
        self.counters.operations.add(command, &outcome);
        match (command, outcome) {
            // Whether such a SET was of a new key the store does not count.
            (Command::Set { key, .. }, Outcome::Failed(error)) => {
                self.counters.insertions += u64::from(!self.store.contains(key));
                self.counters.quota_refusals += u64::from(error == ServiceError::QuotaExceeded);
            }
            (_, Outcome::Failed(ServiceError::QuotaExceeded)) => self.counters.quota_refusals += 1,
            _ => {}
        }
        self.respond(request, outcome);
    }

    fn respond(&mut self, request: &Request<'_>, outcome: Outcome<'_>) {
        let message = hold_response(&mut self.messages, &mut self.version_text, request, outcome);
        self.send_response(request, message);
    }

    fn send_response(&mut self, request: &Request<'_>, message: MessageId) {
        let may_publish = self.may(request.requester, Operation::Publish(request.response_topic));
        self.route(Publication {
            publisher: None,
            topic: request.response_topic,
            message,
            qos: QoS::AtLeastOnce,
            retain: false,
            kind: Kind::Response,
            only_for: (!may_publish).then_some(request.requester),
        });
        self.messages.release(message);
    }

    /// Registers a session's connection for notifications of `key`.
    fn watch(&mut self, session: SessionKey, key: &[u8]) -> Result<Outcome<'static>, ServiceError> {
        let max_watched_keys = self.limits.max_watched_keys as usize;
        let is_full = self.pressure() == Pressure::Full;
        let client_id = &self.sessions[session.index()].client_id;
        let topic_len =
            NOTIFY_TOPIC_PREFIX.len() + 1 + 2 * client_id.len() + NOTIFY_INFIX.len() + 2 * key.len();
        if topic_len > MAX_TOPIC_LEN {
            return Err(ServiceError::KeyTooLongToWatch);
        }
        let watched = self.watched_keys(session);
        if !watched.contains(key) {
            if watched.len() >= max_watched_keys || is_full {
                return Err(ServiceError::QuotaExceeded);
            }
            watched.insert(key.into());
            let hash_state = &self.hash_state;
            let new = || IndexSet::with_hasher(hash_state.clone());
            self.ledger.watched(key);
            self.watchers.entry(key.into()).or_insert_with(new).insert(session);
        }
        Ok(Outcome::WatchChanged)
    }

    pub(super) fn unwatch(&mut self, session: SessionKey, key: &[u8]) -> Outcome<'static> {
        if !self.watched_keys(session).swap_remove(key) {
            return Outcome::NotWatched;
        }
        self.unregister(key, session);
        Outcome::WatchChanged
    }

    fn watched_keys(&mut self, session: SessionKey) -> &mut IndexSet<Box<[u8]>, FixedState> {
        let connection = self.session(session).connection.as_mut();
        &mut connection.expect("requests come from connected sessions").watched_keys
    }

    /// Takes a session out of the watchers of `key`.
    pub(super) fn unregister(&mut self, key: &[u8], session: SessionKey) {
        let Some(watchers) = self.watchers.get_mut(key) else { return };
        if watchers.swap_remove(&session) {
            self.ledger.unwatched(key);
        }
        if watchers.is_empty() {
            self.watchers.swap_remove(key);
        }
    }

    /// Tells the watchers of `key` that it was set to `value`, or deleted. Returns how many they are.
    pub(super) fn notify(&mut self, key: &[u8], value: Option<&[u8]>, version: Version) -> usize {
        if !self.watchers.contains_key(key) {
            return 0;
        }
        set_text(&mut self.version_text, version);
        let user_properties = [(TIMESTAMP, text(&self.version_text))];
        let properties = PublishProperties {
            user_properties: UserProperties::from_pairs(&user_properties),
            ..PublishProperties::default()
        };
        // Once for all watchers; their topics differ.
        let change = self.messages.hold(
            |_| (),
            |bytes| properties.encode_forwarded(bytes),
            |bytes| match value {
                Some(value) => {
                    bytes.reserve_exact(value.len() + MAX_FRAMING);
                    resp3::encode_array(&[b"NOTIFY", b"SET", b"VALUE", value], bytes);
                }
                None => resp3::encode_array(&[b"NOTIFY", b"DELETE"], bytes),
            },
            None,
        );
        let mut position = 0;
        while let Some(&session) = self.watchers.get(key).and_then(|watchers| watchers.get_index(position)) {
            position += 1;
            let client_id = &self.sessions[session.index()].client_id;
            let message =
                self.messages.hold_addressed(change, |bytes| push_notify_topic(bytes, client_id, key));
            // Straight to the client: it need not subscribe, and gets one copy if it does.
            self.deliver(session, message, QoS::AtLeastOnce, Kind::Notification);
            self.messages.release(message);
        }
        self.messages.release(change);
        position
    }
}

impl<'a> Request<'a> {
    fn new(
        requester: SessionKey,
        publish: &Publish<'a>,
        response_topic: &'a str,
        correlation_data: &'a [u8],
    ) -> Self {
        let (mut timestamp, mut fencing_token) = (None, None);
        for (name, value) in publish.properties.user_properties.iter() {
            match name {
                TIMESTAMP => timestamp = Some(value),
                FENCING_TOKEN => fencing_token = Some(value),
                _ => {}
            }
        }
        Self {
            requester,
            response_topic,
            correlation_data,
            payload: publish.payload,
            timestamp,
            fencing_token,
            message_expiry_interval_s: publish.properties.message_expiry_interval_s,
        }
    }

    /// How long a replay is expected.
    fn retention(&self) -> Duration {
        self.message_expiry_interval_s
            .map_or(DEFAULT_RETENTION, |seconds| Duration::from_secs(u64::from(seconds)))
    }
}

/// Holds the response to a request.
fn hold_response(
    messages: &mut super::Messages,
    version_text: &mut Vec<u8>,
    request: &Request<'_>,
    outcome: Outcome<'_>,
) -> MessageId {
    let (reply, version) = reply(outcome);
    if let Some(version) = version {
        set_text(version_text, version);
    }
    let user_properties = [STATUS, (TIMESTAMP, text(version_text))];
    let told = if version.is_some() { &user_properties[..] } else { &user_properties[..1] };
    let properties = PublishProperties {
        correlation_data: Some(request.correlation_data),
        user_properties: UserProperties::from_pairs(told),
        ..PublishProperties::default()
    };
    messages.hold(
        |bytes| bytes.extend_from_slice(request.response_topic.as_bytes()),
        |bytes| properties.encode_forwarded(bytes),
        |bytes| {
            match reply {
                Reply::Blob(value) => bytes.reserve_exact(value.len() + MAX_FRAMING),
                Reply::Page { keys, .. } => bytes.reserve_exact(keys.encoded_len() + MAX_FRAMING),
                _ => {}
            }
            reply.encode(bytes);
        },
        None,
    )
}

/// An outcome's payload, and the version that goes with it. A miss has none: one client takes any version for "exists".
fn reply(outcome: Outcome<'_>) -> (Reply<'_>, Option<Version>) {
    match outcome {
        Outcome::Stored(version) => (Reply::Ok, Some(version)),
        Outcome::Refused(version) => (Reply::Integer(-1), Some(version)),
        Outcome::Value(value, version) => (Reply::Blob(value), Some(version)),
        Outcome::Missing => (Reply::Null, None),
        Outcome::Deleted(version) => (Reply::Integer(1), Some(version)),
        Outcome::NotFound | Outcome::NotWatched => (Reply::Integer(0), None),
        Outcome::ValueDiffers => (Reply::Integer(-1), None),
        Outcome::WatchChanged => (Reply::Ok, None),
        Outcome::Page(keys, token) => (Reply::Page { keys, token }, None),
        Outcome::Failed(error) => (Reply::Error(error.text()), None),
    }
}

fn set_text(buffer: &mut Vec<u8>, version: Version) {
    buffer.clear();
    version.as_hlc().write_to(buffer);
}

fn text(buffer: &[u8]) -> &str {
    std::str::from_utf8(buffer).expect("a version's text is ASCII")
}

fn push_notify_topic(bytes: &mut Vec<u8>, client_id: &str, key: &[u8]) {
    let push_hex = |bytes: &mut Vec<u8>, text: &[u8]| {
        for byte in text {
            write!(bytes, "{byte:02X}").expect("a Vec takes every write");
        }
    };
    bytes.extend_from_slice(NOTIFY_TOPIC_PREFIX.as_bytes());
    bytes.push(b'/');
    push_hex(bytes, client_id.as_bytes());
    bytes.extend_from_slice(NOTIFY_INFIX.as_bytes());
    push_hex(bytes, key);
}
