//! Replies of the store that say something else than what it did.

use mayfly_core::{Action, Broker, Input, Now, Output, StateMachine};
use mayfly_wire::Hlc;
use mayfly_wire::resp3::Reply;
use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use super::exchange::{Forgery, Pending, command, version_of};
use super::lie::Lie;

/// One reply in so many is false.
const ONE_IN: u32 = 20;

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
    rng: ChaCha8Rng,
    /// Requests that wait for a reply that may be false.
    pending: Pending<()>,
    /// What the last SET was told.
    last: Option<String>,
    invented: u64,
    forgery: Forgery,
}

impl FalseReply {
    /// A lie about the replies that `rng` picks.
    pub fn new(falsehood: Falsehood, rng: ChaCha8Rng) -> Self {
        let (pending, forgery) = (Pending::default(), Forgery::default());
        Self { falsehood, rng, pending, last: None, invented: 0, forgery }
    }

    fn is_candidate(&self, arguments: &[&[u8]]) -> bool {
        match self.falsehood {
            Falsehood::RepeatedVersion | Falsehood::EarlierVersion => matches!(arguments, [b"SET", ..]),
            Falsehood::OtherValue | Falsehood::InventedValue => matches!(arguments, [b"GET", _]),
            Falsehood::DeniedDeletion => matches!(arguments, [b"DEL", _]),
        }
    }

    /// The version that a reply of a candidate claims, and its value if it has one; `None` where it says what is true.
    fn claim(&mut self, payload: &[u8], version: &str) -> Option<(Option<String>, Vec<u8>)> {
        let before = match payload {
            b"+OK\r\n" => self.last.replace(version.to_owned()),
            _ => None,
        };
        if !self.rng.random_ratio(1, ONE_IN) {
            return None;
        }
        self.invented += 1;
        let value = format!("invented-{}", self.invented).into_bytes();
        let genuine = Hlc::parse(version).ok()?;
        let (wall_clock_ms, counter) = (genuine.wall_clock_ms, genuine.counter);
        match (self.falsehood, payload) {
            (Falsehood::RepeatedVersion, b"+OK\r\n") => before.map(|before| (Some(before), value)),
            (Falsehood::EarlierVersion, b"+OK\r\n") => {
                let earlier = Hlc { wall_clock_ms: wall_clock_ms.saturating_sub(BACK_MS), ..genuine };
                Some((Some(earlier.to_string()), value))
            }
            (Falsehood::OtherValue, [b'$', b'0'..=b'9', ..]) => Some((Some(version.to_owned()), value)),
            (Falsehood::InventedValue, [b'$', b'0'..=b'9', ..]) => {
                let next = Hlc { counter: counter + 1, ..genuine };
                Some((Some(next.to_string()), value))
            }
            (Falsehood::DeniedDeletion, b":1\r\n") => Some((None, value)),
            _ => None,
        }
    }
}

impl Lie for FalseReply {
    fn take(&mut self, broker: &mut Broker, now: Now, input: &Input<'_>) {
        if let Some((connection, publish, arguments)) = command(input)
            && self.is_candidate(&arguments)
        {
            self.pending.insert(connection, &publish, ());
        }
        broker.handle(now, input);
    }

    fn tell<'o>(&'o mut self, output: Output<'o>) -> Output<'o> {
        let Action::Deliver(delivery) = output.action else { return output };
        let connection = output.connection;
        let claim = match (self.pending.take(connection, &delivery), version_of(&delivery)) {
            (Some(()), Some(version)) => self.claim(delivery.payload, &version),
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
