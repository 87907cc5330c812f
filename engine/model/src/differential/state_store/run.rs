//! One program against the engine and the model.

use std::collections::VecDeque;

use mayfly_core::{ConnectionConfig, Limits, Statistics, StoreCommand};

use super::program::{Asked, CLIENTS, Operation, Program, START_MS, Token, name};
use super::response::{differs, payload, response_topic};
use crate::differential::engine::{Engine, Sight};
use crate::differential::panics::caught;
use crate::differential::run::{Coverage, Difference};
use crate::differential::{trace, wire};
use crate::specification::{
    self as mqtt, Ack, ConnectionNumber, FromClient, FromServer, Publish, Subscription, Version,
};
use crate::state_store::{Counts, Message, Moment, Quotas, Reply, Request, Store};

/// Where requests go.
const REQUEST_TOPIC: &str = "statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/command/invoke";
/// Longer than any program takes: a request that comes again is answered from memory.
const MESSAGE_EXPIRY_S: u32 = 100_000;

/// Runs a program. `is_traced` says whether a difference comes with all that was sent and seen.
pub fn run(
    program: &Program,
    is_traced: bool,
    coverage: &mut Coverage,
) -> Result<(), Box<Difference<String>>> {
    let mut world = World::new(program.quotas, is_traced);
    let mut operation = 0;
    let result = caught(|| {
        for next in &program.operations {
            world.carry_out(next, coverage)?;
            operation += 1;
        }
        Ok(())
    });
    match result.unwrap_or_else(Err) {
        Ok(()) => Ok(()),
        Err(problem) => Err(Box::new(Difference { operation, problem, trace: world.trace })),
    }
}

struct World {
    engine: Engine,
    model: Store,
    now: Moment,
    /// No two operations happen at the same nanosecond.
    operations: u64,
    elapsed_ms: u64,
    stepped_ms: i64,
    clients: Vec<Client>,
    is_traced: bool,
    trace: Vec<String>,
}

struct Client {
    connection: ConnectionNumber,
    next_packet_id: u16,
    last_version: Option<String>,
}

impl World {
    fn new(quotas: Quotas, is_traced: bool) -> Self {
        let mut world = Self {
            engine: Engine::new(limits(quotas), ConnectionConfig::default()),
            model: Store::new(quotas),
            now: Moment { nanos: 0, wall_ms: START_MS },
            operations: 0,
            elapsed_ms: 0,
            stepped_ms: 0,
            clients: Vec::new(),
            is_traced,
            trace: Vec::new(),
        };
        world.engine.set_clocks(world.now.nanos, world.now.wall_ms);
        for client in 0..CLIENTS {
            let connection = world.connect(client);
            world.clients.push(Client { connection, next_packet_id: 2, last_version: None });
            let subscription = Subscription {
                filter: response_topic(name(client)),
                qos: 1,
                no_local: true, // Responses do not count as local.
                retain_as_published: false,
                retain_handling: 0,
            };
            let packet =
                FromClient::Subscribe { packet_id: 1, identifier: None, subscriptions: vec![subscription] };
            world.send(client, &packet);
        }
        world.engine.take_sights();
        world
    }

    /// Opens a connection to a client's session.
    fn connect(&mut self, client: usize) -> ConnectionNumber {
        let connection = self.engine.accept(Version::V5);
        let connect = mqtt::Connect {
            version: Version::V5,
            client_id: name(client).to_owned(),
            clean_start: false,
            keep_alive_s: 0,
            session_expiry_interval_s: Some(u32::MAX),
            receive_maximum: None,
            maximum_packet_size: None,
            topic_alias_maximum: 0,
            will: None,
        };
        let bytes = wire::encode(&FromClient::Connect(connect), Version::V5);
        self.engine.receive(connection, &bytes);
        connection
    }

    fn send(&mut self, client: usize, packet: &FromClient) {
        if self.is_traced {
            self.trace.push(format!("{} sends {}", name(client), trace::from_client(packet)));
        }
        self.engine.receive(self.clients[client].connection, &wire::encode(packet, Version::V5));
    }

