//! From a file's text to a value.

use std::path::Path;

use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use crate::base::Base;
use crate::document::Document;
use crate::error::{Invalid, SettingsError};
use crate::message;

/// What the files of one kind have in common, beyond their types.
#[derive(Clone, Copy, Debug)]
pub struct Format {
    /// What a whole file is called in a message: `the scenario`.
    pub name: &'static str,
    /// Brings the document into the form that the types read, as [`kind_outward`](crate::kind_outward) does.
    pub reshape: fn(&mut Spanned<DeTable<'_>>),
    /// What the number under a key may be, where a check bounds it more tightly than its type.
    pub bounds: fn(&str) -> Option<&'static str>,
}

impl Format {
    /// A kind of file whose types say it all.
    pub const fn new(name: &'static str) -> Self {
        Self { name, reshape: |_| (), bounds: |_| None }
    }
}

/// Reads a value from text; `path` is where it came from, for messages.
pub fn read<'a, T: DeserializeOwned>(
    format: &Format,
    text: &'a str,
    path: &'a str,
) -> Result<(T, Document<'a>), Invalid> {
    read_upon(format, text, path, None)
}

/// Reads a value from text that may build on another file.
pub fn read_upon<'a, T: DeserializeOwned>(
    format: &Format,
    text: &'a str,
    path: &'a str,
    base: Option<&'a Base>,
) -> Result<(T, Document<'a>), Invalid> {
    let (document, syntax_error) = Document::parse(format.name, text, path, base);
    let mut reshaped = document.root().clone();
    (format.reshape)(&mut reshaped);
    let read = T::deserialize(Deserializer::from(reshaped));
    if let Some(syntax_error) = syntax_error {
        return Err(message::explain_syntax(format, &document, &syntax_error, read.err().as_ref()));
    }
    let value = read.map_err(|error| message::explain(format, &document, &error))?;
    Ok((value, document))
}

/// Reads a file's text, which must be UTF-8.
pub fn load(path: &Path) -> Result<String, SettingsError> {
    let shown = path.display().to_string();
    let bytes = std::fs::read(path)
        .map_err(|error| SettingsError::Unreadable { path: shown.clone(), cause: error.to_string() })?;
    Ok(text(bytes, &shown)?)
}

/// A file's bytes as text; `path` is where they came from, for messages.
pub fn text(bytes: Vec<u8>, path: &str) -> Result<String, Invalid> {
    String::from_utf8(bytes).map_err(|error| {
        let valid_up_to = error.utf8_error().valid_up_to();
        let valid = String::from_utf8_lossy(&error.as_bytes()[..valid_up_to]).into_owned();
        let line = valid.matches('\n').count() + 1;
        let column = valid.chars().rev().take_while(|&character| character != '\n').count() + 1;
        Invalid::new(path, line, column, "the text is not UTF-8")
    })
}
