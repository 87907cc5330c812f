//! QoS 2 exactly once, in every interleaving of an exchange with the loss of its connection, in both directions.
//!
//! Not random: all schedules are gone through, in which each packet on its way arrives or is lost with its connection,
//! before or after the packets of the other direction. A broker can't be copied, so each schedule is run from its
//! beginning; those that lead to the same state are continued once.

use std::collections::{BTreeSet, VecDeque};
use std::fmt::Debug;
use std::num::NonZeroU16;

use mayfly_wire::{Packet, PacketId, ProtocolVersion, Publish, QoS, ReasonCode};

use crate::harness::packets::{self, id, pub_ack, pub_comp, pub_rec, pub_rel, qos_2};
use crate::harness::{Client, World};

const SUCCESS: ReasonCode = ReasonCode::Success;
/// So often a schedule loses a publisher's connection, and a subscriber's, of which there are many more schedules.
const MAX_LOSSES: [usize; 2] = [4, 2];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Move {
    /// The next packet of the client arrives.
    ToBroker,
    /// The next packet of the broker arrives.
    ToClient,
    /// The connection is lost with all that is on its way.
    Lose,
    /// The client comes back.
    Return,
    /// Both, but the broker sees the new connection before it knows that the old one is lost.
    TakeOver,
    /// Another client publishes the next message.
    Publish,
}

/// A client, the packets on their way, and the broker.
struct Link {
    world: World,
    client: Client,
    version: ProtocolVersion,
    receive_maximum: Option<NonZeroU16>,
    to_broker: VecDeque<Packet<'static>>,
    to_client: VecDeque<Packet<'static>>,
    losses_left: usize,
    is_away: bool,
}

impl Link {
    fn new(
        mut world: World,
        version: ProtocolVersion,
        receive_maximum: Option<NonZeroU16>,
        losses_left: usize,
    ) -> Self {
        let client = open(&mut world, version, receive_maximum);
        Self {
            world,
            client,
            version,
            receive_maximum,
            to_broker: VecDeque::new(),
            to_client: VecDeque::new(),
            losses_left,
            is_away: false,
        }
    }

    fn moves(&self) -> Vec<Move> {
        if self.is_away {
            return vec![Move::Return];
        }
        let mut moves = Vec::new();
        moves.extend((!self.to_broker.is_empty()).then_some(Move::ToBroker));
        moves.extend((!self.to_client.is_empty()).then_some(Move::ToClient));
        if self.losses_left > 0 {
            moves.extend([Move::Lose, Move::TakeOver]);
        }
        moves
    }

    fn deliver_to_broker(&mut self) {
        let packet = self.to_broker.pop_front().expect("a packet is on its way");
        self.world.send(self.client, packet);
        self.collect();
    }

    fn collect(&mut self) {
        if self.is_away {
            return;
        }
        let sent = self.world.received(self.client);
        self.to_client.extend(sent);
        assert!(!self.world.is_closed(self.client), "nobody did what it may not");
    }

    fn lose(&mut self) {
        self.losses_left -= 1;
        self.to_broker.clear();
        self.to_client.clear();
        self.world.lose(self.client);
        self.is_away = true;
    }

    fn take_over(&mut self) {
        self.losses_left -= 1;
        self.to_broker.clear();
        self.to_client.clear();
        self.come_back();
    }

    fn come_back(&mut self) {
        self.is_away = false;
        self.client = open(&mut self.world, self.version, self.receive_maximum);
        self.collect();
    }
}

/// Connects a client that keeps its session.
fn open(world: &mut World, version: ProtocolVersion, receive_maximum: Option<NonZeroU16>) -> Client {
    let (client, _) = world.connect_with("client", |connect| {
        connect.version = version;
        connect.clean_start = false;
        if version == ProtocolVersion::V5 {
            packets::lasting(connect);
            connect.properties.receive_maximum = receive_maximum;
        }
    });
    client
}

trait System {
    fn moves(&self) -> Vec<Move>;
    fn make(&mut self, next: Move);
    /// What later behaviour and the verdict depend on.
    fn state(&self) -> (u64, String);
    /// Nothing is on its way and nothing will be.
    fn check_end(&mut self);
}

/// Goes through all schedules; returns how many different states there are.
fn explore<S: System>(new: impl Fn() -> S) -> usize {
    let mut seen = BTreeSet::new();
    let mut waiting = vec![Vec::new()];
    while let Some(schedule) = waiting.pop() {
        let mut system = new();
        for next in &schedule {
            system.make(*next);
        }
        if !seen.insert(system.state()) {
            continue;
        }
        let moves = system.moves();
        // A loss is never needed to go on.
        if !moves.iter().any(|next| !matches!(next, Move::Lose | Move::TakeOver)) {
            system.check_end();
        }
        waiting.extend(moves.into_iter().map(|next| [&schedule[..], &[next]].concat()));
    }
    seen.len()
}

