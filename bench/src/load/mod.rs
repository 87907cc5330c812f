//! Loads on `mayfly serve`, which runs as a process of its own: what many clients cost it, and whether each is served beside
//! the others.
//!
//! Every load has bounds, and fails where one is broken. It judges neither content nor order: tests and simulation do.
//!
//! # Layout
//! - [`idle`], [`storm`], [`slow_reader`], [`keys`]: the loads
//! - [`server`]: the process under load, its memory and its metrics
//! - [`redis`]: `redis-server` as a process, to compare with
//! - [`peer`]: a client on a blocking socket; [`probe`]: clients that exchange messages at a steady rate meanwhile
//! - [`comparison`]: what a load does to their latency; [`report`]: what a load prints

pub mod comparison;
pub mod idle;
pub mod keys;
pub mod peer;
pub mod probe;
pub mod redis;
pub mod report;
pub mod server;
pub mod slow_reader;
pub mod storm;

use std::io;
use std::time::Duration;

use mayfly::open_files::OpenFiles;

use crate::client::ClientError;
use crate::link::LinkError;

/// Whoever answers later than this hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// Open files beside the connections of a load.
const SPARE_FILES: u64 = 64;

/// Why a load has no result.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A socket, a file or a process failed.
    #[error("{what}: {error}")]
    Io {
        /// What was done.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
    /// What a client was told is wrong.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// A client of the storm cannot connect.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// The server closed a connection that it should serve.
    #[error("the server closed the connection of a client that it should serve")]
    Closed,
    /// The server cannot be started, or not asked how it is.
    #[error("{0}")]
    Server(String),
    /// The system does not allow as many connections.
    #[error(
        "the system allows this process {allowed} open files, but the load needs {wanted}: raise the bound (ulimit -n) or \
         ask for fewer connections"
    )]
    OpenFiles {
        /// What it allows.
        allowed: u64,
        /// What is needed.
        wanted: u64,
    },
    /// Messages of the probe did not arrive.
    #[error("only {received} of {sent} messages between two connected clients arrived")]
    Lost {
        /// How many were sent.
        sent: u64,
        /// How many arrived.
        received: u64,
    },
}

/// Names what failed.
fn during(what: &'static str) -> impl Fn(io::Error) -> LoadError {
    move |error| LoadError::Io { what, error }
}

/// Allows this process so many connections.
fn allow_connections(count: usize) -> Result<(), LoadError> {
    let files = OpenFiles::raise(count as u64 + SPARE_FILES);
    if files.is_short() {
        return Err(LoadError::OpenFiles { allowed: files.allowed, wanted: files.wanted });
    }
    Ok(())
}
