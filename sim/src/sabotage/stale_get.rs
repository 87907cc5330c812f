//! Answers some GETs with the value that the key had before: a lagging replica.

use std::collections::BTreeMap;

use mayfly_core::{Action, Broker, Input, Now, Output, StateMachine};
use mayfly_wire::resp3::Reply;

use super::chance::Chance;
use super::exchange::{Forgery, Pending, command, version_of};
use super::lie::Lie;

/// GETs are stale at times.
#[derive(Debug)]
pub struct StaleGet {
    chance: Chance,
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
    /// A lie that `chance` picks the moments of.
    pub fn new(chance: Chance) -> Self {
        Self { chance, pending: Pending::default(), written: BTreeMap::new(), forgery: Forgery::default() }
    }
}

impl Lie for StaleGet {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if let Some((_, publish, arguments)) = command(input) {
            match arguments.as_slice() {
                [b"GET", key] => {
                    self.pending.insert(&publish, Request::Get { key: key.to_vec() });
                }
                [b"SET", key, value, ..] => {
                    let request = Request::Set { key: key.to_vec(), value: value.to_vec() };
                    self.pending.insert(&publish, request);
                }
                _ => {}
            }
        }
        broker.handle(now, input);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let Action::Deliver(delivery) = output.action else { return output };
        let connection = output.connection;
        let action = match self.pending.take(&delivery) {
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
                    Some((value, version)) if self.chance.strikes(&[&key]) => {
                        self.forgery.forge(delivery, &Reply::Blob(value), Some(version))
                    }
                    _ => delivery,
                }
            }
            _ => delivery,
        };
        Output { connection, action: Action::Deliver(action) }
    }
}
