//! The state store: keys, values, versions, fencing and expiry.
//!
//! It knows nothing of MQTT. Who is told of a change is the broker's business (`broker::state_store`).
//!
//! Invariants: an entry is in `index` once, under its key's hash; it is in `expiries` exactly when it has a deadline;
//! nothing depends on the order of `index`. An entry stays in its slot, and which one that is follows from the commands
//! before it: `scan` walks in their order.

mod command;
mod error;
mod scan;
mod version;

use std::collections::BTreeSet;
use std::hash::{BuildHasher, Hash, Hasher};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use mayfly_wire::Hlc;
use mayfly_wire::resp3::Blobs;
use slab::Slab;

pub(crate) use command::{Command, Condition};
pub(crate) use error::ServiceError;
pub(crate) use scan::ScanToken;
pub(crate) use version::{FencingToken, Version, VersionClock, is_too_far_ahead};

use crate::time::{Monotonic, Now};

/// Where clients send their requests.
pub const REQUEST_TOPIC: &str = "statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8/command/invoke";

/// What the topics of notifications begin with. Only the store publishes below it.
pub const NOTIFY_TOPIC_PREFIX: &str = "clients/statestore/v1/FA9AE35F-2F64-47CD-9BFF-08E2B32A0FE8";

/// What a request says beside its command.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Context<'a> {
    pub(crate) now: Now,
    /// `__ts`: the client's clock.
    pub(crate) timestamp: Option<Hlc<'a>>,
    /// `__ft`.
    pub(crate) fencing_token: Option<Hlc<'a>>,
}

/// What came of a command on keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Outcome<'a> {
    /// SET done, with the new version.
    Stored(Version),
    /// SET refused by its condition, with the stored key's version.
    Refused(Version),
    /// GET of a key that exists.
    Value(&'a [u8], Version),
    /// GET of a key that does not.
    Missing,
    /// DEL or VDEL done, with the deletion's version.
    Deleted(Version),
    /// DEL or VDEL of a key that does not exist.
    NotFound,
    /// VDEL of a key that holds another value.
    ValueDiffers,
    /// KEYNOTIFY: the connection is registered, or no longer.
    WatchChanged,
    /// KEYNOTIFY STOP without a registration.
    NotWatched,
    /// SCAN: keys, and the token for the next page where this is not the last one.
    Page(Blobs<'a>, Option<&'a [u8]>),
    /// The command failed.
    Failed(ServiceError),
}

#[derive(Debug, Hash)]
struct Entry {
    key: Box<[u8]>,
    value: Box<[u8]>,
    version: Version,
    /// Boxed since few keys are fenced.
    fencing_token: Option<Box<FencingToken>>,
    expires_at: Option<Monotonic>,
}

/// What a SET has to keep within.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Room {
    pub(crate) max_keys: usize,
    /// What all keys and values may occupy. A SET that takes no more than the value before it needs no room.
    pub(crate) max_bytes: usize,
}

/// What a key takes beside its bytes and its value's: its entry, its place in the index and perhaps a deadline, with some
/// half as much again for empty slots and the allocator.
pub(crate) const ENTRY_COST: usize = 136;

/// What a fencing token takes beside the bytes of its node id.
const TOKEN_COST: usize = 32;

/// A deadline in the ordered set of them.
const EXPIRY_COST: usize = 40;

/// The keys of one broker. Everything is in memory and ends with it.
#[derive(Debug)]
pub(crate) struct Store {
    entries: Slab<Entry>,
    index: HashTable<u32>,
    hash_state: FixedState,
    expiries: BTreeSet<(Monotonic, u32)>,
    clock: VersionClock,
    /// The bytes of all keys, values and fencing tokens.
    content_bytes: usize,
    /// All keys are in slots below this.
    end: u32,
    /// The version of the first key that was ever set. Tokens tell stores apart by it.
    first_version: Option<Version>,
    /// How many keys were ever made, and how many of them ended since their time had passed.
    insertions: u64,
    expirations: u64,
}

impl Store {
    /// An empty store. `hash_seed` decides where keys lie in the hash table, and nothing that can be seen from outside.
    pub(crate) fn new(hash_seed: u64) -> Self {
        Self {
            entries: Slab::new(),
            index: HashTable::new(),
            hash_state: FixedState::with_seed(hash_seed),
            expiries: BTreeSet::new(),
            clock: VersionClock::default(),
            content_bytes: 0,
            end: 0,
            first_version: None,
            insertions: 0,
            expirations: 0,
        }
    }

    /// How many keys exist.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    /// How many keys were ever made.
    pub(crate) fn insertions(&self) -> u64 {
        self.insertions
    }

    /// How many keys were deleted since their time had passed.
    pub(crate) fn expirations(&self) -> u64 {
        self.expirations
    }

