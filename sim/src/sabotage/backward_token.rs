//! Gives each new holder of a lock a lower fencing token than the one before, and takes any token, so that holders do not notice.

use std::collections::BTreeMap;

use mayfly_core::{Action, Broker, Input, Now, Output};
use mayfly_wire::Hlc;
use mayfly_wire::resp3::Reply;

use super::chance::Chance;
use super::exchange::{Forgery, Pending, command, version_of};
use super::ignored_token::IgnoredToken;
use super::lie::Lie;

/// A lock's key and who asks for it.
type Asked = (Vec<u8>, Vec<u8>);

/// See the module.
#[derive(Debug)]
pub struct BackwardToken {
    chance: Chance,
    ignored: IgnoredToken,
    pending: Pending<Asked>,
    /// The holder of each lock, and its token.
    holders: BTreeMap<Vec<u8>, (Vec<u8>, String)>,
    /// The wall clock of the lowest token so far.
    lowest_ms: Option<u64>,
    forgery: Forgery,
}

impl BackwardToken {
    /// A lie to the holders that `chance` picks.
    pub fn new(chance: Chance) -> Self {
        Self {
            chance,
            ignored: IgnoredToken::always(),
            pending: Pending::default(),
            holders: BTreeMap::new(),
            lowest_ms: None,
            forgery: Forgery::default(),
        }
    }

    /// The token of a holder, that it was given before or that is below all others.
    fn token(&mut self, (key, holder): Asked, version: &str) -> String {
        if let Some((last, token)) = self.holders.get(&key)
            && *last == holder
        {
            return token.clone();
        }
        let Ok(genuine) = Hlc::parse(version) else { return version.to_owned() };
        if self.lowest_ms.is_some() && !self.chance.strikes(&[&key, &holder]) {
            return version.to_owned();
        }
        let wall_clock_ms = self.lowest_ms.map_or(genuine.wall_clock_ms, |lowest_ms| lowest_ms - 1);
        self.lowest_ms = Some(wall_clock_ms);
        let token = Hlc { wall_clock_ms, ..genuine }.to_string();
        self.holders.insert(key, (holder, token.clone()));
        token
    }
}

impl Lie for BackwardToken {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if let Some((_, publish, arguments)) = command(input)
            && let [b"SET", key, holder, b"NX" | b"NEX", b"PX", _] = arguments.as_slice()
        {
            self.pending.insert(&publish, (key.to_vec(), holder.to_vec()));
        }
        self.ignored.take(broker, now, input);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let Action::Deliver(delivery) = output.action else { return output };
        let connection = output.connection;
        let asked = self.pending.take(&delivery).filter(|_| delivery.payload == b"+OK\r\n");
        let action = match (asked, version_of(&delivery)) {
            (Some(asked), Some(version)) => {
                let token = self.token(asked, &version);
                self.forgery.forge(delivery, &Reply::Ok, Some(&token))
            }
            _ => delivery,
        };
        Output { connection, action: Action::Deliver(action) }
    }
}
