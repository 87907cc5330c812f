//! A broker to fill.

use std::num::NonZeroU16;

use mayfly_core::{
    AttributeList, Broker, BrokerConfig, CloseCause, ConnectionId, Identity, Input, Limits, MemoryUse,
    Monotonic, Now, REQUEST_TOPIC, StateMachine, WallClock,
};
use mayfly_wire::{
    AckProperties, Connect, ConnectProperties, Disconnect, DisconnectProperties, Packet, PacketId,
    ProtocolVersion, PubAck, Publish, PublishProperties, QoS, ReasonCode, RetainHandling, Subscribe,
    SubscribeFilters, SubscribeProperties, Subscription, SubscriptionOptions, TopicFilter, TopicName,
    Unsubscribe, UnsubscribeFilters, UnsubscribeProperties, UserProperties, resp3,
};

/// A broker without connections: packets go straight to it, and nobody reads what comes out.
pub(crate) struct World {
    pub(crate) broker: Broker,
    pub(crate) limits: Limits,
    pub(crate) now: Now,
    pub(crate) sequence: u64,
    pub(crate) packet_id: u16,
}

impl World {
    pub(crate) fn new() -> Self {
        let limits = Limits {
            max_subscriptions: u32::MAX,
            max_watched_keys: u32::MAX,
            max_queued_messages: u32::MAX,
            max_in_flight: NonZeroU16::MAX,
            ..Limits::default()
        };
        let now = Now { monotonic: Monotonic::ZERO, wall: WallClock::from_millis(1_700_000_000_000) };
        Self {
            broker: Broker::new(BrokerConfig { limits, hash_seed: 1 }),
            limits,
            now,
            sequence: 0,
            packet_id: 0,
        }
    }

    pub(crate) fn handle(&mut self, input: &Input<'_>) {
        self.broker.handle(self.now, input);
        while self.broker.poll_output().is_some() {}
    }

    pub(crate) fn connect(&mut self, client_id: &str) -> ConnectionId {
        self.connect_taking(client_id, NonZeroU16::MAX)
    }

    /// A connection whose client takes so many messages at once.
    pub(crate) fn connect_taking(&mut self, client_id: &str, receive_maximum: NonZeroU16) -> ConnectionId {
        self.sequence += 1;
        let connection = ConnectionId { node: 1, sequence: self.sequence };
        let connect = Connect {
            version: ProtocolVersion::V5,
            clean_start: false,
            keep_alive_s: 0,
            client_id,
            will: None,
            user_name: None,
            password: None,
            properties: ConnectProperties {
                session_expiry_interval_s: Some(if client_id == "away" { u32::MAX } else { 100 }),
                receive_maximum: Some(receive_maximum),
                ..ConnectProperties::default()
            },
        };
        let attributes: AttributeList = [("site", "north"), ("floor", "3")].into_iter().collect();
        let identity = Identity { attributes: attributes.as_attributes(), ..Identity::default() };
        self.handle(&Input::Opened { connection, identity, entropy: 0, connect });
        connection
    }

    pub(crate) fn lose(&mut self, connection: ConnectionId) {
        self.handle(&Input::Closed { connection, cause: CloseCause::NetworkLost });
    }

    /// Disconnects a client, and ends its session.
    pub(crate) fn leave(&mut self, connection: ConnectionId) {
        let properties =
            DisconnectProperties { session_expiry_interval_s: Some(0), ..DisconnectProperties::default() };
        let reason = ReasonCode::Success;
        self.packet(connection, Packet::Disconnect(Disconnect { reason, properties }));
    }

    pub(crate) fn packet(&mut self, connection: ConnectionId, packet: Packet<'_>) {
        self.handle(&Input::Packet { connection, packet });
    }

    pub(crate) fn fresh_id(&mut self) -> PacketId {
        self.packet_id = self.packet_id % 60_000 + 1;
        PacketId::new(self.packet_id).unwrap()
    }

    pub(crate) fn subscribe(&mut self, connection: ConnectionId, filter: &str) {
        self.subscribe_with(connection, filter, RetainHandling::DoNotSend, None);
    }

