//! The model of the state store: what each client must get of what it and others asked for.
//!
//! It is written from the protocol and reads like one: a map of keys, searched and counted anew for each question. Unlike
//! MQTT the protocol leaves hardly anything open, so the model says what comes, to the byte, and when. It names nothing of
//! the engine.
//!
//! # Where the protocol leaves freedom
//! | What | Here |
//! |---|---|
//! | order among the messages to different clients | any |
//! | order of the keys in a page of SCAN | any; all fit into one page |
//! | which error a command has that is wrong in several ways | the first of: verb, number of arguments, options, key |
//! | order of keys whose time ends at the same moment | does not happen: no two requests come at the same nanosecond |

mod command;
mod glob;
mod timestamp;

use std::collections::{BTreeMap, BTreeSet};

pub use command::{Command, Condition};
pub use glob::Glob;
pub use timestamp::Timestamp;

/// The node id of the store's versions.
const NODE_ID: &str = "StateStore";
/// How far ahead of the server a client's clock may be, in milliseconds.
const MAX_AHEAD_MS: u64 = 60_000;
/// The counter of a version is below this.
const COUNTER_END: u64 = (1 << 31) - 1;

/// What a key counts beside its bytes and its value's; what an expiry counts; what a fencing token counts beside the bytes
/// of its node id.
const KEY_BYTES: u64 = 136;
const EXPIRY_BYTES: u64 = 40;
const TOKEN_BYTES: u64 = 32;

const TOO_FAR: &str = "the request timestamp is too far in the future; ensure that the client and broker system clocks are synchronized";
const TOKEN_TOO_FAR: &str = "the request fencing token timestamp is too far in the future; ensure that the client and broker system clocks are synchronized";
const TOKEN_LOWER: &str =
    "the request fencing token is a lower version than the fencing token protecting the resource";
const TOKEN_REQUIRED: &str = "a fencing token is required for this request";
const QUOTA: &str = "the quota has been exceeded";

/// Names a client.
pub type ClientNumber = usize;

/// What both clocks show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moment {
    /// Nanoseconds since the beginning.
    pub nanos: u64,
    /// Milliseconds since the Unix epoch; may step.
    pub wall_ms: u64,
}

/// Bounds of the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// Keys.
    pub keys: u32,
    /// Bytes that keys may occupy.
    pub bytes: u64,
    /// Keys that one connection may watch.
    pub watched: u32,
}

/// A request, which is the same as another one if all of this is the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Request {
    /// Who asks.
    pub client: ClientNumber,
    /// Correlation data.
    pub correlation: Vec<u8>,
    /// The items of the payload.
    pub items: Vec<Vec<u8>>,
    /// `__ts`.
    pub timestamp: Option<String>,
    /// `__ft`.
    pub token: Option<String>,
}

/// What a client gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// A key was set to a value, or deleted.
    Notification {
        /// Which one.
        key: Vec<u8>,
        /// The new value.
        value: Option<Vec<u8>>,
        /// `__ts`.
        version: String,
    },
    /// The answer to a request.
    Response {
        /// Correlation data of the request.
        correlation: Vec<u8>,
        /// The payload.
        reply: Reply,
        /// `__ts`.
        version: Option<String>,
    },
}

/// The payload of a response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// `+OK`.
    Ok,
    /// `:1`, `:0`, `:-1`.
    Number(i8),
    /// A value, or none.
    Value(Option<Vec<u8>>),
    /// The keys of the only page, in any order.
    Keys(BTreeSet<Vec<u8>>),
    /// `-ERR` and a text; `None` where the protocol gives none.
    Error(Option<&'static str>),
}

/// What was counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// SETs of keys that did not exist.
    pub insertions: u64,
    /// SETs of keys that existed.
    pub modifications: u64,
    /// GETs.
    pub retrievals: u64,
    /// DELs and VDELs.
    pub deletions: u64,
    /// KEYNOTIFYs.
    pub keynotify_requests: u64,
    /// Notifications.
    pub notifications_sent: u64,
    /// Keys that expired.
    pub expirations: u64,
    /// Requests that a quota refused.
    pub quota_refusals: u64,
}

/// A wall clock in milliseconds and a counter.
type Version = (u64, u64);

/// What came of a request: its payload and version.
type Answer = (Reply, Option<Version>);

#[derive(Debug)]
struct Entry {
    value: Vec<u8>,
    version: Version,
    token: Option<Timestamp>,
    /// In nanoseconds since the beginning.
    ends_at: Option<u64>,
}

/// The store.
#[derive(Debug)]
pub struct Store {
    quotas: Quotas,
    keys: BTreeMap<Vec<u8>, Entry>,
    last: Version,
    watched: BTreeMap<ClientNumber, BTreeSet<Vec<u8>>>,
    /// Requests that were executed and may come again.
    executed: Vec<(Request, Answer)>,
    counts: Counts,
    sent: Vec<(ClientNumber, Message)>,
}

