//! The client's hybrid logical clock: the wall clock that the caller gave, made monotonic and merged with the versions
//! that responses carry.
//!
//! Never reads a clock of its own.

use mayfly_wire::Hlc;

use crate::error::ProtocolError;
use crate::options::WallClock;
use crate::version::Version;

/// How far a received version may be ahead of the wall clock, in milliseconds.
const MAX_AHEAD_MS: u64 = 60_000;

pub(crate) struct HybridClock {
    wall_clock: WallClock,
    node_id: Box<str>,
    last_ms: u64,
    counter: u32,
}

impl HybridClock {
    pub(crate) fn new(wall_clock: WallClock, node_id: Box<str>) -> Self {
        HybridClock { wall_clock, node_id, last_ms: 0, counter: 0 }
    }

    pub(crate) fn node_id(&self) -> &str {
        &self.node_id
    }

    /// The timestamp of a request: greater than every one before and than every version received.
    pub(crate) fn next(&mut self) -> Hlc<'_> {
        let now_ms = (self.wall_clock)();
        if now_ms > self.last_ms {
            self.advance_to(now_ms, 0);
        } else {
            self.advance_to(self.last_ms, self.counter.saturating_add(1));
        }
        Hlc { wall_clock_ms: self.last_ms, counter: self.counter, node_id: &self.node_id }
    }

    /// Merges a received version: whichever is latest of the wall clock, this clock and the version, and one more than
    /// its counter where it is not the wall clock.
    pub(crate) fn receive(&mut self, version: &Version) -> Result<(), ProtocolError> {
        let now_ms = (self.wall_clock)();
        let ahead_ms = version.wall_clock_ms().saturating_sub(now_ms);
        if ahead_ms > MAX_AHEAD_MS {
            return Err(ProtocolError::VersionTooFarAhead { ahead_ms });
        }
        let (received_ms, received) = (version.wall_clock_ms(), version.counter());
        if now_ms > self.last_ms && now_ms > received_ms {
            self.advance_to(now_ms, 0);
        } else if self.last_ms == received_ms {
            self.advance_to(received_ms, self.counter.max(received).saturating_add(1));
        } else if self.last_ms > received_ms {
            self.advance_to(self.last_ms, self.counter.saturating_add(1));
        } else {
            self.advance_to(received_ms, received.saturating_add(1));
        }
        Ok(())
    }

    /// A counter that is used up carries into the next millisecond.
    fn advance_to(&mut self, wall_clock_ms: u64, counter: u32) {
        (self.last_ms, self.counter) = if counter > Hlc::MAX_COUNTER {
            (wall_clock_ms.saturating_add(1), 0)
        } else {
            (wall_clock_ms, counter)
        };
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    fn clock(start_ms: u64) -> (Arc<AtomicU64>, HybridClock) {
        let wall = Arc::new(AtomicU64::new(start_ms));
        let reading = Arc::clone(&wall);
        (wall, HybridClock::new(Arc::new(move || reading.load(Ordering::Relaxed)), "c".into()))
    }

    fn version(wall_clock_ms: u64, counter: u32) -> Version {
        Version::from(Hlc { wall_clock_ms, counter, node_id: "s" })
    }

    fn next(clock: &mut HybridClock) -> (u64, u32) {
        let hlc = clock.next();
        (hlc.wall_clock_ms, hlc.counter)
    }

    #[test]
    fn timestamps_grow_while_the_wall_clock_stands_or_steps_back() {
        let (wall, mut clock) = clock(1000);
        assert_eq!(next(&mut clock), (1000, 0));
        assert_eq!(next(&mut clock), (1000, 1));
        wall.store(10, Ordering::Relaxed);
        assert_eq!(next(&mut clock), (1000, 2));
        wall.store(1001, Ordering::Relaxed);
        assert_eq!(next(&mut clock), (1001, 0));
    }

    #[test]
    fn a_received_version_pushes_the_clock() {
        let (wall, mut clock) = clock(1000);
        assert_eq!(clock.receive(&version(1500, 7)), Ok(()));
        assert_eq!(next(&mut clock), (1500, 9));
        assert_eq!(clock.receive(&version(1500, 3)), Ok(()));
        assert_eq!(next(&mut clock), (1500, 11));
        assert_eq!(clock.receive(&version(20, 900)), Ok(()));
        assert_eq!(next(&mut clock), (1500, 13));
        wall.store(2000, Ordering::Relaxed);
        assert_eq!(clock.receive(&version(1999, 5)), Ok(()));
        assert_eq!(next(&mut clock), (2000, 1));
    }

    #[test]
    fn a_version_over_60_s_ahead_is_refused_and_changes_nothing() {
        let (_, mut clock) = clock(1000);
        assert_eq!(clock.receive(&version(61_000, 0)), Ok(()));
        assert_eq!(
            clock.receive(&version(61_001, 0)),
            Err(ProtocolError::VersionTooFarAhead { ahead_ms: 60_001 })
        );
        assert_eq!(next(&mut clock), (61_000, 2));
    }

    #[test]
    fn a_counter_that_is_used_up_carries() {
        let (_, mut clock) = clock(1000);
        assert_eq!(clock.receive(&version(1000, Hlc::MAX_COUNTER)), Ok(()));
        assert_eq!(next(&mut clock), (1001, 1));
    }
}
