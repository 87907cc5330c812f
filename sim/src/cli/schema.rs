//! The language of scenario files: its JSON schema, and the page that lists its keys.

use super::Exit;
use super::output::print;
use crate::scenario::{ScenarioError, reference, scenarios_folder, schema_text};

/// The schema's file in the folder of the scenarios.
const SCHEMA: &str = "scenario.schema.json";

/// The page's file there.
const REFERENCE: &str = "REFERENCE.md";

/// `schema`
#[derive(Debug, clap::Args)]
#[group(skip)]
pub(super) struct Arguments {
    /// Write `scenarios/scenario.schema.json` and `scenarios/REFERENCE.md` instead
    #[arg(long)]
    write: bool,
}

pub(super) fn main(arguments: &Arguments) -> Result<Exit, ScenarioError> {
    if !arguments.write {
        print(&schema_text());
        return Ok(Exit::Passed);
    }
    let folder = scenarios_folder()?;
    for (name, text) in [(SCHEMA, schema_text()), (REFERENCE, reference())] {
        let file = folder.join(name);
        if let Err(error) = std::fs::write(&file, text) {
            eprintln!("{} cannot be written: {error}", file.display());
            return Ok(Exit::Invalid);
        }
        print(&format!("{}\n", file.display()));
    }
    Ok(Exit::Passed)
}