impl Store {
    /// An empty store.
    pub fn new(quotas: Quotas) -> Self {
        Self {
            quotas,
            keys: BTreeMap::new(),
            last: (0, 0),
            watched: BTreeMap::new(),
            executed: Vec::new(),
            counts: Counts::default(),
            sent: Vec::new(),
        }
    }

    /// Other bounds hold from now on; nothing that is there goes.
    pub fn limit(&mut self, quotas: Quotas) {
        self.quotas = quotas;
    }

    /// Time has passed.
    pub fn time_passes(&mut self, now: Moment) {
        while let Some((ends_at, key)) = self.next_end() {
            if ends_at > now.nanos {
                return;
            }
            self.keys.remove(&key);
            self.counts.expirations += 1;
            let version = self.next_version(now, None);
            self.notify(&key, None, version);
        }
    }

    /// When the next key's time ends, in nanoseconds since the beginning.
    pub fn next_deadline(&self) -> Option<u64> {
        self.next_end().map(|(ends_at, _)| ends_at)
    }

    /// A client's connection ended.
    pub fn connection_lost(&mut self, client: ClientNumber) {
        self.watched.remove(&client);
    }

    /// A request came.
    pub fn request(&mut self, now: Moment, request: &Request) {
        self.time_passes(now);
        let (reply, version) = match Command::read(&request.items) {
            Err(text) => (Reply::Error(Some(text)), None),
            Ok(command) => self.answer(now, request, &command),
        };
        let response = Message::Response {
            correlation: request.correlation.clone(),
            reply,
            version: version.map(|(wall_ms, counter)| text(wall_ms, counter)),
        };
        self.sent.push((request.client, response));
    }

    /// What clients got since the last look, in the order in which each got it.
    pub fn take_messages(&mut self) -> Vec<(ClientNumber, Message)> {
        std::mem::take(&mut self.sent)
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is no key.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// What the keys occupy, counted anew.
    pub fn bytes(&self) -> u64 {
        self.keys.iter().map(|(key, entry)| entry.bytes(key)).sum()
    }

    /// What was counted.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// The answer to a command, from memory where it changes something and was executed before.
    fn answer(&mut self, now: Moment, request: &Request, command: &Command) -> Answer {
        let is_remembered = !matches!(command, Command::Get { .. } | Command::Scan { .. });
        if is_remembered && let Some((_, answer)) = self.executed.iter().find(|(other, _)| other == request) {
            return answer.clone();
        }
        let is_new = matches!(command, Command::Set { key, .. } if !self.keys.contains_key(key));
        let answer = match self.execute(now, request, command) {
            Ok(answer) => answer,
            Err(text) => {
                self.counts.quota_refusals += u64::from(text == QUOTA);
                (Reply::Error(Some(text)), None)
            }
        };
        match command {
            Command::Set { .. } if is_new => self.counts.insertions += 1,
            Command::Set { .. } => self.counts.modifications += 1,
            Command::Get { .. } => self.counts.retrievals += 1,
            Command::Del { .. } | Command::Vdel { .. } => self.counts.deletions += 1,
            Command::KeyNotify { .. } => self.counts.keynotify_requests += 1,
            Command::Scan { .. } => {}
        }
        if is_remembered {
            self.executed.push((request.clone(), answer.clone()));
        }
        answer
    }

    fn execute(&mut self, now: Moment, request: &Request, command: &Command) -> Result<Answer, &'static str> {
        let malformed = "malformed timestamp";
        let parse = |text: &Option<String>| match text {
            None => Ok(None),
            Some(text) => Timestamp::parse(text).map(Some).ok_or(malformed),
        };
        let (timestamp, token) = (parse(&request.timestamp)?, parse(&request.token)?);
        let is_ahead = |timestamp: &Timestamp| timestamp.wall_ms > now.wall_ms + MAX_AHEAD_MS;
        if timestamp.as_ref().is_some_and(is_ahead) {
            return Err(TOO_FAR);
        }
        let last = Timestamp { wall_ms: self.last.0, counter: self.last.1, node_id: NODE_ID.to_owned() };
        if token.as_ref().is_some_and(|token| is_ahead(token) && *token > last) {
            return Err(TOKEN_TOO_FAR);
        }
        match command {
            Command::Set { key, value, condition, expiry_ms } => {
                let timestamp = timestamp.ok_or("missing timestamp")?;
                self.set(now, (key, value), *condition, *expiry_ms, (timestamp, token))
            }
            Command::Get { key } => Ok(match self.keys.get(key) {
                Some(entry) => (Reply::Value(Some(entry.value.clone())), Some(entry.version)),
                None => (Reply::Value(None), None),
            }),
            Command::Del { key } => self.delete(now, key, None, (timestamp, token)),
            Command::Vdel { key, value } => self.delete(now, key, Some(value), (timestamp, token)),
            Command::KeyNotify { key, stop } => self.watch(request.client, key, *stop),
            Command::Scan { pattern, has_token: false } => {
                let glob = Glob::parse(pattern).ok_or("syntax error")?;
                let keys = self.keys.keys().filter(|key| glob.matches(key)).cloned().collect();
                Ok((Reply::Keys(keys), None))
            }
            // One page has all keys, so there is no token that this store gave.
            Command::Scan { has_token: true, .. } => Ok((Reply::Error(None), None)),
        }
    }

