//! The envelope of a request to the store: QoS, properties, acknowledgement, and who may see what.

use mayfly_core::REQUEST_TOPIC;
use mayfly_wire::{Packet, Publish, PublishProperties, QoS, ReasonCode};

use crate::harness::packets::{id, qos_0, qos_1, topic};
use crate::harness::store::{Request, answer, response_topic};
use crate::harness::{Client, World};

const NOTIFY_PREFIX: &str = "clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8";

fn set() -> Request {
    Request::new(&[b"SET", b"k", b"v"])
}

/// The PUBACK's reason code of a request that gets no response.
fn unanswered(world: &mut World, client: Client, request: &Request) -> ReasonCode {
    world.send_request(client, request);
    match world.only(client) {
        Packet::PubAck(ack) => ack.reason,
        other => panic!("expected PUBACK, got {other:?}"),
    }
}

fn assert_not_executed(world: &World) {
    let statistics = world.broker.statistics();
    assert_eq!((statistics.keys, statistics.requests_refused), (0, 1));
}

#[test]
fn the_response_goes_to_the_response_topic_with_the_correlation_data() {
    let mut world = World::new();
    let client = world.connect("a");
    world.subscribe(client, "any/shape/+/at/all", QoS::AtLeastOnce);
    let mut request = set().correlation(&[0, 255, 1]);
    request.response_topic = Some("any/shape/of/at/all".to_owned());
    world.send_request(client, &request);
    assert!(matches!(world.next(client), Packet::PubAck(ack) if ack.reason == ReasonCode::Success));
    let response = world.message(client);
    assert_eq!(response.topic, "any/shape/of/at/all");
    assert_eq!(response.properties.correlation_data, Some(&[0, 255, 1][..]));
    assert_eq!(answer(&response).payload, "+OK\r\n");
}

#[test]
fn a_request_that_nobody_hears_the_answer_of_is_executed() {
    let mut world = World::new();
    let client = world.connect("a");
    assert_eq!(unanswered(&mut world, client, &set()), ReasonCode::Success, "never 0x10");
    assert_eq!(world.broker.statistics().keys, 1);
}

#[test]
fn a_request_that_cannot_be_answered_fails() {
    let mut without_topic = set();
    without_topic.response_topic = Some(String::new());
    let mut without_correlation = set();
    without_correlation.correlation_data = None;
    for request in [without_topic, without_correlation] {
        let mut world = World::new();
        let client = world.store_client("a");
        assert_eq!(unanswered(&mut world, client, &request), ReasonCode::ImplementationSpecificError);
        assert_not_executed(&world);
    }
}

#[test]
fn empty_correlation_data_is_correlation_data() {
    let mut world = World::new();
    let client = world.store_client("a");
    assert_eq!(world.ask(client, &set().correlation(b"")).payload, "+OK\r\n");
}

#[test]
fn an_expired_request_is_acknowledged_and_nothing_else() {
    let mut world = World::new();
    let client = world.store_client("a");
    assert_eq!(unanswered(&mut world, client, &set().expiry_s(Some(0))), ReasonCode::Success);
    assert_not_executed(&world);
}

#[test]
fn qos_0_is_dropped_and_counted() {
    let mut world = World::new();
    let client = world.store_client("a");
    world.send_request(client, &Request { qos: QoS::AtMostOnce, ..set() });
    assert!(world.received(client).is_empty());
    assert_not_executed(&world);
}

#[test]
fn qos_2_is_refused_in_its_own_exchange() {
    let mut world = World::new();
    let client = world.store_client("a");
    world.send_request(client, &Request { qos: QoS::ExactlyOnce, ..set() });
    match world.only(client) {
        Packet::PubRec(pub_rec) => assert!(pub_rec.reason.is_error()),
        other => panic!("expected PUBREC, got {other:?}"),
    }
    assert_not_executed(&world);
    assert!(!world.is_closed(client));
}

#[test]
fn mqtt_3_1_1_is_acknowledged_and_not_executed() {
    let mut world = World::new();
    let client = world.connect_3_1_1("a");
    assert_eq!(unanswered(&mut world, client, &set()), ReasonCode::Success);
    assert_not_executed(&world);
}

