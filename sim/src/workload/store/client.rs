//! One life of a client of the store workload. One task drives it: it acts on what arrives and on its next deadline, so that its
//! choices depend on nothing else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rumqttc::mqttbytes::v5::{Connect, ConnectAuth};
use rumqttc::{
    ConnAck, ConnectProperties, ConnectReturnCode, Packet, Publish, QoS, Subscribe, SubscribeFilter,
};

use super::StoreWorkload;
use super::choices::{Choices, Chosen};
use crate::history::store::{Notification, Response};
use crate::history::{Call, OperationId, Reply, UnknownReason, Version};
use crate::mqtt::{Arrival, Links, Received, Session};
use crate::workload::Life;
use crate::workload::clock::HybridClock;
use crate::workload::protocol::{self, Envelope};
use crate::world::{HostClock, RandomStream, nanos, now_ns};

/// How long a client waits for its CONNACK.
const CONNACK_TIMEOUT: Duration = Duration::from_secs(5);

/// Requests without PUBACK, at most; more would wait in a partition than the broker takes at once.
const MAX_UNACKNOWLEDGED: usize = 64;

/// The connection of the client.
#[derive(Debug)]
struct Link {
    number: u32,
    attempted_ns: u64,
    last_sent_ns: u64,
    is_accepted: bool,
}

/// One life of the process.
pub(super) struct Client<'a> {
    workload: &'a StoreWorkload,
    life: Life<'a>,
    clock: HostClock,
    hybrid: HybridClock,
    choices: Choices,
    links: Links,
    link: Option<Link>,
    /// What the broker has not acknowledged, with the operation whose request it is.
    session: Session<OperationId>,
    has_connected: bool,
    /// The session has the subscription for responses.
    is_subscribed: bool,
    /// Operations by the correlation data of their requests; they stay, since a response may come again.
    asked: BTreeMap<u64, (OperationId, Call)>,
    /// Operations without outcome, with their deadlines.
    open: BTreeMap<OperationId, u64>,
    /// KEYNOTIFY that were sent on this connection and for the first time.
    registering: BTreeSet<OperationId>,
    /// Reads that are due at a time.
    probes: BTreeSet<(u64, Vec<u8>)>,
    connect_ns: Option<u64>,
    invoke_ns: u64,
}

impl<'a> Client<'a> {
    pub(super) fn new(workload: &'a StoreWorkload, life: Life<'a>) -> Self {
        let settings = life.settings;
        let (client, incarnation) = (settings.index.0, life.incarnation);
        let rng = RandomStream::Client { client, incarnation, worker: 0 }.rng(settings.seed);
        Self {
            workload,
            clock: HostClock::new(life.recorder, settings.index),
            hybrid: HybridClock::new(&settings.name),
            choices: Choices::new(rng, format!("{}-{incarnation}", settings.name)),
            links: Links::new(&settings.name, life.network),
            link: None,
            session: Session::default(),
            has_connected: false,
            is_subscribed: false,
            asked: BTreeMap::new(),
            open: BTreeMap::new(),
            registering: BTreeSet::new(),
            probes: BTreeSet::new(),
            connect_ns: Some(now_ns()),
            invoke_ns: now_ns(),
            life,
        }
    }

    /// Lives until the host is killed.
    pub(super) async fn run(mut self) {
        loop {
            let sleep = Duration::from_nanos(self.next_ns().saturating_sub(now_ns()));
            tokio::select! { biased;
                (number, arrival) = self.links.arrival() => self.arrived(number, arrival),
                () = tokio::time::sleep(sleep) => self.due(),
            }
        }
    }

    /// When it has something to do next, at the latest in a second.
    fn next_ns(&self) -> u64 {
        let mut next = now_ns() + 1_000_000_000;
        let mut consider = |at_ns: Option<u64>| next = next.min(at_ns.unwrap_or(u64::MAX));
        consider(self.connect_ns);
        consider(self.link.as_ref().map(|link| self.link_deadline_ns(link)));
        consider(self.open.values().min().copied());
        if self.can_invoke() {
            consider(Some(self.invoke_ns));
            consider(self.probes.first().map(|(at_ns, _)| *at_ns));
        }
        next
    }

