//! The queue of a client that is away or busy: what it keeps, what becomes of a message when it is full, and who is told.

use std::time::Duration;

use mayfly_core::{Limits, QueueOverflow};
use mayfly_wire::{Publish, PublishProperties, QoS, ReasonCode};

use crate::harness::packets::{qos_0, qos_1, qos_2};
use crate::harness::store::Request;
use crate::harness::{Client, World};

/// A world in which a queue has room for two messages, with an absent subscriber `a` and a publisher.
fn world(queue_overflow: QueueOverflow, change: impl FnOnce(&mut Limits)) -> (World, Client) {
    let mut world = World::with_limits(|limits| {
        (limits.max_queued_messages, limits.queue_overflow) = (2, queue_overflow);
        change(limits);
    });
    absent(&mut world, "a");
    let publisher = world.connect("p");
    (world, publisher)
}

fn absent(world: &mut World, client_id: &'static str) {
    let (client, _) = world.resume(client_id);
    world.subscribe(client, "t", QoS::ExactlyOnce);
    world.lose(client);
}

fn kept(world: &mut World, client_id: &'static str) -> Vec<&'static str> {
    let (client, _) = world.resume(client_id);
    world.payloads(client)
}

#[test]
fn a_full_queue_refuses_and_the_publisher_is_told() {
    let (mut world, publisher) = world(QueueOverflow::Refuse, |_| ());
    let reasons = ["1", "2", "3"].map(|payload| world.publish(publisher, qos_1("t", payload)).unwrap());
    assert_eq!(reasons, [ReasonCode::Success, ReasonCode::Success, ReasonCode::QuotaExceeded]);
    assert_eq!(world.publish(publisher, qos_2("t", "4")), Some(ReasonCode::QuotaExceeded));
    assert_eq!(kept(&mut world, "a"), ["1", "2"]);
    assert_eq!(world.broker.statistics().dropped.queue_full, 2);
}

#[test]
fn who_got_through_to_somebody_is_told_nothing() {
    let (mut world, publisher) = world(QueueOverflow::Refuse, |_| ());
    let here = world.connect("here");
    world.subscribe(here, "t", QoS::AtMostOnce);
    for payload in ["1", "2", "3"] {
        assert_eq!(world.publish(publisher, qos_2("t", payload)), Some(ReasonCode::Success));
    }
    assert_eq!(world.payloads(here), ["1", "2", "3"]);
    assert_eq!(world.broker.statistics().dropped.queue_full, 1);
}

#[test]
fn a_publisher_of_3_1_1_cannot_be_told_and_stays() {
    let (mut world, _) = world(QueueOverflow::Refuse, |_| ());
    let old = world.connect_3_1_1("old");
    for payload in ["1", "2", "3"] {
        assert_eq!(world.publish(old, qos_2("t", payload)), Some(ReasonCode::Success));
    }
    assert!(!world.is_closed(old));
    assert_eq!(kept(&mut world, "a"), ["1", "2"]);
}

#[test]
fn the_oldest_makes_room() {
    let (mut world, publisher) = world(QueueOverflow::DropOldest, |_| ());
    for payload in ["1", "2", "3", "4"] {
        assert_eq!(world.publish(publisher, qos_1("t", payload)), Some(ReasonCode::Success));
    }
    assert_eq!(kept(&mut world, "a"), ["3", "4"]);
    let statistics = world.broker.statistics();
    assert_eq!((statistics.dropped.oldest, statistics.dropped.queue_full, statistics.messages), (2, 0, 2));
}

#[test]
fn as_many_go_as_the_bytes_need_and_none_for_what_never_fits() {
    let (mut world, publisher) = world(QueueOverflow::DropOldest, |limits| {
        (limits.max_queued_messages, limits.max_queued_bytes) = (10, 10);
    });
    for payload in ["1", "2", "3", "4"] {
        world.publish(publisher, qos_1("t", payload));
    }
    assert_eq!(world.publish(publisher, qos_1("t", "0123456789")), Some(ReasonCode::QuotaExceeded));
    world.publish(publisher, qos_1("t", "abcd"));
    assert_eq!(kept(&mut world, "a"), ["3", "4", "abcd"]);
}

#[test]
fn what_has_expired_makes_room_first() {
    for overflow in [QueueOverflow::Refuse, QueueOverflow::DropOldest] {
        let (mut world, publisher) = world(overflow, |_| ());
        let properties =
            PublishProperties { message_expiry_interval_s: Some(10), ..PublishProperties::default() };
        world.publish(publisher, qos_1("t", "stays"));
        world.publish(publisher, Publish { properties, ..qos_1("t", "expires") });
        world.advance(Duration::from_secs(10));
        assert_eq!(world.publish(publisher, qos_1("t", "new")), Some(ReasonCode::Success));
        assert_eq!(kept(&mut world, "a"), ["stays", "new"]);
        let statistics = world.broker.statistics();
        assert_eq!((statistics.dropped.expired, statistics.dropped.oldest), (1, 0));
    }
}

#[test]
fn qos_0_is_not_kept_for_who_is_away() {
    let (mut world, publisher) = world(QueueOverflow::Refuse, |_| ());
    world.publish(publisher, qos_0("t", "x"));
    assert!(kept(&mut world, "a").is_empty());
    assert_eq!(world.broker.statistics().dropped.away, 1);
}

#[test]
fn answers_of_the_store_make_room_for_nothing() {
    let mut world = World::with_limits(|limits| {
        (limits.max_queued_messages, limits.queue_overflow) = (2, QueueOverflow::DropOldest);
        limits.max_in_flight = std::num::NonZeroU16::MIN;
    });
    let (client, publisher) = (world.store_client("a"), world.connect("p"));
    world.subscribe(client, "t", QoS::AtLeastOnce);
    world.publish(publisher, qos_1("t", "in flight"));
    world.publish(publisher, qos_1("t", "1"));
    world.send_request(client, &Request::new(&[b"GET", b"k"]));
    world.publish(publisher, qos_1("t", "2"));
    world.publish(publisher, qos_1("t", "3"));
    let mut seen = Vec::new();
    loop {
        let received = world.received(client);
        let messages: Vec<_> = received
            .into_iter()
            .filter_map(|packet| match packet {
                mayfly_wire::Packet::Publish(message) => Some(message),
                _ => None,
            })
            .collect();
        if messages.is_empty() {
            break;
        }
        seen.extend(messages.iter().map(|message| message.payload));
        world.ack_all(client, &messages);
    }
    assert_eq!(seen, [&b"in flight"[..], b"$-1\r\n", b"3"]);
}
