//! How many connections there may be: of one listener, and of the node.
//!
//! A connection takes its place when it is accepted and gives it back when it is gone, however it goes. Up to the maximum
//! it is admitted. Some more are let in only so far that they hear why not: their CONNECT is answered with a refusal.
//! Beyond those a connection is closed as soon as it is accepted.

use std::cell::Cell;
use std::rc::Rc;

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
    admitted: Cell<usize>,
}

impl Capacity {
    pub(crate) fn new(maximum: usize) -> Rc<Self> {
        Rc::new(Self { maximum: Cell::new(maximum), places: Cell::new(0), admitted: Cell::new(0) })
    }

    /// A lower maximum ends no connection; there will be no new ones until enough are gone.
    pub(crate) fn set_maximum(&self, maximum: usize) {
        self.maximum.set(maximum);
    }

    pub(crate) fn admitted(&self) -> usize {
        self.admitted.get()
    }

    fn has_place(&self) -> bool {
        self.places.get() < self.maximum.get().saturating_add(MAX_BEING_REFUSED)
    }

    fn is_full(&self) -> bool {
        self.admitted.get() >= self.maximum.get()
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
    Admitted,
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
    pub(crate) fn admit(&mut self) {
        if self.listener.is_full() {
            self.standing = Standing::Refused(ReasonCode::QuotaExceeded);
        } else if self.node.is_full() {
            self.standing = Standing::Refused(ReasonCode::ServerBusy);
        } else {
            self.standing = Standing::Admitted;
            self.each(|capacity| capacity.admitted.set(capacity.admitted.get() + 1));
        }
    }

    /// What the CONNECT is answered with, if it is not let in.
    pub(crate) fn refusal(&self) -> Option<ReasonCode> {
        match self.standing {
            Standing::Refused(reason) => Some(reason),
            Standing::Waiting | Standing::Admitted => None,
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
        if self.standing == Standing::Admitted {
            self.each(|capacity| capacity.admitted.set(capacity.admitted.get() - 1));
        }
    }
}
