//! `mayfly store`: one request to a running broker's state store, or a watch on a key.
//!
//! Standard output carries data only: the value of `get`, byte for byte, with a line end only where it goes to a
//! terminal; the version that `set`, `del` and `vdel` made, which serves as a fencing token; the lines of `watch`.
//! Everything else goes to standard error.

use std::ffi::{OsStr, OsString};
use std::io::{self, IsTerminal, Read, Write};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::{Args, Subcommand};
use mayfly_client::{
    Change, Condition, ConnectionEvent, DelOutcome, Observation, ObservationEvent, Options, SetOptions,
    SetOutcome, StateStore, VdelOutcome, Version, tcp,
};
use tokio::sync::mpsc;

use super::escape::{Beginning, Escaped};
use super::signal::StopSignals;
use super::{DEFAULT_ADDRESS, Outcome};
use mayfly::address::Address;

/// Connection events that wait to be read; what no longer fits is of no interest.
const EVENTS: usize = 16;

#[derive(Debug, Args)]
pub(crate) struct Store {
    /// Where the broker listens.
    #[arg(long, global = true, value_name = "HOST:PORT", default_value = DEFAULT_ADDRESS)]
    broker: Address,
    /// How long to wait for an answer, in seconds.
    #[arg(long, global = true, value_name = "SECONDS", default_value = "10",
        value_parser = clap::value_parser!(u32).range(1..))]
    timeout: u32,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    #[command(flatten)]
    Request(Request),
    /// Print a line for each change of a key, until SIGINT or SIGTERM.
    Watch { key: OsString },
}

#[derive(Debug, Subcommand)]
enum Request {
    /// Print a key's value; exit code 1 if there is no such key.
    Get { key: OsString },
    /// Write a value and print its version; exit code 1 if the condition does not hold.
    Set(Set),
    /// Delete a key and print the deletion's version; exit code 1 if there is no such key.
    Del {
        key: OsString,
        #[command(flatten)]
        fencing: Fencing,
    },
    /// Delete a key if it has the value; exit code 1 if it has another, or there is no such key.
    Vdel {
        key: OsString,
        #[arg(allow_hyphen_values = true)]
        value: OsString,
        #[command(flatten)]
        fencing: Fencing,
    },
}

#[derive(Debug, Args)]
struct Set {
    key: OsString,
    /// The value; read from standard input where it is left out.
    #[arg(allow_hyphen_values = true)]
    value: Option<OsString>,
    /// Write only if the key does not exist.
    #[arg(long, conflicts_with = "nex")]
    nx: bool,
    /// Write only if the key does not exist or has this value already.
    #[arg(long)]
    nex: bool,
    /// Let the key expire after so many milliseconds.
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u64).range(1..))]
    px: Option<u64>,
    #[command(flatten)]
    fencing: Fencing,
}

#[derive(Debug, Args)]
struct Fencing {
    /// The version of the lock that protects the key, as `set` printed it.
    #[arg(long = "fencing-token", value_name = "VERSION")]
    token: Option<Version>,
}

impl Store {
    pub(crate) async fn run(self) -> anyhow::Result<Outcome> {
        let mut connection = Connection::new(self.broker, self.timeout)?;
        let store = connection.store.clone();
        let outcome = match self.command {
            Command::Watch { key } => watch(&mut connection, key.as_encoded_bytes()).await,
            Command::Request(request) => connection.unless_lost(request.run(&store)).await,
        };
        connection.close().await;
        outcome
    }
}

impl Request {
    async fn run(self, store: &StateStore) -> anyhow::Result<Outcome> {
        match self {
            Request::Get { key } => get(store, &key).await,
            Request::Set(set) => set.run(store).await,
            Request::Del { key, fencing } => {
                match store.del(key.as_encoded_bytes(), fencing.token.as_ref()).await? {
                    DelOutcome::Deleted(version) => print_version(&version),
                    DelOutcome::Absent => Ok(absent(&key)),
                }
            }
            Request::Vdel { key, value, fencing } => {
                let (key_bytes, value) = (key.as_encoded_bytes(), value.as_encoded_bytes());
                match store.vdel(key_bytes, value, fencing.token.as_ref()).await? {
                    VdelOutcome::Deleted(version) => print_version(&version),
                    VdelOutcome::Different => {
                        eprintln!("not deleted: the key {} has another value", Beginning(key_bytes));
                        Ok(Outcome::NotMet)
                    }
                    VdelOutcome::Absent => Ok(absent(&key)),
                }
            }
        }
    }
}

async fn get(store: &StateStore, key: &OsStr) -> anyhow::Result<Outcome> {
    let Some(stored) = store.get(key.as_encoded_bytes()).await? else { return Ok(absent(key)) };
    let mut output = io::stdout().lock();
    output.write_all(&stored.value)?;
    if output.is_terminal() {
        output.write_all(b"\n")?;
    }
    output.flush()?;
    Ok(Outcome::Done)
}

