//! Takes shared subscriptions for plain ones, so that every member gets every message.

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::{Packet, Subscribe, SubscribeFilters, Subscription, TopicFilter};

use super::chance::Chance;
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct Unshared {
    chance: Chance,
}

impl Unshared {
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance }
    }
}

impl Lie for Unshared {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let Input::Packet { connection, packet: Packet::Subscribe(subscribe) } = input else {
            return broker.handle(now, input);
        };
        let is_shared = |subscription: Subscription<'_>| plain(subscription).filter != subscription.filter;
        if !subscribe.filters.iter().any(is_shared) || !self.chance.strikes(&[]) {
            return broker.handle(now, input);
        }
        let filters: Vec<Subscription<'_>> = subscribe.filters.iter().map(plain).collect();
        let filters = SubscribeFilters::from_slice(&filters);
        let packet = Packet::Subscribe(Subscribe { filters, ..*subscribe });
        broker.handle(now, &Input::Packet { connection: *connection, packet });
    }
}

fn plain(subscription: Subscription<'_>) -> Subscription<'_> {
    let text = subscription.filter.as_str();
    let filter = text.strip_prefix("$share/").and_then(|rest| rest.split_once('/'));
    let filter = filter.and_then(|(_, filter)| TopicFilter::parse(filter).ok());
    Subscription { filter: filter.unwrap_or(subscription.filter), ..subscription }
}
