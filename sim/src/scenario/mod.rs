//! Scenario files: what a run simulates, which faults strike it, and what it must show.
//!
//! Owns the language of the files under `scenarios/` and the errors about them. Never runs anything.
//! [`model`] is the language key by key; [`Scenario::load`] reads a file, [`find`] looks one up by name.
//!
//! An error is one line: the file, the line, the column, what is wrong and what would be right.

mod defaults;
mod error;
mod find;
mod floor;
pub mod model;
mod parse;
mod place;
mod reference;
mod schema;
#[cfg(test)]
mod tests;
mod validate;

pub use error::ScenarioError;
pub use find::{FOLDERS, Found, all_in, find, find_in, scenarios_folder};
pub use floor::{Floor, Vocabulary};
pub use model::Scenario;
pub use place::{Checked, Place};
pub use reference::reference;
pub use schema::{language, schema, schema_text};
