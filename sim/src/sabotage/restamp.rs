//! What liars do to a request's timestamps.

use mayfly_core::{Broker, ConnectionId, Input, Now, StateMachine};
use mayfly_wire::{Packet, Publish, PublishProperties, UserProperties};

/// Hands a request to the broker with another value of a user property; all else stays as it is.
pub(super) fn handle_dated(
    broker: &mut Broker,
    now: Now,
    (connection, publish): (ConnectionId, &Publish<'_>),
    (property, timestamp): (&str, &str),
) {
    let redate = |(name, value)| (name, if name == property { timestamp } else { value });
    let user_properties: Vec<_> = publish.properties.user_properties.iter().map(redate).collect();
    let properties = PublishProperties {
        user_properties: UserProperties::from_pairs(&user_properties),
        ..publish.properties
    };
    let packet = Packet::Publish(Publish { properties, ..*publish });
    broker.handle(now, &Input::Packet { connection, packet });
}
