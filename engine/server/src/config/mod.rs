//! The configuration: one TOML file.
//!
//! Owns the language of the file and the errors about it; it opens the file, and none that it names. [`model`] is the
//! language key by key.

pub mod model;
mod resolve;
#[cfg(test)]
mod tests;
mod validate;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mayfly_settings::{Document, Format, Invalid, SettingsError, load, read};

pub use model::Config;
pub use validate::Warning;

/// Where a configuration names files and policies, for errors about those. Empty for one that was made in a program.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Places(BTreeMap<String, String>);

impl Places {
    /// The place of a value, such as `mayfly.toml:7:10: `, by its dotted path; nothing where it is not known.
    pub(crate) fn of(&self, path: &str) -> &str {
        self.0.get(path).map_or("", String::as_str)
    }

    fn in_document(config: &Config, document: &Document<'_>) -> Self {
        let keys = ["policy", "authentication.passwords", "authentication.attributes", "tls"];
        let of_listener = |index| keys.map(|key| format!("listeners.{index}.{key}"));
        let paths =
            (0..config.listeners.len()).flat_map(of_listener).chain(["authorization.rules".to_owned()]);
        let place = |path: String| {
            let Invalid { path: file, line, column, .. } = document.error_in(&path, "");
            (path, format!("{file}:{line}:{column}: "))
        };
        Self(paths.map(place).collect())
    }
}

const FORMAT: Format = Format::new("the configuration");

impl Config {
    /// Reads a configuration file. Paths in it become relative to the current directory.
    pub fn load(path: &Path) -> Result<(Self, Vec<Warning>), SettingsError> {
        let text = load(path)?;
        let (mut config, warnings) = Self::parse(&text, &path.display().to_string())?;
        if let Some(folder) = path.parent() {
            config.paths().for_each(|named| *named = folder.join(&*named));
        }
        Ok((config, warnings))
    }

    /// Reads a configuration from text; `path` is where it came from, for messages.
    pub fn parse(text: &str, path: &str) -> Result<(Self, Vec<Warning>), Invalid> {
        let (mut config, document) = read::<Self>(&FORMAT, text, path)?;
        let warnings = validate::validate(&config, &document)?;
        config.places = Places::in_document(&config, &document);
        Ok((config, warnings))
    }

    /// Every file that the configuration names.
    fn paths(&mut self) -> impl Iterator<Item = &mut PathBuf> {
        let of_listeners = self.listeners.iter_mut().flat_map(|listener| {
            let tls = listener.tls.iter_mut().flat_map(|tls| {
                [Some(&mut tls.certificate), Some(&mut tls.key), tls.client_ca.as_mut()].into_iter().flatten()
            });
            let authentication = &mut listener.authentication;
            let of_users = [authentication.passwords.as_mut(), authentication.attributes.as_mut()];
            tls.chain(of_users.into_iter().flatten())
        });
        of_listeners.chain(self.authorization.as_mut().map(|authorization| &mut authorization.rules))
    }
}
