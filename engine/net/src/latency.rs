//! How long the engine takes for what it reads.

use std::cell::Cell;
use std::time::Duration;

/// Buckets with an upper bound; one more is for what is longer.
const BOUNDED: usize = 23;

/// Durations by magnitude: the first bucket ends at a microsecond, each further one at twice the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// How many durations each bucket has; the last one those beyond all bounds.
    pub buckets: [u64; BOUNDED + 1],
    /// All durations together.
    pub sum: Duration,
}

impl Latency {
    /// The upper bound of a bucket; `None` for the last one.
    pub fn upper_bound(bucket: usize) -> Option<Duration> {
        (bucket < BOUNDED).then(|| Duration::from_micros(1 << bucket))
    }
}

/// [`Latency`] that grows.
#[derive(Debug, Default)]
pub(crate) struct LatencyCounter(Cell<Latency>);

impl LatencyCounter {
    pub(crate) fn record(&self, duration: Duration) {
        let mut latency = self.0.get();
        latency.buckets[bucket(duration)] += 1;
        latency.sum += duration;
        self.0.set(latency);
    }

    pub(crate) fn snapshot(&self) -> Latency {
        self.0.get()
    }
}

/// The first bucket whose upper bound is not below the duration.
fn bucket(duration: Duration) -> usize {
    let started_us = u64::try_from(duration.as_nanos().div_ceil(1000)).unwrap_or(u64::MAX);
    let power = started_us.max(1).checked_next_power_of_two().map_or(u64::BITS, u64::trailing_zeros);
    (power as usize).min(BOUNDED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_holds_it() {
        for (duration, expected) in [
            (Duration::ZERO, 0),
            (Duration::from_micros(1), 0),
            (Duration::from_nanos(1001), 1),
            (Duration::from_micros(2), 1),
            (Duration::from_micros(3), 2),
            (Duration::from_micros(1 << 22), 22),
            (Duration::from_secs(5), 23),
            (Duration::MAX, 23),
        ] {
            assert_eq!(bucket(duration), expected, "{duration:?}");
            assert!(Latency::upper_bound(expected).is_none_or(|bound| duration <= bound));
            let below = expected.checked_sub(1).and_then(Latency::upper_bound);
            assert!(below.is_none_or(|bound| duration > bound), "{duration:?}");
        }
    }
}
