//! A number that goes up and down, and its least or greatest value over a span of time.

use std::marker::PhantomData;

/// Changes that are looked through one by one; the rest of a span is taken in blocks of so many.
const BLOCK: usize = 256;

/// Which end of the values in a span is asked for.
pub(super) trait Level {
    /// The one of two values that counts.
    fn of(a: i64, b: i64) -> i64;

    /// Whether of two changes at the same time this one comes first: in no order of them is the level beyond.
    fn comes_first(change: i64) -> bool;
}

/// The least.
pub(super) struct Lowest;

impl Level for Lowest {
    fn of(a: i64, b: i64) -> i64 {
        a.min(b)
    }

    fn comes_first(change: i64) -> bool {
        change < 0
    }
}

/// The greatest.
pub(super) struct Highest;

impl Level for Highest {
    fn of(a: i64, b: i64) -> i64 {
        a.max(b)
    }

    fn comes_first(change: i64) -> bool {
        change > 0
    }
}

/// A level over time, from 0.
pub(super) struct Levels<L> {
    times: Vec<u64>,
    /// The level before any change, and after each.
    values: Vec<i64>,
    /// The level that counts of each block of `values`.
    blocks: Vec<i64>,
    which: PhantomData<L>,
}

impl<L: Level> Levels<L> {
    /// From its changes and their times, in any order.
    pub(super) fn new(mut changes: Vec<(u64, i64)>) -> Self {
        changes.retain(|(_, change)| *change != 0);
        changes.sort_unstable_by_key(|&(at_ns, change)| (at_ns, !L::comes_first(change)));
        let mut values = Vec::with_capacity(changes.len() + 1);
        let mut level = 0;
        values.push(level);
        values.extend(changes.iter().map(|(_, change)| {
            level += change;
            level
        }));
        let blocks = values.chunks(BLOCK).filter_map(|block| block.iter().copied().reduce(L::of)).collect();
        Self {
            times: changes.into_iter().map(|(at_ns, _)| at_ns).collect(),
            values,
            blocks,
            which: PhantomData,
        }
    }

    /// The level that counts from `from_ns` to `until_ns`, both included: what was just before is a part of it, since what
    /// happened at the same time may have happened later.
    pub(super) fn over(&self, from_ns: u64, until_ns: u64) -> u64 {
        let first = self.times.partition_point(|at_ns| *at_ns < from_ns);
        let last = self.times.partition_point(|at_ns| *at_ns <= until_ns);
        let mut place = first;
        let mut counts = self.values[place];
        while place <= last {
            if place.is_multiple_of(BLOCK) && place + BLOCK <= last {
                counts = L::of(counts, self.blocks[place / BLOCK]);
                place += BLOCK;
            } else {
                counts = L::of(counts, self.values[place]);
                place += 1;
            }
        }
        u64::try_from(counts).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_before_and_after_each_change_counts() {
        let changes = || vec![(30, -2), (10, 5), (20, 1)];
        let (lowest, highest) = (Levels::<Lowest>::new(changes()), Levels::<Highest>::new(changes()));
        for (from, until, low, high) in
            [(0, 9, 0, 0), (0, 10, 0, 5), (10, 10, 0, 5), (11, 19, 5, 5), (15, 30, 4, 6), (31, 99, 4, 4)]
        {
            assert_eq!(
                (lowest.over(from, until), highest.over(from, until)),
                (low, high),
                "{from} to {until}"
            );
        }
    }

    #[test]
    fn changes_at_the_same_time_have_no_order() {
        let changes = || vec![(10, 3), (20, -1), (20, 1), (20, 2), (20, -3)];
        assert_eq!(Levels::<Lowest>::new(changes()).over(20, 20), 0, "3, then -4 in all");
        assert_eq!(Levels::<Highest>::new(changes()).over(20, 20), 6);
    }

    #[test]
    fn blocks_give_what_a_look_at_each_value_gives() {
        let changes: Vec<(u64, i64)> = (0..2000_i64)
            .map(|at| (at.unsigned_abs(), (at * 7919 % 13) - 6 + i64::from(at < 40) * 20))
            .collect();
        let (lowest, highest) =
            (Levels::<Lowest>::new(changes.clone()), Levels::<Highest>::new(changes.clone()));
        let values: Vec<i64> = std::iter::once(0)
            .chain(changes.iter().scan(0, |level, (_, change)| {
                *level += change;
                Some(*level)
            }))
            .collect();
        for (from, until) in [(0, 1999), (3, 700), (255, 1024), (256, 1023), (511, 512), (1, 1), (900, 1998)]
        {
            let span = &values[from..=until + 1];
            let expected = (span.iter().min().copied().unwrap_or(0), span.iter().max().copied().unwrap_or(0));
            let got = (lowest.over(from as u64, until as u64), highest.over(from as u64, until as u64));
            assert_eq!(
                (got.0.cast_signed(), got.1.cast_signed()),
                (expected.0.max(0), expected.1),
                "{from} to {until}"
            );
        }
    }
}
