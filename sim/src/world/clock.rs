//! Simulated time: one time line for the run, which is every host's monotonic clock, and a wall clock for each host.

use std::cell::Cell;
use std::time::Duration;

use mayfly_core::{Monotonic, Now, WallClock};
use mayfly_net::Clock;

use crate::history::ClientIndex;
use crate::history::clocks::ClockOf;
use crate::recorder::Recorder;

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

/// A client's wall clock.
#[derive(Clone, Debug)]
pub struct HostClock {
    recorder: Recorder,
    client: ClientIndex,
}

impl HostClock {
    /// The clock of `client`.
    pub fn new(recorder: &Recorder, client: ClientIndex) -> Self {
        Self { recorder: recorder.clone(), client }
    }

    /// What it shows, in ms since the Unix epoch. To be called on a host.
    pub fn now_ms(&self) -> u64 {
        self.recorder.wall_clock_ms(ClockOf::Client(self.client), now_ns())
    }
}

/// The broker's clocks.
#[derive(Debug)]
pub(super) struct SimClock {
    recorder: Recorder,
    last: Cell<Duration>,
}

impl SimClock {
    pub(super) fn new(recorder: &Recorder) -> Self {
        Self { recorder: recorder.clone(), last: Cell::default() }
    }
}

impl Clock for SimClock {
    fn now(&self) -> Now {
        // A host that is torn down still closes its connections: at the time at which it last looked.
        let now = elapsed().unwrap_or(self.last.get());
        self.last.set(now);
        let now_ns = nanos(now);
        Now {
            monotonic: Monotonic::from_nanos(now_ns),
            wall: WallClock::from_millis(self.recorder.wall_clock_ms(ClockOf::Broker, now_ns)),
        }
    }
}