    fn carry_out(&mut self, operation: &Operation, coverage: &mut Coverage) -> Result<(), String> {
        self.operations += 1;
        self.clock_moves();
        let (mut requested, mut connected) = (None, None);
        match operation {
            Operation::Ask(asked) => requested = Some((asked.client, self.ask(asked, coverage))),
            Operation::Wait { ms } => {
                self.elapsed_ms += ms;
                let end = self.nanos();
                while let Some(deadline) = self.engine.next_deadline_nanos().filter(|next| *next <= end) {
                    self.set_clocks(deadline);
                    self.tick();
                    self.compare((None, None), coverage)?;
                }
                self.clock_moves();
            }
            Operation::Sleep { ms } => {
                self.elapsed_ms += ms;
                self.clock_moves();
            }
            Operation::Step { ms } => {
                self.stepped_ms += ms;
                self.clock_moves();
            }
            Operation::Reconnect { client } => {
                // What is due comes before, and is acknowledged, so that nothing is in flight.
                self.tick();
                self.compare((None, None), coverage)?;
                self.engine.lose(self.clients[*client].connection);
                self.model.connection_lost(*client);
                self.clients[*client].connection = self.connect(*client);
                connected = Some(*client);
            }
            Operation::Limit(quotas) => {
                self.engine.limit(limits(*quotas));
                self.model.time_passes(self.now);
                self.model.limit(*quotas);
            }
        }
        self.compare((requested, connected), coverage)
    }

    fn nanos(&self) -> u64 {
        self.elapsed_ms * 1_000_000 + self.operations
    }

    fn clock_moves(&mut self) {
        self.set_clocks(self.nanos());
    }

    fn set_clocks(&mut self, nanos: u64) {
        let wall_ms = (START_MS + nanos / 1_000_000).saturating_add_signed(self.stepped_ms);
        self.now = Moment { nanos, wall_ms };
        self.engine.set_clocks(nanos, wall_ms);
    }

    fn tick(&mut self) {
        self.engine.tick();
        self.model.time_passes(self.now);
    }

    /// Sends a request, and returns its packet identifier.
    fn ask(&mut self, asked: &Asked, coverage: &mut Coverage) -> u16 {
        let client = &mut self.clients[asked.client];
        let packet_id = client.next_packet_id;
        client.next_packet_id += 1;
        let token = match &asked.token {
            Some(Token::Text(text)) => Some(text.clone()),
            Some(Token::LastVersion) => client.last_version.clone(),
            None => None,
        };
        let user_properties = [("__ts", &asked.timestamp), ("__ft", &token)]
            .into_iter()
            .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?)))
            .collect();
        let correlation = vec![asked.correlation; 16];
        let publish = Publish {
            qos: 1,
            topic: REQUEST_TOPIC.to_owned(),
            packet_id: Some(packet_id),
            message_expiry_interval_s: Some(MESSAGE_EXPIRY_S),
            properties: mqtt::Properties {
                response_topic: Some(response_topic(name(asked.client))),
                correlation_data: Some(correlation.clone()),
                user_properties,
                ..mqtt::Properties::default()
            },
            payload: payload(&asked.items),
            ..Publish::default()
        };
        self.send(asked.client, &FromClient::Publish(publish));
        let request = Request {
            client: asked.client,
            correlation,
            items: asked.items.clone(),
            timestamp: asked.timestamp.clone(),
            token,
        };
        let before = self.model.counts();
        self.model.request(self.now, &request);
        if self.model.counts() == before {
            *coverage.entry("not executed: malformed, again, or SCAN").or_default() += 1;
        }
        packet_id
    }

    /// Compares all that came of an operation, acknowledges it, and compares what is there. A client that asked wants its
    /// PUBACK, and one that connected its session.
    fn compare(
        &mut self,
        (mut requested, mut connected): (Option<(usize, u16)>, Option<usize>),
        coverage: &mut Coverage,
    ) -> Result<(), String> {
        let mut wanted: Vec<VecDeque<Message>> = vec![VecDeque::new(); CLIENTS];
        for (client, message) in self.model.take_messages() {
            count(&message, coverage);
            if let Message::Response { version: Some(version), .. } = &message {
                self.clients[client].last_version = Some(version.clone());
            }
            wanted[client].push_back(message);
        }
        for (connection, sight) in self.engine.take_sights() {
            let client = self.clients.iter().position(|client| client.connection == connection);
            let client = client.ok_or("something comes on a connection that is lost")?;
            if self.is_traced {
                self.trace.push(format!("{} sees {}", name(client), trace::sight(&sight)));
            }
            match sight {
                Sight::Packet(FromServer::PubAck(Ack { packet_id, reason: 0 }), _)
                    if requested == Some((client, packet_id)) =>
                {
                    requested = None;
                }
                Sight::Packet(FromServer::ConnAck(ack), _)
                    if ack.session_present && connected == Some(client) =>
                {
                    connected = None;
                }
                Sight::Packet(FromServer::Publish(publish), _) => {
                    let Some(message) = wanted[client].pop_front() else {
                        return Err(format!("{} gets one message more: {}", name(client), shown(&publish)));
                    };
                    if let Some(how) = differs(name(client), &message, &publish) {
                        let seen = shown(&publish);
                        return Err(format!(
                            "{} gets {seen}\nwhere the model says {message:?}: {how}",
                            name(client)
                        ));
                    }
                    let packet_id = publish.packet_id.expect("a message of QoS 1");
                    self.send(client, &FromClient::PubAck(Ack { packet_id, reason: 0 }));
                }
                sight => return Err(format!("{} sees {}", name(client), trace::sight(&sight))),
            }
        }
        if let Some((client, packet_id)) = requested {
            return Err(format!("{}'s request {packet_id} has no PUBACK of success", name(client)));
        }
        if let Some(client) = connected {
            return Err(format!("{} has no CONNACK", name(client)));
        }
        if let Some(client) = wanted.iter().position(|wanted| !wanted.is_empty()) {
            return Err(format!("{} misses {:?}", name(client), wanted[client]));
        }
        self.compare_what_is_there()
    }

    fn compare_what_is_there(&mut self) -> Result<(), String> {
        let statistics = self.engine.statistics();
        let (model, counts) = (&self.model, counts(&statistics));
        let deadline = self.engine.next_deadline_nanos();
        let compared = [
            ("keys", statistics.keys == model.len()),
            ("bytes", statistics.memory.store as u64 == model.bytes()),
            ("counts", counts == model.counts()),
            ("next deadline", deadline == model.next_deadline()),
        ];
        let differing: Vec<_> =
            compared.iter().filter(|(_, is_same)| !is_same).map(|(what, _)| *what).collect();
        if differing.is_empty() {
            return Ok(());
        }
        Err(format!(
            "{}: the engine has {} keys, {} bytes, {deadline:?}, {counts:?}\nthe model {} keys, {} bytes, {:?}, {:?}",
            differing.join(", "),
            statistics.keys,
            statistics.memory.store,
            model.len(),
            model.bytes(),
            model.next_deadline(),
            model.counts(),
        ))
    }
}

