//! Retained messages: the last one of each topic that was published with RETAIN [MQTT-3.3.1-5].
//!
//! They stand in one ordered map. A topic's levels are separated by U+0000 there, which no topic contains and which is
//! less than all else: so a topic is followed by all topics below it, and the topics of a tree by level come in the
//! order of their bytes. A filter's matches are found by leaping from one candidate to the next; what lies between is
//! not looked at. A search stands at a text, not in the map, so that it can rest while the map changes.
//!
//! Sending them is not done here; see `retained_delivery`.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Bound;

use mayfly_wire::{QoS, TopicFilter};
use xxhash_rust::xxh3::xxh3_128;

use super::messages::{MessageId, Messages};
use crate::time::WallClock;

/// What an entry costs beside its topic and its message: key, value and their share of the map's nodes, in bytes.
const ENTRY_LEN: usize = 88;
/// What the expiry of an entry costs beside its copy of the key, in bytes.
const EXPIRY_LEN: usize = 56;

/// Between the levels of a key.
const SEPARATOR: char = '\0';

/// All retained messages. Each entry holds a reference to its message.
#[derive(Debug, Default)]
pub(super) struct Retained {
    by_topic: BTreeMap<Box<str>, Kept>,
    /// Keys of those that expire, with the sequence number to tell two of one time apart.
    expiries: BTreeMap<(WallClock, u64), Box<str>>,
    bytes: usize,
    index_bytes: usize,
    next_sequence: u64,
}

/// One of them.
#[derive(Clone, Debug)]
pub(super) struct Kept {
    pub(super) message: MessageId,
    /// The QoS that it was published with.
    pub(super) qos: QoS,
    /// Greater than that of all that were stored before.
    pub(super) sequence: u64,
    /// Who published it, for No Local; `None` for the server's own.
    pub(super) publisher: Option<Publisher>,
}

/// Tells publishers apart, by a digest of the Client Identifier: a retained message outlives the session of its publisher,
/// and is not to keep its name in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Publisher([u64; 2]);

impl Publisher {
    pub(super) fn new(client_id: &str) -> Self {
        let digest = xxh3_128(client_id.as_bytes()).to_le_bytes();
        let (low, high) = digest.split_at(8);
        Self([low, high].map(|half| u64::from_le_bytes(half.try_into().expect("half of 16 bytes"))))
    }
}

/// Where a search stands: what is less was looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Position(String);

/// What one step of a search came to.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// A match.
    Found(Kept),
    /// No match; the search stands further on.
    Passed,
    /// There are no more.
    End,
}

impl Retained {
    pub(super) fn len(&self) -> usize {
        self.by_topic.len()
    }

    /// What they occupy, nearly.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// What they occupy beside their messages, nearly.
    pub(super) fn index_bytes(&self) -> usize {
        self.index_bytes
    }

    /// What is stored from now on has this sequence number or a greater one.
    pub(super) fn next_sequence(&self) -> u64 {
        self.next_sequence
    }

    /// The message of a topic.
    pub(super) fn message(&self, topic: &str) -> Option<MessageId> {
        self.by_topic.get(&*key_of(topic)).map(|kept| kept.message)
    }

    /// Whether another message of this topic, and of this length in bytes, keeps within the bounds. One that takes no more
    /// than what it replaces always does: bounds may have been lowered since.
    pub(super) fn has_room(&self, messages: &Messages, message: MessageId, bounds: (usize, usize)) -> bool {
        let topic = messages.topic(message);
        let (displaced, displaced_len) = match self.by_topic.get(&*key_of(topic)) {
            Some(kept) => (1, entry_len(messages, kept.message)),
            None => (0, 0),
        };
        let len = entry_len(messages, message);
        if len <= displaced_len {
            return true;
        }
        let (max_messages, max_bytes) = bounds;
        self.by_topic.len() - displaced < max_messages && self.bytes - displaced_len + len <= max_bytes
    }

