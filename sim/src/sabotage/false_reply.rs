//! Replies of the store that say something else than what it did.

use mayfly_core::{Action, Broker, Input, Now, Output, StateMachine};
use mayfly_wire::Hlc;
use mayfly_wire::resp3::Reply;

use super::chance::Chance;
use super::exchange::{Forgery, Pending, command, version_of};
use super::lie::Lie;

/// How far back a version is set, in ms.
const BACK_MS: u64 = 2000;

/// What is false about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Falsehood {
    /// A SET gets the version of the SET before.
    RepeatedVersion,
    /// A SET gets a version two seconds below its own.
    EarlierVersion,
    /// A GET gets a value that nobody wrote, with the version of the one that is there.
    OtherValue,
    /// A GET gets a value that nobody wrote, with a version that nobody was given.
    InventedValue,
    /// A DEL that deleted a key is answered that there was none.
    DeniedDeletion,
}

/// See the module.
#[derive(Debug)]
pub struct FalseReply {
    falsehood: Falsehood,
    chance: Chance,
    /// Requests that wait for a reply that may be false.
    pending: Pending<Vec<u8>>,
    /// What the last SET was told.
    last: Option<String>,
    invented: u64,
    forgery: Forgery,
}

impl FalseReply {
    /// A lie about the replies that `chance` picks.
    pub fn new(falsehood: Falsehood, chance: Chance) -> Self {
        let (pending, forgery) = (Pending::default(), Forgery::default());
        Self { falsehood, chance, pending, last: None, invented: 0, forgery }
    }

    /// What a request whose reply may be false is about.
    fn about(&self, arguments: &[&[u8]]) -> Option<Vec<u8>> {
        match (self.falsehood, arguments) {
            (Falsehood::RepeatedVersion | Falsehood::EarlierVersion, [b"SET", key, value, ..]) => {
                Some([*key, *value].join(&b' '))
            }
            (Falsehood::OtherValue | Falsehood::InventedValue, [b"GET", key])
            | (Falsehood::DeniedDeletion, [b"DEL", key]) => Some(key.to_vec()),
            _ => None,
        }
    }

    /// The version that a reply of a candidate claims, and its value if it has one; `None` where it says what is true.
    fn claim(&mut self, about: &[u8], payload: &[u8], version: &str) -> Option<(Option<String>, Vec<u8>)> {
        let before = match payload {
            b"+OK\r\n" => self.last.replace(version.to_owned()),
            _ => None,
        };
        let can_be = match self.falsehood {
            Falsehood::RepeatedVersion => payload == b"+OK\r\n" && before.is_some(),
            Falsehood::EarlierVersion => payload == b"+OK\r\n",
            Falsehood::OtherValue | Falsehood::InventedValue => matches!(payload, [b'$', b'0'..=b'9', ..]),
            Falsehood::DeniedDeletion => payload == b":1\r\n",
        };
        if !can_be || !self.chance.strikes(&[about]) {
            return None;
        }
        self.invented += 1;
        let value = format!("invented-{}", self.invented).into_bytes();
        let genuine = Hlc::parse(version).ok()?;
        let (wall_clock_ms, counter) = (genuine.wall_clock_ms, genuine.counter);
        let version = match self.falsehood {
            Falsehood::RepeatedVersion => before,
            Falsehood::EarlierVersion => {
                let wall_clock_ms = wall_clock_ms.saturating_sub(BACK_MS);
                Some(Hlc { wall_clock_ms, ..genuine }.to_string())
            }
            Falsehood::OtherValue => Some(version.to_owned()),
            Falsehood::InventedValue => Some(Hlc { counter: counter + 1, ..genuine }.to_string()),
            Falsehood::DeniedDeletion => None,
        };
        Some((version, value))
    }
}

impl Lie for FalseReply {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if let Some((_, publish, arguments)) = command(input)
            && let Some(about) = self.about(&arguments)
        {
            self.pending.insert(&publish, about);
        }
        broker.handle(now, input);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let Action::Deliver(delivery) = output.action else { return output };
        let connection = output.connection;
        let claim = match (self.pending.take(&delivery), version_of(&delivery)) {
            (Some(about), Some(version)) => self.claim(&about, delivery.payload, &version),
            _ => None,
        };
        let delivery = match claim {
            Some((version, value)) => {
                let reply = match self.falsehood {
                    Falsehood::RepeatedVersion | Falsehood::EarlierVersion => Reply::Ok,
                    Falsehood::OtherValue | Falsehood::InventedValue => Reply::Blob(&value),
                    Falsehood::DeniedDeletion => Reply::Integer(0),
                };
                self.forgery.forge(delivery, &reply, version.as_deref())
            }
            None => delivery,
        };
        Output { connection, action: Action::Deliver(delivery) }
    }
}
