//! Random programs from a seed, out of what the server says that it can do.
//!
//! A few clients, topics and filters, so that they meet; short intervals, so that they pass.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::program::{Alias, CLIENTS, Deed, Message, Operation, Program, Settings};
use crate::specification::{Capabilities, Choices, Connect, Properties, Subscription, Version, Will};

const TOPICS: [&str; 6] = ["topic", "topic/a", "topic/a", "topic/b", "$x/a", "w"];
const FILTERS: [&str; 12] =
    ["topic", "topic/a", "topic/a", "topic/b", "topic/+", "topic/#", "#", "+/a", "+", "$x/#", "$x/+", "w"];
/// Mostly the same, so that groups have members.
const SHARED_FILTERS: [&str; 5] =
    ["$share/g/topic/#", "$share/g/topic/#", "$share/g/topic/#", "$share/h/topic/a", "$share/g/#"];

/// Operations of one program.
const MIN_OPERATIONS: usize = 8;
const MAX_OPERATIONS: usize = 60;

/// The program of a seed.
pub fn program(seed: u64, choices: &Choices) -> Program {
    let rng = ChaCha8Rng::seed_from_u64(seed);
    let mut generator = Generator {
        rng,
        capabilities: &choices.capabilities,
        takes_qos_2: choices.capabilities.maximum_qos == 2,
        sends_qos_2: choices.max_granted_qos == 2,
        clients: 0,
        versions: [Version::V5; CLIENTS.len()],
        groups: [SHARED_FILTERS[0]; CLIENTS.len()],
        is_connected: [false; CLIENTS.len()],
    };
    for client in 0..CLIENTS.len() {
        generator.groups[client] = *generator.pick(&SHARED_FILTERS[..]);
        generator.versions[client] = if generator.chance(80) { Version::V5 } else { Version::V3_1_1 };
    }
    // Mostly few clients: they meet more often.
    generator.clients = *generator.pick(&[2, 2, 3, 3, 4, CLIENTS.len()]);
    let settings = Settings {
        max_session_expiry_interval_s: *generator.pick(&[u32::MAX, u32::MAX, u32::MAX, 3, 0]),
        max_in_flight: *generator.pick(&[1024, 1024, 1024, 2, 1]),
        receive_maximum: *generator.pick(&[1024, 1024, 1024, 2]),
        max_keep_alive_s: *generator.pick(&[None, None, None, None, Some(4)]),
    };
    let len = generator.rng.random_range(MIN_OPERATIONS..=MAX_OPERATIONS);
    // Somebody is there, so that what follows has somebody to be about.
    let mut operations = vec![generator.connect(0), generator.connect(1)];
    operations.push(Operation::Send { client: 1, deed: generator.subscribe(1) });
    while operations.len() < len {
        let operation = generator.operation();
        operations.push(operation);
    }
    Program { settings, operations }
}

struct Generator<'a> {
    rng: ChaCha8Rng,
    capabilities: &'a Capabilities,
    /// Whether the server takes QoS 2 from clients.
    takes_qos_2: bool,
    /// Whether it sends QoS 2 to clients.
    sends_qos_2: bool,
    /// How many of [`CLIENTS`] take part.
    clients: usize,
    /// What they speak, mostly.
    versions: [Version; CLIENTS.len()],
    /// The shared subscription that each may have. One, since nobody can tell which of two groups brought a message.
    groups: [&'static str; CLIENTS.len()],
    /// Which of them have a connection, as far as that can be told without running the program.
    is_connected: [bool; CLIENTS.len()],
}