    /// Stores a message under its topic, in place of an earlier one. The caller's reference to it goes with it.
    pub(super) fn store(
        &mut self,
        messages: &mut Messages,
        message: MessageId,
        qos: QoS,
        publisher: Option<Publisher>,
    ) {
        let key = key_of(messages.topic(message));
        self.remove(messages, &key);
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        self.bytes += entry_len(messages, message);
        self.index_bytes += index_len(messages, message);
        if let Some(expires_at) = messages.expires_at(message) {
            self.expiries.insert((expires_at, sequence), key.clone());
        }
        self.by_topic.insert(key, Kept { message, qos, sequence, publisher });
    }

    /// Deletes the message of a topic, if there is one [MQTT-3.3.1-6].
    pub(super) fn delete(&mut self, messages: &mut Messages, topic: &str) {
        self.remove(messages, &key_of(topic));
    }

    /// Deletes a message whose Message Expiry Interval has passed, and says whether there was one.
    pub(super) fn expire_next(&mut self, messages: &mut Messages, now: WallClock) -> bool {
        let Some(first) = self.expiries.first_entry() else { return false };
        if first.key().0 > now {
            return false;
        }
        let key = first.get().clone();
        self.remove(messages, &key);
        true
    }

    /// When the next one expires.
    pub(super) fn next_expiry(&self) -> Option<WallClock> {
        self.expiries.first_key_value().map(|((expires_at, _), _)| *expires_at)
    }

    fn remove(&mut self, messages: &mut Messages, key: &str) {
        let Some(kept) = self.by_topic.remove(key) else { return };
        self.bytes -= entry_len(messages, kept.message);
        self.index_bytes -= index_len(messages, kept.message);
        if let Some(expires_at) = messages.expires_at(kept.message) {
            self.expiries.remove(&(expires_at, kept.sequence));
        }
        messages.release(kept.message);
    }

    /// Whether this topic has one.
    pub(super) fn contains(&self, topic: &str) -> bool {
        self.by_topic.contains_key(&*key_of(topic))
    }

    /// Takes one step to the next topic that matches `filter`, in the order of their levels' bytes. It costs one
    /// look-up, and at the most as many steps as the filter's wildcards have topics to choose from lead to the end. Returns
    /// with it the bytes of the longest text that it compared: look-ups take longer where topics are long and alike.
    pub(super) fn step(&self, filter: TopicFilter<'_>, position: &mut Position) -> (Step, usize) {
        let compared = position.0.len();
        let from = (Bound::Included(position.0.as_str()), Bound::Unbounded);
        let Some((key, kept)) = self.by_topic.range::<str, _>(from).next() else {
            return (Step::End, compared);
        };
        let step = match place(filter, key) {
            Place::Match => {
                position.set(key, "\0");
                Step::Found(kept.clone())
            }
            Place::Before { shared_len, then } => {
                position.set(&key[..shared_len], then);
                Step::Passed
            }
            Place::Below { level } => {
                position.set(key, "\0");
                position.0.push_str(level);
                Step::Passed
            }
            Place::Behind => Step::End,
        };
        (step, compared.max(key.len()))
    }

    /// Feeds everything to the state hash.
    pub(super) fn hash_state<H: Hasher>(&self, messages: &Messages, state: &mut H) {
        (self.by_topic.len(), self.next_sequence).hash(state);
        for (key, kept) in &self.by_topic {
            (key, kept.qos, kept.sequence, &kept.publisher).hash(state);
            messages.hash_content(kept.message, state);
        }
    }
}

impl Position {
    /// The bytes of its text.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    fn set(&mut self, start: &str, end: &str) {
        self.0.clear();
        self.0.push_str(start);
        self.0.push_str(end);
        if self.0.capacity() > 256 && self.0.capacity() / 4 > self.0.len() {
            self.0.shrink_to_fit(); // A long topic that it has passed.
        }
    }
}

