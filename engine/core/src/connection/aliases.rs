//! Topic Aliases of one connection, in both directions [MQTT 5, section 3.3.2.3.4].
//!
//! It owns what each alias stands for. The broker never sees one: what arrives is resolved, what leaves is given one here.
//!
//! **Incoming**: the client gives an alias its topic and may change it with any PUBLISH.
//!
//! **Outgoing**: first come, first served. The first topics that are sent get an alias each and keep it as long as the
//! connection lives; when all are given, further topics go without. Taking an alias away for another topic costs a whole
//! topic name each time, and loses wherever a client has more topics than aliases and they take turns.
//!
//! Nothing is allocated before the first alias, nor for a topic that has one.

use std::num::NonZeroU16;

use foldhash::fast::FixedState;
use indexmap::IndexSet;

/// A topic shorter than this is no longer than the alias property in its place: three bytes, and up to one more for the
/// length of the properties.
const MIN_ALIASED_TOPIC_LEN: usize = 5;

/// The aliases of one connection.
#[derive(Debug)]
pub(super) struct TopicAliases {
    max_bytes: usize,
    /// Topics by alias less one; empty where the alias was not given yet.
    incoming: Vec<String>,
    incoming_bytes: usize,
    /// Topics in the order of their aliases.
    outgoing: IndexSet<Box<str>, FixedState>,
    outgoing_bytes: usize,
}

/// The client's topics need more memory than it is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TooManyBytes;

impl TopicAliases {
    /// No aliases yet. Of each direction at most `max_bytes` of topics are kept.
    pub(super) fn new(max_bytes: usize) -> Self {
        Self {
            max_bytes,
            incoming: Vec::new(),
            incoming_bytes: 0,
            outgoing: IndexSet::with_hasher(FixedState::default()),
            outgoing_bytes: 0,
        }
    }

    /// The bytes of all topics that have an alias.
    pub(super) fn bytes(&self) -> usize {
        self.incoming_bytes + self.outgoing_bytes
    }

    /// From now on the client means `topic` with `alias`, which is within its maximum.
    pub(super) fn learn(&mut self, alias: NonZeroU16, topic: &str) -> Result<(), TooManyBytes> {
        let index = usize::from(alias.get() - 1);
        if index >= self.incoming.len() {
            self.incoming.resize_with(index + 1, String::new);
        }
        let known = &mut self.incoming[index];
        if known == topic {
            return Ok(());
        }
        let bytes = self.incoming_bytes - known.len() + topic.len();
        if bytes > self.max_bytes {
            return Err(TooManyBytes);
        }
        self.incoming_bytes = bytes;
        known.clear();
        known.push_str(topic);
        known.shrink_to(2 * topic.len());
        Ok(())
    }

    /// The topic that the client means with `alias`, if it said so.
    pub(super) fn topic(&self, alias: NonZeroU16) -> Option<&str> {
        let topic = self.incoming.get(usize::from(alias.get() - 1))?;
        (!topic.is_empty()).then_some(topic)
    }

    /// The alias that the client knows for `topic`.
    pub(super) fn known(&self, topic: &str) -> Option<NonZeroU16> {
        alias_at(self.outgoing.get_index_of(topic)?)
    }

    /// The alias that `topic`, which has none, may get; `None` where it is to go without. `maximum` is the highest.
    pub(super) fn available(&self, topic: &str, maximum: u16) -> Option<NonZeroU16> {
        let is_worth_it = topic.len() >= MIN_ALIASED_TOPIC_LEN;
        let has_room =
            self.outgoing.len() < usize::from(maximum) && self.outgoing_bytes + topic.len() <= self.max_bytes;
        if is_worth_it && has_room { alias_at(self.outgoing.len()) } else { None }
    }

    /// Notes that a PUBLISH went out which gave `topic` the alias that was [available](Self::available).
    pub(super) fn established(&mut self, topic: &str) {
        self.outgoing_bytes += topic.len();
        self.outgoing.insert(topic.into());
    }
}

fn alias_at(index: usize) -> Option<NonZeroU16> {
    u16::try_from(index + 1).ok().and_then(NonZeroU16::new)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn alias(alias: u16) -> NonZeroU16 {
        NonZeroU16::new(alias).unwrap()
    }

    #[test]
    fn the_client_changes_what_an_alias_means_within_the_bytes_it_has() {
        let mut aliases = TopicAliases::new(10);
        assert_eq!(aliases.learn(alias(7), "12345678"), Ok(()));
        assert_eq!((aliases.topic(alias(7)), aliases.topic(alias(6)), aliases.topic(alias(8))), {
            (Some("12345678"), None, None)
        });
        assert_eq!(aliases.learn(alias(1), "abc"), Err(TooManyBytes));
        assert_eq!(aliases.learn(alias(7), "1234567"), Ok(()));
        assert_eq!(aliases.learn(alias(1), "abc"), Ok(()), "a byte was given back");
        assert_eq!(aliases.learn(alias(7), "12345678"), Err(TooManyBytes));
        assert_eq!(aliases.topic(alias(7)), Some("1234567"));
    }

    #[test]
    fn topics_sent_get_aliases_in_order_until_all_are_given() {
        let mut aliases = TopicAliases::new(16);
        assert_eq!(aliases.available("topic/1", 0), None);
        assert_eq!(aliases.available("four", 2), None, "not worth it");
        assert_eq!(aliases.available("topic/1", 2), Some(alias(1)));
        assert_eq!(aliases.known("topic/1"), None, "not sent yet");
        aliases.established("topic/1");
        assert_eq!(aliases.known("topic/1"), Some(alias(1)));
        assert_eq!(aliases.available("topic/1000", 2), None, "too many bytes");
        aliases.established("topic/2");
        assert_eq!(aliases.known("topic/2"), Some(alias(2)));
        assert_eq!(aliases.available("12345", 2), None, "all are given");
    }
}
