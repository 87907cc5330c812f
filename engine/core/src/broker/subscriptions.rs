//! Who subscribed to what: an index from topic names to subscribers.
//!
//! Filters without wildcards are found by one look-up; the others stand in a tree by topic level. Results come in the
//! order of the sessions' numbers, so nothing depends on hashing or on the order of subscribing.

use std::hash::{Hash, Hasher};

use foldhash::fast::FixedState;
use indexmap::{IndexMap, IndexSet};
use mayfly_wire::{QoS, TopicFilter};
use slab::Slab;

use super::session::SessionKey;

/// One session's subscription under one filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Subscriber {
    pub(super) session: SessionKey,
    /// The granted Maximum QoS.
    pub(super) qos: QoS,
    /// Not to be sent what the session itself published [MQTT-3.8.3-3].
    pub(super) no_local: bool,
}

type NodeKey = usize;

/// One topic level of the tree of wildcard filters. Subscribers stand in the order of their sessions' numbers.
#[derive(Debug)]
struct Node {
    children: IndexMap<Box<str>, NodeKey, FixedState>,
    /// The child under `+`.
    any: Option<NodeKey>,
    /// Filters that end here.
    here: Vec<Subscriber>,
    /// Filters that end in `#` below this level, which match this level too [MQTT-4.7.1-2].
    below: Vec<Subscriber>,
}

/// The index.
#[derive(Debug)]
pub(super) struct Subscriptions {
    /// In the order of the sessions' numbers, as in the tree.
    exact: IndexMap<Box<str>, Vec<Subscriber>, FixedState>,
    nodes: Slab<Node>,
    root: NodeKey,
    hash_state: FixedState,
    /// Reused by every match: nodes to visit, with the rest of the topic.
    stack: Vec<(NodeKey, usize)>,
}

impl Subscriptions {
    pub(super) fn new(hash_seed: u64) -> Self {
        let hash_state = FixedState::with_seed(hash_seed);
        let mut nodes = Slab::new();
        let root = nodes.insert(Node::new(hash_state.clone()));
        Self { exact: IndexMap::with_hasher(hash_state.clone()), nodes, root, hash_state, stack: Vec::new() }
    }

    /// Adds a subscription, or replaces the session's earlier one under the same filter [MQTT-3.8.4-3].
    pub(super) fn insert(&mut self, filter: TopicFilter<'_>, subscriber: Subscriber) {
        if is_exact(filter) {
            put(self.exact.entry(filter.as_str().into()).or_default(), subscriber);
            return;
        }
        let mut node = self.root;
        for level in filter.levels() {
            match level {
                "#" => {
                    put(&mut self.nodes[node].below, subscriber);
                    return;
                }
                _ => node = self.child_or_new(node, level),
            }
        }
        put(&mut self.nodes[node].here, subscriber);
    }

    /// Ends a session's subscription, and removes what of the tree no filter needs any more.
    pub(super) fn remove(&mut self, filter: TopicFilter<'_>, session: SessionKey) {
        if is_exact(filter) {
            if let Some(subscribers) = self.exact.get_mut(filter.as_str()) {
                take(subscribers, session);
                if subscribers.is_empty() {
                    self.exact.swap_remove(filter.as_str());
                }
            }
            return;
        }
        let mut path = vec![];
        let mut node = self.root;
        for level in filter.levels() {
            if level == "#" {
                take(&mut self.nodes[node].below, session);
                self.prune(&path, node);
                return;
            }
            let Some(child) = self.nodes[node].child(level) else { return };
            path.push((node, level));
            node = child;
        }
        take(&mut self.nodes[node].here, session);
        self.prune(&path, node);
    }

    /// Ends a subscription under a filter that was inserted before.
    pub(super) fn remove_text(&mut self, filter: &str, session: SessionKey) {
        self.remove(TopicFilter::parse(filter).expect("a filter is kept as it was validated"), session);
    }

    /// Feeds a session's subscriptions to the state hash.
    pub(super) fn hash_session<H: Hasher>(
        &self,
        key: SessionKey,
        filters: &IndexSet<Box<str>, FixedState>,
        state: &mut H,
    ) {
        for filter in filters {
            filter.hash(state);
            let all = self.subscribers(filter).map(Vec::as_slice).unwrap_or_default();
            position(all, key).ok().map(|present| all[present]).hash(state);
        }
    }

