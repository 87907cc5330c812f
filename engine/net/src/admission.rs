//! How many connections there may be: of one listener, and of the node.
//!
//! A connection takes its place when it is accepted and gives it back when it is gone, however it goes. Up to the maximum
//! it is admitted. Some more are let in only so far that they hear why not: their CONNECT is answered with a refusal.
//! Beyond those a connection is closed as soon as it is accepted.
//!
//! A CONNECT that takes over a connection which counts towards the maximum that is reached needs no further place: the one
//! that goes hands its own on. So a client that lost its network comes back to a full server before that has noticed.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use foldhash::fast::FixedState;
use indexmap::IndexSet;
use mayfly_core::ConnectionId;
use mayfly_wire::ReasonCode;

/// So many connections beyond a maximum, those in their handshake included, are let in to be refused in words.
pub const MAX_BEING_REFUSED: usize = 128;

/// A maximum, and what is taken of it.
#[derive(Debug)]
pub(crate) struct Capacity {
    maximum: Cell<usize>,
    /// Connections from their accept to their end.
    places: Cell<usize>,
    /// Those of them that were admitted after their handshake.
    admitted: RefCell<IndexSet<ConnectionId, FixedState>>,
}

impl Capacity {
    pub(crate) fn new(maximum: usize) -> Rc<Self> {
        Rc::new(Self { maximum: Cell::new(maximum), places: Cell::new(0), admitted: RefCell::default() })
    }

    /// A lower maximum ends no connection; there will be no new ones until enough are gone.
    pub(crate) fn set_maximum(&self, maximum: usize) {
        self.maximum.set(maximum);
    }

    pub(crate) fn admitted(&self) -> usize {
        self.admitted.borrow().len()
    }

    fn has_place(&self) -> bool {
        self.places.get() < self.maximum.get().saturating_add(MAX_BEING_REFUSED)
    }

    fn is_full(&self) -> bool {
        self.admitted() >= self.maximum.get()
    }

    fn has_admitted(&self, id: ConnectionId) -> bool {
        self.admitted.borrow().contains(&id)
    }
}

/// A connection's place. Dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Place {
    listener: Rc<Capacity>,
    node: Rc<Capacity>,
    standing: Standing,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Waiting,
    /// Or was, and handed that on.
    Admitted(ConnectionId),
    Refused(ReasonCode),
}

impl Place {
    /// A place for a connection that was accepted, if there is one.
    pub(crate) fn take(listener: &Rc<Capacity>, node: &Rc<Capacity>) -> Option<Self> {
        if !listener.has_place() || !node.has_place() {
            return None;
        }
        let place =
            Self { listener: Rc::clone(listener), node: Rc::clone(node), standing: Standing::Waiting };
        place.each(|capacity| capacity.places.set(capacity.places.get() + 1));
        Some(place)
    }

    /// Decides, after the handshake, whether the connection is let in: 0x97 where its listener is full, which an
    /// administrator wanted, and 0x89 where the node is.
    pub(crate) fn admit(&mut self, id: ConnectionId) {
        if self.listener.is_full() {
            self.standing = Standing::Refused(ReasonCode::QuotaExceeded);
        } else if self.node.is_full() {
            self.standing = Standing::Refused(ReasonCode::ServerBusy);
        } else {
            self.let_in(id);
        }
    }

    fn let_in(&mut self, id: ConnectionId) {
        self.standing = Standing::Admitted(id);
        self.each(|capacity| {
            capacity.admitted.borrow_mut().insert(id);
        });
    }

    /// Why the CONNECT on it is not taken, if it is not. `taken_over` is the connection that it would end.
    pub(crate) fn refusal(&self, taken_over: Option<ConnectionId>) -> Option<ReasonCode> {
        let Standing::Refused(reason) = self.standing else { return None };
        let leaves_its_place = |old| {
            let leaves = |capacity: &Capacity| !capacity.is_full() || capacity.has_admitted(old);
            leaves(&self.listener) && leaves(&self.node)
        };
        (!taken_over.is_some_and(leaves_its_place)).then_some(reason)
    }

    /// Lets a connection in that has ended another, which [leaves its place](Self::refusal) to it.
    pub(crate) fn succeed(&mut self, id: ConnectionId, old: ConnectionId) {
        if let Standing::Refused(_) = self.standing {
            self.each(|capacity| {
                capacity.admitted.borrow_mut().swap_remove(&old);
            });
            self.let_in(id);
        }
    }

    fn each(&self, change: impl Fn(&Capacity)) {
        change(&self.listener);
        change(&self.node);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.each(|capacity| capacity.places.set(capacity.places.get() - 1));
        if let Standing::Admitted(id) = self.standing {
            self.each(|capacity| {
                capacity.admitted.borrow_mut().swap_remove(&id);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    fn id(sequence: u64) -> ConnectionId {
        ConnectionId { node: 1, sequence }
    }

    fn admitted(sequence: u64, listener: &Rc<Capacity>, node: &Rc<Capacity>) -> Place {
        let mut place = Place::take(listener, node).unwrap();
        place.admit(id(sequence));
        place
    }

    #[test]
    fn a_connection_hands_on_its_place_where_it_counts_towards_the_maximum_that_is_reached() {
        let (narrow, wide, node) = (Capacity::new(1), Capacity::new(9), Capacity::new(2));
        let old = [admitted(1, &narrow, &node), admitted(2, &wide, &node)];
        assert_eq!(old.each_ref().map(|place| place.refusal(None)), [None, None]);
        let to_narrow = admitted(3, &narrow, &node);
        assert_eq!(
            to_narrow.refusal(Some(id(2))),
            Some(ReasonCode::QuotaExceeded),
            "it leaves no place here"
        );
        assert_eq!(to_narrow.refusal(Some(id(7))), Some(ReasonCode::QuotaExceeded), "it is gone");
        let mut to_wide = admitted(4, &wide, &node);
        assert_eq!(to_wide.refusal(None), Some(ReasonCode::ServerBusy));
        assert_eq!(to_wide.refusal(Some(id(1))), None);
        to_wide.succeed(id(4), id(1));
        assert_eq!([&narrow, &wide, &node].map(|capacity| capacity.admitted()), [1, 2, 2]);
        assert_eq!(to_wide.refusal(None), None);
        drop(old);
        assert_eq!([&narrow, &wide, &node].map(|capacity| capacity.admitted()), [0, 1, 1]);
        drop((to_narrow, to_wide));
        assert_eq!(
            [&narrow, &wide, &node].map(|capacity| (capacity.admitted(), capacity.places.get())),
            [(0, 0); 3]
        );
    }
}
