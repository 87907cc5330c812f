//! Each violation of MQTT's promises on a hand-made history, and its nearest innocent neighbour.

use crate::check::{Anomaly, CheckReport, CheckerName, Verdict, check};
use crate::history::mqtt::{
    ConnAck, Connect, Deliver, End, Ended, EventId, MqttEvent, Publish, PublishOutcome, Subscribe, What, Will,
};
use crate::history::{
    BrokerChange, BrokerEvent, ClientIndex, ClientRecord, CutOff, History, SessionChange, SessionEvent,
    WorldRecord,
};

const A: usize = 0;
const B: usize = 1;
const C: usize = 2;

fn ms(ms: u64) -> u64 {
    ms * 1_000_000
}

/// What happened, times in milliseconds. Each packet travels for 1 to 5 ms.
struct Past(History);

impl Past {
    fn new() -> Self {
        let client = |name: &str| ClientRecord {
            name: name.to_owned(),
            session_expiry_s: 3600,
            keep_alive_s: 2,
            operation_timeout_ns: ms(100),
            is_hostile: name == "c",
        };
        let mut history = History::new(["a", "b", "c"].map(client).to_vec());
        history.world = WorldRecord {
            latency_min_ns: ms(1),
            latency_max_ns: ms(5),
            tick_ns: ms(1),
            max_queued_messages: 2,
            drops_oldest: false,
        };
        history.broker.push(BrokerEvent { at_ns: 0, change: BrokerChange::Started });
        Self(history)
    }

    fn event(&mut self, client: usize, at: u64, what: What) -> EventId {
        self.0.mqtt.push(MqttEvent { client: ClientIndex(client), at_ns: ms(at), what });
        EventId(self.0.mqtt.len() - 1)
    }

    /// Connects at `at`, accepted 5 ms later.
    fn connect(&mut self, client: usize, at: u64, session_present: bool) -> EventId {
        self.connect_as(client, ["a", "b", "c"][client], at, session_present, None)
    }

    fn connect_as(
        &mut self,
        client: usize,
        id: &str,
        at: u64,
        session_present: bool,
        delay_s: Option<u32>,
    ) -> EventId {
        let will = delay_s.map(|delay_s| Will {
            topic: "will".to_owned(),
            payload: format!("will-of-{id}-{at}"),
            delay_s,
            qos: 1,
        });
        let answer = Some(ConnAck { at_ns: ms(at + 5), reason: 0, session_present });
        let connect = Connect {
            client_id: id.to_owned(),
            clean_start: false,
            session_expiry_s: 3600,
            will,
            answer,
            end: None,
        };
        self.event(client, at, What::Connect(connect))
    }

    fn ends(&mut self, connect: EventId, at: u64, how: Ended) {
        let What::Connect(connect) = &mut self.0.mqtt[connect.0].what else { panic!("a connect") };
        connect.end = Some(End { at_ns: ms(at), how });
    }

    /// Subscribes at `at`, granted 5 ms later.
    fn subscribe(&mut self, client: usize, connection: EventId, at: u64, filter: &str, qos: u8) {
        let answer = Some((ms(at + 5), qos));
        let subscribe = Subscribe { connection, filter: filter.to_owned(), qos, answer };
        self.event(client, at, What::Subscribe(subscribe));
    }

    /// Publishes at `at`, acknowledged 5 ms later.
    fn publish(&mut self, client: usize, at: u64, topic: &str, qos: u8, retain: bool, payload: &str) {
        let outcome = PublishOutcome::Acknowledged { at_ns: ms(at + 5), reason: 0 };
        let (topic, payload, sent_again_ns) = (topic.to_owned(), payload.to_owned(), Vec::new());
        self.event(
            client,
            at,
            What::Publish(Publish { topic, qos, retain, payload, sent_again_ns, outcome }),
        );
    }

    fn deliver(
        &mut self,
        client: usize,
        connection: EventId,
        at: u64,
        topic: &str,
        qos: u8,
        payload: &str,
    ) -> &mut Deliver {
        let deliver = Deliver {
            connection,
            topic: topic.to_owned(),
            qos,
            dup: false,
            retain: false,
            packet_id: Some(1),
            payload: payload.to_owned(),
            known: false,
            late: false,
        };
        let id = self.event(client, at, What::Deliver(deliver));
        let What::Deliver(deliver) = &mut self.0.mqtt[id.0].what else { panic!("a delivery") };
        deliver
    }

