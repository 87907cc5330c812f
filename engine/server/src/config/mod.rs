//! The configuration: one TOML file.
//!
//! Owns the language of the file and the errors about it; it opens the file, and none that it names. [`model`] is the
//! language key by key.

pub mod model;
mod resolve;
#[cfg(test)]
mod tests;
mod validate;

use std::path::{Path, PathBuf};

use mayfly_settings::{Format, Invalid, SettingsError, load, read};

pub use model::Config;
pub use validate::Warning;

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
        let (config, document) = read::<Self>(&FORMAT, text, path)?;
        let warnings = validate::validate(&config, &document)?;
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
