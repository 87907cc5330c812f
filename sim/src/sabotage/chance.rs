//! When a liar lies: on some of the occasions that it has.
//!
//! Whether it lies is a hash of the run's seed, of what the occasion is about and of the twentieth of a second that it falls into;
//! it does not depend on how many occasions there were before. So a lie is still told when other clients and operations are taken
//! away, as a bug is that some data and some moment bring about.

use std::cell::Cell;
use std::rc::Rc;

use mayfly_core::Now;
use xxhash_rust::xxh3::Xxh3;

/// How long what it is about decides alone, in ms. Longer than the latency of a segment differs from one to the next.
const WINDOW_MS: u64 = 50;

/// How often a liar could lie in a run, and how often it did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lies {
    /// Occasions: requests, messages, connects or whatever its lie is about.
    pub occasions: u64,
    /// Lies.
    pub told: u64,
}

/// A liar's choice, the same through all lives of the broker's process.
#[derive(Clone, Debug)]
pub struct Chance {
    seed: u64,
    one_in: u32,
    state: Rc<State>,
}

#[derive(Debug, Default)]
struct State {
    now_ms: Cell<u64>,
    lies: Cell<Lies>,
}

impl Chance {
    /// Lies on one in so many occasions, on average; at least 1.
    pub fn new(seed: u64, one_in: u32) -> Self {
        Self { seed, one_in: one_in.max(1), state: Rc::default() }
    }

    /// What time it is.
    pub(super) fn is_now(&self, now: Now) {
        self.state.now_ms.set(now.monotonic.as_nanos() / 1_000_000);
    }

    /// One in how many.
    pub(super) fn one_in(&self) -> u32 {
        self.one_in
    }

    /// Here is an occasion that is about this: whether to lie.
    pub(super) fn strikes(&self, about: &[&[u8]]) -> bool {
        let strikes = self.draw(about).is_multiple_of(u64::from(self.one_in));
        let Lies { occasions, told } = self.state.lies.get();
        self.state.lies.set(Lies { occasions: occasions + 1, told: told + u64::from(strikes) });
        strikes
    }

    /// A number below `bound`, or 0 if that is 0, for a lie about this.
    pub(super) fn pick(&self, bound: usize, about: &[&[u8]]) -> usize {
        let drawn = self.draw(about) / u64::from(self.one_in);
        usize::try_from(drawn.checked_rem(bound as u64).unwrap_or_default()).unwrap_or_default()
    }

    /// Says how often there was an occasion and a lie, for a liar that only counts falsely.
    pub(super) fn count(&self, lies: Lies) {
        self.state.lies.set(lies);
    }

    /// How often there was an occasion and a lie.
    pub fn lies(&self) -> Lies {
        self.state.lies.get()
    }

    fn draw(&self, about: &[&[u8]]) -> u64 {
        let mut hasher = Xxh3::with_seed(self.seed);
        hasher.update(&(self.state.now_ms.get() / WINDOW_MS).to_le_bytes());
        for part in about {
            hasher.update(&(part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
        hasher.digest()
    }
}

#[cfg(test)]
mod tests {
    use mayfly_core::{Monotonic, WallClock};

    use super::*;

    fn at(chance: &Chance, ms: u64) {
        let monotonic = Monotonic::from_nanos(ms * 1_000_000);
        chance.is_now(Now { monotonic, wall: WallClock::from_millis(ms) });
    }

    #[test]
    fn it_strikes_as_often_as_it_says_whatever_came_before() {
        let chance = Chance::new(7, 20);
        let strikes = |name: u32| chance.strikes(&[b"SET", &name.to_le_bytes()]);
        let struck: Vec<u32> = (0..10_000).filter(|name| strikes(*name)).collect();
        assert!((400..600).contains(&struck.len()), "{}", struck.len());
        assert_eq!(chance.lies(), Lies { occasions: 10_000, told: struck.len() as u64 });
        let backwards: Vec<u32> = (0..10_000).rev().filter(|name| strikes(*name)).collect();
        assert!(struck.iter().rev().eq(&backwards));
        let other = Chance::new(8, 20);
        assert!(!struck.iter().all(|name| other.strikes(&[b"SET", &name.to_le_bytes()])));
    }

    #[test]
    fn what_comes_again_is_judged_anew_in_the_next_window() {
        let chance = Chance::new(7, 4);
        let struck = |ms: u64| {
            at(&chance, ms);
            chance.strikes(&[b"GET", b"k"])
        };
        assert!((0..1000).all(|window| struck(50 * window) == struck(50 * window + 49)));
        let windows = (0..1000).filter(|window| struck(50 * window)).count();
        assert!((200..300).contains(&windows), "{windows}");
    }

    #[test]
    fn one_in_one_is_always_and_a_pick_is_below_its_bound() {
        let chance = Chance::new(7, 1);
        assert!((0..100u32).all(|name| chance.strikes(&[&name.to_le_bytes()])));
        let picked: std::collections::BTreeSet<_> =
            (0..100u32).map(|name| chance.pick(5, &[&name.to_le_bytes()])).collect();
        assert!(picked.into_iter().eq(0..5));
        assert_eq!(chance.pick(0, &[]), 0);
    }
}