const VERSIONS: [ProtocolVersion; 2] = [ProtocolVersion::V5, ProtocolVersion::V3_1_1];

fn debug(state: impl Debug) -> String {
    format!("{state:?}")
}

/// How far a publisher is with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Progress {
    Waiting,
    Published,
    Released,
    Complete,
}

/// A client that publishes three messages, the third under the first's identifier.
struct Publishing {
    link: Link,
    witness: Client,
    progress: [Progress; 3],
    routed: Vec<&'static str>,
}

const PAYLOADS: [&str; 3] = ["first", "second", "third"];
const IDENTIFIERS: [u16; 3] = [1, 2, 1];

impl Publishing {
    fn new(version: ProtocolVersion) -> Self {
        let mut world = World::new();
        let witness = world.connect("witness");
        world.subscribe(witness, "#", QoS::AtMostOnce);
        let link = Link::new(world, version, None, MAX_LOSSES[0]);
        let mut publishing = Self { link, witness, progress: [Progress::Waiting; 3], routed: Vec::new() };
        publishing.publish_more();
        publishing
    }

    fn publish(&mut self, message: usize, dup: bool) {
        self.progress[message] = Progress::Published;
        let publish =
            Publish { dup, packet_id: Some(id(IDENTIFIERS[message])), ..qos_2("t", PAYLOADS[message]) };
        self.link.to_broker.push_back(Packet::Publish(publish));
    }

    fn release(&mut self, message: usize) {
        self.progress[message] = Progress::Released;
        self.link.to_broker.push_back(pub_rel(id(IDENTIFIERS[message]), SUCCESS));
    }

    /// Publishes what has an identifier.
    fn publish_more(&mut self) {
        for message in 0..3 {
            let is_free = message < 2 || self.progress[0] == Progress::Complete;
            if self.progress[message] == Progress::Waiting && is_free {
                self.publish(message, false);
            }
        }
    }

    fn send_again(&mut self) {
        for message in 0..3 {
            match self.progress[message] {
                Progress::Published => self.publish(message, true),
                Progress::Released => self.release(message),
                Progress::Waiting | Progress::Complete => {}
            }
        }
    }

    fn take(&mut self, packet: &Packet<'_>) {
        let current = |packet_id: PacketId, wanted: Progress, progress: &[Progress; 3]| {
            (0..3).find(|message| id(IDENTIFIERS[*message]) == packet_id && progress[*message] == wanted)
        };
        match packet {
            Packet::PubRec(rec) => {
                assert_eq!(rec.reason, SUCCESS);
                let message = current(rec.packet_id, Progress::Published, &self.progress);
                self.release(message.expect("each PUBLISH is answered once"));
            }
            Packet::PubComp(comp) => {
                let message = current(comp.packet_id, Progress::Released, &self.progress);
                self.progress[message.expect("each PUBREL is answered once")] = Progress::Complete;
                self.publish_more();
            }
            other => panic!("not for a publisher: {other:?}"),
        }
    }
}

impl System for Publishing {
    fn moves(&self) -> Vec<Move> {
        self.link.moves()
    }

    fn make(&mut self, next: Move) {
        match next {
            Move::ToBroker => {
                self.link.deliver_to_broker();
                self.routed.extend(self.link.world.payloads(self.witness));
            }
            Move::ToClient => {
                let packet = self.link.to_client.pop_front().expect("a packet is on its way");
                self.take(&packet);
            }
            Move::Lose => self.link.lose(),
            Move::Return => {
                self.link.come_back();
                self.send_again();
            }
            Move::TakeOver => {
                self.link.take_over();
                self.send_again();
            }
            Move::Publish => unreachable!("the client itself publishes"),
        }
        assert!(PAYLOADS.starts_with(&self.routed), "each once, in order: {:?}", self.routed);
    }

    fn state(&self) -> (u64, String) {
        let link = &self.link;
        let state =
            ((&link.to_broker, &link.to_client, link.losses_left, link.is_away), self.progress, &self.routed);
        (link.world.broker.state_hash(), debug(state))
    }

    fn check_end(&mut self) {
        assert_eq!(self.progress, [Progress::Complete; 3]);
        assert_eq!(self.routed, PAYLOADS);
    }
}

#[test]
fn from_publishers() {
    for version in VERSIONS {
        let states = explore(|| Publishing::new(version));
        assert!(states > 300, "{states} states");
    }
}

