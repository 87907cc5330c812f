//! A file's text: where in it a key or a value stands.

use std::ops::Range;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue, Deserializer};

use crate::base::{self, Base};
use crate::error::Invalid;

/// A file and the places of everything in it.
#[derive(Debug)]
pub struct Document<'a> {
    /// What a whole file of this kind is called.
    name: &'static str,
    path: &'a str,
    text: &'a str,
    /// The file that this one builds on; what comes of it has places beyond the end of `text`.
    base: Option<&'a Base>,
    /// With what comes from the base.
    root: Spanned<DeTable<'a>>,
}

/// What stands somewhere in the file. Tables are named as the file would head them: `[run]`, `[[clients]]`,
/// `[clients.workload]`, and as `the scenario` or the like for all of it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The table around it.
    pub(crate) table: String,
    /// The key in that table whose name or value it is.
    pub(crate) key: String,
    /// The heading of the value, should it be a table.
    pub(crate) inner: String,
}

impl<'a> Document<'a> {
    /// Reads the text as TOML, and takes over from the base what it leaves out. What is not TOML is left out, and the first such
    /// place comes with the source.
    pub(crate) fn parse(
        name: &'static str,
        text: &'a str,
        path: &'a str,
        base: Option<&'a Base>,
    ) -> (Self, Option<toml::de::Error>) {
        let (mut root, mut errors) = DeTable::parse_recoverable(text);
        if let Some(base) = base {
            let (further, mut of_base) = DeTable::parse_recoverable(base.padded());
            for (key, value) in further.into_inner() {
                if !root.get_ref().contains_key(key.get_ref().as_ref()) {
                    root.get_mut().insert(key, value);
                }
            }
            errors.append(&mut of_base);
        }
        (Self { name, path, text, base, root }, errors.into_iter().next())
    }

    /// The file as it is without its base: its text where it has none, else TOML that says the same.
    pub fn standing_alone(&self) -> String {
        if self.base.is_none() {
            return self.text.to_owned();
        }
        let mut root = self.root.clone();
        root.get_mut().remove(base::KEY);
        let table = toml::Table::deserialize(Deserializer::from(root)).ok();
        // Both steps fail only on what no type of ours reads, such as a number beyond 64 bits.
        table.and_then(|table| toml::to_string(&table).ok()).unwrap_or_else(|| self.text.to_owned())
    }

    /// The parsed document.
    pub(crate) fn root(&self) -> &Spanned<DeTable<'a>> {
        &self.root
    }

    /// An error at a byte offset.
    pub fn error_at(&self, offset: usize, message: impl Into<String>) -> Invalid {
        let message = message.into();
        let of_base = self.base.and_then(|base| base.error_at(offset, self.path, &message));
        of_base.unwrap_or_else(|| invalid_at(self.path, self.text, offset, message))
    }

    /// An error at the value of a dotted path such as `faults.2.clients.0`, or at the nearest table around it
    /// where the file leaves the key to its default.
    pub fn error_in(&self, path: &str, message: impl Into<String>) -> Invalid {
        let mut span = 0..0;
        let mut steps = path.split('.');
        let mut value = steps.next().and_then(|step| self.root.get_ref().get(step));
        while let Some(found) = value {
            span = found.span();
            value = steps.next().and_then(|step| match found.get_ref() {
                DeValue::Table(table) => table.get(step),
                DeValue::Array(array) => step.parse().ok().and_then(|index: usize| array.get(index)),
                _ => None,
            });
        }
        self.error_at(span.start, message)
    }

    /// What stands at these bytes: the narrowest key or value that covers them, where `[[clients]]` covers only
    /// itself. `None` for the whole file.
    pub(crate) fn place(&self, span: &Range<usize>) -> Option<Place> {
        if *span == self.root.span() {
            return None;
        }
        let mut search = Search { wanted: span.clone(), narrowest: usize::MAX, found: None };
        search.table(self.root.get_ref(), "", self.name);
        search.found
    }
}

/// An error at a byte offset of a text.
pub(crate) fn invalid_at(path: &str, text: &str, offset: usize, message: impl Into<String>) -> Invalid {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    let line = before.matches('\n').count() + 1;
    let column = before[line_start..].chars().count() + 1;
    Invalid::new(path, line, column, &message.into())
}

struct Search {
    wanted: Range<usize>,
    narrowest: usize,
    found: Option<Place>,
}

impl Search {
    fn table(&mut self, table: &DeTable<'_>, path: &str, heading: &str) {
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            let path = if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
            let inner = format!("[{path}]");
            self.offer(&key.span(), heading, name, &inner);
            self.offer(&value.span(), heading, name, &inner);
            match value.get_ref() {
                DeValue::Table(table) => self.table(table, &path, &inner),
                DeValue::Array(array) => {
                    let inner = format!("[[{path}]]");
                    for item in array {
                        self.offer(&item.span(), heading, name, &inner);
                        if let DeValue::Table(table) = item.get_ref() {
                            self.table(table, &path, &inner);
                        }
                    }
                }
                _ => {}
            }
        }
    }

    fn offer(&mut self, span: &Range<usize>, table: &str, key: &str, inner: &str) {
        let covers = span.start <= self.wanted.start && self.wanted.end <= span.end;
        if covers && span.len() <= self.narrowest {
            self.narrowest = span.len();
            let (table, key, inner) = (table.to_owned(), key.to_owned(), inner.to_owned());
            self.found = Some(Place { table, key, inner });
        }
    }
}