/// Where a key stands to the keys that match a filter.
#[derive(Debug, PartialEq, Eq)]
enum Place<'a> {
    Match,
    /// The next candidate is not less than the key's first `shared_len` bytes with `then` behind them.
    Before {
        shared_len: usize,
        then: &'a str,
    },
    /// The next candidate is below this key, at this level or behind it.
    Below {
        level: &'a str,
    },
    /// No later key matches.
    Behind,
}

fn place<'a>(filter: TopicFilter<'a>, key: &str) -> Place<'a> {
    // Where the last level ends that stands under `+`: there the next candidate can differ.
    let mut free_end = None;
    let mut start = 0;
    for wanted in filter.levels() {
        let is_wildcard = matches!(wanted, "+" | "#");
        if is_wildcard && start == 0 && key.starts_with('$') {
            // Hidden from a wildcard in the first level [MQTT-4.7.2-1]. `%` follows `$`.
            return Place::Before { shared_len: 0, then: "%" };
        }
        if wanted == "#" {
            return Place::Match;
        }
        // `start` is one past the end after the last level.
        let Some(rest) = key.get(start..) else {
            return Place::Below { level: if is_wildcard { "" } else { wanted } };
        };
        let given = rest.split_once(SEPARATOR).map_or(rest, |(given, _)| given);
        let end = start + given.len();
        if is_wildcard {
            free_end = Some(end);
        } else if given < wanted {
            return Place::Before { shared_len: start, then: wanted };
        } else if given > wanted {
            return behind(free_end);
        }
        start = end + 1;
    }
    if start > key.len() { Place::Match } else { behind(free_end) }
}

/// Where a key stands that is greater than every match with the same levels under `+`.
fn behind<'a>(free_end: Option<usize>) -> Place<'a> {
    // U+0001 follows the separator, so this passes all that is below the level.
    free_end.map_or(Place::Behind, |shared_len| Place::Before { shared_len, then: "\u{1}" })
}

fn key_of(topic: &str) -> Box<str> {
    topic.replace('/', "\0").into()
}

fn entry_len(messages: &Messages, message: MessageId) -> usize {
    index_len(messages, message) + messages.len_of(message)
}

/// What a message takes in the index. A key is as long as its topic.
fn index_len(messages: &Messages, message: MessageId) -> usize {
    let key_len = messages.topic(message).len();
    let expiry = messages.expires_at(message).map_or(0, |_| EXPIRY_LEN + key_len);
    ENTRY_LEN + key_len + expiry
}

