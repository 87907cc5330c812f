//! Serde's complaints in the words of the scenario language.

use super::error::{ScenarioError, nearest};
use super::source::Source;

/// Stands for a `kind` that is missing or no string.
pub(super) const NO_KIND: &str = "";

/// How serde begins its complaint about a key that no field has.
const UNKNOWN_KEY: &str = "unknown field `";

/// How serde begins its complaint about a string that no variant has.
const UNKNOWN_CHOICE: &str = "unknown variant `";

/// Explains text that is not TOML. An unknown key above it is the likelier culprit: after a `[[cleints]]` the next
/// `[clients.workload]` is bad TOML too.
pub(super) fn explain_syntax(
    source: &Source<'_>,
    syntax_error: &toml::de::Error,
    error: Option<&toml::de::Error>,
) -> ScenarioError {
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    match error {
        Some(error) if error.message().starts_with(UNKNOWN_KEY) && start(error) < start(syntax_error) => {
            explain(source, error)
        }
        _ => source.error_at(start(syntax_error), format!("this is not TOML: {}", syntax_error.message())),
    }
}

/// Turns an error of the deserializer into one with a place and advice.
pub(super) fn explain(source: &Source<'_>, error: &toml::de::Error) -> ScenarioError {
    let span = error.span().unwrap_or(0..0);
    let place = source.place(&span);
    let (table, key, inner) = match &place {
        Some(place) => (place.table.as_str(), place.key.as_str(), place.inner.as_str()),
        None => ("the scenario", "", "the scenario"),
    };
    let text = error.message();
    let message = if let Some((name, valid)) = name_and_choices(text, UNKNOWN_KEY) {
        let hint = did_you_mean(name, valid.iter().copied());
        format!("unknown key `{name}` in {table}{hint} (valid keys: {})", valid.join(", "))
    } else if let Some((NO_KIND, valid)) = name_and_choices(text, UNKNOWN_CHOICE)
        && key == "kind"
    {
        format!("`kind` in {table} must be a string; it is one of {}", list(valid))
    } else if let Some((NO_KIND, valid)) = name_and_choices(text, UNKNOWN_CHOICE) {
        format!("the key `kind` is missing in {inner}; it is one of {}", list(valid))
    } else if let Some((name, valid)) = name_and_choices(text, UNKNOWN_CHOICE) {
        let hint = did_you_mean(name, valid.iter().copied());
        format!("`{name}` is not a valid `{key}` in {table}{hint} (valid: {})", valid.join(", "))
    } else if let Some(name) = text.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`')) {
        format!("the key `{name}` is missing in {inner}")
    } else if let Some((found, expected)) = found_and_expected(text) {
        // A number beyond 64 bits comes with the name of Rust's type for it.
        let found = found.trim_end_matches(" as i128").trim_end_matches(" as u128");
        let expected = bounds(key).map_or_else(|| in_words(expected), str::to_owned);
        format!("`{key}` in {table} is {found}, but must be {expected}")
    } else if text == "wanted string or table" {
        format!("`{key}` in {table} must be a string")
    } else {
        format!("`{key}` in {table}: {text}")
    };
    source.error_at(span.start, message)
}

/// What is wrong with a name that is none of the valid ones.
pub(super) fn did_you_mean<'a>(written: &str, valid: impl IntoIterator<Item = &'a str>) -> String {
    nearest(written, valid).map(|name| format!("; did you mean `{name}`?")).unwrap_or_default()
}

/// Names for a sentence: `a, b, c`, each in backquotes.
pub(super) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Splits ``unknown field `x`, expected one of `a`, `b` `` into `x` and its alternatives.
fn name_and_choices<'m>(text: &'m str, prefix: &str) -> Option<(&'m str, Vec<&'m str>)> {
    // The name is the file's and may hold anything; the alternatives are ours. So search from the end.
    let rest = text.strip_prefix(prefix)?;
    let (name, choices) = rest.rsplit_once("`, expected ")?;
    Some((name, choices.split('`').skip(1).step_by(2).collect()))
}

/// Splits `invalid type: integer 5, expected a string`.
fn found_and_expected(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("invalid type: ").or_else(|| text.strip_prefix("invalid value: "))?;
    rest.rsplit_once(", expected ")
}

/// What a number may be that `validate` bounds more tightly than its type.
fn bounds(key: &str) -> Option<&'static str> {
    Some(match key {
        "keys" => "a whole number from 1 to 10000",
        "in_flight" => "a whole number from 1 to 16",
        "count" => "a whole number from 1 to 1000",
        _ => return None,
    })
}

/// Rust's names of types in words.
fn in_words(expected: &str) -> String {
    match expected {
        "u32" => "a whole number from 0 to 4294967295".to_owned(),
        "u64" => "a whole number from 0 to 18446744073709551615".to_owned(),
        "a sequence" => "a list".to_owned(),
        _ if expected.starts_with("struct ") => "a table".to_owned(),
        _ => expected.to_owned(),
    }
}
