//! Versions: the hybrid logical clock of the store.
//!
//! All versions of one store carry the same node id, so a version is kept as its wall clock and counter; fencing
//! tokens come from clients and keep the node id they came with.

use mayfly_wire::Hlc;

use crate::time::WallClock;

/// The node id in every version that this store gives.
pub(crate) const NODE_ID: &str = "StateStore";

/// How far ahead of this node's clock a client's timestamp may be.
pub(crate) const MAX_CLOCK_SKEW_MS: u64 = 60_000;

/// The counter of a hybrid logical clock stays below this.
const COUNTER_LIMIT: u32 = i32::MAX as u32;

/// A key's version, ordered as the hybrid logical clock that it stands for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Version {
    /// Milliseconds since the Unix epoch.
    pub(crate) wall_clock_ms: u64,
    /// Tells apart what happened within one millisecond.
    pub(crate) counter: u32,
}

impl Version {
    pub(crate) fn as_hlc(&self) -> Hlc<'static> {
        Hlc { wall_clock_ms: self.wall_clock_ms, counter: self.counter, node_id: NODE_ID }
    }
}

/// A fencing token: the version of a lock, as a client presented it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FencingToken {
    wall_clock_ms: u64,
    counter: u32,
    node_id: Box<str>,
}

impl FencingToken {
    pub(crate) fn new(hlc: Hlc<'_>) -> Self {
        Self { wall_clock_ms: hlc.wall_clock_ms, counter: hlc.counter, node_id: hlc.node_id.into() }
    }

    pub(crate) fn as_hlc(&self) -> Hlc<'_> {
        Hlc { wall_clock_ms: self.wall_clock_ms, counter: self.counter, node_id: &self.node_id }
    }
}

/// Gives versions, each greater than all before it.
#[derive(Clone, Debug, Default, Hash)]
pub(crate) struct VersionClock {
    last: Version,
}

impl VersionClock {
    /// A version greater than every one before it and than `request` (the request's `__ts`), by the receive rule of
    /// hybrid logical clocks: the later of the wall clocks, and a counter where the physical clock does not lead.
    pub(crate) fn next(&mut self, now: WallClock, request: Option<Hlc<'_>>) -> Version {
        let request = request.map_or(Version::default(), |hlc| Version {
            wall_clock_ms: hlc.wall_clock_ms,
            counter: hlc.counter,
        });
        let latest = self.last.max(request);
        self.last = if now.as_millis() > latest.wall_clock_ms {
            Version { wall_clock_ms: now.as_millis(), counter: 0 }
        } else if latest.counter + 1 < COUNTER_LIMIT {
            Version { wall_clock_ms: latest.wall_clock_ms, counter: latest.counter + 1 }
        } else {
            Version { wall_clock_ms: latest.wall_clock_ms.saturating_add(1), counter: 0 }
        };
        self.last
    }

    /// Whether `token` is too far ahead to be a version that any clock could have given yet. One that this store gave
    /// itself never is: the physical clock may have stepped back since.
    pub(crate) fn is_token_too_far_ahead(&self, now: WallClock, token: Hlc<'_>) -> bool {
        is_too_far_ahead(now, token) && token > self.last.as_hlc()
    }
}

/// Whether `hlc` is more than [`MAX_CLOCK_SKEW_MS`] ahead of `now`.
pub(crate) fn is_too_far_ahead(now: WallClock, hlc: Hlc<'_>) -> bool {
    hlc.wall_clock_ms > now.as_millis().saturating_add(MAX_CLOCK_SKEW_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hlc(wall_clock_ms: u64, counter: u32) -> Hlc<'static> {
        Hlc { wall_clock_ms, counter, node_id: "client" }
    }

    fn at(millis: u64) -> WallClock {
        WallClock::from_millis(millis)
    }

    #[test]
    fn a_leading_physical_clock_resets_the_counter() {
        let mut clock = VersionClock::default();
        assert_eq!(clock.next(at(10), Some(hlc(9, 7))), Version { wall_clock_ms: 10, counter: 0 });
        assert_eq!(clock.next(at(10), Some(hlc(9, 7))), Version { wall_clock_ms: 10, counter: 1 });
    }

    #[test]
    fn a_request_ahead_of_the_clock_is_exceeded() {
        let mut clock = VersionClock::default();
        assert_eq!(clock.next(at(10), Some(hlc(50, 3))), Version { wall_clock_ms: 50, counter: 4 });
        assert_eq!(clock.next(at(10), Some(hlc(50, 9))), Version { wall_clock_ms: 50, counter: 10 });
    }

    #[test]
    fn a_clock_that_steps_back_does_not_take_versions_back() {
        let mut clock = VersionClock::default();
        let before = clock.next(at(1000), None);
        assert!(clock.next(at(10), None) > before);
    }

    #[test]
    fn a_full_counter_carries_into_the_wall_clock() {
        let mut clock = VersionClock::default();
        let full = hlc(50, COUNTER_LIMIT - 1);
        assert_eq!(clock.next(at(10), Some(full)), Version { wall_clock_ms: 51, counter: 0 });
    }

    #[test]
    fn a_token_that_this_store_gave_is_never_too_far_ahead() {
        let mut clock = VersionClock::default();
        let version = clock.next(at(200_000), None);
        assert!(!clock.is_token_too_far_ahead(at(0), version.as_hlc()));
        assert!(clock.is_token_too_far_ahead(at(0), hlc(200_001, 0)));
        assert!(!clock.is_token_too_far_ahead(at(140_001), hlc(200_001, 0)));
    }
}
