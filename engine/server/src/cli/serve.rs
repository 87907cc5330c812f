//! `mayfly serve`: a broker in the foreground.

use std::io::Write;

use anyhow::Context;
use clap::Args;
use mayfly::serve;

use super::address::Address;
use super::signal::stop_signal;
use super::{DEFAULT_ADDRESS, Outcome};

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 takes a free port, which is printed.
    #[arg(long, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    listen: Address,
}

impl Serve {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let stop = stop_signal().context("cannot wait for a signal")?;
        let listener = serve::bind(self.listen.as_str()).await?;
        // A closed standard output is no reason not to serve.
        let _ = writeln!(std::io::stdout(), "mayfly listens on {}", listener.local_addr()?);
        serve::serve(listener, stop).await?;
        Ok(Outcome::Done)
    }
}
