//! `mayfly-sim`: runs scenarios under deterministic simulation.

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    match mayfly_sim::cli::Arguments::try_parse() {
        Ok(arguments) => mayfly_sim::cli::main(&arguments).into(),
        Err(error) => {
            // Help and version are asked for; anything else is a command line that cannot be followed.
            if error.use_stderr() {
                eprintln!("{}", mayfly_sim::cli::complaint(&error));
                return mayfly_sim::cli::Exit::Invalid.into();
            }
            let _ = error.print();
            ExitCode::SUCCESS
        }
    }
}
