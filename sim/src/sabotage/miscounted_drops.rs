//! Counts only some of the messages that it drops.

use mayfly_core::Statistics;

use super::chance::{Chance, Lies};
use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct MiscountedDrops {
    chance: Chance,
}

impl MiscountedDrops {
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance }
    }
}

impl Lie for MiscountedDrops {
    fn count(&self, mut statistics: Statistics) -> Statistics {
        let mut lies = Lies::default();
        for dropped in [&mut statistics.dropped.queue_full, &mut statistics.dropped.oldest] {
            let told = dropped.div_ceil(u64::from(self.chance.one_in()));
            lies = Lies { occasions: lies.occasions + *dropped, told: lies.told + told };
            *dropped -= told;
        }
        self.chance.count(lies);
        statistics
    }
}