    /// Collects into `matches` one entry for each session that `topic` concerns, with the highest QoS of its
    /// overlapping subscriptions [MQTT-3.3.4-2]. `publisher` is left out where it asked for No Local.
    pub(super) fn find(&mut self, topic: &str, publisher: Option<SessionKey>, matches: &mut Vec<Subscriber>) {
        matches.clear();
        if let Some(subscribers) = self.exact.get(topic) {
            matches.extend_from_slice(subscribers);
        }
        self.find_wildcards(topic, matches);
        matches.retain(|subscriber| !(subscriber.no_local && publisher == Some(subscriber.session)));
        if matches.len() > 1 {
            matches
                .sort_unstable_by_key(|subscriber| (subscriber.session, std::cmp::Reverse(subscriber.qos)));
            matches.dedup_by_key(|subscriber| subscriber.session);
        }
    }

    /// Who subscribed under exactly this filter.
    fn subscribers(&self, filter: &str) -> Option<&Vec<Subscriber>> {
        if !filter.contains(['+', '#']) {
            return self.exact.get(filter);
        }
        let mut node = self.root;
        for level in filter.split('/') {
            if level == "#" {
                return Some(&self.nodes[node].below);
            }
            node = self.nodes[node].child(level)?;
        }
        Some(&self.nodes[node].here)
    }

    fn find_wildcards(&mut self, topic: &str, matches: &mut Vec<Subscriber>) {
        let root = &self.nodes[self.root];
        if root.is_unused() {
            return;
        }
        // A wildcard in the first level does not match a topic that begins with `$` [MQTT-4.7.2-1].
        let is_reserved = topic.starts_with('$');
        self.stack.clear();
        self.stack.push((self.root, 0));
        while let Some((key, start)) = self.stack.pop() {
            let node = &self.nodes[key];
            let hides = is_reserved && start == 0;
            if !hides {
                matches.extend_from_slice(&node.below);
            }
            // `start` is one past the end after the last level.
            let Some(rest) = topic.get(start..) else {
                matches.extend_from_slice(&node.here);
                continue;
            };
            let level = rest.split_once('/').map_or(rest, |(level, _)| level);
            let next = start + level.len() + 1;
            if let Some(&child) = node.children.get(level) {
                self.stack.push((child, next));
            }
            if let (Some(child), false) = (node.any, hides) {
                self.stack.push((child, next));
            }
        }
    }

    fn child_or_new(&mut self, node: NodeKey, level: &str) -> NodeKey {
        if let Some(child) = self.nodes[node].child(level) {
            return child;
        }
        let child = self.nodes.insert(Node::new(self.hash_state.clone()));
        if level == "+" {
            self.nodes[node].any = Some(child);
        } else {
            self.nodes[node].children.insert(level.into(), child);
        }
        child
    }

    /// Removes `node` and its ancestors along `path` as far as nothing uses them.
    fn prune(&mut self, path: &[(NodeKey, &str)], mut node: NodeKey) {
        for &(parent, level) in path.iter().rev() {
            if !self.nodes[node].is_unused() {
                return;
            }
            self.nodes.remove(node);
            if level == "+" {
                self.nodes[parent].any = None;
            } else {
                self.nodes[parent].children.swap_remove(level);
            }
            node = parent;
        }
    }
}

impl Node {
    fn new(hash_state: FixedState) -> Self {
        Self { children: IndexMap::with_hasher(hash_state), any: None, here: Vec::new(), below: Vec::new() }
    }

    fn child(&self, level: &str) -> Option<NodeKey> {
        if level == "+" { self.any } else { self.children.get(level).copied() }
    }

    fn is_unused(&self) -> bool {
        self.children.is_empty() && self.any.is_none() && self.here.is_empty() && self.below.is_empty()
    }
}

/// Whether a filter has no wildcards.
pub(super) fn is_exact(filter: TopicFilter<'_>) -> bool {
    !filter.as_str().contains(['+', '#'])
}

fn position(subscribers: &[Subscriber], session: SessionKey) -> Result<usize, usize> {
    subscribers.binary_search_by_key(&session, |present| present.session)
}

fn put(subscribers: &mut Vec<Subscriber>, subscriber: Subscriber) {
    match position(subscribers, subscriber.session) {
        Ok(present) => subscribers[present] = subscriber,
        Err(place) => subscribers.insert(place, subscriber),
    }
}

