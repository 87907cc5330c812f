//! The `mayfly` command: a broker, and a command line client for its state store.

mod cli;

use std::process::ExitCode;

use clap::Parser;
use cli::escape::Harmless;

fn main() -> ExitCode {
    match cli::Cli::parse().run() {
        Ok(outcome) => outcome.into(),
        Err(error) => {
            eprintln!("mayfly: {}", Harmless(&format!("{error:#}")));
            cli::EXIT_ERROR.into()
        }
    }
}
