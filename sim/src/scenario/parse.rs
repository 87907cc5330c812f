//! From a file's text to a [`Scenario`] that makes sense.

use std::path::Path;

use mayfly_settings::{Base, Format, kind_outward, load, read_upon, tables_in};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::error::ScenarioError;
use super::model::Scenario;
use super::validate::validate;

const FORMAT: Format = Format { name: "the scenario", reshape: kinds_outward, bounds };

impl Scenario {
    /// Reads a scenario file. Its name without `.toml` becomes the scenario's.
    pub fn load(path: &Path) -> Result<Self, ScenarioError> {
        Self::parse(&load(path)?, &path.display().to_string())
    }

    /// Reads a scenario from text; `path` is where it came from, for the name, for messages, and for its base, which is a path
    /// relative to that.
    pub fn parse(text: &str, path: &str) -> Result<Self, ScenarioError> {
        let base = Base::of(text, path)?;
        let (mut scenario, document) = read_upon::<Self>(&FORMAT, text, path, base.as_ref())?;
        scenario.text = document.standing_alone();
        scenario.name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        validate(&scenario, &document)?;
        Ok(scenario)
    }
}

/// Faults, workloads and the steps of scripts say in `kind` what they are.
fn kinds_outward(document: &mut Spanned<DeTable<'_>>) {
    let root = document.get_mut();
    for fault in tables_in(root, "faults") {
        kind_outward(fault);
    }
    for group in tables_in(root, "clients") {
        if let DeValue::Table(group) = group.get_mut()
            && let Some(workload) = group.get_mut("workload")
        {
            if let DeValue::Table(workload) = workload.get_mut() {
                tables_in(workload, "steps").for_each(kind_outward);
            }
            kind_outward(workload);
        }
    }
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
