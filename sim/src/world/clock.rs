//! Simulated time: one time line for the run, and a wall clock for each host.

use std::cell::Cell;
use std::time::Duration;

use mayfly_core::{Monotonic, Now, WallClock};
use mayfly_net::Clock;

/// What every wall clock shows when a run begins, less its offset: 2026-01-01 00:00:00 UTC, in ms since the Unix epoch.
pub const EPOCH_MS: u64 = 1_767_225_600_000;

/// Simulated time since the run began, as the running host sees it; `None` outside a host.
fn elapsed() -> Option<Duration> {
    // While a host is torn down its runtime is gone already, and turmoil would ask the machine's clock.
    tokio::runtime::Handle::try_current().ok()?;
    turmoil::sim_elapsed()
}

/// Simulated nanoseconds since the run began. To be called on a host.
pub fn now_ns() -> u64 {
    nanos(elapsed().expect("only hosts of the simulation ask for the time"))
}

/// A duration in whole nanoseconds.
pub fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A wall clock that is `offset_ms` ahead of the simulated one. To be called on a host.
pub fn wall_clock_ms(offset_ms: i64) -> u64 {
    (EPOCH_MS + now_ns() / 1_000_000).saturating_add_signed(offset_ms)
}

/// The broker's clocks.
#[derive(Debug, Default)]
pub(super) struct SimClock {
    last: Cell<Duration>,
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        // A host that is torn down still closes its connections: at the time at which it last looked.
        let now = elapsed().unwrap_or(self.last.get());
        self.last.set(now);
        let now_ns = nanos(now);
        Now {
            monotonic: Monotonic::from_nanos(now_ns),
            wall: WallClock::from_millis(EPOCH_MS + now_ns / 1_000_000),
        }
    }
}
