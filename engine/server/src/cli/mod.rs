//! The command line: what it takes, and what its exit codes mean.

mod check_config;
mod completions;
pub(crate) mod escape;
pub(crate) mod output;
mod passwd;
mod serve;
mod signal;
mod store;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;

/// The exit code of a command that failed; clap exits with it too when it does not understand the command line.
pub(crate) const EXIT_ERROR: u8 = 2;
/// Where a broker listens.
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
    /// Read, write and watch the state store of a running broker, and hold locks.
    Store(Box<store::Store>),
    /// Print a script that completes commands and options in a shell.
    Completions(completions::Completions),
}

/// How a command ended that did not fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Exit code 0.
    Done,
    /// Exit code 1: the key is absent, or a condition did not hold.
    NotMet,
    /// The exit code of a command that was run.
    Command(u8),
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::NotMet => ExitCode::from(1),
            Outcome::Command(code) => ExitCode::from(code),
        }
    }
}

impl Cli {
    /// Runs the command to its end.
    pub(crate) fn run(self) -> anyhow::Result<Outcome> {
        match self.command {
            Command::CheckConfig(check) => check.run(),
            Command::Completions(completions) => completions.run(),
            Command::Passwd(passwd) => passwd.run(),
            // Everything runs on this one thread, the broker's connections included.
            Command::Serve(serve) => {
                Builder::new_current_thread().enable_all().build()?.block_on(serve.run())
            }
            // The connection is kept alive by another thread while standard output takes nothing.
            Command::Store(store) => {
                Builder::new_multi_thread().worker_threads(1).enable_all().build()?.block_on(store.run())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::Cli;

    /// Clap's own check that names are there once, and that what refers to a name finds it.
    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
