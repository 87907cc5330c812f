//! One network connection: framing, validation, ping, keep-alive, topic aliases, and encoding of what goes out.
//!
//! It takes the bytes that its owner read and makes [`Input`](crate::Input)s of them, and takes
//! [`Action`]s and makes bytes of them. It knows the client's protocol version and the time, nothing of sessions.
//!
//! Drive it as: [`receive`](Connection::receive) until it wants more bytes, write [`outgoing`](Connection::outgoing)
//! and say so with [`written`](Connection::written), and call [`expire`](Connection::expire) at
//! [`next_deadline`](Connection::next_deadline). Once it [is closing](Connection::is_closing), flush and close.
//!
//! # Layout
//! - `authentication`: CONNECT held until the client is known, AUTH.
//! - `config`: the bounds, and what CONNACK tells of them.
//! - `receive`: from bytes to events.
//! - `send`: from actions to bytes.
//! - `screening`: what a client may not send though it is well-formed.
//! - `aliases`, `flow`, `outgoing`: topic aliases, inbound flow control and the write buffer by themselves.
//! - `refusal`: how refusals are worded.
//!
//! What few connections need lies in boxes that the others do not have: an idle connection is small.

mod aliases;
mod authentication;
mod config;
mod flow;
mod outgoing;
mod receive;
mod refusal;
mod screening;
mod send;

use std::fmt::Display;
use std::rc::Rc;
use std::time::Duration;

use mayfly_wire::{ConnAckProperties, ConnectProperties, DisconnectProperties, ProtocolVersion, ReasonCode};

pub use authentication::Evidence;
pub use config::{ConnectionConfig, MIN_WRITE_RATE, ReceiveExcess};
pub use receive::{Event, Received};

use crate::machine::CloseCause;
use crate::time::Monotonic;
use aliases::TopicAliases;
use authentication::Authentication;
use flow::Inbound;
use outgoing::Outgoing;

/// So many bytes may wait beyond [`ConnectionConfig::max_outgoing_bytes`], which other clients' messages can fill, before
/// nothing more is taken from the client: room for the answers to what it sends.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// While memory has run out, no more than this may wait for the client before QoS 0 messages to it are dropped, whatever
/// [`ConnectionConfig::max_outgoing_bytes`] allows.
const MAX_OUTGOING_WITHOUT_MEMORY: usize = 64 * 1024;

/// The longest packet that MQTT can carry, in bytes [MQTT 5, section 2.1.4].
pub(crate) const LONGEST_PACKET: usize = 5 + 268_435_455;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before CONNECT.
    Fresh,
    /// CONNECT is held until the client is known.
    Authenticating,
    /// CONNECT was handed on; CONNACK has not come back yet.
    Connecting,
    Open,
    /// Nothing more is read; what is left to write goes out.
    Closing,
}

/// One network connection, without its socket.
#[derive(Debug)]
pub struct Connection {
    config: Rc<ConnectionConfig>,
    phase: Phase,
    version: ProtocolVersion,
    /// What CONNECT asked for.
    asked: Asked,
    /// One and a half times the Keep Alive; `None` where there is none.
    patience: Option<Duration>,
    last_received: Monotonic,
    /// Until when nothing is read, since its owner wants the client to be slower.
    paused_until: Option<Monotonic>,
    inbound: Inbound,
    aliases: Option<Box<TopicAliases>>,
    /// Whether the owner has to say who the client is.
    must_authenticate: bool,
    /// For connections that had to, while that is under way or may begin again.
    authentication: Option<Box<Authentication>>,
    outgoing: Outgoing,
    /// Whether its owner has run out of memory.
    is_short_of_memory: bool,
    dropped: u64,
}

/// What a client asked for in CONNECT, as far as it concerns its connection.
#[derive(Clone, Copy, Debug)]
struct Asked {
    /// The client's Maximum Packet Size in bytes [MQTT-3.1.2-24].
    maximum_packet_size: usize,
    /// The highest alias that is given to topics sent to it.
    topic_alias_maximum: u16,
    /// Whether it may be told more than the reason code, of packets other than PUBLISH, CONNACK and DISCONNECT.
    problem_information: bool,
    response_information: bool,
    /// What to tell it as Server Keep Alive.
    server_keep_alive_s: Option<u16>,
}

