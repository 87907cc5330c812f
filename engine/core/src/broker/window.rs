//! The messages in flight to one client: sent with a packet identifier, not yet acknowledged.
//!
//! Identifiers are given in order, so the window is a ring: an acknowledgement finds its message by subtraction, and
//! the order of sending is the order of resending [MQTT-4.6.0-1]. An identifier is given again only after its message
//! was acknowledged and left the window [MQTT-2.2.1-3].

use std::collections::VecDeque;

use mayfly_wire::PacketId;

use super::messages::MessageId;

/// As many identifiers as there are: 1 to 65,535.
const IDENTIFIERS: u16 = u16::MAX;

/// Messages in flight, in the order of sending.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The identifier of the first slot, less one, so that it counts from zero.
    first: u16,
    /// `None`: acknowledged before an earlier one.
    slots: VecDeque<Option<MessageId>>,
    in_flight: u16,
}

impl Window {
    /// How many messages are unacknowledged.
    pub(super) fn in_flight(&self) -> u16 {
        self.in_flight
    }

    /// Whether no identifier is free. It can happen with few messages in flight, when the oldest is never acknowledged.
    pub(super) fn is_exhausted(&self) -> bool {
        self.slots.len() == usize::from(IDENTIFIERS)
    }

    /// Gives the next identifier to a message. The window must not be exhausted.
    pub(super) fn send(&mut self, message: MessageId) -> PacketId {
        assert!(!self.is_exhausted(), "a message is only sent while an identifier is free");
        let id = identifier(self.first, self.slots.len());
        self.slots.push_back(Some(message));
        self.in_flight += 1;
        id
    }

    /// Takes out the message with this identifier; `None` if there is none in flight.
    pub(super) fn acknowledge(&mut self, id: PacketId) -> Option<MessageId> {
        let distance = self.distance(id);
        let message = self.slots.get_mut(distance)?.take()?;
        self.in_flight -= 1;
        while let Some(None) = self.slots.front() {
            self.slots.pop_front();
            self.first = (self.first + 1) % IDENTIFIERS;
        }
        Some(message)
    }

    /// The message with this identifier, if it is in flight.
    pub(super) fn find(&self, id: PacketId) -> Option<MessageId> {
        *self.slots.get(self.distance(id))?
    }

    /// What is in flight, in the order of sending.
    pub(super) fn iter(&self) -> impl Iterator<Item = (PacketId, MessageId)> + '_ {
        let with_id =
            |(offset, slot): (usize, &Option<MessageId>)| Some((identifier(self.first, offset), (*slot)?));
        self.slots.iter().enumerate().filter_map(with_id)
    }

    /// How far behind the first slot an identifier stands, going round: the order of sending.
    pub(super) fn distance(&self, id: PacketId) -> usize {
        let zero_based = id.get() - 1;
        usize::from(
            zero_based.checked_sub(self.first).unwrap_or_else(|| zero_based + (IDENTIFIERS - self.first)),
        )
    }

    /// Where the next identifier comes from; part of the state hash.
    pub(super) fn position(&self) -> (u16, usize) {
        (self.first, self.slots.len())
    }
}

fn identifier(first: u16, offset: usize) -> PacketId {
    let zero_based = (usize::from(first) + offset) % usize::from(IDENTIFIERS);
    let id = u16::try_from(zero_based + 1).expect("a remainder of 65,535, plus one, fits");
    PacketId::new(id).expect("one more than a remainder is not zero")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::broker::messages::Messages;

    fn message() -> MessageId {
        Messages::default().hold(|_| (), |_| (), |_| (), None)
    }

    fn id(id: u16) -> PacketId {
        PacketId::new(id).expect("not zero")
    }

    #[test]
    fn identifiers_wrap_and_skip_zero() {
        let mut window = Window::default();
        for round in 0..3 {
            for expected in 1..=u16::MAX {
                assert_eq!(window.send(message()), id(expected), "round {round}");
                assert!(window.acknowledge(id(expected)).is_some());
            }
        }
        assert_eq!(window.in_flight(), 0);
    }

    #[test]
    fn acknowledgements_come_in_any_order_and_once() {
        let mut window = Window::default();
        for _ in 0..3 {
            window.send(message());
        }
        assert!(window.acknowledge(id(2)).is_some());
        assert!(window.acknowledge(id(2)).is_none());
        assert!(window.acknowledge(id(4)).is_none());
        assert_eq!(window.iter().map(|(id, _)| id.get()).collect::<Vec<_>>(), [1, 3]);
        assert!(window.acknowledge(id(1)).is_some());
        assert_eq!(window.send(message()), id(4));
        assert_eq!(window.in_flight(), 2);
    }

    #[test]
    fn an_identifier_in_flight_is_never_given_again() {
        let mut window = Window::default();
        assert_eq!(window.send(message()), id(1));
        for expected in 2..=u16::MAX {
            assert_eq!(window.send(message()), id(expected));
            window.acknowledge(id(expected));
        }
        assert!(window.is_exhausted(), "identifier 1 is still in flight");
        window.acknowledge(id(1));
        assert!(!window.is_exhausted());
        assert_eq!(window.send(message()), id(1));
    }
}
