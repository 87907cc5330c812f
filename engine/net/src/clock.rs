//! Where time comes from.

use std::time::{SystemTime, UNIX_EPOCH};

use mayfly_core::{Monotonic, Now, WallClock};
use tokio::time::Instant;

/// The clocks of one node.
///
/// Monotonic time must run with tokio's timers, since deadlines are slept out with them.
pub trait Clock: 'static {
    /// Both clocks, now.
    fn now(&self) -> Now;
}

/// The machine's clocks. Monotonic time starts with its creation.
#[derive(Clone, Copy, Debug)]
pub struct SystemClock {
    started: Instant,
}

impl SystemClock {
    /// Starts monotonic time.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the system for the time")]
    fn now(&self) -> Now {
        let elapsed = self.started.elapsed().as_nanos();
        // A machine whose clock stands before 1970 has versions that start at zero; they still grow.
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now {
            monotonic: Monotonic::from_nanos(u64::try_from(elapsed).unwrap_or(u64::MAX)),
            wall: WallClock::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX)),
        }
    }
}
