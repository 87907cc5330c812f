//! `mayfly serve`: a broker in the foreground.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use mayfly::address::Address;
use mayfly::config::model::Listener;
use mayfly::config::{Config, Warning};
use mayfly::logging;
use mayfly::open_files::OpenFiles;
use mayfly::serve::Server;
use mayfly_settings::SettingsError;
use tokio::signal::unix::Signal;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tracing::{error, warn};

use super::signal::{StopSignals, reload_signal};
use super::{DEFAULT_ADDRESS, Outcome};

#[derive(Debug, Args)]
#[command(
    after_help = "SIGHUP reads the configuration again; SIGINT and SIGTERM stop the broker, a second one at once."
)]
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
        let (mut config, warnings) = self.load()?;
        logging::start(config.log.format, config.log.level);
        for warning in warnings {
            warn!("{warning}");
        }
        let files = OpenFiles::raise_for(&config);
        files.prepare();
        config.connections.max_connections = files.max_connections(&config);
        let signals = StopSignals::new().context("cannot wait for a signal")?;
        let hangups = reload_signal().context("cannot wait for a signal")?;
        let server = Server::bind(&config).await?;
        announce(&server);
        let (reload, reloads) = unbounded_channel();
        let (stop, stopped) = oneshot::channel();
        tokio::select! {
            biased;
            () = server.run(async { drop(stopped.await) }, reloads) => {}
            () = self.reload(hangups, reload) => {}
            () = told_twice(signals, stop) => warn!("told again to stop: does not wait for the clients any longer"),
        }
        Ok(Outcome::Done)
    }

    /// What the command line asks for, or the configuration that it names.
    fn load(&self) -> Result<(Config, Vec<Warning>), SettingsError> {
        let (mut config, warnings) = match &self.config {
            Some(path) => Config::load(path)?,
            None => (Config::default(), Vec::new()),
        };
        if config.listeners.is_empty() {
            config.listeners.push(Listener::on(self.listen.as_str()));
        }
        Ok((config, warnings))
    }

    /// Reads the configuration again at each SIGHUP. One that is invalid changes nothing.
    async fn reload(&self, mut hangups: Signal, reload: UnboundedSender<Config>) {
        while hangups.recv().await.is_some() {
            match self.load() {
                Ok((config, warnings)) => {
                    for warning in warnings {
                        warn!("{warning}");
                    }
                    if reload.send(config).is_err() {
                        break; // The server has stopped.
                    }
                }
                Err(invalid) => error!("the configuration stays as it was: {invalid}"),
            }
        }
        std::future::pending::<()>().await;
    }
}

/// Passes the first signal on, and is ready at the second.
async fn told_twice(mut signals: StopSignals, stop: oneshot::Sender<()>) {
    signals.next().await;
    // A server that has ended needs no telling.
    let _ = stop.send(());
    signals.next().await;
}

/// Says where the server listens, for people and scripts.
fn announce(server: &Server) {
    // A closed standard output is no reason not to serve.
    let mut out = std::io::stdout();
    for bound in server.bound() {
        let _ = writeln!(out, "mayfly listens on {} ({})", bound.address, bound.name);
    }
    if let Some(address) = server.http_address() {
        let _ = writeln!(out, "mayfly serves metrics on http://{address}/metrics");
    }
}
