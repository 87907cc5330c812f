//! `mayfly store`: the state store of a running broker, from a shell.
//!
//! Standard output carries data only: the value of `get`, byte for byte, with a line end only where it goes to a terminal;
//! the version that `set`, `del` and `vdel` made, which serves as a fencing token; the keys of `scan`; the lines of `watch`.
//! With `--json` it is an object a line instead. Everything else goes to standard error.
//!
//! # Layout
//! - `address`, `connection`: how the broker is reached, and the client that does so.
//! - `argument`: keys and values as they are given.
//! - `report`: what is printed.
//! - `request`, `scan`, `watch`, `lock`: the commands; `guarded` is the process that runs under a lock.

mod address;
mod argument;
mod connection;
mod guarded;
mod lock;
mod report;
mod request;
mod scan;
mod watch;

use std::time::Duration;

use clap::{ArgAction, Args, Subcommand};
use mayfly_settings::duration;

use self::address::AddressOptions;
use self::connection::Connection;
use self::report::Report;
use super::Outcome;

/// What `--help` says at the end.
const AFTER_HELP: &str = "\
Exit codes: 0 done, 1 key absent or condition not met, 2 error. `lock` with a command: that command's.

With --json, what is printed is an object a line. Keys and values are there twice: `key` and `value` as text, null where they
are not UTF-8, and `key_base64` and `value_base64` as base64.
  get          result (\"found\", \"absent\"), key, value, version
  set          result (\"stored\", \"refused\"), key, version: the new one, or that of what is stored
  del, vdel    result (\"deleted\", \"absent\", \"different\"), key, version of the deletion
  scan         key
  watch        event (\"watching\", \"set\", \"deleted\", \"interrupted\", \"resumed\", \"unreadable\"), key, value, version,
               session_present
  lock         event (\"locked\", \"lost\", \"released\"), key, holder, fencing_token, reason; nothing where there is a command";

#[derive(Debug, Args)]
#[command(disable_help_flag = true, after_help = AFTER_HELP)]
pub(crate) struct Store {
    #[command(flatten)]
    address: AddressOptions,
    /// How long to wait for the connection, and then for each answer; in seconds, or with a unit, such as 500ms.
    #[arg(long, global = true, value_name = "DURATION", default_value = "10", value_parser = positive)]
    timeout: Duration,
    /// Print JSON.
    #[arg(long, global = true, help_heading = "Form")]
    json: bool,
    /// Keys, values and patterns on the command line are base64. Files and standard input are taken as they are.
    #[arg(long, global = true, help_heading = "Form")]
    base64: bool,
    /// Print help.
    #[arg(long, global = true, action = ArgAction::Help, help_heading = "Form")]
    help: Option<bool>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Request(request::Request),
    Scan(scan::Scan),
    Watch(watch::Watch),
    Lock(lock::LockCommand),
}

/// What the commands have in common.
struct Context {
    address: AddressOptions,
    timeout: Duration,
    report: Report,
    /// Whether what stands on the command line is base64.
    base64: bool,
}

impl Store {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let Store { address, timeout, json, base64, .. } = self;
        let context = Context { address, timeout, report: Report::new(json), base64 };
        match self.command {
            Command::Request(request) => request.run(&context).await,
            Command::Scan(scan) => scan.run(&context).await,
            Command::Watch(watch) => watch.run(&context).await,
            Command::Lock(lock) => lock.run(&context).await,
        }
    }
}

impl Context {
    /// A client whose session ends with its connection.
    async fn connect(&self) -> anyhow::Result<Connection> {
        Connection::open(&self.address, self.timeout, Duration::ZERO).await
    }
}

/// A duration with a unit, or a number of seconds.
fn seconds(text: &str) -> Result<Duration, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    let with_unit = if is_number && !text.is_empty() { format!("{text}s") } else { text.to_owned() };
    duration::parse(&with_unit).map_err(|_| {
        "expected seconds, such as 10 or 0.5, or a duration with a unit, such as 500ms or 5m".to_owned()
    })
}

/// The same, and not zero.
fn positive(text: &str) -> Result<Duration, String> {
    match seconds(text)? {
        Duration::ZERO => Err("expected more than zero".to_owned()),
        duration => Ok(duration),
    }
}
