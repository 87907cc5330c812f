//! The messages in flight to one client: sent with a Packet Identifier, their exchange not yet complete.
//!
//! Identifiers are given in ascending order and going round, so the order of sending is the order of identifiers, seen
//! from the oldest. It is the order of sending again [MQTT-4.6.0-1], and an acknowledgement finds its message by it. An
//! identifier is given again only when its exchange is complete [MQTT-2.2.1-3], whatever connection that takes: a client
//! that still has a QoS 2 identifier would take another message under it for the same one.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};

use mayfly_wire::{PacketId, QoS};

use super::messages::{MessageId, Messages};
use super::room;

/// As many identifiers as there are: 1 to 65,535.
const IDENTIFIERS: u16 = u16::MAX;

/// How far the exchange of one message has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Sent; PUBACK (QoS 1) or PUBREC (QoS 2) is to come.
    Published { message: MessageId, qos: QoS },
    /// Received by the client, and so forgotten here but for its identifier; PUBCOMP is to come. QoS 2 only.
    Released,
}

#[derive(Clone, Copy, Debug)]
struct InFlight {
    id: PacketId,
    stage: Stage,
}

/// Messages in flight, in the order of sending.
#[derive(Debug, Default)]
pub(super) struct Window {
    /// The identifier of the next message, less one, so that it counts from zero.
    next: u16,
    in_flight: VecDeque<InFlight>,
}

impl Window {
    /// How many exchanges are not complete.
    pub(super) fn len(&self) -> usize {
        self.in_flight.len()
    }

    /// Whether no identifier is free. It can happen with few messages in flight, when the oldest is never acknowledged.
    pub(super) fn is_exhausted(&self) -> bool {
        self.in_flight.front().is_some_and(|oldest| zero_based(oldest.id) == self.next)
    }

    /// Gives the next identifier to a message of QoS 1 or 2. The window must not be exhausted.
    pub(super) fn send(&mut self, message: MessageId, qos: QoS) -> PacketId {
        assert!(!self.is_exhausted(), "a message is only sent while an identifier is free");
        let id = PacketId::new(self.next + 1).expect("one more than a number is not zero");
        self.next = (self.next + 1) % IDENTIFIERS;
        self.in_flight.push_back(InFlight { id, stage: Stage::Published { message, qos } });
        id
    }

    /// Where a message stands in the order of sending, if one is in flight under this identifier.
    pub(super) fn position(&self, id: PacketId) -> Option<usize> {
        let oldest = self.in_flight.front()?.id;
        let distance = |id| {
            let (id, oldest) = (zero_based(id), zero_based(oldest));
            id.checked_sub(oldest).unwrap_or_else(|| id + (IDENTIFIERS - oldest))
        };
        // Clients acknowledge in order [MQTT-4.6.0-2], so it is nearly always the oldest.
        if id == oldest {
            return Some(0);
        }
        self.in_flight.binary_search_by_key(&distance(id), |in_flight| distance(in_flight.id)).ok()
    }

    /// The message at a position in the order of sending.
    pub(super) fn get(&self, position: usize) -> Option<(PacketId, Stage)> {
        self.in_flight.get(position).map(|in_flight| (in_flight.id, in_flight.stage))
    }

    /// Notes that the client has the message at this position for certain and is sent PUBREL. The identifier stays in use.
    /// Returns false if that was noted before.
    pub(super) fn release(&mut self, position: usize) -> bool {
        std::mem::replace(&mut self.in_flight[position].stage, Stage::Released) != Stage::Released
    }

    /// Notes that the exchange at this position is complete.
    pub(super) fn complete(&mut self, position: usize) {
        self.in_flight.remove(position);
        if let Some(room) = room::spare(self.in_flight.len(), self.in_flight.capacity()) {
            self.in_flight.shrink_to(room);
        }
    }

