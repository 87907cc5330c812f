//! An index from topic names to what stands under the filters that match them.
//!
//! Filters without wildcards are found by one look-up. The others stand in a tree by topic level whose edges are one
//! hash table, so that a level costs some 70 bytes and its text, however many there are. A match visits at most the
//! nodes that the topic's levels lead to. Nothing depends on the order of hashing: tables are only looked up.

use std::hash::BuildHasher;
use std::num::NonZeroU32;

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashTable};
use mayfly_wire::TopicFilter;
use slab::Slab;

use super::crowd::{Crowd, PIECE};

/// What stands under a filter, at most one for each owner.
pub(super) trait Entry: Copy {
    /// Whose it is. Entries stand in the order of their owners.
    type Owner: Ord + Copy;

    fn owner(&self) -> Self::Owner;
}

/// Names a node; the root is 0, so a child never is.
type NodeKey = u32;

const ROOT: NodeKey = 0;

/// One topic level of the tree of wildcard filters.
#[derive(Debug)]
struct Node<E> {
    parent: NodeKey,
    /// Empty where this is its parent's child under a wildcard.
    level: Box<str>,
    /// The child under `+`.
    single: Option<NonZeroU32>,
    /// The child under `#`, which matches this level too [MQTT-4.7.1-2].
    multi: Option<NonZeroU32>,
    /// How many children stand in the table of edges.
    named: u32,
    entries: Entries<E>,
}

/// Most filters have one entry, which then needs no allocation.
#[derive(Debug)]
enum Entries<E> {
    One(E),
    /// None, or several in the order of their owners.
    Many(Vec<E>),
    /// So many that moving them would take long.
    Crowd(Box<Crowd<E>>),
}

/// The index.
#[derive(Debug)]
pub(super) struct FilterIndex<E> {
    exact: HashMap<Box<str>, Entries<E>, FixedState>,
    nodes: Slab<Node<E>>,
    /// Nodes by parent and level.
    edges: HashTable<NodeKey>,
    hash_state: FixedState,
    /// Reused by every match: nodes to visit, with where the rest of the topic begins.
    stack: Vec<(NodeKey, usize)>,
}

