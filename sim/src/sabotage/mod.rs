//! Lying brokers: wrappers around the engine's inputs and outputs that break a promise.
//!
//! They prove the checkers: a promise whose breach nobody notices is not checked. The engine has no hook for them; they
//! stand between it and the shell, as a bug in either would. A new one is a module, a line in [`Sabotage`]'s table and one
//! in [`Sabotage::wrap`].

mod dropped_set;
mod exchange;
mod kept_contents;
mod stale_get;

pub use dropped_set::DropAcknowledgedSet;
pub use kept_contents::{Afterlife, KeepContents};
pub use stale_get::StaleGet;

use std::rc::Rc;

use mayfly_core::Broker;
use rand_chacha::ChaCha8Rng;

use crate::plug_in::names;
use crate::world::Machine;

#[cfg(test)]
mod tests;

names! {
    /// How a lying broker lies.
    Sabotage {
        /// Answers some GETs with the value that the key had before.
        StaleGet = "stale-get",
        /// Acknowledges some SETs without storing anything.
        DropAcknowledgedSet = "drop-acknowledged-set",
        /// Still has its contents after a restart.
        KeepContents = "keep-contents",
    }
}

impl Sabotage {
    /// One life of the lying broker around `broker`. `afterlife` passes from one life to the next.
    pub fn wrap(self, broker: Broker, rng: ChaCha8Rng, afterlife: &Afterlife) -> Box<dyn Machine> {
        match self {
            Self::StaleGet => Box::new(StaleGet::new(broker, rng)),
            Self::DropAcknowledgedSet => Box::new(DropAcknowledgedSet::new(broker, rng)),
            Self::KeepContents => Box::new(KeepContents::new(broker, Rc::clone(afterlife))),
        }
    }

    /// Whether the lie shows only when the broker restarts.
    pub fn needs_restart(self) -> bool {
        self == Self::KeepContents
    }
}
