//! Answers to executed requests, kept so that a replay is answered and not executed again.
//!
//! A client that reconnects sends an unacknowledged request again, not always with DUP. Executed twice, a
//! `SET … NX` would answer "not set" to the very client that set the key.
//!
//! How long to remember? For the request's Message Expiry Interval, at least. That is not enough: a client that was cut
//! off sends the request again when it is back, with its whole Message Expiry Interval [MQTT-4.4.0-1], and a DEL would
//! delete what others wrote meanwhile. So a request is remembered, beyond its time, as long as its session lives and the
//! client may lack the PUBACK: until it uses the packet identifier for another request, which it may do only after the
//! PUBACK [MQTT-2.2.1-4].

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::time::Duration;

use foldhash::fast::FixedState;
use hashbrown::HashMap;
use xxhash_rust::xxh3::Xxh3;

use crate::store::Outcome;
use crate::time::Monotonic;

/// How long a request without Message Expiry is remembered.
pub(super) const DEFAULT_RETENTION: Duration = Duration::from_mins(1);

/// Tells requests apart. A client resends all of these unaltered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct RequestId(u128);

impl RequestId {
    /// The identity of a request: who sent it and what it says.
    pub(super) fn new(
        client_id: &str,
        correlation_data: &[u8],
        payload: &[u8],
        timestamp: Option<&str>,
        fencing_token: Option<&str>,
    ) -> Self {
        let mut digest = Xxh3::new();
        let (timestamp, fencing_token) = (timestamp.unwrap_or_default(), fencing_token.unwrap_or_default());
        // Lengths keep parts from running into each other.
        for part in
            [client_id.as_bytes(), correlation_data, payload, timestamp.as_bytes(), fencing_token.as_bytes()]
        {
            digest.update(&(part.len() as u64).to_le_bytes());
            digest.update(part);
        }
        Self(digest.digest128())
    }
}

/// A new outcome makes the memory look at so many of the oldest, so that the work of one request is bounded.
const EXAMINED_PER_REQUEST: usize = 4;

/// Outcomes by request, the oldest first to go.
#[derive(Debug)]
pub(super) struct ReplayMemory {
    outcomes: HashMap<RequestId, Remembered, FixedState>,
    /// Each entry of `outcomes` once, in the order of execution.
    order: VecDeque<RequestId>,
}

#[derive(Clone, Copy, Debug, Hash)]
struct Remembered {
    outcome: Outcome<'static>,
    forget_at: Monotonic,
    /// Whether the client has the PUBACK for certain, or its session has ended. From then on only time counts.
    is_settled: bool,
}

impl Remembered {
    fn is_wanted(&self, now: Monotonic) -> bool {
        self.forget_at > now || !self.is_settled
    }
}

impl ReplayMemory {
    pub(super) fn new(hash_seed: u64) -> Self {
        Self { outcomes: HashMap::with_hasher(FixedState::with_seed(hash_seed)), order: VecDeque::new() }
    }

    /// How many outcomes are remembered.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// The outcome of an executed request.
    pub(super) fn recall(&self, request: RequestId, now: Monotonic) -> Option<Outcome<'static>> {
        let remembered = self.outcomes.get(&request)?;
        remembered.is_wanted(now).then_some(remembered.outcome)
    }

    /// Remembers an outcome until `forget_at`, and until it is settled. Returns how many went to keep within `bound`
    /// although a replay of them may still come: settled ones go first.
    pub(super) fn remember(
        &mut self,
        request: RequestId,
        outcome: Outcome<'static>,
        (now, forget_at): (Monotonic, Monotonic),
        bound: u32,
    ) -> u64 {
        let remembered = Remembered { outcome, forget_at, is_settled: false };
        if self.outcomes.insert(request, remembered).is_none() {
            self.order.push_back(request);
        }
        self.forget_overdue(now);
        let mut displaced = 0;
        while self.order.len() > bound as usize {
            let evicted = self.evict();
            displaced += u64::from(evicted.is_wanted(now));
        }
        displaced
    }

    /// Forgets settled outcomes that outstayed their time, if there are any among the oldest.
    fn forget_overdue(&mut self, now: Monotonic) {
        for position in (0..self.order.len().min(EXAMINED_PER_REQUEST)).rev() {
            let remembered = self.outcomes[&self.order[position]];
            if !remembered.is_wanted(now)
                && let Some(request) = self.order.remove(position)
            {
                self.outcomes.remove(&request);
            }
        }
    }

    /// Takes out the oldest outcome, a settled one if there is one among the oldest.
    fn evict(&mut self) -> Remembered {
        let is_settled = |request: &RequestId| self.outcomes[request].is_settled;
        let settled = self.order.iter().take(EXAMINED_PER_REQUEST).position(is_settled);
        let evicted = self.order.remove(settled.unwrap_or(0)).expect("longer than a bound is not empty");
        self.outcomes.remove(&evicted).expect("every request in order has an outcome")
    }

    /// Notes that the client has the PUBACK of a request for certain, or that its session has ended.
    pub(super) fn settle(&mut self, request: RequestId) {
        if let Some(remembered) = self.outcomes.get_mut(&request) {
            remembered.is_settled = true;
        }
    }
}