    /// The identifiers that the client has to release, in the order of sending.
    pub(super) fn released(&self) -> impl Iterator<Item = PacketId> + '_ {
        self.in_flight
            .iter()
            .filter(|in_flight| in_flight.stage == Stage::Released)
            .map(|in_flight| in_flight.id)
    }

    /// The messages that are held for the client.
    pub(super) fn messages(&self) -> impl Iterator<Item = (MessageId, QoS)> + '_ {
        self.in_flight.iter().filter_map(|in_flight| match in_flight.stage {
            Stage::Published { message, qos } => Some((message, qos)),
            Stage::Released => None,
        })
    }

    /// Feeds everything that later outputs depend on.
    pub(super) fn hash_state<H: Hasher>(&self, messages: &Messages, state: &mut H) {
        (self.next, self.in_flight.len()).hash(state);
        for in_flight in &self.in_flight {
            in_flight.id.hash(state);
            match in_flight.stage {
                Stage::Published { message, qos } => {
                    qos.hash(state);
                    messages.hash_content(message, state);
                }
                Stage::Released => QoS::AtMostOnce.hash(state),
            }
        }
    }
}

fn zero_based(id: PacketId) -> u16 {
    id.get() - 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(window: &mut Window) -> PacketId {
        let message = Messages::default().hold(|_| (), |_| (), |_| (), None);
        window.send(message, QoS::AtLeastOnce)
    }

    fn complete(window: &mut Window, id: PacketId) -> bool {
        let position = window.position(id);
        position.inspect(|position| window.complete(*position)).is_some()
    }

    fn id(id: u16) -> PacketId {
        PacketId::new(id).expect("not zero")
    }

    fn ids(window: &Window) -> Vec<u16> {
        window.in_flight.iter().map(|in_flight| in_flight.id.get()).collect()
    }

    #[test]
    fn identifiers_wrap_and_skip_zero() {
        let mut window = Window::default();
        for round in 0..3 {
            for expected in 1..=u16::MAX {
                assert_eq!(send(&mut window), id(expected), "round {round}");
                assert!(complete(&mut window, id(expected)));
            }
        }
        assert_eq!(window.len(), 0);
    }

    #[test]
    fn acknowledgements_come_in_any_order_and_once() {
        let mut window = Window::default();
        for _ in 0..3 {
            send(&mut window);
        }
        assert!(complete(&mut window, id(2)));
        assert!(!complete(&mut window, id(2)));
        assert!(!complete(&mut window, id(4)));
        assert_eq!(ids(&window), [1, 3]);
        assert!(complete(&mut window, id(1)));
        assert_eq!(send(&mut window), id(4));
        assert_eq!(ids(&window), [3, 4]);
    }

    #[test]
    fn positions_are_found_beyond_the_last_identifier() {
        let mut window = Window { next: IDENTIFIERS - 2, ..Window::default() };
        let sent: Vec<_> = (0..4).map(|_| send(&mut window).get()).collect();
        assert_eq!(sent, [65_534, 65_535, 1, 2]);
        assert_eq!(ids(&window), sent);
        assert_eq!([65_534, 65_535, 1, 2].map(|number| window.position(id(number))), [0, 1, 2, 3].map(Some));
        assert_eq!([65_533, 3].map(|number| window.position(id(number))), [None, None]);
    }

    #[test]
    fn an_identifier_in_flight_is_never_given_again() {
        let mut window = Window::default();
        assert_eq!(send(&mut window), id(1));
        window.release(0);
        for expected in 2..=u16::MAX {
            assert_eq!(send(&mut window), id(expected));
            complete(&mut window, id(expected));
        }
        assert!(window.is_exhausted(), "identifier 1 is still in flight");
        complete(&mut window, id(1));
        assert!(!window.is_exhausted());
        assert_eq!(send(&mut window), id(1));
    }

    #[test]
    fn a_window_that_has_shrunk_is_small_again() {
        let mut window = Window::default();
        let sent: Vec<_> = (0..1000).map(|_| send(&mut window)).collect();
        assert!(sent[..999].iter().all(|id| complete(&mut window, *id)));
        assert!(window.in_flight.capacity() <= room::KEPT);
        assert!(complete(&mut window, sent[999]));
    }
}
