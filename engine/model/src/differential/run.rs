//! One program against the engine and the model, compared after each operation and each deadline.

use std::collections::BTreeMap;
use std::num::NonZeroU16;

use mayfly_core::{ConnectionConfig, Limits};

use super::client::Client;
use super::engine::{Engine, Sight};
use super::generate::all_properties;
use super::panics::caught;
use super::program::{CLIENTS, Deed, Message, Operation, Program, Settings, name};
use super::trace;
use crate::specification::{
    Ack, Capabilities, Choices, Connect, ConnectionNumber, FromClient, FromServer, Model, Properties,
    Publish, Subscription, Time, Version, Violation,
};

/// So often in a row the engine may ask to be called at a moment that has come already: a crowd of deadlines at once.
const MAX_CALLS_AT_ONCE: usize = 100;

/// An identifier that clients do not come to.
const UNUSED_PACKET_ID: u16 = 60_000;

/// How the engine runs a program otherwise than a model allows; also by panicking.
#[derive(Clone, Debug)]
pub struct Difference<D> {
    /// At which operation of the program, from zero; after the last one at the end.
    pub operation: usize,
    /// What differs.
    pub problem: D,
    /// All that was sent and seen until then, where it was asked for.
    pub trace: Vec<String>,
}

/// What happened in runs that did not differ, by kind. A floor under it shows that programs are worth their time.
pub type Coverage = BTreeMap<&'static str, u64>;

/// What the engine chose where the standard leaves it a choice, as it says itself, with the limits of a program that sets
/// none.
pub fn choices() -> Choices {
    let mut engine = Engine::new(Limits::default(), ConnectionConfig::default());
    let connection = engine.accept(Version::V5);
    let mut ask = |packet: &FromClient| {
        engine.receive(connection, &super::wire::encode(packet, Version::V5));
        engine.take_sights().into_iter().next()
    };
    let capabilities = match ask(&FromClient::Connect(plain_connect("a", Version::V5))) {
        Some((_, Sight::Packet(FromServer::ConnAck(ack), _))) => ack.capabilities,
        other => panic!("a plain CONNECT is answered with CONNACK, not with {other:?}"),
    };
    let entry = Subscription {
        filter: "t".to_owned(),
        qos: 2,
        no_local: false,
        retain_as_published: false,
        retain_handling: 0,
    };
    let subscribe = FromClient::Subscribe { packet_id: 1, identifier: None, subscriptions: vec![entry] };
    let max_granted_qos = match ask(&subscribe) {
        Some((_, Sight::Packet(FromServer::SubAck { reasons, .. }, _))) => reasons[0],
        other => panic!("a plain SUBSCRIBE is answered with SUBACK, not with {other:?}"),
    };
    Choices {
        capabilities,
        max_granted_qos,
        max_session_expiry_interval_s: u32::MAX,
        max_in_flight: u16::MAX,
        max_keep_alive_s: None,
    }
}

/// Runs a program and counts what happened, or says where the engine differs.
pub fn run(
    program: &Program,
    choices: &Choices,
    traces: bool,
    coverage: &mut Coverage,
) -> Result<(), Box<Difference<Violation>>> {
    let (mut trace, mut current) = (Vec::new(), 0);
    let run = || {
        let mut run = Run::new(program.settings, choices, traces.then_some(&mut trace), coverage);
        program.operations.iter().enumerate().try_for_each(|(index, operation)| {
            current = index;
            run.step(index, operation)
        })
    };
    let panicked = |what| Violation {
        connection: None,
        what,
        allowed: vec!["no panic".to_owned()],
        clause: "nothing that a client sends makes the engine panic",
    };
    let judged = caught(run).unwrap_or_else(|what| Err(panicked(what)));
    judged.map_err(|violation| Box::new(Difference { operation: current, problem: violation, trace }))
}

struct Run<'a> {
    engine: Engine,
    model: Model,
    clients: Vec<Client>,
    /// Which client has which connection.
    owners: Vec<usize>,
    now: Time,
    /// All that was sent and seen, where it is asked for.
    trace: Option<&'a mut Vec<String>>,
    coverage: &'a mut Coverage,
}

impl<'a> Run<'a> {
    fn new(
        settings: Settings,
        choices: &Choices,
        trace: Option<&'a mut Vec<String>>,
        coverage: &'a mut Coverage,
    ) -> Self {
        let limits = Limits {
            max_session_expiry_interval_s: settings.max_session_expiry_interval_s,
            max_in_flight: settings.max_in_flight.try_into().expect("programs keep one in flight at least"),
            ..Limits::default()
        };
        let config = ConnectionConfig {
            receive_maximum: settings.receive_maximum.try_into().expect("programs allow one at least"),
            max_keep_alive_s: settings.max_keep_alive_s.and_then(NonZeroU16::new),
            ..ConnectionConfig::default()
        };
        let receive_maximum = settings.receive_maximum;
        let choices = Choices {
            capabilities: Capabilities { receive_maximum, ..choices.capabilities.clone() },
            max_keep_alive_s: settings.max_keep_alive_s,
            max_session_expiry_interval_s: settings.max_session_expiry_interval_s,
            max_in_flight: settings.max_in_flight,
            max_granted_qos: choices.max_granted_qos,
        };
        Self {
            engine: Engine::new(limits, config),
            model: Model::new(choices),
            clients: CLIENTS.map(|_| Client::new()).into(),
            owners: Vec::new(),
            now: Time(0),
            trace,
            coverage,
        }
    }

