//! New rules while clients are connected or away: what goes on, what ends.

use std::num::NonZeroU16;
use std::time::Duration;

use mayfly_core::Access;
use mayfly_wire::{QoS, ReasonCode};

use crate::harness::World;
use crate::harness::packets::{self, lasting, qos_0, qos_1, retained, subscription, will};
use crate::harness::rules::{Draft, everyone, user};

fn all() -> Draft {
    everyone().connect().publish(&["#"]).subscribe(&["#"]).keys(Access::ReadWrite, &["*"])
}

#[test]
fn who_may_no_longer_connect_is_disconnected_and_keeps_the_session() {
    let mut world = World::ruled([all()]);
    world.come_as(Some("x"), &[]);
    let (gone, _) = world.connect_with("a", lasting);
    world.subscribe(gone, "t", QoS::AtLeastOnce);
    world.come_as(Some("y"), &[]);
    let stays = world.connect("b");
    world.set_rules([user("y").connect().publish(&["#"]), everyone().subscribe(&["#"])]);
    world.assert_disconnected(gone, ReasonCode::NotAuthorized);
    assert!(world.received(stays).is_empty());
    world.publish(stays, qos_1("t", "meanwhile"));
    world.set_rules([all()]);
    world.come_as(Some("x"), &[]);
    let (back, ack) = world.resume("a");
    assert!(ack.session_present);
    assert_eq!(world.payloads(back), ["meanwhile"]);
}

#[test]
fn a_subscription_that_is_no_longer_allowed_ends() {
    let mut world = World::ruled([all()]);
    let (client, _) = world.connect_with("a", lasting);
    let (away, _) = world.connect_with("b", lasting);
    for client in [client, away] {
        world.subscribe(client, "secret/#", QoS::AtLeastOnce);
        world.subscribe(client, "open/+", QoS::AtLeastOnce);
    }
    world.lose(away);
    world.set_rules([everyone().connect().publish(&["#"]).subscribe(&["open/#"])]);
    assert_eq!(world.broker.statistics().revoked_subscriptions, 2);
    let publisher = world.connect("p");
    world.publish(publisher, qos_1("secret/x", "1"));
    world.publish(publisher, qos_1("open/x", "2"));
    assert_eq!(world.payloads(client), ["2"], "the connection and the other subscription go on");
    // It does not come back by itself.
    world.set_rules([all()]);
    world.publish(publisher, qos_1("secret/x", "3"));
    assert!(world.received(client).is_empty());
    let (away, _) = world.resume("b");
    assert_eq!(world.payloads(away), ["2"]);
}

#[test]
fn what_waited_behind_a_revoked_subscription_comes_at_once() {
    let mut world = World::ruled([all()]);
    let publisher = world.connect("p");
    for topic in ["secret/1", "secret/2"] {
        world.publish(publisher, retained(qos_1(topic, topic)));
    }
    let narrow = |connect: &mut mayfly_wire::Connect<'_>| {
        connect.properties.receive_maximum = NonZeroU16::new(1);
    };
    let (client, _) = world.connect_with("a", narrow);
    world.subscribe(client, "open", QoS::AtMostOnce);
    let packet_id = world.fresh_id(client);
    world.send(client, packets::subscribe(packet_id, &[subscription("secret/+", QoS::AtLeastOnce)]));
    world.received(client);
    world.publish(publisher, qos_0("open", "behind"));
    assert!(world.received(client).is_empty(), "the other retained message comes first");
    world.set_rules([everyone().connect().publish(&["#"]).subscribe(&["open"])]);
    assert_eq!(world.payloads(client), ["behind"]);
}

#[test]
fn watching_ends_with_the_permission_to_read() {
    let mut world = World::ruled([all()]);
    let client = world.store_client("a");
    world.reply(client, &[b"KEYNOTIFY", b"k"]);
    world.reply(client, &[b"KEYNOTIFY", b"l"]);
    let reads_l = everyone().keys(Access::Read, &["l"]);
    world.set_rules([everyone().connect().subscribe(&["#"]).keys(Access::Write, &["*"]), reads_l]);
    let writer = world.store_client("w");
    world.reply(writer, &[b"SET", b"k", b"v"]);
    assert!(world.received(client).is_empty());
    world.reply(writer, &[b"SET", b"l", b"v"]);
    assert_eq!(world.messages(client).len(), 1);
}

#[test]
fn a_message_is_judged_by_the_rules_of_its_time() {
    let mut world = World::ruled([all()]);
    let client = world.connect("a");
    assert_eq!(world.publish(client, qos_1("t", "x")), Some(ReasonCode::NoMatchingSubscribers));
    world.set_rules([everyone().connect().publish(&["u"])]);
    assert_eq!(world.publish(client, qos_1("t", "x")), Some(ReasonCode::NotAuthorized));
    assert_eq!(world.publish(client, qos_1("u", "x")), Some(ReasonCode::NoMatchingSubscribers));
}

#[test]
fn a_will_is_judged_again_when_it_is_published() {
    let mut world = World::ruled([all()]);
    let watcher = world.connect("w");
    world.subscribe(watcher, "#", QoS::AtMostOnce);
    for client_id in ["a", "b"] {
        let (client, _) = world.connect_with(client_id, |connect| {
            lasting(connect);
            connect.will = Some(will("wills"));
            connect.will.as_mut().unwrap().properties.delay_interval_s = Some(5);
        });
        world.lose(client);
        if client_id == "a" {
            world.advance(Duration::from_secs(6));
            assert_eq!(world.payloads(watcher), ["gone"]);
        }
    }
    world.set_rules([everyone().connect().subscribe(&["#"])]);
    world.advance(Duration::from_secs(6));
    assert!(world.received(watcher).is_empty());
    assert_eq!(world.broker.statistics().denied_publications, 1);
    assert_eq!(world.broker.statistics().messages, 0);
}

#[test]
fn whoever_resumes_a_session_has_subscriptions_that_are_allowed_now() {
    let own = "{principal.attributes.desk}/#";
    let mut world = World::ruled([everyone().connect().publish(&["#"]), user("clerk").subscribe(&[own])]);
    world.come_as(Some("clerk"), &[("desk", "safe")]);
    let (clerk, _) = world.connect_with("a", lasting);
    world.subscribe(clerk, "safe/1", QoS::AtLeastOnce);
    world.lose(clerk);
    let publisher = world.connect("p");
    world.publish(publisher, qos_1("safe/1", "before"));
    world.come_as(Some("clerk"), &[("desk", "post")]);
    let (clerk, ack) = world.resume("a");
    assert!(ack.session_present);
    world.publish(clerk, qos_0("safe/1", "after"));
    assert_eq!(world.payloads(clerk), ["before"], "what was queued before stays");
}