    fn set(
        &mut self,
        now: Moment,
        (key, value): (&[u8], &[u8]),
        condition: Condition,
        expiry_ms: Option<u64>,
        (timestamp, token): (Timestamp, Option<Timestamp>),
    ) -> Result<Answer, &'static str> {
        let ends_at = expiry_ms.map(|ms| now.nanos.saturating_add(ms.saturating_mul(1_000_000)));
        let entry = Entry { value: value.to_vec(), version: (0, 0), token, ends_at };
        let mut before = 0;
        if let Some(present) = self.keys.get(key) {
            present.check_token(entry.token.as_ref())?;
            let is_equal = present.value == value;
            if condition == Condition::Nx || condition == Condition::Nex && !is_equal {
                return Ok((Reply::Number(-1), Some(present.version)));
            }
            before = present.bytes(key);
        } else if self.keys.len() >= self.quotas.keys as usize {
            return Err(QUOTA);
        }
        let after = entry.bytes(key);
        if after > before && self.bytes() + after - before > self.quotas.bytes {
            return Err(QUOTA);
        }
        let version = self.next_version(now, Some(&timestamp));
        self.keys.insert(key.to_vec(), Entry { version, ..entry });
        self.notify(key, Some(value), version);
        Ok((Reply::Ok, Some(version)))
    }

    fn delete(
        &mut self,
        now: Moment,
        key: &[u8],
        value: Option<&Vec<u8>>,
        (timestamp, token): (Option<Timestamp>, Option<Timestamp>),
    ) -> Result<Answer, &'static str> {
        let Some(present) = self.keys.get(key) else { return Ok((Reply::Number(0), None)) };
        present.check_token(token.as_ref())?;
        if value.is_some_and(|value| *value != present.value) {
            return Ok((Reply::Number(-1), None));
        }
        self.keys.remove(key);
        let version = self.next_version(now, timestamp.as_ref());
        self.notify(key, None, version);
        Ok((Reply::Number(1), Some(version)))
    }

    fn watch(&mut self, client: ClientNumber, key: &[u8], stop: bool) -> Result<Answer, &'static str> {
        let most = self.quotas.watched as usize;
        let watched = self.watched.entry(client).or_default();
        if stop {
            let was_there = watched.remove(key);
            return Ok((if was_there { Reply::Ok } else { Reply::Number(0) }, None));
        }
        if !watched.contains(key) && watched.len() >= most {
            return Err(QUOTA);
        }
        watched.insert(key.to_vec());
        Ok((Reply::Ok, None))
    }

    fn notify(&mut self, key: &[u8], value: Option<&[u8]>, (wall_ms, counter): Version) {
        for (&client, watched) in &self.watched {
            if watched.contains(key) {
                let (key, value) = (key.to_vec(), value.map(<[u8]>::to_vec));
                let version = text(wall_ms, counter);
                self.sent.push((client, Message::Notification { key, value, version }));
                self.counts.notifications_sent += 1;
            }
        }
    }

    /// Greater than each version before, and than the request's clock.
    fn next_version(&mut self, now: Moment, timestamp: Option<&Timestamp>) -> Version {
        let request = timestamp.map_or((0, 0), |timestamp| (timestamp.wall_ms, timestamp.counter));
        let (wall_ms, counter) = self.last.max(request);
        self.last = if now.wall_ms > wall_ms {
            (now.wall_ms, 0)
        } else if counter + 1 < COUNTER_END {
            (wall_ms, counter + 1)
        } else {
            (wall_ms + 1, 0)
        };
        self.last
    }

    fn next_end(&self) -> Option<(u64, Vec<u8>)> {
        self.keys.iter().filter_map(|(key, entry)| Some((entry.ends_at?, key.clone()))).min()
    }
}

impl Entry {
    fn bytes(&self, key: &[u8]) -> u64 {
        let content = (key.len() + self.value.len()) as u64;
        let token = self.token.as_ref().map_or(0, |token| TOKEN_BYTES + token.node_id.len() as u64);
        KEY_BYTES + content + token + if self.ends_at.is_some() { EXPIRY_BYTES } else { 0 }
    }

    fn check_token(&self, token: Option<&Timestamp>) -> Result<(), &'static str> {
        match (&self.token, token) {
            (Some(_), None) => Err(TOKEN_REQUIRED),
            (Some(held), Some(token)) if token < held => Err(TOKEN_LOWER),
            (None, _) | (Some(_), Some(_)) => Ok(()),
        }
    }
}

/// A version as it is written.
fn text(wall_ms: u64, counter: u64) -> String {
    format!("{wall_ms:015}:{counter:05}:{NODE_ID}")
}
