//! A client of the state store, written out by hand.

use mayfly_core::REQUEST_TOPIC;
use mayfly_wire::{Hlc, Packet, Publish, PublishProperties, QoS, ReasonCode, UserProperties, resp3};

use super::packets::{id, topic};
use super::{Client, World};

/// A request, which its fields change before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) payload: Vec<u8>,
    pub(crate) correlation_data: Option<Vec<u8>>,
    pub(crate) response_topic: Option<String>,
    /// `__ts`; the wall clock of the world where it is `None`, absent where it is empty.
    pub(crate) timestamp: Option<String>,
    pub(crate) fencing_token: Option<String>,
    pub(crate) message_expiry_interval_s: Option<u32>,
    pub(crate) qos: QoS,
    pub(crate) dup: bool,
    /// One that was not used yet where it is `None`.
    pub(crate) packet_id: Option<u16>,
}

impl Request {
    pub(crate) fn new(items: &[&[u8]]) -> Self {
        let mut payload = Vec::new();
        resp3::encode_array(items, &mut payload);
        Self::raw(&payload)
    }

    pub(crate) fn raw(payload: &[u8]) -> Self {
        Self {
            payload: payload.to_vec(),
            correlation_data: Some(b"0123456789abcdef".to_vec()),
            response_topic: None,
            timestamp: None,
            fencing_token: None,
            message_expiry_interval_s: Some(10),
            qos: QoS::AtLeastOnce,
            dup: false,
            packet_id: None,
        }
    }

    pub(crate) fn timestamp(mut self, text: &str) -> Self {
        self.timestamp = Some(text.to_owned());
        self
    }

    pub(crate) fn fenced(mut self, text: &str) -> Self {
        self.fencing_token = Some(text.to_owned());
        self
    }

    pub(crate) fn correlation(mut self, data: &[u8]) -> Self {
        self.correlation_data = Some(data.to_vec());
        self
    }

    pub(crate) fn expiry_s(mut self, interval_s: Option<u32>) -> Self {
        self.message_expiry_interval_s = interval_s;
        self
    }
}

/// What the store answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) payload: String,
    /// `__ts`.
    pub(crate) version: Option<String>,
}

impl Answer {
    /// Its version, parsed.
    pub(crate) fn hlc(&self) -> Hlc<'_> {
        Hlc::parse(self.version.as_deref().expect("a version")).expect("a valid version")
    }
}

/// Where the client of the store that stands at this connection gets its responses.
pub(crate) fn response_topic(client: Client) -> String {
    format!("clients/{}/responses", client.0)
}

impl World {
    /// A connection that is ready to ask the store.
    pub(crate) fn store_client(&mut self, client_id: &'static str) -> Client {
        let client = self.connect(client_id);
        self.subscribe(client, &response_topic(client), QoS::AtLeastOnce);
        client
    }

    /// Sends a request with a packet identifier of its own.
    pub(crate) fn send_request(&mut self, client: Client, request: &Request) {
        let response_topic = request.response_topic.clone().unwrap_or_else(|| response_topic(client));
        let clock = Hlc { wall_clock_ms: self.wall_ms(), counter: 0, node_id: "client" }.to_string();
        let timestamp = request.timestamp.as_deref().unwrap_or(&clock);
        let mut user_properties = vec![("__srcId", "client"), ("__protVer", "1.0")];
        if !timestamp.is_empty() {
            user_properties.push(("__ts", timestamp));
        }
        if let Some(token) = &request.fencing_token {
            user_properties.push(("__ft", token));
        }
        let packet_id = request.packet_id.map_or_else(|| self.fresh_id(client), id);
        let packet_id = (request.qos > QoS::AtMostOnce).then_some(packet_id);
        let is_v5 = self.peers[client.0].version == mayfly_wire::ProtocolVersion::V5;
        let properties = PublishProperties {
            response_topic: (!response_topic.is_empty()).then(|| topic(&response_topic)),
            correlation_data: request.correlation_data.as_deref(),
            content_type: Some("application/octet-stream"),
            message_expiry_interval_s: request.message_expiry_interval_s,
            user_properties: UserProperties::from_pairs(&user_properties),
            ..PublishProperties::default()
        };
        let publish = Publish {
            dup: request.dup,
            qos: request.qos,
            retain: false,
            topic: REQUEST_TOPIC,
            packet_id,
            properties: if is_v5 { properties } else { PublishProperties::default() },
            payload: &request.payload,
        };
        self.send(client, Packet::Publish(publish));
    }

    /// Sends a request and takes its PUBACK and the response, which are all that arrives.
    pub(crate) fn ask(&mut self, client: Client, request: &Request) -> Answer {
        answer(&self.response(client, request))
    }

    /// The same, for a response that is not text.
    pub(crate) fn response(&mut self, client: Client, request: &Request) -> Publish<'static> {
        self.send_request(client, request);
        match self.next(client) {
            Packet::PubAck(ack) => assert_eq!(ack.reason, ReasonCode::Success, "a request is accepted"),
            other => panic!("expected PUBACK, got {other:?}"),
        }
        let response = self.message(client);
        assert_eq!(response.properties.correlation_data, request.correlation_data.as_deref());
        self.ack(client, response.packet_id);
        response
    }

    /// Asks for a command with the client's clock as its timestamp and correlation data of its own.
    pub(crate) fn command(&mut self, client: Client, items: &[&[u8]]) -> Answer {
        let correlation_data = self.fresh_id(client).get().to_be_bytes();
        self.ask(client, &Request::new(items).correlation(&correlation_data))
    }

    /// The payload of the answer to a command.
    pub(crate) fn reply(&mut self, client: Client, items: &[&[u8]]) -> String {
        self.command(client, items).payload
    }
}

/// Checks what every response has, and takes out what differs.
pub(crate) fn answer(response: &Publish<'_>) -> Answer {
    assert_eq!((response.qos, response.retain), (QoS::AtLeastOnce, false));
    let properties = &response.properties;
    assert_eq!(properties.content_type, None);
    assert_eq!(properties.message_expiry_interval_s, None);
    let names: Vec<_> = properties.user_properties.iter().map(|(name, _)| name).collect();
    assert!(names == ["__stat"] || names == ["__stat", "__ts"], "{names:?}");
    assert_eq!(properties.user_properties.first("__stat"), Some("200"));
    Answer {
        payload: String::from_utf8_lossy(response.payload).into_owned(),
        version: properties.user_properties.first("__ts").map(str::to_owned),
    }
}
