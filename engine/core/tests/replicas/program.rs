//! Random programs of several clients, as the entries of a log.

use std::num::NonZeroU16;

use mayfly_core::{
    Access, BrokerResource, CloseCause, ConnectionId, Glob, Identity, Input, KeyPattern, Limits, Monotonic,
    Now, Principals, QueueOverflow, REQUEST_TOPIC, Rule, RuleSet, StateStoreResource, TopicPattern, Topics,
    WallClock, log,
};
use mayfly_wire::{
    Connect, ConnectProperties, Disconnect, DisconnectProperties, Hlc, Packet, PacketId, ProtocolVersion,
    Publish, PublishProperties, QoS, ReasonCode, RetainHandling, Subscription, SubscriptionOptions,
    UserProperties, Will, WillProperties, resp3,
};
use proptest::prelude::*;
use proptest::sample::select;

use crate::packets::{self, id};

const CLIENT_IDS: [&str; 5] = ["alpha", "beta", "gamma", "delta", ""];
const FILTERS: [&str; 10] =
    ["a/b", "a/+", "a/#", "#", "+/b", "responses", "$share/g/a/b", "$share/g/a/+", "$share/h/#", "w"];
const TOPICS: [&str; 5] = ["a/b", "a", "a/b/c", "responses", "w"];
const KEYS: [&[u8]; 5] = [b"k", b"l", b"\x00\xff", b"lock", b""];
const NODES: u64 = 2;

/// One input, with the time that passes before it.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    passed_ms: u64,
    wall_step_ms: i64,
    /// Which of the clients it is about.
    client: usize,
    action: Action,
}

#[derive(Clone, Debug)]
enum Action {
    Connect {
        version: ProtocolVersion,
        clean_start: bool,
        expiry_s: Option<u32>,
        receive_maximum: Option<u16>,
        will_delay_s: Option<u32>,
        /// Which policy the client stands under.
        policy: Option<&'static str>,
    },
    Subscribe {
        filter: &'static str,
        qos: QoS,
        no_local: bool,
        retain_as_published: bool,
        retain_handling: RetainHandling,
        identifier: Option<u32>,
    },
    Unsubscribe {
        filter: &'static str,
    },
    Publish {
        topic: &'static str,
        qos: QoS,
        retain: bool,
        payload: &'static [u8],
        packet_id: u16,
        expiry_s: Option<u32>,
    },
    Request {
        command: Vec<&'static [u8]>,
        packet_id: u16,
        correlation: u8,
        fenced: bool,
        expiry_s: Option<u32>,
    },
    Ack {
        of: Acknowledgement,
        packet_id: u16,
        fails: bool,
    },
    Disconnect {
        reason: ReasonCode,
        expiry_s: Option<u32>,
    },
    Reauthenticate {
        user_name: Option<&'static str>,
        policy: Option<&'static str>,
    },
    /// A PUBLISH that its connection refused.
    Refused {
        packet_id: u16,
    },
    Drop,
    Tick,
    Limits {
        max_memory_bytes: u64,
        max_queued_messages: u32,
        max_remembered_requests: u32,
    },
    /// The policy `plant` gets these rules.
    Rules(RuleSet),
    NodeDown {
        node: u64,
    },
    ConnectionMemory {
        node: u64,
        bytes: u64,
    },
}

/// PUBACK, PUBREC, PUBREL, PUBCOMP.
#[derive(Clone, Copy, Debug)]
enum Acknowledgement {
    Ack,
    Rec,
    Rel,
    Comp,
}

/// Programs of up to `max_len` steps after the clients have connected.
pub(crate) fn programs(max_len: usize) -> impl Strategy<Value = Vec<Step>> {
    let step = (
        prop_oneof![3 => Just(0), 2 => 0_u64..50, 1 => 0_u64..3000],
        prop_oneof![8 => Just(0), 1 => -5000_i64..5000],
        0..CLIENT_IDS.len(),
        actions(),
    );
    let step = step.prop_map(|(passed_ms, wall_step_ms, client, action)| Step {
        passed_ms,
        wall_step_ms,
        client,
        action,
    });
    prop::collection::vec(step, 1..max_len).prop_map(|steps| [opening(), steps].concat())
}

