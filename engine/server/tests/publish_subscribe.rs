//! Publish and subscribe over real sockets by an independent client: upstream `rumqttc`, MQTT 5 and MQTT 3.1.1.

#![allow(clippy::unwrap_used, reason = "a packet that does not come is the failure that the test is to show")]

use std::time::Duration;

use mayfly::embedded::Broker;
use rumqttc_upstream as upstream;
use tokio::sync::mpsc;
use tokio::time::timeout;

const PATIENCE: Duration = Duration::from_secs(10);

/// What a subscriber received.
#[derive(Debug, PartialEq, Eq)]
struct Message {
    topic: String,
    payload: Vec<u8>,
    qos: u8,
}

fn message(topic: &str, payload: &[u8], qos: u8) -> Message {
    Message { topic: topic.to_owned(), payload: payload.to_vec(), qos }
}

/// A client of either version, whose event loop runs by itself.
enum Client {
    V5(upstream::v5::AsyncClient),
    V311(upstream::AsyncClient),
}

/// What the event loop saw and a test waits for.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Connected,
    Subscribed,
    Acknowledged,
    Received(Message),
}

impl Client {
    fn v5(broker: &Broker, id: &str) -> (Self, mpsc::UnboundedReceiver<Seen>) {
        use upstream::v5::mqttbytes::v5::Packet;
        use upstream::v5::{AsyncClient, Event, MqttOptions};
        let address = broker.address();
        let (client, mut events) =
            AsyncClient::new(MqttOptions::new(id, address.ip().to_string(), address.port()), 16);
        let (seen, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                let what = match event {
                    Event::Incoming(Packet::ConnAck(_)) => Seen::Connected,
                    Event::Incoming(Packet::SubAck(_)) => Seen::Subscribed,
                    Event::Incoming(Packet::PubAck(_)) => Seen::Acknowledged,
                    Event::Incoming(Packet::Publish(publish)) => Seen::Received(message(
                        std::str::from_utf8(&publish.topic).unwrap(),
                        &publish.payload,
                        publish.qos as u8,
                    )),
                    _ => continue,
                };
                let _ = seen.send(what);
            }
        });
        (Client::V5(client), receiver)
    }

    fn v311(broker: &Broker, id: &str) -> (Self, mpsc::UnboundedReceiver<Seen>) {
        use upstream::{AsyncClient, Event, MqttOptions, Packet};
        let address = broker.address();
        let (client, mut events) =
            AsyncClient::new(MqttOptions::new(id, address.ip().to_string(), address.port()), 16);
        let (seen, receiver) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            while let Ok(event) = events.poll().await {
                let what = match event {
                    Event::Incoming(Packet::ConnAck(_)) => Seen::Connected,
                    Event::Incoming(Packet::SubAck(_)) => Seen::Subscribed,
                    Event::Incoming(Packet::PubAck(_)) => Seen::Acknowledged,
                    Event::Incoming(Packet::Publish(publish)) => {
                        Seen::Received(message(&publish.topic, &publish.payload, publish.qos as u8))
                    }
                    _ => continue,
                };
                let _ = seen.send(what);
            }
        });
        (Client::V311(client), receiver)
    }

    async fn subscribe(&self, filter: &str, qos: u8) {
        match self {
            Client::V5(client) => client.subscribe(filter, v5_qos(qos)).await.unwrap(),
            Client::V311(client) => client.subscribe(filter, upstream::qos(qos).unwrap()).await.unwrap(),
        }
    }

    async fn publish(&self, topic: &str, payload: &[u8], qos: u8) {
        match self {
            Client::V5(client) => client.publish(topic, v5_qos(qos), false, payload.to_vec()).await.unwrap(),
            Client::V311(client) => {
                client.publish(topic, upstream::qos(qos).unwrap(), false, payload.to_vec()).await.unwrap();
            }
        }
    }
}

fn v5_qos(qos: u8) -> upstream::v5::mqttbytes::QoS {
    upstream::v5::mqttbytes::qos(qos).unwrap()
}

async fn next(seen: &mut mpsc::UnboundedReceiver<Seen>) -> Seen {
    timeout(PATIENCE, seen.recv()).await.expect("something within 10 s").expect("the connection lasts")
}

async fn expect(seen: &mut mpsc::UnboundedReceiver<Seen>, what: Seen) {
    assert_eq!(next(seen).await, what);
}

#[tokio::test]
async fn either_version_hears_either_version_at_either_qos() {
    let broker = Broker::start().unwrap();
    let (subscriber_5, mut seen_5) = Client::v5(&broker, "subscriber-5");
    let (subscriber_311, mut seen_311) = Client::v311(&broker, "subscriber-311");
    for (subscriber, seen) in [(&subscriber_5, &mut seen_5), (&subscriber_311, &mut seen_311)] {
        subscriber.subscribe("a/+/c", 1).await;
        expect(seen, Seen::Connected).await;
        expect(seen, Seen::Subscribed).await;
    }
    let (publisher_5, mut published_5) = Client::v5(&broker, "publisher-5");
    let (publisher_311, mut published_311) = Client::v311(&broker, "publisher-311");
    for (publisher, published, payload) in
        [(&publisher_5, &mut published_5, b"5".as_slice()), (&publisher_311, &mut published_311, b"311")]
    {
        for qos in [0, 1] {
            publisher.publish("a/b/c", payload, qos).await;
            for seen in [&mut seen_5, &mut seen_311] {
                expect(seen, Seen::Received(message("a/b/c", payload, qos))).await;
            }
        }
        expect(published, Seen::Connected).await;
        expect(published, Seen::Acknowledged).await;
    }
}

#[tokio::test]
async fn a_message_has_the_lower_qos_of_publisher_and_subscriber() {
    let broker = Broker::start().unwrap();
    let (client, mut seen) = Client::v5(&broker, "c");
    client.subscribe("low", 0).await;
    expect(&mut seen, Seen::Connected).await;
    expect(&mut seen, Seen::Subscribed).await;
    client.publish("low", b"x", 1).await;
    let mut both = [next(&mut seen).await, next(&mut seen).await];
    both.sort_by_key(|seen| *seen != Seen::Acknowledged);
    assert_eq!(both, [Seen::Acknowledged, Seen::Received(message("low", b"x", 0))]);
}

#[tokio::test]
async fn what_nobody_subscribed_to_reaches_nobody() {
    let broker = Broker::start().unwrap();
    let (subscriber, mut seen) = Client::v311(&broker, "s");
    subscriber.subscribe("a/#", 1).await;
    expect(&mut seen, Seen::Connected).await;
    expect(&mut seen, Seen::Subscribed).await;
    let (publisher, _published) = Client::v5(&broker, "p");
    publisher.publish("b", b"x", 1).await;
    publisher.publish("a", b"y", 1).await;
    expect(&mut seen, Seen::Received(message("a", b"y", 1))).await;
}
