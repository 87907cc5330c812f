//! SCAN: a walk over all keys in pieces, while they change.
//!
//! A key keeps its slot as long as it exists, so a walk in the order of slots meets each key that is there all the while,
//! once. It may meet one twice that is deleted and set again, and need not meet one that came later. Which slot a key gets
//! follows from the commands before it and from nothing else: replicas that were fed the same ones walk alike, whatever
//! their hash seeds, and one goes on where another stopped.

use std::ops::ControlFlow;

use super::{ServiceError, Store, Version};
use crate::time::Now;

/// A piece of a walk looks at no more keys than this.
pub(crate) const MAX_KEYS_PER_PAGE: usize = 1024;

/// A piece of a walk looks at no more slots than this; those of deleted keys are empty until a new key takes them, and are
/// passed over faster than a key is looked at.
pub(crate) const MAX_SLOTS_PER_PAGE: u32 = 16 * 1024;

/// Where a walk goes on, and in which store: 12 bytes of the version of the store's first key, 4 bytes of the slot.
///
/// The token of another store, one from before a restart, is refused: its walk can't be completed here. One with a position
/// that no page gave does no harm: it says where to look, and not what may be seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ScanToken {
    store: Version,
    slot: u32,
}

impl ScanToken {
    /// Its length as bytes.
    pub(crate) const LEN: usize = 16;

    pub(crate) fn to_bytes(self) -> [u8; Self::LEN] {
        let Version { wall_clock_ms, counter } = self.store;
        let parts = u128::from(wall_clock_ms) << 64 | u128::from(counter) << 32 | u128::from(self.slot);
        parts.to_be_bytes()
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes: [u8; Self::LEN] = bytes.try_into().ok()?;
        let [wall_clock_ms @ .., c0, c1, c2, c3, s0, s1, s2, s3] = bytes;
        Some(Self {
            store: Version {
                wall_clock_ms: u64::from_be_bytes(wall_clock_ms),
                counter: u32::from_be_bytes([c0, c1, c2, c3]),
            },
            slot: u32::from_be_bytes([s0, s1, s2, s3]),
        })
    }
}

impl Store {
    /// Walks on from a token, or from the beginning. `look` is given each key; where it breaks, it does not count as having
    /// seen the key. Returns where to go on; `None` at the end.
    pub(crate) fn scan(
        &self,
        now: Now,
        token: Option<&[u8]>,
        mut look: impl FnMut(&[u8]) -> ControlFlow<Result<(), ServiceError>>,
    ) -> Result<Option<ScanToken>, ServiceError> {
        let start = token.map_or(Ok(0), |token| self.position(token))?;
        let end = self.end.min(start.saturating_add(MAX_SLOTS_PER_PAGE));
        let mut keys = 0;
        for slot in start..end {
            let Some(entry) = self.entries.get(slot as usize) else { continue };
            if entry.is_due(now.monotonic) {
                continue; // Its time is over, and nobody came to it yet.
            }
            if keys == MAX_KEYS_PER_PAGE {
                return Ok(self.token(slot));
            }
            keys += 1;
            match look(&entry.key) {
                ControlFlow::Continue(()) => {}
                ControlFlow::Break(stopped) => return stopped.map(|()| self.token(slot)),
            }
        }
        Ok(if end < self.end { self.token(end) } else { None })
    }

    /// The slot that a token says.
    fn position(&self, token: &[u8]) -> Result<u32, ServiceError> {
        let token = ScanToken::from_bytes(token).filter(|token| Some(token.store) == self.first_version);
        token.map(|token| token.slot).ok_or(ServiceError::UnknownToken)
    }

    /// There is one wherever there was ever a key.
    fn token(&self, slot: u32) -> Option<ScanToken> {
        self.first_version.map(|store| ScanToken { store, slot })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::store::{Condition, Context, Room};
    use crate::time::{Monotonic, WallClock};

    const ROOM: Room = Room { max_keys: usize::MAX, max_bytes: usize::MAX };

    fn at(millis: u64) -> Now {
        Now { monotonic: Monotonic::from_nanos(millis * 1_000_000), wall: WallClock::from_millis(millis) }
    }

    fn context(now: Now) -> Context<'static> {
        Context { now, timestamp: None, fencing_token: None }
    }

    fn set(store: &mut Store, key: u32, expiry_ms: Option<u64>) {
        let expiry = expiry_ms.map(Duration::from_millis);
        let key = key.to_be_bytes();
        store.set(&context(at(1)), (&key, b"v"), Condition::None, expiry, ROOM).expect("there is room");
    }

    fn delete(store: &mut Store, key: u32) {
        store.delete(&context(at(1)), &key.to_be_bytes(), None).expect("it is not fenced");
    }

    /// The keys of a page, at most so many, and the next token.
    fn page(store: &Store, now: Now, token: Option<&[u8]>, most: usize) -> (Vec<u32>, Option<Vec<u8>>) {
        let mut keys = Vec::new();
        let next = store.scan(now, token, |key| {
            if keys.len() == most {
                return ControlFlow::Break(Ok(()));
            }
            keys.push(u32::from_be_bytes(key.try_into().expect("four bytes")));
            ControlFlow::Continue(())
        });
        (keys, next.expect("a good token").map(|next| next.to_bytes().to_vec()))
    }

