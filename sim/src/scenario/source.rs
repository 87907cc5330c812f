//! A scenario's text: where in it a key or a value stands.

use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ScenarioError;

/// A scenario file and the places of everything in it.
pub(super) struct Source<'a> {
    path: &'a str,
    text: &'a str,
    root: Spanned<DeTable<'a>>,
}

/// What stands somewhere in the file. Tables are named as the file would head them: `[run]`, `[[clients]]`,
/// `[clients.workload]`, and `the scenario` for all of it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Place {
    /// The table around it.
    pub(super) table: String,
    /// The key in that table whose name or value it is.
    pub(super) key: String,
    /// The heading of the value, should it be a table.
    pub(super) inner: String,
}

impl<'a> Source<'a> {
    /// Reads the text as TOML. What is not TOML is left out, and the first such place comes with the source.
    pub(super) fn parse(text: &'a str, path: &'a str) -> (Self, Option<toml::de::Error>) {
        let (root, errors) = DeTable::parse_recoverable(text);
        (Self { path, text, root }, errors.into_iter().next())
    }

    /// The parsed document.
    pub(super) fn document(&self) -> &Spanned<DeTable<'a>> {
        &self.root
    }

    /// An error at a byte offset.
    pub(super) fn error_at(&self, offset: usize, message: impl Into<String>) -> ScenarioError {
        let before = self.text.get(..offset).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        ScenarioError::Invalid {
            path: self.path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            message: message.into().replace('\n', " "),
        }
    }

    /// An error at the value of a dotted path such as `faults.2.clients.0`, or at the nearest table around it
    /// where the file leaves the key to its default.
    pub(super) fn error_in(&self, path: &str, message: impl Into<String>) -> ScenarioError {
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
    /// itself. `None` for the whole scenario.
    pub(super) fn place(&self, span: &Range<usize>) -> Option<Place> {
        if *span == self.root.span() {
            return None;
        }
        let mut search = Search { wanted: span.clone(), narrowest: usize::MAX, found: None };
        search.table(self.root.get_ref(), "", "the scenario");
        search.found
    }
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