    /// Whether a key exists.
    pub(crate) fn contains(&self, key: &[u8]) -> bool {
        self.find(key).is_some()
    }

    /// What the keys occupy, in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.content_bytes + self.entries.len() * ENTRY_COST + self.expiries.len() * EXPIRY_COST
    }

    /// When the next key expires.
    pub(crate) fn next_expiry(&self) -> Option<Monotonic> {
        self.expiries.first().map(|&(deadline, _)| deadline)
    }

    /// Checks the clocks of a request before anything is executed.
    pub(crate) fn check_clocks(&self, context: &Context<'_>) -> Result<(), ServiceError> {
        if context.timestamp.is_some_and(|timestamp| is_too_far_ahead(context.now.wall, timestamp)) {
            return Err(ServiceError::TimestampTooFarAhead);
        }
        let too_far = |token| self.clock.is_token_too_far_ahead(context.now.wall, token);
        if context.fencing_token.is_some_and(too_far) {
            return Err(ServiceError::FencingTokenTooFarAhead);
        }
        Ok(())
    }

    /// SET. Fencing comes before the condition.
    pub(crate) fn set(
        &mut self,
        context: &Context<'_>,
        (key, value): (&[u8], &[u8]),
        condition: Condition,
        expiry: Option<std::time::Duration>,
        room: Room,
    ) -> Result<Outcome<'static>, ServiceError> {
        let found = self.find(key);
        if let Some(slot) = found {
            let entry = &self.entries[slot as usize];
            entry.check_fencing(context.fencing_token)?;
            let refused = match condition {
                Condition::None => false,
                Condition::NotExists => true,
                Condition::NotExistsOrEqual => *entry.value != *value,
            };
            if refused {
                return Ok(Outcome::Refused(entry.version));
            }
        }
        self.check_room(found, (key, value), (context.fencing_token, expiry.is_some()), room)?;
        let version = self.clock.next(context.now.wall, context.timestamp);
        let expires_at = expiry.map(|expiry| context.now.monotonic.after(expiry));
        let fencing_token = context.fencing_token.map(|token| Box::new(FencingToken::new(token)));
        let (slot, was_due) = match found {
            Some(slot) => {
                self.content_bytes -= self.entries[slot as usize].content_bytes();
                let was_due = self.entries[slot as usize].replace(value, version, fencing_token, expires_at);
                self.content_bytes += self.entries[slot as usize].content_bytes();
                (slot, was_due)
            }
            None => (
                self.insert(Entry {
                    key: key.into(),
                    value: value.into(),
                    version,
                    fencing_token,
                    expires_at,
                }),
                None,
            ),
        };
        if was_due != expires_at {
            if let Some(deadline) = was_due {
                self.expiries.remove(&(deadline, slot));
            }
            if let Some(deadline) = expires_at {
                self.expiries.insert((deadline, slot));
            }
        }
        Ok(Outcome::Stored(version))
    }

    /// GET. Needs no fencing token.
    pub(crate) fn get(&self, key: &[u8]) -> Outcome<'_> {
        self.find(key).map_or(Outcome::Missing, |slot| {
            let entry = &self.entries[slot as usize];
            Outcome::Value(&entry.value, entry.version)
        })
    }

    /// DEL, or VDEL where `value` is given.
    pub(crate) fn delete(
        &mut self,
        context: &Context<'_>,
        key: &[u8],
        value: Option<&[u8]>,
    ) -> Result<Outcome<'static>, ServiceError> {
        let Some(slot) = self.find(key) else { return Ok(Outcome::NotFound) };
        let entry = &self.entries[slot as usize];
        entry.check_fencing(context.fencing_token)?;
        if value.is_some_and(|value| *entry.value != *value) {
            return Ok(Outcome::ValueDiffers);
        }
        self.remove(slot);
        Ok(Outcome::Deleted(self.clock.next(context.now.wall, context.timestamp)))
    }

    /// Deletes `key` if its time has passed. The expiry has a version of its own, as a deletion does.
    pub(crate) fn expire_key(&mut self, now: Now, key: &[u8]) -> Option<Version> {
        // Most stores have no deadline that passed: look before hashing.
        if self.next_expiry().is_none_or(|deadline| deadline > now.monotonic) {
            return None;
        }
        let slot = self.find(key)?;
        if !self.entries[slot as usize].is_due(now.monotonic) {
            return None;
        }
        self.remove(slot);
        self.expirations += 1;
        Some(self.clock.next(now.wall, None))
    }

    /// Deletes one key whose time has passed, the longest overdue first.
    pub(crate) fn expire_next(&mut self, now: Now) -> Option<(Box<[u8]>, Version)> {
        let &(deadline, slot) = self.expiries.first()?;
        if deadline > now.monotonic {
            return None;
        }
        let entry = self.remove(slot);
        self.expirations += 1;
        Some((entry.key, self.clock.next(now.wall, None)))
    }

    /// Whether a SET keeps within the bounds. One that takes no more than what it replaces always does.
    fn check_room(
        &self,
        found: Option<u32>,
        (key, value): (&[u8], &[u8]),
        (token, expires): (Option<Hlc<'_>>, bool),
        room: Room,
    ) -> Result<(), ServiceError> {
        if found.is_none() && self.entries.len() >= room.max_keys {
            return Err(ServiceError::QuotaExceeded);
        }
        let before = found.map_or(0, |slot| self.entries[slot as usize].bytes());
        let after = entry_bytes((key, value), token.map(|token| token.node_id), expires);
        let grows_by = after.saturating_sub(before);
        if grows_by > 0 && self.bytes() + grows_by > room.max_bytes {
            return Err(ServiceError::QuotaExceeded);
        }
        Ok(())
    }

    fn key_hash(&self, key: &[u8]) -> u64 {
        self.hash_state.hash_one(key)
    }

    fn find(&self, key: &[u8]) -> Option<u32> {
        self.index.find(self.key_hash(key), |&slot| *self.entries[slot as usize].key == *key).copied()
    }

    fn insert(&mut self, entry: Entry) -> u32 {
        let hash = self.key_hash(&entry.key);
        self.content_bytes += entry.content_bytes();
        self.insertions += 1;
        self.first_version.get_or_insert(entry.version);
        let slot = u32::try_from(self.entries.insert(entry)).expect("memory ends before 2^32 keys");
        let (entries, hash_state) = (&self.entries, &self.hash_state);
        self.index.insert_unique(hash, slot, |&slot| hash_state.hash_one(&entries[slot as usize].key));
        self.end = self.end.max(slot + 1);
        slot
    }

    fn remove(&mut self, slot: u32) -> Entry {
        let entry = self.entries.remove(slot as usize);
        self.content_bytes -= entry.content_bytes();
        if let Some(deadline) = entry.expires_at {
            self.expiries.remove(&(deadline, slot));
        }
        let hash = self.key_hash(&entry.key);
        let indexed = self.index.find_entry(hash, |&candidate| candidate == slot);
        indexed.expect("every entry is indexed").remove();
        if self.entries.is_empty() {
            self.end = 0;
        }
        entry
    }
}