impl Set {
    async fn run(self, store: &StateStore) -> anyhow::Result<Outcome> {
        let value = match self.value {
            Some(value) => value.into_encoded_bytes(),
            None => value_from_stdin()?,
        };
        let options = SetOptions {
            condition: match (self.nx, self.nex) {
                (true, _) => Condition::Nx,
                (_, true) => Condition::Nex,
                _ => Condition::Always,
            },
            expiry: self.px.map(Duration::from_millis),
            fencing_token: self.fencing.token,
        };
        match store.set(self.key.as_encoded_bytes(), &value, &options).await? {
            SetOutcome::Stored(version) => print_version(&version),
            SetOutcome::Refused(version) => {
                eprintln!(
                    "not set: the key {} exists with version {version}",
                    Beginning(self.key.as_encoded_bytes())
                );
                Ok(Outcome::NotMet)
            }
        }
    }
}

fn value_from_stdin() -> anyhow::Result<Vec<u8>> {
    let mut input = io::stdin().lock();
    if input.is_terminal() {
        bail!("no value: give one after the key, or pipe one in");
    }
    let mut value = Vec::new();
    input.read_to_end(&mut value).context("cannot read the value from standard input")?;
    Ok(value)
}

fn print_version(version: &Version) -> anyhow::Result<Outcome> {
    writeln!(io::stdout(), "{version}")?;
    Ok(Outcome::Done)
}

fn absent(key: &OsStr) -> Outcome {
    eprintln!("there is no key {}", Beginning(key.as_encoded_bytes()));
    Outcome::NotMet
}

async fn watch(connection: &mut Connection, key: &[u8]) -> anyhow::Result<Outcome> {
    let mut stop = StopSignals::new().context("cannot wait for a signal")?;
    let store = connection.store.clone();
    let mut observation = connection.unless_lost(async { Ok(store.observe(key).await?) }).await?;
    eprintln!("watching {}", Beginning(key));
    tokio::select! {
        ended = print_changes(&mut observation) => ended,
        () = stop.next() => Ok(Outcome::Done),
    }
}

async fn print_changes(observation: &mut Observation) -> anyhow::Result<Outcome> {
    while let Some(event) = observation.recv().await {
        match event {
            ObservationEvent::Changed(notification) => {
                let line = match notification.change {
                    Change::Set { value, version } => format!("set {version} {}\n", Escaped(&value)),
                    Change::Deleted { version } => format!("deleted {version}\n"),
                };
                match io::stdout().write_all(line.as_bytes()) {
                    // Whoever read the lines has had enough of them.
                    Err(error) if error.kind() == io::ErrorKind::BrokenPipe => return Ok(Outcome::Done),
                    written => written?,
                }
            }
            ObservationEvent::Interrupted => eprintln!("connection lost; changes from here on may be missed"),
            ObservationEvent::Resumed { .. } => eprintln!("watching again"),
            ObservationEvent::Unreadable(error) => eprintln!("a change that cannot be understood: {error}"),
            ObservationEvent::Failed(error) => return Err(error).context("the watch ended"),
            ObservationEvent::Overrun => {
                bail!("the watch ended: changes came faster than they could be printed")
            }
        }
    }
    bail!("the watch ended")
}

/// A client whose first connection is still to come.
struct Connection {
    store: StateStore,
    driver: tokio::task::JoinHandle<()>,
    events: mpsc::Receiver<ConnectionEvent>,
    broker: Address,
}

impl Connection {
    fn new(broker: Address, timeout_s: u32) -> anyhow::Result<Self> {
        let (told, events) = mpsc::channel(EVENTS);
        let options = Options {
            // A command's session has no use after it.
            session_expiry: Duration::ZERO,
            operation_timeout: Duration::from_secs(timeout_s.into()),
            connection_listener: Some(Arc::new(move |event| {
                // Once the first connection stands nobody listens.
                let _ = told.try_send(event);
            })),
            ..Options::default()
        };
        let (store, driver) = StateStore::new(&options, tcp::connector(broker.as_str()))?;
        Ok(Connection { store, driver: tokio::spawn(driver.run()), events, broker })
    }

    /// Runs a request to its end, or until the connection fails: a command line does not wait for better times.
    async fn unless_lost<T>(
        &mut self,
        request: impl Future<Output = anyhow::Result<T>>,
    ) -> anyhow::Result<T> {
        tokio::select! {
            biased;
            result = request => result,
            error = Self::failure(&mut self.events, &self.broker) => Err(error),
        }
    }

    async fn failure(events: &mut mpsc::Receiver<ConnectionEvent>, broker: &Address) -> anyhow::Error {
        loop {
            match events.recv().await {
                Some(ConnectionEvent::ConnectFailed { reason }) => {
                    return anyhow!("no broker at {broker}: {reason}; start one with: mayfly serve");
                }
                Some(ConnectionEvent::Connected { .. }) => {}
                Some(event) => return anyhow!("broker at {broker}: {event}"),
                None => return anyhow!("the client ended"),
            }
        }
    }

    async fn close(self) {
        self.store.close();
        // A driver that panicked has said so on standard error.
        let _ = self.driver.await;
    }
}
