//! Which runs a sweep does, and in which order.

use std::time::Duration;

use mayfly_reports::sweep::Shard;

/// How much is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// So many runs, of all parts together.
    Runs(u64),
    /// As many as begin within a wall time.
    Time(Duration),
}

/// Where the seeds come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Seeds {
    /// Each scenario's own.
    Own,
    /// Counted from this one on.
    From(u64),
}

/// The runs of a sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// How many scenarios there are.
    pub(super) scenarios: u64,
    pub(super) seeds: Seeds,
    pub(super) extent: Extent,
    pub(super) shard: Shard,
}

/// One run to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Job {
    /// Which scenario.
    pub(super) scenario: usize,
    /// Its seed; `None` for the scenario's own.
    pub(super) seed: Option<u64>,
}

impl Plan {
    /// The runs in their order: every scenario with the first seed, then every scenario with the next one. So a sweep that ends
    /// early has tried all scenarios alike.
    pub(super) fn jobs(self) -> impl Iterator<Item = Job> + Send {
        let end = match self.extent {
            Extent::Runs(runs) => runs,
            Extent::Time(_) => u64::MAX,
        };
        let numbers = if self.scenarios == 0 { 0..0 } else { 0..end };
        numbers.filter(move |number| self.is_of_this_part(*number)).map(move |number| {
            let (round, scenario) = (number / self.scenarios, number % self.scenarios);
            let seed = match self.seeds {
                Seeds::Own => None,
                Seeds::From(first) => Some(first.wrapping_add(round)),
            };
            Job { scenario: usize::try_from(scenario).unwrap_or(usize::MAX), seed }
        })
    }

    /// How many runs there are; none are counted where time is what ends them.
    pub(super) fn count(self) -> u64 {
        match self.extent {
            Extent::Runs(_) => self.jobs().count() as u64,
            Extent::Time(_) => 0,
        }
    }

    /// Diagonally, so that each part gets its share of every scenario and of every seed.
    fn is_of_this_part(self, number: u64) -> bool {
        let diagonal = (number / self.scenarios).wrapping_add(number % self.scenarios);
        diagonal % self.shard.parts == self.shard.part - 1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(scenarios: u64, runs: u64, shard: Shard) -> Plan {
        Plan { scenarios, seeds: Seeds::From(5), extent: Extent::Runs(runs), shard }
    }

    fn pairs(plan: Plan) -> Vec<(usize, Option<u64>)> {
        plan.jobs().map(|job| (job.scenario, job.seed)).collect()
    }

    #[test]
    fn every_scenario_has_its_turn_with_each_seed() {
        let expected = [(0, Some(5)), (1, Some(5)), (2, Some(5)), (0, Some(6)), (1, Some(6))];
        assert_eq!(pairs(plan(3, 5, Shard::default())), expected);
    }

    #[test]
    fn without_a_count_the_scenarios_own_seeds_are_taken() {
        let own = Plan { seeds: Seeds::Own, ..plan(2, 2, Shard::default()) };
        assert_eq!(pairs(own), [(0, None), (1, None)]);
    }

    #[test]
    fn the_parts_together_do_every_run_once_and_each_some_of_every_scenario() {
        for (scenarios, parts) in [(19, 8), (8, 8), (3, 4), (1, 3)] {
            let part = |part| pairs(plan(scenarios, scenarios * 40, Shard { part, parts }));
            let mut together: Vec<_> = (1..=parts).flat_map(part).collect();
            together.sort_unstable();
            let mut all = pairs(plan(scenarios, scenarios * 40, Shard::default()));
            all.sort_unstable();
            assert_eq!(together, all);
            let first = part(1);
            assert!((0..scenarios as usize).all(|scenario| first.iter().any(|run| run.0 == scenario)));
        }
    }

    #[test]
    fn no_scenario_is_no_run_and_the_last_seed_is_followed_by_the_first() {
        assert_eq!(pairs(plan(0, 7, Shard::default())), []);
        let last = Plan { seeds: Seeds::From(u64::MAX), ..plan(1, 2, Shard::default()) };
        assert_eq!(pairs(last), [(0, Some(u64::MAX)), (0, Some(0))]);
    }
}
