//! Keeps its keys across a restart, as if it had a disk. Sessions it forgets as it should, so that the keys alone give
//! it away, unless it is to keep them as well.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::rc::Rc;

use mayfly_core::{Broker, ConnectionId, Input, Monotonic, Now, Output, Pressure, StateMachine, Statistics};
use mayfly_wire::Connect;

use super::chance::Chance;
use crate::world::Machine;

/// Where the broker waits between two lives of its process.
pub type Afterlife = Rc<RefCell<Option<Broker>>>;

/// A broker that outlives its process.
#[derive(Debug)]
pub struct KeepContents {
    /// Always there, until this life ends.
    broker: Option<Broker>,
    afterlife: Afterlife,
    keeps_sessions: bool,
    /// The clients that have connected in this life.
    returned: BTreeSet<String>,
}

impl KeepContents {
    /// One life: the broker from `afterlife` if there was a life before and `chance` says so, else `fresh`.
    pub fn new(fresh: Broker, afterlife: Afterlife, chance: &Chance) -> Self {
        let kept = afterlife.borrow_mut().take().filter(|_| chance.strikes(&[]));
        let broker = kept.unwrap_or(fresh);
        Self { broker: Some(broker), afterlife, keeps_sessions: false, returned: BTreeSet::new() }
    }

    /// The same, and it keeps the sessions too.
    pub fn with_sessions(fresh: Broker, afterlife: Afterlife, chance: &Chance) -> Self {
        let mut kept = Self::new(fresh, afterlife, chance);
        kept.keeps_sessions = true;
        kept
    }

    fn broker(&mut self) -> &mut Broker {
        self.broker.as_mut().expect("the broker leaves with the end of its life")
    }
}

impl Drop for KeepContents {
    fn drop(&mut self) {
        *self.afterlife.borrow_mut() = self.broker.take();
    }
}

impl StateMachine for KeepContents {
    fn handle(&mut self, now: Now, input: &Input<'_>) {
        let first_connect = match input {
            Input::Opened { connection, identity, entropy, connect }
                if !self.keeps_sessions && self.returned.insert(connect.client_id.to_owned()) =>
            {
                let connect = Connect { clean_start: true, ..*connect };
                Some(Input::Opened {
                    connection: *connection,
                    identity: *identity,
                    entropy: *entropy,
                    connect,
                })
            }
            _ => None,
        };
        self.broker().handle(now, first_connect.as_ref().unwrap_or(input));
    }

    fn poll_output(&mut self) -> Option<Output<'_>> {
        self.broker().poll_output()
    }

    fn pressure(&self) -> Pressure {
        self.broker.as_ref().map_or(Pressure::None, Broker::pressure)
    }

    fn connection_of(&self, client_id: &str) -> Option<ConnectionId> {
        self.broker.as_ref().and_then(|broker| broker.connection_of(client_id))
    }

    fn next_deadline(&self) -> Option<Monotonic> {
        self.broker.as_ref().and_then(Broker::next_deadline)
    }
}

impl Machine for KeepContents {
    fn statistics(&self) -> Statistics {
        self.broker.as_ref().map(Broker::statistics).unwrap_or_default()
    }
}