    /// All pages.
    fn pages(store: &Store, most: usize) -> Vec<Vec<u32>> {
        let (mut pages, mut token) = (Vec::new(), None);
        loop {
            let (keys, next) = page(store, at(1), token.as_deref(), most);
            pages.push(keys);
            token = next;
            if token.is_none() {
                return pages;
            }
        }
    }

    #[test]
    fn a_token_is_read_as_it_was_written() {
        let store = Version { wall_clock_ms: 0x0102_0304_0506_0708, counter: 0x090a_0b0c };
        let token = ScanToken { store, slot: 0x0d0e_0f10 };
        assert_eq!(token.to_bytes().to_vec(), (1..=16).collect::<Vec<u8>>());
        assert_eq!(ScanToken::from_bytes(&token.to_bytes()), Some(token));
        for len in [0, 15, 17] {
            assert_eq!(ScanToken::from_bytes(&[1; 17][..len]), None, "{len}");
        }
    }

    #[test]
    fn a_page_ends_after_so_many_keys() {
        for count in [MAX_KEYS_PER_PAGE, MAX_KEYS_PER_PAGE + 1] {
            let mut store = Store::new(0);
            (0..count as u32).for_each(|key| set(&mut store, key, None));
            let lens: Vec<_> = pages(&store, usize::MAX).iter().map(Vec::len).collect();
            let expected = if count == MAX_KEYS_PER_PAGE { vec![count] } else { vec![MAX_KEYS_PER_PAGE, 1] };
            assert_eq!(lens, expected);
        }
    }

    #[test]
    fn a_page_ends_after_so_many_slots() {
        let mut store = Store::new(0);
        (0..=2 * MAX_SLOTS_PER_PAGE).for_each(|key| set(&mut store, key, None));
        (0..2 * MAX_SLOTS_PER_PAGE).for_each(|key| delete(&mut store, key));
        assert_eq!(pages(&store, usize::MAX), [vec![], vec![], vec![2 * MAX_SLOTS_PER_PAGE]]);
        delete(&mut store, 2 * MAX_SLOTS_PER_PAGE);
        assert_eq!(pages(&store, usize::MAX), [Vec::<u32>::new()], "an empty store has no slots to look at");
        (0..3).for_each(|key| set(&mut store, key, None));
        let found = pages(&store, usize::MAX).concat();
        assert_eq!(found.len(), 3, "new keys are found in whatever slots they are: {found:?}");
    }

    #[test]
    fn a_key_whose_time_is_over_is_not_there() {
        let mut store = Store::new(0);
        set(&mut store, 1, Some(10));
        set(&mut store, 2, None);
        assert_eq!(page(&store, at(10), None, 9).0, [1, 2]);
        assert_eq!(page(&store, at(11), None, 9).0, [2]);
    }

    #[test]
    fn walks_do_not_depend_on_the_hash_seed() {
        let [first, second] = [1, 0xDEAD_BEEF].map(|seed| {
            let mut store = Store::new(seed);
            for round in 0..5_u32 {
                (0..100).for_each(|key| set(&mut store, key * 7 % 101 + round, None));
                (0..60).for_each(|key| delete(&mut store, key * 3 % 103));
            }
            store
        });
        for most in [1, 7, usize::MAX] {
            assert_eq!(pages(&first, most), pages(&second, most));
        }
        let (_, token) = page(&first, at(1), None, 5);
        let on_the_other = page(&second, at(1), token.as_deref(), 5);
        assert_eq!(
            page(&first, at(1), token.as_deref(), 5),
            on_the_other,
            "one goes on where another stopped"
        );
    }

    #[test]
    fn what_look_refuses_comes_again() {
        let mut store = Store::new(0);
        (0..3).for_each(|key| set(&mut store, key, None));
        assert_eq!(pages(&store, 1), [[0], [1], [2]]);
        let failed = |_: &[u8]| ControlFlow::Break(Err(ServiceError::Syntax));
        assert_eq!(store.scan(at(1), None, failed), Err(ServiceError::Syntax));
    }

    #[test]
    fn a_token_of_another_store_is_refused() {
        let mut store = Store::new(0);
        set(&mut store, 1, None);
        set(&mut store, 2, None);
        let (_, Some(token)) = page(&store, at(1), None, 1) else { panic!("there is more") };
        let look = |_: &[u8]| ControlFlow::Continue(());
        let mut other = Store::new(0);
        assert_eq!(other.scan(at(1), Some(&token), look), Err(ServiceError::UnknownToken), "it is empty");
        let later = context(at(2));
        other.set(&later, (b"k", b"v"), Condition::None, None, ROOM).expect("there is room");
        assert_eq!(other.scan(at(2), Some(&token), look), Err(ServiceError::UnknownToken));
    }
}
