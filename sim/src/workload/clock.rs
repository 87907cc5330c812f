//! The hybrid logical clock of a client: its wall clock, never behind what it gave or received.

use crate::history::Version;

/// How far a version may be ahead of the client's wall clock, in ms.
const MAX_AHEAD_MS: u64 = 60_000;

/// The clock of one client, whose name is the node id.
#[derive(Clone, Debug)]
pub(super) struct HybridClock {
    last: Version,
}

impl HybridClock {
    pub(super) fn new(node_id: &str) -> Self {
        Self { last: Version { wall_clock_ms: 0, counter: 0, node_id: node_id.to_owned() } }
    }

    /// The timestamp of a request.
    pub(super) fn next(&mut self, now_ms: u64) -> Version {
        if now_ms > self.last.wall_clock_ms {
            (self.last.wall_clock_ms, self.last.counter) = (now_ms, 0);
        } else {
            self.last.counter += 1;
        }
        self.last.clone()
    }

    /// Takes a version that arrived. One that is over 60 s ahead breaks the protocol; says by how many ms.
    pub(super) fn receive(&mut self, version: &Version, now_ms: u64) -> Result<(), u64> {
        let ahead_ms = version.wall_clock_ms.saturating_sub(now_ms);
        if ahead_ms > MAX_AHEAD_MS {
            return Err(ahead_ms);
        }
        let seen = (version.wall_clock_ms, version.counter);
        let (wall_clock_ms, counter) = seen.max((self.last.wall_clock_ms, self.last.counter));
        (self.last.wall_clock_ms, self.last.counter) =
            if now_ms > wall_clock_ms { (now_ms, 0) } else { (wall_clock_ms, counter + 1) };
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(wall_clock_ms: u64, counter: u32) -> Version {
        Version { wall_clock_ms, counter, node_id: "StateStore".to_owned() }
    }

    #[test]
    fn timestamps_grow_and_are_above_what_was_received() {
        let mut clock = HybridClock::new("alice");
        assert_eq!(clock.next(1000).to_string(), "000000000001000:00000:alice");
        assert_eq!(clock.next(900).to_string(), "000000000001000:00001:alice");
        assert_eq!(clock.receive(&version(5000, 7), 1000), Ok(()));
        assert!(clock.next(1001) > version(5000, 7));
        assert_eq!(clock.next(6000).to_string(), "000000000006000:00000:alice");
    }

    #[test]
    fn a_version_over_a_minute_ahead_is_refused() {
        let mut clock = HybridClock::new("alice");
        assert_eq!(clock.receive(&version(61_000, 0), 1000), Ok(()));
        assert_eq!(clock.receive(&version(61_001, 0), 1000), Err(60_001));
    }
}
