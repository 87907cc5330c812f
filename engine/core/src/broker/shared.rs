//! Shared subscriptions: who shares a filter, and whose turn it is [MQTT 5, section 4.8.2].
//!
//! Members take turns in the order of their sessions' numbers. A turn passes over members that can't take the message
//! at once while there is one that can, and over absent ones while one is connected.

use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::ops::Bound;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use mayfly_wire::TopicFilter;

use super::filter_index::{Entry, FilterIndex};
use super::session::SessionKey;
use super::subscriptions::Subscriber;

/// Names a shared subscription. Never given again, so that what was in flight to a member of one that has ended does
/// not come to another one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct ShareId(u64);

/// How soon a member could take a message. The least is preferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Readiness {
    /// Connected, and nothing waits before it.
    AtOnce,
    /// Connected; the message would be queued.
    Later,
    /// Not connected.
    Absent,
}

/// All shared subscriptions. One exists as long as it has a member [MQTT 5, section 4.8.2].
#[derive(Debug)]
pub(super) struct Shares {
    groups: IndexMap<ShareId, Group, FixedState>,
    /// By the whole filter, share name included: the same name with another filter is another subscription.
    by_filter: IndexMap<Box<str>, ShareId, FixedState>,
    index: FilterIndex<ShareId>,
    next_id: u64,
}

#[derive(Debug, Default)]
struct Group {
    members: BTreeMap<SessionKey, Subscriber>,
    /// Whose turn it was last.
    last: Option<SessionKey>,
}

impl Entry for ShareId {
    type Owner = Self;

    fn owner(&self) -> Self {
        *self
    }
}

impl Shares {
    pub(super) fn new(hash_seed: u64) -> Self {
        let hash_state = FixedState::with_seed(hash_seed);
        Self {
            groups: IndexMap::with_hasher(hash_state.clone()),
            by_filter: IndexMap::with_hasher(hash_state),
            index: FilterIndex::new(hash_seed),
            next_id: 0,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Makes a session a member, or changes how it is one.
    pub(super) fn insert(&mut self, filter: TopicFilter<'_>, member: Subscriber) {
        let id = match self.by_filter.get(filter.as_str()) {
            Some(id) => *id,
            None => self.found(filter),
        };
        self.groups.entry(id).or_default().members.insert(member.session, member);
    }

    fn found(&mut self, filter: TopicFilter<'_>) -> ShareId {
        let id = ShareId(self.next_id);
        self.next_id += 1;
        self.by_filter.insert(filter.as_str().into(), id);
        self.index.insert(filter, id);
        id
    }

    /// Ends a session's membership, and the shared subscription with its last member.
    pub(super) fn remove(&mut self, filter: TopicFilter<'_>, session: SessionKey) {
        let Some(&id) = self.by_filter.get(filter.as_str()) else { return };
        let members = &mut self.groups.entry(id).or_default().members;
        members.remove(&session);
        if members.is_empty() {
            self.groups.swap_remove(&id);
            self.by_filter.swap_remove(filter.as_str());
            self.index.remove(filter, id);
        }
    }

    /// Collects the shared subscriptions that `topic` concerns.
    pub(super) fn find(&mut self, topic: &str, found: &mut Vec<ShareId>) {
        found.clear();
        self.index.find(topic, |ids| found.extend_from_slice(ids));
    }

    /// The member whose turn it is; `None` if the shared subscription has ended.
    pub(super) fn choose(
        &mut self,
        id: ShareId,
        readiness: impl Fn(SessionKey) -> Readiness,
    ) -> Option<Subscriber> {
        let Group { members, last } = self.groups.get_mut(&id)?;
        let after_last = last.map_or(Bound::Unbounded, Bound::Excluded);
        let later = members.range((after_last, Bound::Unbounded));
        let earlier = members.iter().take_while(|(session, _)| Some(**session) <= *last);
        let mut chosen: Option<(Readiness, Subscriber)> = None;
        for (_, member) in later.chain(earlier) {
            let readiness = readiness(member.session);
            if chosen.is_none_or(|(best, _)| readiness < best) {
                chosen = Some((readiness, *member));
            }
            if readiness == Readiness::AtOnce {
                break;
            }
        }
        let (_, member) = chosen?;
        *last = Some(member.session);
        Some(member)
    }

    /// A session's membership under a filter.
    pub(super) fn get(&self, filter: TopicFilter<'_>, session: SessionKey) -> Option<&Subscriber> {
        self.groups.get(self.by_filter.get(filter.as_str())?)?.members.get(&session)
    }

    /// Feeds everything but the memberships to the state hash.
    pub(super) fn hash_state<H: Hasher>(&self, state: &mut H) {
        self.next_id.hash(state);
        for (filter, id) in &self.by_filter {
            (filter, id, self.groups.get(id).and_then(|group| group.last)).hash(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use mayfly_wire::QoS;

    use super::*;

    fn filter(text: &str) -> TopicFilter<'_> {
        TopicFilter::parse(text).expect("a valid filter")
    }

    fn member(session: u32) -> Subscriber {
        Subscriber {
            session: SessionKey::from_index(session),
            identifier: None,
            qos: QoS::AtLeastOnce,
            no_local: false,
            retain_as_published: false,
        }
    }

    fn with_members(sessions: &[u32]) -> (Shares, ShareId) {
        let mut shares = Shares::new(0);
        for &session in sessions {
            shares.insert(filter("$share/g/t"), member(session));
        }
        let mut found = Vec::new();
        shares.find("t", &mut found);
        (shares, found[0])
    }

    fn choose(shares: &mut Shares, id: ShareId, readiness: &[Readiness]) -> Option<usize> {
        let readiness = |session: SessionKey| readiness[session.index()];
        shares.choose(id, readiness).map(|member| member.session.index())
    }

    #[test]
    fn turns_go_round_also_when_members_come_and_go() {
        let (mut shares, id) = with_members(&[0, 2, 4]);
        let all = [Readiness::AtOnce; 6];
        let turns: Vec<_> = (0..4).filter_map(|_| choose(&mut shares, id, &all)).collect();
        assert_eq!(turns, [0, 2, 4, 0]);
        shares.insert(filter("$share/g/t"), member(1));
        shares.remove(filter("$share/g/t"), SessionKey::from_index(2));
        let turns: Vec<_> = (0..4).filter_map(|_| choose(&mut shares, id, &all)).collect();
        assert_eq!(turns, [1, 4, 0, 1]);
    }

    #[test]
    fn the_readiest_in_turn_is_chosen() {
        use Readiness::{Absent, AtOnce, Later};
        let (mut shares, id) = with_members(&[0, 1, 2]);
        assert_eq!(choose(&mut shares, id, &[Absent, Later, AtOnce]), Some(2));
        assert_eq!(choose(&mut shares, id, &[Absent, Later, Absent]), Some(1));
        assert_eq!(choose(&mut shares, id, &[Later, Later, Later]), Some(2));
        assert_eq!(choose(&mut shares, id, &[Absent, Absent, Absent]), Some(0));
    }

    #[test]
    fn one_that_has_ended_is_gone_and_its_successor_another() {
        let (mut shares, id) = with_members(&[0]);
        shares.remove(filter("$share/g/t"), SessionKey::from_index(0));
        assert!(shares.is_empty() && shares.index.is_empty());
        shares.insert(filter("$share/g/t"), member(0));
        assert_eq!(choose(&mut shares, id, &[Readiness::AtOnce]), None);
    }
}
