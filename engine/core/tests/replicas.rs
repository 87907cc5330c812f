//! Two brokers that are fed from one log are the same broker: after each input, equal outputs and equal state.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
#![allow(clippy::large_types_passed_by_value, reason = "tests build a packet where they send it")]

#[path = "harness/packets.rs"]
#[allow(dead_code, reason = "other tests use the rest of it")]
mod packets;
#[path = "replicas/program.rs"]
mod program;

use mayfly_core::{
    AttributeList, Broker, BrokerConfig, BrokerResource, CloseCause, ConnectionId, Identity, Input, Limits,
    Monotonic, Now, Principals, QueueOverflow, Rule, RuleSet, StateMachine, WallClock, log,
};
use mayfly_wire::{Packet, ReasonCode};
use packets::{connect, id};
use proptest::prelude::*;

fn broker(hash_seed: u64) -> Broker {
    let limits = Limits {
        max_queued_messages: 4,
        max_remembered_requests: 8,
        max_retained_messages: 3,
        ..Limits::default()
    };
    Broker::new(BrokerConfig { limits, hash_seed })
}

/// Applies an entry and returns what came out.
fn apply(broker: &mut Broker, entry: &[u8]) -> Vec<String> {
    let (now, input) = log::decode(entry).unwrap();
    broker.handle(now, &input);
    let mut outputs = Vec::new();
    while let Some(output) = broker.poll_output() {
        outputs.push(format!("{output:?}"));
    }
    outputs
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn replicas_agree_after_every_input(program in program::programs(120)) {
        let (mut first, mut second) = (broker(1), broker(0xDEAD_BEEF));
        for (index, entry) in program::encode(&program).iter().enumerate() {
            prop_assert_eq!(apply(&mut first, entry), apply(&mut second, entry), "input {}", index);
            prop_assert_eq!(first.state_hash(), second.state_hash(), "input {}", index);
            prop_assert_eq!(first.next_deadline(), second.next_deadline(), "input {}", index);
            prop_assert_eq!(first.statistics(), second.statistics(), "input {}", index);
        }
    }

    #[test]
    fn a_cut_entry_is_an_error(program in program::programs(4)) {
        for entry in program::encode(&program) {
            for len in 0..entry.len() {
                prop_assert!(log::decode(&entry[..len]).is_err(), "{} of {} bytes", len, entry.len());
            }
            let longer = [&entry[..], &[0]].concat();
            prop_assert!(log::decode(&longer).is_err());
        }
    }

    #[test]
    fn a_changed_entry_stops_no_broker(
        program in program::programs(60),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<u8>()), 1..40),
    ) {
        let mut entries = program::encode(&program);
        for (entry, position, byte) in changes {
            let entry = entry.get_mut(&mut entries);
            let position = position.index(entry.len());
            entry[position] = byte;
        }
        let mut broker = broker(0);
        for entry in &entries {
            if log::decode(entry).is_ok() {
                apply(&mut broker, entry);
            }
        }
        broker.state_hash();
    }
}

const CONNECTION: ConnectionId = ConnectionId { node: 3, sequence: u64::MAX };

#[test]
fn every_kind_of_input_reads_back() {
    let causes = [
        CloseCause::NetworkLost,
        CloseCause::KeepAliveTimeout,
        CloseCause::Rejected(ReasonCode::MalformedPacket),
        CloseCause::WriteStalled,
        CloseCause::ServerShutdown,
    ];
    let attributes: AttributeList = [("floor", "3"), ("site", "")].into_iter().collect();
    let attributes = attributes.as_attributes();
    let opened = |user_name| Input::Opened {
        connection: CONNECTION,
        identity: Identity { user_name, attributes, policy: user_name },
        entropy: u128::MAX - 1,
        connect: connect("a"),
    };
    let connect_all = BrokerResource::Connect { client_ids: Vec::new() };
    let everyone = Principals { everyone: true, ..Principals::default() };
    let rule =
        Rule { principals: everyone, broker_resources: vec![connect_all], state_store_resources: Vec::new() };
    let rules = RuleSet::new([("plant".into(), vec![rule])].into());
    let no_rules = RuleSet::default();
    let own = packets::retained(packets::qos_0("$SYS/broker/uptime", "1 s"));
    let mut inputs = vec![
        Input::Rules(rules.as_rules()),
        Input::Rules(no_rules.as_rules()),
        opened(None),
        opened(Some("")),
        opened(Some("someone")),
        Input::Reauthenticated {
            connection: CONNECTION,
            identity: Identity { user_name: Some("someone"), attributes, policy: None },
        },
        Input::Packet { connection: CONNECTION, packet: Packet::PingReq },
        Input::Refused { connection: CONNECTION, packet_id: id(u16::MAX) },
        Input::Tick,
        Input::Publish(own),
        Input::Limits(Limits {
            max_watched_keys: 7,
            max_subscriptions: 8,
            max_memory_bytes: 1 << 40,
            max_keys: 9,
            refuse_publishers_percent: 95,
            ..Limits::default()
        }),
        Input::Limits(Limits { queue_overflow: QueueOverflow::DropOldest, ..Limits::default() }),
        Input::NodeDown { node: u64::MAX },
        Input::ConnectionMemory { node: 7, bytes: u64::MAX },
    ];
    inputs.extend(causes.map(|cause| Input::Closed { connection: CONNECTION, cause }));
    let now =
        Now { monotonic: Monotonic::from_nanos(u64::MAX), wall: WallClock::from_millis(1_700_000_000_000) };
    for input in inputs {
        let mut entry = b"before".to_vec();
        log::encode(now, &input, &mut entry).unwrap();
        assert_eq!(log::decode(&entry[6..]).unwrap(), (now, input));
    }
}

#[test]
fn another_format_version_is_named() {
    let mut entry = Vec::new();
    log::encode(Now::default(), &Input::Tick, &mut entry).unwrap();
    entry[0] = 2;
    let error = log::decode(&entry).unwrap_err();
    assert_eq!(error.to_string(), "a log entry has format version 2, this build reads 1");
}

#[test]
fn what_cannot_be_written_leaves_the_log_as_it_was() {
    let long = "x".repeat(70_000);
    let input = Input::Opened {
        connection: CONNECTION,
        identity: Identity::default(),
        entropy: 0,
        connect: connect(&long),
    };
    let mut out = b"before".to_vec();
    assert!(log::encode(Now::default(), &input, &mut out).is_err());
    assert_eq!(out, b"before");
}

#[test]
fn time_that_went_back_stands_still() {
    let mut broker = broker(0);
    let at = |nanos| Now { monotonic: Monotonic::from_nanos(nanos), wall: WallClock::from_millis(1) };
    let mut opened = connect("a");
    opened.properties.session_expiry_interval_s = Some(1);
    let opened = |sequence| Input::Opened {
        connection: ConnectionId { node: 1, sequence },
        identity: Identity::default(),
        entropy: 0,
        connect: opened,
    };
    broker.handle(at(5_000_000_000), &opened(1));
    let connection = ConnectionId { node: 1, sequence: 1 };
    broker.handle(at(0), &Input::Closed { connection, cause: CloseCause::NetworkLost });
    assert_eq!(broker.next_deadline(), Some(Monotonic::from_nanos(6_000_000_000)));
}

#[test]
fn a_connection_opens_once() {
    let mut broker = broker(0);
    for client_id in ["a", "b"] {
        let input = Input::Opened {
            connection: CONNECTION,
            identity: Identity::default(),
            entropy: 0,
            connect: connect(client_id),
        };
        broker.handle(Now::default(), &input);
    }
    assert_eq!(broker.statistics().sessions, 1);
}
