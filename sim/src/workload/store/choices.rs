//! Which operation a client invokes next.

use std::collections::BTreeMap;

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::StoreWorkload;
use crate::history::{Call, Condition, Reply};
use crate::world::nanos;

/// Draws a client's operations.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    rng: ChaCha8Rng,
    /// Makes the written values differ from all others'.
    writer: String,
    written: u64,
    /// The value that the client last stored, by key.
    stored: BTreeMap<Vec<u8>, Vec<u8>>,
    /// The keys that it registered for by `keynotify`.
    watched: BTreeMap<Vec<u8>, bool>,
}

/// An operation, and whether its request carries a fencing token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) call: Call,
    pub(super) is_fenced: bool,
}

impl Choices {
    pub(super) fn new(rng: ChaCha8Rng, writer: String) -> Self {
        Self { rng, writer, written: 0, stored: BTreeMap::new(), watched: BTreeMap::new() }
    }

    /// The next operation; `None` where the mix is empty.
    pub(super) fn next(&mut self, workload: &StoreWorkload) -> Option<Chosen> {
        let weights = workload.mix.weights();
        let total: u64 = weights.iter().copied().map(u64::from).sum();
        if total == 0 {
            return None;
        }
        let key = format!("{}-{}", workload.prefix, self.rng.random_range(0..workload.keys)).into_bytes();
        let mut drawn = self.rng.random_range(0..total);
        let place = weights.iter().position(|&weight| {
            let is_it = drawn < u64::from(weight);
            drawn = drawn.saturating_sub(u64::from(weight));
            is_it
        });
        let fenced_key = format!("fenced-{}", self.writer).into_bytes();
        let is_fenced = place == Some(6);
        let call = match place {
            Some(1) => self.set(key, Condition::None, None),
            Some(2) => self.set_px(key, Condition::None, workload),
            Some(3) => self.set(key, Condition::Nx, None),
            Some(4) => self.set_px(key, Condition::Nx, workload),
            Some(5) => match self.stored.get(&key).cloned() {
                Some(value) => {
                    let px_ms = Some(self.px_ms(workload));
                    Call::Set { key, value, condition: Condition::Nex, px_ms }
                }
                None => self.set_px(key, Condition::Nex, workload),
            },
            Some(6) => self.set(fenced_key, Condition::None, None),
            Some(7) => Call::Del { key },
            Some(8) => match self.stored.get(&key).cloned() {
                Some(value) => Call::Vdel { key, value },
                None => Call::Vdel { key, value: self.fresh_value() },
            },
            Some(9) => {
                let is_watched = self.watched.entry(key.clone()).or_default();
                let stop = std::mem::replace(is_watched, !*is_watched);
                Call::KeyNotify { key, stop }
            }
            _ => Call::Get { key },
        };
        Some(Chosen { call, is_fenced })
    }

    /// Remembers what the client stored.
    pub(super) fn learn(&mut self, call: &Call, reply: &Reply) {
        if let (Call::Set { key, value, .. }, Reply::Stored { .. }) = (call, reply) {
            self.stored.insert(key.clone(), value.clone());
        }
    }

    /// A duration up to `most_ns`, in nanoseconds.
    pub(super) fn up_to_ns(&mut self, most_ns: u64) -> u64 {
        self.rng.random_range(0..=most_ns)
    }

    /// The pause before the next operation, in nanoseconds.
    pub(super) fn pause_ns(&mut self, workload: &StoreWorkload) -> u64 {
        nanos(self.rng.random_range(workload.pause.min..=workload.pause.max))
    }

    fn set(&mut self, key: Vec<u8>, condition: Condition, px_ms: Option<u64>) -> Call {
        Call::Set { key, value: self.fresh_value(), condition, px_ms }
    }

    fn set_px(&mut self, key: Vec<u8>, condition: Condition, workload: &StoreWorkload) -> Call {
        let px_ms = Some(self.px_ms(workload));
        self.set(key, condition, px_ms)
    }

