//! Gives some notifications a version of their own, as a store would that takes one for the write and one for the word of it.

use std::collections::BTreeMap;

use mayfly_core::{Action, ConnectionId, NOTIFY_TOPIC_PREFIX, Output};
use mayfly_wire::{Delivery, Hlc, PublishProperties, UserProperties};

use super::chance::Chance;
use super::exchange::version_of;
use super::lie::Lie;

/// How far back a version is set, in ms.
const BACK_MS: u64 = 2000;

/// See the module.
#[derive(Debug)]
pub struct RestampedNotification {
    stamp: Stamp,
    chance: Chance,
    /// The version of the notification before, by connection.
    last: BTreeMap<ConnectionId, String>,
    properties: Vec<u8>,
}

/// Which version such a notification has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// The one after the write's.
    Next,
    /// That of the notification before it on the connection.
    Previous,
    /// One two seconds below the write's.
    Earlier,
}

impl RestampedNotification {
    /// A lie that `chance` picks the moments of.
    pub fn new(stamp: Stamp, chance: Chance) -> Self {
        Self { stamp, chance, last: BTreeMap::new(), properties: Vec::new() }
    }

    fn stamped(&self, version: &str, before: Option<String>) -> Option<String> {
        let genuine = Hlc::parse(version).ok()?;
        match self.stamp {
            Stamp::Next => Some(Hlc { counter: genuine.counter + 1, ..genuine }.to_string()),
            Stamp::Previous => before,
            Stamp::Earlier => {
                let wall_clock_ms = genuine.wall_clock_ms.saturating_sub(BACK_MS);
                Some(Hlc { wall_clock_ms, ..genuine }.to_string())
            }
        }
    }
}

impl Lie for RestampedNotification {
    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let Action::Deliver(delivery) = output.action else { return output };
        let connection = output.connection;
        let is_notification = delivery.topic.starts_with(NOTIFY_TOPIC_PREFIX);
        let next = version_of(&delivery).filter(|_| is_notification).and_then(|version| {
            let before = self.last.insert(connection, version.clone());
            let can_be = self.stamp != Stamp::Previous || before.is_some();
            let about = [delivery.topic.as_bytes(), delivery.payload];
            if can_be && self.chance.strikes(&about) { self.stamped(&version, before) } else { None }
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