/// All clients connect, so that most of what follows has somebody to be about.
fn opening() -> Vec<Step> {
    let connect = Action::Connect {
        version: ProtocolVersion::V5,
        clean_start: true,
        expiry_s: Some(100),
        receive_maximum: None,
        will_delay_s: None,
        policy: None,
    };
    let step = |client| Step { passed_ms: 0, wall_step_ms: 0, client, action: connect.clone() };
    (0..CLIENT_IDS.len()).map(step).collect()
}

fn actions() -> impl Strategy<Value = Action> {
    let qos = || select(vec![QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce]);
    let version = prop_oneof![4 => Just(ProtocolVersion::V5), 1 => Just(ProtocolVersion::V3_1_1)];
    let seconds = || prop::option::of(select(vec![0, 1, 2, 100, u32::MAX]));
    let connect = (
        version,
        any::<bool>(),
        seconds(),
        prop::option::of(1_u16..4),
        prop::option::of(0_u32..3),
        select(vec![None, Some("plant"), Some("unknown")]),
    )
        .prop_map(|(version, clean_start, expiry_s, receive_maximum, will_delay_s, policy)| {
            Action::Connect { policy, version, clean_start, expiry_s, receive_maximum, will_delay_s }
        });
    let identifier = prop::option::of(select(vec![1, 2, 268_435_455]));
    let handling =
        select(vec![RetainHandling::SendAtSubscribe, RetainHandling::SendIfNew, RetainHandling::DoNotSend]);
    let subscribe = (select(FILTERS.to_vec()), qos(), any::<bool>(), any::<bool>(), handling, identifier)
        .prop_map(|(filter, qos, no_local, retain_as_published, retain_handling, identifier)| {
            Action::Subscribe { filter, qos, no_local, retain_as_published, retain_handling, identifier }
        });
    let payload = prop_oneof![4 => Just(&b"payload"[..]), 1 => Just(&b""[..])];
    let publish = (select(TOPICS.to_vec()), qos(), any::<bool>(), payload, 1_u16..9, seconds()).prop_map(
        |(topic, qos, retain, payload, packet_id, expiry_s)| Action::Publish {
            topic,
            qos,
            retain,
            payload,
            packet_id,
            expiry_s,
        },
    );
    let request = (commands(), 1_u16..9, 0_u8..6, any::<bool>(), seconds()).prop_map(
        |(command, packet_id, correlation, fenced, expiry_s)| Action::Request {
            command,
            packet_id,
            correlation,
            fenced,
            expiry_s,
        },
    );
    let disconnect = (select(vec![ReasonCode::Success, ReasonCode::DisconnectWithWillMessage]), seconds())
        .prop_map(|(reason, expiry_s)| Action::Disconnect { reason, expiry_s });
    let limits = (select(vec![4_000_u64, 7_000, 12_000, u64::MAX]), 1_u32..6, 0_u32..6);
    let limits = limits.prop_map(|(max_memory_bytes, max_queued_messages, max_remembered_requests)| {
        Action::Limits { max_memory_bytes, max_queued_messages, max_remembered_requests }
    });
    prop_oneof![
        6 => connect,
        5 => subscribe,
        1 => select(FILTERS.to_vec()).prop_map(|filter| Action::Unsubscribe { filter }),
        6 => publish,
        10 => request,
        8 => acknowledgements(),
        1 => disconnect,
        1 => (select(vec![None, Some("user")]), select(vec![None, Some("plant")]))
            .prop_map(|(user_name, policy)| Action::Reauthenticate { user_name, policy }),
        1 => (1_u16..9).prop_map(|packet_id| Action::Refused { packet_id }),
        2 => Just(Action::Drop),
        2 => Just(Action::Tick),
        1 => limits,
        1 => rules().prop_map(Action::Rules),
        1 => (0..NODES).prop_map(|node| Action::NodeDown { node }),
        1 => (0..NODES, select(vec![0, 1000, 100_000]))
            .prop_map(|(node, bytes)| Action::ConnectionMemory { node, bytes }),
    ]
}

