//! Rules as bytes. Everything is a sequence: its length (four bytes, little endian), then its items; a text is the
//! sequence of its bytes. Policies stand in the order of their names, so equal rules have equal bytes.

use std::collections::BTreeMap;
use std::fmt;

use super::RuleSet;
use super::glob::Glob;
use super::rule::{Access, BrokerResource, KeyPattern, Principals, Rule, StateStoreResource};
use super::topic_pattern::{TopicPattern, Topics};
use crate::byte_reader::{ByteReader, push_bytes};

const CONNECT: u8 = 1;
const PUBLISH: u8 = 2;
const SUBSCRIBE: u8 = 3;

const READ: u8 = 1;
const WRITE: u8 = 2;
const READ_WRITE: u8 = 3;

const GLOB: u8 = 1;
const EXACT: u8 = 2;

/// Rules as an input takes them. Borrows from a [`RuleSet`] or from a log entry.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Rules<'a> {
    /// Was read as a whole when it was made.
    encoded: &'a [u8],
}

impl<'a> Rules<'a> {
    /// Reads what [`as_bytes`](Self::as_bytes) gave; `None` where it is something else.
    pub fn from_bytes(encoded: &'a [u8]) -> Option<Self> {
        decode(encoded).map(|_| Self { encoded })
    }

    pub(super) fn of_set(encoded: &'a [u8]) -> Self {
        Self { encoded }
    }

    /// A form that [`from_bytes`](Self::from_bytes) reads.
    pub fn as_bytes(self) -> &'a [u8] {
        self.encoded
    }

    /// The rules, owned.
    pub fn to_set(self) -> RuleSet {
        RuleSet::new(decode(self.encoded).expect("rules were read when they were made"))
    }
}

impl fmt::Debug for Rules<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rules").field(&self.to_set().policies).finish()
    }
}

pub(super) fn encode(policies: &BTreeMap<Box<str>, Vec<Rule>>) -> Vec<u8> {
    let mut writer = Writer { out: Vec::new() };
    writer.sequence(policies, |writer, (name, rules)| {
        writer.bytes(name.as_bytes());
        writer.sequence(rules, Writer::rule);
    });
    writer.out
}

struct Writer {
    out: Vec<u8>,
}

impl Writer {
    fn sequence<I: IntoIterator>(&mut self, items: I, mut write: impl FnMut(&mut Self, I::Item))
    where
        I::IntoIter: ExactSizeIterator,
    {
        let items = items.into_iter();
        self.len(items.len());
        items.for_each(|item| write(self, item));
    }

    fn len(&mut self, len: usize) {
        let len = u32::try_from(len).expect("rules are shorter than 4 GiB");
        self.out.extend_from_slice(&len.to_le_bytes());
    }

    fn bytes(&mut self, bytes: &[u8]) {
        push_bytes(bytes, &mut self.out);
    }

    fn rule(&mut self, rule: &Rule) {
        let Principals { everyone, client_ids, user_names, attributes } = &rule.principals;
        self.out.push(u8::from(*everyone));
        self.sequence(client_ids, |writer, text| writer.bytes(text.as_bytes()));
        self.sequence(user_names, |writer, text| writer.bytes(text.as_bytes()));
        self.sequence(attributes, |writer, set| {
            writer.sequence(set, |writer, (name, value)| {
                writer.bytes(name.as_bytes());
                writer.bytes(value.as_bytes());
            });
        });
        self.sequence(&rule.broker_resources, Self::broker_resource);
        self.sequence(&rule.state_store_resources, Self::state_store_resource);
    }

    fn broker_resource(&mut self, resource: &BrokerResource) {
        let (kind, topics) = match resource {
            BrokerResource::Connect { client_ids } => {
                self.out.push(CONNECT);
                return self.sequence(client_ids, |writer, glob| writer.bytes(glob.as_str().as_bytes()));
            }
            BrokerResource::Publish(topics) => (PUBLISH, topics),
            BrokerResource::Subscribe(topics) => (SUBSCRIBE, topics),
        };
        self.out.push(kind);
        for patterns in [topics.allowed(), topics.except()] {
            self.sequence(patterns, |writer, pattern| writer.bytes(pattern.as_str().as_bytes()));
        }
    }

    fn state_store_resource(&mut self, resource: &StateStoreResource) {
        self.out.push(match resource.access {
            Access::Read => READ,
            Access::Write => WRITE,
            Access::ReadWrite => READ_WRITE,
        });
        self.sequence(&resource.keys, |writer, key| match key {
            KeyPattern::Glob(glob) => {
                writer.out.push(GLOB);
                writer.bytes(glob.as_str().as_bytes());
            }
            KeyPattern::Exact(key) => {
                writer.out.push(EXACT);
                writer.bytes(key);
            }
        });
    }
}

fn decode(encoded: &[u8]) -> Option<BTreeMap<Box<str>, Vec<Rule>>> {
    let mut reader = ByteReader::new(encoded);
    let policies =
        reader.sequence(|reader| Some((reader.text()?.into(), reader.sequence(ByteReader::rule)?)))?;
    let is_in_order = policies.is_sorted_by(|(before, _), (after, _): &(Box<str>, _)| before < after);
    (is_in_order && reader.is_empty()).then(|| policies.into_iter().collect())
}

/// What rules are made of, beside plain values.
impl ByteReader<'_> {
    /// Every item takes a byte at least, so a forged length ends with the bytes.
    fn sequence<T>(&mut self, mut read: impl FnMut(&mut Self) -> Option<T>) -> Option<Vec<T>> {
        (0..self.len()?).map(|_| read(self)).collect()
    }

    fn string(&mut self) -> Option<String> {
        self.text().map(str::to_owned)
    }

    fn rule(&mut self) -> Option<Rule> {
        let everyone = match self.u8()? {
            0 => false,
            1 => true,
            _ => return None,
        };
        let principals = Principals {
            everyone,
            client_ids: self.sequence(Self::string)?,
            user_names: self.sequence(Self::string)?,
            attributes: self
                .sequence(|reader| reader.sequence(|reader| Some((reader.string()?, reader.string()?))))?,
        };
        let broker_resources = self.sequence(Self::broker_resource)?;
        let state_store_resources = self.sequence(Self::state_store_resource)?;
        Some(Rule { principals, broker_resources, state_store_resources })
    }

    fn broker_resource(&mut self) -> Option<BrokerResource> {
        match self.u8()? {
            CONNECT => Some(BrokerResource::Connect { client_ids: self.sequence(Self::glob)? }),
            PUBLISH => Some(BrokerResource::Publish(self.topics()?)),
            SUBSCRIBE => Some(BrokerResource::Subscribe(self.topics()?)),
            _ => None,
        }
    }

    fn topics(&mut self) -> Option<Topics> {
        let mut patterns = || self.sequence(|reader| TopicPattern::parse(reader.text()?).ok());
        let (allowed, except) = (patterns()?, patterns()?);
        Topics::new(allowed, except).ok()
    }

    fn glob(&mut self) -> Option<Glob> {
        Glob::parse(self.text()?).ok()
    }

    fn state_store_resource(&mut self) -> Option<StateStoreResource> {
        let access = match self.u8()? {
            READ => Access::Read,
            WRITE => Access::Write,
            READ_WRITE => Access::ReadWrite,
            _ => return None,
        };
        let keys = self.sequence(|reader| match reader.u8()? {
            GLOB => reader.glob().map(KeyPattern::Glob),
            EXACT => reader.bytes().map(|key| KeyPattern::Exact(key.into())),
            _ => None,
        })?;
        Some(StateStoreResource { access, keys })
    }
}