    /// When the link wants a PINGREQ, or is given up.
    fn link_deadline_ns(&self, link: &Link) -> u64 {
        let keep_alive_ns = nanos(self.life.settings.group.keep_alive);
        match link.is_accepted {
            false => link.attempted_ns + nanos(CONNACK_TIMEOUT),
            true if keep_alive_ns == 0 => u64::MAX,
            true => link.last_sent_ns + keep_alive_ns / 2,
        }
    }

    fn can_invoke(&self) -> bool {
        let is_ready = self.is_subscribed && self.link.as_ref().is_some_and(|link| link.is_accepted);
        is_ready
            && now_ns() < self.life.settings.stop_at_ns
            && self.open.len() < self.workload.in_flight as usize
            && self.session.in_flight() < MAX_UNACKNOWLEDGED
    }

    fn due(&mut self) {
        let now = now_ns();
        if self.connect_ns.is_some_and(|at_ns| at_ns <= now) {
            self.connect_ns = None;
            self.connect();
        }
        if let Some(link) = &self.link
            && self.link_deadline_ns(link) <= now
        {
            let (number, is_accepted) = (link.number, link.is_accepted);
            if is_accepted {
                self.send(&Packet::PingReq);
            } else {
                self.links.cut(number);
                self.ended("no CONNACK in time");
            }
        }
        let overdue: Vec<_> =
            self.open.iter().filter(|(_, at_ns)| **at_ns <= now).map(|(id, _)| *id).collect();
        for id in overdue {
            self.open.remove(&id);
            self.life.recorder.unknown(id, UnknownReason::TimedOut, now);
        }
        while self.can_invoke()
            && let Some((at_ns, _)) = self.probes.first()
            && *at_ns <= now
            && let Some((_, key)) = self.probes.pop_first()
        {
            self.ask(Chosen { call: Call::Get { key }, is_fenced: false });
        }
        if self.can_invoke() && self.invoke_ns <= now {
            self.invoke_ns = now + self.choices.pause_ns(self.workload);
            if let Some(chosen) = self.choices.next(self.workload) {
                self.ask(chosen);
            }
        }
    }

    fn connect(&mut self) {
        let (settings, now) = (self.life.settings, now_ns());
        let number = self.links.open();
        let properties = ConnectProperties {
            session_expiry_interval: u32::try_from(settings.group.session_expiry.as_secs()).ok(),
            ..ConnectProperties::new()
        };
        let connect = Connect {
            keep_alive: u16::try_from(settings.group.keep_alive.as_secs()).unwrap_or(u16::MAX),
            client_id: settings.name.clone(),
            clean_start: !self.has_connected,
            properties: Some(properties),
        };
        self.life.recorder.attempt(settings.index, now);
        self.link = Some(Link { number, attempted_ns: now, last_sent_ns: now, is_accepted: false });
        self.send(&Packet::Connect(connect, None, ConnectAuth::None));
    }

    fn ask(&mut self, chosen: Chosen) {
        let Chosen { call, is_fenced } = chosen;
        let (settings, recorder, now) = (self.life.settings, self.life.recorder, now_ns());
        let now_ms = self.clock.now_ms();
        let timestamp = self.hybrid.next(now_ms);
        let token = is_fenced.then(|| Version {
            wall_clock_ms: now_ms.saturating_add_signed(self.workload.token_ahead_ms),
            counter: 0,
            node_id: settings.name.clone(),
        });
        let id = recorder.invoke_fenced(settings.index, (call.clone(), token.clone()), now);
        recorder.request_sent(id, &timestamp, false, now);
        // Correlation data that no other client's and no other life's request has.
        let correlation =
            ((settings.index.0 as u64) << 48) | (self.life.incarnation << 32) | self.asked.len() as u64;
        let time_out = settings.group.operation_timeout;
        let envelope = Envelope {
            client: &settings.name,
            correlation,
            timestamp: &timestamp,
            token: token.as_ref(),
            message_expiry_s: u32::try_from(time_out.as_nanos().div_ceil(1_000_000_000)).unwrap_or(u32::MAX),
        };
        let publish = protocol::request(&call, &envelope);
        if matches!(call, Call::KeyNotify { .. }) {
            self.registering.insert(id);
        }
        self.asked.insert(correlation, (id, call));
        self.open.insert(id, now + nanos(time_out));
        let packet = self.session.publish(id, publish);
        self.send(&packet);
    }

