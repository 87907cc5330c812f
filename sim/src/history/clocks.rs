//! The hosts' wall clocks: what each showed at any time of the run.
//!
//! Wall time alone: simulated time, which every time of a history is in, is what the hosts' monotonic clocks show, and nothing
//! here changes it.

use serde::{Deserialize, Serialize};

use super::ClientIndex;

/// What every wall clock shows when a run begins, less its offset: 2026-01-01 00:00:00 UTC, in ms since the Unix epoch.
pub const EPOCH_MS: u64 = 1_767_225_600_000;

/// Whose clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClockOf {
    /// The broker's.
    Broker,
    /// A client's.
    Client(ClientIndex),
}

/// The wall clocks of a run's hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Clocks {
    /// The broker's.
    pub broker: WallClock,
    /// The clients', in the order of their indices.
    pub clients: Vec<WallClock>,
}

/// A wall clock that is off, runs fast or slow, and is set.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct WallClock {
    /// How far it is ahead at the beginning, in ms.
    pub offset_ms: i64,
    /// How much it gains, in parts per million; it loses where negative.
    pub drift_ppm: i32,
    /// When it was set, in order of time.
    pub steps: Vec<Step>,
}

/// A clock was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step {
    /// When, in simulated nanoseconds.
    pub at_ns: u64,
    /// By how many ms; back where negative.
    pub by_ms: i64,
    /// When its host first looked at it after that.
    pub first_read_ns: Option<u64>,
}

impl Clocks {
    /// One of them. Panics on a client of another history.
    pub fn of(&self, whose: ClockOf) -> &WallClock {
        match whose {
            ClockOf::Broker => &self.broker,
            ClockOf::Client(client) => &self.clients[client.0],
        }
    }

    /// One of them, to be set. Panics on a client of another history.
    pub fn of_mut(&mut self, whose: ClockOf) -> &mut WallClock {
        match whose {
            ClockOf::Broker => &mut self.broker,
            ClockOf::Client(client) => &mut self.clients[client.0],
        }
    }
}

impl WallClock {
    /// What it shows, in ms since the Unix epoch.
    pub fn reading_ms(&self, at_ns: u64) -> u64 {
        self.reading_but_for(at_ns, None)
    }

    /// What it would show had one of its steps not been.
    pub fn reading_without(&self, step: &Step, at_ns: u64) -> u64 {
        self.reading_but_for(at_ns, Some(step))
    }

    /// The lowest and the highest that it shows from one time to another, both inclusive.
    pub fn range_ms(&self, from_ns: u64, until_ns: u64) -> (u64, u64) {
        let within =
            self.steps.iter().map(|step| step.at_ns).filter(|at_ns| (from_ns..=until_ns).contains(at_ns));
        // Between two steps it runs evenly, so that it is lowest and highest at their ends.
        let ends = within.flat_map(|at_ns| [at_ns.saturating_sub(1), at_ns]);
        let readings = ends.chain([until_ns]).map(|at_ns| self.reading_ms(at_ns.max(from_ns)));
        let first = self.reading_ms(from_ns);
        readings.fold((first, first), |(low, high), reading| (low.min(reading), high.max(reading)))
    }

    fn reading_but_for(&self, at_ns: u64, but_for: Option<&Step>) -> u64 {
        let set = self.steps.iter().filter(|step| step.at_ns <= at_ns && but_for != Some(step));
        let gained_ns = i128::from(at_ns) * i128::from(self.drift_ppm) / 1_000_000;
        let run_ms = (i128::from(at_ns) + gained_ns).div_euclid(1_000_000);
        let ms = i128::from(EPOCH_MS)
            + run_ms
            + i128::from(self.offset_ms)
            + set.map(|step| i128::from(step.by_ms)).sum::<i128>();
        u64::try_from(ms.max(0)).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: u64 = 1_000_000_000;

    fn step(at_ns: u64, by_ms: i64) -> Step {
        Step { at_ns, by_ms, first_read_ns: None }
    }

    #[test]
    fn offset_drift_and_steps_add_up() {
        let clock = WallClock {
            offset_ms: -500,
            drift_ppm: 100,
            steps: vec![step(20 * S, 3000), step(30 * S, -7000)],
        };
        let ahead =
            |at_ns: u64| i128::from(clock.reading_ms(at_ns)) - i128::from(EPOCH_MS + at_ns / 1_000_000);
        assert_eq!(ahead(0), -500);
        assert_eq!(ahead(10 * S), -499);
        assert_eq!(ahead(20 * S - 1), -498);
        assert_eq!(ahead(20 * S), 2502);
        assert_eq!(ahead(40 * S), -4496);
        assert_eq!(clock.reading_without(&clock.steps[0], 40 * S), clock.reading_ms(40 * S) - 3000);
    }

    #[test]
    fn a_slow_clock_loses() {
        let clock = WallClock { drift_ppm: -1000, ..WallClock::default() };
        assert_eq!(clock.reading_ms(10 * S), EPOCH_MS + 9990);
    }

    #[test]
    fn the_range_sees_a_step_in_its_midst() {
        let clock = WallClock { steps: vec![step(5 * S, -2000)], ..WallClock::default() };
        assert_eq!(clock.range_ms(4 * S, 6 * S), (EPOCH_MS + 3000, EPOCH_MS + 4999));
        assert_eq!(clock.range_ms(5 * S, 6 * S), (EPOCH_MS + 3000, EPOCH_MS + 4000));
        assert_eq!(clock.range_ms(S, 2 * S), (EPOCH_MS + 1000, EPOCH_MS + 2000));
        let ahead = WallClock { steps: vec![step(5 * S, 2000)], ..WallClock::default() };
        assert_eq!(ahead.range_ms(4 * S, 5 * S), (EPOCH_MS + 4000, EPOCH_MS + 7000));
    }

    #[test]
    fn a_clock_never_shows_a_time_before_the_epoch_of_unix() {
        let clock = WallClock { offset_ms: i64::MIN, ..WallClock::default() };
        assert_eq!(clock.reading_ms(0), 0);
    }
}