#[cfg(test)]
mod tests {
    use mayfly_wire::{PublishProperties, TopicName};
    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::parse(text).expect("a valid filter")
    }

    fn with_topics<'a>(topics: impl IntoIterator<Item = &'a str>) -> (Messages, Retained) {
        let (mut messages, mut retained) = (Messages::default(), Retained::default());
        for topic in topics {
            let message =
                messages.hold_published(topic, &PublishProperties::default(), b"x", WallClock::default());
            retained.store(&mut messages, message, QoS::AtMostOnce, None);
        }
        (messages, retained)
    }

    /// The topics that match, in the order of the search, and the steps that it took.
    fn search(messages: &Messages, retained: &Retained, filter: TopicFilter<'_>) -> (Vec<String>, usize) {
        let (mut found, mut position) = (Vec::new(), Position::default());
        for steps in 1.. {
            match retained.step(filter, &mut position).0 {
                Step::Found(kept) => found.push(messages.topic(kept.message).to_owned()),
                Step::Passed => {}
                Step::End => return (found, steps),
            }
        }
        unreachable!("a search ends")
    }

    #[test]
    fn a_search_does_not_look_at_what_cannot_match() {
        let topics: Vec<_> = (0..100).flat_map(|a| (0..100).map(move |b| format!("{a}/{b}/x"))).collect();
        let (messages, retained) = with_topics(topics.iter().map(String::as_str));
        for (text, matches, max_steps) in [
            ("7/+/x", 100, 210),
            ("7/#", 100, 105),
            ("+/7/x", 100, 320),
            ("7/7/x", 1, 5),
            ("x/#", 0, 3),
            ("+/y", 0, 210),
        ] {
            let (found, steps) = search(&messages, &retained, filter(text));
            assert_eq!(found.len(), matches, "{text}");
            assert!(steps <= max_steps, "{text}: {steps} steps");
        }
    }

    #[test]
    fn the_bytes_of_all_entries_are_counted() {
        let (mut messages, mut retained) = with_topics(["a/b", "c"]);
        assert_eq!(retained.bytes(), 2 * ENTRY_LEN + 3 + 4 + 1 + 2);
        let larger =
            messages.hold_published("c", &PublishProperties::default(), b"1234", WallClock::default());
        assert!(retained.has_room(&messages, larger, (2, retained.bytes() + 3)));
        assert!(!retained.has_room(&messages, larger, (2, retained.bytes() + 2)));
        assert!(!retained.has_room(&messages, larger, (1, usize::MAX)));
        retained.store(&mut messages, larger, QoS::AtMostOnce, None);
        assert_eq!((retained.len(), messages.len()), (2, 2));
        retained.delete(&mut messages, "c");
        retained.delete(&mut messages, "a/b");
        assert_eq!((retained.bytes(), messages.len()), (0, 0));
    }

    #[test]
    fn an_expired_one_is_deleted_and_a_later_one_of_its_topic_is_not() {
        let (mut messages, mut retained) = with_topics([]);
        for interval_s in [Some(1), Some(5)] {
            let properties =
                PublishProperties { message_expiry_interval_s: interval_s, ..PublishProperties::default() };
            let message = messages.hold_published("t", &properties, b"x", WallClock::default());
            retained.store(&mut messages, message, QoS::AtMostOnce, None);
        }
        assert_eq!(retained.next_expiry(), Some(WallClock::from_millis(5000)));
        assert!(!retained.expire_next(&mut messages, WallClock::from_millis(4999)));
        assert!(retained.expire_next(&mut messages, WallClock::from_millis(5000)));
        assert_eq!((retained.len(), messages.len(), retained.next_expiry()), (0, 0, None));
    }

    /// Levels whose order differs from that of whole topics: `!` is less than `/`.
    fn levels(pattern: &'static str) -> impl Strategy<Value = String> {
        prop::collection::vec(pattern, 1..5).prop_map(|levels| levels.join("/"))
    }

    fn any_filter() -> impl Strategy<Value = String> {
        (levels("[ab$!\u{1}]{0,2}|\\+"), any::<bool>()).prop_filter_map("empty", |(text, multi)| {
            let text = if multi { format!("{text}/#") } else { text };
            (!text.is_empty() && !text.starts_with("$share")).then_some(text)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

        /// A search finds what matching each topic alone finds, once each, and in the order of the levels.
        #[test]
        fn agrees_with_matching_one_by_one(
            topics in prop::collection::btree_set(levels("[ab$!\u{1}]{0,2}"), 0..40),
            filters in prop::collection::vec(prop_oneof![9 => any_filter(), 1 => Just("#".to_owned())], 1..10),
        ) {
            let topics: Vec<_> = topics.into_iter().filter(|topic| !topic.is_empty()).collect();
            let (messages, retained) = with_topics(topics.iter().map(String::as_str));
            for text in filters {
                let name = |topic| TopicName::parse(topic).expect("a valid topic");
                let mut expected: Vec<_> =
                    topics.iter().filter(|topic| filter(&text).matches(name(topic))).cloned().collect();
                expected.sort_by(|left, right| left.split('/').cmp(right.split('/')));
                let (found, _) = search(&messages, &retained, filter(&text));
                prop_assert_eq!(found, expected, "{}", text);
            }
        }
    }
}
