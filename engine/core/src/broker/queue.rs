//! What waits for one session: messages in the order in which they came, and how many bytes they are.
//!
//! Invariant: each entry holds a reference to its message, and the bytes are those of all entries' messages.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use mayfly_wire::QoS;

use super::messages::{MessageId, Messages};
use super::room;
use super::session::Kind;
use crate::time::WallClock;

/// Between two looks for what has expired in a full queue, in milliseconds.
const SWEEP_INTERVAL_MS: u64 = 1000;

/// A message that waits for room in the window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queued {
    pub(super) message: MessageId,
    pub(super) qos: QoS,
    pub(super) kind: Kind,
}

/// The messages that wait.
#[derive(Debug, Default)]
pub(super) struct Queue {
    entries: VecDeque<Queued>,
    bytes: usize,
    /// When what had expired was last taken out.
    swept_at: WallClock,
}

impl Queue {
    /// How many messages wait.
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The bytes of what waits.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The message that waits longest.
    pub(super) fn front(&self) -> Option<&Queued> {
        self.entries.front()
    }

    /// Puts a message behind all others, with a reference of its own.
    pub(super) fn push(&mut self, messages: &mut Messages, queued: Queued) {
        messages.retain(queued.message);
        messages.shrink(queued.message);
        self.bytes += messages.len_of(queued.message);
        self.entries.push_back(queued);
    }

    /// Takes the message that waits longest; its reference goes to the caller.
    pub(super) fn pop(&mut self, messages: &Messages) -> Option<Queued> {
        let queued = self.entries.pop_front()?;
        self.bytes -= messages.len_of(queued.message);
        self.give_back_room();
        Some(queued)
    }

    /// Drops the oldest message that a client published. Returns whether there was one.
    pub(super) fn drop_oldest_published(&mut self, messages: &mut Messages) -> bool {
        let oldest = self.entries.iter().position(|queued| queued.kind == Kind::Published);
        let Some(dropped) = oldest.and_then(|oldest| self.entries.remove(oldest)) else { return false };
        self.bytes -= messages.len_of(dropped.message);
        messages.release(dropped.message);
        true
    }

    /// Drops what has expired, at most once a second, and returns how many messages that were: expiry is counted in
    /// seconds, and looking through a queue for each message that meets it full would be slow.
    pub(super) fn drop_expired(&mut self, messages: &mut Messages, now: WallClock) -> u64 {
        if now.as_millis().abs_diff(self.swept_at.as_millis()) < SWEEP_INTERVAL_MS {
            return 0;
        }
        self.swept_at = now;
        self.keep(messages, |messages, queued| !messages.is_expired(queued.message, now))
    }

    /// Drops what a client that is away is not kept: QoS 0, and notifications. Returns how many messages that were.
    pub(super) fn drop_fleeting(&mut self, messages: &mut Messages) -> u64 {
        self.keep(messages, |_, queued| queued.qos > QoS::AtMostOnce && queued.kind != Kind::Notification)
    }

    /// Drops what does not stay, and returns how many messages that were.
    fn keep(&mut self, messages: &mut Messages, mut stays: impl FnMut(&Messages, &Queued) -> bool) -> u64 {
        let before = self.entries.len();
        let bytes = &mut self.bytes;
        self.entries.retain(|queued| {
            let stays = stays(messages, queued);
            if !stays {
                *bytes -= messages.len_of(queued.message);
                messages.release(queued.message);
            }
            stays
        });
        let dropped = before - self.entries.len();
        self.give_back_room();
        dropped as u64
    }

    /// All that waits; the references go to the caller.
    pub(super) fn into_entries(self) -> impl Iterator<Item = Queued> {
        self.entries.into_iter()
    }

    fn give_back_room(&mut self) {
        if let Some(room) = room::spare(self.entries.len(), self.entries.capacity()) {
            self.entries.shrink_to(room);
        }
    }

    /// Feeds everything that later outputs depend on.
    pub(super) fn hash_state<H: Hasher>(&self, messages: &Messages, state: &mut H) {
        (self.len(), self.swept_at).hash(state);
        for queued in &self.entries {
            (queued.qos, queued.kind).hash(state);
            messages.hash_content(queued.message, state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hold(messages: &mut Messages, payload: &[u8]) -> MessageId {
        messages.hold(|_| (), |_| (), |bytes| bytes.extend_from_slice(payload), None)
    }

    #[test]
    fn room_is_given_back_as_it_runs_empty_and_not_while_it_stays_full() {
        let (mut messages, mut queue) = (Messages::default(), Queue::default());
        let message = hold(&mut messages, b"four");
        let queued = Queued { message, qos: QoS::AtLeastOnce, kind: Kind::Published };
        (0..10_000).for_each(|_| queue.push(&mut messages, queued));
        let grown = queue.entries.capacity();
        let mut shrinks = 0;
        while let Some(taken) = queue.pop(&messages) {
            messages.release(taken.message);
            shrinks += usize::from(queue.entries.capacity() < grown >> shrinks);
            assert!(queue.entries.capacity() <= (4 * queue.len() + 4).max(room::KEPT));
            // What comes and goes meanwhile moves nothing.
            let capacity = queue.entries.capacity();
            queue.push(&mut messages, queued);
            let back = queue.entries.pop_back().expect("it was put there");
            queue.bytes -= messages.len_of(back.message);
            messages.release(back.message);
            assert_eq!(queue.entries.capacity(), capacity);
        }
        assert!(shrinks < 10, "{shrinks}");
        assert_eq!((queue.bytes(), messages.len()), (0, 1));
    }

    #[test]
    fn what_leaves_in_a_crowd_gives_its_room_back_too() {
        let (mut messages, mut queue) = (Messages::default(), Queue::default());
        let message = hold(&mut messages, b"four");
        for number in 0..10_000 {
            let qos = if number % 1000 == 0 { QoS::AtLeastOnce } else { QoS::AtMostOnce };
            queue.push(&mut messages, Queued { message, qos, kind: Kind::Published });
        }
        queue.drop_fleeting(&mut messages);
        assert_eq!((queue.len(), queue.bytes()), (10, 40));
        assert!(queue.entries.capacity() <= room::KEPT, "{}", queue.entries.capacity());
    }
}