fn acknowledgements() -> impl Strategy<Value = Action> {
    use Acknowledgement::{Ack, Comp, Rec, Rel};
    let of = select(vec![Ack, Rec, Rel, Comp]);
    (of, 1_u16..6, prop::bool::weighted(0.2)).prop_map(|(of, packet_id, fails)| Action::Ack {
        of,
        packet_id,
        fails,
    })
}

/// Rules of which some allow what the programs do, and some do not.
fn rules() -> impl Strategy<Value = RuleSet> {
    let topics = || {
        prop::collection::vec(select(vec!["#", "a/+", "responses", "w", "{principal.username}/#"]), 0..3)
            .prop_map(|texts| {
                let parse = |text: &str| TopicPattern::parse(text).unwrap();
                Topics::new(texts.into_iter().map(parse).collect(), Vec::new()).unwrap()
            })
    };
    let keys = (select(vec![Access::Read, Access::Write, Access::ReadWrite]), select(vec!["*", "k", "l*"]));
    let keys = keys.prop_map(|(access, text)| StateStoreResource {
        access,
        keys: vec![KeyPattern::Glob(Glob::parse(text).unwrap())],
    });
    let rule = (any::<bool>(), any::<bool>(), topics(), topics(), prop::collection::vec(keys, 0..2));
    let rule = rule.prop_map(|(everyone, connects, publish, subscribe, state_store_resources)| {
        let mut broker_resources =
            vec![BrokerResource::Publish(publish), BrokerResource::Subscribe(subscribe)];
        broker_resources.extend(connects.then(|| BrokerResource::Connect { client_ids: Vec::new() }));
        let principals =
            Principals { everyone, user_names: vec!["user".to_owned()], ..Principals::default() };
        Rule { principals, broker_resources, state_store_resources }
    });
    prop::collection::vec(rule, 0..4).prop_map(|rules| RuleSet::new([("plant".into(), rules)].into()))
}

fn commands() -> impl Strategy<Value = Vec<&'static [u8]>> {
    // Mostly one key, so that clients meet.
    let key = || prop_oneof![3 => Just(KEYS[0]), 1 => select(KEYS.to_vec())];
    let value = || select(vec![&b"1"[..], b"2", b""]);
    let options: Vec<&[&[u8]]> =
        vec![&[], &[b"NX"], &[b"NEX"], &[b"PX", b"20"], &[b"NEX", b"PX", b"1500.5"], &[b"what"]];
    prop_oneof![
        6 => (key(), value(), select(options)).prop_map(|(key, value, options)| {
            [&[&b"SET"[..], key, value][..], options].concat()
        }),
        2 => key().prop_map(|key| vec![&b"GET"[..], key]),
        2 => key().prop_map(|key| vec![&b"DEL"[..], key]),
        1 => (key(), value()).prop_map(|(key, value)| vec![&b"VDEL"[..], key, value]),
        3 => key().prop_map(|key| vec![&b"KEYNOTIFY"[..], key]),
        1 => key().prop_map(|key| vec![&b"KEYNOTIFY"[..], key, b"STOP"]),
        1 => select(vec![&b"*"[..], b"k*", b"["]).prop_map(|pattern| vec![&b"SCAN"[..], pattern]),
        1 => key().prop_map(|token| vec![&b"SCAN"[..], b"*", token]),
    ]
}

/// The log of a program: each entry was read back and found equal.
pub(crate) fn encode(program: &[Step]) -> Vec<Vec<u8>> {
    let mut writer = Writer {
        now: Now { monotonic: Monotonic::ZERO, wall: WallClock::from_millis(1_700_000_000_000) },
        connections: [None; CLIENT_IDS.len()],
        next_sequence: 0,
        entries: Vec::new(),
    };
    for step in program {
        writer.step(step);
    }
    writer.entries
}