    fn judge(&self, checker: CheckerName) -> CheckReport {
        check(checker, &self.0)
    }

    fn finds(&self, checker: CheckerName, anomaly: Anomaly) {
        let report = self.judge(checker);
        assert_eq!(report.verdict, Verdict::Violated, "{anomaly}: {report:?}");
        assert_eq!(report.counter_examples[0].anomaly, anomaly, "{report:?}");
    }

    fn is_fine(&self, checker: CheckerName) {
        let report = self.judge(checker);
        assert_eq!(report.verdict, Verdict::Valid, "{report:?}");
    }
}

/// `b` subscribes to `t` with this QoS, and `a` publishes `m1` and `m2` at QoS 2.
fn two_messages(qos: u8) -> (Past, EventId) {
    let mut past = Past::new();
    past.connect(A, 0, false);
    let b = past.connect(B, 0, false);
    past.subscribe(B, b, 10, "t", qos);
    past.publish(A, 100, "t", 2, false, "m1");
    past.publish(A, 110, "t", 2, false, "m2");
    (past, b)
}

#[test]
fn delivery_once_and_in_order_is_fine_and_evidence_is_wanted() {
    let (mut past, b) = two_messages(2);
    past.deliver(B, b, 120, "t", 2, "m1");
    past.deliver(B, b, 130, "t", 2, "m2").packet_id = Some(2);
    past.is_fine(CheckerName::Delivery);
    assert!(matches!(Past::new().judge(CheckerName::Delivery).verdict, Verdict::Undecided { .. }));
}

#[test]
fn a_missing_message_is_lost_unless_its_drop_was_counted() {
    let (mut past, b) = two_messages(2);
    past.deliver(B, b, 120, "t", 2, "m1");
    past.finds(CheckerName::Delivery, Anomaly::LostMessage);
    past.0.drops.push((ms(200), 1));
    past.is_fine(CheckerName::Delivery);
}

#[test]
fn a_second_copy_is_a_duplicate_at_qos_2_and_within_a_connection_at_qos_1() {
    for qos in [1, 2] {
        let (mut past, b) = two_messages(qos);
        past.deliver(B, b, 120, "t", qos, "m1");
        past.deliver(B, b, 125, "t", qos, "m1").packet_id = Some(2);
        past.deliver(B, b, 130, "t", qos, "m2").packet_id = Some(3);
        past.finds(CheckerName::Delivery, Anomaly::DuplicateMessage);
    }
    // After a reconnect QoS 1 repeats, and at QoS 2 the receiver knows the packet identifier.
    for qos in [1, 2] {
        let (mut past, first) = two_messages(qos);
        past.deliver(B, first, 120, "t", qos, "m1");
        past.ends(first, 125, Ended::Lost("reset".to_owned()));
        let second = past.connect(B, 130, true);
        let again = past.deliver(B, second, 140, "t", qos, "m1");
        (again.dup, again.known) = (true, qos == 2);
        past.deliver(B, second, 141, "t", qos, "m2").packet_id = Some(2);
        past.is_fine(CheckerName::Delivery);
    }
}

