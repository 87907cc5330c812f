//! Rules against a second evaluator that shares no code with the first and takes its time: it writes patterns out for
//! the principal, tries every way to match them, and takes coverage by its definition over a small world of topics.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use std::collections::BTreeMap;

use mayfly_core::{
    Access, AttributeList, BrokerResource, Glob, KeyPattern, Operation, Principal, Principals, Rule, RuleSet,
    Rules, StateStoreResource, TopicPattern, Topics,
};
use mayfly_wire::TopicFilter;
use proptest::prelude::*;
use proptest::sample::select;

/// A rule as it is written.
#[derive(Clone, Debug)]
struct Written {
    everyone: bool,
    client_ids: Vec<&'static str>,
    user_names: Vec<&'static str>,
    attributes: Vec<Vec<(&'static str, &'static str)>>,
    connect: Option<Vec<&'static str>>,
    publish: (Vec<&'static str>, Vec<&'static str>),
    subscribe: (Vec<&'static str>, Vec<&'static str>),
    keys: Vec<(Access, bool, &'static str)>,
}

/// Who asks.
#[derive(Clone, Debug)]
struct Asker {
    client_id: &'static str,
    user_name: Option<&'static str>,
    attributes: Vec<(&'static str, &'static str)>,
}

#[derive(Clone, Debug)]
enum Asked {
    Connect,
    Publish(&'static str),
    Subscribe(&'static str),
    Read(&'static str),
    Write(&'static str),
}

const NAMES: [&str; 8] = ["a", "b", "ab", "a/b", "+", "#", "*", "$x"];
const PATTERNS: [&str; 14] = [
    "a",
    "a/b",
    "a/+",
    "a/#",
    "+/b",
    "#",
    "+/#",
    "$x/#",
    "+",
    "{principal.clientId}/#",
    "a/{principal.clientId}",
    "a/{principal.username}/b",
    "{principal.attributes.site}/+",
    "$x/{principal.attributes.site}",
];
const EXCEPTIONS: [&str; 4] = ["a/b", "a/#", "+", "$x/a"];
const TOPICS: [&str; 10] = ["a", "b", "a/b", "a/a", "a/+", "a/b/b", "a//b", "$x/a", "$x", "ab"];
const FILTERS: [&str; 15] = [
    "a",
    "b",
    "a/b",
    "a/+",
    "a/#",
    "#",
    "+/#",
    "+",
    "+/b",
    "$x/#",
    "$x/a",
    "a/b/b",
    "$share/g/a/b",
    "$share/g/#",
    "a/+/b",
];
const GLOBS: [&str; 14] = [
    "*",
    "a",
    "a*",
    "*b",
    "a?",
    "?",
    "a*b*",
    "[a-b]",
    "[!a]*",
    "{principal.clientId}",
    "{principal.clientId}/*",
    "*{principal.username}",
    "{principal.attributes.site}?",
    "[*]",
];
const KEYS: [&str; 12] = ["a", "b", "ab", "aab", "abab", "a/b", "a/x", "ab/", "*", "*/x", "+", "é"];

fn written() -> impl Strategy<Value = Written> {
    let some = |from: &[&'static str]| prop::collection::vec(select(from.to_vec()), 0..3);
    let pair = || (select(vec!["site", "floor"]), select(NAMES.to_vec()));
    let access = select(vec![Access::Read, Access::Write, Access::ReadWrite]);
    (
        prop::bool::weighted(0.2),
        some(&NAMES),
        some(&NAMES),
        prop::collection::vec(prop::collection::vec(pair(), 0..3), 0..3),
        prop::option::of(some(&GLOBS)),
        (some(&PATTERNS), some(&EXCEPTIONS)),
        (some(&PATTERNS), some(&EXCEPTIONS)),
        prop::collection::vec((access, any::<bool>(), select(GLOBS.to_vec())), 0..3),
    )
        .prop_map(|(everyone, client_ids, user_names, attributes, connect, publish, subscribe, keys)| {
            Written { everyone, client_ids, user_names, attributes, connect, publish, subscribe, keys }
        })
}

fn asker() -> impl Strategy<Value = Asker> {
    let pair = (select(vec!["site", "floor"]), select(NAMES.to_vec()));
    (select(NAMES.to_vec()), prop::option::of(select(NAMES.to_vec())), prop::collection::vec(pair, 0..3))
        .prop_map(|(client_id, user_name, attributes)| Asker { client_id, user_name, attributes })
}

fn asked() -> impl Strategy<Value = Asked> {
    prop_oneof![
        1 => Just(Asked::Connect),
        3 => select(TOPICS.to_vec()).prop_map(Asked::Publish),
        3 => select(FILTERS.to_vec()).prop_map(Asked::Subscribe),
        2 => select(KEYS.to_vec()).prop_map(Asked::Read),
        2 => select(KEYS.to_vec()).prop_map(Asked::Write),
    ]
}

impl Written {
    fn rule(&self) -> Rule {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        let patterns = |texts: &[&str]| texts.iter().map(|text| TopicPattern::parse(text).unwrap()).collect();
        let topics = |(allowed, except): &(Vec<&str>, Vec<&str>)| {
            Topics::new(patterns(allowed), patterns(except)).unwrap()
        };
        let mut broker_resources = vec![
            BrokerResource::Publish(topics(&self.publish)),
            BrokerResource::Subscribe(topics(&self.subscribe)),
        ];
        if let Some(client_ids) = &self.connect {
            let client_ids = client_ids.iter().map(|text| Glob::parse(text).unwrap()).collect();
            broker_resources.push(BrokerResource::Connect { client_ids });
        }
        let key = |text: &str, is_exact| {
            if is_exact {
                KeyPattern::Exact(text.as_bytes().into())
            } else {
                KeyPattern::Glob(Glob::parse(text).unwrap())
            }
        };
        let keys = self.keys.iter();
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Rule {
            principals: Principals {
                everyone: self.everyone,
                client_ids: owned(&self.client_ids),
                user_names: owned(&self.user_names),
                attributes: self.attributes.iter().map(|set| set.iter().map(pair).collect()).collect(),
            },
            broker_resources,
            state_store_resources: keys
                .map(|&(access, is_exact, text)| StateStoreResource {
                    access,
                    keys: vec![key(text, is_exact)],
                })
                .collect(),
        }
    }

    fn is_about(&self, asker: &Asker) -> bool {
        if self.everyone || self.client_ids.contains(&asker.client_id) {
            return true;
        }
        let by_name = asker.user_name.is_some_and(|name| self.user_names.contains(&name));
        let by_set = self
            .attributes
            .iter()
            .any(|set| !set.is_empty() && set.iter().all(|wanted| asker.attributes.contains(wanted)));
        by_name || by_set
    }

    fn allows(&self, asker: &Asker, asked: &Asked) -> bool {
        if !self.is_about(asker) {
            return false;
        }
        let key_allowed = |key: &str, unwanted| {
            self.keys.iter().any(|&(access, is_exact, text)| {
                access != unwanted
                    && if is_exact { text == key } else { glob_matches(text, asker, key.as_bytes()) }
            })
        };
        match *asked {
            Asked::Connect => self.connect.as_ref().is_some_and(|patterns| {
                patterns.is_empty()
                    || patterns.iter().any(|text| glob_matches(text, asker, asker.client_id.as_bytes()))
            }),
            Asked::Publish(topic) => {
                let is_meant = |text: &&str| topic_matches(text, asker, topic);
                self.publish.0.iter().any(is_meant) && !self.publish.1.iter().any(is_meant)
            }
            Asked::Subscribe(filter) => {
                let filter = filter.strip_prefix("$share/g/").unwrap_or(filter);
                let world = world();
                let meant: Vec<_> =
                    world.iter().filter(|topic| topic_matches(filter, asker, topic)).collect();
                let covers = |text: &&str| meant.iter().all(|topic| topic_matches(text, asker, topic));
                self.subscribe.0.iter().any(covers) && !self.subscribe.1.iter().any(covers)
            }
            Asked::Read(key) => key_allowed(key, Access::Write),
            Asked::Write(key) => key_allowed(key, Access::Read),
        }
    }
}

/// Topics of up to four levels.
fn world() -> Vec<String> {
    let mut all = Vec::new();
    let mut last = vec![String::new()];
    for depth in 0..4 {
        let separator = if depth == 0 { "" } else { "/" };
        last = last
            .iter()
            .flat_map(|before| ["a", "b", "z", "$x", "$z"].map(|level| format!("{before}{separator}{level}")))
            .collect();
        all.extend(last.clone());
    }
    all
}

/// The value behind a token, `Err` where the text is none.
fn value(text: &str, asker: &Asker) -> Result<Option<&'static str>, ()> {
    let attribute =
        |name| asker.attributes.iter().find(|(present, _)| *present == name).map(|(_, value)| *value);
    match text {
        "{principal.clientId}" => Ok(Some(asker.client_id)),
        "{principal.username}" => Ok(asker.user_name),
        "{principal.attributes.site}" => Ok(attribute("site")),
        _ => Err(()),
    }
}

fn topic_matches(pattern: &str, asker: &Asker, topic: &str) -> bool {
    let mut levels = Vec::new();
    for (place, level) in pattern.split('/').enumerate() {
        match value(level, asker) {
            Err(()) => levels.push((level, false)),
            Ok(Some(value)) => {
                if value.contains(['/', '+', '#']) || place == 0 && value.starts_with('$') {
                    return false;
                }
                levels.push((value, true));
            }
            Ok(None) => return false,
        }
    }
    let given: Vec<_> = topic.split('/').collect();
    if topic.starts_with('$') && matches!(levels[0], ("+" | "#", false)) {
        return false;
    }
    match levels.last() {
        Some(("#", false)) => {
            levels.pop();
            given.len() >= levels.len() && fit(&levels, &given[..levels.len()])
        }
        _ => given.len() == levels.len() && fit(&levels, &given),
    }
}

fn fit(levels: &[(&str, bool)], given: &[&str]) -> bool {
    levels.iter().zip(given).all(|(&(level, is_value), given)| level == *given || (level == "+" && !is_value))
}

fn glob_matches(pattern: &str, asker: &Asker, bytes: &[u8]) -> bool {
    if let Some(rest) = pattern.strip_prefix('*') {
        return (0..=bytes.len()).any(|skipped| glob_matches(rest, asker, &bytes[skipped..]));
    }
    if pattern.starts_with('{') {
        let end = pattern.find('}').unwrap() + 1;
        return match value(&pattern[..end], asker).unwrap() {
            Some(value) if !value.contains('/') => bytes
                .strip_prefix(value.as_bytes())
                .is_some_and(|rest| glob_matches(&pattern[end..], asker, rest)),
            _ => false,
        };
    }
    let Some((first, rest)) = bytes.split_first() else { return pattern.is_empty() };
    let (is_met, len) = match pattern {
        "" => return false,
        _ if pattern.starts_with("[a-b]") => (matches!(first, b'a' | b'b'), 5),
        _ if pattern.starts_with("[!a]") => (*first != b'a', 4),
        _ if pattern.starts_with("[*]") => (*first == b'*', 3),
        _ if pattern.starts_with('?') => (true, 1),
        _ => (pattern.as_bytes()[0] == *first, 1),
    };
    is_met && glob_matches(&pattern[len..], asker, rest)
}

fn rule_set(policies: &[Vec<Written>]) -> RuleSet {
    let rules = |policy: &Vec<Written>| policy.iter().map(Written::rule).collect();
    let named =
        policies.iter().enumerate().map(|(number, policy)| (number.to_string().into(), rules(policy)));
    RuleSet::new(named.collect::<BTreeMap<Box<str>, Vec<Rule>>>())
}

fn policies() -> impl Strategy<Value = Vec<Vec<Written>>> {
    prop::collection::vec(prop::collection::vec(written(), 0..3), 0..3)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, ..ProptestConfig::default() })]

    #[test]
    fn agrees_with_a_second_evaluator(
        policies in policies(),
        askers in prop::collection::vec(asker(), 1..4),
        asked in prop::collection::vec(asked(), 1..12),
    ) {
        let rules = rule_set(&policies);
        for asker in &askers {
            let attributes: AttributeList = asker.attributes.iter().copied().collect();
            let principal = Principal {
                client_id: asker.client_id,
                user_name: asker.user_name,
                attributes: attributes.as_attributes(),
            };
            for asked in &asked {
                let operation = match *asked {
                    Asked::Connect => Operation::Connect,
                    Asked::Publish(topic) => Operation::Publish(topic),
                    Asked::Subscribe(filter) => Operation::Subscribe(TopicFilter::parse(filter).unwrap()),
                    Asked::Read(key) => Operation::Read(key.as_bytes()),
                    Asked::Write(key) => Operation::Write(key.as_bytes()),
                };
                for (number, policy) in policies.iter().enumerate() {
                    let expected = policy.iter().any(|rule| rule.allows(asker, asked));
                    let allowed = rules.allows(&number.to_string(), principal, operation);
                    prop_assert_eq!(allowed, expected, "{:?} {:?} under {:?}", asker, asked, policy);
                }
                prop_assert!(!rules.allows("unknown", principal, operation));
            }
        }
    }

    #[test]
    fn rules_come_back_from_bytes(policies in policies(), place in any::<prop::sample::Index>(), byte: u8) {
        let rules = rule_set(&policies);
        let bytes = rules.as_rules().as_bytes();
        prop_assert_eq!(&Rules::from_bytes(bytes).unwrap().to_set(), &rules);
        for len in 0..bytes.len() {
            prop_assert!(Rules::from_bytes(&bytes[..len]).is_none(), "cut at {}", len);
        }
        prop_assert!(Rules::from_bytes(&[bytes, &[0]].concat()).is_none());
        // Whatever else is read is what it says.
        let mut changed = bytes.to_vec();
        let place = place.index(changed.len());
        changed[place] = byte;
        if let Some(read) = Rules::from_bytes(&changed) {
            let set = read.to_set();
            prop_assert_eq!(set.as_rules().as_bytes(), &changed[..]);
        }
    }
}
