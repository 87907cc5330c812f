//! `mayfly check-config`: says what is wrong with a configuration and the files that it names, without running it.

use std::io::Write;
use std::path::PathBuf;

use clap::Args;
use mayfly::config::Config;
use mayfly::resources::Resources;

use super::Outcome;

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// The configuration, a TOML file.
    file: PathBuf,
}

impl CheckConfig {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        let (config, warnings) = Config::load(&self.file)?;
        for warning in warnings {
            eprintln!("mayfly: warning: {warning}");
        }
        for warning in Resources::load(&config)?.warnings() {
            eprintln!("mayfly: warning: {warning}");
        }
        // A closed standard output is no reason to find a valid file invalid.
        let _ = writeln!(std::io::stdout(), "{}: valid", self.file.display());
        Ok(Outcome::Done)
    }
}
