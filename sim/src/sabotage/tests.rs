//! Each liar over a bare broker: what it lies about, and that all else is the engine's.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::rc::Rc;

use mayfly_core::{
    Action, Broker, BrokerConfig, ConnectionId, Identity, Input, Monotonic, Now, REQUEST_TOPIC, WallClock,
};
use mayfly_wire::{
    Connect, ConnectProperties, Packet, PacketId, ProtocolVersion, Publish, PublishProperties, QoS,
    RetainHandling, Subscribe, SubscribeFilters, SubscribeProperties, Subscription, SubscriptionOptions,
    TopicFilter, TopicName, UserProperties, resp3,
};

use super::{
    Afterlife, Chance, DeafStop, DoubleGrant, DropAcknowledgedSet, FalseNotification, FalsePage, Fate, Flaw,
    IgnoredToken, KeepContents, Liar, StaleGet,
};
use crate::history::clocks::EPOCH_MS;
use crate::world::Machine;

const RESPONSES: &str = "responses";

/// One client of one machine.
struct Bench<M> {
    machine: M,
    connection: ConnectionId,
    /// Requests that were made.
    asked: u64,
}

impl<M: Machine> Bench<M> {
    /// The machine with a client that is connected and waits for responses. Says whether it had a session.
    fn new(machine: M, node: u64, clean_start: bool) -> (Self, bool) {
        let mut bench = Self { machine, connection: ConnectionId { node, sequence: 1 }, asked: 0 };
        let connect = Connect {
            version: ProtocolVersion::V5,
            clean_start,
            keep_alive_s: 0,
            client_id: "alice",
            will: None,
            user_name: None,
            password: None,
            properties: ConnectProperties {
                session_expiry_interval_s: Some(3600),
                ..ConnectProperties::default()
            },
        };
        let (connection, now) = (bench.connection, bench.now());
        let identity = Identity::default();
        bench.machine.handle(now, &Input::Opened { connection, identity, entropy: 0, connect });
        let mut session_present = false;
        while let Some(output) = bench.machine.poll_output() {
            if let Action::Send(Packet::ConnAck(connack)) = output.action {
                session_present = connack.session_present;
            }
        }
        let filter = TopicFilter::parse(RESPONSES).unwrap();
        let options = SubscriptionOptions {
            qos: QoS::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        };
        let subscriptions = [Subscription { filter, options }];
        let subscribe = Subscribe {
            packet_id: PacketId::new(1).unwrap(),
            properties: SubscribeProperties::default(),
            filters: SubscribeFilters::from_slice(&subscriptions),
        };
        bench.machine.handle(now, &Input::Packet { connection, packet: Packet::Subscribe(subscribe) });
        while bench.machine.poll_output().is_some() {}
        (bench, session_present)
    }

    /// Between two requests passes enough time for a liar to make up its mind anew.
    fn passed_ms(&self) -> u64 {
        self.asked * 60
    }

    fn now(&self) -> Now {
        Now {
            monotonic: Monotonic::from_nanos(self.passed_ms() * 1_000_000),
            wall: WallClock::from_millis(EPOCH_MS + self.passed_ms()),
        }
    }

    /// Makes a request; returns the response's payload and version.
    fn ask(&mut self, command: &[&str]) -> (String, Option<String>) {
        self.ask_under(None, command)
    }

    /// Makes a request that carries a fencing token, or none.
    fn ask_under(&mut self, token: Option<&str>, command: &[&str]) -> (String, Option<String>) {
        let mut responses = self.deliveries(token, command);
        responses.retain(|(is_notification, ..)| !is_notification);
        let response = responses.pop().unwrap_or_else(|| panic!("no response to {command:?}"));
        assert!(responses.is_empty(), "two responses to {command:?}");
        (response.1, response.2)
    }

