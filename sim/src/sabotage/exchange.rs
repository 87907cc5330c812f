//! What the liars know of the protocol: which request a packet carries, and how to forge its response.

use std::collections::BTreeMap;

use mayfly_core::{Action, Broker, ConnectionId, Input, Now, Output, REQUEST_TOPIC, StateMachine};
use mayfly_wire::resp3::{self, Reply};
use mayfly_wire::{Delivery, Packet, Publish, PublishProperties, UserProperties};

/// The longest command's number of arguments.
const MAX_ARGUMENTS: usize = 6;

/// Names a request: the topic of its response, which is its client's own, and its correlation data. The response may go out on a
/// later connection than the request came on.
type Ticket = (String, Vec<u8>);

/// Requests that wait for their response, with what a liar wants to remember of each.
#[derive(Debug)]
pub(super) struct Pending<T>(BTreeMap<Ticket, T>);

impl<T> Default for Pending<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T> Pending<T> {
    /// Remembers a request.
    pub(super) fn insert(&mut self, publish: &Publish<'_>, note: T) {
        if let Some(ticket) = ticket(publish) {
            self.0.insert(ticket, note);
        }
    }

    /// Whether a request is one of these, sent again: the engine answers it as it answered what it was given before.
    pub(super) fn has(&self, publish: &Publish<'_>) -> bool {
        ticket(publish).is_some_and(|ticket| self.0.contains_key(&ticket))
    }

    /// The request that a delivery answers, if it is one of these. It stays: a request that is sent again has a second answer.
    pub(super) fn get(&self, delivery: &Delivery<'_>) -> Option<&T> {
        let properties = delivery.properties().ok()?;
        self.0.get(&(delivery.topic.to_owned(), properties.correlation_data?.to_vec()))
    }

    /// The request that a delivery answers, if it is one of these.
    pub(super) fn take(&mut self, delivery: &Delivery<'_>) -> Option<T> {
        let properties = delivery.properties().ok()?;
        self.0.remove(&(delivery.topic.to_owned(), properties.correlation_data?.to_vec()))
    }
}

fn ticket(publish: &Publish<'_>) -> Option<Ticket> {
    let topic = publish.properties.response_topic?;
    Some((topic.as_str().to_owned(), publish.properties.correlation_data?.to_vec()))
}

/// Gives a delivery out, with this reply in its place if it answers one of the requests.
pub(super) fn answer_pending<'o>(
    pending: &Pending<()>,
    forgery: &'o mut Forgery,
    reply: &Reply<'_>,
    output: Output<'o>,
) -> Output<'o> {
    let Action::Deliver(delivery) = output.action else { return output };
    let connection = output.connection;
    let action = match pending.get(&delivery) {
        Some(()) => forgery.forge(delivery, reply, None),
        None => delivery,
    };
    Output { connection, action: Action::Deliver(action) }
}

/// A request's command, as verb and arguments.
pub(super) fn command<'a>(input: &Input<'a>) -> Option<(ConnectionId, Publish<'a>, Vec<&'a [u8]>)> {
    let Input::Packet { connection, packet: Packet::Publish(publish) } = input else { return None };
    if publish.topic != REQUEST_TOPIC {
        return None;
    }
    let array = resp3::parse_array::<MAX_ARGUMENTS>(publish.payload).ok()?;
    Some((*connection, *publish, array.as_slice().to_vec()))
}

/// Has the engine execute a GET of the key in a request's place, so that all around a lie is as it should be.
pub(super) fn get_instead(
    broker: &mut Broker,
    now: Now,
    (connection, publish): (ConnectionId, Publish<'_>),
    key: &[u8],
) {
    handle_command(broker, now, (connection, publish), &[b"GET", key]);
}

/// Has the engine execute another command in a request's place.
pub(super) fn handle_command(
    broker: &mut Broker,
    now: Now,
    (connection, publish): (ConnectionId, Publish<'_>),
    command: &[&[u8]],
) {
    let mut payload = Vec::new();
    resp3::encode_array(command, &mut payload);
    let packet = Packet::Publish(Publish { payload: &payload, ..publish });
    broker.handle(now, &Input::Packet { connection, packet });
}

/// A response's version.
pub(super) fn version_of(delivery: &Delivery<'_>) -> Option<String> {
    delivery.properties().ok()?.user_properties.first("__ts").map(str::to_owned)
}

/// A response that the engine did not give.
#[derive(Debug, Default)]
pub(super) struct Forgery {
    properties: Vec<u8>,
    payload: Vec<u8>,
}

impl Forgery {
    /// Puts another reply and another version, or none, into a response; topic, correlation data and the rest stay.
    pub(super) fn forge<'a>(
        &'a mut self,
        genuine: Delivery<'a>,
        reply: &Reply<'_>,
        version: Option<&str>,
    ) -> Delivery<'a> {
        self.properties.clear();
        self.payload.clear();
        reply.encode(&mut self.payload);
        let user_properties = [("__stat", "200"), ("__ts", version.unwrap_or_default())];
        let user_properties = &user_properties[..if version.is_some() { 2 } else { 1 }];
        let properties = PublishProperties {
            correlation_data: genuine.properties().ok().and_then(|properties| properties.correlation_data),
            user_properties: UserProperties::from_pairs(user_properties),
            ..PublishProperties::default()
        };
        properties.encode_forwarded(&mut self.properties);
        Delivery { forwarded_properties: &self.properties, payload: &self.payload, ..genuine }
    }
}