#[test]
fn order_qos_dup_and_packet_identifiers_are_judged() {
    let (mut past, b) = two_messages(2);
    past.deliver(B, b, 120, "t", 2, "m2");
    past.deliver(B, b, 130, "t", 2, "m1").packet_id = Some(2);
    past.finds(CheckerName::Delivery, Anomaly::OutOfOrder);

    let (mut past, b) = two_messages(1);
    past.deliver(B, b, 120, "t", 1, "m1");
    past.deliver(B, b, 130, "t", 2, "m2").packet_id = Some(2);
    past.finds(CheckerName::Delivery, Anomaly::WrongQos);

    let (mut past, b) = two_messages(2);
    past.deliver(B, b, 120, "t", 2, "m1").dup = true;
    past.deliver(B, b, 130, "t", 2, "m2").packet_id = Some(2);
    past.finds(CheckerName::Delivery, Anomaly::WrongDup);

    let (mut past, b) = two_messages(2);
    past.deliver(B, b, 120, "t", 2, "m1");
    past.deliver(B, b, 125, "t", 2, "m2").known = true;
    past.deliver(B, b, 130, "t", 2, "m2").packet_id = Some(2);
    past.finds(CheckerName::Delivery, Anomaly::PacketIdReused);

    let (mut past, b) = two_messages(2);
    past.deliver(B, b, 90, "t", 2, "m1");
    past.deliver(B, b, 130, "t", 2, "m2").packet_id = Some(2);
    past.finds(CheckerName::Delivery, Anomaly::PhantomMessage);
}

#[test]
fn a_taken_over_connection_is_told_and_silent() {
    let takeover = |how: Option<(u64, Ended)>, session_present| {
        let mut past = Past::new();
        let old = past.connect(A, 0, false);
        past.connect(A, 100, session_present);
        past.publish(B, 1000, "x", 1, false, "last");
        if let Some((at, how)) = how {
            past.ends(old, at, how);
        }
        (past, old)
    };
    takeover(Some((104, Ended::ByBroker(0x8e))), true).0.is_fine(CheckerName::Takeover);
    let (mut past, old) = takeover(Some((104, Ended::ByBroker(0x8e))), true);
    past.deliver(A, old, 120, "t", 1, "m").late = true;
    past.finds(CheckerName::Takeover, Anomaly::TwoConnections);
    takeover(None, true).0.finds(CheckerName::Takeover, Anomaly::TwoConnections);
    takeover(Some((300, Ended::ByBroker(0x8e))), true)
        .0
        .finds(CheckerName::Takeover, Anomaly::TwoConnections);
    takeover(Some((104, Ended::ByBroker(0x8d))), true).0.finds(CheckerName::Takeover, Anomaly::WrongReason);
    takeover(Some((104, Ended::ByBroker(0x8e))), false).0.finds(CheckerName::Takeover, Anomaly::SessionLost);
    let (past, _) = takeover(Some((50, Ended::Cut)), true);
    assert!(
        matches!(past.judge(CheckerName::Takeover).verdict, Verdict::Undecided { .. }),
        "nothing to take over"
    );
    // The run ends with the newer connection: the DISCONNECT may be on its way.
    let mut past = Past::new();
    let first = past.connect(A, 0, false);
    past.connect(A, 100, true);
    past.ends(first, 104, Ended::ByBroker(0x8e));
    past.connect(A, 200, true);
    past.is_fine(CheckerName::Takeover);
}

/// `b` watches, `a` is cut at 1 s with a will that is due at 3 s; it is seen at these times. `a` is back at `back`.
fn will(seen: &[u64], back: Option<u64>, how: Ended) -> Past {
    let mut past = Past::new();
    let b = past.connect(B, 0, false);
    past.subscribe(B, b, 10, "will", 1);
    let a = past.connect_as(A, "a", 100, false, Some(2));
    past.ends(a, 1000, how);
    for at in seen {
        past.deliver(B, b, *at, "will", 1, "will-of-a-100");
    }
    if let Some(back) = back {
        past.connect_as(A, "a", back, true, None);
    }
    // Another will, which is due and seen, is the evidence; and the run goes on.
    let c = past.connect_as(C, "c", 5000, false, Some(0));
    past.ends(c, 5100, Ended::Cut);
    past.deliver(B, b, 5105, "will", 1, "will-of-c-5000");
    past.publish(B, 20_000, "x", 1, false, "last");
    past
}

#[test]
fn a_will_comes_once_when_it_is_due() {
    will(&[3010], None, Ended::Cut).is_fine(CheckerName::Will);
    will(&[3990], Some(9000), Ended::Cut).is_fine(CheckerName::Will);
    will(&[2990], None, Ended::Cut).finds(CheckerName::Will, Anomaly::WillEarly);
    will(&[4500], None, Ended::Cut).finds(CheckerName::Will, Anomaly::WillLate);
    will(&[3010, 3020], None, Ended::Cut).finds(CheckerName::Will, Anomaly::WillTwice);
    will(&[], None, Ended::Cut).finds(CheckerName::Will, Anomaly::WillLost);
}