    fn step(&mut self, index: usize, operation: &Operation) -> Result<(), Violation> {
        // A millisecond passes before each operation, so that no two things are due at the same moment but those that
        // one operation set going.
        let ms = if let Operation::Wait { ms } = operation { *ms } else { 1 };
        self.advance(Time(self.now.0 + u64::from(ms)))?;
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{} {operation}", self.now));
        }
        match operation {
            Operation::Wait { .. } => Ok(()),
            Operation::Connect { client, connect } => self.connect(*client, connect),
            Operation::Drop { client } => match self.clients[*client].connection.take() {
                None => Ok(()),
                Some(connection) => {
                    self.model.connection_lost(connection);
                    self.engine.lose(connection);
                    self.compare()
                }
            },
            Operation::Send { client, deed } => match self.clients[*client].connection {
                None => Ok(()),
                Some(connection) => self.deed(index, *client, connection, deed),
            },
        }
    }

    /// Moves both clocks, from one deadline of either to the next.
    fn advance(&mut self, to: Time) -> Result<(), Violation> {
        let mut calls_at_once = 0;
        while self.now < to {
            let deadlines = [self.engine.next_deadline(), self.model.next_deadline()];
            let next = deadlines.into_iter().flatten().min().unwrap_or(to).clamp(self.now, to);
            calls_at_once = if next == self.now { calls_at_once + 1 } else { 0 };
            if calls_at_once > MAX_CALLS_AT_ONCE {
                return Err(Violation {
                    connection: None,
                    what: "a deadline that has passed and stays".to_owned(),
                    allowed: Vec::new(),
                    clause: "StateMachine::next_deadline",
                });
            }
            self.now = next;
            self.model.time_passes(next);
            self.engine.advance(next);
            self.compare()?;
        }
        Ok(())
    }

    fn connect(&mut self, client: usize, connect: &Connect) -> Result<(), Violation> {
        let mut connect = spoken(connect);
        // On 3.1.1 nobody can tell two copies of a message apart that differ in their properties alone. So that the model
        // need not guess which came, a session stays with the version that it began with.
        connect.clean_start |= connect.version != self.clients[client].version;
        let connection = self.engine.accept(connect.version);
        self.owners.push(client);
        self.clients[client].connection = Some(connection);
        self.clients[client].version = connect.version;
        self.send(connection, &FromClient::Connect(connect))
    }

    fn deed(
        &mut self,
        index: usize,
        client: usize,
        connection: ConnectionNumber,
        deed: &Deed,
    ) -> Result<(), Violation> {
        let state = &mut self.clients[client];
        let is_v5 = state.version == Version::V5;
        let packet = match deed {
            Deed::Subscribe { identifier, subscriptions } => Some(FromClient::Subscribe {
                packet_id: state.take_packet_id(),
                identifier: identifier.filter(|_| is_v5),
                subscriptions: subscriptions.iter().map(|entry| spoken_entry(entry, is_v5)).collect(),
            }),
            Deed::Unsubscribe { filters } => {
                Some(FromClient::Unsubscribe { packet_id: state.take_packet_id(), filters: filters.clone() })
            }
            Deed::Publish(message) => {
                let packet_id = (message.qos > 0).then(|| state.take_packet_id());
                let publish = publish(index, message, packet_id, is_v5);
                state.sent(Publish { topic: message.topic.clone(), topic_alias: None, ..publish.clone() });
                Some(FromClient::Publish(publish))
            }
            Deed::PublishAgain { which } => {
                state.repeat(*which).map(|publish| FromClient::Publish(spoken_again(publish, is_v5)))
            }
            Deed::Acknowledge { which, refuses } => state.acknowledge(*which, *refuses),
            Deed::AcknowledgeNothing { kind } => {
                let ack = Ack { packet_id: UNUSED_PACKET_ID, reason: 0 };
                Some(match kind % 4 {
                    0 => FromClient::PubAck(ack),
                    1 => FromClient::PubRec(ack),
                    2 => FromClient::PubRel(ack),
                    _ => FromClient::PubComp(ack),
                })
            }
            Deed::Release { which } => state.release(*which),
            Deed::Complete { which } => state.complete(*which),
            Deed::Ping => Some(FromClient::PingReq),
            Deed::ConnectAgain => Some(FromClient::Connect(plain_connect("z", state.version))),
            Deed::Disconnect { reason, session_expiry_interval_s } => Some(FromClient::Disconnect {
                reason: if is_v5 { *reason } else { 0 },
                session_expiry_interval_s: session_expiry_interval_s.filter(|_| is_v5),
            }),
        };
        packet.map_or(Ok(()), |packet| self.send(connection, &packet))
    }

    fn send(&mut self, connection: ConnectionNumber, packet: &FromClient) -> Result<(), Violation> {
        let client = self.owners[connection];
        if let Some(trace) = &mut self.trace {
            trace.push(format!("    {} → {}", name(client), trace::from_client(packet)));
        }
        *self.coverage.entry(trace::kind_from_client(packet)).or_default() += 1;
        self.model.client_sends(connection, packet);
        self.engine.receive(connection, &super::wire::encode(packet, self.clients[client].version));
        self.compare()
    }

    /// Shows the model what the clients saw.
    fn compare(&mut self) -> Result<(), Violation> {
        for (connection, sight) in self.engine.take_sights() {
            let owner = self.owners[connection];
            if let Some(trace) = &mut self.trace {
                trace.push(format!("    {} ← {}", name(owner), trace::sight(&sight)));
            }
            let verdict = match &sight {
                Sight::Packet(packet, len) => {
                    *self.coverage.entry(trace::kind_from_server(packet)).or_default() += 1;
                    self.model.client_sees(connection, packet, *len)
                }
                Sight::Garbage(bytes) => Err(Violation {
                    connection: None,
                    what: bytes.clone(),
                    allowed: Vec::new(),
                    clause: "2.1",
                }),
                Sight::Closed => self.model.connection_closed(connection),
            };
            let about = |violation| self.about(connection, violation, &sight);
            verdict.map_err(about)?;
            let client = &mut self.clients[owner];
            if client.connection == Some(connection) {
                match &sight {
                    Sight::Packet(packet, _) => client.sees(packet),
                    Sight::Garbage(_) | Sight::Closed => client.connection = None,
                }
            }
        }
        self.model.settled().map_err(|violation| match violation.connection {
            None => violation,
            Some(connection) => {
                let what = format!("{}: {}", name(self.owners[connection]), violation.what);
                Violation { what, ..violation }
            }
        })
    }

    fn about(&self, connection: ConnectionNumber, violation: Violation, sight: &Sight) -> Violation {
        let client = name(self.owners[connection]);
        let what = format!("{client} sees {}: {}", trace::sight(sight), violation.what);
        Violation { connection: Some(connection), what, ..violation }
    }
}

