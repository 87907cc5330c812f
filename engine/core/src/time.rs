//! The two clocks that inputs carry: monotonic time for durations, wall time for versions and message expiry.
//!
//! The core never asks for the time. They are separate types so that neither can be used for the other: the wall
//! clock may step back or drift, monotonic time may not.

use std::time::Duration;

/// Nanoseconds since the start of the input log. Never goes back within one log.
///
/// Nanoseconds, because a deadline that is rounded to a coarser unit could pass early.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Monotonic(u64);

impl Monotonic {
    /// The start of the log.
    pub const ZERO: Self = Self(0);

    /// A point `nanos` nanoseconds after the start of the log.
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// Nanoseconds since the start of the log.
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// This point plus `duration`; saturates some 584 years after the start of the log.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    /// The time from `earlier` to this point; zero where `earlier` is later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// Milliseconds since the Unix epoch, as this node's wall clock shows them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallClock(u64);

impl WallClock {
    /// A reading of `millis` milliseconds since the Unix epoch.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
}

/// Both clocks at the moment of an input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Now {
    /// For durations: keep-alive, PX, will delay, session expiry.
    pub monotonic: Monotonic,
    /// For versions (hybrid logical clocks) and message expiry.
    pub wall: WallClock,
}
