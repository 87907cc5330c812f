//! From what the file says to rules, with an error at the place of whatever makes no sense.

use std::collections::BTreeMap;

use data_encoding::BASE64;
use mayfly_core::{self as core, Glob, KeyPattern, PatternError, RuleSet, TopicPattern, Topics};
use mayfly_settings::{Document, Invalid};
use toml::Spanned;

use crate::model::{Access, BrokerResource, File, KeyType, Method, Principals, Rule, StateStoreResource};

type Texts = Spanned<Vec<Spanned<String>>>;

pub(crate) fn rule_set(file: File, document: &Document<'_>) -> Result<RuleSet, Invalid> {
    let reader = Reader { document };
    let mut policies = BTreeMap::new();
    for (name, policy) in file.policies {
        let rules = policy.rules.iter().map(|rule| reader.rule(rule)).collect::<Result<_, _>>()?;
        policies.insert(name.into_boxed_str(), rules);
    }
    Ok(RuleSet::new(policies))
}

struct Reader<'d> {
    document: &'d Document<'d>,
}

impl Reader<'_> {
    fn error<T>(&self, at: &Spanned<impl Sized>, message: impl Into<String>) -> Result<T, Invalid> {
        Err(self.document.error_at(at.span().start, message))
    }

    fn rule(&self, rule: &Spanned<Rule>) -> Result<core::Rule, Invalid> {
        let Rule { principals, broker_resources, state_store_resources } = rule.get_ref();
        if broker_resources.is_empty() && state_store_resources.is_empty() {
            return self.error(
                rule,
                "the rule allows nothing; it needs `broker_resources` or `state_store_resources`",
            );
        }
        Ok(core::Rule {
            principals: self.principals(principals)?,
            broker_resources: broker_resources
                .iter()
                .map(|resource| self.broker_resource(resource))
                .collect::<Result<_, _>>()?,
            state_store_resources: state_store_resources
                .iter()
                .map(|resource| self.state_store_resource(resource.get_ref()))
                .collect::<Result<_, _>>()?,
        })
    }

    fn principals(&self, principals: &Spanned<Principals>) -> Result<core::Principals, Invalid> {
        let Principals { everyone, client_ids, usernames, attributes } = principals.get_ref();
        if !everyone && client_ids.is_empty() && usernames.is_empty() && attributes.is_empty() {
            return self.error(
                principals,
                "the rule is about nobody; name `client_ids`, `usernames` or `attributes`, or say `everyone = true`",
            );
        }
        if let Some(empty) = attributes.iter().find(|set| set.get_ref().is_empty()) {
            return self.error(empty, "a set of attributes names one at least, as in `{ floor = \"3\" }`");
        }
        let set = |set: &Spanned<BTreeMap<String, String>>| set.get_ref().clone().into_iter().collect();
        Ok(core::Principals {
            everyone: *everyone,
            client_ids: client_ids.clone(),
            user_names: usernames.clone(),
            attributes: attributes.iter().map(set).collect(),
        })
    }

    fn broker_resource(&self, written: &Spanned<BrokerResource>) -> Result<core::BrokerResource, Invalid> {
        let BrokerResource { method, client_ids, topics, except } = written.get_ref();
        if *method == Method::Connect {
            if let Some(misplaced) = topics.as_ref().or(except.as_ref()) {
                return self.error(
                    misplaced,
                    "`Connect` has no topics; it takes `client_ids`, or no key but `method`",
                );
            }
            let client_ids = match client_ids {
                Some(client_ids) => self.patterns(client_ids, "client_ids", Glob::parse)?,
                None => Vec::new(),
            };
            return Ok(core::BrokerResource::Connect { client_ids });
        }
        if let Some(misplaced) = client_ids {
            return self.error(
                misplaced,
                "`client_ids` belongs to `Connect`; whom a rule is about is said in its `principals`",
            );
        }
        let Some(topics) = topics else {
            return self.error(
                written,
                format!("the key `topics` is missing beside `{method:?}`; `topics = [\"#\"]` means all"),
            );
        };
        let allowed = self.patterns(topics, "topics", TopicPattern::parse)?;
        let excepted = match except {
            Some(except) => self.patterns(except, "except", TopicPattern::parse)?,
            None => Vec::new(),
        };
        let topics = match (Topics::new(allowed, excepted), except) {
            (Ok(topics), _) => topics,
            (Err(error), Some(at)) => return self.error(at, error.to_string()),
            (Err(error), None) => return self.error(topics, error.to_string()),
        };
        Ok(match method {
            Method::Subscribe => core::BrokerResource::Subscribe(topics),
            Method::Connect | Method::Publish => core::BrokerResource::Publish(topics),
        })
    }

    fn state_store_resource(
        &self,
        written: &StateStoreResource,
    ) -> Result<core::StateStoreResource, Invalid> {
        let access = match written.method {
            Access::Read => core::Access::Read,
            Access::Write => core::Access::Write,
            Access::ReadWrite => core::Access::ReadWrite,
        };
        let keys = &written.keys;
        let keys = match written.key_type {
            KeyType::Pattern => {
                self.patterns(keys, "keys", |text| Glob::parse(text).map(KeyPattern::Glob))?
            }
            KeyType::String => self.patterns(keys, "keys", |text| match text {
                "" => Err(PatternError::Empty),
                _ => Ok(KeyPattern::Exact(text.as_bytes().into())),
            })?,
            KeyType::Binary => self.binary_keys(keys)?,
        };
        Ok(core::StateStoreResource { access, keys })
    }

    fn patterns<T>(
        &self,
        texts: &Texts,
        key: &str,
        parse: impl Fn(&str) -> Result<T, PatternError>,
    ) -> Result<Vec<T>, Invalid> {
        self.require_some(texts, key)?;
        let parse = |text: &Spanned<String>| {
            parse(text.get_ref())
                .or_else(|error| self.error(text, format!("`{}` in `{key}`: {error}", text.get_ref())))
        };
        texts.get_ref().iter().map(parse).collect()
    }

    fn binary_keys(&self, texts: &Texts) -> Result<Vec<KeyPattern>, Invalid> {
        self.require_some(texts, "keys")?;
        let decode = |text: &Spanned<String>| match BASE64.decode(text.get_ref().as_bytes()) {
            Ok(key) if !key.is_empty() => Ok(KeyPattern::Exact(key.into())),
            Ok(_) => self.error(text, "an empty key in `keys`: a key has one byte at least"),
            Err(error) => self.error(
                text,
                format!(
                    "`{}` in `keys` is not base64: {error}; a `Binary` key is written like `AP8=`",
                    text.get_ref()
                ),
            ),
        };
        texts.get_ref().iter().map(decode).collect()
    }

    fn require_some(&self, texts: &Texts, key: &str) -> Result<(), Invalid> {
        match texts.get_ref().as_slice() {
            [] => self.error(
                texts,
                format!("`{key}` is empty, so it allows nothing; name something or leave it out"),
            ),
            _ => Ok(()),
        }
    }
}