#[test]
fn a_response_does_not_go_where_the_server_alone_publishes() {
    for response_topic in ["$SYS/broker/clients/connected", "$SYS"] {
        let mut world = World::new();
        let operator = world.connect("o");
        world.subscribe(operator, "$SYS/#", QoS::AtMostOnce);
        let client = world.store_client("a");
        let request = Request { response_topic: Some(response_topic.to_owned()), ..set() };
        assert_eq!(unanswered(&mut world, client, &request), ReasonCode::NotAuthorized);
        assert_not_executed(&world);
        assert!(world.received(operator).is_empty());
    }
}

#[test]
fn forbidden_response_topics_close_the_connection() {
    for response_topic in [
        REQUEST_TOPIC.to_owned(),
        NOTIFY_PREFIX.to_owned(),
        format!("{NOTIFY_PREFIX}/61/command/notify/6B"),
        format!("{NOTIFY_PREFIX}x"),
    ] {
        let mut world = World::new();
        let client = world.store_client("a");
        let mut request = set();
        request.response_topic = Some(response_topic);
        world.send_request(client, &request);
        world.assert_disconnected(client, ReasonCode::TopicNameInvalid);
        assert_not_executed(&world);
    }
}

#[test]
fn requests_are_never_routed() {
    let mut world = World::new();
    let (client, spy) = (world.store_client("a"), world.connect("spy"));
    world.subscribe(spy, REQUEST_TOPIC, QoS::AtLeastOnce);
    world.subscribe(spy, "statestore/#", QoS::AtLeastOnce);
    world.command(client, &[b"SET", b"k", b"v"]);
    world.send_request(client, &Request { qos: QoS::AtMostOnce, ..set() });
    unanswered(&mut world, client, &set().expiry_s(Some(0)));
    assert!(world.received(spy).is_empty());
}

#[test]
fn everybody_who_subscribed_hears_a_response() {
    let mut world = World::new();
    let (client, spy) = (world.store_client("a"), world.connect("spy"));
    world.subscribe(spy, "#", QoS::AtLeastOnce);
    world.command(client, &[b"SET", b"k", b"v"]);
    assert_eq!(world.message(spy).topic, response_topic(client));
}

#[test]
fn notifications_cannot_be_forged() {
    let mut world = World::new();
    let (client, forger) = (world.store_client("a"), world.connect("forger"));
    let forged = format!("{NOTIFY_PREFIX}/61/command/notify/6B");
    world.subscribe(client, &forged, QoS::AtLeastOnce);
    assert_eq!(world.publish(forger, qos_1(&forged, "x")), Some(ReasonCode::NotAuthorized));
    world.publish(forger, qos_0(&forged, "x"));
    assert!(world.received(client).is_empty());
    assert!(!world.is_closed(forger));
    assert_eq!(
        world.publish(forger, qos_1(&format!("{NOTIFY_PREFIX}x"), "x")),
        Some(ReasonCode::NoMatchingSubscribers),
        "a topic beside it is like any other"
    );
}

#[test]
fn unknown_user_properties_and_their_order_do_not_matter() {
    let mut world = World::new();
    let client = world.store_client("a");
    let names = [
        ("$high_priority", ""),
        ("__ft", "5:0:lock"),
        ("$partition", "a"),
        ("__ts", "1:0:c"),
        ("__invId", "x"),
    ];
    let response_topic = response_topic(client);
    let properties = PublishProperties {
        response_topic: Some(topic(&response_topic)),
        correlation_data: Some(b"c"),
        user_properties: mayfly_wire::UserProperties::from_pairs(&names),
        ..PublishProperties::default()
    };
    let payload = "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n";
    world.send(
        client,
        Packet::Publish(Publish { properties, packet_id: Some(id(100)), ..qos_1(REQUEST_TOPIC, payload) }),
    );
    world.next(client);
    assert_eq!(answer(&world.message(client)).payload, "+OK\r\n");
    let unfenced = world.reply(client, &[b"DEL", b"k"]);
    assert_eq!(unfenced, "-ERR a fencing token is required for this request\r\n");
}
