//! Message Expiry Interval: it counts down while a message waits, by the wall clock.

use std::num::NonZeroU16;
use std::time::Duration;

use mayfly_wire::{Publish, PublishProperties, QoS};

use crate::harness::packets::{self, qos_0, qos_1};
use crate::harness::{Client, World};

fn expiring(payload: &str, interval_s: u32) -> Publish<'_> {
    let properties =
        PublishProperties { message_expiry_interval_s: Some(interval_s), ..PublishProperties::default() };
    Publish { properties, ..qos_1("t", payload) }
}

fn away(world: &mut World) -> Client {
    let (client, _) = world.resume("s");
    world.subscribe(client, "t", QoS::AtLeastOnce);
    world.lose(client);
    world.connect("p")
}

fn left(message: &Publish<'_>) -> Option<u32> {
    message.properties.message_expiry_interval_s
}

#[test]
fn at_once_it_is_forwarded_as_it_came() {
    let mut world = World::new();
    let client = world.connect("a");
    world.subscribe(client, "t", QoS::AtMostOnce);
    world.publish(client, expiring("x", 60));
    assert_eq!(left(&world.message(client)), Some(60));
    world.publish(client, qos_0("t", "x"));
    assert_eq!(left(&world.message(client)), None);
}

#[test]
fn what_waited_says_what_is_left() {
    let mut world = World::new();
    let publisher = away(&mut world);
    world.publish(publisher, expiring("x", 60));
    world.advance(Duration::from_secs(20));
    let (back, _) = world.resume("s");
    assert_eq!(left(&world.message(back)), Some(40));
}

#[test]
fn what_waited_too_long_is_dropped_and_counted() {
    let mut world = World::new();
    let publisher = away(&mut world);
    world.publish(publisher, expiring("short", 10));
    world.publish(publisher, expiring("long", 11));
    world.advance(Duration::from_secs(10));
    let (back, _) = world.resume("s");
    let message = world.message(back);
    assert_eq!((message.payload, left(&message)), (&b"long"[..], Some(1)));
    assert_eq!(world.broker.statistics().dropped.expired, 1);
}

#[test]
fn it_counts_while_the_window_is_full() {
    let mut world = World::new();
    let (client, _) =
        world.connect_with("s", |connect| connect.properties.receive_maximum = NonZeroU16::new(1));
    world.subscribe(client, "t", QoS::AtLeastOnce);
    let publisher = world.connect("p");
    world.publish(publisher, qos_1("t", "first"));
    world.publish(publisher, expiring("expires", 5));
    world.publish(publisher, expiring("stays", 50));
    world.advance(Duration::from_secs(5));
    let first = world.message(client);
    world.ack(client, first.packet_id);
    let second = world.message(client);
    assert_eq!((second.payload, left(&second)), (&b"stays"[..], Some(45)));
}

#[test]
fn each_receiver_sees_its_own_rest() {
    let mut world = World::new();
    let publisher = away(&mut world);
    let (here, _) = world.connect_with("here", packets::lasting);
    world.subscribe(here, "t", QoS::AtLeastOnce);
    world.publish(publisher, expiring("x", 60));
    assert_eq!(left(&world.message(here)), Some(60));
    world.advance(Duration::from_millis(59_500));
    let (back, _) = world.resume("s");
    assert_eq!(left(&world.message(back)), Some(1), "never early: part of a second counts as one");
}
