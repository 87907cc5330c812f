//! The command line: what it takes, and what its exit codes mean.

mod check_config;
pub(crate) mod escape;
mod passwd;
mod serve;
mod signal;
mod store;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The exit code of a command that failed; clap exits with it too when it does not understand the command line.
pub(crate) const EXIT_ERROR: u8 = 2;
/// Where a broker listens, and where it is looked for.
const DEFAULT_ADDRESS: &str = "127.0.0.1:1883";

/// MQTT broker with an in-memory state store.
#[derive(Debug, Parser)]
#[command(version, after_help = "Exit codes: 0 done, 1 key absent or condition not met, 2 error.")]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a broker until SIGINT or SIGTERM.
    Serve(serve::Serve),
    /// Say what is wrong with a configuration, and with the files that it names.
    CheckConfig(check_config::CheckConfig),
    /// Add a user to a password file, give it another password, or remove it.
    Passwd(passwd::Passwd),
    /// Read and write the state store of a running broker.
    Store(store::Store),
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 1: the key is absent, or a condition did not hold.
    NotMet,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::NotMet => ExitCode::from(1),
        }
    }
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        // Everything runs on this one thread, the broker's connections included.
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        match self.command {
            Command::CheckConfig(check) => check.run(),
            Command::Passwd(passwd) => passwd.run(),
            Command::Serve(serve) => runtime.block_on(serve.run()),
            Command::Store(store) => runtime.block_on(store.run()),
        }
    }
}
