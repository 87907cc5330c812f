//! `mayfly check-config`: says what is wrong with a configuration and the files that it names, without running it.

use std::path::PathBuf;

use clap::Args;
use mayfly::config::Config;
use mayfly::resources::Resources;

use super::Outcome;
use super::output::{tell, write};

#[derive(Debug, Args)]
pub(crate) struct CheckConfig {
    /// The configuration, a TOML file.
    file: PathBuf,
}

impl CheckConfig {
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        let (config, warnings) = Config::load(&self.file)?;
        for warning in warnings {
            tell(format_args!("mayfly: warning: {warning}"));
        }
        for warning in Resources::load(&config)?.warnings() {
            tell(format_args!("mayfly: warning: {warning}"));
        }
        // A closed standard output is no reason to find a valid file invalid.
        let _ = write(format!("{}: valid\n", self.file.display()).as_bytes());
        Ok(Outcome::Done)
    }
}
