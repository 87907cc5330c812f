//! Who may do what: rules that allow, and deny by silence.
//!
//! A [`RuleSet`] holds named policies, a policy rules, a rule the principals that it is about and what it allows them.
//! What no rule of a connection's policy allows is denied. Shape and meaning are those of Azure `IoT` Operations'
//! broker authorization (`BrokerAuthorization`); where this module goes beyond them or decides what they leave
//! open, the item says so.
//!
//! It decides; it knows no sessions and changes nothing. A decision is a function of rules, principal and operation,
//! takes no allocation, and takes at most as many steps as the policy's patterns have bytes times what is asked for.
//!
//! # Layout
//! - `rule`: what a rule says.
//! - `topic_pattern`, `glob`, `token`: patterns of topics, of keys and client identifiers, and what is put into them.
//! - `pieces`: what globs mean, also those that clients search keys with.
//! - `encoding`: rules as bytes, for [`Input::Rules`](crate::Input::Rules) and the log.

mod encoding;
mod glob;
mod pieces;
mod rule;
mod token;
mod topic_pattern;

use std::collections::BTreeMap;

use mayfly_wire::TopicFilter;

pub use encoding::Rules;
pub use glob::Glob;
pub(crate) use pieces::Pieces;
pub use rule::{Access, BrokerResource, KeyPattern, Principals, Rule, StateStoreResource};
pub use token::{PatternError, Principal};
pub use topic_pattern::{TopicPattern, Topics};

/// Named policies. A policy is a list of rules; the order does not matter, since each can only allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleSet {
    policies: BTreeMap<Box<str>, Vec<Rule>>,
    /// The same as bytes, so that [`as_rules`](Self::as_rules) can lend them.
    encoded: Vec<u8>,
}

/// What a principal wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation<'a> {
    /// Connect, with the principal's client identifier.
    Connect,
    /// Publish to this topic, now or as a Will Message.
    Publish(&'a str),
    /// Subscribe with this filter. The `$share/NAME/` of a shared subscription does not count.
    Subscribe(TopicFilter<'a>),
    /// GET, watch or find this key.
    Read(&'a [u8]),
    /// SET or delete this key.
    Write(&'a [u8]),
}

impl RuleSet {
    /// Policies by their names.
    pub fn new(policies: BTreeMap<Box<str>, Vec<Rule>>) -> Self {
        let encoded = encoding::encode(&policies);
        Self { policies, encoded }
    }

    /// Lends the rules as an input takes them.
    pub fn as_rules(&self) -> Rules<'_> {
        Rules::of_set(&self.encoded)
    }

    /// The policies, by their names.
    pub fn policies(&self) -> &BTreeMap<Box<str>, Vec<Rule>> {
        &self.policies
    }

    /// Whether a policy allows a principal an operation. A policy that does not exist allows nothing.
    pub fn allows(&self, policy: &str, principal: Principal<'_>, operation: Operation<'_>) -> bool {
        let rules = self.policies.get(policy).into_iter().flatten();
        rules.filter(|rule| rule.principals.include(principal)).any(|rule| rule.allows(principal, operation))
    }

    /// The places of the rules of a policy that are about a principal: what [`allows_within`](Self::allows_within) wants.
    pub(crate) fn concerning(&self, policy: &str, principal: Principal<'_>) -> Box<[u32]> {
        let rules = self.policies.get(policy).into_iter().flatten();
        let concerning = (0..).zip(rules).filter(|(_, rule)| rule.principals.include(principal));
        concerning.map(|(place, _)| place).collect()
    }

    /// Like [`allows`](Self::allows), for a principal whose rules were found before.
    pub(crate) fn allows_within(
        &self,
        policy: &str,
        places: &[u32],
        principal: Principal<'_>,
        operation: Operation<'_>,
    ) -> bool {
        let Some(rules) = self.policies.get(policy) else { return false };
        places.iter().any(|&place| rules[place as usize].allows(principal, operation))
    }

    /// How many patterns of keys say what a principal whose rules were found before may read.
    pub(crate) fn readable_patterns(&self, policy: &str, places: &[u32]) -> usize {
        let Some(rules) = self.policies.get(policy) else { return 0 };
        places.iter().map(|&place| rules[place as usize].readable_patterns()).sum()
    }
}

impl Default for RuleSet {
    /// No policy: whoever stands under one may do nothing.
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}