/// For the state hash: everything that later answers depend on.
impl Hash for Store {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.entries.len().hash(state);
        for (slot, entry) in &self.entries {
            slot.hash(state);
            entry.hash(state);
        }
        self.expiries.hash(state);
        self.clock.hash(state);
        (self.end, self.first_version).hash(state);
    }
}

impl Entry {
    /// The bytes of its key, value and fencing token.
    fn content_bytes(&self) -> usize {
        content_bytes((&self.key, &self.value), self.token_node_id())
    }

    /// What it occupies, in bytes.
    fn bytes(&self) -> usize {
        entry_bytes((&self.key, &self.value), self.token_node_id(), self.expires_at.is_some())
    }

    /// Whether its time has passed.
    fn is_due(&self, now: Monotonic) -> bool {
        self.expires_at.is_some_and(|deadline| deadline <= now)
    }

    fn token_node_id(&self) -> Option<&str> {
        self.fencing_token.as_ref().map(|token| token.as_hlc().node_id)
    }

    /// A key with a token wants one at least as high; a key without takes any.
    fn check_fencing(&self, token: Option<Hlc<'_>>) -> Result<(), ServiceError> {
        match (&self.fencing_token, token) {
            (Some(_), None) => Err(ServiceError::FencingTokenRequired),
            (Some(held), Some(token)) if token < held.as_hlc() => Err(ServiceError::FencingTokenLower),
            (None, _) | (Some(_), Some(_)) => Ok(()),
        }
    }

    /// Overwrites all but the key, and returns the deadline that stood before.
    fn replace(
        &mut self,
        value: &[u8],
        version: Version,
        fencing_token: Option<Box<FencingToken>>,
        expires_at: Option<Monotonic>,
    ) -> Option<Monotonic> {
        if self.value.len() == value.len() {
            self.value.copy_from_slice(value); // In place: a SET of a value of the same size allocates nothing.
        } else {
            self.value = value.into();
        }
        self.version = version;
        self.fencing_token = fencing_token;
        std::mem::replace(&mut self.expires_at, expires_at)
    }
}

fn content_bytes((key, value): (&[u8], &[u8]), token_node_id: Option<&str>) -> usize {
    key.len() + value.len() + token_node_id.map_or(0, |node_id| TOKEN_COST + node_id.len())
}

fn entry_bytes(content: (&[u8], &[u8]), token_node_id: Option<&str>, expires: bool) -> usize {
    ENTRY_COST + content_bytes(content, token_node_id) + if expires { EXPIRY_COST } else { 0 }
}

#[cfg(test)]
mod tests;