fn plain_connect(client_id: &str, version: Version) -> Connect {
    Connect {
        version,
        client_id: client_id.to_owned(),
        clean_start: true,
        keep_alive_s: 0,
        session_expiry_interval_s: None,
        receive_maximum: None,
        maximum_packet_size: None,
        topic_alias_maximum: 0,
        will: None,
    }
}

/// A CONNECT without what its version can't say.
fn spoken(connect: &Connect) -> Connect {
    let mut connect = connect.clone();
    if connect.version == Version::V3_1_1 {
        connect.clean_start |= connect.client_id.is_empty(); // [MQTT-3.1.3-7 of 3.1.1]
        connect.session_expiry_interval_s = None;
        connect.receive_maximum = None;
        connect.maximum_packet_size = None;
        connect.topic_alias_maximum = 0;
        if let Some(will) = &mut connect.will {
            will.delay_interval_s = 0;
            will.message_expiry_interval_s = None;
            will.properties = Properties::default();
        }
    }
    connect
}

fn spoken_entry(entry: &Subscription, is_v5: bool) -> Subscription {
    let is_shared = entry.filter.starts_with("$share/");
    Subscription {
        no_local: entry.no_local && is_v5 && !is_shared, // [MQTT-3.8.3-4]
        retain_as_published: entry.retain_as_published && is_v5,
        retain_handling: if is_v5 { entry.retain_handling } else { 0 },
        ..entry.clone()
    }
}

fn spoken_again(publish: Publish, is_v5: bool) -> Publish {
    if is_v5 {
        publish
    } else {
        Publish { message_expiry_interval_s: None, properties: Properties::default(), ..publish }
    }
}

fn publish(index: usize, message: &Message, packet_id: Option<u16>, is_v5: bool) -> Publish {
    let mut payload = if message.payload_len == 0 { String::new() } else { format!("m{}", index + 1) };
    while payload.len() < message.payload_len {
        payload.push('.');
    }
    let alias = message.alias.filter(|_| is_v5);
    let publish = Publish {
        dup: false,
        qos: message.qos,
        retain: message.retain,
        topic: if alias.is_some_and(|alias| alias.is_alone) { String::new() } else { message.topic.clone() },
        packet_id,
        topic_alias: alias.map(|alias| alias.number),
        message_expiry_interval_s: message.message_expiry_interval_s,
        subscription_identifiers: Vec::new(),
        properties: if message.has_properties { all_properties() } else { Properties::default() },
        payload: payload.into_bytes(),
    };
    spoken_again(publish, is_v5)
}
