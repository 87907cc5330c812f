//! Packets that tests send and expect.

use mayfly_wire::{
    AckProperties, Connect, ConnectProperties, Disconnect, DisconnectProperties, Packet, PacketId,
    ProtocolVersion, PubAck, PubComp, PubRec, PubRel, Publish, PublishProperties, QoS, ReasonCode,
    RetainHandling, Subscribe, SubscribeFilters, SubscribeProperties, Subscription, SubscriptionOptions,
    TopicFilter, TopicName, Unsubscribe, UnsubscribeFilters, UnsubscribeProperties, Will, WillProperties,
};

pub(crate) fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("not zero")
}

pub(crate) fn topic(text: &str) -> TopicName<'_> {
    TopicName::parse(text).expect("a valid topic name")
}

pub(crate) fn filter(text: &str) -> TopicFilter<'_> {
    TopicFilter::parse(text).expect("a valid topic filter")
}

/// MQTT 5, clean start, no keep-alive; the session ends with the connection.
pub(crate) fn connect(client_id: &str) -> Connect<'_> {
    Connect {
        version: ProtocolVersion::V5,
        clean_start: true,
        keep_alive_s: 0,
        client_id,
        will: None,
        user_name: None,
        password: None,
        properties: ConnectProperties::default(),
    }
}

/// Makes a CONNECT ask for the session of an earlier connection, and for one that outlives this one by an hour.
pub(crate) fn lasting(connect: &mut Connect<'_>) {
    connect.clean_start = false;
    connect.properties.session_expiry_interval_s = Some(3600);
}

pub(crate) fn will(topic_name: &'static str) -> Will<'static> {
    Will {
        qos: QoS::AtLeastOnce,
        retain: false,
        topic: topic(topic_name),
        payload: b"gone",
        properties: WillProperties::default(),
    }
}

/// A message of QoS 0.
pub(crate) fn qos_0<'a>(topic: &'a str, payload: &'a str) -> Publish<'a> {
    Publish {
        dup: false,
        qos: QoS::AtMostOnce,
        retain: false,
        topic,
        packet_id: None,
        properties: PublishProperties::default(),
        payload: payload.as_bytes(),
    }
}

/// A message of QoS 1; `World::publish` gives it its packet identifier.
pub(crate) fn qos_1<'a>(topic: &'a str, payload: &'a str) -> Publish<'a> {
    Publish { qos: QoS::AtLeastOnce, ..qos_0(topic, payload) }
}

/// A message of QoS 2; `World::publish` gives it its packet identifier.
pub(crate) fn qos_2<'a>(topic: &'a str, payload: &'a str) -> Publish<'a> {
    Publish { qos: QoS::ExactlyOnce, ..qos_0(topic, payload) }
}

pub(crate) fn pub_ack(packet_id: PacketId, reason: ReasonCode) -> Packet<'static> {
    Packet::PubAck(PubAck { packet_id, reason, properties: AckProperties::default() })
}

pub(crate) fn pub_rec(packet_id: PacketId, reason: ReasonCode) -> Packet<'static> {
    Packet::PubRec(PubRec { packet_id, reason, properties: AckProperties::default() })
}

pub(crate) fn pub_rel(packet_id: PacketId, reason: ReasonCode) -> Packet<'static> {
    Packet::PubRel(PubRel { packet_id, reason, properties: AckProperties::default() })
}

pub(crate) fn pub_comp(packet_id: PacketId, reason: ReasonCode) -> Packet<'static> {
    Packet::PubComp(PubComp { packet_id, reason, properties: AckProperties::default() })
}

/// This message, to be retained.
pub(crate) fn retained(message: Publish<'_>) -> Publish<'_> {
    Publish { retain: true, ..message }
}

pub(crate) fn subscription(text: &str, qos: QoS) -> Subscription<'_> {
    let options = SubscriptionOptions {
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::SendAtSubscribe,
    };
    Subscription { filter: filter(text), options }
}

pub(crate) fn subscribe<'a>(packet_id: PacketId, subscriptions: &'a [Subscription<'a>]) -> Packet<'a> {
    Packet::Subscribe(Subscribe {
        packet_id,
        properties: SubscribeProperties::default(),
        filters: SubscribeFilters::from_slice(subscriptions),
    })
}

/// A SUBSCRIBE whose subscriptions have an identifier.
pub(crate) fn identified<'a>(
    packet_id: PacketId,
    identifier: u32,
    subscriptions: &'a [Subscription<'a>],
) -> Packet<'a> {
    let properties =
        SubscribeProperties { subscription_identifier: Some(identifier), ..SubscribeProperties::default() };
    let filters = SubscribeFilters::from_slice(subscriptions);
    Packet::Subscribe(Subscribe { packet_id, properties, filters })
}

pub(crate) fn unsubscribe<'a>(packet_id: PacketId, filters: &'a [TopicFilter<'a>]) -> Packet<'a> {
    Packet::Unsubscribe(Unsubscribe {
        packet_id,
        properties: UnsubscribeProperties::default(),
        filters: UnsubscribeFilters::from_slice(filters),
    })
}

pub(crate) fn disconnect(reason: ReasonCode) -> Packet<'static> {
    Packet::Disconnect(Disconnect { reason, properties: DisconnectProperties::default() })
}

/// A DISCONNECT that changes the Session Expiry Interval.
pub(crate) fn disconnect_with_expiry(interval_s: u32) -> Packet<'static> {
    let properties = DisconnectProperties {
        session_expiry_interval_s: Some(interval_s),
        ..DisconnectProperties::default()
    };
    Packet::Disconnect(Disconnect { reason: ReasonCode::Success, properties })
}
