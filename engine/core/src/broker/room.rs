//! When a table that has shrunk gives back the room that it does not use.
//!
//! How much room a table has is the allocator's affair and no state: nothing that is decided depends on it.

/// A table with room for no more entries than this keeps it.
pub(super) const KEPT: usize = 64;

/// What a table is to be shrunk to, if it is to give room back: a quarter of it is in use, and as much again stays free. To
/// move one entry then, more than one was taken out, so giving back costs no more than taking out did.
pub(super) fn spare(len: usize, capacity: usize) -> Option<usize> {
    (capacity > KEPT && len <= capacity / 4).then_some((2 * len).max(KEPT / 2))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_given_back_as_a_table_runs_empty_and_seldom() {
        let (mut capacity, mut moved) = (10_000, 0);
        for len in (0..10_000).rev() {
            if let Some(room) = spare(len, capacity) {
                assert!(len <= room && room < capacity);
                (capacity, moved) = (room, moved + len);
            }
            assert!(capacity <= KEPT || len > capacity / 4, "{len} of {capacity}");
        }
        assert!(capacity <= KEPT && moved < 10_000, "{moved} moved for 10,000 taken out");
    }
}
