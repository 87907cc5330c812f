//! `mayfly-load`: loads on `mayfly serve` as a process of its own, each held to its bounds.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use mayfly_bench::load::LoadError;
use mayfly_bench::load::idle::Idle;
use mayfly_bench::load::keys::Keys;
use mayfly_bench::load::report::Report;
use mayfly_bench::load::server::Program;
use mayfly_bench::load::slow_reader::SlowReader;
use mayfly_bench::load::storm::Storm;
use mayfly_settings::duration;

/// Puts loads on `mayfly serve`, which it starts on the loopback interface as a process of its own.
///
/// Exit status: 0 all bounds hold; 1 one is broken, or the load cannot be carried out; 2 the command line cannot be followed.
#[derive(Debug, Parser)]
#[command(name = "mayfly-load", version)]
struct Arguments {
    /// The program `mayfly`; by default the one beside this program, built by cargo if that runs this one
    #[arg(long, global = true, value_name = "FILE")]
    server: Option<PathBuf>,
    #[command(subcommand)]
    load: Load,
}

#[derive(Debug, Subcommand)]
enum Load {
    /// Connections that only stay open: memory for each, at most 4 KiB
    Idle {
        /// Connections
        #[arg(long, default_value_t = 10_000, value_parser = at_least_one)]
        connections: usize,
    },
    /// Keys of 16 bytes with values of 64 in the state store: memory for each beside these, at most 200 bytes; and what Redis
    /// takes for the same, where it is installed
    Keys {
        /// Keys
        #[arg(long, default_value_t = 1_000_000, value_parser = at_least_one)]
        keys: usize,
    },
    /// Clients that connect at once, while connected clients exchange messages
    Storm {
        /// Clients that connect
        #[arg(long, default_value_t = 5000, value_parser = at_least_one)]
        clients: usize,
        /// Clients that try at the same time; by default all
        #[arg(long, value_parser = at_least_one)]
        at_once: Option<usize>,
        /// What p99 of the connected clients may be at most, as a multiple of that without the storm; by default anything
        #[arg(long, value_name = "TIMES")]
        max_ratio: Option<f64>,
        /// How many storms at most: a bound counts as broken where each of them breaks it
        #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
        tries: u32,
        /// Everybody comes with a password
        #[arg(long = "passwords")]
        has_passwords: bool,
        #[command(flatten)]
        probe: Probe,
    },
    /// A subscriber that never reads what a publisher sends: memory stays bounded, everybody else is served
    SlowReader {
        /// Messages at each QoS
        #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u64).range(1..))]
        messages: u64,
        /// Bytes of a payload
        #[arg(long, default_value_t = 256)]
        payload: usize,
        /// The server's write timeout
        #[arg(long, default_value = "30s", value_parser = duration::parse)]
        write_timeout: Duration,
        /// What p99 of the others may be at most
        #[arg(long, default_value = "250ms", value_parser = duration::parse)]
        max_p99: Duration,
        #[command(flatten)]
        probe: Probe,
    },
}

/// The connected clients that exchange messages.
#[derive(Debug, Args)]
struct Probe {
    /// How long they do so without a load, to compare with
    #[arg(long, default_value = "5s", value_parser = duration::parse)]
    idle: Duration,
    /// Messages each second
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    rate: u32,
}

fn main() -> ExitCode {
    let Arguments { server, load } = Arguments::parse();
    match Program::find(server).and_then(|program| load.run(&program)) {
        Ok(report) => {
            print!("{}", report.text());
            if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

impl Load {
    fn run(self, program: &Program) -> Result<Report, LoadError> {
        match self {
            Self::Idle { connections } => Idle { connections }.run(program),
            Self::Keys { keys } => Keys { keys }.run(program),
            Self::Storm {
                clients,
                at_once,
                max_ratio,
                tries,
                has_passwords,
                probe: Probe { idle, rate },
            } => {
                let at_once = at_once.unwrap_or(clients);
                Storm { clients, at_once, idle, rate, max_ratio, tries, has_passwords }.run(program)
            }
            Self::SlowReader { messages, payload, write_timeout, max_p99, probe: Probe { idle, rate } } => {
                SlowReader { messages, payload, write_timeout, idle, rate, max_p99 }.run(program)
            }
        }
    }
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("it must be at least 1".to_owned()),
        Ok(count) => Ok(count),
        Err(_) => Err("it must be a number".to_owned()),
    }
}
