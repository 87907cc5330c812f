//! Patterns of topics: topic filters with tokens.

use mayfly_wire::TopicFilter;

use super::token::{PatternError, Principal, Token};

/// A topic filter in a rule; a level of it may be a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicPattern {
    text: Box<str>,
    levels: Box<[Level]>,
}

/// The topics of a rule, and what it withholds of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Topics {
    allowed: Vec<TopicPattern>,
    except: Vec<TopicPattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Level {
    Literal(Box<str>),
    /// `+`
    Any,
    /// `#`
    Rest,
    Token(Token),
}

impl TopicPattern {
    /// Checks a text.
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        if text.starts_with("$share/") {
            return Err(PatternError::Shared);
        }
        TopicFilter::parse(text)?;
        let levels = text.split('/').map(Level::parse).collect::<Result<_, _>>()?;
        Ok(Self { text: text.into(), levels })
    }

    /// The text that it was made of.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether a message with this topic is meant; as in MQTT a wildcard in the first level does not match a name that
    /// begins with `$` [MQTT-4.7.2-1].
    pub fn matches(&self, topic: &str, principal: Principal<'_>) -> bool {
        let mut given = topic.split('/');
        let mut is_first = true;
        for level in &self.levels {
            let given = given.next();
            let is_hidden = is_first && topic.starts_with('$');
            match (level, given) {
                // "a/#" matches "a" as well as all below it.
                (Level::Rest, _) => return !is_hidden,
                (Level::Any, Some(_)) if !is_hidden => {}
                (Level::Literal(literal), Some(given)) if **literal == *given => {}
                (Level::Token(token), Some(given)) if is_value(token, principal, given, is_first) => {}
                _ => return false,
            }
            is_first = false;
        }
        given.next().is_none()
    }

    /// Whether every topic that `filter` matches is meant.
    pub fn covers(&self, filter: TopicFilter<'_>, principal: Principal<'_>) -> bool {
        // "#" needs one level at least, and so means what "+/#" does.
        let is_all = filter.levels().next() == Some("#");
        let mut asked = is_all.then_some("+").into_iter().chain(filter.levels());
        let mut is_first = true;
        for level in &self.levels {
            let asked = asked.next();
            let is_hidden = is_first && asked.is_some_and(|asked| asked.starts_with('$'));
            match (level, asked) {
                (Level::Rest, _) => return !is_hidden,
                (Level::Any, Some(asked)) if asked != "#" && !is_hidden => {}
                (Level::Literal(literal), Some(asked)) if **literal == *asked => {}
                (Level::Token(token), Some(asked)) if is_value(token, principal, asked, is_first) => {}
                _ => return false,
            }
            is_first = false;
        }
        asked.next().is_none()
    }
}

impl Level {
    fn parse(text: &str) -> Result<Self, PatternError> {
        match text {
            "+" => Ok(Self::Any),
            "#" => Ok(Self::Rest),
            _ => match (text.find('{'), text.find('}')) {
                (None, None) => Ok(Self::Literal(text.into())),
                (Some(open), Some(close)) if open < close => {
                    let token = Token::parse(&text[open + 1..close])?;
                    let is_alone = open == 0 && close + 1 == text.len();
                    if is_alone { Ok(Self::Token(token)) } else { Err(PatternError::TokenNotAlone) }
                }
                _ => Err(PatternError::StrayBrace),
            },
        }
    }
}

impl Topics {
    /// Allows what a pattern of `allowed` matches and none of `except`. Another rule may still allow an exception. A
    /// subscription is withheld where an exception covers it; a wider one is not, and brings messages of the excepted
    /// topics too. The reference has no exceptions. They may hold no token: where its value is missing, an exception
    /// would withhold nothing.
    pub fn new(allowed: Vec<TopicPattern>, except: Vec<TopicPattern>) -> Result<Self, PatternError> {
        let has_token = |pattern: &TopicPattern| pattern.levels.iter().any(|l| matches!(l, Level::Token(_)));
        if except.iter().any(has_token) {
            Err(PatternError::TokenInException)
        } else {
            Ok(Self { allowed, except })
        }
    }

    /// The patterns of what is allowed.
    pub fn allowed(&self) -> &[TopicPattern] {
        &self.allowed
    }

    /// The patterns of what is withheld.
    pub fn except(&self) -> &[TopicPattern] {
        &self.except
    }

    /// Whether a message may be published to `topic`.
    pub(super) fn allow_name(&self, topic: &str, principal: Principal<'_>) -> bool {
        let matches = |pattern: &TopicPattern| pattern.matches(topic, principal);
        self.allowed.iter().any(matches) && !self.except.iter().any(matches)
    }

    /// Whether `filter` may be subscribed to: one of the allowed patterns alone has to cover it.
    pub(super) fn allow_filter(&self, filter: TopicFilter<'_>, principal: Principal<'_>) -> bool {
        let covers = |pattern: &TopicPattern| pattern.covers(filter, principal);
        self.allowed.iter().any(covers) && !self.except.iter().any(covers)
    }
}

