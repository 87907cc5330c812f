//! The authorization rules file: one TOML file with named policies.
//!
//! Owns the language of the file and the errors about it; what rules mean is `mayfly_core`'s. The simulator reads the
//! same language, so nothing here touches the network or the clock. `examples/rules.toml` shows every key; [`model`] is
//! the language key by key. It is that of Azure `IoT` Operations' `BrokerAuthorization`, in TOML's way of writing names.

mod convert;
pub mod model;

use std::path::Path;

use mayfly_core::RuleSet;
use mayfly_settings::{Format, Invalid, SettingsError};

const FORMAT: Format = Format::new("the rules");

/// Reads a rules file.
pub fn load(path: &Path) -> Result<RuleSet, SettingsError> {
    let text = mayfly_settings::load(path)?;
    Ok(parse(&text, &path.display().to_string())?)
}

/// Reads rules from text; `path` is where it came from, for messages.
pub fn parse(text: &str, path: &str) -> Result<RuleSet, Invalid> {
    let (file, document) = mayfly_settings::read::<model::File>(&FORMAT, text, path)?;
    convert::rule_set(file, &document)
}