    fn arrived(&mut self, number: u32, arrival: Arrival) {
        if self.link.as_ref().is_none_or(|link| link.number != number) {
            return;
        }
        match arrival {
            Arrival::Opened => self.life.recorder.reached(self.life.settings.index, now_ns()),
            Arrival::Packet(packet) => self.packet(*packet),
            Arrival::Ended(why) => self.ended(&why),
        }
    }

    fn packet(&mut self, packet: Packet) {
        match packet {
            Packet::ConnAck(answer) => self.answered(&answer),
            Packet::SubAck(_) => {
                self.is_subscribed = true;
                self.watch();
            }
            Packet::Disconnect(disconnect) => {
                if let Some(link) = &self.link {
                    self.links.cut(link.number);
                }
                self.ended(&format!("DISCONNECT with reason {:#04x}", disconnect.reason_code as u8));
            }
            packet => {
                let mut answers = Vec::new();
                let received = self.session.receive(&packet, |answer| answers.push(answer));
                if let Packet::Publish(publish) = &packet {
                    self.message(publish);
                }
                if let Received::Acknowledged(id, reason) = received
                    && reason >= 0x80
                {
                    self.open.remove(&id);
                    self.life.recorder.fail(id, format!("PUBACK with reason {reason:#04x}"), now_ns());
                }
                for answer in &answers {
                    self.send(answer);
                }
            }
        }
    }

    fn answered(&mut self, answer: &ConnAck) {
        let (index, recorder, now) = (self.life.settings.index, self.life.recorder, now_ns());
        let Some(link) = &mut self.link else { return };
        if answer.code != ConnectReturnCode::Success {
            return;
        }
        link.is_accepted = true;
        self.has_connected = true;
        recorder.connected(index, answer.session_present, now);
        if answer.session_present {
            for (id, packet) in self.session.resume(self.workload.dup) {
                recorder.request_sent_again(id, self.workload.dup, now);
                self.send(&packet);
            }
            if self.is_subscribed {
                self.watch();
                return;
            }
        } else {
            for id in self.session.forget() {
                if self.open.remove(&id).is_some() {
                    recorder.unknown(id, UnknownReason::ConnectionLost, now);
                }
            }
            self.is_subscribed = false;
        }
        let filter =
            SubscribeFilter::new(protocol::response_topic(&self.life.settings.name), QoS::AtLeastOnce);
        let pkid = self.session.free_id();
        self.send(&Packet::Subscribe(Subscribe { pkid, filters: vec![filter], properties: None }));
    }

    /// Registers for every key, where the scenario says so: registrations belong to the connection.
    fn watch(&mut self) {
        if self.workload.watch && now_ns() < self.life.settings.stop_at_ns {
            for number in 0..self.workload.keys {
                let key = format!("{}-{number}", self.workload.prefix).into_bytes();
                self.ask(Chosen { call: Call::KeyNotify { key, stop: false }, is_fenced: false });
            }
        }
    }

