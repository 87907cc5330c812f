//! Serde's complaints in the words of the person who wrote the file.

use crate::document::Document;
use crate::error::Invalid;
use crate::nearest::did_you_mean;
use crate::read::Format;

/// Stands for a `kind` that is missing or no string.
pub(crate) const NO_KIND: &str = "";

/// How serde begins its complaint about a key that no field has.
const UNKNOWN_KEY: &str = "unknown field `";

/// How serde begins its complaint about a string that no variant has.
const UNKNOWN_CHOICE: &str = "unknown variant `";

/// Explains text that is not TOML. An unknown key above it is the likelier culprit: after a `[[cleints]]` the next
/// `[clients.workload]` is bad TOML too.
pub(crate) fn explain_syntax(
    format: &Format,
    document: &Document<'_>,
    syntax_error: &toml::de::Error,
    error: Option<&toml::de::Error>,
) -> Invalid {
    let start = |error: &toml::de::Error| error.span().map_or(0, |span| span.start);
    match error {
        Some(error) if error.message().starts_with(UNKNOWN_KEY) && start(error) < start(syntax_error) => {
            explain(format, document, error)
        }
        _ => document.error_at(start(syntax_error), format!("this is not TOML: {}", syntax_error.message())),
    }
}

/// Turns an error of the deserializer into one with a place and advice.
pub(crate) fn explain(format: &Format, document: &Document<'_>, error: &toml::de::Error) -> Invalid {
    let span = error.span().unwrap_or(0..0);
    let place = document.place(&span);
    let (table, key, inner) = match &place {
        Some(place) => (place.table.as_str(), place.key.as_str(), place.inner.as_str()),
        None => (format.name, "", format.name),
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
        let expected = (format.bounds)(key).map_or_else(|| in_words(expected), str::to_owned);
        format!("`{key}` in {table} is {found}, but must be {expected}")
    } else if text == "wanted string or table" {
        format!("`{key}` in {table} must be a string")
    } else {
        format!("`{key}` in {table}: {text}")
    };
    document.error_at(span.start, message)
}

/// Names for a sentence: `a, b, c`, each in backquotes.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
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
