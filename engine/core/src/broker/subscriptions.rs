//! Who subscribed to what, and who gets a message: each session once, however many of its subscriptions match.
//!
//! Results come in the order of the sessions' numbers, so nothing depends on hashing or on the order of subscribing.

use std::num::NonZeroU32;
use std::ops::Range;

use mayfly_wire::{QoS, TopicFilter};

use super::filter_index::{Entry, FilterIndex};
use super::session::SessionKey;

/// One session's subscription under one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subscriber {
    pub(super) session: SessionKey,
    /// Sent along with what this subscription matches [MQTT-3.3.4-3].
    pub(super) identifier: Option<NonZeroU32>,
    /// The granted Maximum QoS.
    pub(super) qos: QoS,
    /// Not to be sent what the session itself published [MQTT-3.8.3-3].
    pub(super) no_local: bool,
    /// The RETAIN flag is forwarded as it was published [MQTT-3.3.1-13].
    pub(super) retain_as_published: bool,
}

impl Entry for Subscriber {
    type Owner = SessionKey;

    fn owner(&self) -> SessionKey {
        self.session
    }
}

/// All subscriptions that are not shared.
#[derive(Debug)]
pub(super) struct Subscriptions {
    index: FilterIndex<Subscriber>,
}

/// One session that a message is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Receiver {
    pub(super) session: SessionKey,
    /// The highest of its matching subscriptions [MQTT-3.3.4-2].
    pub(super) qos: QoS,
    /// Whether any of them asked for it.
    pub(super) retain_as_published: bool,
    identifiers: Range<usize>,
}

/// The result of a search, used again for the next one.
#[derive(Debug, Default)]
pub(super) struct Matches {
    subscribers: Vec<Subscriber>,
    pub(super) receivers: Vec<Receiver>,
    identifiers: Vec<u32>,
}

impl Subscriptions {
    pub(super) fn new(hash_seed: u64) -> Self {
        Self { index: FilterIndex::new(hash_seed) }
    }

    /// Adds a subscription, or replaces the session's earlier one under the same filter [MQTT-3.8.4-3].
    pub(super) fn insert(&mut self, filter: TopicFilter<'_>, subscriber: Subscriber) {
        self.index.insert(filter, subscriber);
    }

    /// Ends a session's subscription.
    pub(super) fn remove(&mut self, filter: TopicFilter<'_>, session: SessionKey) {
        self.index.remove(filter, session);
    }

    /// A session's subscription under exactly this filter.
    pub(super) fn get(&self, filter: TopicFilter<'_>, session: SessionKey) -> Option<&Subscriber> {
        self.index.get(filter, session)
    }

    /// Finds the sessions that `topic` concerns. `publisher` is left out where it asked for No Local.
    pub(super) fn find(&mut self, topic: &str, publisher: Option<SessionKey>, matches: &mut Matches) {
        let Matches { subscribers, .. } = matches;
        subscribers.clear();
        // Those of one filter are.
        let mut are_in_order = true;
        self.index.find(topic, |found| {
            if let (Some(last), Some(first)) = (subscribers.last(), found.first()) {
                are_in_order &= last.session < first.session;
            }
            subscribers.extend_from_slice(found);
        });
        subscribers.retain(|subscriber| !(subscriber.no_local && publisher == Some(subscriber.session)));
        if !are_in_order {
            subscribers.sort_unstable_by_key(|subscriber| (subscriber.session, subscriber.identifier));
        }
        matches.combine();
    }
}

impl Matches {
    /// The identifiers of a receiver's matching subscriptions, in ascending order. One that stands for several of them
    /// comes as often.
    pub(super) fn identifiers(&self, receiver: &Receiver) -> &[u32] {
        &self.identifiers[receiver.identifiers.clone()]
    }

    /// Makes one receiver of each session's subscriptions, which stand side by side.
    fn combine(&mut self) {
        self.receivers.clear();
        self.identifiers.clear();
        for subscriber in &self.subscribers {
            let end = self.identifiers.len() + usize::from(subscriber.identifier.is_some());
            self.identifiers.extend(subscriber.identifier.map(NonZeroU32::get));
            match self.receivers.last_mut() {
                Some(receiver) if receiver.session == subscriber.session => {
                    receiver.qos = receiver.qos.max(subscriber.qos);
                    receiver.retain_as_published |= subscriber.retain_as_published;
                    receiver.identifiers.end = end;
                }
                _ => {
                    let start = end - usize::from(subscriber.identifier.is_some());
                    self.receivers.push(Receiver {
                        session: subscriber.session,
                        qos: subscriber.qos,
                        retain_as_published: subscriber.retain_as_published,
                        identifiers: start..end,
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::parse(text).expect("a valid filter")
    }

    fn subscriber(session: u32, qos: QoS, identifier: u32) -> Subscriber {
        Subscriber {
            session: SessionKey::from_index(session),
            identifier: NonZeroU32::new(identifier),
            qos,
            no_local: false,
            retain_as_published: false,
        }
    }

    fn found(
        index: &mut Subscriptions,
        topic: &str,
        publisher: Option<u32>,
    ) -> Vec<(usize, QoS, bool, Vec<u32>)> {
        let mut matches = Matches::default();
        index.find(topic, publisher.map(SessionKey::from_index), &mut matches);
        let told = |receiver: &Receiver| {
            let identifiers = matches.identifiers(receiver).to_vec();
            (receiver.session.index(), receiver.qos, receiver.retain_as_published, identifiers)
        };
        matches.receivers.iter().map(told).collect()
    }

    #[test]
    fn overlapping_subscriptions_give_one_receiver_with_all_identifiers_and_the_highest_qos() {
        let mut index = Subscriptions::new(0);
        index.insert(filter("a/b"), subscriber(1, QoS::AtMostOnce, 9));
        index.insert(
            filter("a/+"),
            Subscriber { retain_as_published: true, ..subscriber(1, QoS::AtLeastOnce, 3) },
        );
        index.insert(filter("#"), subscriber(1, QoS::AtMostOnce, 9));
        index.insert(filter("+/b"), subscriber(1, QoS::AtMostOnce, 0));
        index.insert(filter("+/b"), subscriber(0, QoS::ExactlyOnce, 4));
        index.insert(filter("a/#"), subscriber(2, QoS::AtMostOnce, 0));
        assert_eq!(
            found(&mut index, "a/b", None),
            [
                (0, QoS::ExactlyOnce, false, vec![4]),
                (1, QoS::AtLeastOnce, true, vec![3, 9, 9]),
                (2, QoS::AtMostOnce, false, vec![]),
            ]
        );
    }

    #[test]
    fn no_local_leaves_the_publisher_out() {
        let mut index = Subscriptions::new(0);
        index.insert(filter("t"), Subscriber { no_local: true, ..subscriber(1, QoS::AtMostOnce, 0) });
        assert!(found(&mut index, "t", Some(1)).is_empty());
        assert_eq!(found(&mut index, "t", Some(2)).len(), 1);
    }
}
