//! One life of a client of the messages workload.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;
use rumqttc::mqttbytes::v5::{Connect, ConnectAuth, Disconnect, DisconnectReasonCode};
use rumqttc::{ConnectProperties, LastWill, LastWillProperties, Packet, Publish, Subscribe, SubscribeFilter};

use super::codes::{granted, qos, refused};
use super::{Leave, MessagesWorkload};
use crate::history::mqtt::{self, ConnAck, End, Ended, EventId, PublishOutcome, What};
use crate::mqtt::{Arrival, Links, Received, Session};
use crate::scenario::model::DurationRange;
use crate::workload::Life;
use crate::world::{RandomStream, nanos, now_ns};

/// How long a client waits for its CONNACK.
const CONNACK_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection of the client.
#[derive(Debug)]
struct Link {
    event: EventId,
    /// It has its CONNACK.
    is_accepted: bool,
    /// A later one has its CONNACK.
    is_superseded: bool,
    attempted_ns: u64,
    last_sent_ns: u64,
    /// SUBSCRIBE packets without SUBACK.
    subscribing: BTreeMap<u16, EventId>,
}

/// Something that a client is told to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::workload) enum Deed {
    Subscribe { filter: String, qos: u8 },
    Publish { topic: String, qos: u8, retain: bool, payload: String },
    Leave { how: Leave, away_ns: u64 },
}

/// One life of the process.
pub(in crate::workload) struct Client<'a> {
    workload: &'a MessagesWorkload,
    life: Life<'a>,
    rng: ChaCha8Rng,
    links: Links,
    open: BTreeMap<u32, Link>,
    /// The connection that packets are sent on.
    current: Option<u32>,
    session: Session<EventId>,
    has_connected: bool,
    published: u64,
    publish_ns: u64,
    /// When it connects, unless it is connected or on its way.
    connect_ns: Option<u64>,
    /// When it leaves.
    leave_ns: Option<u64>,
    left: u32,
    /// When each subscription is made anew.
    subscribe_ns: Vec<Option<u64>>,
    /// What it is told to do, each at its time, beside what it draws.
    deeds: VecDeque<(u64, Deed)>,
}

impl<'a> Client<'a> {
    pub(in crate::workload) fn new(workload: &'a MessagesWorkload, life: Life<'a>) -> Self {
        let stream =
            RandomStream::Client { client: life.settings.index.0, incarnation: life.incarnation, worker: 0 };
        Self {
            workload,
            rng: stream.rng(life.settings.seed),
            links: Links::new(&life.settings.name, life.network),
            life,
            open: BTreeMap::new(),
            current: None,
            session: Session::default(),
            has_connected: false,
            published: 0,
            publish_ns: workload.publish.as_ref().map_or(u64::MAX, |publish| nanos(publish.from)),
            connect_ns: Some(now_ns()),
            leave_ns: None,
            left: 0,
            subscribe_ns: vec![None; workload.subscribe.len()],
            deeds: VecDeque::new(),
        }
    }

    /// Lets it do this too, in order of time, each as soon as there is a connection from its time on.
    pub(in crate::workload) fn with_deeds(self, deeds: VecDeque<(u64, Deed)>) -> Self {
        Self { deeds, ..self }
    }