impl Asked {
    fn new(config: &ConnectionConfig, properties: &ConnectProperties<'_>) -> Self {
        let maximum_packet_size =
            properties.maximum_packet_size.map_or(usize::MAX, |size| size.get() as usize);
        let topic_alias_maximum = properties.topic_alias_maximum.unwrap_or(0);
        Self {
            maximum_packet_size: maximum_packet_size.min(LONGEST_PACKET),
            topic_alias_maximum: topic_alias_maximum.min(config.max_outgoing_topic_aliases),
            problem_information: properties.request_problem_information.unwrap_or(true),
            response_information: properties.request_response_information.unwrap_or(false),
            server_keep_alive_s: None,
        }
    }
}

impl Connection {
    /// A connection that was accepted at `now`.
    pub fn new(config: impl Into<Rc<ConnectionConfig>>, now: Monotonic) -> Self {
        let config = config.into();
        Self {
            asked: Asked::new(&config, &ConnectProperties::default()),
            config,
            phase: Phase::Fresh,
            version: ProtocolVersion::V5,
            patience: None,
            last_received: now,
            paused_until: None,
            inbound: Inbound::default(),
            aliases: None,
            must_authenticate: false,
            authentication: None,
            outgoing: Outgoing::new(now),
            is_short_of_memory: false,
            dropped: 0,
        }
    }

    /// A connection that was accepted at `now`, whose owner has to say who the client is
    /// ([`Event::Authenticate`]) before the broker hears of it.
    pub fn authenticating(config: impl Into<Rc<ConnectionConfig>>, now: Monotonic) -> Self {
        Self { must_authenticate: true, ..Self::new(config, now) }
    }

    /// Says anew whether its owner has to say who the client is. Without effect once a CONNECT has come.
    pub fn require_authentication(&mut self, is_required: bool) {
        if self.phase == Phase::Fresh {
            self.must_authenticate = is_required;
        }
    }

    /// Whether more is to be read from the client: not while it leaves too much of what was written to it, while too many
    /// of its messages wait for an answer, while its CONNECT is examined, or while it is paused. Keep-alive stands still
    /// meanwhile.
    pub fn wants_input(&self) -> bool {
        let is_paused = self.paused_until.is_some();
        self.has_room()
            && !self.awaits_admission()
            && !is_paused
            && !self.inbound.is_full(self.config.receive_maximum)
    }

    /// Has nothing read from the client for a while, to slow it down. [`expire`](Self::expire) ends the pause.
    pub fn pause_input(&mut self, now: Monotonic, pause: Duration) {
        if self.phase != Phase::Closing {
            self.paused_until = Some(now.after(pause));
        }
    }

    /// Ends the connection from this side, with a DISCONNECT (CONNACK, before one was sent) where the client knows one.
    pub fn shut_down(&mut self, now: Monotonic, reason: ReasonCode) {
        self.shut_down_for(now, reason, None);
    }

    /// The same, with a Server Reference: where the client should go [MQTT 5, sections 3.2.2.3.16 and 3.14.2.2.5].
    pub fn shut_down_for(&mut self, now: Monotonic, reason: ReasonCode, server_reference: Option<&str>) {
        self.end(now, reason, DisconnectProperties { server_reference, ..DisconnectProperties::default() });
    }

    fn tell_and_close(&mut self, now: Monotonic, reason: ReasonCode, why: Option<&dyn Display>) {
        let why = self.in_words(why);
        let properties =
            DisconnectProperties { reason_string: why.as_deref(), ..DisconnectProperties::default() };
        self.end(now, reason, properties);
    }

    fn end(&mut self, now: Monotonic, reason: ReasonCode, properties: DisconnectProperties<'_>) {
        match self.phase {
            Phase::Open => self.send_disconnect(now, reason, properties),
            Phase::Authenticating => {
                let DisconnectProperties { reason_string, server_reference, .. } = properties;
                let properties =
                    ConnAckProperties { reason_string, server_reference, ..ConnAckProperties::default() };
                self.send_refusal_with(now, reason, properties);
            }
            Phase::Fresh | Phase::Connecting | Phase::Closing => {}
        }
        self.close(now);
    }

    /// Bytes to be written.
    pub fn outgoing(&self) -> &[u8] {
        self.outgoing.unwritten()
    }

    /// Notes that the client took the first `count` bytes of [`outgoing`](Self::outgoing).
    pub fn written(&mut self, now: Monotonic, count: usize) {
        let was_congested = !self.wants_input();
        self.outgoing.take(count);
        if self.phase != Phase::Closing {
            let enough = self.config.min_written_bytes();
            self.outgoing.note_progress(now, count, enough);
        }
        if was_congested && self.wants_input() {
            self.last_received = now; // Until now nothing could arrive.
        }
    }