impl Hash for ReplayMemory {
    fn hash<H: Hasher>(&self, state: &mut H) {
        for request in &self.order {
            (request, self.outcomes.get(request)).hash(state);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(payload: &[u8]) -> RequestId {
        RequestId::new("client", b"correlation", payload, Some("1:0:c"), None)
    }

    fn at(nanos: u64) -> Monotonic {
        Monotonic::from_nanos(nanos)
    }

    #[test]
    fn every_part_counts() {
        let base = RequestId::new("c", b"d", b"p", Some("t"), Some("f"));
        let others = [
            RequestId::new("x", b"d", b"p", Some("t"), Some("f")),
            RequestId::new("c", b"x", b"p", Some("t"), Some("f")),
            RequestId::new("c", b"d", b"x", Some("t"), Some("f")),
            RequestId::new("c", b"d", b"p", Some("x"), Some("f")),
            RequestId::new("c", b"d", b"p", Some("t"), Some("x")),
            RequestId::new("cd", b"", b"p", Some("t"), Some("f")),
        ];
        assert!(others.iter().all(|other| *other != base));
    }

    fn remember(memory: &mut ReplayMemory, payload: &[u8], now: u64, forget_at: u64) -> u64 {
        memory.remember(request(payload), Outcome::NotFound, (at(now), at(forget_at)), 2)
    }

    #[test]
    fn a_settled_outcome_is_forgotten_in_time() {
        let mut memory = ReplayMemory::new(0);
        remember(&mut memory, b"a", 0, 10);
        memory.settle(request(b"a"));
        assert_eq!(memory.recall(request(b"a"), at(9)), Some(Outcome::NotFound));
        assert_eq!(memory.recall(request(b"a"), at(10)), None);
        assert_eq!(remember(&mut memory, b"b", 10, 20), 0);
        assert_eq!(memory.order.len(), 1, "what is forgotten takes no room");
    }

    #[test]
    fn an_outcome_outstays_its_time_until_it_is_settled() {
        let mut memory = ReplayMemory::new(0);
        remember(&mut memory, b"a", 0, 10);
        remember(&mut memory, b"b", 1000, 1010);
        assert_eq!(memory.recall(request(b"a"), at(2000)), Some(Outcome::NotFound));
        memory.settle(request(b"a"));
        assert_eq!(memory.recall(request(b"a"), at(2000)), None);
    }

    #[test]
    fn at_the_bound_the_oldest_goes() {
        let mut memory = ReplayMemory::new(0);
        remember(&mut memory, b"a", 0, 10);
        remember(&mut memory, b"b", 0, 10);
        assert_eq!(remember(&mut memory, b"c", 0, 10), 1);
        assert_eq!(memory.recall(request(b"a"), at(1)), None);
        assert!(memory.recall(request(b"b"), at(1)).is_some());
    }

    #[test]
    fn at_the_bound_settled_ones_go_first() {
        let mut memory = ReplayMemory::new(0);
        remember(&mut memory, b"a", 0, 10);
        remember(&mut memory, b"b", 0, 10);
        memory.settle(request(b"b"));
        assert_eq!(remember(&mut memory, b"c", 20, 30), 0, "no replay of a settled one comes after its time");
        assert!(memory.recall(request(b"a"), at(20)).is_some());
        assert_eq!(remember(&mut memory, b"d", 20, 30), 1, "the oldest unsettled one went");
        assert_eq!(memory.recall(request(b"a"), at(20)), None);
    }
}