fn take(subscribers: &mut Vec<Subscriber>, session: SessionKey) {
    if let Ok(present) = position(subscribers, session) {
        subscribers.remove(present);
    }
}

#[cfg(test)]
mod tests {
    use mayfly_wire::TopicName;
    use proptest::prelude::*;

    use super::*;

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::parse(text).expect("a valid filter")
    }

    fn subscriber(session: u32, qos: QoS) -> Subscriber {
        Subscriber { session: SessionKey::from_index(session), qos, no_local: false }
    }

    fn sessions(index: &mut Subscriptions, topic: &str) -> Vec<Subscriber> {
        let mut matches = Vec::new();
        index.find(topic, None, &mut matches);
        matches
    }

    #[test]
    fn overlapping_subscriptions_give_one_entry_with_the_highest_qos() {
        let mut index = Subscriptions::new(0);
        index.insert(filter("a/b"), subscriber(1, QoS::AtMostOnce));
        index.insert(filter("a/+"), subscriber(1, QoS::AtLeastOnce));
        index.insert(filter("#"), subscriber(1, QoS::AtMostOnce));
        assert_eq!(sessions(&mut index, "a/b"), [subscriber(1, QoS::AtLeastOnce)]);
    }

    #[test]
    fn leading_wildcards_hide_reserved_topics() {
        let mut index = Subscriptions::new(0);
        for (session, text) in (0..).zip(["#", "+/a", "+/#", "$x/#", "$x/+"]) {
            index.insert(filter(text), subscriber(session, QoS::AtMostOnce));
        }
        let found = sessions(&mut index, "$x/a");
        assert_eq!(found, [subscriber(3, QoS::AtMostOnce), subscriber(4, QoS::AtMostOnce)]);
    }

    #[test]
    fn no_local_leaves_the_publisher_out() {
        let mut index = Subscriptions::new(0);
        index.insert(filter("t"), Subscriber { no_local: true, ..subscriber(1, QoS::AtMostOnce) });
        let mut matches = Vec::new();
        index.find("t", Some(SessionKey::from_index(1)), &mut matches);
        assert!(matches.is_empty());
        index.find("t", Some(SessionKey::from_index(2)), &mut matches);
        assert_eq!(matches.len(), 1);
    }

    fn levels(pattern: &'static str) -> impl Strategy<Value = String> {
        prop::collection::vec(pattern, 1..4).prop_map(|levels| levels.join("/"))
    }

    fn any_filter() -> impl Strategy<Value = String> {
        (levels("[ab$]{0,1}|\\+"), any::<bool>()).prop_filter_map("empty", |(text, multi)| {
            let text = if multi { format!("{text}/#") } else { text };
            (!text.is_empty()).then_some(text)
        })
    }

    proptest! {
        /// The index agrees with matching each filter alone, also after removals, and an emptied index is empty.
        #[test]
        fn agrees_with_matching_one_by_one(
            filters in prop::collection::vec((any_filter(), 0_u32..4, any::<bool>()), 1..30),
            topics in prop::collection::vec(levels("[ab$]{0,1}"), 1..10),
        ) {
            let mut index = Subscriptions::new(7);
            let mut kept = std::collections::BTreeSet::new();
            for (text, session, _) in &filters {
                index.insert(filter(text), subscriber(*session, QoS::AtMostOnce));
                kept.insert((text.clone(), *session));
            }
            for (text, session, _) in filters.iter().filter(|(.., remove)| *remove) {
                index.remove(filter(text), SessionKey::from_index(*session));
                kept.remove(&(text.clone(), *session));
            }
            for topic in topics.iter().filter(|topic| !topic.is_empty()) {
                let name = TopicName::parse(topic).expect("a valid topic");
                let expected: std::collections::BTreeSet<u32> =
                    kept.iter().filter(|(text, _)| filter(text).matches(name)).map(|(_, session)| *session).collect();
                let found: Vec<_> = sessions(&mut index, topic).iter().map(|found| found.session.index()).collect();
                prop_assert_eq!(found, expected.into_iter().map(|key| key as usize).collect::<Vec<_>>(), "{}", topic);
            }
            for (text, session) in kept {
                index.remove(filter(&text), SessionKey::from_index(session));
            }
            prop_assert!(index.exact.is_empty());
            prop_assert_eq!(index.nodes.len(), 1, "only the root is left");
        }
    }
}