impl Generator<'_> {
    fn operation(&mut self) -> Operation {
        let client = self.rng.random_range(0..self.clients);
        if self.chance(8) {
            return Operation::Wait { ms: self.wait_ms() };
        }
        // Also one that has a connection opens another, which takes its session over.
        if self.chance(if self.is_connected[client] { 4 } else { 80 }) {
            return self.connect(client);
        }
        if self.chance(5) {
            self.is_connected[client] = false;
            return Operation::Drop { client };
        }
        let deed = self.deed(client);
        if matches!(deed, Deed::Disconnect { .. } | Deed::ConnectAgain) {
            self.is_connected[client] = false;
        }
        Operation::Send { client, deed }
    }

    fn wait_ms(&mut self) -> u32 {
        match self.rng.random_range(0..6) {
            0 => self.rng.random_range(1..1000),
            1..5 => self.rng.random_range(1000..4000),
            _ => self.rng.random_range(4000..20_000),
        }
    }

    fn deed(&mut self, client: usize) -> Deed {
        match self.rng.random_range(0..100) {
            0..20 => self.subscribe(client),
            20..24 => Deed::Unsubscribe { filters: self.some(|generator| generator.filter(client)) },
            24..42 => Deed::Acknowledge { which: self.which(), refuses: self.chance(10) },
            42..45 => Deed::PublishAgain { which: self.which() },
            45..48 => Deed::Disconnect {
                reason: *self.pick(&[0x00, 0x00, 0x04, 0x80]),
                session_expiry_interval_s: self.maybe(40, Self::interval_s),
            },
            48 => Deed::Ping,
            49 if self.chance(30) => Deed::ConnectAgain,
            49 => self.acknowledge_nothing(),
            50..57 if self.takes_qos_2 => Deed::Release { which: self.which() },
            57..64 if self.sends_qos_2 => Deed::Complete { which: self.which() },
            _ => Deed::Publish(self.message()),
        }
    }

    fn acknowledge_nothing(&mut self) -> Deed {
        let kind = match self.rng.random_range(4..8) {
            6 if self.takes_qos_2 => 6,
            kind @ (5 | 7) if self.sends_qos_2 => kind,
            _ => 4,
        };
        Deed::AcknowledgeNothing { kind }
    }

    fn connect(&mut self, client: usize) -> Operation {
        self.is_connected[client] = true;
        let version = match (self.versions[client], self.chance(3)) {
            (Version::V5, true) => Version::V3_1_1,
            (Version::V3_1_1, true) => Version::V5,
            (version, false) => version,
        };
        let connect = Connect {
            version,
            client_id: CLIENTS[client].to_owned(),
            clean_start: self.chance(25),
            keep_alive_s: *self.pick(&[0, 0, 0, 0, 2, 5]),
            session_expiry_interval_s: self.maybe(85, Self::interval_s),
            receive_maximum: self.maybe(40, |generator| *generator.pick(&[1, 1, 2, 3])),
            maximum_packet_size: self.maybe(15, |generator| *generator.pick(&[120, 150])),
            topic_alias_maximum: *self.pick(&[0, 0, 1, 3]),
            will: self.maybe(40, Self::will),
        };
        Operation::Connect { client, connect }
    }

    fn will(&mut self) -> Will {
        Will {
            delay_interval_s: *self.pick(&[0, 0, 1, 2, 3, 8]),
            message_expiry_interval_s: self.maybe(20, Self::interval_s),
            qos: self.qos(),
            retain: self.retain(),
            topic: (*self.pick(&["w", "w", "topic/a"])).to_owned(),
            payload: if self.chance(10) { Vec::new() } else { b"gone".to_vec() },
            properties: if self.chance(20) { all_properties() } else { Properties::default() },
        }
    }

    fn subscribe(&mut self, client: usize) -> Deed {
        let has_identifiers = self.capabilities.subscription_identifiers_available;
        Deed::Subscribe {
            identifier: self.maybe(40, |generator| *generator.pick(&[1, 2, 300])).filter(|_| has_identifiers),
            subscriptions: self.some(|generator| Subscription {
                filter: generator.filter(client),
                qos: *generator.pick(&[0, 1, 1, 2, 2]),
                no_local: generator.chance(15),
                retain_as_published: generator.chance(30),
                retain_handling: *generator.pick(&[0, 0, 1, 2]),
            }),
        }
    }

    fn filter(&mut self, client: usize) -> String {
        let has_shared = self.capabilities.shared_subscription_available;
        if has_shared && self.chance(20) {
            return self.groups[client].to_owned();
        }
        (*self.pick(&FILTERS)).to_owned()
    }

    fn message(&mut self) -> Message {
        let aliases = self.capabilities.topic_alias_maximum;
        let retain = self.retain();
        Message {
            topic: (*self.pick(&TOPICS)).to_owned(),
            qos: self.qos(),
            retain,
            payload_len: match self.rng.random_range(0..20) {
                0..4 if retain => 0,
                0 => 0,
                1 => self.rng.random_range(60..200),
                _ => 1,
            },
            message_expiry_interval_s: self.maybe(30, Self::interval_s),
            has_properties: self.chance(15),
            alias: self
                .maybe(12, |generator| Alias {
                    number: generator.rng.random_range(1..=aliases.clamp(1, 2)),
                    is_alone: generator.chance(35),
                })
                .filter(|_| aliases > 0),
        }
    }

    fn qos(&mut self) -> u8 {
        let most = self.capabilities.maximum_qos;
        (*self.pick(&[0, 0, 1, 1, 1, 2, 2])).min(most)
    }

    fn retain(&mut self) -> bool {
        self.capabilities.retain_available && self.chance(25)
    }

    fn interval_s(&mut self) -> u32 {
        *self.pick(&[0, 1, 1, 2, 3, 5, 10, 100, 100, u32::MAX])
    }

    /// Mostly the oldest.
    fn which(&mut self) -> usize {
        *self.pick(&[0, 0, 0, 1, 2, 3])
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rng.random_range(0..100) < percent
    }

    fn maybe<T>(&mut self, percent: u32, draw: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.chance(percent) { Some(draw(self)) } else { None }
    }

    /// One, two or three, mostly one.
    fn some<T>(&mut self, mut draw: impl FnMut(&mut Self) -> T) -> Vec<T> {
        let len = *self.pick(&[1, 1, 1, 2, 3]);
        (0..len).map(|_| draw(self)).collect()
    }

    fn pick<'b, T>(&mut self, from: &'b [T]) -> &'b T {
        &from[self.rng.random_range(0..from.len())]
    }
}

/// One of each property that is forwarded, and a user property twice.
pub fn all_properties() -> Properties {
    Properties {
        payload_format_indicator: Some(true),
        content_type: Some("text".to_owned()),
        response_topic: Some("r".to_owned()),
        correlation_data: Some(vec![0, 1]),
        user_properties: [("k", "2"), ("k", "1"), ("", "")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .to_vec(),
    }
}
