//! Latency percentiles.
//!
//! Owns the one way in which this project turns durations into percentiles, so that tables of different runs
//! compare. It does not know whether a duration is simulated or wall time; the field that holds a [`Latency`]
//! says so.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// Durations below this are told apart to three significant digits; longer ones count as this long in the
/// percentiles. One hour, in nanoseconds: no scenario waits longer for one answer.
const LONGEST_NS: u64 = 3_600_000_000_000;

/// A digest of many durations, in nanoseconds. Percentiles are exact to three significant digits, the rest
/// exactly.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// How many durations; never 0.
    pub count: u64,
    /// The shortest.
    pub min_ns: u64,
    /// The median.
    pub p50_ns: u64,
    /// 90 % took at most this long.
    pub p90_ns: u64,
    /// 99 % took at most this long.
    pub p99_ns: u64,
    /// 99.9 % took at most this long.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

/// A point of the distribution of durations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Percentile {
    /// So many durations, of [`Latency::count`],
    pub count: u64,
    /// were at most this long.
    pub at_most_ns: u64,
}

/// Steps in each half of what is left to 100 %: as many points from 50 to 75 % as from 75 to 87.5 %.
const STEPS_PER_HALF: u32 = 5;

/// Collects durations for a [`Latency`] in constant space.
#[derive(Clone, Debug)]
pub struct LatencyRecorder {
    histogram: Histogram<u64>,
    min_ns: u64,
    max_ns: u64,
}

impl LatencyRecorder {
    /// A recorder that has seen nothing.
    pub fn new() -> Self {
        let histogram =
            Histogram::new_with_bounds(1, LONGEST_NS, 3).expect("constant bounds, valid in hdrhistogram");
        Self { histogram, min_ns: u64::MAX, max_ns: 0 }
    }

    /// Adds one duration, in nanoseconds.
    pub fn record(&mut self, duration_ns: u64) {
        self.histogram.saturating_record(duration_ns);
        self.min_ns = self.min_ns.min(duration_ns);
        self.max_ns = self.max_ns.max(duration_ns);
    }

    /// Adds everything that `other` has seen.
    pub fn merge(&mut self, other: &Self) {
        self.histogram.add(&other.histogram).expect("both have the same constant bounds");
        self.min_ns = self.min_ns.min(other.min_ns);
        self.max_ns = self.max_ns.max(other.max_ns);
    }

    /// The digest, or `None` where nothing was recorded.
    pub fn latency(&self) -> Option<Latency> {
        if self.histogram.is_empty() {
            return None;
        }
        // A bucket's representative can lie outside what was recorded; a percentile cannot.
        let percentile =
            |quantile| self.histogram.value_at_quantile(quantile).clamp(self.min_ns, self.max_ns);
        Some(Latency {
            count: self.histogram.len(),
            min_ns: self.min_ns,
            p50_ns: percentile(0.5),
            p90_ns: percentile(0.9),
            p99_ns: percentile(0.99),
            p999_ns: percentile(0.999),
            max_ns: self.max_ns,
        })
    }
}

impl LatencyRecorder {
    /// The distribution, as HdrHistogram prints it: the nearer to 100 %, the closer its points.
    pub fn percentiles(&self) -> Vec<Percentile> {
        let mut percentiles: Vec<Percentile> = Vec::new();
        for point in self.histogram.iter_quantiles(STEPS_PER_HALF) {
            let before = percentiles.last().map_or(0, |last| last.count);
            let count = before + point.count_since_last_iteration();
            if count == before {
                continue;
            }
            let at_most_ns = point.value_iterated_to().clamp(self.min_ns, self.max_ns);
            percentiles.push(Percentile { count, at_most_ns });
        }
        percentiles
    }
}

impl Default for LatencyRecorder {
    fn default() -> Self {
        Self::new()
    }
}

impl FromIterator<u64> for LatencyRecorder {
    fn from_iter<I: IntoIterator<Item = u64>>(durations_ns: I) -> Self {
        let mut recorder = Self::new();
        for duration_ns in durations_ns {
            recorder.record(duration_ns);
        }
        recorder
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    #[test]
    fn percentiles_are_exact_to_three_digits() {
        let latency = (1..=100_000).map(|n| n * 1_000).collect::<LatencyRecorder>().latency().unwrap();
        assert_eq!((latency.count, latency.min_ns, latency.max_ns), (100_000, 1_000, 100_000_000));
        for (measured, exact) in [
            (latency.p50_ns, 50_000_000_u64),
            (latency.p90_ns, 90_000_000),
            (latency.p99_ns, 99_000_000),
            (latency.p999_ns, 99_900_000),
        ] {
            assert!(measured.abs_diff(exact) <= exact / 1_000, "{measured} is not {exact}");
        }
    }

    #[test]
    fn the_distribution_ends_with_every_duration_and_is_closer_near_the_end() {
        let recorder = (1..=100_000).map(|n| n * 1_000).collect::<LatencyRecorder>();
        let percentiles = recorder.percentiles();
        assert_eq!(percentiles.last(), Some(&Percentile { count: 100_000, at_most_ns: 100_000_000 }));
        assert!(percentiles.is_sorted_by(|a, b| a.count < b.count && a.at_most_ns < b.at_most_ns));
        for point in &percentiles {
            let exact = point.count * 1_000;
            assert!(point.at_most_ns.abs_diff(exact) <= exact / 500, "{point:?}");
        }
        let above = |count| percentiles.iter().filter(|point| point.count > count).count();
        assert!((10..200).contains(&percentiles.len()) && above(99_000) > 10, "{percentiles:?}");
        assert_eq!(LatencyRecorder::new().percentiles(), []);
    }

    #[test]
    fn one_duration_is_every_percentile() {
        let latency = LatencyRecorder::from_iter([1_234_567]).latency().unwrap();
        assert_eq!([latency.min_ns, latency.p50_ns, latency.p999_ns, latency.max_ns], [1_234_567; 4]);
    }

    #[test]
    fn nothing_recorded_has_no_percentiles() {
        assert_eq!(LatencyRecorder::new().latency(), None);
    }

    #[test]
    fn a_duration_beyond_the_bound_keeps_its_exact_maximum() {
        let latency = LatencyRecorder::from_iter([5, 2 * LONGEST_NS]).latency().unwrap();
        assert_eq!(latency.max_ns, 2 * LONGEST_NS);
    }

    #[test]
    fn merged_recorders_equal_one() {
        let mut left = LatencyRecorder::from_iter([10, 2_000]);
        left.merge(&LatencyRecorder::from_iter([7, 900_000]));
        assert_eq!(left.latency(), LatencyRecorder::from_iter([7, 10, 2_000, 900_000]).latency());
    }
}
