//! A client of the state store over the simulator's own MQTT client: it keeps what the real one hides, such as which
//! connection a message came on, in what order, and with DUP or without.
//!
//! Connects, and connects again after each loss; sends again what was not acknowledged when it finds its session. What
//! happens it gives to its workload one by one, in the order of arrival. It draws no randomness.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use rumqttc::mqttbytes::v5::{Connect, ConnectAuth};
use rumqttc::{
    ConnectProperties, ConnectReturnCode, Packet, Publish, QoS, Subscribe, SubscribeFilter,
    SubscribeReasonCode,
};

use super::Life;
use super::clock::HybridClock;
use super::protocol::{self, Change, Envelope};
use crate::history::mqtt::{self, ConnAck, End, Ended, EventId, What};
use crate::history::{Call, Version};
use crate::mqtt::{Arrival, Links, MAX_IN_FLIGHT, Received, Session};
use crate::world::{HostClock, nanos, now_ns};

/// How long it waits for its CONNACK.
const CONNACK_TIMEOUT: Duration = Duration::from_secs(5);

/// A request's number in the life of its client.
pub(super) type Ticket = u64;

/// How a client differs from others.
#[derive(Clone, Copy, Debug)]
pub(super) struct Options {
    /// The broker is told not to send it packets above this many bytes.
    pub(super) maximum_packet_size: Option<u32>,
    /// Whether requests that are sent again have the DUP flag.
    pub(super) dup: bool,
}

/// A request that was sent.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) ticket: Ticket,
    /// Its `__ts`.
    pub(super) timestamp: Version,
}

/// Something that the workload should know.
#[derive(Debug)]
pub(super) enum Happening {
    /// The broker has the session: these requests were sent again.
    Resumed { connection: EventId, tickets: Vec<Ticket> },
    /// Requests can be sent on a new connection. These will get no response: the session that they were sent on is lost.
    Ready { lost: Vec<Ticket> },
    /// A response, perhaps not the first; or how it breaks the protocol. With DUP it was made for an earlier connection.
    Response { connection: EventId, ticket: Ticket, answer: Result<Publish, String>, dup: bool },
    /// A request was refused by its PUBACK.
    Refused { ticket: Ticket, reason: u8 },
    /// A notification.
    Notification { connection: EventId, change: Change, dup: bool },
    /// The connection is over.
    Lost,
    /// The broker sent something that no client of the store should get.
    Strange(String),
}

/// A connection.
#[derive(Debug)]
struct Link {
    event: EventId,
    is_accepted: bool,
    /// A later one has its CONNACK.
    is_superseded: bool,
    attempted_ns: u64,
    last_sent_ns: u64,
}

/// One life of a client.
pub(super) struct Requester<'a> {
    life: Life<'a>,
    clock: HostClock,
    hybrid: HybridClock,
    options: Options,
    links: Links,
    open: BTreeMap<u32, Link>,
    current: Option<u32>,
    session: Session<Ticket>,
    has_connected: bool,
    /// The session has the subscription to the responses.
    is_subscribed: bool,
    /// Requests of a session that is lost; the connection is not ready yet.
    lost: Vec<Ticket>,
    tickets: Ticket,
    /// Requests without a response.
    unanswered: BTreeSet<Ticket>,
    connect_ns: Option<u64>,
    happened: VecDeque<Happening>,
}

impl<'a> Requester<'a> {
    /// A client that connects at once.
    pub(super) fn new(life: Life<'a>, options: Options) -> Self {
        Self {
            clock: HostClock::new(life.recorder, life.settings.index),
            hybrid: HybridClock::new(&life.settings.name),
            options,
            links: Links::new(&life.settings.name, life.network),
            life,
            open: BTreeMap::new(),
            current: None,
            session: Session::default(),
            has_connected: false,
            is_subscribed: false,
            lost: Vec::new(),
            tickets: 0,
            unanswered: BTreeSet::new(),
            connect_ns: Some(now_ns()),
            happened: VecDeque::new(),
        }
    }

    /// The connection that requests are sent on, if there is one.
    pub(super) fn connection(&self) -> Option<EventId> {
        let number = self.current.filter(|_| self.is_subscribed)?;
        self.open.get(&number).map(|link| link.event)
    }

