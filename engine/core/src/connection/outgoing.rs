//! Bytes that wait to be written to a client, and how long the client has had to take them.
//!
//! The buffer of an idle connection is given back.

use crate::time::Monotonic;

/// An empty write buffer beyond this is given back at once.
const MAX_KEPT_CAPACITY: usize = 64 * 1024;
/// An empty write buffer beyond this is given back when the last batch would have fitted into a quarter of it: a busy
/// connection keeps its buffer, and one that has only pings to answer becomes small.
const MAX_IDLE_CAPACITY: usize = 2048;

/// Bytes on their way to a client.
#[derive(Debug)]
pub(super) struct Outgoing {
    bytes: Vec<u8>,
    /// Where the unwritten part of `bytes` begins.
    written: usize,
    /// When the client last had taken enough, or when bytes began to wait.
    since: Monotonic,
    /// What it took since then, in bytes.
    taken: u64,
}

impl Outgoing {
    pub(super) fn new(now: Monotonic) -> Self {
        Self { bytes: Vec::new(), written: 0, since: now, taken: 0 }
    }

    /// What is not written yet.
    pub(super) fn unwritten(&self) -> &[u8] {
        &self.bytes[self.written..]
    }

    pub(super) fn is_empty(&self) -> bool {
        self.written == self.bytes.len()
    }

    /// The bytes of its buffer.
    pub(super) fn held_bytes(&self) -> usize {
        self.bytes.capacity()
    }

    /// Where to append. The client's time to take it begins, unless it runs already.
    pub(super) fn buffer(&mut self, now: Monotonic) -> &mut Vec<u8> {
        if self.is_empty() {
            self.begin(now);
        }
        &mut self.bytes
    }

    /// Since when the client has not taken enough of what waits.
    pub(super) fn since(&self) -> Monotonic {
        self.since
    }

    /// The client's time begins anew.
    pub(super) fn begin(&mut self, now: Monotonic) {
        (self.since, self.taken) = (now, 0);
    }

    /// The client took `count` bytes: its time begins anew once it took `enough` of them.
    pub(super) fn note_progress(&mut self, now: Monotonic, count: usize, enough: u64) {
        self.taken = self.taken.saturating_add(count as u64);
        if self.taken >= enough {
            self.begin(now);
        }
    }

    /// Notes that the first `count` unwritten bytes were taken.
    pub(super) fn take(&mut self, count: usize) {
        self.written = (self.written + count).min(self.bytes.len());
        if self.is_empty() {
            self.written = 0;
            let (used, capacity) = (self.bytes.len(), self.bytes.capacity());
            self.bytes.clear();
            if capacity > MAX_KEPT_CAPACITY || (capacity > MAX_IDLE_CAPACITY && used < capacity / 4) {
                self.bytes = Vec::new();
            }
        } else if self.written > self.bytes.len() / 2 {
            self.bytes.drain(..self.written);
            self.written = 0;
        }
    }

    /// Gives up what waits.
    pub(super) fn discard(&mut self) {
        self.bytes = Vec::new();
        self.written = 0;
    }
}