    fn message(&mut self, publish: &Publish) {
        let (settings, recorder, now) = (self.life.settings, self.life.recorder, now_ns());
        if protocol::is_notification(publish) {
            match protocol::notification(&settings.name, publish) {
                Ok(change) => {
                    self.received(None, &change.version);
                    let protocol::Change { key, value, version } = change;
                    let (client, dup) = (settings.index, publish.dup);
                    let (at_ns, connection) = (now, self.connection());
                    recorder.notified(Notification { client, connection, at_ns, key, value, version, dup });
                }
                Err(error) => recorder.protocol_breach(settings.index, &error, now),
            }
            return;
        }
        let asked =
            protocol::correlation(publish).and_then(|correlation| self.asked.get(&correlation).cloned());
        let Some((id, call)) = asked else {
            recorder.protocol_breach(settings.index, "a response to nothing that was asked", now);
            return;
        };
        let response = match protocol::response(&call, publish) {
            Ok(response) => response,
            Err(error) => {
                self.open.remove(&id);
                return recorder.protocol_error(id, &error, now);
            }
        };
        if let Response::Reply(reply) = &response
            && let Some(version) = reply.version()
            && !self.received(Some(id), version)
        {
            return;
        }
        recorder.responded(id, response.clone(), now);
        if self.open.remove(&id).is_none() {
            return;
        }
        match response {
            Response::Error(error) => recorder.fail(id, error, now),
            Response::Reply(reply) => {
                self.learn(id, &call, &reply);
                recorder.complete(id, reply, now);
            }
        }
    }

    /// Merges a version into the client's clock. One that is too far ahead breaks the protocol.
    fn received(&mut self, id: Option<OperationId>, version: &Version) -> bool {
        let Err(ahead_ms) = self.hybrid.receive(version, self.clock.now_ms()) else { return true };
        let error = format!("the version {version} is {ahead_ms} ms ahead of the client's clock");
        match id {
            Some(id) => {
                self.open.remove(&id);
                self.life.recorder.protocol_error(id, &error, now_ns());
            }
            None => self.life.recorder.protocol_breach(self.life.settings.index, &error, now_ns()),
        }
        false
    }

    /// What follows from a reply that is the first.
    fn learn(&mut self, id: OperationId, call: &Call, reply: &Reply) {
        self.choices.learn(call, reply);
        let (now, probe_ns) = (now_ns(), nanos(self.workload.probe));
        match (call, reply) {
            (Call::Set { key, px_ms: Some(px_ms), .. }, Reply::Stored { .. }) if probe_ns > 0 => {
                let end_ns = now + px_ms * 1_000_000;
                let before = self.choices.up_to_ns(probe_ns);
                let after = self.choices.up_to_ns(probe_ns);
                self.probes.insert((end_ns.saturating_sub(before), key.clone()));
                self.probes.insert((end_ns + after, key.clone()));
            }
            // A replay is answered from memory and registers nothing on the new connection.
            (Call::KeyNotify { key, stop }, Reply::WatchChanged) if self.registering.remove(&id) => {
                let connection = self.connection();
                let (client, recorder) = (self.life.settings.index, self.life.recorder);
                if *stop {
                    recorder.unwatched(client, connection, key, now);
                } else {
                    recorder.watched(client, connection, key.clone(), now);
                }
            }
            _ => {}
        }
    }

    /// Which of the client's connections this is, over all lives of its process.
    fn connection(&self) -> u32 {
        let number = self.link.as_ref().map_or(0, |link| link.number);
        u32::try_from(self.life.incarnation).unwrap_or(u32::MAX) << 16 | number
    }

    /// The connection is over.
    fn ended(&mut self, why: &str) {
        let connection = self.connection();
        let Some(link) = self.link.take() else { return };
        let (index, recorder, now) = (self.life.settings.index, self.life.recorder, now_ns());
        self.registering.clear();
        recorder.watches_ended(index, connection, now);
        if link.is_accepted {
            recorder.connection_lost(index, why.to_owned(), now);
        }
        self.connect_ns = Some(now + nanos(self.life.settings.group.reconnect_delay));
    }

    fn send(&mut self, packet: &Packet) {
        if let Some(link) = &mut self.link {
            link.last_sent_ns = now_ns();
            self.links.send(link.number, packet);
        }
    }
}
