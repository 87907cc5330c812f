//! One network connection: framing, validation, ping, keep-alive, and encoding of what goes out.
//!
//! It takes the bytes that its owner read and makes [`Input`](crate::Input)s of them, and takes
//! [`Action`]s and makes bytes of them. It knows the client's protocol version and the time, nothing of sessions.
//!
//! Drive it as: [`receive`](Connection::receive) until it wants more bytes, write [`outgoing`](Connection::outgoing)
//! and say so with [`written`](Connection::written), and call [`expire`](Connection::expire) at
//! [`next_deadline`](Connection::next_deadline). Once it [is closing](Connection::is_closing), flush and close.

use std::num::NonZeroU32;
use std::time::Duration;

use mayfly_wire::{
    ConnAck, ConnAckProperties, Connect, DecodeError, Disconnect, DisconnectProperties, Frame, Packet,
    ProtocolVersion, Publish, QoS, ReasonCode, split_frame,
};

use crate::identity::Identity;
use crate::machine::{Action, CloseCause};
use crate::time::Monotonic;

/// An empty write buffer beyond this is given back at once.
const MAX_KEPT_CAPACITY: usize = 64 * 1024;
/// An empty write buffer beyond this is given back when the last batch would have fitted into a quarter of it: a busy
/// connection keeps its buffer, and one that has only pings to answer becomes small.
const MAX_IDLE_CAPACITY: usize = 2048;
/// So many bytes may wait beyond [`ConnectionConfig::max_outgoing_bytes`], which other clients' messages can fill, before
/// nothing more is taken from the client: room for the answers to what it sends.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// The first byte of a CONNECT.
const CONNECT_HEADER: u8 = 0x10;

/// The bounds of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionConfig {
    /// The longest packet that is taken, in bytes, with its header; said in CONNACK.
    pub max_packet_size: NonZeroU32,
    /// How long the client may take to send a whole CONNECT.
    pub connect_timeout: Duration,
    /// How long bytes may wait to be written without the client taking any. A longer wait closes the connection.
    pub write_timeout: Duration,
    /// While more bytes than this wait to be written, QoS 0 messages to this client are dropped and counted. Some more,
    /// and nothing is read from it either ([`Connection::wants_input`]).
    pub max_outgoing_bytes: usize,
}

impl Default for ConnectionConfig {
    fn default() -> Self {
        Self {
            max_packet_size: NonZeroU32::new(1024 * 1024).expect("one mebibyte is not zero"),
            connect_timeout: Duration::from_secs(10),
            write_timeout: Duration::from_secs(30),
            max_outgoing_bytes: 4 * 1024 * 1024,
        }
    }
}

/// What [`Connection::receive`] found.
#[derive(Debug, PartialEq)]
pub struct Received<'a> {
    /// So many bytes of the buffer are done with. Zero, without an event: more bytes are needed.
    pub consumed: usize,
    /// What they mean to the broker; `None` where they mean nothing to it, as PINGREQ.
    pub event: Option<Event<'a>>,
}

/// What a connection has to tell the broker.
#[derive(Debug, PartialEq)]
pub enum Event<'a> {
    /// A valid CONNECT.
    Open {
        /// Who the client was authenticated as.
        identity: Identity<'a>,
        /// The packet.
        connect: Connect<'a>,
    },
    /// A valid packet.
    Packet(Packet<'a>),
    /// The client sent what it may not. The connection is closing.
    Closed(CloseCause),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before CONNECT.
    Fresh,
    /// CONNECT was handed on; CONNACK has not come back yet.
    Connecting,
    Open,
    /// Nothing more is read; what is left to write goes out.
    Closing,
}

/// One network connection, without its socket.
#[derive(Debug)]
pub struct Connection {
    config: ConnectionConfig,
    phase: Phase,
    version: ProtocolVersion,
    /// The client's Maximum Packet Size in bytes [MQTT-3.1.2-24].
    maximum_packet_size: usize,
    /// One and a half times the Keep Alive; `None` where the client asked for none.
    patience: Option<Duration>,
    last_received: Monotonic,
    outgoing: Vec<u8>,
    /// Where the unwritten part of `outgoing` begins.
    written: usize,
    /// When the client last took bytes, or when bytes began to wait.
    last_progress: Monotonic,
    dropped: u64,
}

