//! Answers some GETs with the value that the key had before: a lagging replica.

use std::collections::BTreeMap;

use mayfly_core::{Action, Broker, Input, Monotonic, Now, Output, Pressure, StateMachine, Statistics};
use mayfly_wire::resp3::Reply;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::exchange::{Forgery, Pending, command, version_of};
use crate::world::Machine;

/// One GET in so many is answered with the past, if the key has one.
const ONE_IN: u32 = 50;

/// A broker whose GETs are stale at times.
#[derive(Debug)]
pub struct StaleGet {
    broker: Broker,
    rng: ChaCha8Rng,
    pending: Pending<Request>,
    written: BTreeMap<Vec<u8>, Past>,
    forgery: Forgery,
}

#[derive(Debug)]
enum Request {
    Get { key: Vec<u8> },
    Set { key: Vec<u8>, value: Vec<u8> },
}

/// The last two writes of a key, with their versions.
#[derive(Debug, Default)]
struct Past {
    current: Option<(Vec<u8>, String)>,
    previous: Option<(Vec<u8>, String)>,
}

impl StaleGet {
    /// Wraps `broker`.
    pub fn new(broker: Broker, rng: ChaCha8Rng) -> Self {
        Self {
            broker,
            rng,
            pending: Pending::default(),
            written: BTreeMap::new(),
            forgery: Forgery::default(),
        }
    }
}

impl StateMachine for StaleGet {
    fn handle(&mut self, now: Now, input: &Input<'_>) {
        if let Some((connection, publish, arguments)) = command(input) {
            match arguments.as_slice() {
                [b"GET", key] => {
                    self.pending.insert(connection, &publish, Request::Get { key: key.to_vec() });
                }
                [b"SET", key, value, ..] => {
                    let request = Request::Set { key: key.to_vec(), value: value.to_vec() };
                    self.pending.insert(connection, &publish, request);
                }
                _ => {}
            }
        }
        self.broker.handle(now, input);
    }

    fn poll_output(&mut self) -> Option<Output<'_>> {
        let output = self.broker.poll_output()?;
        let Action::Deliver(delivery) = output.action else { return Some(output) };
        let connection = output.connection;
        let action = match self.pending.take(connection, &delivery) {
            Some(Request::Set { key, value }) if delivery.payload == b"+OK\r\n" => {
                if let Some(version) = version_of(&delivery) {
                    let past = self.written.entry(key).or_default();
                    past.previous = past.current.replace((value, version));
                }
                delivery
            }
            Some(Request::Get { key }) => {
                let previous = self.written.get(&key).and_then(|past| past.previous.as_ref());
                match previous {
                    Some((value, version)) if self.rng.random_ratio(1, ONE_IN) => {
                        self.forgery.forge(delivery, &Reply::Blob(value), version)
                    }
                    _ => delivery,
                }
            }
            _ => delivery,
        };
        Some(Output { connection, action: Action::Deliver(action) })
    }

    fn pressure(&self) -> Pressure {
        self.broker.pressure()
    }

    fn next_deadline(&self) -> Option<Monotonic> {
        self.broker.next_deadline()
    }
}

impl Machine for StaleGet {
    fn statistics(&self) -> Statistics {
        self.broker.statistics()
    }
}