struct Writer {
    now: Now,
    /// The connection of each client, if it has one.
    connections: [Option<ConnectionId>; CLIENT_IDS.len()],
    next_sequence: u64,
    entries: Vec<Vec<u8>>,
}

impl Writer {
    fn step(&mut self, step: &Step) {
        let wall_ms = self.now.wall.as_millis() + step.passed_ms;
        self.now = Now {
            monotonic: Monotonic::from_nanos(self.now.monotonic.as_nanos() + step.passed_ms * 1_000_000),
            wall: WallClock::from_millis(wall_ms.saturating_add_signed(step.wall_step_ms)),
        };
        match &step.action {
            Action::Tick => self.append(&Input::Tick),
            Action::Rules(rules) => self.append(&Input::Rules(rules.as_rules())),
            Action::NodeDown { node } => self.append(&Input::NodeDown { node: *node }),
            &Action::ConnectionMemory { node, bytes } => {
                self.append(&Input::ConnectionMemory { node, bytes });
            }
            &Action::Limits { max_memory_bytes, max_queued_messages, max_remembered_requests } => {
                let overflows = [QueueOverflow::Refuse, QueueOverflow::DropOldest];
                let limits = Limits {
                    max_memory_bytes,
                    max_sessions: 4,
                    max_keys: 3,
                    max_queued_messages,
                    queue_overflow: overflows[max_queued_messages as usize % 2],
                    max_remembered_requests,
                    ..Limits::default()
                };
                self.append(&Input::Limits(limits));
            }
            Action::Connect { .. } => self.connect(step.client, &step.action),
            Action::Drop => {
                if let Some(connection) = self.connections[step.client].take() {
                    self.append(&Input::Closed { connection, cause: CloseCause::NetworkLost });
                }
            }
            action => {
                // An unknown connection is as good as a closed one.
                let unknown = ConnectionId { node: 9, sequence: 9 };
                let connection = self.connections[step.client].unwrap_or(unknown);
                self.send(connection, action);
            }
        }
    }

    fn connect(&mut self, client: usize, action: &Action) {
        let &Action::Connect { version, clean_start, expiry_s, receive_maximum, will_delay_s, policy } =
            action
        else {
            unreachable!("the caller saw a CONNECT")
        };
        let is_v5 = version == ProtocolVersion::V5;
        let client_id = CLIENT_IDS[client];
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let connection = ConnectionId { node: sequence % NODES, sequence };
        self.connections[client] = Some(connection);
        let will_properties =
            WillProperties { delay_interval_s: will_delay_s.filter(|_| is_v5), ..WillProperties::default() };
        let will = Will {
            retain: will_delay_s.is_some_and(|delay_s| delay_s > 0),
            properties: will_properties,
            ..packets::will("w")
        };
        let properties = ConnectProperties {
            session_expiry_interval_s: expiry_s,
            receive_maximum: receive_maximum.and_then(NonZeroU16::new),
            ..ConnectProperties::default()
        };
        let connect = Connect {
            version,
            clean_start: clean_start || client_id.is_empty(),
            will: will_delay_s.map(|_| will),
            properties: if is_v5 { properties } else { ConnectProperties::default() },
            ..packets::connect(client_id)
        };
        let identity = Identity { user_name: clean_start.then_some("user"), policy, ..Identity::default() };
        self.append(&Input::Opened { connection, identity, entropy: u128::from(sequence) << 64, connect });
    }

