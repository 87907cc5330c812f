//! From a file's text to a [`Scenario`] that makes sense.

use std::path::Path;

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue, Deserializer};

use super::error::ScenarioError;
use super::message;
use super::model::Scenario;
use super::source::Source;
use super::validate::validate;

impl Scenario {
    /// Reads a scenario file. Its name without `.toml` becomes the scenario's.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        let shown = path.display().to_string();
        let unreadable = |cause: std::io::Error| ScenarioError::Unreadable {
            path: shown.clone(),
            cause: cause.to_string(),
        };
        let bytes = std::fs::read(path).map_err(unreadable)?;
        let text = str::from_utf8(&bytes).map_err(|error| {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            let line = valid.matches('\n').count() + 1;
            let column = valid.chars().rev().take_while(|&character| character != '\n').count() + 1;
            let message = "this is not TOML: the text is not UTF-8".to_owned();
            ScenarioError::Invalid { path: shown.clone(), line, column, message }
        })?;
        Self::parse(text, &shown)
    }

    /// Reads a scenario from text; `path` is where it came from, for the name and for messages.
    pub fn parse(text: &str, path: &str) -> Result<Self, ScenarioError> {
        let (source, syntax_error) = Source::parse(text, path);
        let document = kinds_outward(source.document().clone());
        let read = Self::deserialize(Deserializer::from(document));
        if let Some(syntax_error) = syntax_error {
            return Err(message::explain_syntax(&source, &syntax_error, read.err().as_ref()));
        }
        let mut scenario = read.map_err(|error| message::explain(&source, &error))?;
        scenario.name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        validate(&scenario, &source)?;
        Ok(scenario)
    }
}

/// Turns `{ kind = "x", rest }` into `{ x = { rest } }` for faults and workloads. Serde reads the second without
/// losing its place in the file, which it does with a tag inside.
fn kinds_outward(mut document: Spanned<DeTable<'_>>) -> Spanned<DeTable<'_>> {
    let root = document.get_mut();
    for fault in tables_in(root, "faults") {
        kind_outward(fault);
    }
    for group in tables_in(root, "clients") {
        if let DeValue::Table(group) = group.get_mut()
            && let Some(workload) = group.get_mut("workload")
        {
            kind_outward(workload);
        }
    }
    document
}

fn tables_in<'t, 'a>(
    root: &'t mut DeTable<'a>,
    key: &str,
) -> impl Iterator<Item = &'t mut Spanned<DeValue<'a>>> {
    let array = match root.get_mut(key).map(Spanned::get_mut) {
        Some(DeValue::Array(array)) => Some(array),
        _ => None,
    };
    array.into_iter().flat_map(|array| array.iter_mut())
}

fn kind_outward(value: &mut Spanned<DeValue<'_>>) {
    let span = value.span();
    let DeValue::Table(table) = value.get_mut() else { return };
    let kind = match table.get("kind").map(|kind| (kind.span(), kind.get_ref())) {
        Some((at, DeValue::String(kind))) => Spanned::new(at, kind.clone()),
        // Not a string: serde has no such variant either, and its complaint comes with the right place.
        Some((at, _)) => Spanned::new(at, DeString::from(message::NO_KIND)),
        None => Spanned::new(span.clone(), DeString::from(message::NO_KIND)),
    };
    let mut rest = std::mem::take(table);
    rest.remove("kind");
    table.insert(kind, Spanned::new(span, DeValue::Table(rest)));
}