impl<E: Entry> FilterIndex<E> {
    pub(super) fn new(hash_seed: u64) -> Self {
        let hash_state = FixedState::with_seed(hash_seed);
        let mut nodes = Slab::new();
        nodes.insert(Node::new(ROOT, ""));
        let exact = HashMap::with_hasher(hash_state.clone());
        Self { exact, nodes, edges: HashTable::new(), hash_state, stack: Vec::new() }
    }

    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.nodes[ROOT as usize].is_unused()
    }

    /// Adds an entry, or replaces its owner's earlier one under the same filter.
    pub(super) fn insert(&mut self, filter: TopicFilter<'_>, entry: E) {
        let text = unshared(filter);
        if is_exact(filter) {
            if let Some(entries) = self.exact.get_mut(text) {
                entries.put(entry);
            } else {
                self.exact.insert(text.into(), Entries::One(entry));
            }
            return;
        }
        let node = filter.levels().fold(ROOT, |node, level| self.child_or_new(node, level));
        self.nodes[node as usize].entries.put(entry);
    }

    /// Takes out an owner's entry, and what of the tree no filter needs any more.
    pub(super) fn remove(&mut self, filter: TopicFilter<'_>, owner: E::Owner) {
        let text = unshared(filter);
        if is_exact(filter) {
            if let Some(entries) = self.exact.get_mut(text) {
                entries.take(owner);
                if entries.is_empty() {
                    self.exact.remove(text);
                }
            }
            return;
        }
        let end = filter.levels().try_fold(ROOT, |node, level| self.child(node, level));
        if let Some(node) = end {
            self.nodes[node as usize].entries.take(owner);
            self.prune(node);
        }
    }

    /// An owner's entry under exactly this filter.
    pub(super) fn get(&self, filter: TopicFilter<'_>, owner: E::Owner) -> Option<&E> {
        let entries = if is_exact(filter) {
            self.exact.get(unshared(filter))?
        } else {
            let node = filter.levels().try_fold(ROOT, |node, level| self.child(node, level))?;
            &self.nodes[node as usize].entries
        };
        entries.get(owner)
    }

    /// Shows what stands under each filter that matches `topic`, filter by filter, in runs in the order of the owners.
    pub(super) fn find(&mut self, topic: &str, mut visit: impl FnMut(&[E])) {
        if let Some(entries) = self.exact.get(topic) {
            entries.visit(&mut visit);
        }
        if self.nodes[ROOT as usize].is_unused() {
            return;
        }
        // A wildcard in the first level does not match a topic that begins with `$` [MQTT-4.7.2-1].
        let is_reserved = topic.starts_with('$');
        self.stack.clear();
        self.stack.push((ROOT, 0));
        while let Some((key, start)) = self.stack.pop() {
            let node = &self.nodes[key as usize];
            let hides = is_reserved && start == 0;
            if let (Some(multi), false) = (node.multi, hides) {
                self.nodes[multi.get() as usize].entries.visit(&mut visit);
            }
            // `start` is one past the end after the last level.
            let Some(rest) = topic.get(start..) else {
                node.entries.visit(&mut visit);
                continue;
            };
            let level = rest.split_once('/').map_or(rest, |(level, _)| level);
            let next = start + level.len() + 1;
            if let Some(child) = self.named_child(key, level) {
                self.stack.push((child, next));
            }
            if let (Some(child), false) = (self.nodes[key as usize].single, hides) {
                self.stack.push((child.get(), next));
            }
        }
    }

    fn child(&self, node: NodeKey, level: &str) -> Option<NodeKey> {
        match level {
            "+" => self.nodes[node as usize].single.map(NonZeroU32::get),
            "#" => self.nodes[node as usize].multi.map(NonZeroU32::get),
            _ => self.named_child(node, level),
        }
    }

    fn named_child(&self, parent: NodeKey, level: &str) -> Option<NodeKey> {
        if self.nodes[parent as usize].named == 0 {
            return None;
        }
        let is_it = |child: &NodeKey| {
            let node = &self.nodes[*child as usize];
            node.parent == parent && *node.level == *level
        };
        self.edges.find(self.hash_state.hash_one((parent, level)), is_it).copied()
    }

    fn child_or_new(&mut self, parent: NodeKey, level: &str) -> NodeKey {
        if let Some(child) = self.child(parent, level) {
            return child;
        }
        let is_wildcard = matches!(level, "+" | "#");
        let index = self.nodes.insert(Node::new(parent, if is_wildcard { "" } else { level }));
        let child = NonZeroU32::new(u32::try_from(index).expect("memory ends before 2^32 nodes"));
        let child = child.expect("the root took number 0 and keeps it");
        let node = &mut self.nodes[parent as usize];
        match level {
            "+" => node.single = Some(child),
            "#" => node.multi = Some(child),
            _ => {
                node.named += 1;
                let (nodes, hash_state) = (&self.nodes, &self.hash_state);
                let hash = hash_state.hash_one((parent, level));
                let rehash = |&key: &NodeKey| nodes[key as usize].hash(hash_state);
                self.edges.insert_unique(hash, child.get(), rehash);
            }
        }
        child.get()
    }

    /// Removes `node` and its ancestors as far as nothing uses them.
    fn prune(&mut self, mut key: NodeKey) {
        while key != ROOT && self.nodes[key as usize].is_unused() {
            let node = self.nodes.remove(key as usize);
            let parent = &mut self.nodes[node.parent as usize];
            let is_removed = |child: Option<NonZeroU32>| child.is_some_and(|child| child.get() == key);
            if is_removed(parent.single) {
                parent.single = None;
            } else if is_removed(parent.multi) {
                parent.multi = None;
            } else {
                parent.named -= 1;
                let hash = node.hash(&self.hash_state);
                let edge = self.edges.find_entry(hash, |&child| child == key);
                edge.expect("a named child has an edge").remove();
            }
            key = node.parent;
        }
    }
}

impl<E: Entry> Node<E> {
    fn new(parent: NodeKey, level: &str) -> Self {
        let entries = Entries::Many(Vec::new());
        Self { parent, level: level.into(), single: None, multi: None, named: 0, entries }
    }

    fn hash(&self, hash_state: &FixedState) -> u64 {
        hash_state.hash_one((self.parent, &*self.level))
    }

    fn is_unused(&self) -> bool {
        self.named == 0 && self.single.is_none() && self.multi.is_none() && self.entries.is_empty()
    }
}

impl<E: Entry> Entries<E> {
    fn is_empty(&self) -> bool {
        matches!(self, Self::Many(entries) if entries.is_empty())
    }

    fn get(&self, owner: E::Owner) -> Option<&E> {
        match self {
            Self::One(entry) => (entry.owner() == owner).then_some(entry),
            Self::Many(entries) => position(entries, owner).ok().map(|present| &entries[present]),
            Self::Crowd(crowd) => crowd.get(owner),
        }
    }

    fn visit(&self, visit: &mut impl FnMut(&[E])) {
        match self {
            Self::One(entry) => visit(std::slice::from_ref(entry)),
            Self::Many(entries) => visit(entries),
            Self::Crowd(crowd) => crowd.pieces().for_each(visit),
        }
    }

    fn put(&mut self, entry: E) {
        match self {
            Self::One(present) if present.owner() == entry.owner() => *present = entry,
            Self::One(present) => {
                let mut both = vec![*present, entry];
                both.sort_unstable_by_key(E::owner);
                *self = Self::Many(both);
            }
            Self::Many(entries) if entries.is_empty() => *self = Self::One(entry),
            Self::Many(entries) => match position(entries, entry.owner()) {
                Ok(present) => entries[present] = entry,
                Err(place) if entries.len() < PIECE => entries.insert(place, entry),
                Err(_) => {
                    let mut crowd = Crowd::new(entries);
                    crowd.put(entry);
                    *self = Self::Crowd(Box::new(crowd));
                }
            },
            Self::Crowd(crowd) => crowd.put(entry),
        }
    }