    /// Whether the connection is to be closed once [`outgoing`](Self::outgoing) is written.
    pub fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// What it holds in memory beside itself, in bytes: what waits to be written, topics that have an alias, and a CONNECT
    /// that is examined.
    pub fn held_bytes(&self) -> usize {
        let aliases = self.aliases.as_ref().map_or(0, |aliases| aliases.bytes());
        let authentication = self.authentication.as_ref().map_or(0, |held| held.bytes());
        self.outgoing.held_bytes() + aliases + authentication
    }

    /// Says whether its owner has run out of memory ([`Pressure::Full`](crate::Pressure::Full)): then less may wait to be
    /// written to the client.
    pub fn set_short_of_memory(&mut self, is_short: bool) {
        self.is_short_of_memory = is_short;
    }

    /// QoS 0 messages that were dropped since too many bytes waited.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When [`expire`](Self::expire) is wanted next.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        [self.receive_deadline().map(|(deadline, _)| deadline), self.write_deadline(), self.paused_until]
            .into_iter()
            .flatten()
            .min()
    }

    /// Closes the connection if it waited too long for the client, and says why; ends a pause that is over.
    pub fn expire(&mut self, now: Monotonic) -> Option<CloseCause> {
        if self.paused_until.is_some_and(|end| end <= now) {
            self.paused_until = None;
            self.last_received = now; // Until now nothing could arrive.
        }
        if self.write_deadline().is_some_and(|deadline| deadline <= now) {
            // What waits can't be written: it is given up, so that the owner need not wait for it.
            self.phase = Phase::Closing;
            self.outgoing.discard();
            return Some(CloseCause::WriteStalled);
        }
        let (deadline, cause) = self.receive_deadline()?;
        if deadline > now {
            return None;
        }
        match cause {
            CloseCause::Rejected(reason) => {
                self.tell_and_close(now, reason, Some(&"the authentication took too long"));
            }
            _ => {
                self.tell_and_close(
                    now,
                    ReasonCode::KeepAliveTimeout,
                    Some(&"no packet within the Keep Alive"),
                );
            }
        }
        Some(cause)
    }

    fn receive_deadline(&self) -> Option<(Monotonic, CloseCause)> {
        match self.phase {
            Phase::Fresh => {
                // From the moment of accepting: a CONNECT that trickles in does not put it off.
                let deadline = self.last_received.after(self.config.connect_timeout);
                Some((deadline, CloseCause::Rejected(ReasonCode::MaximumConnectTime)))
            }
            Phase::Authenticating | Phase::Open | Phase::Connecting => {
                let authentication = self.authentication.as_ref().and_then(|held| held.deadline());
                let rejected =
                    authentication.map(|(deadline, reason)| (deadline, CloseCause::Rejected(reason)));
                let silent =
                    self.keep_alive_deadline().map(|deadline| (deadline, CloseCause::KeepAliveTimeout));
                [rejected, silent].into_iter().flatten().min_by_key(|(deadline, _)| *deadline)
            }
            Phase::Closing => None,
        }
    }

    fn keep_alive_deadline(&self) -> Option<Monotonic> {
        if self.phase == Phase::Authenticating || !self.wants_input() {
            return None;
        }
        Some(self.last_received.after(self.patience?))
    }

    fn write_deadline(&self) -> Option<Monotonic> {
        let since = self.outgoing.since();
        (!self.outgoing.is_empty()).then(|| since.after(self.config.write_timeout))
    }

    /// Whether the client takes what is written to it.
    fn has_room(&self) -> bool {
        self.outgoing().len() < self.max_outgoing_bytes().saturating_add(MAX_ANSWER_BYTES)
    }

    /// From now on the client has the write timeout once, however steadily it takes its last bytes.
    fn close(&mut self, now: Monotonic) {
        if self.phase != Phase::Closing {
            self.outgoing.begin(now);
            self.phase = Phase::Closing;
        }
    }

    /// While more bytes than this wait, QoS 0 messages are dropped.
    fn max_outgoing_bytes(&self) -> usize {
        let max = self.config.max_outgoing_bytes;
        if self.is_short_of_memory { max.min(MAX_OUTGOING_WITHOUT_MEMORY) } else { max }
    }
}
