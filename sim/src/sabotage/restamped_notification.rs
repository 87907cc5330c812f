//! Gives some notifications a version of their own, as a store would that takes one for the write and one for the word of it.

use mayfly_core::{Action, NOTIFY_TOPIC_PREFIX, Output};
use mayfly_wire::{Delivery, Hlc, PublishProperties, UserProperties};
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::exchange::version_of;
use super::lie::Lie;

/// One notification in so many.
const ONE_IN: u32 = 20;

/// See the module.
#[derive(Debug)]
pub struct RestampedNotification {
    rng: ChaCha8Rng,
    properties: Vec<u8>,
}

impl RestampedNotification {
    /// A lie that `rng` picks the moments of.
    pub fn new(rng: ChaCha8Rng) -> Self {
        Self { rng, properties: Vec::new() }
    }
}

impl Lie for RestampedNotification {
    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let Action::Deliver(delivery) = output.action else { return output };
        let connection = output.connection;
        let is_struck = delivery.topic.starts_with(NOTIFY_TOPIC_PREFIX) && self.rng.random_ratio(1, ONE_IN);
        let version = version_of(&delivery).filter(|_| is_struck);
        let next = version.as_deref().and_then(|text| Hlc::parse(text).ok()).map(|version| {
            let counter = version.counter + 1;
            Hlc { counter, ..version }.to_string()
        });
        let Some(next) = next else { return Output { connection, action: Action::Deliver(delivery) } };
        self.properties.clear();
        let user_properties = [("__ts", next.as_str())];
        let properties = PublishProperties {
            user_properties: UserProperties::from_pairs(&user_properties),
            ..PublishProperties::default()
        };
        properties.encode_forwarded(&mut self.properties);
        let delivery = Delivery { forwarded_properties: &self.properties, ..delivery };
        Output { connection, action: Action::Deliver(delivery) }
    }
}
