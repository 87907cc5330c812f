//! Does not compare fencing tokens: a lower one passes as if it were the highest that the key has seen; or, of
//! another kind, a request without one.

use std::collections::BTreeMap;

use mayfly_core::{Broker, Input, Now, StateMachine};
use mayfly_wire::{Hlc, Packet, Publish, PublishProperties, UserProperties};

use super::chance::Chance;
use super::exchange::command;
use super::lie::Lie;

const FENCING_TOKEN: &str = "__ft";

/// See the module.
#[derive(Debug)]
pub struct IgnoredToken {
    chance: Chance,
    /// Whether it is a missing token that passes, and not a lower one.
    forgives_missing: bool,
    /// By key.
    highest: BTreeMap<Vec<u8>, String>,
}

impl IgnoredToken {
    /// Takes the lower tokens that `chance` picks for the highest.
    pub fn new(chance: Chance) -> Self {
        Self { chance, forgives_missing: false, highest: BTreeMap::new() }
    }

    /// Takes every lower token for the highest, and does not call it a lie.
    pub(super) fn always() -> Self {
        Self::new(Chance::new(0, 1))
    }

    /// Takes the requests without a token that `chance` picks for requests with the highest.
    pub fn forgiving(chance: Chance) -> Self {
        Self { forgives_missing: true, ..Self::new(chance) }
    }

    /// The token to put in the place of the request's, if that is lower than another before.
    fn raised(&mut self, key: &[u8], token: &str) -> Option<String> {
        let highest = self.highest.entry(key.to_vec()).or_insert_with(|| token.to_owned());
        match (Hlc::parse(token), Hlc::parse(highest)) {
            (Ok(asked), Ok(known)) if asked < known => Some(highest.clone()),
            _ => {
                token.clone_into(highest);
                None
            }
        }
    }
}

impl Lie for IgnoredToken {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let Some((connection, publish, arguments)) = command(input) else { return broker.handle(now, input) };
        let mut user_properties: Vec<_> = publish.properties.user_properties.iter().collect();
        let token = user_properties.iter().find(|(name, _)| *name == FENCING_TOKEN);
        let raised = match (arguments.as_slice(), token) {
            ([b"SET" | b"DEL" | b"VDEL", key, ..], Some((_, token))) => {
                self.raised(key, token).filter(|_| !self.forgives_missing)
            }
            ([b"SET" | b"DEL" | b"VDEL", key, ..], None) if self.forgives_missing => {
                self.highest.get(*key).cloned()
            }
            _ => None,
        };
        let Some(raised) = raised.filter(|_| self.chance.strikes(&arguments)) else {
            return broker.handle(now, input);
        };
        if token.is_none() {
            user_properties.push((FENCING_TOKEN, ""));
        }
        let replace = |(name, value): (_, _)| {
            if name == FENCING_TOKEN { (name, raised.as_str()) } else { (name, value) }
        };
        let user_properties: Vec<(&str, &str)> = user_properties.into_iter().map(replace).collect();
        let properties = PublishProperties {
            user_properties: UserProperties::from_pairs(&user_properties),
            ..publish.properties
        };
        let packet = Packet::Publish(Publish { properties, ..publish });
        broker.handle(now, &Input::Packet { connection, packet });
    }
}