    /// Makes a request; returns all that is delivered then: whether it is a notification, its payload and its version.
    fn deliveries(&mut self, token: Option<&str>, command: &[&str]) -> Vec<(bool, String, Option<String>)> {
        self.asked += 1;
        let items: Vec<&[u8]> = command.iter().map(|item| item.as_bytes()).collect();
        let (mut payload, correlation_data) = (Vec::new(), self.asked.to_be_bytes());
        resp3::encode_array(&items, &mut payload);
        let timestamp = format!("{}:00000:alice", EPOCH_MS + self.passed_ms());
        let mut user_properties = vec![("__ts", timestamp.as_str()), ("__protVer", "1.0")];
        user_properties.extend(token.map(|token| ("__ft", token)));
        let properties = PublishProperties {
            response_topic: Some(TopicName::parse(RESPONSES).unwrap()),
            correlation_data: Some(&correlation_data),
            user_properties: UserProperties::from_pairs(&user_properties),
            ..PublishProperties::default()
        };
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: REQUEST_TOPIC,
            packet_id: PacketId::new((self.asked % 1000 + 1) as u16),
            properties,
            payload: &payload,
        };
        let (connection, now) = (self.connection, self.now());
        self.machine.handle(now, &Input::Packet { connection, packet: Packet::Publish(publish) });
        let mut deliveries = Vec::new();
        while let Some(output) = self.machine.poll_output() {
            if let Action::Deliver(delivery) = output.action {
                let properties = delivery.properties().unwrap();
                let is_notification = delivery.topic != RESPONSES;
                if !is_notification {
                    assert_eq!(properties.correlation_data, Some(&correlation_data[..]));
                    assert_eq!(properties.user_properties.first("__stat"), Some("200"));
                }
                let version = properties.user_properties.first("__ts").map(str::to_owned);
                let payload = String::from_utf8_lossy(delivery.payload).into_owned();
                deliveries.push((is_notification, payload, version));
            }
        }
        deliveries
    }
}

fn broker() -> Broker {
    Broker::new(BrokerConfig::default())
}

/// Lies on one in so many occasions.
fn one_in(number: u32) -> Chance {
    Chance::new(1, number)
}

#[test]
fn a_stale_get_returns_the_value_before_with_its_version() {
    let (mut bench, _) = Bench::new(Liar::new(broker(), one_in(50), StaleGet::new), 0, true);
    let (_, old) = bench.ask(&["SET", "k", "old"]);
    // A key with a single value has no past to show.
    assert!((0..300).all(|_| bench.ask(&["GET", "k"]) == ("$3\r\nold\r\n".to_owned(), old.clone())));
    let (_, new) = bench.ask(&["SET", "k", "new"]);
    assert!(new > old);
    let (fresh, stale) = (("$3\r\nnew\r\n".to_owned(), new), ("$3\r\nold\r\n".to_owned(), old));
    let answers: Vec<_> = (0..1000).map(|_| bench.ask(&["GET", "k"])).collect();
    let lies = answers.iter().filter(|answer| **answer == stale).count();
    assert!((5..50).contains(&lies), "{lies} lies in 1,000 answers");
    assert_eq!(answers.iter().filter(|answer| **answer == fresh).count(), 1000 - lies);
}

#[test]
fn a_dropped_set_is_acknowledged_with_a_credible_version_and_changes_nothing() {
    let (mut bench, _) = Bench::new(Liar::new(broker(), one_in(50), DropAcknowledgedSet::new), 0, true);
    bench.ask(&["SET", "k", "first"]);
    let (mut last, mut stored, mut dropped) = (None, "$5\r\nfirst\r\n".to_owned(), 0);
    for number in 0..1000 {
        let value = format!("value-{number}");
        let (answer, version) = bench.ask(&["SET", "k", &value]);
        assert_eq!(answer, "+OK\r\n");
        assert!(version > last, "{version:?} after {last:?}");
        last = version;
        let (read, _) = bench.ask(&["GET", "k"]);
        if read == stored {
            dropped += 1;
        } else {
            stored = read;
            assert!(stored.contains(&value));
        }
    }
    assert!((5..50).contains(&dropped), "{dropped} of 1,000 were dropped");
    // Only plain SETs: what a condition would have said had to be guessed.
    for number in 0..300 {
        let key = format!("nx-{number}");
        assert_eq!(bench.ask(&["SET", &key, "v", "NX"]).0, "+OK\r\n");
        assert_eq!(bench.ask(&["GET", &key]).0, "$1\r\nv\r\n");
    }
}

#[test]
fn kept_contents_are_there_in_the_next_life_and_the_sessions_are_not() {
    let afterlife = Afterlife::default();
    let life = |node, clean_start| {
        Bench::new(KeepContents::new(broker(), Rc::clone(&afterlife), &one_in(1)), node, clean_start)
    };
    let (mut first, _) = life(0, true);
    let set = first.ask(&["SET", "k", "v"]);
    assert_eq!(first.machine.statistics().keys, 1);
    drop(first);
    let (mut second, session_present) = life(1, false);
    assert!(!session_present, "sessions are forgotten, so that the keys alone give it away");
    assert_eq!(second.ask(&["GET", "k"]), ("$1\r\nv\r\n".to_owned(), set.1));
}