    /// Lives until the host is killed.
    pub(in crate::workload) async fn run(mut self) {
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
        let (now, stop_ns) = (now_ns(), self.life.settings.stop_at_ns);
        let mut next = now + 1_000_000_000;
        let mut consider = |at_ns: Option<u64>| next = next.min(at_ns.unwrap_or(u64::MAX));
        consider(self.connect_ns);
        consider(self.deeds.front().filter(|_| self.current.is_some()).map(|(at_ns, _)| *at_ns));
        if now < stop_ns {
            consider(self.leave_ns);
            consider(self.can_publish().then_some(self.publish_ns));
            if self.current.is_some() {
                self.subscribe_ns.iter().for_each(|at_ns| consider(*at_ns));
            }
        }
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

    fn can_publish(&self) -> bool {
        let Some(publish) = &self.workload.publish else { return false };
        let is_time = publish.until.is_none_or(|until| now_ns() < nanos(until));
        self.current.is_some() && is_time && self.session.in_flight() < publish.in_flight as usize
    }

    fn due(&mut self) {
        let (now, stop_ns) = (now_ns(), self.life.settings.stop_at_ns);
        // Whoever is away when the workload ends comes back, so that what waits for it is seen.
        if self.connect_ns.is_some_and(|at_ns| at_ns <= now || now >= stop_ns) {
            self.connect_ns = None;
            self.connect();
        }
        while self.current.is_some()
            && let Some((_, deed)) = self.deeds.pop_front_if(|(at_ns, _)| *at_ns <= now)
        {
            self.carry_out(deed);
        }
        if now < stop_ns {
            if self.leave_ns.is_some_and(|at_ns| at_ns <= now) {
                self.leave_ns = None;
                self.leave();
            }
            for index in 0..self.subscribe_ns.len() {
                if self.subscribe_ns[index].is_some_and(|at_ns| at_ns <= now) {
                    self.subscribe(index);
                }
            }
            if self.publish_ns <= now && self.can_publish() {
                self.publish();
            }
        }
        for number in self.open.keys().copied().collect::<Vec<_>>() {
            let link = &self.open[&number];
            if self.ping_ns(link).is_some_and(|at_ns| at_ns <= now) {
                self.send(number, &Packet::PingReq);
            } else if !link.is_accepted && link.attempted_ns + nanos(CONNACK_TIMEOUT) <= now {
                self.links.cut(number);
                self.ended(number, Ended::Cut, "no CONNACK in time");
            }
        }
    }

    fn connect(&mut self) {
        let now = now_ns();
        let Life { settings, recorder, incarnation, .. } = self.life;
        let number = self.links.open();
        let client_id = self.workload.client_id.clone().unwrap_or_else(|| settings.name.clone());
        let session_expiry_s = u32::try_from(settings.group.session_expiry.as_secs()).unwrap_or(u32::MAX);
        let will = self.workload.will.as_ref().map(|will| mqtt::Will {
            topic: will.topic.clone(),
            payload: format!("will-of-{}-{incarnation}-{number}", settings.name),
            delay_s: u32::try_from(will.delay.as_secs()).unwrap_or(u32::MAX),
            qos: will.qos,
        });
        let clean_start = self.workload.clean_start && !self.has_connected;
        let packet = Packet::Connect(
            Connect {
                keep_alive: u16::try_from(settings.group.keep_alive.as_secs()).unwrap_or(u16::MAX),
                client_id: client_id.clone(),
                clean_start,
                properties: Some(ConnectProperties {
                    session_expiry_interval: Some(session_expiry_s),
                    receive_maximum: self
                        .workload
                        .receive_maximum
                        .and_then(|maximum| u16::try_from(maximum).ok()),
                    ..ConnectProperties::new()
                }),
            },
            will.as_ref().map(|will| {
                let properties = LastWillProperties {
                    delay_interval: Some(will.delay_s),
                    payload_format_indicator: None,
                    message_expiry_interval: None,
                    content_type: None,
                    response_topic: None,
                    correlation_data: None,
                    user_properties: Vec::new(),
                };
                LastWill::new(&will.topic, will.payload.clone(), qos(will.qos), false, Some(properties))
            }),
            ConnectAuth::None,
        );
        recorder.attempt(settings.index, now);
        let connect =
            mqtt::Connect { client_id, clean_start, session_expiry_s, will, answer: None, end: None };
        let event = recorder.mqtt(settings.index, What::Connect(connect), now);
        let link = Link {
            event,
            is_accepted: false,
            is_superseded: false,
            attempted_ns: now,
            last_sent_ns: now,
            subscribing: BTreeMap::new(),
        };
        self.open.insert(number, link);
        self.links.send(number, &packet);
    }

    fn carry_out(&mut self, deed: Deed) {
        match deed {
            Deed::Subscribe { filter, qos } => self.subscribe_to(filter, qos),
            Deed::Publish { topic, qos, retain, payload } => {
                self.publish_message(topic, qos, retain, payload);
            }
            Deed::Leave { how, away_ns } => self.leave_for(how, away_ns),
        }
    }

    fn leave(&mut self) {
        let (Some(churn), Some(_)) = (&self.workload.churn, self.current) else { return };
        self.left += 1;
        let how = churn.how[self.rng.random_range(0..churn.how.len())];
        let away = self.draw_ns(churn.away);
        self.leave_for(how, away);
    }

    fn leave_for(&mut self, how: Leave, away: u64) {
        let Some(number) = self.current else { return };
        match how {
            Leave::Takeover => return self.connect(),
            Leave::Cut => {
                self.links.cut(number);
                self.ended(number, Ended::Cut, "");
            }
            Leave::Disconnect => {
                let reason = DisconnectReasonCode::NormalDisconnection;
                self.send(number, &Packet::Disconnect(Disconnect::new(reason)));
                self.open.entry(number).and_modify(|link| link.is_superseded = true);
                let event = self.open[&number].event;
                self.end(event, Ended::Disconnected);
            }
        }
        self.current = None;
        self.connect_ns = Some(now_ns() + away);
    }

    fn publish(&mut self) {
        let Some(publish) = &self.workload.publish else { return };
        let Life { settings, incarnation, .. } = self.life;
        let base = publish.topic.replace("{name}", &settings.name);
        let topic = format!("{base}/{}", self.rng.random_range(0..publish.topics));
        let level = publish.qos[self.rng.random_range(0..publish.qos.len())];
        let mut payload = format!("{}-{incarnation}-{}", settings.name, self.published);
        if payload.len() < publish.size as usize {
            payload.push(' ');
            payload.extend(std::iter::repeat_n('.', publish.size as usize - payload.len()));
        }
        self.published += 1;
        self.publish_message(topic, level, publish.retain, payload);
        let pause = publish.pause;
        self.publish_ns = now_ns() + self.draw_ns(pause);
    }

    fn publish_message(&mut self, topic: String, level: u8, retain: bool, payload: String) {
        let Some(number) = self.current else { return };
        let Life { settings, recorder, .. } = self.life;
        let outcome = if level == 0 { PublishOutcome::Sent } else { PublishOutcome::Open };
        let record = mqtt::Publish {
            topic: topic.clone(),
            qos: level,
            retain,
            payload: payload.clone(),
            sent_again_ns: Vec::new(),
            outcome,
        };
        let event = recorder.mqtt(settings.index, What::Publish(record), now_ns());
        let message = Publish { retain, ..Publish::new(topic, qos(level), payload, None) };
        let packet = self.session.publish(event, message);
        self.send(number, &packet);
    }

    fn subscribe(&mut self, index: usize) {
        let to = &self.workload.subscribe[index];
        self.subscribe_to(to.filter.clone(), to.qos);
        self.subscribe_ns[index] = to.every.map(|every| now_ns() + nanos(every));
    }

    fn subscribe_to(&mut self, filter: String, level: u8) {
        let Some(number) = self.current else { return };
        let id = self.session.free_id();
        let asked = SubscribeFilter::new(filter.clone(), qos(level));
        let packet = Packet::Subscribe(Subscribe { pkid: id, filters: vec![asked], properties: None });
        let connection = self.open[&number].event;
        let record = mqtt::Subscribe { connection, filter, qos: level, answer: None };
        let event = self.life.recorder.mqtt(self.life.settings.index, What::Subscribe(record), now_ns());
        self.open.entry(number).and_modify(|link| {
            link.subscribing.insert(id, event);
        });
        self.send(number, &packet);
    }

    fn arrived(&mut self, number: u32, arrival: Arrival) {
        match arrival {
            Arrival::Opened => self.life.recorder.reached(self.life.settings.index, now_ns()),
            Arrival::Packet(packet) => self.packet(number, *packet),
            Arrival::Ended(why) => {
                let how = Ended::Lost(why.clone());
                self.ended(number, how, &why);
            }
        }
    }

    fn packet(&mut self, number: u32, packet: Packet) {
        let Some(link) = self.open.get_mut(&number) else { return };
        let (event, is_late) = (link.event, link.is_superseded);
        match packet {
            Packet::ConnAck(answer) => self.accepted(number, refused(answer.code), answer.session_present),
            Packet::SubAck(answer) => {
                let Some(event) = link.subscribing.remove(&answer.pkid) else { return };
                let reason = answer.return_codes.first().map_or(0x80, |code| granted(*code));
                let now = now_ns();
                self.life.recorder.mqtt_amend(event, now, |what| {
                    if let What::Subscribe(subscribe) = what {
                        subscribe.answer = Some((now, reason));
                    }
                });
            }
            Packet::Disconnect(disconnect) => {
                let reason = disconnect.reason_code as u8;
                self.links.cut(number);
                self.ended(number, Ended::ByBroker(reason), &format!("DISCONNECT with reason {reason:#04x}"));
            }
            packet if is_late => {
                if let Packet::Publish(publish) = &packet {
                    self.delivered(event, publish, false, true);
                }
            }
            packet => self.session_packet(number, event, &packet),
        }
    }

    /// A packet of the session on a connection that is the client's.
    fn session_packet(&mut self, number: u32, event: EventId, packet: &Packet) {
        let mut answers = Vec::new();
        let received = self.session.receive(packet, |answer| answers.push(answer));
        if let (Received::Message { known }, Packet::Publish(publish)) = (&received, packet) {
            self.delivered(event, publish, *known, false);
        }
        if let Received::Acknowledged(event, reason) = received {
            let now = now_ns();
            self.amend_publish(event, |publish| {
                publish.outcome = PublishOutcome::Acknowledged { at_ns: now, reason };
            });
        }
        for answer in &answers {
            self.send(number, answer);
        }
    }

    fn delivered(&self, connection: EventId, publish: &Publish, known: bool, late: bool) {
        let record = mqtt::Deliver {
            connection,
            topic: String::from_utf8_lossy(&publish.topic).into_owned(),
            qos: publish.qos as u8,
            dup: publish.dup,
            retain: publish.retain,
            packet_id: (publish.pkid != 0).then_some(publish.pkid),
            payload: String::from_utf8_lossy(&publish.payload).into_owned(),
            known,
            late,
        };
        self.life.recorder.mqtt(self.life.settings.index, What::Deliver(record), now_ns());
    }

    fn accepted(&mut self, number: u32, reason: u8, session_present: bool) {
        let (now, settings, recorder) = (now_ns(), self.life.settings, self.life.recorder);
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
            for (event, packet) in self.session.resume(true) {
                if matches!(packet, Packet::Publish(_)) {
                    self.amend_publish(event, |publish| publish.sent_again_ns.push(now));
                }
                self.send(number, &packet);
            }
        } else {
            for event in self.session.forget() {
                self.amend_publish(event, |publish| publish.outcome = PublishOutcome::Unknown { at_ns: now });
            }
            (0..self.workload.subscribe.len()).for_each(|index| self.subscribe(index));
        }
        if let Some(churn) = &self.workload.churn
            && churn.times.is_none_or(|times| self.left < times)
        {
            self.leave_ns = Some(now + self.draw_ns(churn.connected));
        }
    }