fn shown(publish: &Publish) -> String {
    let mqtt::Properties { user_properties, .. } = &publish.properties;
    format!("\"{}\" on {}, {user_properties:?}", publish.payload.escape_ascii(), publish.topic)
}

fn limits(Quotas { keys, bytes, watched }: Quotas) -> Limits {
    Limits { max_keys: keys, max_store_bytes: bytes, max_watched_keys: watched, ..Limits::default() }
}

/// What the engine counts, as the model does.
fn counts(statistics: &Statistics) -> Counts {
    let requests = |command| statistics.operations.requests(command);
    Counts {
        insertions: statistics.insertions,
        modifications: requests(StoreCommand::Set).wrapping_sub(statistics.insertions),
        retrievals: requests(StoreCommand::Get),
        deletions: requests(StoreCommand::Del) + requests(StoreCommand::Vdel),
        keynotify_requests: requests(StoreCommand::KeyNotify),
        notifications_sent: statistics.notifications_sent,
        expirations: statistics.expirations,
        quota_refusals: statistics.quota_refusals,
    }
}

fn count(message: &Message, coverage: &mut Coverage) {
    let kind = match message {
        Message::Notification { value: Some(_), .. } => "NOTIFY SET",
        Message::Notification { value: None, .. } => "NOTIFY DELETE",
        Message::Response { reply, .. } => match reply {
            Reply::Ok => "+OK",
            Reply::Number(1) => ":1",
            Reply::Number(0) => ":0",
            Reply::Number(_) => ":-1",
            Reply::Value(Some(_)) => "a value",
            Reply::Value(None) => "no value",
            Reply::Keys(_) => "a page of keys",
            Reply::Error(text) => text.unwrap_or("another error"),
        },
    };
    *coverage.entry(kind).or_default() += 1;
}
