//! `mayfly-model`: random programs against the engine, judged by the reference model.

use std::fmt::Display;
use std::process::ExitCode;

use clap::Parser;
use mayfly_model::differential::{campaign, state_store};

/// Runs random programs of many clients against the engine, and holds what each client sees to a reference model of MQTT.
///
/// Exit status: 0 no difference, 1 a difference, 2 the command line is invalid.
#[derive(Debug, Parser)]
#[command(name = "mayfly-model", version)]
struct Arguments {
    /// The seed of the first program; each further one has the next
    #[arg(long, default_value_t = 1)]
    seed: u64,

    /// How many programs
    #[arg(long, value_name = "COUNT", default_value_t = 100_000)]
    programs: u64,

    /// Programs of the state store, in place of those of MQTT
    #[arg(long = "store")]
    is_of_store: bool,
}

fn main() -> ExitCode {
    let Arguments { seed, programs, is_of_store } = Arguments::parse();
    if is_of_store {
        told(state_store::campaign::campaign(seed, programs))
    } else {
        told(campaign::campaign(seed, programs))
    }
}

fn told(result: Result<impl Display, Box<impl Display>>) -> ExitCode {
    match result {
        Ok(passed) => {
            print!("{passed}");
            ExitCode::SUCCESS
        }
        Err(failed) => {
            println!("{failed}");
            ExitCode::FAILURE
        }
    }
}
