//! Pages of SCAN that lack a key, have one that was deleted, are too large, or send back to where the scan was.

use std::collections::BTreeSet;

use mayfly_core::{Action, Broker, Input, Now, Output, StateMachine};
use mayfly_wire::Delivery;

use super::chance::Chance;
use super::exchange::{Pending, command};
use super::lie::Lie;
use crate::workload;

/// What is wrong with a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flaw {
    /// It lacks a key.
    Lacks,
    /// It has a key that was deleted.
    Haunted,
    /// It has each of its many keys so often that it is larger than a page may be.
    Oversized,
    /// Its token is the one that it was asked with.
    Circular,
}

/// From how many keys on a page is spoilt by being too large.
const MANY: usize = 50;

/// How often it has each of its keys then.
const TIMES: usize = 60;

/// See the module.
#[derive(Debug)]
pub struct FalsePage {
    flaw: Flaw,
    chance: Chance,
    /// SCAN requests that wait for their page.
    pending: Pending<Option<Vec<u8>>>,
    /// Keys that somebody asked to delete, and nobody to set since.
    deleted: BTreeSet<Vec<u8>>,
    payload: Vec<u8>,
}

impl FalsePage {
    /// A lie about the pages that `chance` picks.
    pub fn new(flaw: Flaw, chance: Chance) -> Self {
        Self { flaw, chance, pending: Pending::default(), deleted: BTreeSet::new(), payload: Vec::new() }
    }

    /// Spoils a page; whether it could.
    fn spoil(
        &mut self,
        asked: Option<Vec<u8>>,
        keys: &mut Vec<Vec<u8>>,
        token: &mut Option<Vec<u8>>,
    ) -> bool {
        let page: Vec<&[u8]> = keys.iter().map(Vec::as_slice).collect();
        let can_be = match self.flaw {
            Flaw::Lacks => !keys.is_empty(),
            Flaw::Oversized => keys.len() >= MANY,
            Flaw::Circular => asked.is_some() && token.is_some(),
            Flaw::Haunted => !self.deleted.is_empty(),
        };
        if !can_be || !self.chance.strikes(&page) {
            return false;
        }
        match self.flaw {
            Flaw::Lacks => {
                let place = self.chance.pick(keys.len(), &page);
                keys.remove(place);
            }
            Flaw::Oversized => *keys = vec![keys.as_slice(); TIMES].concat(),
            Flaw::Circular => *token = asked,
            Flaw::Haunted => {
                let place = self.chance.pick(self.deleted.len(), &page);
                keys.extend(self.deleted.iter().nth(place).cloned());
            }
        }
        true
    }
}

impl Lie for FalsePage {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if let Some((_, publish, arguments)) = command(input) {
            match arguments.as_slice() {
                [b"SCAN", _, asked @ ..] => {
                    let asked = asked.first().map(|token| token.to_vec());
                    self.pending.insert(&publish, asked);
                }
                [b"DEL", key] => {
                    self.deleted.insert(key.to_vec());
                }
                [b"SET", key, ..] => {
                    self.deleted.remove(*key);
                }
                _ => {}
            }
        }
        broker.handle(now, input);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let connection = output.connection;
        let Action::Deliver(delivery) = output.action else { return output };
        let asked = self.pending.take(&delivery);
        let delivery = match (workload::page(delivery.payload), asked) {
            (Some((mut keys, mut token)), Some(asked)) => {
                if self.spoil(asked, &mut keys, &mut token) {
                    self.payload = encoded(&keys, token.as_deref());
                    Delivery { payload: &self.payload, ..delivery }
                } else {
                    delivery
                }
            }
            _ => delivery,
        };
        Output { connection, action: Action::Deliver(delivery) }
    }
}

/// A page as the store writes it.
fn encoded(keys: &[Vec<u8>], token: Option<&[u8]>) -> Vec<u8> {
    let mut payload = format!("*{}\r\n*{}\r\n", 1 + usize::from(token.is_some()), keys.len()).into_bytes();
    for blob in keys.iter().map(Vec::as_slice).chain(token) {
        payload.extend(format!("${}\r\n", blob.len()).into_bytes());
        payload.extend_from_slice(blob);
        payload.extend_from_slice(b"\r\n");
    }
    payload
}
