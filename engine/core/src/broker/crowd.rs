//! The entries under one filter when there are many, in the order of their owners.
//!
//! They lie in pieces of bounded length: one that comes or goes moves only what lies in its piece, and a reader still meets
//! them in long runs.

use super::filter_index::{Entry, position};

/// The entries of a full piece.
pub(super) const PIECE: usize = 512;

/// Entries in the order of their owners.
#[derive(Debug)]
pub(super) struct Crowd<E> {
    /// At least one, none of them longer than [`PIECE`]; none is empty but the only one.
    pieces: Vec<Vec<E>>,
}

impl<E: Entry> Crowd<E> {
    /// Takes over entries that stand in order. There must be some.
    pub(super) fn new(entries: &[E]) -> Self {
        assert!(!entries.is_empty(), "nobody is no crowd");
        Self { pieces: entries.chunks(PIECE).map(<[E]>::to_vec).collect() }
    }

    /// All entries, in runs that stand in order.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &[E]> {
        self.pieces.iter().map(Vec::as_slice)
    }

    /// The only piece, if there is one only.
    pub(super) fn only_piece(&self) -> Option<&[E]> {
        if let [piece] = &*self.pieces { Some(piece) } else { None }
    }

    pub(super) fn get(&self, owner: E::Owner) -> Option<&E> {
        let piece = &self.pieces[self.piece_of(owner)];
        position(piece, owner).ok().map(|place| &piece[place])
    }

    /// Adds an entry, or replaces its owner's earlier one.
    pub(super) fn put(&mut self, entry: E) {
        let index = self.piece_of(entry.owner());
        let piece = &mut self.pieces[index];
        let place = match position(piece, entry.owner()) {
            Ok(present) => {
                piece[present] = entry;
                return;
            }
            Err(place) => place,
        };
        if piece.len() < PIECE {
            piece.insert(place, entry);
        } else if place == PIECE {
            // Behind all: owners mostly come in order, and then full pieces stay full.
            self.pieces.insert(index + 1, vec![entry]);
        } else {
            let mut behind = piece.split_off(PIECE / 2);
            let (half, place) =
                if place <= PIECE / 2 { (&mut *piece, place) } else { (&mut behind, place - PIECE / 2) };
            half.insert(place, entry);
            piece.shrink_to(PIECE / 2 + 1);
            self.pieces.insert(index + 1, behind);
        }
    }

    /// Takes out an owner's entry.
    pub(super) fn take(&mut self, owner: E::Owner) {
        let index = self.piece_of(owner);
        let Ok(place) = position(&self.pieces[index], owner) else { return };
        self.pieces[index].remove(place);
        // Small neighbours become one.
        for index in [index, index.saturating_sub(1)] {
            if let [piece, next, ..] = &self.pieces[index..]
                && (piece.is_empty() || piece.len() + next.len() <= PIECE / 2)
            {
                let next = self.pieces.remove(index + 1);
                self.pieces[index].extend(next);
            }
        }
        if self.pieces.len() > 1 && self.pieces.last().is_some_and(Vec::is_empty) {
            self.pieces.pop();
        }
    }

    /// Where an owner's entry stands or belongs: the first piece that does not end before it, or the last one.
    fn piece_of(&self, owner: E::Owner) -> usize {
        let is_before = |piece: &Vec<E>| piece.last().is_some_and(|last| last.owner() < owner);
        self.pieces.partition_point(is_before).min(self.pieces.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// An entry with an owner and whatever else it says.
    impl Entry for (u32, u8) {
        type Owner = u32;

        fn owner(&self) -> u32 {
            self.0
        }
    }

    #[derive(Clone, Debug)]
    enum Change {
        /// Each owner from the first on, with this stride.
        Put {
            first: u32,
            stride: u32,
            count: u32,
            says: u8,
        },
        Take {
            first: u32,
            stride: u32,
            count: u32,
        },
    }

    fn any_change() -> impl Strategy<Value = Change> {
        (0_u32..3000, 1_u32..5, 1_u32..1500, any::<u8>(), any::<bool>()).prop_map(
            |(first, stride, count, says, puts)| {
                if puts {
                    Change::Put { first, stride, count, says }
                } else {
                    Change::Take { first, stride, count }
                }
            },
        )
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 50, ..ProptestConfig::default() })]

        /// A crowd holds what an ordered map does, in pieces that are neither too long nor too many.
        #[test]
        fn agrees_with_an_ordered_map(changes in prop::collection::vec(any_change(), 1..12)) {
            let mut crowd = Crowd::new(&[(7, 0)]);
            let mut map = BTreeMap::from([(7, 0)]);
            for change in changes {
                match change {
                    Change::Put { first, stride, count, says } => {
                        for owner in (first..).step_by(stride as usize).take(count as usize) {
                            crowd.put((owner, says));
                            map.insert(owner, says);
                        }
                    }
                    Change::Take { first, stride, count } => {
                        for owner in (first..).step_by(stride as usize).take(count as usize).collect::<Vec<_>>().into_iter().rev() {
                            crowd.take(owner);
                            map.remove(&owner);
                        }
                    }
                }
                let held: Vec<_> = crowd.pieces().flatten().copied().collect();
                let expected: Vec<_> = map.iter().map(|(owner, says)| (*owner, *says)).collect();
                prop_assert_eq!(held, expected);
                for owner in (0..9000).step_by(61) {
                    prop_assert_eq!(crowd.get(owner).map(|entry| entry.1), map.get(&owner).copied());
                }
                prop_assert!(crowd.pieces.iter().all(|piece| piece.len() <= PIECE));
                prop_assert!(crowd.pieces.len() == 1 || crowd.pieces().all(|piece| !piece.is_empty()));
                prop_assert!(crowd.pieces.len() <= 2 + 4 * map.len() / PIECE, "{} for {}", crowd.pieces.len(), map.len());
            }
        }
    }
}
