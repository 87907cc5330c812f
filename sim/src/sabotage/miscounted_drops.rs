//! Counts every other message that it drops.

use mayfly_core::Statistics;

use super::lie::Lie;

/// See the module.
#[derive(Debug)]
pub struct MiscountedDrops;

impl Lie for MiscountedDrops {
    fn count(&self, mut statistics: Statistics) -> Statistics {
        statistics.dropped.queue_full /= 2;
        statistics.dropped.oldest /= 2;
        statistics
    }
}
