//! A broker with many subscriptions, fed with inputs and drained: no bytes, no connections.

use mayfly_core::{
    Broker, BrokerConfig, ConnectionId, Identity, Input, Limits, Monotonic, Now, StateMachine, WallClock,
};
use mayfly_wire::{
    Connect, ConnectProperties, Packet, PacketId, ProtocolVersion, Publish, PublishProperties, QoS,
    RetainHandling, Subscribe, SubscribeFilters, SubscribeProperties, Subscription, SubscriptionOptions,
    TopicFilter,
};

/// Kinds of filters, each with what comes before and after the number of a subscription.
pub(crate) const KINDS: [&str; 3] = ["exact", "plus", "hash"];

/// A broker and its time.
pub(crate) struct Crowd {
    broker: Broker,
    now: Now,
}

impl Crowd {
    pub(crate) fn new() -> Self {
        let limits =
            Limits { max_subscriptions: u32::MAX, max_retained_bytes: u32::MAX, ..Limits::default() };
        let broker = Broker::new(BrokerConfig { limits, hash_seed: 7 });
        let now =
            Now { monotonic: Monotonic::from_nanos(1), wall: WallClock::from_millis(1_700_000_000_000) };
        Self { broker, now }
    }

    /// So many sessions, each with as many subscriptions of one kind, no two alike.
    pub(crate) fn with_subscriptions(kind: &str, sessions: usize, each: usize) -> Self {
        let mut crowd = Self::new();
        for session in 0..sessions {
            crowd.connect(session);
            for number in session * each..(session + 1) * each {
                crowd.subscribe(session, &filter(kind, number));
            }
        }
        crowd
    }

    pub(crate) fn connect(&mut self, session: usize) {
        let client_id = format!("client-{session}");
        let connect = Connect {
            version: ProtocolVersion::V5,
            clean_start: true,
            keep_alive_s: 0,
            client_id: &client_id,
            will: None,
            user_name: None,
            password: None,
            properties: ConnectProperties::default(),
        };
        let connection = connection(session);
        self.handle(&Input::Opened { connection, identity: Identity::default(), entropy: 0, connect });
    }

    /// Subscribes with QoS 0. Returns the outputs: SUBACK, and retained messages.
    pub(crate) fn subscribe(&mut self, session: usize, filter: &str) -> usize {
        let options = SubscriptionOptions {
            qos: QoS::AtMostOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling: RetainHandling::SendAtSubscribe,
        };
        let Ok(filter) = TopicFilter::parse(filter) else { panic!("{filter} is no filter") };
        let filters = [Subscription { filter, options }];
        let Some(packet_id) = PacketId::new(1) else { unreachable!("one is not zero") };
        let subscribe = Subscribe {
            packet_id,
            properties: SubscribeProperties::default(),
            filters: SubscribeFilters::from_slice(&filters),
        };
        self.handle(&Input::Packet { connection: connection(session), packet: Packet::Subscribe(subscribe) })
    }

    /// Publishes from the first session, with QoS 0. Returns the deliveries.
    pub(crate) fn publish(&mut self, topic: &str, retain: bool) -> usize {
        let publish = Publish {
            dup: false,
            qos: QoS::AtMostOnce,
            retain,
            topic,
            packet_id: None,
            properties: PublishProperties::default(),
            payload: &[b'v'; 64],
        };
        self.handle(&Input::Packet { connection: connection(0), packet: Packet::Publish(publish) })
    }

    fn handle(&mut self, input: &Input<'_>) -> usize {
        self.broker.handle(self.now, input);
        let mut outputs = 0;
        while let Some(output) = self.broker.poll_output() {
            std::hint::black_box(output);
            outputs += 1;
        }
        outputs
    }
}

/// The filter of a subscription.
pub(crate) fn filter(kind: &str, number: usize) -> String {
    let (site, line) = (number / 1000, number % 1000);
    match kind {
        "exact" => format!("site/{site}/line/{line}/temperature"),
        "plus" => format!("site/{site}/line/{line}/+"),
        "hash" => format!("site/{site}/line/{line}/#"),
        _ => panic!("{kind} is no kind of filter"),
    }
}

/// A topic that this subscription matches, whatever its kind, and no other one.
pub(crate) fn topic(number: usize) -> String {
    filter("exact", number)
}

fn connection(session: usize) -> ConnectionId {
    ConnectionId { node: 1, sequence: session as u64 }
}
