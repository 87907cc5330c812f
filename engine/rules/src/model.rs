//! What a rules file can say.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

/// A rules file.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Policies by name, `[policies.NAME]`; a listener names the one under which its clients stand.
    pub policies: BTreeMap<String, Policy>,
}

/// `[policies.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// What is allowed, `[[policies.NAME.rules]]`. What no rule allows is denied; without any, everything is.
    #[serde(default)]
    pub rules: Vec<Spanned<Rule>>,
}

/// `[[policies.NAME.rules]]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Whom the rule is about: whoever is in one of these. Required.
    pub principals: Spanned<Principals>,
    /// What they may do as MQTT clients.
    #[serde(default)]
    pub broker_resources: Vec<Spanned<BrokerResource>>,
    /// What they may do with keys. The store's request topic needs no rule; the topic that responses go to needs one that
    /// allows to subscribe to it.
    #[serde(default)]
    pub state_store_resources: Vec<Spanned<StateStoreResource>>,
}

/// `principals` of a rule.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Principals {
    /// All clients, anonymous ones too.
    pub everyone: bool,
    /// Client identifiers. A client chooses its own: bind it with a `Connect` before it is trusted.
    pub client_ids: Vec<String>,
    /// User names.
    pub usernames: Vec<String>,
    /// Sets of attributes; a client is meant that has all of one set.
    pub attributes: Vec<Spanned<BTreeMap<String, String>>>,
}

/// An item of `broker_resources`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrokerResource {
    /// What is allowed. Required.
    pub method: Method,
    /// For `Connect`: globs of client identifiers. Absent: any.
    pub client_ids: Option<Spanned<Vec<Spanned<String>>>>,
    /// For `Publish` and `Subscribe`: topic filters. Required there.
    pub topics: Option<Spanned<Vec<Spanned<String>>>>,
    /// For `Publish` and `Subscribe`: topic filters of what this rule does not allow although `topics` does. It does not
    /// keep messages from a wider subscription.
    pub except: Option<Spanned<Vec<Spanned<String>>>>,
}

/// What a client does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Method {
    /// Connects.
    Connect,
    /// Publishes, or leaves a will.
    Publish,
    /// Subscribes, or has responses of the store sent to a topic.
    Subscribe,
}

/// An item of `state_store_resources`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StateStoreResource {
    /// What is allowed. Required.
    pub method: Access,
    /// How `keys` are to be read. Default: `Pattern`.
    #[serde(default)]
    pub key_type: KeyType,
    /// Which keys. Required.
    pub keys: Spanned<Vec<Spanned<String>>>,
}

/// What a client does with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Access {
    /// GET, KEYNOTIFY and SCAN, which lists what may be read.
    Read,
    /// SET, DEL and VDEL.
    Write,
    /// Both.
    ReadWrite,
}

/// How keys are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub enum KeyType {
    /// Globs with tokens.
    #[default]
    Pattern,
    /// The key itself.
    String,
    /// The key in base64, padded.
    Binary,
}
