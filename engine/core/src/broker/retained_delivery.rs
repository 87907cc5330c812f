//! Sending retained messages to who subscribes.
//!
//! However many match, they go out in pieces: those that need acknowledgements as the client's window has room, the
//! others with a pause after each piece, so that neither this broker nor the client's connection is held up. What waits
//! is a place in a search for each subscription, not the messages.
//!
//! Until a session's searches have ended, what is published to it waits behind: no message overtakes an older one of its
//! topic [MQTT-4.6.0-6]. What is stored after the SUBSCRIBE is not sent by it: it comes as any other message.

use std::collections::{BTreeMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::time::Duration;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use mayfly_wire::{QoS, TopicFilter};

use super::accounting::search_bytes;
use super::filter_index::is_exact;
use super::messages::{MessageId, Messages};
use super::queue::Queued;
use super::retained::{Kept, Position, Publisher, Step};
use super::session::{Kind, SessionKey};
use super::subscribe::parsed;
use super::subscriptions::Subscriber;
use super::view::{Identifiers, Terms};
use super::{Broker, Timer};
use crate::time::Monotonic;

/// The bytes of the messages that go out before a pause, to one session. A step of a search counts as [`MIN_STEP_COST`], or
/// as the topics that it looked at where they are longer.
const PIECE_BYTES: usize = 64 * 1024;
/// So many bytes of a piece a step takes at least, whether it finds a message or not.
const MIN_STEP_COST: usize = 64;
/// The pause after a piece: with [`PIECE_BYTES`] 32 MB/s.
const PAUSE: Duration = Duration::from_millis(2);

/// What a session has still to be sent before all else.
#[derive(Debug)]
pub(super) struct Awaited {
    /// In the order of subscribing.
    searches: BTreeMap<u64, Search>,
    by_filter: IndexMap<Box<str>, u64, FixedState>,
    /// What the searches occupy.
    bytes: usize,
    /// QoS 0 messages that came since. They do not wait for the window and so not in the session's queue.
    behind: VecDeque<MessageId>,
    behind_bytes: usize,
    /// When the pause ends; a timer stands for it.
    resumes_at: Option<Monotonic>,
}

/// One subscription's retained messages.
#[derive(Debug, Hash)]
struct Search {
    filter: Box<str>,
    /// The granted Maximum QoS.
    qos: QoS,
    no_local: bool,
    identifier: Option<NonZeroU32>,
    /// Only what was stored before is sent.
    end: u64,
    position: Position,
}

impl Broker {
    /// Stores a message as its topic's retained one, or deletes that if the payload is empty. `false`: there is no room,
    /// and nothing has changed.
    pub(super) fn retain(&mut self, publisher: Option<SessionKey>, message: MessageId, qos: QoS) -> bool {
        if !self.messages.has_payload(message) {
            let topic = self.messages.topic(message).to_owned();
            self.retained.delete(&mut self.messages, &topic);
            return true;
        }
        let bounds = (self.limits.max_retained_messages as usize, self.limits.max_retained_bytes as usize);
        let has_room = self.retained.has_room(&self.messages, message, bounds);
        if has_room {
            self.messages.retain(message);
            self.messages.shrink(message);
            let publisher = publisher.map(|key| Publisher::new(&self.session(key).client_id));
            self.retained.store(&mut self.messages, message, qos, publisher);
        } else {
            self.counters.retained_refused += 1;
        }
        has_room
    }

    /// Has a subscription's retained messages sent, by the next [`pump`](Self::pump). A search for the same filter that
    /// has not ended begins anew.
    pub(super) fn await_retained(
        &mut self,
        key: SessionKey,
        filter: TopicFilter<'_>,
        subscriber: &Subscriber,
    ) {
        self.forget_retained(key, filter.as_str());
        if self.retained.len() == 0 || is_exact(filter) && !self.retained.contains(filter.as_str()) {
            return;
        }
        let search = Search {
            filter: filter.as_str().into(),
            qos: subscriber.qos,
            no_local: subscriber.no_local,
            identifier: subscriber.identifier,
            end: self.retained.next_sequence(),
            position: Position::default(),
        };
        let hash_state = self.hash_state.clone();
        let awaited = self.session(key).awaited.get_or_insert_with(|| Box::new(Awaited::new(hash_state)));
        let before = awaited.bytes;
        awaited.push(search);
        let after = awaited.bytes;
        self.ledger.search_bytes += after - before;
    }

    /// Ends the search of a subscription that ends.
    pub(super) fn forget_retained(&mut self, key: SessionKey, filter: &str) {
        if let Some(awaited) = &mut self.sessions[key.index()].awaited {
            let before = awaited.bytes;
            awaited.remove(filter);
            self.ledger.search_bytes -= before - awaited.bytes;
        }
    }

    /// Keeps a QoS 0 message back, within the bounds of the session's queue.
    pub(super) fn send_behind_retained(&mut self, key: SessionKey, message: MessageId) {
        let max_messages = self.limits.max_queued_messages as usize;
        let max_bytes = self.limits.max_queued_bytes as usize;
        let len = self.messages.len_of(message);
        let Some(awaited) = &mut self.sessions[key.index()].awaited else { return };
        if awaited.behind.len() < max_messages && awaited.behind_bytes + len <= max_bytes {
            self.messages.retain(message);
            self.messages.shrink(message);
            awaited.behind.push_back(message);
            awaited.behind_bytes += len;
        } else {
            self.counters.dropped.queue_full += 1;
        }
    }

    /// Sends what it may of a connected session's retained messages. Whether that was all: then the queue's turn has come.
    pub(super) fn send_retained(&mut self, key: SessionKey) -> bool {
        let Some(mut awaited) = self.session(key).awaited.take() else { return true };
        let before = awaited.bytes;
        let is_done = awaited.resumes_at.is_none() && self.send_piece(key, &mut awaited);
        self.ledger.search_bytes += awaited.bytes;
        self.ledger.search_bytes -= before;
        if is_done {
            for message in std::mem::take(&mut awaited.behind) {
                if self.messages.is_expired(message, self.now.wall) {
                    self.counters.dropped.expired += 1; // [MQTT-3.3.2-5]
                    self.messages.release(message);
                } else {
                    self.send(key, Queued { message, qos: QoS::AtMostOnce, kind: Kind::Published });
                }
            }
        } else {
            self.session(key).awaited = Some(awaited);
        }
        is_done
    }

    /// Sends one piece. Whether the searches have ended; otherwise an acknowledgement or a timer will go on.
    fn send_piece(&mut self, key: SessionKey, awaited: &mut Awaited) -> bool {
        let mut left = PIECE_BYTES;
        while let Some(mut first) = awaited.searches.first_entry() {
            let search = first.get_mut();
            if search.qos > QoS::AtMostOnce && !self.session(key).may_send() {
                return false;
            }
            if left == 0 {
                let resumes_at = self.now.monotonic.after(PAUSE);
                awaited.resumes_at = Some(resumes_at);
                self.timers.insert((resumes_at, key, Timer::SendRetained));
                return false;
            }
            let stood_at = search.position.len();
            let (step, looked_at) = self.step(search);
            left = left.saturating_sub(looked_at.max(MIN_STEP_COST));
            awaited.bytes += search.position.len();
            awaited.bytes -= stood_at;
            match step {
                Step::Passed => {}
                Step::End => awaited.pop(),
                Step::Found(kept) => {
                    if !self.is_wanted(key, search, &kept) {
                        continue;
                    }
                    left = left.saturating_sub(self.messages.len_of(kept.message));
                    let qos = kept.qos.min(search.qos);
                    let identifiers = search
                        .identifier
                        .map_or(Identifiers::None, |identifier| Identifiers::One(identifier.get()));
                    // Marked as retained, for all who ask [MQTT-3.3.1-8].
                    let message = self
                        .messages
                        .hold_view(kept.message, Terms { retain: true, identifiers, share: None });
                    self.send(key, Queued { message, qos, kind: Kind::Published });
                }
            }
        }
        true
    }

    /// Whether a message that was found is to be sent: neither expired nor newer than the subscription, nor what the
    /// client itself published where it asked for No Local [MQTT-3.8.3-3].
    fn is_wanted(&self, key: SessionKey, search: &Search, kept: &Kept) -> bool {
        let client_id = &self.sessions[key.index()].client_id;
        let is_own = search.no_local && kept.publisher == Some(Publisher::new(client_id));
        let is_newer = kept.sequence >= search.end;
        !is_own && !is_newer && !self.messages.is_expired(kept.message, self.now.wall)
    }

    fn step(&self, search: &mut Search) -> (Step, usize) {
        self.retained.step(parsed(&search.filter), &mut search.position)
    }

    /// The pause of a session is over.
    pub(super) fn resume_retained(&mut self, key: SessionKey) {
        if let Some(awaited) = &mut self.session(key).awaited {
            awaited.resumes_at = None;
            self.pump(key);
        }
    }

    /// A session's connection has ended: what would have been QoS 0 goes with it, the rest waits for the next one.
    pub(super) fn interrupt_retained(&mut self, key: SessionKey) {
        let Some(mut awaited) = self.session(key).awaited.take() else { return };
        if let Some(resumes_at) = awaited.resumes_at.take() {
            self.timers.remove(&(resumes_at, key, Timer::SendRetained));
        }
        self.counters.dropped.connection_ended += awaited.behind.len() as u64;
        awaited.behind.drain(..).for_each(|message| self.messages.release(message));
        awaited.behind_bytes = 0;
        let before = awaited.bytes;
        let Awaited { searches, by_filter, bytes, .. } = &mut *awaited;
        searches.retain(|_, search| {
            let stays = search.qos > QoS::AtMostOnce;
            *bytes -= if stays { 0 } else { search.bytes() };
            stays
        });
        by_filter.retain(|_, order| searches.contains_key(order));
        self.ledger.search_bytes -= before - awaited.bytes;
        if !awaited.searches.is_empty() {
            self.session(key).awaited = Some(awaited);
        }
    }
}

impl Search {
    fn bytes(&self) -> usize {
        search_bytes(&self.filter) + self.position.len()
    }
}

impl Awaited {
    /// How many messages wait behind the searches, and their bytes.
    pub(super) fn behind(&self) -> (usize, usize) {
        (self.behind.len(), self.behind_bytes)
    }

    fn new(hash_state: FixedState) -> Self {
        Self {
            searches: BTreeMap::new(),
            by_filter: IndexMap::with_hasher(hash_state),
            bytes: 0,
            behind: VecDeque::new(),
            behind_bytes: 0,
            resumes_at: None,
        }
    }

    /// What the searches occupy, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    fn push(&mut self, search: Search) {
        self.bytes += search.bytes();
        let order = self.searches.last_key_value().map_or(0, |(last, _)| last + 1);
        self.by_filter.insert(search.filter.clone(), order);
        self.searches.insert(order, search);
    }

    fn remove(&mut self, filter: &str) {
        let order = self.by_filter.swap_remove(filter);
        if let Some(search) = order.and_then(|order| self.searches.remove(&order)) {
            self.bytes -= search.bytes();
        }
    }

    /// Takes out the first search.
    fn pop(&mut self) {
        if let Some((_, search)) = self.searches.pop_first() {
            self.bytes -= search.bytes();
            self.by_filter.swap_remove(&search.filter);
        }
    }

    /// Feeds everything that later outputs depend on.
    pub(super) fn hash_state<H: Hasher>(&self, messages: &Messages, state: &mut H) {
        (self.searches.len(), self.resumes_at, self.behind.len()).hash(state);
        self.searches.values().for_each(|search| search.hash(state));
        self.behind.iter().for_each(|&message| messages.hash_content(message, state));
    }
}