#[test]
fn a_will_does_not_come_after_a_return_in_time_or_a_goodbye() {
    will(&[], Some(2500), Ended::Cut).is_fine(CheckerName::Will);
    will(&[3010], Some(2500), Ended::Cut).finds(CheckerName::Will, Anomaly::WillDespiteReturn);
    will(&[], None, Ended::Disconnected).is_fine(CheckerName::Will);
    will(&[3010], None, Ended::Disconnected).finds(CheckerName::Will, Anomaly::WillDespiteReturn);
    // Just as the delay passes, both are right.
    for seen in [&[][..], &[3500]] {
        will(seen, Some(3500), Ended::Cut).is_fine(CheckerName::Will);
    }
}

#[test]
fn a_silent_connection_is_found_dead_after_one_and_a_half_keep_alives() {
    let silent = |seen: &[u64]| {
        let mut past = Past::new();
        let b = past.connect(B, 0, false);
        past.subscribe(B, b, 10, "will", 1);
        let a = past.connect_as(A, "a", 100, false, Some(0));
        past.0.cut_offs.push(CutOff { client: ClientIndex(A), from_ns: ms(1000), until_ns: ms(15_000) });
        past.ends(a, 15_000, Ended::Lost("reset".to_owned()));
        for at in seen {
            past.deliver(B, b, *at, "will", 1, "will-of-a-100");
        }
        past.publish(B, 20_000, "x", 1, false, "last");
        past
    };
    // Keep Alive is 2 s, and the last packet came between 0 s and 1 s.
    silent(&[3500]).is_fine(CheckerName::KeepAlive);
    silent(&[2900]).finds(CheckerName::KeepAlive, Anomaly::WillEarly);
    silent(&[5100]).finds(CheckerName::KeepAlive, Anomaly::WillLate);
    silent(&[]).finds(CheckerName::KeepAlive, Anomaly::WillLost);
}

#[test]
fn a_shared_message_has_one_receiver() {
    let shared = |copies: &[(usize, u64)], left: Option<u64>| {
        let mut past = Past::new();
        let members = [past.connect(A, 0, false), past.connect(B, 0, false)];
        for member in [A, B] {
            past.subscribe(member, members[member], 10, "$share/g/t", 1);
        }
        past.publish(C, 100, "t", 1, false, "m1");
        for (member, at) in copies {
            past.deliver(*member, members[*member], *at, "t", 1, "m1");
        }
        if let Some(at) = left {
            past.ends(members[A], at, Ended::Cut);
        }
        past
    };
    shared(&[(A, 105)], None).is_fine(CheckerName::SharedSubscription);
    shared(&[], None).finds(CheckerName::SharedSubscription, Anomaly::LostMessage);
    shared(&[(A, 105), (B, 106)], None).finds(CheckerName::SharedSubscription, Anomaly::SharedTwice);
    shared(&[(A, 105), (B, 120)], Some(106)).is_fine(CheckerName::SharedSubscription);
    shared(&[(A, 105), (B, 220)], Some(200)).finds(CheckerName::SharedSubscription, Anomaly::SharedTwice);
}

#[test]
fn members_that_stay_get_fair_shares() {
    let shares = |of_a: u64, of_b: u64| {
        let mut past = Past::new();
        let members = [past.connect(A, 0, false), past.connect(B, 0, false)];
        for member in [A, B] {
            past.subscribe(member, members[member], 10, "$share/g/t", 1);
        }
        for number in 0..of_a + of_b {
            let (member, payload) = (usize::from(number >= of_a), format!("m{number}"));
            past.publish(C, 100 + number, "t", 1, false, &payload);
            past.deliver(member, members[member], 110 + number, "t", 1, &payload);
        }
        past
    };
    shares(30, 20).is_fine(CheckerName::SharedSubscription);
    shares(45, 5).finds(CheckerName::SharedSubscription, Anomaly::UnfairShare);
}

