//! Clients with real connections to one broker, and a clock that the test moves by hand: bytes in, packets out.
//!
//! What a client receives is decoded here, so every byte that the core sends has to be a valid packet. Decoded packets
//! borrow from bytes that are leaked, which a test can afford.

pub(crate) mod packets;
pub(crate) mod rules;
pub(crate) mod store;

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use mayfly_core::{
    Broker, BrokerConfig, CloseCause, Connection, ConnectionConfig, ConnectionId, Event, Evidence, Identity,
    Input, Limits, Monotonic, Now, StateMachine, WallClock,
};
use mayfly_wire::{
    ConnAck, Connect, Packet, PacketId, ProtocolVersion, Publish, QoS, ReasonCode, SubAck, split_frame,
};

/// What the wall clock shows when a world begins.
pub(crate) const START_MS: u64 = 1_700_000_000_000;

const NODE: u64 = 1;

/// A broker and its clients.
pub(crate) struct World {
    pub(crate) broker: Broker,
    now: Now,
    peers: Vec<Peer>,
    config: Rc<ConnectionConfig>,
    /// Whether somebody has to say who the clients are that connect from now on.
    pub(crate) authenticates: bool,
    /// Who the clients that connect from now on were authenticated as; `None`: as their connection says.
    who: Option<rules::Who>,
}

/// Names one network connection of a [`World`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Client(usize);

struct Peer {
    connection: Connection,
    version: ProtocolVersion,
    /// Bytes to the core of a packet that is not whole.
    partial: Vec<u8>,
    /// Bytes from the core of a packet that is not whole.
    arrived: Vec<u8>,
    inbox: VecDeque<Packet<'static>>,
    /// All bytes from the core since the last look.
    raw: Vec<u8>,
    /// Whether the client takes what is written to it.
    reads: bool,
    is_gone: bool,
    /// What it sent to show who it is, in words.
    evidence: VecDeque<String>,
    next_id: u16,
}

impl World {
    pub(crate) fn new() -> Self {
        Self::with(ConnectionConfig::default(), Limits::default())
    }

    pub(crate) fn with_limits(change: impl FnOnce(&mut Limits)) -> Self {
        let mut limits = Limits::default();
        change(&mut limits);
        Self::with(ConnectionConfig::default(), limits)
    }

    pub(crate) fn with(config: ConnectionConfig, limits: Limits) -> Self {
        let now = Now { monotonic: Monotonic::from_nanos(1), wall: WallClock::from_millis(START_MS) };
        Self {
            broker: Broker::new(BrokerConfig { limits, hash_seed: 7 }),
            now,
            peers: Vec::new(),
            config: Rc::new(config),
            authenticates: false,
            who: None,
        }
    }

    pub(crate) fn wall_ms(&self) -> u64 {
        self.now.wall.as_millis()
    }

    /// Steps the wall clock; monotonic time stands.
    pub(crate) fn set_wall_ms(&mut self, millis: u64) {
        self.now.wall = WallClock::from_millis(millis);
    }

