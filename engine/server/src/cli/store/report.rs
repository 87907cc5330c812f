//! What is printed: text for people, or an object a line.

use std::io::{self, IsTerminal};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use mayfly_client::Version;
use serde::Serialize;

use super::super::Outcome;
use super::super::escape::Beginning;
use super::super::output::{Reader, tell, write};

/// Prints what a command found out, in the form that was asked for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Report {
    json: bool,
}

/// An object that is printed. What is `None` is left out.
#[derive(Debug, Default, Serialize)]
pub(super) struct Line<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) result: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<&'a str>,
    #[serde(flatten)]
    pub(super) key: Key<'a>,
    #[serde(flatten)]
    pub(super) value: Option<Value<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) holder: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) fencing_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) session_present: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
}

/// A key, as text where it is some, and as base64.
#[derive(Debug, Default, Serialize)]
pub(super) struct Key<'a> {
    key: Option<&'a str>,
    key_base64: String,
}

/// A value, likewise.
#[derive(Debug, Serialize)]
pub(super) struct Value<'a> {
    value: Option<&'a str>,
    value_base64: String,
}

impl<'a> Key<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Key { key: str::from_utf8(bytes).ok(), key_base64: STANDARD.encode(bytes) }
    }
}

impl<'a> Value<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Value { value: str::from_utf8(bytes).ok(), value_base64: STANDARD.encode(bytes) }
    }
}

impl Report {
    pub(super) fn new(json: bool) -> Self {
        Report { json }
    }

    pub(super) fn is_json(self) -> bool {
        self.json
    }

    /// The object, or the text where that was asked for.
    pub(super) fn print(self, line: &Line<'_>, text: impl FnOnce() -> Vec<u8>) -> io::Result<Reader> {
        if self.json {
            let mut object = serde_json::to_vec(line)?;
            object.push(b'\n');
            write(&object)
        } else {
            write(&text())
        }
    }

    /// The version that a request made.
    pub(super) fn version(self, result: &str, key: &[u8], version: &Version) -> anyhow::Result<Outcome> {
        let line = Line {
            result: Some(result),
            key: Key::new(key),
            version: Some(version.to_string()),
            ..Line::default()
        };
        let _ = self.print(&line, || format!("{version}\n").into_bytes())?;
        Ok(Outcome::Done)
    }

    /// The value of a key, as it is.
    pub(super) fn value(self, key: &[u8], value: &[u8], version: &Version) -> anyhow::Result<Outcome> {
        let line = Line {
            result: Some("found"),
            key: Key::new(key),
            value: Some(Value::new(value)),
            version: Some(version.to_string()),
            ..Line::default()
        };
        let _ = self.print(&line, || {
            let line_end: &[u8] = if io::stdout().is_terminal() { b"\n" } else { b"" };
            [value, line_end].concat()
        })?;
        Ok(Outcome::Done)
    }

    /// What was not done, and why.
    pub(super) fn not_met(
        self,
        result: &str,
        key: &[u8],
        version: Option<&Version>,
        text: &str,
    ) -> anyhow::Result<Outcome> {
        if self.json {
            let version = version.map(ToString::to_string);
            let line = Line { result: Some(result), key: Key::new(key), version, ..Line::default() };
            let _ = self.print(&line, Vec::new)?;
        } else {
            tell(text);
        }
        Ok(Outcome::NotMet)
    }

    pub(super) fn absent(self, key: &[u8]) -> anyhow::Result<Outcome> {
        self.not_met("absent", key, None, &format!("there is no key {}", Beginning(key)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    #[test]
    fn bytes_are_text_where_they_are_and_base64_always() {
        let line = Line {
            result: Some("found"),
            key: Key::new("grün".as_bytes()),
            value: Some(Value::new(b"\0\xff")),
            version: Some("12:3:s".to_owned()),
            ..Line::default()
        };
        let text = "{\"result\":\"found\",\"key\":\"grün\",\"key_base64\":\"Z3LDvG4=\",\"value\":null,\
                    \"value_base64\":\"AP8=\",\"version\":\"12:3:s\"}";
        assert_eq!(serde_json::to_string(&line).unwrap(), text);
        let line = Line { event: Some("deleted"), key: Key::new(b"\xff"), ..Line::default() };
        let text = r#"{"event":"deleted","key":null,"key_base64":"/w=="}"#;
        assert_eq!(serde_json::to_string(&line).unwrap(), text);
    }
}