    pub(crate) fn subscribe_with(
        &mut self,
        connection: ConnectionId,
        filter: &str,
        retain_handling: RetainHandling,
        subscription_identifier: Option<u32>,
    ) {
        let options = SubscriptionOptions {
            qos: QoS::ExactlyOnce,
            no_local: false,
            retain_as_published: false,
            retain_handling,
        };
        let filters = [Subscription { filter: TopicFilter::parse(filter).unwrap(), options }];
        let (packet_id, filters) = (self.fresh_id(), SubscribeFilters::from_slice(&filters));
        let properties = SubscribeProperties { subscription_identifier, ..SubscribeProperties::default() };
        self.packet(connection, Packet::Subscribe(Subscribe { packet_id, properties, filters }));
    }

    pub(crate) fn unsubscribe(&mut self, connection: ConnectionId, filter: &str) {
        let filters = [TopicFilter::parse(filter).unwrap()];
        let (packet_id, filters) = (self.fresh_id(), UnsubscribeFilters::from_slice(&filters));
        let properties = UnsubscribeProperties::default();
        self.packet(connection, Packet::Unsubscribe(Unsubscribe { packet_id, properties, filters }));
    }

    pub(crate) fn publish(&mut self, connection: ConnectionId, topic: &str, retain: bool, payload: &[u8]) {
        let packet_id = self.fresh_id();
        self.packet(connection, Packet::Publish(message(packet_id, topic, retain, payload)));
    }

    pub(crate) fn ask(&mut self, connection: ConnectionId, items: &[&[u8]]) {
        self.ask_fenced(connection, items, None);
    }

    pub(crate) fn ask_fenced(&mut self, connection: ConnectionId, items: &[&[u8]], token: Option<&str>) {
        let user_properties = [("__ts", "1700000000000:0:c"), ("__ft", token.unwrap_or_default())];
        let user_properties = &user_properties[..=usize::from(token.is_some())];
        let mut payload = Vec::new();
        resp3::encode_array(items, &mut payload);
        let properties = PublishProperties {
            response_topic: Some(TopicName::parse("nobody").unwrap()),
            correlation_data: Some(b"c"),
            user_properties: UserProperties::from_pairs(user_properties),
            ..PublishProperties::default()
        };
        let publish = Publish {
            dup: false,
            qos: QoS::AtLeastOnce,
            retain: false,
            topic: REQUEST_TOPIC,
            packet_id: Some(self.fresh_id()),
            properties,
            payload: &payload,
        };
        self.packet(connection, Packet::Publish(publish));
    }

    /// Makes the broker forget all requests that it remembers, and the packet identifiers that stand for them.
    pub(crate) fn forget(&mut self, connection: ConnectionId) {
        let limits = self.limits;
        self.handle(&Input::Limits(Limits { max_remembered_requests: 0, ..limits }));
        self.ask(connection, &[b"DEL", b"nothing"]);
        self.handle(&Input::Limits(limits));
        for _ in 0..std::mem::take(&mut self.packet_id) {
            self.ask(connection, &[b"GET", b"nothing"]);
        }
        self.packet_id = 0;
    }

    pub(crate) fn ack(&mut self, connection: ConnectionId, packet_id: u16) {
        let (packet_id, reason) = (PacketId::new(packet_id).unwrap(), ReasonCode::Success);
        self.packet(
            connection,
            Packet::PubAck(PubAck { packet_id, reason, properties: AckProperties::default() }),
        );
    }

    pub(crate) fn memory(&self) -> MemoryUse {
        self.broker.statistics().memory
    }
}

/// A message of QoS 1.
pub(crate) fn message<'a>(
    packet_id: PacketId,
    topic: &'a str,
    retain: bool,
    payload: &'a [u8],
) -> Publish<'a> {
    Publish {
        dup: false,
        qos: QoS::AtLeastOnce,
        retain,
        topic,
        packet_id: Some(packet_id),
        properties: PublishProperties::default(),
        payload,
    }
}

pub(crate) fn id(id: u16) -> PacketId {
    PacketId::new(id).unwrap()
}