    fn px_ms(&mut self, workload: &StoreWorkload) -> u64 {
        let ms = |duration: std::time::Duration| nanos(duration) / 1_000_000;
        self.rng.random_range(ms(workload.px.min)..=ms(workload.px.max))
    }

    fn fresh_value(&mut self) -> Vec<u8> {
        self.written += 1;
        format!("{}-{}", self.writer, self.written).into_bytes()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap fails the test and names the line")]
mod tests {
    use std::time::Duration;

    use rand::SeedableRng;

    use super::super::Mix;
    use super::*;
    use crate::history::Version;
    use crate::scenario::model::DurationRange;

    fn workload(mix: Mix) -> StoreWorkload {
        let ms = Duration::from_millis;
        StoreWorkload {
            prefix: "k".to_owned(),
            keys: 1,
            mix,
            px: DurationRange { min: ms(100), max: ms(300) },
            probe: Duration::ZERO,
            watch: false,
            pause: DurationRange { min: ms(1), max: ms(2) },
            in_flight: 1,
            dup: true,
            token_ahead_ms: 0,
        }
    }

    fn choices() -> Choices {
        Choices::new(ChaCha8Rng::seed_from_u64(1), "alice-0".to_owned())
    }

    #[test]
    fn each_weight_chooses_its_operation() {
        let weight = |place: usize| {
            let of = |this: usize| u32::from(this == place);
            Mix {
                get: of(0),
                set: of(1),
                set_px: of(2),
                set_nx: of(3),
                set_nx_px: of(4),
                renew: of(5),
                set_fenced: of(6),
                del: of(7),
                vdel: of(8),
                keynotify: of(9),
            }
        };
        let drawn: Vec<_> = (0..10).map(|place| choices().next(&workload(weight(place))).unwrap()).collect();
        let verbs: Vec<_> = drawn.iter().map(|chosen| chosen.call.verb()).collect();
        let expected =
            ["GET", "SET", "SET", "SET NX", "SET NX", "SET NEX", "SET", "DEL", "VDEL", "KEYNOTIFY"];
        assert_eq!(verbs, expected);
        let has_life = |chosen: &Chosen| matches!(chosen.call, Call::Set { px_ms: Some(100..=300), .. });
        let lives: Vec<_> = drawn.iter().map(has_life).collect();
        assert_eq!(lives, [false, false, true, false, true, true, false, false, false, false]);
        assert!(drawn[6].is_fenced && drawn[6].call.key() == b"fenced-alice-0");
        assert_eq!(choices().next(&workload(Mix::default())), None);
    }

    #[test]
    fn a_renewal_has_the_value_that_was_stored_and_all_others_are_unique() {
        let mut choices = choices();
        let set = choices.next(&workload(Mix { set: 1, ..Mix::default() })).unwrap().call;
        let version = Version { wall_clock_ms: 1, counter: 0, node_id: "s".to_owned() };
        choices.learn(&set, &Reply::Stored { version });
        let value = |call: &Call| match call {
            Call::Set { value, .. } | Call::Vdel { value, .. } => value.clone(),
            other => panic!("{other:?} has no value"),
        };
        let renewal = choices.next(&workload(Mix { renew: 1, ..Mix::default() })).unwrap().call;
        let vdel = choices.next(&workload(Mix { vdel: 1, ..Mix::default() })).unwrap().call;
        let other = choices.next(&workload(Mix { set: 1, ..Mix::default() })).unwrap().call;
        assert_eq!((value(&renewal), value(&vdel)), (value(&set), value(&set)));
        assert_ne!(value(&other), value(&set));
    }

    #[test]
    fn keynotify_registers_and_stops_in_turn() {
        let mut choices = choices();
        let stops: Vec<_> = (0..4)
            .map(|_| choices.next(&workload(Mix { keynotify: 1, ..Mix::default() })).unwrap().call)
            .map(|call| matches!(call, Call::KeyNotify { stop: true, .. }))
            .collect();
        assert_eq!(stops, [false, true, false, true]);
    }
}