    /// How many requests have no PUBACK.
    pub(super) fn unacknowledged(&self) -> usize {
        self.session.in_flight()
    }

    /// Sends a call's request, under a fencing token or without, if there is a connection and not too much is
    /// in flight.
    pub(super) fn ask(&mut self, call: &Call, token: Option<&Version>) -> Option<Sent> {
        self.send(|envelope| protocol::request(call, &Envelope { token, ..*envelope }))
    }

    /// Asks for a page of the keys that match a pattern, under the same condition.
    pub(super) fn scan(&mut self, pattern: &str, token: Option<&[u8]>) -> Option<Ticket> {
        self.send(|envelope| protocol::scan(pattern, token, envelope)).map(|sent| sent.ticket)
    }

    fn send(&mut self, request: impl FnOnce(&Envelope<'_>) -> Publish) -> Option<Sent> {
        self.connection()?;
        let number = self.current.filter(|_| self.session.in_flight() < MAX_IN_FLIGHT)?;
        self.tickets += 1;
        let (ticket, settings) = (self.tickets, self.life.settings);
        let timestamp = self.hybrid.next(self.clock.now_ms());
        let expiry_s = settings.group.operation_timeout.as_nanos().div_ceil(1_000_000_000);
        let publish = request(&Envelope {
            client: &settings.name,
            correlation: self.correlation(ticket),
            timestamp: &timestamp,
            token: None,
            message_expiry_s: u32::try_from(expiry_s).unwrap_or(u32::MAX),
        });
        let packet = self.session.publish(ticket, publish);
        self.unanswered.insert(ticket);
        self.send_packet(number, &packet);
        Some(Sent { ticket, timestamp })
    }

    /// What no request of another client or another life of this one has.
    fn correlation(&self, ticket: Ticket) -> u64 {
        ((self.life.settings.index.0 as u64) << 48) | (self.life.incarnation << 32) | ticket
    }

    /// Closes the connection without a word, and connects again after `away_ns`, or after the reconnect delay.
    pub(super) fn cut(&mut self, away_ns: Option<u64>) {
        if let Some(number) = self.current {
            self.links.cut(number);
            let stop_ns = self.life.settings.stop_at_ns;
            let back_ns = |away_ns: u64| now_ns().saturating_add(away_ns).min(stop_ns).max(now_ns());
            self.connect_ns = self.connect_ns.or(away_ns.map(back_ns));
            self.ended(number, Ended::Cut, "");
        }
    }

    /// Connects once more, with the same client identifier: the broker ends the connection before.
    pub(super) fn take_over(&mut self) {
        if self.current.is_some() && self.open.len() == 1 {
            self.connect();
        }
    }

    /// What happens next; `None` when it is `until_ns` and nothing has.
    pub(super) async fn next(&mut self, until_ns: u64) -> Option<Happening> {
        loop {
            if let Some(happening) = self.happened.pop_front() {
                return Some(happening);
            }
            let now = now_ns();
            if now >= until_ns {
                return None;
            }
            let sleep = Duration::from_nanos(self.next_ns().min(until_ns).saturating_sub(now));
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
        for link in self.open.values() {
            consider(self.ping_ns(link));
            consider((!link.is_accepted).then(|| link.attempted_ns + nanos(CONNACK_TIMEOUT)));
        }
        next
    }

    fn ping_ns(&self, link: &Link) -> Option<u64> {
        let keep_alive_ns = nanos(self.life.settings.group.keep_alive);
        (link.is_accepted && !link.is_superseded && keep_alive_ns > 0)
            .then(|| link.last_sent_ns + keep_alive_ns / 2)
    }

    fn due(&mut self) {
        let now = now_ns();
        if self.connect_ns.is_some_and(|at_ns| at_ns <= now) {
            self.connect_ns = None;
            self.connect();
        }
        for number in self.open.keys().copied().collect::<Vec<_>>() {
            let link = &self.open[&number];
            if self.ping_ns(link).is_some_and(|at_ns| at_ns <= now) {
                self.send_packet(number, &Packet::PingReq);
            } else if !link.is_accepted && link.attempted_ns + nanos(CONNACK_TIMEOUT) <= now {
                self.links.cut(number);
                self.ended(number, Ended::Cut, "no CONNACK in time");
            }
        }
    }

    fn connect(&mut self) {
        let now = now_ns();
        let Life { settings, recorder, .. } = self.life;
        let number = self.links.open();
        let session_expiry_s = u32::try_from(settings.group.session_expiry.as_secs()).unwrap_or(u32::MAX);
        let clean_start = !self.has_connected;
        let connect = Connect {
            keep_alive: u16::try_from(settings.group.keep_alive.as_secs()).unwrap_or(u16::MAX),
            client_id: settings.name.clone(),
            clean_start,
            properties: Some(ConnectProperties {
                session_expiry_interval: Some(session_expiry_s),
                max_packet_size: self.options.maximum_packet_size,
                ..ConnectProperties::new()
            }),
        };
        recorder.attempt(settings.index, now);
        let record = mqtt::Connect {
            client_id: settings.name.clone(),
            clean_start,
            session_expiry_s,
            will: None,
            answer: None,
            end: None,
        };
        let event = recorder.mqtt(settings.index, What::Connect(record), now);
        let (is_accepted, is_superseded) = (false, false);
        let link = Link { event, is_accepted, is_superseded, attempted_ns: now, last_sent_ns: now };
        self.open.insert(number, link);
        self.links.send(number, &Packet::Connect(connect, None, ConnectAuth::None));
    }

    fn arrived(&mut self, number: u32, arrival: Arrival) {
        match arrival {
            Arrival::Opened => self.life.recorder.reached(self.life.settings.index, now_ns()),
            Arrival::Packet(packet) => self.packet(number, *packet),
            Arrival::Ended(why) => self.ended(number, Ended::Lost(why.clone()), &why),
        }
    }

    fn packet(&mut self, number: u32, packet: Packet) {
        let Some(link) = self.open.get(&number) else { return };
        let (event, is_superseded) = (link.event, link.is_superseded);
        match packet {
            Packet::ConnAck(answer) => {
                let reason = if answer.code == ConnectReturnCode::Success { 0 } else { 0x80 };
                self.accepted(number, reason, answer.session_present);
            }
            Packet::SubAck(answer) if !is_superseded => {
                let is_granted = matches!(
                    answer.return_codes.first(),
                    Some(SubscribeReasonCode::Success(QoS::AtLeastOnce))
                );
                self.is_subscribed = is_granted;
                if is_granted {
                    self.ready();
                } else {
                    self.happened.push_back(Happening::Strange(format!("SUBACK {:?}", answer.return_codes)));
                }
            }
            Packet::Disconnect(disconnect) => {
                let reason = disconnect.reason_code as u8;
                self.links.cut(number);
                self.ended(number, Ended::ByBroker(reason), &format!("DISCONNECT with reason {reason:#04x}"));
            }
            // It comes again on the newer connection.
            _ if is_superseded => {}
            packet => {
                let mut answers = Vec::new();
                let received = self.session.receive(&packet, |answer| answers.push(answer));
                if let (Received::Message { .. }, Packet::Publish(publish)) = (&received, &packet) {
                    self.message(event, publish);
                }
                match received {
                    Received::Acknowledged(ticket, reason) if reason >= 0x80 => {
                        self.unanswered.remove(&ticket);
                        self.happened.push_back(Happening::Refused { ticket, reason });
                    }
                    Received::Acknowledged(ticket, reason) if reason != 0 => {
                        let strange = format!("PUBACK {reason:#04x} of request {ticket}");
                        self.happened.push_back(Happening::Strange(strange));
                    }
                    _ => {}
                }
                for answer in &answers {
                    self.send_packet(number, answer);
                }
            }
        }
    }

    fn message(&mut self, connection: EventId, publish: &Publish) {
        let happening = if protocol::is_notification(publish) {
            match protocol::notification(&self.life.settings.name, publish) {
                Ok(change) => {
                    if let Err(error) = self.received(&change.version) {
                        self.happened.push_back(Happening::Strange(error));
                    }
                    Happening::Notification { connection, change, dup: publish.dup }
                }
                Err(error) => Happening::Strange(error),
            }
        } else {
            let correlation = protocol::correlation(publish);
            let ticket = correlation.map(|correlation| correlation & u64::from(u32::MAX));
            match ticket {
                // Of the life before.
                Some(ticket) if correlation != Some(self.correlation(ticket)) => return,
                Some(ticket) if (1..=self.tickets).contains(&ticket) => {
                    self.unanswered.remove(&ticket);
                    let answer = match protocol::version(publish) {
                        Some(version) => self.received(&version).map(|()| publish.clone()),
                        None => Ok(publish.clone()),
                    };
                    Happening::Response { connection, ticket, answer, dup: publish.dup }
                }
                _ => Happening::Strange("a response to nothing that was asked".to_owned()),
            }
        };
        self.happened.push_back(happening);
    }

    /// Merges a version into the client's clock. One that is too far ahead breaks the protocol.
    fn received(&mut self, version: &Version) -> Result<(), String> {
        let received = self.hybrid.receive(version, self.clock.now_ms());
        received
            .map_err(|ahead_ms| format!("the version {version} is {ahead_ms} ms ahead of the client's clock"))
    }

    fn accepted(&mut self, number: u32, reason: u8, session_present: bool) {
        let (now, Life { settings, recorder, .. }) = (now_ns(), self.life);
        let Some(link) = self.open.get_mut(&number) else { return };
        link.is_accepted = reason == 0;
        let event = link.event;
        recorder.mqtt_amend(event, now, |what| {
            if let What::Connect(connect) = what {
                connect.answer = Some(ConnAck { at_ns: now, reason, session_present });
            }
        });
        if reason != 0 {
            return;
        }
        recorder.connected(settings.index, session_present, now);
        self.has_connected = true;
        for (other, link) in &mut self.open {
            link.is_superseded |= *other != number && link.is_accepted;
        }
        self.current = Some(number);
        if session_present {
            let mut tickets = Vec::new();
            for (ticket, packet) in self.session.resume(self.options.dup) {
                tickets.push(ticket);
                self.send_packet(number, &packet);
            }
            self.happened.push_back(Happening::Resumed { connection: event, tickets });
        } else {
            self.session.forget();
            self.is_subscribed = false;
            self.lost.extend(std::mem::take(&mut self.unanswered));
        }
        if self.is_subscribed {
            self.ready();
        } else {
            let filter = SubscribeFilter::new(protocol::response_topic(&settings.name), QoS::AtLeastOnce);
            let pkid = self.session.free_id();
            let subscribe = Subscribe { pkid, filters: vec![filter], properties: None };
            self.send_packet(number, &Packet::Subscribe(subscribe));
        }
    }

    fn ready(&mut self) {
        let lost = std::mem::take(&mut self.lost);
        self.happened.push_back(Happening::Ready { lost });
    }

    /// A connection is over.
    fn ended(&mut self, number: u32, how: Ended, why: &str) {
        let Some(link) = self.open.remove(&number) else { return };
        let (now, Life { settings, recorder, .. }) = (now_ns(), self.life);
        let by_itself = how == Ended::Cut && link.is_accepted;
        recorder.mqtt_amend(link.event, now, |what| {
            if let What::Connect(connect) = what {
                connect.end.get_or_insert(End { at_ns: now, how });
            }
        });
        if link.is_superseded {
            return;
        }
        if self.current == Some(number) {
            self.current = None;
            self.happened.push_back(Happening::Lost);
        }
        if link.is_accepted && !by_itself {
            recorder.connection_lost(settings.index, why.to_owned(), now);
        }
        // A newer connection may be on its way, which takes over.
        let on_its_way = self.open.values().any(|link| !link.is_superseded);
        if !on_its_way && self.connect_ns.is_none() {
            self.connect_ns = Some(now + nanos(settings.group.reconnect_delay));
        }
    }

    fn send_packet(&mut self, number: u32, packet: &Packet) {
        self.links.send(number, packet);
        self.open.entry(number).and_modify(|link| link.last_sent_ns = now_ns());
    }
}