impl Connection {
    /// A connection that was accepted at `now`.
    pub fn new(config: ConnectionConfig, now: Monotonic) -> Self {
        Self {
            config,
            phase: Phase::Fresh,
            version: ProtocolVersion::V5,
            maximum_packet_size: usize::MAX,
            patience: None,
            last_received: now,
            outgoing: Vec::new(),
            written: 0,
            last_progress: now,
            dropped: 0,
        }
    }

    /// Takes one packet off the front of `buffer`.
    pub fn receive<'a>(&mut self, now: Monotonic, buffer: &'a [u8]) -> Received<'a> {
        if self.phase == Phase::Closing {
            return Received { consumed: buffer.len(), event: None };
        }
        let frame = match split_frame(buffer, self.config.max_packet_size.get()) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Received { consumed: 0, event: None },
            Err(error) => return self.reject(now, buffer.len(), error.reason()),
        };
        self.last_received = now;
        let consumed = frame.len;
        let packet = match frame.decode(self.version) {
            Ok(packet) => packet,
            Err(error) if self.phase == Phase::Fresh => return self.refuse(now, &frame, error),
            // A second CONNECT, whatever it says [MQTT-3.1.0-2]; its own errors are none that DISCONNECT knows.
            Err(_) if frame.header == CONNECT_HEADER => {
                return self.reject(now, consumed, ReasonCode::ProtocolError);
            }
            Err(error) => return self.reject(now, consumed, error.reason()),
        };
        match (self.phase, packet) {
            (Phase::Fresh, Packet::Connect(connect)) => self.connect(now, consumed, &connect),
            // The first packet is CONNECT [MQTT-3.1.0-1]: this is no MQTT client, and gets no answer.
            (Phase::Fresh, _) => {
                self.close(now);
                Received::closed(consumed, ReasonCode::ProtocolError)
            }
            (_, Packet::PingReq) => {
                self.send_packet(now, &Packet::PingResp);
                Received { consumed, event: None }
            }
            (_, packet) => match forbidden(&packet) {
                Some(reason) => self.reject(now, consumed, reason),
                None => Received { consumed, event: Some(Event::Packet(packet)) },
            },
        }
    }

    /// Whether more is to be read from the client: not while it leaves too much of what was written to it. Keep-alive
    /// stands still meanwhile, and the write timeout decides.
    pub fn wants_input(&self) -> bool {
        self.outgoing().len() < self.config.max_outgoing_bytes.saturating_add(MAX_ANSWER_BYTES)
    }

    /// Carries out what the broker wants of this connection.
    pub fn send(&mut self, now: Monotonic, action: &Action<'_>) {
        if self.phase == Phase::Closing {
            return;
        }
        match action {
            Action::Send(Packet::ConnAck(ack)) => self.send_conn_ack(now, ack),
            Action::Send(packet) => self.send_packet(now, packet),
            Action::Deliver(delivery) => {
                if delivery.qos == QoS::AtMostOnce && self.outgoing().len() > self.config.max_outgoing_bytes {
                    self.dropped += 1;
                    return;
                }
                self.note_waiting(now);
                let encoded = delivery.encode(self.version, &mut self.outgoing);
                if encoded.is_err() {
                    self.close(now); // The broker's sizes and the codec's disagree; nothing was written.
                }
            }
            Action::Close(reason) => {
                if self.phase == Phase::Open {
                    self.send_disconnect(now, *reason);
                }
                self.close(now);
            }
        }
    }

    /// Ends the connection from this side, with a DISCONNECT where the client knows one.
    pub fn shut_down(&mut self, now: Monotonic, reason: ReasonCode) {
        if self.phase == Phase::Open {
            self.send_disconnect(now, reason);
        }
        self.close(now);
    }

    /// Bytes to be written.
    pub fn outgoing(&self) -> &[u8] {
        &self.outgoing[self.written..]
    }

    /// Notes that the client took the first `count` bytes of [`outgoing`](Self::outgoing).
    pub fn written(&mut self, now: Monotonic, count: usize) {
        let was_congested = !self.wants_input();
        self.written = (self.written + count).min(self.outgoing.len());
        if self.phase != Phase::Closing {
            self.last_progress = now;
        }
        if was_congested && self.wants_input() {
            self.last_received = now; // Until now nothing could arrive.
        }
        if self.written == self.outgoing.len() {
            self.written = 0;
            let (used, capacity) = (self.outgoing.len(), self.outgoing.capacity());
            self.outgoing.clear();
            if capacity > MAX_KEPT_CAPACITY || (capacity > MAX_IDLE_CAPACITY && used < capacity / 4) {
                self.outgoing = Vec::new();
            }
        } else if self.written > self.outgoing.len() / 2 {
            self.outgoing.drain(..self.written);
            self.written = 0;
        }
    }

    /// Whether the connection is to be closed once [`outgoing`](Self::outgoing) is written.
    pub fn is_closing(&self) -> bool {
        self.phase == Phase::Closing
    }

    /// QoS 0 messages that were dropped since too many bytes waited.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// When [`expire`](Self::expire) is wanted next.
    pub fn next_deadline(&self) -> Option<Monotonic> {
        [self.receive_deadline().map(|(deadline, _)| deadline), self.write_deadline()]
            .into_iter()
            .flatten()
            .min()
    }

    /// Closes the connection if it waited too long for the client, and says why.
    pub fn expire(&mut self, now: Monotonic) -> Option<CloseCause> {
        if self.write_deadline().is_some_and(|deadline| deadline <= now) {
            // What waits can't be written: it is given up, so that the owner need not wait for it.
            self.phase = Phase::Closing;
            self.outgoing = Vec::new();
            self.written = 0;
            return Some(CloseCause::WriteStalled);
        }
        let (deadline, cause) = self.receive_deadline()?;
        if deadline > now {
            return None;
        }
        self.shut_down(now, ReasonCode::KeepAliveTimeout);
        Some(cause)
    }

    fn receive_deadline(&self) -> Option<(Monotonic, CloseCause)> {
        match self.phase {
            Phase::Fresh => {
                // From the moment of accepting: a CONNECT that trickles in does not put it off.
                let deadline = self.last_received.after(self.config.connect_timeout);
                Some((deadline, CloseCause::Rejected(ReasonCode::MaximumConnectTime)))
            }
            Phase::Open | Phase::Connecting if self.wants_input() => {
                Some((self.last_received.after(self.patience?), CloseCause::KeepAliveTimeout))
            }
            Phase::Open | Phase::Connecting | Phase::Closing => None,
        }
    }

    fn write_deadline(&self) -> Option<Monotonic> {
        (!self.outgoing().is_empty()).then(|| self.last_progress.after(self.config.write_timeout))
    }

    fn connect<'a>(&mut self, now: Monotonic, consumed: usize, connect: &Connect<'a>) -> Received<'a> {
        self.version = connect.version;
        let maximum_packet_size = connect.properties.maximum_packet_size;
        self.maximum_packet_size = maximum_packet_size.map_or(usize::MAX, |bytes| bytes.get() as usize);
        if connect.properties.authentication_method.is_some() {
            self.send_refusal(now, ReasonCode::BadAuthenticationMethod);
            return Received::closed(consumed, ReasonCode::BadAuthenticationMethod);
        }
        let keep_alive_s = u64::from(connect.keep_alive_s);
        self.patience = (keep_alive_s > 0).then(|| Duration::from_millis(keep_alive_s * 1500));
        self.phase = Phase::Connecting;
        Received { consumed, event: Some(Event::Open { identity: Identity::default(), connect: *connect }) }
    }

    /// Answers a CONNECT that can't be decoded, where its protocol level tells how.
    fn refuse<'a>(&mut self, now: Monotonic, frame: &Frame<'_>, error: DecodeError) -> Received<'a> {
        let reason = error.reason();
        if let Some(version) = answerable(frame, reason) {
            self.version = version;
            self.send_refusal(now, reason);
        }
        self.close(now);
        Received::closed(frame.len, reason)
    }

    fn send_refusal(&mut self, now: Monotonic, reason: ReasonCode) {
        let ack = ConnAck { session_present: false, reason, properties: ConnAckProperties::default() };
        self.send_packet(now, &Packet::ConnAck(ack));
        self.close(now);
    }

    /// Closes the connection for what the client sent, and tells it [MQTT-4.13.1-1].
    fn reject<'a>(&mut self, now: Monotonic, consumed: usize, reason: ReasonCode) -> Received<'a> {
        self.shut_down(now, reason);
        Received::closed(consumed, reason)
    }

    fn send_conn_ack(&mut self, now: Monotonic, ack: &ConnAck<'_>) {
        if ack.reason.is_error() {
            self.send_refusal(now, ack.reason);
            return;
        }
        let mut ack = *ack;
        ack.properties.maximum_packet_size = Some(self.config.max_packet_size);
        self.phase = Phase::Open;
        self.send_packet(now, &Packet::ConnAck(ack));
    }

    /// DISCONNECT of MQTT 5; a server of 3.1.1 just closes. A normal end needs no words.
    fn send_disconnect(&mut self, now: Monotonic, reason: ReasonCode) {
        if self.version == ProtocolVersion::V5 && reason != ReasonCode::Success {
            let properties = DisconnectProperties::default();
            self.send_packet(now, &Packet::Disconnect(Disconnect { reason, properties }));
        }
    }

    /// Sends a packet that is no message. One that the client can't be sent ends the connection instead: larger than its
    /// Maximum Packet Size, or a refusal that MQTT 3.1.1 has no return code for.
    fn send_packet(&mut self, now: Monotonic, packet: &Packet<'_>) {
        self.note_waiting(now);
        let start = self.outgoing.len();
        let encoded = packet.encode(self.version, &mut self.outgoing);
        if encoded.is_err() || self.outgoing.len() - start > self.maximum_packet_size {
            self.outgoing.truncate(start);
            self.close(now);
        }
    }

    fn note_waiting(&mut self, now: Monotonic) {
        if self.outgoing().is_empty() {
            self.last_progress = now;
        }
    }

    /// From now on the client has the write timeout once, however steadily it takes its last bytes.
    fn close(&mut self, now: Monotonic) {
        if self.phase != Phase::Closing {
            self.last_progress = now;
            self.phase = Phase::Closing;
        }
    }
}