#[test]
fn an_ignored_token_passes_where_it_is_too_low_and_a_missing_one_does_not() {
    fn lower<M: Machine>(machine: M) -> String {
        let (mut bench, _) = Bench::new(machine, 0, true);
        assert_eq!(bench.ask_under(Some("2:0:n"), &["SET", "k", "v"]).0, "+OK\r\n");
        let unfenced = bench.ask(&["SET", "k", "w"]).0;
        assert!(unfenced.contains("a fencing token is required"), "{unfenced}");
        bench.ask_under(Some("1:0:n"), &["SET", "k", "w"]).0
    }
    assert!(lower(broker()).contains("lower version"));
    assert_eq!(lower(Liar::new(broker(), one_in(1), IgnoredToken::new)), "+OK\r\n");
}

#[test]
fn a_double_grant_gives_some_of_the_locks_that_are_held() {
    let (mut bench, _) = Bench::new(Liar::new(broker(), one_in(4), DoubleGrant::new), 0, true);
    let mut granted = 0;
    for number in 0..400 {
        let holder = format!("holder-{number}");
        granted += u32::from(bench.ask(&["SET", "lock", &holder, "NEX", "PX", "60000"]).0 == "+OK\r\n");
    }
    assert!((50..200).contains(&granted), "{granted} of 400");
    // What is no lock keeps its condition.
    assert!((0..100).all(|_| bench.ask(&["SET", "lock", "x", "NX"]).0 == ":-1\r\n"));
}

/// What is delivered for each of 400 writes of a watcher: `N` for its notification, `O` for one of another write, `R` for
/// the response.
fn told(fate: Fate) -> Vec<String> {
    let (mut bench, _) =
        Bench::new(Liar::new(broker(), one_in(20), |chance| FalseNotification::new(fate, chance)), 0, true);
    assert_eq!(bench.ask(&["KEYNOTIFY", "k"]).0, "+OK\r\n");
    let write = |number: u32| {
        let deliveries = bench.deliveries(None, &["SET", "k", &number.to_string()]);
        let response = deliveries.iter().find(|(is_notification, ..)| !is_notification).unwrap().clone();
        let letter = |(is_notification, _, version): (bool, String, Option<String>)| match is_notification {
            true if version == response.2 => 'N',
            true => 'O',
            false => 'R',
        };
        deliveries.into_iter().map(letter).collect()
    };
    (0..400).map(write).collect()
}

#[test]
fn notifications_are_dropped_repeated_swapped_and_late() {
    for (fate, lies) in [
        (Fate::Dropped, &["R"][..]),
        (Fate::Repeated, &["NNR"][..]),
        (Fate::Swapped, &["R", "NOR"][..]),
        (Fate::Late, &["RN"][..]),
    ] {
        let told = told(fate);
        let honest = told.iter().filter(|told| *told == "NR").count();
        let false_ones = told.iter().filter(|told| lies.contains(&told.as_str())).count();
        assert_eq!(honest + false_ones, 400, "{fate:?}: {told:?}");
        assert!((8..80).contains(&false_ones), "{fate:?}: {false_ones}");
    }
}

#[test]
fn a_deaf_stop_is_answered_and_changes_nothing() {
    let (mut bench, _) = Bench::new(Liar::new(broker(), one_in(1), DeafStop::new), 0, true);
    bench.ask(&["KEYNOTIFY", "k"]);
    assert_eq!(bench.ask(&["KEYNOTIFY", "k", "STOP"]).0, "+OK\r\n");
    assert_eq!(bench.deliveries(None, &["SET", "k", "v"]).len(), 2);
}

#[test]
fn false_pages_lack_a_key_or_are_haunted() {
    let pages = |flaw| {
        let (mut bench, _) =
            Bench::new(Liar::new(broker(), one_in(10), |chance| FalsePage::new(flaw, chance)), 0, true);
        for key in ["a", "b", "c"] {
            bench.ask(&["SET", key, "v"]);
        }
        bench.ask(&["DEL", "b"]);
        let pages: Vec<_> = (0..200).map(|_| bench.ask(&["SCAN", "*"]).0).collect();
        let honest = pages.iter().filter(|page| *page == "*1\r\n*2\r\n$1\r\na\r\n$1\r\nc\r\n").count();
        assert!((150..199).contains(&honest), "{honest} of 200");
        pages
    };
    assert!(pages(Flaw::Lacks).iter().any(|page| page == "*1\r\n*1\r\n$1\r\na\r\n"));
    let haunted = "*1\r\n*3\r\n$1\r\na\r\n$1\r\nc\r\n$1\r\nb\r\n";
    assert!(pages(Flaw::Haunted).iter().any(|page| page == haunted));
}
