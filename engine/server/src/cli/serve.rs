//! `mayfly serve`: a broker in the foreground.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use mayfly::address::Address;
use mayfly::config::Config;
use mayfly::config::model::Listener;
use mayfly::logging;
use mayfly::serve::Server;
use tracing::warn;

use super::signal::stop_signal;
use super::{DEFAULT_ADDRESS, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// The configuration, a TOML file. Without it, anybody who reaches the address may do everything.
    #[arg(long, value_name = "FILE", conflicts_with = "listen")]
    config: Option<PathBuf>,
    /// Where to listen, without a configuration; port 0 takes a free port, which is printed.
    #[arg(long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    listen: Address,
}

impl Serve {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let (mut config, warnings) = match &self.config {
            Some(path) => Config::load(path)?,
            None => (Config::default(), Vec::new()),
        };
        if config.listeners.is_empty() {
            config.listeners.push(Listener::on(self.listen.as_str()));
        }
        logging::start(config.log.format, config.log.level);
        for warning in warnings {
            warn!("{warning}");
        }
        let stop = stop_signal().context("cannot wait for a signal")?;
        let server = Server::bind(&config).await?;
        // A closed standard output is no reason not to serve.
        let mut out = std::io::stdout();
        for bound in server.bound() {
            let _ = writeln!(out, "mayfly listens on {} ({})", bound.address, bound.name);
        }
        if let Some(address) = server.http_address() {
            let _ = writeln!(out, "mayfly serves metrics on http://{address}/metrics");
        }
        server.run(stop).await;
        Ok(Outcome::Done)
    }
}
