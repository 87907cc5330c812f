//! The `mayfly` command: a broker, and a command line client for its state store.

#![deny(clippy::print_stderr, reason = "it panics where standard error is closed; see `cli::output::tell`")]

mod cli;

use std::process::ExitCode;

use clap::Parser;
use cli::output::tell;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            tell(format_args!("mayfly: {error:#}"));
            cli::EXIT_ERROR.into()
        }
    }
}