    /// Lets time pass, serving each deadline when it comes.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let end = self.now.monotonic.after(duration);
        loop {
            let deadlines = self.peers.iter().filter(|peer| !peer.is_gone);
            let deadlines = deadlines.filter_map(|peer| peer.connection.next_deadline());
            let next = deadlines.chain(self.broker.next_deadline()).min().filter(|next| *next <= end);
            let Some(next) = next else { break };
            self.set_monotonic(next.max(self.now.monotonic));
            self.expire_connections();
            self.handle(&Input::Tick);
        }
        self.set_monotonic(end);
    }

    /// Lets time pass, serving no deadline.
    pub(crate) fn sleep(&mut self, duration: Duration) {
        self.set_monotonic(self.now.monotonic.after(duration));
    }

    /// Whether a deadline of the broker has come.
    pub(crate) fn is_due(&self) -> bool {
        self.broker.next_deadline().is_some_and(|deadline| deadline <= self.now.monotonic)
    }

    fn set_monotonic(&mut self, monotonic: Monotonic) {
        let millis = |at: Monotonic| at.as_nanos() / 1_000_000;
        let passed_ms = millis(monotonic) - millis(self.now.monotonic);
        self.now = Now { monotonic, wall: WallClock::from_millis(self.wall_ms() + passed_ms) };
    }

    fn expire_connections(&mut self) {
        for index in 0..self.peers.len() {
            let peer = &mut self.peers[index];
            if peer.is_gone {
                continue;
            }
            if let Some(cause) = peer.connection.expire(self.now.monotonic) {
                self.handle(&Input::Closed { connection: connection_id(index), cause });
            }
        }
        self.settle();
    }

    /// Hands the broker an input that comes from no client.
    pub(crate) fn handle(&mut self, input: &Input<'_>) {
        self.broker.handle(self.now, input);
        self.settle();
    }

    /// Carries outputs to the clients.
    fn settle(&mut self) {
        while let Some(output) = self.broker.poll_output() {
            let index = usize::try_from(output.connection.sequence).expect("an index");
            self.peers[index].connection.send(self.now.monotonic, &output.action);
        }
        for peer in self.peers.iter_mut().filter(|peer| peer.reads) {
            let bytes = peer.connection.outgoing().to_vec();
            if !bytes.is_empty() {
                peer.connection.written(self.now.monotonic, bytes.len());
                peer.take(&bytes);
            }
        }
    }

    /// A network connection on which nothing was sent.
    pub(crate) fn accept(&mut self) -> Client {
        self.peers.push(Peer {
            connection: if self.authenticates {
                Connection::authenticating(Rc::clone(&self.config), self.now.monotonic)
            } else {
                Connection::new(Rc::clone(&self.config), self.now.monotonic)
            },
            version: ProtocolVersion::V5,
            partial: Vec::new(),
            arrived: Vec::new(),
            inbox: VecDeque::new(),
            raw: Vec::new(),
            reads: true,
            is_gone: false,
            evidence: VecDeque::new(),
            next_id: 1,
        });
        Client(self.peers.len() - 1)
    }

    /// A network connection on which `connect` was sent.
    pub(crate) fn open(&mut self, connect: Connect<'_>) -> Client {
        let client = self.accept();
        self.peers[client.0].version = connect.version;
        self.send(client, Packet::Connect(connect));
        client
    }

    /// An MQTT 5 connection with a clean start, accepted.
    pub(crate) fn connect(&mut self, client_id: &'static str) -> Client {
        self.connect_with(client_id, |_| ()).0
    }

    /// An accepted connection, and how it was accepted.
    pub(crate) fn connect_with(
        &mut self,
        client_id: &'static str,
        change: impl FnOnce(&mut Connect<'static>),
    ) -> (Client, ConnAck<'static>) {
        let mut connect = packets::connect(client_id);
        change(&mut connect);
        let client = self.open(connect);
        let ack = self.conn_ack(client);
        assert_eq!(ack.reason, ReasonCode::Success, "{client_id} is accepted");
        (client, ack)
    }

    /// A connection to a session that outlives it for an hour, kept from an earlier connection if there was one.
    pub(crate) fn resume(&mut self, client_id: &'static str) -> (Client, ConnAck<'static>) {
        self.connect_with(client_id, packets::lasting)
    }

    /// An accepted MQTT 3.1.1 connection with a clean session.
    pub(crate) fn connect_3_1_1(&mut self, client_id: &'static str) -> Client {
        self.connect_with(client_id, |connect| connect.version = ProtocolVersion::V3_1_1).0
    }

    pub(crate) fn send(&mut self, client: Client, packet: Packet<'_>) {
        let mut bytes = Vec::new();
        packet.encode(self.peers[client.0].version, &mut bytes).expect("a packet that can be sent");
        self.send_bytes(client, &bytes);
    }

    pub(crate) fn send_bytes(&mut self, client: Client, bytes: &[u8]) {
        self.peers[client.0].partial.extend_from_slice(bytes);
        let buffer = std::mem::take(&mut self.peers[client.0].partial);
        let mut done = 0;
        while self.peers[client.0].connection.wants_input() {
            let peer = &mut self.peers[client.0];
            let received = peer.connection.receive(self.now.monotonic, &buffer[done..]);
            if received.consumed == 0 && received.event.is_none() {
                break;
            }
            done += received.consumed;
            let connection = connection_id(client.0);
            let event = received.event.map(|event| match event {
                Event::Open { identity, connect } => {
                    peer.version = connect.version;
                    let identity = self.who.as_ref().map_or(identity, rules::Who::identity);
                    Event::Open { identity, connect }
                }
                event => event,
            });
            match event.map(|event| event.into_input(connection, || u128::from(connection.sequence))) {
                None => {}
                Some(Ok(input)) => self.broker.handle(self.now, &input),
                Some(Err(evidence)) => peer.evidence.push_back(shown(&evidence)),
            }
            self.settle();
        }
        self.peers[client.0].partial.extend_from_slice(&buffer[done..]);
        self.settle();
    }

    /// What a client sent to show who it is, since the last look.
    pub(crate) fn evidence(&mut self, client: Client) -> Vec<String> {
        self.peers[client.0].evidence.drain(..).collect()
    }

    /// Lets a client in as a user.
    pub(crate) fn accept_as(&mut self, client: Client, user_name: Option<&str>, data: Option<&[u8]>) {
        self.accept_with(client, Identity { user_name, ..Identity::default() }, data);
    }

    /// Lets a client in as whoever [comes now](Self::come_as).
    pub(crate) fn accept_who_comes(&mut self, client: Client) {
        let who = self.who.take().expect("a world with rules");
        self.accept_with(client, who.identity(), None);
        self.who = Some(who);
    }

    fn accept_with(&mut self, client: Client, identity: Identity<'_>, data: Option<&[u8]>) {
        let connection = connection_id(client.0);
        let accepted = self.peers[client.0].connection.accept(self.now.monotonic, identity, data);
        if let Some(event) = accepted {
            let input = event.into_input(connection, || u128::from(connection.sequence));
            self.broker.handle(self.now, &input.expect("it was accepted"));
        }
        self.read_on(client);
    }

    /// Asks a client for more.
    pub(crate) fn challenge(&mut self, client: Client, data: &[u8]) {
        self.peers[client.0].connection.challenge(self.now.monotonic, data);
        self.read_on(client);
    }

    /// Does not let a client in.
    pub(crate) fn deny(&mut self, client: Client, reason: ReasonCode) {
        if let Some(cause) = self.peers[client.0].connection.deny(self.now.monotonic, reason) {
            self.broker.handle(self.now, &Input::Closed { connection: connection_id(client.0), cause });
        }
        self.read_on(client);
    }

    /// The owner of a connection ends it, and may name another server.
    pub(crate) fn shut_down(&mut self, client: Client, reason: ReasonCode, reference: Option<&str>) {
        self.peers[client.0].connection.shut_down_for(self.now.monotonic, reason, reference);
        self.settle();
    }

    /// Reads what the client sent meanwhile.
    fn read_on(&mut self, client: Client) {
        self.settle();
        self.send_bytes(client, &[]);
    }

    /// The stream of this client breaks.
    pub(crate) fn lose(&mut self, client: Client) {
        self.peers[client.0].is_gone = true;
        let connection = connection_id(client.0);
        self.handle(&Input::Closed { connection, cause: CloseCause::NetworkLost });
    }

    /// Whether the client takes what is written to it; it does until told otherwise.
    pub(crate) fn set_reads(&mut self, client: Client, reads: bool) {
        self.peers[client.0].reads = reads;
        self.settle();
    }

    pub(crate) fn connection(&self, client: Client) -> &Connection {
        &self.peers[client.0].connection
    }

    pub(crate) fn connection_mut(&mut self, client: Client) -> &mut Connection {
        &mut self.peers[client.0].connection
    }

    /// A client that does not read takes so many bytes after all.
    pub(crate) fn take_bytes(&mut self, client: Client, count: usize) {
        let now = self.now.monotonic;
        self.connection_mut(client).written(now, count);
    }

    /// Whether the core closed this connection, with everything before that written.
    pub(crate) fn is_closed(&self, client: Client) -> bool {
        let connection = self.connection(client);
        connection.is_closing() && connection.outgoing().is_empty()
    }

    /// All bytes that arrived since the last look at them.
    #[allow(dead_code, reason = "only the exchanges of mayfly-conformance look at bytes")]
    pub(crate) fn raw(&mut self, client: Client) -> Vec<u8> {
        std::mem::take(&mut self.peers[client.0].raw)
    }

    /// All that arrived since the last look.
    pub(crate) fn received(&mut self, client: Client) -> Vec<Packet<'static>> {
        self.peers[client.0].inbox.drain(..).collect()
    }

    /// The first packet that arrived since the last look.
    pub(crate) fn next(&mut self, client: Client) -> Packet<'static> {
        self.peers[client.0].inbox.pop_front().expect("a packet has arrived")
    }

    /// The one packet that arrived since the last look.
    pub(crate) fn only(&mut self, client: Client) -> Packet<'static> {
        let mut received = self.received(client);
        assert_eq!(received.len(), 1, "one packet arrived: {received:?}");
        received.remove(0)
    }

    pub(crate) fn conn_ack(&mut self, client: Client) -> ConnAck<'static> {
        match self.next(client) {
            Packet::ConnAck(ack) => ack,
            other => panic!("expected CONNACK, got {other:?}"),
        }
    }

    /// All that arrived since the last look, which is messages.
    pub(crate) fn messages(&mut self, client: Client) -> Vec<Publish<'static>> {
        let as_publish = |packet| match packet {
            Packet::Publish(publish) => publish,
            other => panic!("expected PUBLISH, got {other:?}"),
        };
        self.received(client).into_iter().map(as_publish).collect()
    }

    /// The one message that arrived since the last look.
    pub(crate) fn message(&mut self, client: Client) -> Publish<'static> {
        let mut messages = self.messages(client);
        assert_eq!(messages.len(), 1, "one message arrived: {messages:?}");
        messages.remove(0)
    }

    /// The payloads of what arrived since the last look, which is messages.
    pub(crate) fn payloads(&mut self, client: Client) -> Vec<&'static str> {
        let text = |message: Publish<'static>| std::str::from_utf8(message.payload).expect("text");
        self.messages(client).into_iter().map(text).collect()
    }

    /// Asserts that the connection was closed with this DISCONNECT, and that nothing else arrived.
    pub(crate) fn assert_disconnected(&mut self, client: Client, reason: ReasonCode) {
        assert_eq!(self.received(client), [packets::disconnect(reason)]);
        assert!(self.is_closed(client));
    }

    /// A packet identifier that this client did not use yet.
    pub(crate) fn fresh_id(&mut self, client: Client) -> PacketId {
        let peer = &mut self.peers[client.0];
        peer.next_id += 1;
        packets::id(peer.next_id - 1)
    }

    /// Publishes, as far as the QoS wants it, and returns the reason code of PUBACK or PUBREC, if there is one. What else
    /// arrives meanwhile stays to be looked at.
    pub(crate) fn publish(&mut self, client: Client, message: Publish<'_>) -> Option<ReasonCode> {
        let packet_id = (message.qos > QoS::AtMostOnce).then(|| self.fresh_id(client));
        self.send(client, Packet::Publish(Publish { packet_id, ..message }));
        let packet_id = packet_id?;
        let answer = |packet: &Packet<'_>| match packet {
            Packet::PubAck(ack) if ack.packet_id == packet_id => Some(ack.reason),
            Packet::PubRec(rec) if rec.packet_id == packet_id => Some(rec.reason),
            _ => None,
        };
        let reason = self.take(client, answer);
        if message.qos == QoS::ExactlyOnce && !reason.is_error() {
            self.send(client, packets::pub_rel(packet_id, ReasonCode::Success));
            let complete = packets::pub_comp(packet_id, ReasonCode::Success);
            self.take(client, |packet| (*packet == complete).then_some(()));
        }
        Some(reason)
    }

    /// Takes the first packet that `wanted` is about out of what arrived.
    fn take<T>(&mut self, client: Client, wanted: impl Fn(&Packet<'_>) -> Option<T>) -> T {
        let inbox = &mut self.peers[client.0].inbox;
        let found = inbox.iter().enumerate().find_map(|(position, packet)| Some((position, wanted(packet)?)));
        let (position, found) = found.expect("the answer arrived");
        inbox.remove(position);
        found
    }

    /// Subscribes, and asserts that what was asked for is granted.
    pub(crate) fn subscribe(&mut self, client: Client, filter: &str, qos: QoS) {
        assert_eq!(self.ask_subscribe(client, filter, qos), qos as u8, "{filter} is granted");
    }

    /// Subscribes and returns the reason code.
    pub(crate) fn ask_subscribe(&mut self, client: Client, filter: &str, qos: QoS) -> u8 {
        let packet_id = self.fresh_id(client);
        let subscriptions = [packets::subscription(filter, qos)];
        self.send(client, packets::subscribe(packet_id, &subscriptions));
        match self.only(client) {
            Packet::SubAck(SubAck { packet_id: answered, reasons: &[reason], .. })
                if answered == packet_id =>
            {
                reason
            }
            other => panic!("expected SUBACK, got {other:?}"),
        }
    }

    pub(crate) fn ack(&mut self, client: Client, packet_id: Option<PacketId>) {
        let packet_id = packet_id.expect("a message of QoS 1");
        self.send(client, packets::pub_ack(packet_id, ReasonCode::Success));
    }

    /// Acknowledges all these messages.
    pub(crate) fn ack_all(&mut self, client: Client, messages: &[Publish<'_>]) {
        for message in messages {
            self.ack(client, message.packet_id);
        }
    }
}

impl Peer {
    fn take(&mut self, bytes: &[u8]) {
        self.raw.extend_from_slice(bytes);
        self.arrived.extend_from_slice(bytes);
        let arrived: &'static [u8] = Box::leak(std::mem::take(&mut self.arrived).into_boxed_slice());
        let mut rest = arrived;
        while let Some(frame) = split_frame(rest, u32::MAX).expect("the core sends valid packets") {
            // Nobody knows which version a refused CONNECT was of; only the CONNACK of 3.1.1 is as short.
            let version = if rest.starts_with(&[0x20, 2]) { ProtocolVersion::V3_1_1 } else { self.version };
            self.inbox.push_back(frame.decode(version).expect("the core sends valid packets"));
            rest = &rest[frame.len..];
        }
        self.arrived = rest.to_vec();
    }
}

/// The connection that a client's inputs come from.
/// Evidence with its secrets, which its own `Debug` does not show.
fn shown(evidence: &Evidence<'_>) -> String {
    match evidence {
        Evidence::Begin { client_id, user_name, password, method, data } => format!(
            "Begin {{ client_id: {client_id:?}, user_name: {user_name:?}, password: {password:?}, \
             method: {method:?}, data: {data:?} }}"
        ),
        Evidence::Continue { data } => format!("Continue {{ data: {data:?} }}"),
    }
}

pub(crate) fn connection_id(index: usize) -> ConnectionId {
    ConnectionId { node: NODE, sequence: index as u64 }
}
