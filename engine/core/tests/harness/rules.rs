//! Clients with an identity, and rules that are short to write.

use mayfly_core::{
    Access, AttributeList, BrokerResource, Glob, Identity, Input, KeyPattern, Principals, Rule, RuleSet,
    StateStoreResource, TopicPattern, Topics,
};

use super::World;

/// What authentication found out about a client. It stands under the policy `plant`.
pub(crate) struct Who {
    user_name: Option<&'static str>,
    attributes: AttributeList,
}

impl Who {
    pub(crate) fn identity(&self) -> Identity<'_> {
        let attributes = self.attributes.as_attributes();
        Identity { user_name: self.user_name, attributes, policy: Some("plant") }
    }
}

/// A rule in the making.
pub(crate) struct Draft(Rule);

/// A rule that is about all.
pub(crate) fn everyone() -> Draft {
    about(Principals { everyone: true, ..Principals::default() })
}

/// A rule that is about a user.
pub(crate) fn user(name: &str) -> Draft {
    about(Principals { user_names: vec![name.to_owned()], ..Principals::default() })
}

/// A rule that is about clients with an attribute.
pub(crate) fn having(name: &str, value: &str) -> Draft {
    let attributes = vec![vec![(name.to_owned(), value.to_owned())]];
    about(Principals { attributes, ..Principals::default() })
}

fn about(principals: Principals) -> Draft {
    Draft(Rule { principals, broker_resources: Vec::new(), state_store_resources: Vec::new() })
}

impl Draft {
    pub(crate) fn connect(mut self) -> Self {
        self.0.broker_resources.push(BrokerResource::Connect { client_ids: Vec::new() });
        self
    }

    pub(crate) fn connect_as(mut self, pattern: &str) -> Self {
        let client_ids = vec![Glob::parse(pattern).expect("a valid pattern")];
        self.0.broker_resources.push(BrokerResource::Connect { client_ids });
        self
    }

    pub(crate) fn publish(mut self, patterns: &[&str]) -> Self {
        self.0.broker_resources.push(BrokerResource::Publish(topics(patterns)));
        self
    }

    pub(crate) fn subscribe(mut self, patterns: &[&str]) -> Self {
        self.0.broker_resources.push(BrokerResource::Subscribe(topics(patterns)));
        self
    }

    pub(crate) fn keys(mut self, access: Access, patterns: &[&str]) -> Self {
        let glob = |text: &&str| KeyPattern::Glob(Glob::parse(text).expect("a valid pattern"));
        let keys = patterns.iter().map(glob).collect();
        self.0.state_store_resources.push(StateStoreResource { access, keys });
        self
    }

    /// Keys as `String` and `Binary` name them.
    pub(crate) fn exact_keys(mut self, access: Access, keys: &[&[u8]]) -> Self {
        let keys = keys.iter().map(|key| KeyPattern::Exact((*key).into())).collect();
        self.0.state_store_resources.push(StateStoreResource { access, keys });
        self
    }
}

fn topics(patterns: &[&str]) -> Topics {
    let parse = |text: &&str| TopicPattern::parse(text).expect("a valid pattern");
    Topics::new(patterns.iter().map(parse).collect(), Vec::new()).expect("nothing is excepted")
}

impl World {
    /// A world where the policy `plant` has these rules and clients come as anonymous under it.
    pub(crate) fn ruled(rules: impl IntoIterator<Item = Draft>) -> Self {
        let mut world = Self::new();
        world.set_rules(rules);
        world.come_as(None, &[]);
        world
    }

    /// Gives the policy `plant` these rules and no other.
    pub(crate) fn set_rules(&mut self, rules: impl IntoIterator<Item = Draft>) {
        let rules = rules.into_iter().map(|draft| draft.0).collect();
        let set = RuleSet::new([("plant".into(), rules)].into());
        self.handle(&Input::Rules(set.as_rules()));
    }

    /// Clients that connect from now on are this user.
    pub(crate) fn come_as(&mut self, user_name: Option<&'static str>, attributes: &[(&str, &str)]) {
        self.who = Some(Who { user_name, attributes: attributes.iter().copied().collect() });
    }
}
