//! The QoS 2 messages from one client that were routed and are not yet released by PUBREL.
//!
//! A message is routed when its PUBLISH arrives, and its Packet Identifier is kept until PUBREL: the standard's method B
//! [MQTT 5, section 4.3.3]. While it is kept, a PUBLISH under the same identifier is the same message sent again
//! [MQTT-4.3.3-10]. The identifiers are part of the session and outlive its connection.

use std::collections::VecDeque;

use mayfly_wire::PacketId;

use super::room;

/// Packet Identifiers, each a message that may arrive again.
#[derive(Debug, Default, Hash)]
pub(super) struct Unreleased {
    /// In ascending order. Clients count up and release in order, so both ends are where things happen.
    ids: VecDeque<PacketId>,
}

impl Unreleased {
    /// How many there are: at most one for each identifier, 65,535.
    pub(super) fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether a message with this identifier was taken and not yet released.
    pub(super) fn contains(&self, id: PacketId) -> bool {
        self.ids.binary_search(&id).is_ok()
    }

    /// Notes that a message was taken; false if its identifier was there already.
    pub(super) fn insert(&mut self, id: PacketId) -> bool {
        let Err(position) = self.ids.binary_search(&id) else { return false };
        self.ids.insert(position, id);
        true
    }

    /// Notes that the client will not send this message again; false if there was none.
    pub(super) fn release(&mut self, id: PacketId) -> bool {
        let Ok(position) = self.ids.binary_search(&id) else { return false };
        self.ids.remove(position);
        if let Some(room) = room::spare(self.ids.len(), self.ids.capacity()) {
            self.ids.shrink_to(room);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(id: u16) -> PacketId {
        PacketId::new(id).expect("not zero")
    }

    #[test]
    fn identifiers_are_kept_once_and_released_in_any_order() {
        let mut unreleased = Unreleased::default();
        for taken in [65_535, 1, 7, 7, 3] {
            unreleased.insert(id(taken));
        }
        assert_eq!(unreleased.ids, [1, 3, 7, 65_535].map(id));
        assert!(unreleased.release(id(7)));
        assert!(!unreleased.release(id(7)) && !unreleased.contains(id(7)));
        assert!(unreleased.contains(id(3)) && unreleased.contains(id(65_535)));
        assert_eq!(unreleased.len(), 3);
    }

    #[test]
    fn a_set_that_has_shrunk_is_small_again() {
        let mut unreleased = Unreleased::default();
        (1..=1000).for_each(|taken| assert!(unreleased.insert(id(taken))));
        (1..1000).for_each(|taken| assert!(unreleased.release(id(taken))));
        assert!(unreleased.ids.capacity() <= room::KEPT);
        assert!(unreleased.contains(id(1000)));
    }
}