#[test]
fn a_queue_keeps_what_its_strategy_says_and_counts_the_rest() {
    let queue = |drops_oldest: bool, kept: &[&str], dropped: u64| {
        let mut past = Past::new();
        past.0.world.drops_oldest = drops_oldest;
        let b = past.connect(B, 0, false);
        past.subscribe(B, b, 10, "t", 1);
        past.ends(b, 100, Ended::Disconnected);
        for (number, payload) in ["m1", "m2", "m3"].into_iter().enumerate() {
            past.publish(A, 200 + 10 * number as u64, "t", 1, false, payload);
        }
        let b = past.connect(B, 500, true);
        for (number, payload) in kept.iter().enumerate() {
            past.deliver(B, b, 510 + number as u64, "t", 1, payload);
        }
        past.0.drops.push((ms(300), dropped));
        past
    };
    queue(false, &["m1", "m2"], 1).is_fine(CheckerName::OfflineQueue);
    queue(true, &["m2", "m3"], 1).is_fine(CheckerName::OfflineQueue);
    for kept in [&["m2", "m3"][..], &["m2", "m1"], &["m1"], &["m1", "m2", "m3"]] {
        queue(false, kept, 1).finds(CheckerName::OfflineQueue, Anomaly::WrongMessagesKept);
    }
    queue(false, &["m1", "m2"], 2).finds(CheckerName::OfflineQueue, Anomaly::DropsMiscounted);
}

#[test]
fn a_subscription_gets_the_last_retained_message_and_none_from_before_a_restart() {
    let retained = |got: Option<&str>, restarted: bool| {
        let mut past = Past::new();
        past.publish(A, 100, "t", 1, true, "m1");
        past.publish(A, 200, "t", 1, true, "m2");
        if restarted {
            past.0.broker.push(BrokerEvent { at_ns: ms(250), change: BrokerChange::Stopped });
            past.0.broker.push(BrokerEvent { at_ns: ms(300), change: BrokerChange::Started });
        }
        let b = past.connect(B, 400, false);
        past.subscribe(B, b, 410, "t", 1);
        if let Some(got) = got {
            past.deliver(B, b, 412, "t", 1, got).retain = true;
        }
        // Another topic is the evidence that somebody looked and found.
        past.publish(C, 420, "u", 1, true, "n1");
        past.subscribe(B, b, 430, "u", 1);
        past.deliver(B, b, 432, "u", 1, "n1").retain = true;
        past
    };
    retained(Some("m2"), false).is_fine(CheckerName::Retained);
    retained(Some("m1"), false).finds(CheckerName::Retained, Anomaly::RetainedStale);
    retained(None, false).finds(CheckerName::Retained, Anomaly::RetainedMissing);
    retained(None, true).is_fine(CheckerName::Retained);
    retained(Some("m2"), true).finds(CheckerName::Retained, Anomaly::RetainedSurvived);
    let notes = retained(None, true).judge(CheckerName::Retained).notes;
    assert!(notes[0].contains("lost the retained messages of 1 topics"), "{notes:?}");
}

#[test]
fn ordinary_clients_are_not_to_be_disturbed() {
    let deed = || {
        let mut past = Past::new();
        let hostile = crate::history::mqtt::Hostile { deed: "noise".into(), end: None };
        past.event(C, 10, What::Hostile(hostile));
        past.publish(A, 100, "t", 1, false, "m1");
        past
    };
    deed().is_fine(CheckerName::Undisturbed);
    for (client, disturbed) in [(A, true), (C, false)] {
        let mut past = deed();
        let (client, change) = (ClientIndex(client), SessionChange::Lost);
        past.0.sessions.push(SessionEvent { client, at_ns: ms(50), change });
        if disturbed {
            past.finds(CheckerName::Undisturbed, Anomaly::Disturbed);
        } else {
            past.is_fine(CheckerName::Undisturbed);
        }
    }
    let mut slow = deed();
    if let What::Publish(publish) = &mut slow.0.mqtt[1].what {
        publish.outcome = PublishOutcome::Acknowledged { at_ns: ms(300), reason: 0 };
    }
    slow.finds(CheckerName::Undisturbed, Anomaly::Disturbed);
}