impl Received<'_> {
    fn closed(consumed: usize, reason: ReasonCode) -> Self {
        Self { consumed, event: Some(Event::Closed(CloseCause::Rejected(reason))) }
    }
}

/// The version in which to refuse a CONNECT with `reason`: its own; for an unknown one the nearest that has a word
/// for it [MQTT-3.1.2-2].
fn answerable(frame: &Frame<'_>, reason: ReasonCode) -> Option<ProtocolVersion> {
    if frame.header != CONNECT_HEADER {
        return None;
    }
    let ([0, 4, b'M', b'Q', b'T', b'T', level, ..] | [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', level, ..]) =
        frame.body
    else {
        return None;
    };
    match level {
        5.. => Some(ProtocolVersion::V5),
        // The return codes of 3.1.1 [MQTT-3.2.2-4 of 3.1.1].
        _ => matches!(reason, ReasonCode::UnsupportedProtocolVersion | ReasonCode::ClientIdentifierNotValid)
            .then_some(ProtocolVersion::V3_1_1),
    }
}

/// Why a client may not send a well-formed packet, if it may not.
fn forbidden(packet: &Packet<'_>) -> Option<ReasonCode> {
    match packet {
        Packet::Publish(publish) => forbidden_publish(publish),
        Packet::PubAck(_)
        | Packet::PubRec(_)
        | Packet::PubRel(_)
        | Packet::PubComp(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Disconnect(_) => None,
        // A second CONNECT [MQTT-3.1.0-2], AUTH without an authentication method, and what only servers send.
        Packet::Connect(_)
        | Packet::Auth(_)
        | Packet::ConnAck(_)
        | Packet::SubAck(_)
        | Packet::UnsubAck(_)
        | Packet::PingResp => Some(ReasonCode::ProtocolError),
    }
}

fn forbidden_publish(publish: &Publish<'_>) -> Option<ReasonCode> {
    if publish.properties.subscription_identifiers.iter().next().is_some() {
        Some(ReasonCode::ProtocolError) // [MQTT-3.3.4-6]
    } else if publish.properties.topic_alias.is_some() {
        Some(ReasonCode::TopicAliasInvalid) // CONNACK gave no Topic Alias Maximum: it is zero [MQTT-3.2.2-18].
    } else {
        None
    }
}