    /// A connection is over.
    fn ended(&mut self, number: u32, how: Ended, why: &str) {
        let Some(link) = self.open.remove(&number) else { return };
        let by_itself = how == Ended::Cut && link.is_accepted;
        self.end(link.event, how);
        if link.is_superseded {
            return;
        }
        let is_current = self.current == Some(number);
        if is_current {
            self.current = None;
            self.leave_ns = None;
        }
        if link.is_accepted && !by_itself {
            self.life.recorder.connection_lost(self.life.settings.index, why.to_owned(), now_ns());
        }
        // A newer connection may be on its way, which takes over.
        let on_its_way = self.open.values().any(|link| !link.is_superseded);
        if !on_its_way && self.connect_ns.is_none() {
            self.connect_ns = Some(now_ns() + nanos(self.life.settings.group.reconnect_delay));
        }
    }

    fn end(&self, event: EventId, how: Ended) {
        let now = now_ns();
        self.life.recorder.mqtt_amend(event, now, |what| {
            if let What::Connect(connect) = what
                && connect.end.is_none()
            {
                connect.end = Some(End { at_ns: now, how });
            }
        });
    }

    fn amend_publish(&self, event: EventId, change: impl FnOnce(&mut mqtt::Publish)) {
        self.life.recorder.mqtt_amend(event, now_ns(), |what| {
            if let What::Publish(publish) = what {
                change(publish);
            }
        });
    }

    fn send(&mut self, number: u32, packet: &Packet) {
        self.links.send(number, packet);
        self.open.entry(number).and_modify(|link| link.last_sent_ns = now_ns());
    }

    fn draw_ns(&mut self, range: DurationRange) -> u64 {
        nanos(self.rng.random_range(range.min..=range.max))
    }
}