    fn take(&mut self, owner: E::Owner) {
        match self {
            Self::One(present) if present.owner() == owner => *self = Self::Many(Vec::new()),
            Self::One(_) => {}
            Self::Many(entries) => {
                if let Ok(present) = position(entries, owner) {
                    entries.remove(present);
                }
                if let &[last] = entries.as_slice() {
                    *self = Self::One(last);
                } else if entries.len() < entries.capacity() / 4 {
                    entries.shrink_to(entries.len() * 2);
                }
            }
            Self::Crowd(crowd) => {
                crowd.take(owner);
                if let Some(entries) = crowd.only_piece()
                    && entries.len() <= PIECE / 2
                {
                    *self = Self::Many(entries.to_vec());
                }
            }
        }
    }
}

/// Whether a filter has no wildcards.
pub(super) fn is_exact(filter: TopicFilter<'_>) -> bool {
    // A share name has none either [MQTT-4.8.2-2].
    !filter.as_str().contains(['+', '#'])
}

/// The part of a filter that messages are matched with.
fn unshared(filter: TopicFilter<'_>) -> &str {
    // `$share/`, the name, `/`.
    let before = filter.share_name().map_or(0, |name| 8 + name.len());
    &filter.as_str()[before..]
}

/// Where an owner's entry stands, or would, among entries in order.
pub(super) fn position<E: Entry>(entries: &[E], owner: E::Owner) -> Result<usize, usize> {
    entries.binary_search_by_key(&owner, E::owner)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use mayfly_wire::TopicName;
    use proptest::prelude::*;

    use super::*;

    impl Entry for u32 {
        type Owner = u32;

        fn owner(&self) -> u32 {
            *self
        }
    }

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::parse(text).expect("a valid filter")
    }

    fn found(index: &mut FilterIndex<u32>, topic: &str) -> BTreeSet<u32> {
        let mut found = BTreeSet::new();
        index.find(topic, |entries| found.extend(entries));
        found
    }

    #[test]
    fn leading_wildcards_hide_reserved_topics() {
        let mut index = FilterIndex::new(0);
        for (entry, text) in (0..).zip(["#", "+/a", "+/#", "$x/#", "$x/+"]) {
            index.insert(filter(text), entry);
        }
        assert_eq!(found(&mut index, "$x/a"), BTreeSet::from([3, 4]));
    }

    #[test]
    fn a_crowd_under_one_filter_comes_and_goes() {
        for text in ["a/b", "a/+"] {
            let mut index = FilterIndex::new(0);
            for entry in (0..5000).step_by(2).chain((1..5000).step_by(2)) {
                index.insert(filter(text), entry);
            }
            let mut runs = Vec::new();
            index.find("a/b", |entries| runs.extend_from_slice(entries));
            assert!(runs.into_iter().eq(0..5000), "in the order of their owners");
            for entry in (1000..5000).chain(0..999) {
                index.remove(filter(text), entry);
                assert_eq!(index.get(filter(text), entry), None);
            }
            assert_eq!(index.get(filter(text), 999), Some(&999));
            assert_eq!(found(&mut index, "a/b"), BTreeSet::from([999]));
            index.remove(filter(text), 999);
            assert!(index.is_empty());
        }
    }

    #[test]
    fn a_shared_filter_stands_where_its_topics_lead() {
        let mut index = FilterIndex::new(0);
        index.insert(filter("$share/g/a/b"), 1);
        index.insert(filter("$share/g/a/+"), 2);
        assert_eq!(found(&mut index, "a/b"), BTreeSet::from([1, 2]));
        assert_eq!(index.get(filter("$share/h/a/b"), 1), Some(&1));
        index.remove(filter("$share/g/a/b"), 1);
        index.remove(filter("$share/g/a/+"), 2);
        assert!(index.is_empty());
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
            let mut index = FilterIndex::new(7);
            let mut kept = BTreeSet::new();
            for (text, owner, _) in &filters {
                index.insert(filter(text), *owner);
                kept.insert((text.clone(), *owner));
            }
            for (text, owner, _) in filters.iter().filter(|(.., remove)| *remove) {
                index.remove(filter(text), *owner);
                kept.remove(&(text.clone(), *owner));
            }
            for topic in topics.iter().filter(|topic| !topic.is_empty()) {
                let name = TopicName::parse(topic).expect("a valid topic");
                let expected: BTreeSet<u32> =
                    kept.iter().filter(|(text, _)| filter(text).matches(name)).map(|(_, owner)| *owner).collect();
                prop_assert_eq!(found(&mut index, topic), expected, "{}", topic);
            }
            for (text, owner) in kept {
                prop_assert_eq!(index.get(filter(&text), owner), Some(&owner));
                index.remove(filter(&text), owner);
            }
            prop_assert!(index.is_empty() && index.edges.is_empty());
            prop_assert_eq!(index.nodes.len(), 1, "only the root is left");
        }
    }
}
