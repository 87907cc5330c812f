//! Refuses some requests with an error that they did not earn, and executes nothing.

use mayfly_core::{Broker, Input, Now, Output, StateMachine};
use mayfly_wire::resp3::Reply;

use super::chance::Chance;
use super::exchange::{Forgery, Pending, answer_pending, command, get_instead};
use super::lie::Lie;

/// What a SET is refused for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pretext {
    /// A quota that is not reached, as by a broker whose account of the store only ever grows.
    Quota,
    /// A timestamp that is not too far ahead.
    Timestamp,
    /// A fencing token that is not too low; of SETs that have one.
    Token,
    /// What no SET is refused for.
    Syntax,
}

/// See the module.
#[derive(Debug)]
pub struct FalseError {
    pretext: Pretext,
    chance: Chance,
    pending: Pending<()>,
    forgery: Forgery,
}

impl FalseError {
    /// A lie that `chance` picks the moments of.
    pub fn new(pretext: Pretext, chance: Chance) -> Self {
        Self { pretext, chance, pending: Pending::default(), forgery: Forgery::default() }
    }
}

impl Pretext {
    fn text(self) -> &'static str {
        match self {
            Self::Quota => "the quota has been exceeded",
            Self::Timestamp => {
                "the request timestamp is too far in the future; ensure that the client and broker system clocks are \
                 synchronized"
            }
            Self::Token => {
                "the request fencing token is a lower version than the fencing token protecting the resource"
            }
            Self::Syntax => "syntax error",
        }
    }
}

impl Lie for FalseError {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        let refused =
            command(input).and_then(|(connection, publish, arguments)| match arguments.as_slice() {
                [b"SET", key, value, ..] => {
                    let has_token = publish.properties.user_properties.first("__ft").is_some();
                    let is_candidate = has_token || self.pretext != Pretext::Token;
                    let strikes =
                        self.pending.has(&publish) || (is_candidate && self.chance.strikes(&[key, value]));
                    strikes.then_some((connection, publish, *key))
                }
                _ => None,
            });
        let Some((connection, publish, key)) = refused else { return broker.handle(now, input) };
        self.pending.insert(&publish, ());
        get_instead(broker, now, (connection, publish), key);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        answer_pending(&self.pending, &mut self.forgery, &Reply::Error(self.pretext.text()), output)
    }
}
