//! What a rule says.

use super::Operation;
use super::glob::Glob;
use super::token::Principal;
use super::topic_pattern::Topics;

/// Allows some principals something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Whom it is about.
    pub principals: Principals,
    /// What they may do as MQTT clients.
    pub broker_resources: Vec<BrokerResource>,
    /// Which keys they may read and write. The request topic of the store needs no permission of its own, the Response
    /// Topic needs that to subscribe to it. Others than the requester get a response only where the requester may publish to
    /// its topic, and shared subscriptions count as others.
    pub state_store_resources: Vec<StateStoreResource>,
}

/// Whom a rule is about: a principal that is in any of these. The reference wants one of the lists and says nothing of
/// empty ones; here a rule that names nobody is about nobody.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principals {
    /// About all, anonymous clients included. The reference has nothing like it.
    pub everyone: bool,
    /// Client identifiers, byte for byte. Any client can choose one, unless `Connect` binds it to who it is.
    pub client_ids: Vec<String>,
    /// User names, byte for byte.
    pub user_names: Vec<String>,
    /// Sets of attributes: a principal has all names of a set, each with the set's value. An empty set means nobody.
    pub attributes: Vec<Vec<(String, String)>>,
}

/// Something that an MQTT client does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BrokerResource {
    /// To connect; with a client identifier of these patterns, or with any where there is none.
    Connect {
        /// Patterns of client identifiers.
        client_ids: Vec<Glob>,
    },
    /// To publish, wills included.
    Publish(Topics),
    /// To subscribe, and to have the store's responses sent to.
    Subscribe(Topics),
}

/// Keys of the state store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateStoreResource {
    /// What is allowed.
    pub access: Access,
    /// Of which keys.
    pub keys: Vec<KeyPattern>,
}

/// What may be done with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// GET, KEYNOTIFY and SCAN.
    Read,
    /// SET, DEL and VDEL.
    Write,
    /// Both.
    ReadWrite,
}

/// Which keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeyPattern {
    /// `Pattern`.
    Glob(Glob),
    /// `String` and `Binary`: this key and no other. Braces in it are no tokens.
    Exact(Box<[u8]>),
}

impl Rule {
    /// Whether this rule, which is about `principal`, allows an operation.
    pub(super) fn allows(&self, principal: Principal<'_>, operation: Operation<'_>) -> bool {
        match operation {
            Operation::Read(key) => self.allows_key(principal, key, Access::Write),
            Operation::Write(key) => self.allows_key(principal, key, Access::Read),
            _ => self.broker_resources.iter().any(|resource| resource.allows(principal, operation)),
        }
    }

    /// How many patterns there are of keys that may be read.
    pub(super) fn readable_patterns(&self) -> usize {
        self.patterns(Access::Write).count()
    }

    fn allows_key(&self, principal: Principal<'_>, key: &[u8], other: Access) -> bool {
        self.patterns(other).any(|pattern| pattern.matches(key, principal))
    }

    /// Patterns of keys. `other` is the access that does not do.
    fn patterns(&self, other: Access) -> impl Iterator<Item = &KeyPattern> {
        let resources = self.state_store_resources.iter().filter(move |resource| resource.access != other);
        resources.flat_map(|resource| &resource.keys)
    }
}

impl Principals {
    /// Whether `principal` is one of them.
    pub(super) fn include(&self, principal: Principal<'_>) -> bool {
        let has = |(name, value): &(String, String)| {
            principal.attributes.iter().any(|attribute| attribute == (name, value))
        };
        self.everyone
            || self.client_ids.iter().any(|client_id| client_id == principal.client_id)
            || self.user_names.iter().any(|name| Some(name.as_str()) == principal.user_name)
            || self.attributes.iter().any(|set| !set.is_empty() && set.iter().all(has))
    }
}

impl BrokerResource {
    fn allows(&self, principal: Principal<'_>, operation: Operation<'_>) -> bool {
        match (self, operation) {
            (Self::Connect { client_ids }, Operation::Connect) => {
                let client_id = principal.client_id.as_bytes();
                client_ids.is_empty() || client_ids.iter().any(|glob| glob.matches(client_id, principal))
            }
            (Self::Publish(topics), Operation::Publish(topic)) => topics.allow_name(topic, principal),
            (Self::Subscribe(topics), Operation::Subscribe(filter)) => topics.allow_filter(filter, principal),
            _ => false,
        }
    }
}

impl KeyPattern {
    fn matches(&self, key: &[u8], principal: Principal<'_>) -> bool {
        match self {
            Self::Glob(glob) => glob.matches(key, principal),
            Self::Exact(exact) => **exact == *key,
        }
    }
}