/// Whether a level is a token's value. A level with a wildcard never is, and none that a `$` makes another kind of topic.
fn is_value(token: &Token, principal: Principal<'_>, level: &str, is_first: bool) -> bool {
    token.value(principal) == Some(level)
        && !level.contains(['+', '#'])
        && !(is_first && level.starts_with('$'))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use mayfly_wire::TopicName;

    use super::*;
    use crate::identity::AttributeList;

    fn covers(pattern: &str, filter: &str, principal: Principal<'_>) -> bool {
        TopicPattern::parse(pattern).unwrap().covers(TopicFilter::parse(filter).unwrap(), principal)
    }

    fn matches(pattern: &str, topic: &str, principal: Principal<'_>) -> bool {
        TopicPattern::parse(pattern).unwrap().matches(topic, principal)
    }

    #[test]
    fn what_is_no_pattern() {
        for (text, message) in [
            ("", "it is no topic filter: it has no character [MQTT-4.7.3-1]"),
            ("a/#/b", "it is no topic filter: '#' must be the whole last level [MQTT-4.7.1-1]"),
            ("$share/g/a", "a rule is about the filter behind `$share/NAME/`; leave the prefix out"),
            (
                "c-{principal.clientId}/#",
                "a token must be a whole level of the topic, as in `clients/{principal.clientId}/#`",
            ),
            (
                "a/{x}",
                "`{x}` is no token; the tokens are {principal.clientId}, {principal.username} and {principal.attributes.NAME}",
            ),
            (
                "a/}{",
                "a `{` or `}` stands alone; braces are reserved for tokens such as {principal.clientId}",
            ),
        ] {
            assert_eq!(TopicPattern::parse(text).unwrap_err().to_string(), message, "{text}");
        }
        let pattern = |text| vec![TopicPattern::parse(text).unwrap()];
        let error = Topics::new(pattern("#"), pattern("{principal.clientId}")).unwrap_err();
        assert_eq!(error, PatternError::TokenInException);
    }

    #[test]
    fn a_value_never_widens_a_pattern() {
        for client_id in ["+", "#", "a/b", "a+", "x#", ""] {
            let principal = Principal { client_id, ..Principal::default() };
            for asked in ["c/+/t", "c/#", "c/a/t", "c/a/b/t", "c//t", "#"] {
                assert!(!covers("c/{principal.clientId}/t", asked, principal), "{client_id} {asked}");
            }
            for topic in ["c/+/t", "c/a/t", "c/a/b/t", "c//t", "c/a+/t", "c/x#/t"] {
                assert!(!matches("c/{principal.clientId}/t", topic, principal), "{client_id} {topic}");
            }
        }
        let principal = Principal { client_id: "$SYS", user_name: Some("u*"), ..Principal::default() };
        assert!(!matches("{principal.clientId}/#", "$SYS/x", principal));
        assert!(!covers("{principal.clientId}/#", "$SYS/#", principal));
        assert!(matches("c/{principal.clientId}", "c/$SYS", principal));
        assert!(matches("{principal.username}/+", "u*/x", principal));
        assert!(!matches("{principal.username}/+", "ux/x", principal));
        let attributes: AttributeList = [("site", "s")].into_iter().collect();
        let principal = Principal { attributes: attributes.as_attributes(), ..Principal::default() };
        assert!(covers("{principal.attributes.site}/+", "s/+", principal));
        assert!(!covers("{principal.attributes.floor}/+", "s/+", principal));
    }

    /// Covering means: whatever the filter matches, the pattern matches. Tried on every pattern and filter of up to three
    /// levels against every topic of up to four, with levels that no pattern names.
    #[test]
    fn covering_is_matching_all() {
        let texts = |levels: &[&str], depth: usize| {
            let mut all = vec![vec![]];
            let mut texts: Vec<String> = Vec::new();
            for _ in 0..depth {
                all = all
                    .iter()
                    .flat_map(|before| levels.iter().map(move |level| [&before[..], &[*level]].concat()))
                    .collect::<Vec<Vec<&str>>>();
                texts.extend(all.iter().map(|levels| levels.join("/")).filter(|text| !text.is_empty()));
            }
            texts
        };
        let mut filters = texts(&["a", "$x", "+"], 3);
        let with_rest: Vec<_> = filters.iter().map(|filter| format!("{filter}/#")).collect();
        filters.extend(with_rest);
        filters.push("#".to_owned());
        let topics = texts(&["a", "z", "$x", "$z"], 4);
        let matching: Vec<Vec<bool>> = filters
            .iter()
            .map(|filter| {
                let filter = TopicFilter::parse(filter).unwrap();
                topics.iter().map(|topic| filter.matches(TopicName::parse(topic).unwrap())).collect()
            })
            .collect();
        for (pattern, meant) in filters.iter().zip(&matching) {
            let pattern = TopicPattern::parse(pattern).unwrap();
            for (topic, meant) in topics.iter().zip(meant) {
                assert_eq!(
                    pattern.matches(topic, Principal::default()),
                    *meant,
                    "{} {topic}",
                    pattern.as_str()
                );
            }
            for (filter, asked) in filters.iter().zip(&matching) {
                let expected = asked.iter().zip(meant).all(|(asked, meant)| !asked || *meant);
                let parsed = TopicFilter::parse(filter).unwrap();
                let covers = pattern.covers(parsed, Principal::default());
                assert_eq!(covers, expected, "{} {filter}", pattern.as_str());
            }
        }
    }

    #[test]
    fn the_share_name_does_not_count() {
        assert!(covers("a/+", "$share/g/a/b", Principal::default()));
        assert!(!covers("#", "$share/g/$SYS/b", Principal::default()));
    }
}