/// What a subscriber is sent.
const SENT: [(&str, QoS); 3] =
    [("first", QoS::ExactlyOnce), ("second", QoS::AtLeastOnce), ("third", QoS::ExactlyOnce)];

/// A subscriber that keeps the identifiers of what it received, and hands messages on at PUBLISH.
struct Subscribing {
    link: Link,
    publisher: Client,
    published: usize,
    received: Vec<PacketId>,
    /// Messages that were handed on, and whether they were marked as sent again.
    handed_on: Vec<(&'static str, bool)>,
    /// Not yet acknowledged in full on this connection.
    in_flight: usize,
}

impl Subscribing {
    fn new(version: ProtocolVersion, receive_maximum: Option<NonZeroU16>) -> Self {
        let mut link = Link::new(World::new(), version, receive_maximum, MAX_LOSSES[1]);
        link.world.subscribe(link.client, "t", QoS::ExactlyOnce);
        let publisher = link.world.connect("publisher");
        let (received, handed_on) = (Vec::new(), Vec::new());
        Self { link, publisher, published: 0, received, handed_on, in_flight: 0 }
    }

    fn take(&mut self, packet: &Packet<'static>) {
        let answer = match packet {
            Packet::Publish(publish) => self.take_message(publish),
            Packet::PubRel(rel) => {
                self.received.retain(|packet_id| *packet_id != rel.packet_id);
                self.in_flight = self.in_flight.saturating_sub(1);
                pub_comp(rel.packet_id, SUCCESS)
            }
            other => panic!("not for a subscriber: {other:?}"),
        };
        self.link.to_broker.push_back(answer);
    }

    fn take_message(&mut self, publish: &Publish<'static>) -> Packet<'static> {
        let packet_id = publish.packet_id.expect("a message of QoS 1 or 2");
        let payload = std::str::from_utf8(publish.payload).expect("text");
        self.in_flight += 1;
        let maximum = self.link.receive_maximum.map_or(usize::MAX, |maximum| usize::from(maximum.get()));
        assert!(self.in_flight <= maximum, "no more than the Receive Maximum");
        if publish.qos == QoS::AtLeastOnce {
            self.in_flight -= 1;
            self.handed_on.push((payload, publish.dup));
            return pub_ack(packet_id, SUCCESS);
        }
        if !self.received.contains(&packet_id) {
            self.received.push(packet_id);
            self.handed_on.push((payload, publish.dup));
        }
        pub_rec(packet_id, SUCCESS)
    }
}

impl System for Subscribing {
    fn moves(&self) -> Vec<Move> {
        let mut moves = self.link.moves();
        moves.extend((self.published < SENT.len()).then_some(Move::Publish));
        moves
    }

    fn make(&mut self, next: Move) {
        let link = &mut self.link;
        match next {
            Move::ToBroker => link.deliver_to_broker(),
            Move::ToClient => {
                let packet = link.to_client.pop_front().expect("a packet is on its way");
                self.take(&packet);
            }
            Move::Lose => {
                link.lose();
                self.in_flight = 0;
            }
            Move::Return => link.come_back(),
            Move::TakeOver => {
                link.take_over();
                self.in_flight = 0;
            }
            Move::Publish => {
                let (payload, qos) = SENT[self.published];
                link.world.publish(self.publisher, Publish { qos, ..qos_2("t", payload) });
                link.collect();
                self.published += 1;
            }
        }
    }

    fn state(&self) -> (u64, String) {
        let link = &self.link;
        let queues = (&link.to_broker, &link.to_client, link.losses_left, link.is_away);
        let state = (queues, self.published, &self.received, &self.handed_on, self.in_flight);
        (link.world.broker.state_hash(), debug(state))
    }

    fn check_end(&mut self) {
        let mut first_times = Vec::new();
        for (payload, dup) in &self.handed_on {
            if first_times.contains(payload) {
                assert_eq!(*payload, "second", "QoS 2 comes once: {:?}", self.handed_on);
                assert!(dup, "what comes again is marked");
            } else {
                first_times.push(*payload);
            }
        }
        assert_eq!(
            first_times,
            SENT[..self.published].iter().map(|(payload, _)| *payload).collect::<Vec<_>>()
        );
        assert!(self.received.is_empty(), "each identifier was released");
        assert_eq!(self.link.world.broker.statistics().messages, 0);
    }
}

#[test]
fn to_subscribers() {
    for version in VERSIONS {
        let states = explore(|| Subscribing::new(version, None));
        assert!(states > 300, "{states} states");
    }
    for receive_maximum in [1, 2] {
        let states = explore(|| Subscribing::new(ProtocolVersion::V5, NonZeroU16::new(receive_maximum)));
        assert!(states > 300, "{states} states");
    }
}