    fn send(&mut self, connection: ConnectionId, action: &Action) {
        match *action {
            Action::Subscribe { filter, qos, no_local, retain_as_published, retain_handling, identifier } => {
                let no_local = no_local && !filter.starts_with("$share");
                let options = SubscriptionOptions { qos, no_local, retain_as_published, retain_handling };
                let filters = [Subscription { filter: packets::filter(filter), options }];
                let subscribe = match identifier {
                    Some(identifier) => packets::identified(id(1), identifier, &filters),
                    None => packets::subscribe(id(1), &filters),
                };
                self.packet(connection, subscribe);
            }
            Action::Unsubscribe { filter } => {
                self.packet(connection, packets::unsubscribe(id(1), &[packets::filter(filter)]));
            }
            Action::Publish { topic, qos, retain, payload, packet_id, expiry_s } => {
                let properties =
                    PublishProperties { message_expiry_interval_s: expiry_s, ..PublishProperties::default() };
                let packet_id = (qos > QoS::AtMostOnce).then(|| id(packet_id));
                let publish = Publish { dup: false, qos, retain, topic, packet_id, properties, payload };
                // Now and then the server's own.
                if connection.sequence.is_multiple_of(8) {
                    self.append(&Input::Publish(publish));
                } else {
                    self.packet(connection, Packet::Publish(publish));
                }
            }
            Action::Request { ref command, packet_id, correlation, fenced, expiry_s } => {
                let mut payload = Vec::new();
                resp3::encode_array(command, &mut payload);
                let clock = Hlc { wall_clock_ms: self.now.wall.as_millis(), counter: 0, node_id: "c" };
                let clock = clock.to_string();
                let pairs = [("__ts", clock.as_str()), ("__ft", clock.as_str())];
                let properties = PublishProperties {
                    message_expiry_interval_s: expiry_s,
                    response_topic: Some(packets::topic("responses")),
                    correlation_data: Some(std::slice::from_ref(&correlation)),
                    user_properties: UserProperties::from_pairs(&pairs[..=usize::from(fenced)]),
                    ..PublishProperties::default()
                };
                let packet_id = Some(id(packet_id));
                let request = packets::qos_1(REQUEST_TOPIC, "");
                let publish = Publish { packet_id, properties, payload: &payload, ..request };
                self.packet(connection, Packet::Publish(publish));
            }
            Action::Ack { of, packet_id, fails } => {
                self.packet(connection, acknowledgement(of, id(packet_id), fails));
            }
            Action::Disconnect { reason, expiry_s } => {
                let properties = DisconnectProperties {
                    session_expiry_interval_s: expiry_s,
                    ..DisconnectProperties::default()
                };
                self.packet(connection, Packet::Disconnect(Disconnect { reason, properties }));
            }
            Action::Reauthenticate { user_name, policy } => {
                let identity = Identity { user_name, policy, ..Identity::default() };
                self.append(&Input::Reauthenticated { connection, identity });
            }
            Action::Refused { packet_id } => {
                self.append(&Input::Refused { connection, packet_id: id(packet_id) });
            }
            Action::Connect { .. }
            | Action::Drop
            | Action::Tick
            | Action::Limits { .. }
            | Action::Rules(_)
            | Action::NodeDown { .. }
            | Action::ConnectionMemory { .. } => unreachable!("the caller serves these"),
        }
    }

    fn packet(&mut self, connection: ConnectionId, packet: Packet<'_>) {
        self.append(&Input::Packet { connection, packet });
    }

    fn append(&mut self, input: &Input<'_>) {
        let mut entry = Vec::new();
        log::encode(self.now, input, &mut entry).expect("an input that can be written");
        assert_eq!(log::decode(&entry).expect("what was written can be read"), (self.now, input.clone()));
        self.entries.push(entry);
    }
}

fn acknowledgement(of: Acknowledgement, packet_id: PacketId, fails: bool) -> Packet<'static> {
    let or = |error| if fails { error } else { ReasonCode::Success };
    let reason = or(ReasonCode::UnspecifiedError);
    let found = or(ReasonCode::PacketIdentifierNotFound);
    match of {
        Acknowledgement::Ack => packets::pub_ack(packet_id, reason),
        Acknowledgement::Rec => packets::pub_rec(packet_id, reason),
        Acknowledgement::Rel => packets::pub_rel(packet_id, found),
        Acknowledgement::Comp => packets::pub_comp(packet_id, found),
    }
}
